"""A steady pool of places: items of one line one after the other, different lines side by side."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Set
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class Lines(Generic[T]):
    """Works items off on a fixed number of places.

    A place takes one item of the line that has waited longest, and then the next line: a slow item
    holds up its own line and nobody else, and a long line does not keep its place.
    """

    def __init__(
        self,
        work: Callable[[T], Awaitable[int]],
        *,
        places: int,
    ) -> None:
        """`work` does one item and says how much that was."""
        self._work = work
        self._places = places
        self._items: dict[str, deque[T]] = {}
        self._ready: deque[str] = deque()
        self._tasks: set[asyncio.Task[int]] = set()
        self._changed = asyncio.Event()
        self._error: BaseException | None = None
        self._taken = 0
        self._is_closed = False

    @property
    def in_hand(self) -> Set[str]:
        """The lines that items are worked on, or wait to be."""
        return self._items.keys()

    def add(self, line: str, items: Iterable[T]) -> None:
        """Put items at the end of their line; nowhere after `close`."""
        if self._is_closed:
            return
        if line not in self._items:
            self._items[line] = deque()
            self._ready.append(line)
        self._items[line].extend(items)
        self._fill_places()

    async def room(self) -> None:
        """Return when fewer lines wait than there are places. Raises what `work` raised."""
        while len(self._ready) >= self._places:
            await self._change()
        self._raise_error()

    async def done(self) -> int:
        """Return when nothing is in hand; how much was done since it last was asked.

        Raises what `work` raised.
        """
        while self._tasks:
            await self._change()
        self._raise_error()
        taken, self._taken = self._taken, 0
        return taken

    async def close(self, timeout_seconds: float) -> None:
        """Begin nothing any more, let what is under way end, and cut it off after the time."""
        self._is_closed = True
        self._forget_waiting()
        if under_way := set(self._tasks):
            _ended, late = await asyncio.wait(under_way, timeout=timeout_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    def _fill_places(self) -> None:
        while self._ready and len(self._tasks) < self._places:
            line = self._ready.popleft()
            task = asyncio.create_task(self._one(self._items[line].popleft()))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, line))

    async def _one(self, item: T) -> int:
        return await self._work(item)

    def _ended(self, line: str, task: asyncio.Task[int]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._error = self._error or error
            self._forget_waiting()
        elif not task.cancelled():
            self._taken += task.result()
        if self._items[line]:
            self._ready.append(line)
        else:
            del self._items[line]
        self._fill_places()
        self._changed.set()

    def _forget_waiting(self) -> None:
        """What is stored is found again. Lines under way stay in hand until they end."""
        for line in self._ready:
            del self._items[line]
        self._ready.clear()
        for items in self._items.values():
            items.clear()
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
