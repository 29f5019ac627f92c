"""Gmail's promise to notify: it lasts seven days at the most and dies silently, so it is renewed
daily and at every start (Google's push guide), and somebody is told before it ends.
"""

import logging
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.db.repositories.mailboxes import MailboxRepository
from app.models.mailbox import Mailbox
from app.services.leases import Leases
from app.services.mail.gmail.client import GmailClient
from app.services.mail.gmail.sync import MailboxSync

logger = logging.getLogger(__name__)

LEASE = "gmail-watch"
RENEW_AFTER = timedelta(hours=24)
WARN_BEFORE = timedelta(hours=48)
"""A renewal fails for days before it comes to this."""


class MailboxWatch:
    """Keeps the notifications of one mailbox coming."""

    def __init__(
        self,
        *,
        client: GmailClient,
        topic: str,
        sync: MailboxSync,
        mailboxes: MailboxRepository,
        leases: Leases,
        clock: Clock,
    ) -> None:
        self._client = client
        self._topic = topic
        self._sync = sync
        self._mailboxes = mailboxes
        self._leases = leases
        self._clock = clock

    async def renew(self) -> None:
        """Ask Gmail anew, whatever still lasts. Raises `GmailError`."""
        async with self._leases.hold(LEASE) as held:
            if held is None:
                return
            mailbox = await self._sync.mailbox()
            now = self._clock.now()
            watch = await self._client.watch(self._topic)
            await self._mailboxes.note_watch(
                mailbox.address, renewed_at=now, expires_at=watch.expires_at
            )
            logger.info("gmail watch renewed", extra={"until": watch.expires_at.isoformat()})

    async def renew_if_due(self) -> None:
        """Ask Gmail anew once a day, and warn while that fails. Raises `GmailError`."""
        mailbox = await self._mailboxes.with_address(self._sync.address)
        now = self._clock.now()
        if mailbox is not None and is_ending(mailbox, now + WARN_BEFORE):
            logger.warning("gmail watch ends soon", extra={"until": str(mailbox.watch_expires_at)})
        renewed_at = mailbox.watch_renewed_at if mailbox else None
        if renewed_at is None or now - renewed_at >= RENEW_AFTER:
            await self.renew()


def is_ending(mailbox: Mailbox, by: datetime) -> bool:
    """Whether the notifications of a mailbox that is watched end by then."""
    return mailbox.watch_expires_at is not None and mailbox.watch_expires_at < by
