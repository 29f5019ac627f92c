"""How the mail stands, for whoever runs the service: times, counts and kinds, no patient data."""

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.mailbox import MailReport, MailTransport, Trouble, TroubleKind
from app.models.patient import normalise_email
from app.services import health
from app.services.mail.gmail import Gmail
from app.services.mail.gmail.client import Failure
from app.services.mail.gmail.errors import (
    GmailRefusedError,
    GmailSignInError,
    RateLimitedError,
)


class MailboxHealth:
    """Reports on the mailbox and the queues, and keeps what only this process knows."""

    def __init__(
        self,
        repositories: Repositories,
        transport: MailTransport,
        gmail: Gmail | None,
        clock: Clock,
    ) -> None:
        """`transport` is what `MAIL_TRANSPORT` names."""
        self._repositories = repositories
        self._transport = transport
        self._gmail = gmail
        self._clock = clock

    @property
    def address(self) -> str | None:
        """The mailbox in use."""
        return normalise_email(self._gmail.mailbox) if self._gmail else None

    async def report(self) -> MailReport:
        """As it stands."""
        await self.keep()
        now = self._clock.now()
        outbox, events = self._repositories.outbox, self._repositories.inbound_events
        return MailReport(
            transport=self._transport,
            now=now,
            mailbox=await health.mailbox_of(self._repositories, self.address),
            incoming=await events.count_by_state(),
            incoming_due_since=await events.next_due_at(),
            outgoing=await outbox.count_by_delivery_status(),
            outgoing_due_since=await outbox.next_due_at(),
            degraded=await health.degraded(self._repositories, self.address, now),
        )

    async def keep(self) -> None:
        """Note what went wrong in this process and until when it sends nothing: another may be
        asked.
        """
        if self._gmail is None or self.address is None:
            return
        mailboxes = self._repositories.mailboxes
        failure, paused_until = self._gmail.client.last_failure, self._gmail.transport.paused_until
        if failure is not None:
            await mailboxes.note_trouble(self.address, _trouble(failure))
        if paused_until is not None:
            await mailboxes.note_pause(self.address, paused_until)


def _trouble(failure: Failure) -> Trouble:
    kinds = {
        RateLimitedError: TroubleKind.RATE_LIMITED,
        GmailSignInError: TroubleKind.SIGN_IN,
        GmailRefusedError: TroubleKind.REFUSED,
    }
    return Trouble(kind=kinds.get(type(failure.error), TroubleKind.UNAVAILABLE), at=failure.at)
