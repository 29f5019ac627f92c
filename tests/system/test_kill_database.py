"""`kill -9` of the embedded database in the middle of a sweep."""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.system.service import (
    Live,
    Stored,
    add_due_patients,
    embedded_record,
    eventually,
    letter_keys,
    live,
    log_lines,
    per_patient,
    queues_are_empty,
    sent_keys,
    stored,
)

pytestmark = [pytest.mark.mongo, pytest.mark.timeout(900)]

DUE = 120
SETTLE_SECONDS = 120
ASK_EVERY_SECONDS = 0.05


class TestDatabaseKilledInASweep:
    async def test_nothing_is_lost_or_doubled_and_only_503s_are_answered_meanwhile(
        self, tmp_path: Path
    ) -> None:
        statuses: Counter[int] = Counter()
        async with live(tmp_path, DEMO_DATA="false") as service:
            ids = await add_due_patients(service, "due", DUE)
            async with asking(service, statuses):
                await _sweep_and_kill(service, statuses)
                await eventually(
                    lambda: _swept(service, statuses),
                    seconds=SETTLE_SECONDS,
                    message="No sweep came to its end.",
                )
            await eventually(
                lambda: _settled(service), seconds=SETTLE_SECONDS, message="Mail was not sent."
            )
            with stored(tmp_path) as database:
                assert per_patient(database["campaigns"], ids) == dict.fromkeys(ids, 1)
                assert per_patient(database["interactions"], ids) == dict.fromkeys(ids, 1)
                assert letter_keys(tmp_path) == sent_keys(database)
        assert len(letter_keys(tmp_path)) == DUE
        assert set(statuses) <= {200, 202, 409, 503}
        assert "embedded database died" in {line.get("message") for line in log_lines(tmp_path)}
        assert [line for line in log_lines(tmp_path) if "Traceback" in str(line)] == []


@contextlib.asynccontextmanager
async def asking(service: Live, statuses: Counter[int]) -> AsyncIterator[None]:
    """Somebody who reloads a page all the time."""

    async def ask() -> None:
        while True:
            answer = await service.client.get(
                "/api/v1/admin/campaigns", headers=service.api.headers
            )
            statuses[answer.status_code] += 1
            await asyncio.sleep(ASK_EVERY_SECONDS)

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        assert not task.done(), task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _sweep_and_kill(service: Live, statuses: Counter[int]) -> None:
    """End the server somewhere between the sweep's first campaign and its last message."""
    kill_at = random.randint(10, 2 * DUE - 100)  # noqa: S311 - no secret
    with stored(service.data_dir) as database:
        sweep = asyncio.create_task(_swept(service, statuses))
        await eventually(
            lambda: _reached(database, kill_at), seconds=120, message="No sweep.", every=0.05
        )
        assert database["sweeps"].count_documents({"status": "running"}) == 1
        os.kill(embedded_record(service.data_dir)["server_pid"], signal.SIGKILL)
    await sweep  # comes through where the server is back in time, and is asked for again where not


async def _reached(database: Stored, wanted: int) -> bool | None:
    written = sum(database[name].count_documents({}) for name in ("campaigns", "interactions"))
    return written >= wanted or None


async def _swept(service: Live, statuses: Counter[int]) -> bool | None:
    answer = await service.client.post(
        "/api/v1/admin/sweeps", json={"dry_run": False}, headers=service.api.headers
    )
    statuses[answer.status_code] += 1
    return True if answer.status_code == 200 else None


async def _settled(service: Live) -> bool | None:
    with stored(service.data_dir) as database:
        return queues_are_empty(database) or None
