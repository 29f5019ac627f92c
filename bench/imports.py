"""`python -m bench.imports`: how long a schedule takes to come in, and what memory that needs.

Each size runs in a process of its own, on an empty database of its own: the file is taken in,
worked off, and sent a second time as the next night would.
"""

import argparse
import asyncio
import contextlib
import csv
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from pymongo import monitoring

from app.core.clock import SystemClock, utc_now
from app.core.config import Settings
from app.db.database import UNAVAILABLE_ERRORS, Database
from app.models.imports import Import, ImportKind, ImportOptions, ImportState
from app.services.container import Services, running_services
from app.services.imports.intake import ImportRequest
from app.services.metrics import Metrics
from bench.figures import Figure, Goal
from bench.recording import CommandCounter

ROWS = (1_000, 2_000, 5_000, 20_000)
ROOMS = 6
"""As many providers, each with a room: a practice that fills so many rows."""
SLOTS = 20
"""Half hours of a day that are booked."""
_HEADINGS = ("external_id", "name", "email", "provider", "chair", "start", "minutes", "status")
_FLAT = Goal("at most", 1.1)
_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Where proc(5) has them in `stat`, counted behind the command's name."""
_LOOK_AGAIN_SECONDS = 0.2
_UPLOAD_BYTES = 64 * 1024


def schedule(rows: int) -> bytes:
    """A file of so many visits from tomorrow on, each at a time of its own."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_HEADINGS)
    writer.writerows(_visits(rows))
    return text.getvalue().encode()


def _visits(rows: int) -> Iterator[Sequence[str]]:
    tomorrow = utc_now().replace(hour=13, minute=0, second=0, microsecond=0) + timedelta(days=1)
    for number in range(rows):
        slots, room = divmod(number, ROOMS)
        day, slot = divmod(slots, SLOTS)
        start = tomorrow + timedelta(days=day, minutes=30 * slot)
        yield (
            f"B-{number}",
            f"Patient Number{number}",
            f"patient{number}@example.com",
            f"Dr. Number{room}",
            f"Room {room}",
            start.isoformat(),
            "30",
            "booked",
        )


async def measure(rows: int, counter: CommandCounter) -> dict[str, float]:
    """What a file of so many rows took, the first time and again."""
    content = schedule(rows)
    with tempfile.TemporaryDirectory(prefix="import-") as folder:
        settings = Settings(
            environment="development",
            mongo_uri=None,
            data_dir=Path(folder),
            demo_data=False,
            mail_transport="file",
            staff_alert_email=None,
        )
        taken: dict[str, float] = {}
        async with running_services(settings, SystemClock(), Metrics()) as services:
            for name in ("first", "again"):
                counter.counts.clear()
                started, before = time.perf_counter(), _cpu_seconds(Path(folder))
                outcome = "created" if name == "first" else "unchanged"
                done = await _import(services, content)
                _require(done, {outcome: rows})
                taken[name] = time.perf_counter() - started
                taken[f"{name} cpu"] = _cpu_seconds(Path(folder)) - before
                taken[f"{name} trips"] = counter.counts.total() / rows
            await _require_whole(services.database, rows)
    taken["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return taken


def _cpu_seconds(folder: Path) -> float:
    """What this process and its database have computed so far: a busy machine changes it least."""
    record = json.loads((folder / "embedded.json").read_text())
    stat = Path(f"/proc/{record['server_pid']}/stat").read_text().rpartition(")")[2].split()
    own = resource.getrusage(resource.RUSAGE_SELF)
    ticks = int(stat[_USER_TICKS]) + int(stat[_SYSTEM_TICKS])
    return own.ru_utime + own.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


async def _import(services: Services, content: bytes) -> Import:
    options = ImportOptions(create_missing=True)
    request = ImportRequest(ImportKind.APPOINTMENTS, "command-line", options=options)
    wanted = await services.imports.intake.submit(request, _upload(content))
    while True:
        with contextlib.suppress(*UNAVAILABLE_ERRORS):  # the worker goes on, too
            if await services.imports.processor.work_off():
                continue
            done = await services.imports.desk.get(wanted.id)
            if done.finished_at is not None:
                return done
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _upload(content: bytes) -> AsyncIterator[bytes]:
    for since in range(0, len(content), _UPLOAD_BYTES):
        yield content[since : since + _UPLOAD_BYTES]


def _require(done: Import, counts: dict[str, int]) -> None:
    if (done.state, done.counts) != (ImportState.DONE, counts):
        message = f"The import ended as {done.state} with {done.counts}."
        raise RuntimeError(message)


async def _require_whole(database: Database, rows: int) -> None:
    """A figure of an import that lost a row would mean nothing."""
    stored = await database.collection("appointments").count_documents({})
    if stored != rows:
        message = f"{stored} visits are stored, of {rows}."
        raise RuntimeError(message)


def _in_its_own_process(rows: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.imports", "--one", str(rows)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def figures(rows: int, measured: Mapping[str, float]) -> Iterator[Figure]:
    """What one size showed."""
    for name in ("first", "again"):
        yield Figure(f"{rows:,} rows, {name}: seconds", [measured[name]], " s")
        cpu = 1000 * measured[f"{name} cpu"] / rows
        yield Figure(f"{rows:,} rows, {name}: CPU time a row, with the database", [cpu], " ms")
        yield Figure(f"{rows:,} rows, {name}: rows a second", [rows / measured[name]], "")
        yield Figure(f"{rows:,} rows, {name}: commands a row", [measured[f"{name} trips"]], "")
    yield Figure(f"{rows:,} rows: peak memory of the process", [measured["peak MB"]], " MB")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        counter = CommandCounter()
        monitoring.register(counter)
        say(json.dumps(asyncio.run(measure(given.one, counter))))
        return
    peaks: dict[int, float] = {}
    for rows in given.rows:
        measured = _in_its_own_process(rows)
        peaks[rows] = measured["peak MB"]
        for figure in figures(rows, measured):
            say(str(figure))
    least, most = min(peaks), max(peaks)
    growth = peaks[most] / peaks[least]
    say(str(Figure(f"peak memory, {most:,} rows / {least:,}", [growth], "x", _FLAT)))


def say(line: str) -> None:
    """At once, so that a long run can be watched."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
