"""Looking for what is due: everything once, in turn, without reading all that waits."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.db.repositories.records import InboundEventRepository
from app.models.records import InboundEvent
from app.services.arrivals import ENOUGH, FIRST_WIDTH, MANY, Arrivals
from tests.fakes import NOON, FrozenClock


def made(number: int, at: datetime) -> InboundEvent:
    """A pending event that is due then."""
    return InboundEvent(
        id=f"e-{number:05}", source="s", payload={}, not_before=at, created_at=at, updated_at=at
    )


class Queue(InboundEventRepository):
    """What waits, in memory; remembers how much each look cost."""

    def __init__(self) -> None:
        self.waiting: list[InboundEvent] = []
        self.costs: list[int] = []

    async def due_between(self, begin: datetime, end: datetime) -> list[InboundEvent]:
        """See `InboundEventRepository`."""
        found = [one for one in self.waiting if begin <= one.not_before <= end]
        self.costs.append(len(found))
        return sorted(found, key=lambda one: one.not_before)

    async def next_due_at(self) -> datetime | None:
        """See `InboundEventRepository`."""
        return min((one.not_before for one in self.waiting), default=None)


async def all_of(arrivals: Arrivals) -> list[str]:
    """What is taken until nothing is left to take, and kept in hand."""
    found: list[str] = []
    while taken := await arrivals.take():
        found += [one.id for one in taken]
    return found


def ids(events: Sequence[InboundEvent]) -> list[str]:
    """Their ids."""
    return [one.id for one in events]


class TestTake:
    async def test_a_backlog_is_taken_in_its_order_and_by_and_by(self) -> None:
        queue, clock = Queue(), FrozenClock()
        began = NOON - timedelta(hours=30)
        queue.waiting = [made(n, began + timedelta(milliseconds=20 * n)) for n in range(5000)]
        later = [made(n, NOON - timedelta(minutes=7 * (9000 - n))) for n in range(8990, 9000)]
        queue.waiting += later
        arrivals = Arrivals(queue, clock)

        first = await arrivals.take()
        found = ids(first) + await all_of(arrivals)

        assert found == ids(queue.waiting)
        assert ENOUGH <= len(first) <= 2 * MANY
        assert max(queue.costs) <= 2 * MANY
        assert not arrivals.is_behind
        assert len(queue.costs) < 160, "also the hours without any are passed quickly"

    async def test_what_is_in_hand_is_not_taken_again_until_it_is_done(self) -> None:
        queue, clock = Queue(), FrozenClock()
        queue.waiting = [made(1, NOON)]
        arrivals = Arrivals(queue, clock)

        [event] = await arrivals.take()
        assert await arrivals.take() == []
        arrivals.done([event])

        assert await arrivals.take() == [event]

    async def test_what_was_let_go_of_is_found_again(self) -> None:
        queue, clock = Queue(), FrozenClock()
        queue.waiting = [made(1, NOON - timedelta(days=3)), made(2, NOON)]
        arrivals = Arrivals(queue, clock)
        taken = await all_of(arrivals)

        arrivals.forget()

        assert await all_of(arrivals) == taken

    async def test_what_is_stored_late_is_found_within_seconds(self) -> None:
        queue, clock = Queue(), FrozenClock()
        arrivals = Arrivals(queue, clock)
        await arrivals.take()
        clock.advance(seconds=30)
        await arrivals.take()
        queue.waiting = [made(1, NOON + timedelta(seconds=1))]

        clock.advance(seconds=1)
        assert await arrivals.take() == [], "it is not where arrivals come"
        clock.advance(seconds=4)

        assert ids(await arrivals.take()) == ids(queue.waiting)

    async def test_what_another_machine_stored_with_an_old_time_is_found_in_a_minute(self) -> None:
        queue, clock = Queue(), FrozenClock()
        arrivals = Arrivals(queue, clock)
        await arrivals.take()
        queue.waiting = [made(1, NOON - timedelta(days=1))]
        clock.advance(seconds=10)
        assert await arrivals.take() == []

        clock.advance(seconds=50)

        assert ids(await arrivals.take()) == ids(queue.waiting)

    async def test_nothing_is_missed_where_the_clock_is_set_back(self) -> None:
        queue, clock = Queue(), FrozenClock()
        arrivals = Arrivals(queue, clock)
        await arrivals.take()
        clock.advance(hours=-1)
        queue.waiting = [made(1, clock.now())]

        assert ids(await arrivals.take()) == ids(queue.waiting)

    async def test_what_is_due_later_is_taken_then(self) -> None:
        queue, clock = Queue(), FrozenClock()
        arrivals = Arrivals(queue, clock)
        queue.waiting = [made(1, NOON + FIRST_WIDTH * 5)]
        assert await arrivals.take() == []

        clock.advance(seconds=FIRST_WIDTH.total_seconds() * 5)

        assert ids(await arrivals.take()) == ids(queue.waiting)
