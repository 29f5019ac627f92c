"""What came in and is due: found in windows of time that move on, each event once.

A database may read and sort all that matches before it counts to a limit (the embedded one does:
seconds, where thousands wait), so no look asks for everything that is due. Whoever finds an event
keeps it in hand until it is done with; a look from the beginning makes up for whatever a look at a
window could miss.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.db.repositories.records import InboundEventRepository
from app.models.records import InboundEvent

MANY, FEW = 100, 25
"""More in a window make the next one half as long, fewer four times, on the way to the present."""
ENOUGH = 50
"""So many at a time; but all that one window holds."""
FIRST_WIDTH, LEAST_WIDTH, MOST_WIDTH = (
    timedelta(seconds=2),
    timedelta(milliseconds=10),
    timedelta(hours=1),
)
OVERLAP = timedelta(seconds=1)
"""An event is stored a little after the time it bears."""
LOOK_BACK, LOOK_BACK_EVERY = timedelta(seconds=60), timedelta(seconds=5)
"""On a slow database, or by a clock that is behind, a good deal after."""
BEGIN_AGAIN_IDLE, BEGIN_AGAIN_BUSY = timedelta(seconds=60), timedelta(minutes=10)
MOST_IN_HAND = 10_000


class Arrivals:
    """The events that this process takes up. Others may take the same: claiming decides."""

    def __init__(self, events: InboundEventRepository, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._in_hand: set[str] = set()
        self._from: datetime | None = None
        self._width = FIRST_WIDTH
        self._looked_back_at = self._began_at = clock.now()
        self.is_behind = False
        """Whether the last look did not come as far as the present."""

    async def take(self) -> Sequence[InboundEvent]:
        """The next ones that are due and not in hand, by their times."""
        if len(self._in_hand) >= MOST_IN_HAND:
            return ()
        now = self._clock.now()
        begin = await self._beginning(now)
        new: list[InboundEvent] = []
        while True:
            end = min(now, begin + self._width)
            found = await self._events.due_between(begin, end)
            new += [event for event in found if event.id not in self._in_hand]
            self._in_hand.update(event.id for event in found)
            self._move_on(end, now, len(found))
            if not self.is_behind or len(new) >= ENOUGH:
                return new
            begin = end

    def done(self, events: Iterable[InboundEvent]) -> None:
        """These are finished, or wait for another time."""
        self._in_hand.difference_update(event.id for event in events)

    def forget(self) -> None:
        """What is in hand was let go of: look from the beginning."""
        self._in_hand.clear()
        self._from = None

    async def _beginning(self, now: datetime) -> datetime:
        """Where the next window begins. A clock that was set back makes all windows void."""
        again = BEGIN_AGAIN_BUSY if self._in_hand else BEGIN_AGAIN_IDLE
        if self._from is None or now < self._from or now - self._began_at >= again:
            self._began_at = self._looked_back_at = now
            first = await self._events.next_due_at()
            return min(first or now, now) - OVERLAP
        if now - self._looked_back_at >= LOOK_BACK_EVERY:
            self._looked_back_at = now
            if self._from > now - LOOK_BACK:  # all but what is in hand was taken: one look for it
                self._width = LOOK_BACK
                return now - LOOK_BACK
        return self._from

    def _move_on(self, end: datetime, now: datetime, found: int) -> None:
        self.is_behind = end < now
        if not self.is_behind:
            self._from, self._width = now - OVERLAP, FIRST_WIDTH
            return
        self._from = end
        if found > MANY:
            self._width = max(self._width / 2, LEAST_WIDTH)
        elif found < FEW:
            self._width = min(self._width * 4, MOST_WIDTH)
