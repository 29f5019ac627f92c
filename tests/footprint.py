"""How long a second start takes, and how much memory the service idles with: `make footprint`."""

import asyncio
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from app.demo.process import running_service
from app.demo.walkthrough import QUESTION_REPLY
from tests.system.replies import deliver, replies_to_open_campaigns
from tests.system.service import (
    SETTINGS,
    Live,
    embedded_record,
    eventually,
    live,
    queues_are_empty,
    stored,
)

IDLE_SECONDS = 10
SETTLE_SECONDS = 60
START_GOAL_SECONDS = 5.0
SERVICE_GOAL_MB = 300.0


@dataclass(frozen=True)
class Figure:
    """One measured value; the goal is a bound from above, where there is one."""

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the goal is kept."""
        return self.goal is None or self.value <= self.goal

    def __str__(self) -> str:
        goal = "no goal" if self.goal is None else f"goal: at most {self.goal:g} {self.unit}"
        missed = "" if self.is_met else ", MISSED"
        return f"{self.name}: {self.value:.1f} {self.unit} ({goal}{missed})"


async def measure(data_dir: Path) -> AsyncIterator[Figure]:
    """Every figure, on an empty folder."""
    yield Figure("first start, on an empty folder", await _start_seconds(data_dir), "s")
    yield Figure("second start", await _start_seconds(data_dir), "s", START_GOAL_SECONDS)
    async with live(data_dir) as service:
        await _have_the_agent_read_and_answer(service)
        await asyncio.sleep(IDLE_SECONDS)
        yield Figure("service", resident_mb(service.process.pid), "MB", SERVICE_GOAL_MB)
        database = embedded_record(data_dir)
        yield Figure("its embedded database", resident_mb(database["server_pid"]), "MB")
        yield Figure("that one's watcher", resident_mb(database["watcher_pid"]), "MB")


async def _start_seconds(data_dir: Path) -> float:
    """From the start of the process until it answers that it is ready."""
    started = time.monotonic()
    async with running_service(data_dir, SETTINGS):
        return time.monotonic() - started


async def _have_the_agent_read_and_answer(service: Live) -> None:
    """One question: the classifier, the encoder and the knowledge base are loaded by then."""
    await service.api.post("/admin/sweeps", {"dry_run": False}, status=200)
    await _until_quiet(service)
    with stored(service.data_dir) as database:
        replies = replies_to_open_campaigns(database, 4)
    questions = [reply for reply in replies if reply.text == QUESTION_REPLY]
    if await deliver(service, questions):
        sys.exit("The service did not take the question.")
    await _until_quiet(service)


async def _until_quiet(service: Live) -> None:
    async def quiet() -> bool | None:
        with stored(service.data_dir) as database:
            return queues_are_empty(database) or None

    await eventually(quiet, seconds=SETTLE_SECONDS, message="The service did not come to rest.")


def resident_mb(pid: int) -> float:
    """The resident memory of a process, as Linux counts it."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


async def main() -> bool:
    """Print every figure as it is known; whether all goals are kept."""
    all_met = True
    with tempfile.TemporaryDirectory(prefix="dental-footprint-") as folder:
        async for figure in measure(Path(folder)):
            all_met = all_met and figure.is_met
            sys.stdout.write(f"{figure}\n")
            sys.stdout.flush()
    return all_met


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
