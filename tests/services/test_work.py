"""The loops that work off what is stored."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from app.db.database import UNAVAILABLE_ERRORS
from app.services import work
from app.services.work import WakeSignal, WorkerLoop

FOREVER = 3600.0


class Rounds:
    """Work that does in each round what the test wants, and then nothing."""

    def __init__(self, *plan: Callable[[], Awaitable[int]] | int | Exception) -> None:
        self._plan = list(plan)
        self.done = 0
        self.idle = asyncio.Event()

    async def work_off(self) -> int:
        """See `WorkerLoop`."""
        self.done += 1
        if not self._plan:
            self.idle.set()
            return 0
        step = self._plan.pop(0)
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, int) else await step()


async def within(seconds: float, waiting: Awaitable[object]) -> None:
    """Wait, but not for ever."""
    async with asyncio.timeout(seconds):
        await waiting


class TestWakeSignal:
    async def test_a_wake_before_the_wait_is_not_lost(self) -> None:
        signal = WakeSignal()
        signal.wake()

        await within(30, signal.wait(FOREVER))

    async def test_waits_no_longer_than_it_was_told(self) -> None:
        await within(30, WakeSignal().wait(0.01))

    async def test_wakes_once_for_any_number_of_calls(self) -> None:
        signal = WakeSignal()
        signal.wake()
        signal.wake()
        await signal.wait(FOREVER)

        with pytest.raises(TimeoutError):
            await within(0.05, signal.wait(FOREVER))


class TestWorkerLoop:
    async def test_goes_on_at_once_while_there_was_something(self) -> None:
        rounds = Rounds(3, 1)
        loop = WorkerLoop("test", rounds.work_off, WakeSignal(), poll_seconds=FOREVER)

        loop.start()
        await within(5, rounds.idle.wait())
        await loop.stop()

        assert rounds.done == 3

    async def test_is_woken_early_by_new_work(self) -> None:
        signal, rounds = WakeSignal(), Rounds()
        loop = WorkerLoop("test", rounds.work_off, signal, poll_seconds=FOREVER)
        loop.start()
        await within(5, rounds.idle.wait())
        rounds.idle.clear()

        signal.wake()

        await within(5, rounds.idle.wait())
        await loop.stop()

    async def test_polls_for_what_other_processes_stored(self) -> None:
        rounds = Rounds()
        loop = WorkerLoop("test", rounds.work_off, WakeSignal(), poll_seconds=0.01)
        loop.start()
        for _ in range(3):
            rounds.idle.clear()
            await within(5, rounds.idle.wait())
        await loop.stop()

        assert rounds.done > 2

    async def test_survives_a_round_that_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        rounds = Rounds(ValueError("Maria Lopez"))
        loop = WorkerLoop("test", rounds.work_off, WakeSignal(), poll_seconds=0.01)

        with caplog.at_level(logging.ERROR):
            loop.start()
            await within(5, rounds.idle.wait())
            await loop.stop()

        (record,) = [r for r in caplog.records if r.name == work.__name__]
        assert (record.getMessage(), record.levelname) == ("worker round failed", "ERROR")

    async def test_survives_a_database_that_is_away(self, caplog: pytest.LogCaptureFixture) -> None:
        rounds = Rounds(UNAVAILABLE_ERRORS[0]("gone"))
        loop = WorkerLoop("test", rounds.work_off, WakeSignal(), poll_seconds=0.01)

        with caplog.at_level(logging.WARNING):
            loop.start()
            await within(5, rounds.idle.wait())
            await loop.stop()

        (record,) = [r for r in caplog.records if r.name == work.__name__]
        assert (record.levelname, record.exc_info) == ("WARNING", None)

    async def test_lets_the_present_round_end_when_it_stops(self) -> None:
        begun, may_end = asyncio.Event(), asyncio.Event()
        ended = False

        async def slow() -> int:
            nonlocal ended
            begun.set()
            await may_end.wait()
            ended = True
            return 1

        rounds = Rounds(slow, 1, 1)
        loop = WorkerLoop("test", rounds.work_off, WakeSignal(), poll_seconds=FOREVER)
        loop.start()
        await within(5, begun.wait())
        stopping = asyncio.create_task(loop.stop())
        await asyncio.sleep(0)
        may_end.set()
        await within(5, stopping)

        assert ended
        assert rounds.done == 1, "no new work is taken"

    async def test_cuts_off_a_round_that_does_not_end(self) -> None:
        begun, was_cut = asyncio.Event(), asyncio.Event()

        async def endless() -> int:
            begun.set()
            try:
                await asyncio.sleep(FOREVER)
            except asyncio.CancelledError:
                was_cut.set()
                raise
            return 1

        loop = WorkerLoop("test", Rounds(endless).work_off, WakeSignal(), poll_seconds=FOREVER)
        loop.start()
        await within(5, begun.wait())

        await within(5, loop.stop(timeout_seconds=0.01))

        assert was_cut.is_set()

    async def test_stops_before_it_started(self) -> None:
        rounds = Rounds()
        loop = WorkerLoop("test", rounds.work_off, WakeSignal(), poll_seconds=FOREVER)

        await within(30, loop.stop())

        assert rounds.done == 0

    async def test_stops_at_once_while_it_waits(self) -> None:
        rounds = Rounds()
        loop = WorkerLoop("test", rounds.work_off, WakeSignal(), poll_seconds=FOREVER)
        loop.start()
        await within(5, rounds.idle.wait())

        await within(30, loop.stop())

        assert rounds.done == 1

    async def test_can_be_started_again(self) -> None:
        rounds = Rounds()
        loop = WorkerLoop("test", rounds.work_off, WakeSignal(), poll_seconds=FOREVER)
        for expected in (1, 2):
            rounds.idle.clear()
            loop.start()
            await within(5, rounds.idle.wait())
            await loop.stop()
            assert rounds.done == expected
