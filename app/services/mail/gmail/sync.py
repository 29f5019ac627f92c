"""Finds what came into the mailbox or left from it, and stores each message's id once before the
cursor moves.

Any number of replicas may be asked at once: one reads, under a lease, and a notification that found
it busy comes round again. A cursor that Gmail forgot leads to a look through everything that came
since a day before the last look, page by page with the place kept; the cursor moves at its end. The
same ids make a second sight of a message do nothing.
"""

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.mailbox import Look, Mailbox
from app.models.patient import normalise_email
from app.models.records import InboundEvent
from app.services.email_processor import MailboxMessage
from app.services.leases import HeldLease, Leases
from app.services.mail.gmail.client import GmailClient, MessagePage, MessageRef
from app.services.mail.gmail.errors import GmailRefusedError, HistoryGoneError
from app.services.work import Wakeable

logger = logging.getLogger(__name__)

SOURCE = "gmail"
LEASE = "gmail-sync"
LOOK_BACK = timedelta(days=1)
NOTED_EVERY = timedelta(minutes=1)
"""Notifications come by the hundred; that they come is noted so often."""
MAX_PAGES = 40
"""Of a look through, in one run: 20,000 messages. The next run goes on from there."""
_BAD_REQUEST = 400


class MailboxSync:
    """Keeps one mailbox and the stored messages in step."""

    def __init__(
        self,
        *,
        client: GmailClient,
        address: str,
        repositories: Repositories,
        leases: Leases,
        clock: Clock,
        worker: Wakeable,
        poll_after: timedelta,
    ) -> None:
        """`poll_after`: how long silence is believed."""
        self._client = client
        self.address = normalise_email(address)
        self._mailboxes = repositories.mailboxes
        self._events = repositories.inbound_events
        self._leases = leases
        self._clock = clock
        self._worker = worker
        self._poll_after = poll_after
        self._one_at_a_time = asyncio.Lock()

    async def covers(self, history_id: int, told_at: datetime) -> bool:
        """Whether what a notification of `told_at` tells of is stored already (old, or out of
        order)."""
        return await self.reached(told_at) >= history_id

    async def reached(self, told_at: datetime) -> int:
        """Up to where everything is stored, as asked because of a notification of `told_at`; below
        everything for a mailbox that was never read.
        """
        mailbox = await self._mailboxes.with_address(self.address)
        if mailbox is None:
            return -1
        if _is_news(mailbox.notified_at, told_at):
            await self._mailboxes.note_notified(self.address, told_at)
        return mailbox.history_id

    async def run(self) -> bool:
        """Store what came; `False` where another replica is at it, or the next run must go on. In
        this process one waits for the other.

        Raises `GmailError`, `LeaseLostError`.
        """
        async with self._one_at_a_time, self._leases.hold(LEASE) as held:
            if held is None:
                return False
            return await self._run(held)

    async def poll(self) -> None:
        """Look after a silence: notifications get lost. Raises what `run` raises."""
        mailbox = await self._mailboxes.with_address(self.address)
        is_through = mailbox is not None and mailbox.look is None
        if mailbox is None or not is_through or self._is_silent_since(mailbox.synced_at):
            await self.run()

    def _is_silent_since(self, synced_at: datetime) -> bool:
        return self._clock.now() - synced_at >= self._poll_after

    async def mailbox(self) -> Mailbox:
        """The mailbox as it stands; read from now on where it never was. Raises `GmailError`."""
        known = await self._mailboxes.with_address(self.address)
        if known is not None:
            return known
        now = self._clock.now()
        history_id = (await self._client.profile()).history_id
        return await self._mailboxes.begin(
            Mailbox(address=self.address, history_id=history_id, synced_at=now)
        )

    async def _run(self, held: HeldLease) -> bool:
        began_at = self._clock.now()
        mailbox = await self.mailbox()
        look = mailbox.look
        if look is None:
            try:
                await self._follow(mailbox, held)
            except HistoryGoneError:
                logger.warning("mailbox is looked through: its history is gone")
                look = await self._new_look(mailbox, began_at)
            else:
                await self._mailboxes.note_sync(self.address, began_at)
                return True
        return await self._look_through(look, held)

    async def _follow(self, mailbox: Mailbox, held: HeldLease) -> None:
        """Page by page, the cursor after each: a crash repeats one page at the most."""
        page: str | None = None
        while True:
            found = await self._client.history(mailbox.history_id, page)
            await self._store(found.added)
            held.check()
            page = found.next_page
            reached = found.reaches if page else found.current
            await self._mailboxes.advance(self.address, reached)
            if page is None:
                return

    async def _new_look(self, mailbox: Mailbox, began_at: datetime) -> Look:
        """Everything since the last one. The new cursor is read first: nothing falls between."""
        current = (await self._client.profile()).history_id
        since = int((mailbox.synced_at - LOOK_BACK).timestamp())
        return Look(since=since, history_id=current, began_at=began_at)

    async def _look_through(self, look: Look, held: HeldLease) -> bool:
        """Whether it came to its end. The place is kept after each page."""
        read = 0
        while read < MAX_PAGES or look.in_one_go:
            found = await self._page_of(look)
            await self._store(found.messages)
            held.check()
            if found.next_page is None:
                await self._mailboxes.end_look(self.address, look)
                return True
            look = look.model_copy(update={"page": found.next_page})
            await self._mailboxes.note_look(self.address, look)
            read += 1
        logger.warning("mailbox is not looked through yet", extra={"pages": read})
        return False

    async def _page_of(self, look: Look) -> MessagePage:
        """Raises `GmailError`. Where Gmail knows the page no more, the next run begins anew."""
        query = f"after:{look.since} -in:draft -in:trash -in:chat"
        try:
            return await self._client.messages(query=query, page=look.page)
        except GmailRefusedError as error:
            if look.page is not None and error.status == _BAD_REQUEST:
                anew = look.model_copy(update={"page": None, "in_one_go": True})
                await self._mailboxes.note_look(self.address, anew)
            raise

    async def _store(self, messages: Iterable[MessageRef]) -> None:
        found = [self._event(one) for one in messages if one.is_to_us or one.is_from_us]
        new = await self._events.store_each(found)
        if new:
            logger.info("mail found", extra={"messages": new})
            self._worker.wake()

    def _event(self, message: MessageRef) -> InboundEvent:
        now = self._clock.now()
        known = MailboxMessage(
            self.address, message.id, message.thread_id, is_sent=message.is_from_us
        )
        return InboundEvent(
            id=known.event_id,
            source=SOURCE,
            payload=known.to_payload(),
            not_before=now,
            created_at=now,
            updated_at=now,
        )


def _is_news(notified_at: datetime | None, told_at: datetime) -> bool:
    return notified_at is None or told_at - notified_at >= NOTED_EVERY
