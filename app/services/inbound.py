"""Works off the stored webhook events: each is processed once, retried, or put before a person."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

from app.core.clock import Clock
from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories import Repositories
from app.models.interaction import Interaction
from app.models.patient import normalise_email
from app.models.records import InboundEvent, InboundState
from app.services.agent.replies import Alerts, sender_address
from app.services.ai_agent import AiAgent
from app.services.arrivals import Arrivals
from app.services.campaigns import CampaignLifecycle
from app.services.email_processor import (
    AssignedMessage,
    GmailNotification,
    MailboxMessage,
    RelayMessage,
    message_of,
)
from app.services.inbound_order import Piece, in_lines, is_told
from app.services.last_resort import LastResort
from app.services.lines import Lines
from app.services.mail.reading.machine import MachineKind
from app.services.mailbox_mail import BUSY, MailboxMail, NotNowError
from app.services.matching import Match, MessageMatcher
from app.services.received import Received, from_relay
from app.services.staff_mail import StaffMail
from app.services.unmatched import NOT_ASSIGNED, WAIT_FOR_ASSIGNMENT, AssignedMail
from app.services.work import Wakeable

logger = logging.getLogger(__name__)

ASSIGNMENT_WAIT = timedelta(seconds=10)
LEASE = timedelta(seconds=45)
"""After a crash its events wait this long: what was acknowledged is done within a minute."""
LOOK_FOR_ABANDONED_EVERY = timedelta(seconds=5)
LOOKED_FOR_WITHIN = timedelta(minutes=1)
LOOK_EVERY_SECONDS = 0.1
"""At the most, while there is work in hand: what comes in bursts is read, and settled, together."""
MAX_ATTEMPTS = 5
BACKOFF = timedelta(seconds=10)
"""Doubled with every attempt, and up to as much again at random, so that retries spread out."""
BATCH = 50
THREADS_AT_ONCE = 6
"""Mostly they wait: for the mailbox, the database, or a language model. Fewer than the driver has
threads (five for each core), so that requests find one free.
"""

NO_MAILBOX = "no mailbox configured"
"""Noted on a Gmail notification that there is no mailbox to resolve with: it asks for nothing."""

NO_MAILBOX_NOW = "No mailbox is configured to fetch the message from."
NO_MAILBOX_WAIT = timedelta(minutes=5)

SPAM = "spam that belongs to no patient"
"""Noted on what Gmail takes for spam. What a patient writes is read, wherever Gmail puts it."""

OWN_MESSAGE = "sent by the practice itself"
"""Noted on a copy of what we sent: a relay may push a mailbox's sent mail too."""


NAMES_A_LETTER = frozenset(
    {MachineKind.HARD_BOUNCE, MachineKind.SOFT_BOUNCE, MachineKind.COMPLAINT}
)
"""What somebody may forge to have a patient's address given up."""


async def _alone(work: Callable[[], Awaitable[int]]) -> int:
    return await work()


_random_share = random.SystemRandom().random


