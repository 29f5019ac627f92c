"""`python -m bench.lists`: how long every list of the admin API takes in a practice of full size.

The 95th percentile of each stands beside that of `GET /health/live`, which the same process answers
meanwhile. On `TEST_MONGO_URI`, where it is set, else on an embedded database of its own, whose
practice is built once and kept under `.bench/`.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit

from app.core.clock import utc_now
from app.core.config import Settings
from app.db.database import Database
from app.db.indexes import ensure_indexes
from app.demo.process import running_service
from app.main import create_app
from app.models.base import new_id
from bench.administration import login, token_in
from bench.clinic import Clinic, ClinicSize, fill, some_campaign, some_patient
from bench.load import Load, connected, get
from bench.practice import practice
from bench.site import SETTINGS, embedded, insert, opened, tomorrow
from bench.sizes import CACHE

LIVE = "/health/live"
ADMIN = "/api/v1/admin"
_PAUSE_SECONDS = 0.02
_PERCENTILE = 95
_NAME = "bench_lists"
_FORMAT = 1
"""Raised where what is built changes, so that an older one is not taken for it."""
_PROVIDERS, _CHAIRS, _DAYS = 5, 3, 60
_NO_JSON = ("export", "events")


def say(line: str) -> None:
    """At once, so that a long run can be watched."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def load_average() -> str:
    """How busy the machine is, without which no figure means anything."""
    return "Load average " + ", ".join(f"{one:.2f}" for one in os.getloadavg())


def paths(document: dict[str, Any]) -> list[str]:
    """Every list of the API's document, and what staff ask of the large ones."""
    plain = [path for path, item in document["paths"].items() if _is_list(path, item.get("get"))]
    return [
        *sorted(plain),
        f"{ADMIN}/patients?limit=50&q=lop",
        f"{ADMIN}/patients?limit=50&q=%2B1212200",
        f"{ADMIN}/patients?limit=50&page=40",
        f"{ADMIN}/patients?limit=50&patient_type=COLD_LEAD&status=ACTIVE",
        f"{ADMIN}/campaigns?limit=50&status=RE_ENGAGED",
        f"{ADMIN}/campaigns?limit=50&page=40",
        f"{ADMIN}/deliveries?limit=50&status=failed",
        f"{ADMIN}/schedule?date={tomorrow().isoformat()}",
        f"{ADMIN}/patients/{some_patient()}",
        f"{ADMIN}/interactions/{some_campaign()}",
        f"{ADMIN}/audit?patient_id={some_patient()}",
    ]


def _is_list(path: str, operation: dict[str, Any] | None) -> bool:
    """Without an id in its path and without anything it must be told."""
    if operation is None or not path.startswith(ADMIN) or "{" in path:
        return False
    needs = any(one.get("required") for one in operation.get("parameters", ()))
    return not needs and not path.endswith(_NO_JSON)


async def build(database: Database, size: ClinicSize) -> None:
    """Store the practice, its book half full."""
    started = time.perf_counter()
    book = practice(_PROVIDERS, _CHAIRS, tomorrow(), _DAYS)
    clinic = Clinic(size, utc_now())
    await insert(database, "clinic", [book.clinic])
    await insert(database, "services", [book.service])
    await insert(database, "providers", book.providers)
    await insert(database, "chairs", book.chairs)
    await insert(database, "appointments", clinic.visits(book))
    await fill(database, clinic, say)
    say("  indexes")
    # At the end: kept while so much is written, indexes take many times longer.
    await ensure_indexes(database)
    say(f"Built in {time.perf_counter() - started:.0f} s.")


async def built(cache: Path, size: ClinicSize) -> Path:
    """A folder of an embedded database with the practice; an earlier run may have built it."""
    folder = cache / f"lists-{size.patients}-{size.campaigns}-{size.interactions}-{_FORMAT}"
    if folder.exists():
        say("Built by an earlier run.")
        return folder
    draft = cache / f"{folder.name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    async with embedded(draft) as uri, opened(uri, _NAME) as database:
        await build(database, size)
    draft.rename(folder)
    return folder


