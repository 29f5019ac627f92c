"""What the desk is told of as it happens: stored first, then handed to whoever listens."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.core.errors import UnauthenticatedError, UnavailableError
from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories import Repositories
from app.db.repositories.events import EventRepository
from app.models.appointment import Appointment
from app.models.base import PyObjectId
from app.models.campaign import Attention, Campaign
from app.models.event import Event, EventKind
from app.models.interaction import DeliveryStatus, Interaction
from app.services.work import WakeSignal

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How late an event of another process is at most; our own are handed on at once."""
HEARTBEAT_SECONDS = 15.0
MOST_LISTENERS = 100
PAGE = 500
LOOKS_BACK = timedelta(days=7)
"""As long as events are kept."""
SURELY_KEPT = LOOKS_BACK - timedelta(hours=1)
"""An event that is younger and not there was never told of; an older one may have expired."""
CLOSED_LATELY = timedelta(hours=1)
GIVEN_UP = frozenset({DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN})
MOST_WAITING = 1000
"""A listener who reads slower than that is let go; they resume where they were."""


class TooManyListenersError(UnavailableError):
    """This process has as many open streams as it will hold."""

    slug = "too-many-listeners"
    title = "Too many open event streams"


class EventLog:
    """Stores events. What many do at once is stored together."""

    def __init__(self, repositories: Repositories, clock: Clock) -> None:
        self._events = repositories.events
        self._campaigns = repositories.campaigns
        self._interactions = repositories.interactions
        self._outbox = repositories.outbox
        self._clock = clock
        self._pending: list[Event] = []
        self._storing = asyncio.Lock()
        self.signal = WakeSignal()

    async def replied(self, message: Interaction) -> None:
        """A patient, or a stranger, wrote; once for each message. Machines' mail is no reply."""
        if message.mail is not None and message.mail.machine is not None:
            return
        await self._append(
            Event(
                key=f"reply:{message.id}",
                kind=EventKind.REPLY,
                at=self._clock.now(),
                campaign_id=message.campaign_id,
                interaction_id=message.id,
            )
        )

    async def booking_changed(self, visit: Appointment) -> None:
        """Something happened to a visit (its pending event); once for each change."""
        if visit.pending_event is None:
            return
        change = visit.pending_event.kind
        await self._append(
            Event(
                key=f"booking:{visit.id}:{visit.sequence}:{change}",
                kind=EventKind.BOOKING,
                at=visit.pending_event.at,
                campaign_id=visit.campaign_id,
                appointment_id=visit.id,
                change=change,
            )
        )

    async def attention_changed(self, campaign_id: PyObjectId) -> None:
        """Somebody is asked for, takes it on, or is done with it; once for each, however often it
        is brought up to date.
        """
        try:
            campaign = await self._campaigns.get(campaign_id)
            if campaign is not None:
                await self._append(*_attention(campaign))
        except UNAVAILABLE_ERRORS:  # the attention stands, and `reconcile` tells of it
            logger.warning("attention told later", extra={"campaign_id": str(campaign_id)})

    async def letter_given_up(self, letter_id: PyObjectId) -> None:
        """A letter failed, or its fate is unknown; once for each time it was given up."""
        try:
            letter = await self._interactions.get(letter_id)
            if letter is not None:
                await self._append(*_given_up(letter))
        except UNAVAILABLE_ERRORS:  # it is marked, and `reconcile` tells of it
            logger.warning("failed letter told later", extra={"interaction_id": str(letter_id)})

    async def reconcile(self) -> int:
        """Tell of what a crash kept from being told of; how many. Attentions of the last days
        that are open, what was closed in the last hour, and letters that were given up.
        """
        now = self._clock.now()
        waiting = await self._campaigns.open_attentions()
        closed = await self._campaigns.attentions_closed(now - LOOKS_BACK, now - CLOSED_LATELY)
        failed = await self._outbox.given_up_since(now - LOOKS_BACK)
        told = [event for campaign in (*waiting, *closed) for event in _attention(campaign)]
        told += [event for letter in failed for event in _given_up(letter)]
        kept = [event for event in told if event.at > now - SURELY_KEPT]
        return await self._events.append_missing(kept)

    async def _append(self, *events: Event) -> None:
        """Whoever comes first stores for all who wait; a failure is everybody's own again."""
        self._pending += events
        async with self._storing:
            mine = [event for event in self._pending if event in events]
            if not mine:
                return  # stored by somebody else meanwhile
            batch = list(self._pending)
            try:
                await self._events.append(batch)
            except BaseException:  # cut off, too: whoever asked asks again
                self._pending = [one for one in self._pending if one not in mine]
                raise
            self._pending = [one for one in self._pending if one not in batch]
        self.signal.wake()


def _attention(campaign: Campaign) -> list[Event]:
    attention = campaign.attention
    if attention is None:
        return []
    if attention.resolved_at is not None:
        kind = EventKind.ATTENTION_RESOLVED
        if attention.was_released:
            kind = EventKind.ATTENTION_RELEASED
        return [_about(campaign, attention, kind, attention.resolved_at)]
    told = [_about(campaign, attention, EventKind.ATTENTION, attention.since)]
    if attention.claimed_at is not None:
        kind = EventKind.ATTENTION_CLAIMED
        told.append(_about(campaign, attention, kind, attention.claimed_at))
    return told


def _about(campaign: Campaign, attention: Attention, kind: EventKind, at: datetime) -> Event:
    key = f"{kind}:{campaign.id}:{attention.since.timestamp():.3f}"
    return Event(key=key, kind=kind, at=at, campaign_id=campaign.id)


