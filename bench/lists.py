"""`python -m bench.lists`: how long every list of the admin API takes in a practice of full size.

The 95th percentile of each stands beside that of `GET /health/live`, which the same process answers
meanwhile. On `TEST_MONGO_URI`, where it is set, else on an embedded database of its own.
"""

import argparse
import asyncio
import contextlib
import os
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
from app.db.indexes import ensure_indexes
from app.demo.process import running_service
from app.main import create_app
from app.models.base import new_id
from bench.administration import login, token_in
from bench.clinic import Clinic, ClinicSize, fill, some_campaign, some_patient
from bench.load import Load, connected, get
from bench.practice import practice
from bench.site import SETTINGS, embedded, insert, opened, tomorrow

LIVE = "/health/live"
ADMIN = "/api/v1/admin"
_PAUSE_SECONDS = 0.02
_PERCENTILE = 95
_NO_JSON = ("export", "events")


def say(line: str) -> None:
    """At once, so that a long run can be watched."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


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


@contextlib.asynccontextmanager
async def database_server(folder: Path) -> AsyncIterator[str]:
    """The one that is given, or an embedded one."""
    given = os.environ.get("TEST_MONGO_URI")  # noqa: TID251 - as the tests are told
    if given:
        yield given
        return
    async with embedded(folder) as uri:
        yield uri


async def measure(size: ClinicSize, rounds: int) -> None:
    """Build it, and print a line for each list."""
    with tempfile.TemporaryDirectory(prefix="bench-lists-") as folder:
        async with database_server(Path(folder) / "database") as uri:
            name = f"bench_lists_{new_id()}"
            async with opened(uri, name) as database:
                try:
                    started = time.perf_counter()
                    await insert(database, "clinic", [practice(1, 1, tomorrow(), 30).clinic])
                    await fill(database, Clinic(size, utc_now()))
                    # At the end: kept while so much is written, indexes take many times longer.
                    await ensure_indexes(database)
                    say(f"Built in {time.perf_counter() - started:.0f} s.")
                    settings = {**SETTINGS, "MONGO_URI": uri, "DATABASE_NAME": name}
                    async with running_service(Path(folder) / "service", settings) as (url, _):
                        await _ask(urlsplit(url).port or 0, rounds)
                finally:
                    await database.drop()


async def _ask(port: int, rounds: int) -> None:
    wanted = paths(create_app(Settings(_env_file=None), background=False).openapi())
    async with connected(port, 1) as staff, connected(port, 1) as probe:
        token = token_in(await staff.json(login()))
        for path in wanted:
            await staff.one(get(path, token))
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
    given = vars(parser.parse_args(arguments))
    rounds = max(2, given.pop("rounds"))
    size = ClinicSize(**given)
    say(f"{size.patients:,} patients, {size.campaigns:,} campaigns, {size.interactions:,} messages")
    asyncio.run(measure(size, rounds))


if __name__ == "__main__":
    main()
