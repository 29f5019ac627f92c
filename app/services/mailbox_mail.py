"""The mailbox as the inbound worker sees it: what it was told of is found, fetched and read."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from app.db.repositories.records import InboundEventRepository
from app.models.patient import normalise_email
from app.models.records import InboundEvent
from app.services.clinic import ClinicService
from app.services.email_processor import GmailNotification, MailboxMessage
from app.services.inbound_order import told_of
from app.services.leases import LeaseLostError
from app.services.mail.gmail.client import GmailClient, StoredMessage
from app.services.mail.gmail.errors import (
    GmailError,
    GmailUnavailableError,
    NotInMailboxError,
    RateLimitedError,
)
from app.services.mail.gmail.keeping import kept_part
from app.services.mail.gmail.sync import MailboxSync
from app.services.mail.gmail.transport import KEY_HEADER
from app.services.mail.incoming import Read
from app.services.mail.reply_tags import ReplyTags
from app.services.received import Received, from_mailbox
from app.services.scheduling.localtime import local_day

BUSY = timedelta(seconds=2)
UNAVAILABLE = timedelta(seconds=15)
RATE_LIMITED = timedelta(seconds=30)
REFUSED = timedelta(minutes=5)
"""Nothing but the operator helps here, and nothing is lost by waiting for that."""

ALREADY_READ = "what it tells of was read before"
ANOTHER_MAILBOX = "not the mailbox of this service"
GONE = "deleted from the mailbox before it was fetched"
NO_LETTER = "a draft, or thrown away"
OWN_LETTER = "sent by this service"


class NotNowError(Exception):
    """It is no fault of the event's that it cannot be processed now: `wait`, and no try counted."""

    def __init__(self, message: str, wait: timedelta) -> None:
        super().__init__(message)
        self.wait = wait


class MailboxMail:
    """Follows notifications up, fetches messages and reads them."""

    def __init__(
        self,
        *,
        client: GmailClient,
        sync: MailboxSync,
        events: InboundEventRepository,
        clinic: ClinicService,
        read: Read,
        tags: ReplyTags,
    ) -> None:
        self._client = client
        self._sync = sync
        self._events = events
        self._clinic = clinic
        self._read = read
        self._tags = tags

    async def follow(self, notification: GmailNotification, told_at: datetime) -> str | None:
        """Find what the notification of `told_at` tells of; a note where there was nothing to do.

        Raises `NotNowError`: while another replica reads, too, or there is more than one run reads,
        so that what comes after finds what came meanwhile.
        """
        if not _is_same(notification.email_address, self._sync.address):
            return ANOTHER_MAILBOX
        if await self._sync.covers(notification.history_id, told_at):
            return ALREADY_READ
        with _waiting_instead():
            is_done = await self._sync.run()
        if not is_done:
            message = "The mailbox is not read to its end yet."
            raise NotNowError(message, BUSY)
        return None

    async def settle_told(self, told: Sequence[InboundEvent]) -> Sequence[InboundEvent]:
        """Finish those of one mailbox's notifications, the newest first, that ask for nothing any
        more; those that do.
        """
        if not told:
            return ()
        if not _is_same(told[0].payload["emailAddress"], self._sync.address):
            await self._events.settle_waiting([event.id for event in told], ANOTHER_MAILBOX)
            return ()
        reached = await self._sync.reached(told[0].created_at)
        news = [event for event in told if told_of(event) > reached]
        old = [event.id for event in told[len(news) :]]
        await self._events.settle_waiting(old, ALREADY_READ)
        return news

    async def put_off(self, told: Sequence[InboundEvent]) -> bool:
        """What the newest of them could not find out, the others cannot either, just now; whether
        there are any.
        """
        await self._events.put_off_waiting([event.id for event in told], BUSY)
        return bool(told)

    async def fetch(
        self, event: InboundEvent, message: MailboxMessage, term: int
    ) -> Received | str:
        """The message, fetched once and kept with its event; a note where there is none to act on.

        Raises `NotNowError`.
        """
        if event.raw is None:
            found = await self._find(message)
            if isinstance(found, str):
                return found
            event = await self._keep(event, term, found)
        return await self._read_kept(event, message)

    async def _find(self, message: MailboxMessage) -> StoredMessage | str:
        """The whole of it, or a note. Of what we sent, which is most of what is sent, its key."""
        with _waiting_instead():
            try:
                if message.is_sent and await self._is_our_own(message):
                    return OWN_LETTER
                stored = await self._client.raw_message(message.message_id)
            except NotInMailboxError:
                return GONE
        return stored if stored.ref.is_to_us or stored.ref.is_from_us else NO_LETTER

    async def _is_our_own(self, message: MailboxMessage) -> bool:
        stored = await self._client.message(message.message_id, [KEY_HEADER])
        return KEY_HEADER.casefold() in stored.headers

    async def _read_kept(self, event: InboundEvent, message: MailboxMessage) -> Received | str:
        at = _instant(event)
        zone = (await self._clinic.recent()).zone
        mail = await asyncio.to_thread(self._read, event.raw or b"", local_day(at, zone))
        is_sent = event.payload.get("is_sent") is True
        if is_sent and mail.own_key:
            return OWN_LETTER
        return from_mailbox(
            message,
            mail,
            at,
            is_spam=bool(event.payload.get("is_spam")),
            tagged=self._tags.letter_answered(mail.addressed_to),
            is_sent=is_sent,
        )

    async def _keep(self, event: InboundEvent, term: int, stored: StoredMessage) -> InboundEvent:
        """Before anything is done about it: from here on the mailbox is not needed any more."""
        raw, is_cut = await asyncio.to_thread(kept_part, stored.raw or b"")
        found = {
            "received_at": stored.received_at,
            "is_spam": stored.ref.is_spam,
            "is_sent": stored.ref.is_from_us,
        }
        fields = {"raw": raw, "is_cut": is_cut}
        dotted = {f"payload.{name}": value for name, value in found.items()}
        await self._events.keep(event.id, term, fields | dotted)
        return event.model_copy(update=fields | {"payload": event.payload | found})


def _is_same(address: str, ours: str) -> bool:
    return normalise_email(address) == ours


def _instant(event: InboundEvent) -> datetime:
    at = event.payload.get("received_at")
    return at.astimezone(UTC) if isinstance(at, datetime) else event.created_at


@contextmanager
def _waiting_instead() -> Iterator[None]:
    """Gmail's troubles as a reason to wait. What is missing altogether passes."""
    try:
        yield
    except NotInMailboxError:
        raise
    except RateLimitedError as error:
        raise NotNowError(str(error), error.retry_after or RATE_LIMITED) from error
    except GmailUnavailableError as error:
        raise NotNowError(str(error), UNAVAILABLE) from error
    except GmailError as error:
        raise NotNowError(str(error), REFUSED) from error
    except LeaseLostError as error:
        raise NotNowError(str(error), BUSY) from error