def _given_up(letter: Interaction) -> list[Event]:
    """Named by its claim, which a letter that is sent again does not have in common."""
    delivery = letter.delivery
    if delivery is None or delivery.status not in GIVEN_UP:
        return []
    return [
        Event(
            key=f"letter_failed:{letter.id}:{delivery.term}",
            kind=EventKind.LETTER_FAILED,
            at=letter.updated_at,
            campaign_id=letter.campaign_id,
            interaction_id=letter.id,
        )
    ]


@dataclass(eq=False)
class _Listener:
    """One open stream. `None` in its queue ends it."""

    queue: asyncio.Queue[Event | None] = field(
        default_factory=lambda: asyncio.Queue(MOST_WAITING + 1)
    )
    is_over: bool = False

    def offer(self, event: Event) -> None:
        """Hand an event on, or let go of somebody who does not keep up."""
        if not self.is_over and self.queue.qsize() >= MOST_WAITING:
            self.end()
        elif not self.is_over:
            self.queue.put_nowait(event)

    def end(self) -> None:
        """No event comes any more."""
        if not self.is_over:
            self.is_over = True
            self.queue.put_nowait(None)


class EventHub:
    """Hands events to the listeners of this process: one small query a poll for all of them."""

    def __init__(
        self,
        events: EventRepository,
        signal: WakeSignal,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        most_listeners: int = MOST_LISTENERS,
    ) -> None:
        """`signal` wakes the poll early."""
        self._events = events
        self._heartbeat_seconds = heartbeat_seconds
        self._most_listeners = most_listeners
        self._signal = signal
        self._listeners: set[_Listener] = set()
        self._poll: asyncio.Task[None] | None = None
        self._seen = 0
        self._is_open = False

    def open(self) -> None:
        """From now on streams stay open. Before, and after `close`, they end with what is there."""
        self._is_open = True

    def close(self) -> None:
        """End every stream; a server that goes down waits for none. May be called twice."""
        self._is_open = False
        for listener in self._listeners:
            listener.end()
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None

    async def position(self, last_seen: int | None) -> tuple[int, bool]:
        """Where a stream begins, and whether the listener may have missed something: what they saw
        last is not kept any more, or never was.
        """
        newest = await self._events.newest()
        if last_seen is None:
            return newest, False
        is_known = last_seen == newest or await self._events.is_kept_after(last_seen)
        return (last_seen, False) if is_known else (newest, True)

    def listen(
        self, after: int, check: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[Event | None]:
        """Every event after a number, each once, in order; `None` as a heartbeat.

        `check` raises `UnauthenticatedError` once the listener may not listen any more: the stream
        ends then, and it ends at `close`. Raises `TooManyListenersError` at once.
        """
        if len(self._listeners) >= self._most_listeners:
            message = "This server has too many open event streams. Try again in a moment."
            raise TooManyListenersError(message, headers={"Retry-After": "10"})
        return self._stream(after, check)

    async def _stream(
        self, after: int, check: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[Event | None]:
        listener = _Listener()
        self._listeners.add(listener)  # before what is stored is read: nothing falls in between
        if not self._is_open:
            listener.end()
        try:
            await self._ensure_polling()
            async for event in self._stored_after(after):
                after = event.seq
                yield event
            async for live in self._live(listener, check):
                if live is None or live.seq > after:
                    after = live.seq if live else after
                    yield live
        except UNAVAILABLE_ERRORS as error:  # the listener comes back, and resumes
            logger.warning("event stream ends", extra={"error_type": type(error).__name__})
        finally:
            self._listeners.discard(listener)

    async def _stored_after(self, after: int) -> AsyncIterator[Event]:
        while page := await self._events.after(after, PAGE):
            for event in page:
                yield event
            after = page[-1].seq

    async def _live(
        self, listener: _Listener, check: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[Event | None]:
        loop = asyncio.get_running_loop()
        next_check = loop.time() + self._heartbeat_seconds
        while True:
            try:
                async with asyncio.timeout_at(next_check):
                    event = await listener.queue.get()
            except TimeoutError:
                if not await _may_listen(check):
                    return
                next_check = loop.time() + self._heartbeat_seconds
                yield None
                continue
            if event is None:
                return
            yield event

    async def _ensure_polling(self) -> None:
        """What is stored after this is handed on."""
        if not self._is_open or self._is_polling():
            return
        seen = await self._events.newest()
        if not self._is_polling():  # nobody else was faster
            self._seen = seen
            self._poll = asyncio.create_task(self._poll_on(), name="events")

    def _is_polling(self) -> bool:
        return self._poll is not None and not self._poll.done()

    async def _poll_on(self) -> None:
        """Ends by itself once nobody listens."""
        while self._listeners:
            try:
                await self._hand_on()
            except UNAVAILABLE_ERRORS as error:
                logger.warning("events wait", extra={"error_type": type(error).__name__})
            except Exception:  # the loop must survive one that cannot be read
                logger.exception("events not handed on")
            await self._signal.wait(POLL_SECONDS)

    async def _hand_on(self) -> None:
        for event in await self._events.after(self._seen, PAGE):
            for listener in list(self._listeners):
                listener.offer(event)
            self._seen = event.seq


async def _may_listen(check: Callable[[], Awaitable[object]]) -> bool:
    try:
        await check()
    except UnauthenticatedError:
        return False
    return True