class InboundProcessor:
    """Claims events by lease and carries each through the reactive path.

    Safe to run in many processes: an event is claimed under a term, and what it does is idempotent
    should a lease run out under a slow worker.
    """

    def __init__(
        self,
        *,
        repositories: Repositories,
        matcher: MessageMatcher,
        agent: AiAgent,
        lifecycle: CampaignLifecycle,
        alerts: Alerts,
        clock: Clock,
        own_address: str,
        assigned: AssignedMail,
        written_here: StaffMail,
        worker: Wakeable,
        watched: Callable[[Callable[[], Awaitable[int]]], Awaitable[int]] = _alone,
        mailbox: MailboxMail | None = None,
        announce: Callable[[Interaction], Awaitable[None]] | None = None,
        jitter: Callable[[], float] = _random_share,
    ) -> None:
        """`own_address` is the practice's: what comes from it is no reply. `worker` calls
        `work_off` again when it is woken. `watched` does each piece of work and records whose
        data it touched. `mailbox` is where mail lies, with Gmail;
        `announce` is told of every message that was recorded.
        """
        self._repositories = repositories
        self._matcher = matcher
        self._agent = agent
        self._clock = clock
        self._own_address = normalise_email(own_address)
        self._mailbox = mailbox
        self._announce = announce
        self._assigned = assigned
        self._last_resort = LastResort(
            repositories=repositories,
            lifecycle=lifecycle,
            alerts=alerts,
            assigned=assigned,
            fetch=self._received,
            record=self._record_matched,
        )
        self._written_here = written_here
        self._jitter = jitter
        self._look_for_abandoned_at = clock.now()
        self._watched = watched
        self._worker = worker
        self._arrivals = Arrivals(repositories.inbound_events, clock)
        self._looked_at = -math.inf
        self._lines = Lines(self._work_watched, places=THREADS_AT_ONCE)

    async def work_off(self) -> int:
        """Take up what is due, as soon as there is room for it; how many events that were.

        They are worked off in the background: messages of one thread in the order they came in,
        different threads side by side, so that a slow one holds up nothing but its own. Raises what
        one of them raised since: one of `UNAVAILABLE_ERRORS` where the database went away. What was
        claimed then is taken up again when its lease has run out.
        """
        try:
            await self._lines.room()
        except BaseException:  # what waited in its lines was let go
            self._arrivals.forget()
            raise
        await self._pause()
        due = [*await self._abandoned(), *await self._arrivals.take()]
        for line, pieces in in_lines(due).items():
            self._lines.add(line, pieces)
        return len(due)

    @property
    def is_behind(self) -> bool:
        """Whether more is due than was taken up by the last `work_off`."""
        return self._arrivals.is_behind

    async def _pause(self) -> None:
        """While there is work in hand, what comes meanwhile is taken up together."""
        time = asyncio.get_running_loop().time
        if self._lines.in_hand:
            await asyncio.sleep(max(0.0, self._looked_at + LOOK_EVERY_SECONDS - time()))
        self._looked_at = time()

    async def _abandoned(self) -> list[InboundEvent]:
        """What crashed workers left. It waited for its lease to end: it can wait for this look."""
        now, in_hand = self._clock.now(), self._lines.in_hand
        if now < self._look_for_abandoned_at:
            return []
        self._look_for_abandoned_at = now + LOOK_FOR_ABANDONED_EVERY
        return await self._repositories.inbound_events.abandoned(now, BATCH, besides=in_hand)

    async def settle(self) -> int:
        """Wait for everything that was taken up; how many events were ours to take.

        Raises what one of them raised.
        """
        try:
            return await self._lines.done()
        except BaseException:  # what waited in its lines was let go
            self._arrivals.forget()
            raise

    async def finish(self, timeout_seconds: float) -> None:
        """Begin with nothing any more, and wait so long for what is under way."""
        await self._lines.close(timeout_seconds)

    async def _work_watched(self, piece: Piece) -> int:
        try:
            return await self._watched(partial(self._work_piece, piece))
        finally:
            self._arrivals.done(piece)

    async def _work_piece(self, piece: Piece) -> int:
        """The first tells of everything that the others tell of: they are settled with it."""
        if self._mailbox is None or not is_told(piece):
            return sum([await self._work(event) for event in piece])
        if news := await self._mailbox.settle_told(piece):
            await self._work(news[0])
            if await self._mailbox.put_off(await self._mailbox.settle_told(news[1:])):
                self._look_again_in(BUSY)
        return len(piece)

    async def _work(self, event: InboundEvent) -> int:
        """Claim and process one event: 1 where it was ours to take."""
        lease_until = self._clock.now() + LEASE
        if not await self._repositories.inbound_events.claim(event, lease_until):
            return 0
        attempt, term = event.attempts + 1, event.term + 1
        try:
            if attempt > MAX_ATTEMPTS:  # its worker died, or lost its lease, every time
                await self._bury(event, term, "lease lost")
            else:
                await self._finish(event, term, await self._process(event, term))
        except UNAVAILABLE_ERRORS:
            raise
        except NotNowError as reason:
            await self._put_back(event, term, reason)
        except Exception as error:
            # The loop must survive one bad message; it is tried again, then put before a person.
            logger.exception(
                "inbound event failed", extra={"event_id": event.id, "attempt": attempt}
            )
            await self._failed(event, term, attempt, type(error).__name__)
        return 1

    async def _process(self, event: InboundEvent, term: int) -> str | None:
        """Carry one event through; a note where there was nothing to do. Raises `NotNowError`."""
        message = message_of(event.payload)
        if isinstance(message, AssignedMessage | GmailNotification):
            return await self._follow(event, message)
        received = await self._received(event, message, term)
        if isinstance(received, str):
            return received
        if received.is_sent:
            return await self._written_here.take_in(received)
        return await self._take_in(received)

    async def _take_in(self, received: Received) -> str | None:
        """What somebody wrote to us; a note where it is nobody's work."""
        if sender_address(received.sender) == self._own_address:
            return OWN_MESSAGE
        match = await self._match(received)
        if received.is_spam and match.patient is None:
            return SPAM
        await self._prove(received, match)
        recorded = await self._record(received, match)
        if self._announce is not None:
            await self._announce(recorded)
        await self._agent.run_reactive(recorded, match.patient, match.campaign)
        return None

    async def _follow(
        self, event: InboundEvent, pointer: AssignedMessage | GmailNotification
    ) -> str | None:
        """What only says where the message is, or that there are some."""
        if isinstance(pointer, AssignedMessage):
            return await self._carry_on(event, pointer)
        if self._mailbox is None:
            return NO_MAILBOX
        return await self._mailbox.follow(pointer, event.created_at)

    async def _carry_on(self, event: InboundEvent, assigned: AssignedMessage) -> str | None:
        """What staff gave to a patient. The event is stored before the assignment is made."""
        message = await self._assigned.message(assigned)
        if message is not None:
            await self._assigned.carry_on(message)
            return None
        if self._clock.now() - event.created_at < WAIT_FOR_ASSIGNMENT:
            raise NotNowError(NOT_ASSIGNED, ASSIGNMENT_WAIT)
        return NOT_ASSIGNED

    async def _received(
        self, event: InboundEvent, message: RelayMessage | MailboxMessage, term: int
    ) -> Received | str:
        """The message itself, or a note where there is none to act on."""
        if isinstance(message, RelayMessage):
            return await asyncio.to_thread(from_relay, event, message)
        if self._mailbox is None:
            raise NotNowError(NO_MAILBOX_NOW, NO_MAILBOX_WAIT)
        return await self._mailbox.fetch(event, message, term)

    async def _match(self, received: Received) -> Match:
        return await self._matcher.match(
            received.thread_id,
            received.sender,
            answered=received.answered,
            returned_key=received.returned_key,
            channel=received.channel,
            tagged=received.tagged,
        )

    async def _prove(self, received: Received, match: Match) -> None:
        """Note with a bounce or a complaint which letter to that patient it really names."""
        facts = received.facts
        if facts is None or facts.machine not in NAMES_A_LETTER or match.patient is None:
            return
        letter = await self._matcher.letter_returned(
            received.thread_id, received.answered, received.returned_key
        )
        if letter is not None and letter.patient_id == match.patient.id:
            facts.letter_id = letter.id
            facts.letter_to = letter.delivery.sent_to if letter.delivery else None

    async def _record(self, received: Received, match: Match) -> Interaction:
        """The message as an interaction, stored once under its provider's ids."""
        incoming = received.as_interaction()
        incoming.patient_id = match.patient.id if match.patient else None
        incoming.campaign_id = match.campaign.id if match.campaign else None
        return await self._repositories.interactions.record_incoming(incoming)

    async def _record_matched(self, received: Received) -> Interaction:
        return await self._record(received, await self._match(received))

    async def _put_back(self, event: InboundEvent, term: int, reason: NotNowError) -> None:
        """Not its fault: waiting is no attempt."""
        wait = reason.wait * (1 + self._jitter())
        fields = {
            "state": InboundState.PENDING,
            "not_before": self._clock.now() + wait,
            "attempts": event.attempts,
            "error": str(reason),
        }
        await self._repositories.inbound_events.finish(event.id, term, fields)
        self._look_again_in(wait)

    def _look_again_in(self, wait: timedelta) -> None:
        """What comes back soon is taken up then, and not when the queue is polled next."""
        if wait <= LOOKED_FOR_WITHIN:
            asyncio.get_running_loop().call_later(wait.total_seconds(), self._worker.wake)

    async def _failed(self, event: InboundEvent, term: int, attempt: int, error: str) -> None:
        if attempt >= MAX_ATTEMPTS:
            await self._bury(event, term, error)
            return
        wait = BACKOFF * 2 ** (attempt - 1) * (1 + self._jitter())
        fields = {
            "state": InboundState.PENDING,
            "not_before": self._clock.now() + wait,
            "error": error,
        }
        await self._repositories.inbound_events.finish(event.id, term, fields)

    async def _bury(self, event: InboundEvent, term: int, error: str) -> None:
        """Out of retries: a person gets the message before the event is given up.

        Where it cannot be had from the mailbox just now, that waits.
        """
        try:
            await self._last_resort.put_before_person(event)
        except NotNowError as reason:
            await self._put_back(event, term, reason)
            return
        fields = {"state": InboundState.DEAD, "error": error}
        await self._repositories.inbound_events.finish(event.id, term, fields)
        logger.error("inbound event is dead", extra={"event_id": event.id, "error_type": error})

    async def _finish(self, event: InboundEvent, term: int, note: str | None) -> None:
        fields: dict[str, Any] = {"state": InboundState.DONE, "done_at": self._clock.now()}
        if note:
            fields["note"] = note
        await self._repositories.inbound_events.finish(event.id, term, fields, unset=("raw",))