@contextlib.asynccontextmanager
async def filled(folder: Path, cache: Path, size: ClinicSize) -> AsyncIterator[tuple[str, str]]:
    """URI and name of a database with the practice: on the server that is given, where it is
    removed again, or on an embedded one with a copy of what is kept.
    """
    if given := os.environ.get("TEST_MONGO_URI"):  # noqa: TID251 - as the tests are told
        name = f"{_NAME}_{new_id()}"
        async with opened(given, name) as database:
            try:
                await build(database, size)
                yield given, name
            finally:
                await database.drop()
        return
    kept = await built(cache, size)
    shutil.copytree(kept / "db", folder / "database" / "db")
    async with embedded(folder / "database") as uri:
        yield uri, _NAME


async def measure(size: ClinicSize, rounds: int, cache: Path) -> None:
    """Print a line for each list."""
    with tempfile.TemporaryDirectory(prefix="lists-", dir=cache) as run:
        folder = Path(run)
        async with filled(folder, cache, size) as (uri, name):
            settings = {**SETTINGS, "MONGO_URI": uri, "DATABASE_NAME": name}
            async with running_service(folder / "service", settings) as (url, _):
                await _ask(urlsplit(url).port or 0, rounds)


async def _ask(port: int, rounds: int) -> None:
    wanted = paths(create_app(Settings(_env_file=None), background=False).openapi())
    async with connected(port, 1) as staff, connected(port, 1) as probe:
        token = token_in(await staff.json(login()))
        say("The first answers:")
        for path in wanted:
            say(f"  {path}: {1000 * await _seconds(staff, get(path, token)):.0f} ms")
        stopped = asyncio.Event()
        probing = asyncio.create_task(_probe(probe, stopped))
        taken: dict[str, list[float]] = {path: [] for path in wanted}
        for _ in range(rounds):
            for path in wanted:
                taken[path].append(await _seconds(staff, get(path, token)))
        stopped.set()
        _print(taken, await probing)


async def _probe(load: Load, stopped: asyncio.Event) -> list[float]:
    """What `GET /health/live` takes while the lists are asked for."""
    taken = [await _seconds(load, get(LIVE))]
    while not stopped.is_set():
        await asyncio.sleep(_PAUSE_SECONDS)
        taken.append(await _seconds(load, get(LIVE)))
    return taken


async def _seconds(load: Load, request: bytes) -> float:
    started = time.perf_counter()
    await load.one(request)
    return time.perf_counter() - started


def percentile(values: Iterable[float]) -> float:
    """The 95th, of two values or more."""
    return quantiles(values, n=100, method="inclusive")[_PERCENTILE - 1]


def _print(taken: dict[str, list[float]], live: Sequence[float]) -> None:
    beside = percentile(live)
    say(f"p95 of GET {LIVE} meanwhile: {1000 * beside:.1f} ms, {len(live)} answers")
    for path, seconds in taken.items():
        p95 = percentile(seconds)
        say(f"GET {path:<70} p95 {1000 * p95:8.1f} ms  {p95 / beside:6.1f}x")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.lists", description=__doc__)
    for one in fields(ClinicSize):
        parser.add_argument(f"--{one.name}", type=int, default=one.default)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--cache", type=Path, default=CACHE)
    given = vars(parser.parse_args(arguments))
    rounds, cache = max(2, given.pop("rounds")), given.pop("cache").resolve()
    cache.mkdir(parents=True, exist_ok=True)
    size = ClinicSize(**given)
    say(f"{size.patients:,} patients, {size.campaigns:,} campaigns, {size.interactions:,} messages")
    say(load_average())
    asyncio.run(measure(size, rounds, cache))
    say(load_average())


if __name__ == "__main__":
    main()
