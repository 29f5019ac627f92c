"""Several service processes on one database: a job that is due once runs once."""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient

from app.core.clock import SystemClock, utc_now
from app.db.database import Database
from app.db.indexes import ensure_indexes
from app.db.repositories import Repositories
from app.models.patient import PatientType
from app.models.records import Sweep, SweepStatus
from tests.factories import SECRET, make_patient
from tests.system.service import (
    Json,
    Stored,
    eventually,
    letter_keys,
    live,
    log_of,
    per_patient,
    queues_are_empty,
    sent_keys,
)

pytestmark = [pytest.mark.mongo, pytest.mark.timeout(900)]

PROCESSES = 4
DUE = 40
SETTLE_SECONDS = 240


class TestOneSweepDue:
    async def test_a_missed_day_is_caught_up_once_by_four_processes(
        self, mongo_uri: str, tmp_path: Path
    ) -> None:
        name = f"t_{uuid.uuid4().hex}"
        zone = zone_where_it_is_noon()
        async with practice(mongo_uri, name) as repositories:
            ids = await _due_patients(repositories)
            yesterday = await _swept_yesterday(repositories, zone)
            with over_the_wire(mongo_uri, name) as database:
                async with four_processes(mongo_uri, name, zone, tmp_path) as folders:
                    await eventually(
                        lambda: _settled(database),
                        seconds=SETTLE_SECONDS,
                        message="No process caught the sweep up.",
                    )
                sweeps = {s["_id"]: s["status"] for s in database["sweeps"].find({})}
                assert sweeps == {yesterday: "completed", _today(zone): "completed"}
                assert per_patient(database["campaigns"], ids) == dict.fromkeys(ids, 1)
                assert per_patient(database["interactions"], ids) == dict.fromkeys(ids, 1)
                assert letter_keys(*folders) == sent_keys(database)
                assert len(sent_keys(database)) == DUE
        swept = Counter("sweep ended" in log_of(folder) for folder in folders)
        assert swept == {True: 1, False: PROCESSES - 1}
        assert not any("Traceback" in log_of(folder) for folder in folders)


@contextlib.asynccontextmanager
async def practice(uri: str, name: str) -> AsyncIterator[Repositories]:
    """An empty database with its indexes, dropped afterwards."""
    database = Database(uri, name)
    await ensure_indexes(database)
    try:
        yield Repositories.over(database, SystemClock())
    finally:
        await database.drop()
        database.close()


@contextlib.contextmanager
def over_the_wire(uri: str, name: str) -> Iterator[Stored]:
    """The database past every process."""
    client: MongoClient[Json]
    with MongoClient(uri, tz_aware=True) as client:
        yield client[name]


@contextlib.asynccontextmanager
async def four_processes(
    uri: str, name: str, zone: ZoneInfo, folder: Path
) -> AsyncIterator[list[Path]]:
    """Services that start at the same time on one database, each with a folder of its own."""
    settings = {
        "MONGO_URI": uri,
        "DATABASE_NAME": name,
        "JWT_SECRET_KEY": SECRET,
        "CLINIC_TIMEZONE": zone.key,
        "SWEEP_TIME": "00:00",
        "DEMO_DATA": "false",
    }
    folders = [folder / f"process-{number}" for number in range(PROCESSES)]
    async with contextlib.AsyncExitStack() as stack:
        starts = (stack.enter_async_context(live(one, **settings)) for one in folders)
        await asyncio.gather(*starts)
        yield folders


def zone_where_it_is_noon() -> ZoneInfo:
    """So that today is the same day for as long as the test runs. (`Etc/GMT+5` is five behind.)"""
    behind = utc_now().hour - 12
    return ZoneInfo(f"Etc/GMT{behind:+d}" if behind else "Etc/GMT")


def _today(zone: ZoneInfo) -> str:
    return f"auto:{utc_now().astimezone(zone).date().isoformat()}"


async def _due_patients(repositories: Repositories) -> list[str]:
    due = utc_now() - timedelta(days=2)
    patients = [
        make_patient(patient_type=PatientType.EXISTING, next_follow_up_date=due) for _ in range(DUE)
    ]
    return [str((await repositories.patients.insert(patient)).id) for patient in patients]


async def _swept_yesterday(repositories: Repositories, zone: ZoneInfo) -> str:
    then = utc_now() - timedelta(days=1)
    sweep = Sweep(
        id=f"auto:{then.astimezone(zone).date().isoformat()}",
        trigger="daily",
        status=SweepStatus.COMPLETED,
        started_at=then,
        finished_at=then,
        started_by="scheduler",
    )
    assert await repositories.sweeps.start(sweep)
    return sweep.id


async def _settled(database: Stored) -> bool | None:
    done = database["sweeps"].count_documents({"status": "completed"}) == 2
    return (done and queues_are_empty(database)) or None
