"""The storm of booking attempts over two server processes, and the same while one is killed.

The short form runs in `make test`; `make chaos` sets STORM_ATTEMPTS, STORM_SEEDS and STORM_KILLS.
"""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.db.database import Database
from app.db.indexes import ensure_indexes
from app.db.repositories.appointments import EVER
from tests.system.service import Stored, eventually
from tests.system.storm import (
    HOLDS_TIME,
    Servers,
    Storm,
    forgotten,
    leaked_claims,
    overlaps,
)
from tests.system.test_replicas import over_the_wire

ATTEMPTS = int(os.environ.get("STORM_ATTEMPTS", "500"))  # noqa: TID251 - the suite's own switch
SEEDS = int(os.environ.get("STORM_SEEDS", "1"))  # noqa: TID251 - the suite's own switch
KILLS = int(os.environ.get("STORM_KILLS", "2"))  # noqa: TID251 - the suite's own switch
SETTLE_SECONDS = 180
PAUSE_BETWEEN_KILLS = 1.0

pytestmark = [pytest.mark.mongo, pytest.mark.timeout(7200)]


@pytest.fixture
async def practice(mongo_uri: str) -> AsyncIterator[str]:
    """The name of an empty database with its indexes."""
    name = f"t_{uuid.uuid4().hex}"
    database = Database(mongo_uri, name)
    await ensure_indexes(database)
    try:
        yield name
    finally:
        await database.drop()
        database.close()


class TestStorm:
    @pytest.mark.parametrize("seed", range(1, SEEDS + 1))
    async def test_two_processes(
        self, mongo_uri: str, practice: str, tmp_path: Path, seed: int
    ) -> None:
        async with Servers(mongo_uri, practice, tmp_path, 2).running() as servers:
            storm = Storm(servers, seed=seed, attempts=ATTEMPTS)
            await storm.prepare()
            await storm.rage()
            with over_the_wire(mongo_uri, practice) as database:
                await _judge(database, storm)
        assert storm.cut_off == 0
        assert "Traceback" not in servers.log()

    async def test_while_processes_are_killed(
        self, mongo_uri: str, practice: str, tmp_path: Path
    ) -> None:
        async with Servers(mongo_uri, practice, tmp_path, 2).running() as servers:
            storm = Storm(servers, seed=99, attempts=ATTEMPTS)
            await storm.prepare()
            raging = asyncio.create_task(storm.rage())
            for number in range(KILLS):
                await asyncio.sleep(PAUSE_BETWEEN_KILLS)
                await servers.kill_one(number % 2)
            await raging
            with over_the_wire(mongo_uri, practice) as database:
                await _judge(database, storm)
        assert servers.kills == KILLS
        assert "Traceback" not in servers.log()


async def _judge(database: Stored, storm: Storm) -> None:
    await eventually(
        lambda: _settled(database), seconds=SETTLE_SECONDS, message="The book did not settle."
    )
    held = list(database["appointments"].find({"status": {"$in": list(HOLDS_TIME)}}))
    assert storm.faults == []
    assert storm.unhelpful == 0
    assert overlaps(held) == []
    assert leaked_claims(database) == []
    assert forgotten(database, storm) == []
    assert len(held) >= min(storm.attempts // 10, 50)
    counts = ", ".join(f"{kind} {code}: {n}" for (kind, code), n in sorted(storm.answers.items()))
    print(f"seed {storm.seed}: {len(held)} visits hold time, {storm.cut_off} cut off; {counts}")  # noqa: T201


async def _settled(database: Stored) -> bool | None:
    written = {"pending_event.at": {"$gt": EVER}}
    pending = database["appointments"].count_documents(written)
    return pending == 0 or None
