"""How long something took, whatever else the machine did meanwhile."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

TICK_SECONDS = 0.02


@dataclass
class Stopwatch:
    """Seconds since the start, without those for which this process did not get to run."""

    started: float
    lost: float = 0.0

    @property
    def seconds(self) -> float:
        """So far. On an idle machine it is the time on the wall."""
        return time.monotonic() - self.started - self.lost

    async def watch(self) -> None:
        """Note by how much each short sleep is longer than it was asked to be."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(TICK_SECONDS)
            self.lost += max(0.0, time.monotonic() - before - TICK_SECONDS)


@contextlib.asynccontextmanager
async def stopwatch() -> AsyncIterator[Stopwatch]:
    """Runs until the block ends; the block must leave the event loop free."""
    watch = Stopwatch(time.monotonic())
    task = asyncio.create_task(watch.watch())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
