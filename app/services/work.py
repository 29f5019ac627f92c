"""Loops that work off what is stored: woken early by events, polling as the safety net."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from app.db.database import UNAVAILABLE_ERRORS

logger = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE_WHILE_UNAVAILABLE_SECONDS = 1.0


class Wakeable(Protocol):
    """Something that can be told that there is work."""

    def wake(self) -> None:
        """There may be work now."""
        ...


class WakeSignal:
    """Wakes whoever waits, in this process only: other processes poll."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """See `Wakeable`."""
        self._event.set()

    async def wait(self, timeout_seconds: float) -> None:
        """Return at the next `wake` or after the time, whichever is first."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


class WorkerLoop:
    """Calls `work_off` again and again until stopped.

    `work_off` does what is due and returns how much it did; it is called at once again while there
    was something. It must be safe to run in many processes at the same time.
    """

    def __init__(
        self,
        name: str,
        work_off: Callable[[], Awaitable[int]],
        signal: WakeSignal,
        *,
        poll_seconds: float,
        finish: Callable[[float], Awaitable[None]] | None = None,
        has_more: Callable[[], bool] = lambda: True,
    ) -> None:
        """`finish` waits so many seconds for what `work_off` leaves under way. `has_more` says
        whether it is worth calling again at once, after it did something.
        """
        self._name = name
        self._work_off = work_off
        self._signal = signal
        self._poll_seconds = poll_seconds
        self._finish = finish
        self._has_more = has_more
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin looping as a task of the running event loop."""
        self._stopping = False
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self, timeout_seconds: float = 10.0) -> None:
        """Take no new work, let what is under way end, and cut it off after the time."""
        self._stopping = True
        if self._finish is None:
            await self._end_round(timeout_seconds)
        else:
            await asyncio.gather(self._end_round(timeout_seconds), self._finish(timeout_seconds))

    async def _end_round(self, timeout_seconds: float) -> None:
        self._signal.wake()
        if self._task is None:
            return
        _done, late = await asyncio.wait({self._task}, timeout=timeout_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def _run(self) -> None:
        while not self._stopping:
            done = await self._round()
            if not (done and self._has_more()) and not self._stopping:
                await self._signal.wait(self._poll_seconds)

    async def _round(self) -> int:
        try:
            return await self._work_off()
        except UNAVAILABLE_ERRORS as error:
            logger.warning(
                "worker waits for the database",
                extra={"worker": self._name, "error_type": type(error).__name__},
            )
            await asyncio.sleep(PAUSE_WHILE_UNAVAILABLE_SECONDS)
            return 0
        except Exception:
            logger.exception("worker round failed", extra={"worker": self._name})
            return 0


async def each_of(items: Sequence[T], work: Callable[[T], Awaitable[bool]], *, at_once: int) -> int:
    """Do `work` on every item, a few at a time; for how many it answered yes.

    All of them end before the first error is raised: nothing runs on unwatched.
    """
    places = asyncio.Semaphore(at_once)

    async def in_turn(item: T) -> bool:
        async with places:
            return await work(item)

    results = await asyncio.gather(*map(in_turn, items), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return sum(result is True for result in results)
