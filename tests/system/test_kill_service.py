"""`kill -9` of the service: what it had acknowledged is done once after the restart.

The short form kills a few times; `CHAOS_KILLS=200` in the environment makes it the long one.
"""

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.system.replies import (
    Reply,
    account_of,
    deliver,
    deliver_all,
    expected_account,
    replies_to_open_campaigns,
)
from tests.system.service import (
    PATIENCE_SECONDS,
    Live,
    Stored,
    add_due_patients,
    eventually,
    letter_keys,
    live,
    log_of,
    per_patient,
    queues_are_empty,
    sent_keys,
    stored,
    sweep,
)

pytestmark = [
    pytest.mark.mongo,
    pytest.mark.timeout(14_400),
    pytest.mark.asyncio(loop_scope="module"),
]

RANDOM_KILLS = int(os.environ.get("CHAOS_KILLS", "4"))  # noqa: TID251 - the suite's own switch
FIRST_REPLIES = 12
REPLIES_A_ROUND = 3
LONGEST_ROUND_SECONDS = 1.5
SWEPT_WHEN_KILLED = 100
SETTLE_SECONDS = 150 + 2 * RANDOM_KILLS
PUT_OFF = 1
"""Two of the demo's patients share a mailbox, which gets one letter a day."""


class Aftermath:
    """A folder whose service was killed again and again, and what was asked of it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.replies: list[Reply] = []
        self.unacknowledged: list[Reply] = []
        self.late_ids: list[str] = []
        self.sweeps_when_killed: Counter[str] = Counter()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def aftermath(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aftermath]:
    """Everything that is done to the service; the tests look at what came of it."""
    aftermath = Aftermath(tmp_path_factory.mktemp("killed"))
    async with live(aftermath.data_dir) as service:
        wanted = FIRST_REPLIES + REPLIES_A_ROUND * RANDOM_KILLS
        await add_due_patients(service, "early", wanted)
        await sweep(service, seconds=SETTLE_SECONDS)
        await _settled(service)
        with stored(aftermath.data_dir) as database:
            aftermath.replies = replies_to_open_campaigns(database, wanted)
        await deliver_all(service, aftermath.replies[:FIRST_REPLIES])
        service.kill()
    aftermath.unacknowledged = aftermath.replies[FIRST_REPLIES:]
    for _ in range(RANDOM_KILLS):
        await _round(aftermath)
    await _killed_in_a_sweep(aftermath)
    async with live(aftermath.data_dir) as service:
        await deliver_all(service, aftermath.unacknowledged)
        await _settled(service)
        print(f"\n{RANDOM_KILLS} kills over {len(aftermath.replies)} replies by the relay form")  # noqa: T201
        yield aftermath


async def _round(aftermath: Aftermath) -> None:
    """Deliver a few replies, and the ones before that were not acknowledged, and kill."""
    async with live(aftermath.data_dir) as service:
        batch = aftermath.unacknowledged[:REPLIES_A_ROUND]
        delivery = asyncio.create_task(deliver(service, batch))
        await asyncio.sleep(random.uniform(0, LONGEST_ROUND_SECONDS))  # noqa: S311 - no secret
        service.kill()
        failed = await delivery
        aftermath.unacknowledged = failed + aftermath.unacknowledged[REPLIES_A_ROUND:]


async def _killed_in_a_sweep(aftermath: Aftermath) -> None:
    """Somewhere between its first campaign and its last message."""
    async with live(aftermath.data_dir) as service:
        aftermath.late_ids = await add_due_patients(service, "late", SWEPT_WHEN_KILLED)
        with stored(aftermath.data_dir) as database:
            kill_at = _traces(database) + random.randint(10, 2 * SWEPT_WHEN_KILLED - 50)  # noqa: S311 - no secret
            sweep = asyncio.create_task(_sweep_to_the_end(service))
            await eventually(
                lambda: _reached(database, kill_at),
                seconds=PATIENCE_SECONDS,
                message="No sweep.",
                every=0.005,
            )
            aftermath.sweeps_when_killed.update(s["status"] for s in database["sweeps"].find({}))
        service.kill()  # the driver waits 30 s to take leave of a database that is gone
        await sweep


async def _reached(database: Stored, wanted: int) -> bool | None:
    return _traces(database) >= wanted or None


def _traces(database: Stored) -> int:
    """What a sweep writes: campaigns, then messages."""
    outreach = database["interactions"].count_documents({"attempt": 1})
    return database["campaigns"].count_documents({}) + outreach


async def _sweep_to_the_end(service: Live) -> None:
    with contextlib.suppress(httpx.TransportError):
        await service.client.post(
            "/api/v1/admin/sweeps", json={"dry_run": False}, headers=service.api.headers
        )


async def _settled(service: Live) -> None:
    """Wait until no queue and no sweep has anything left to do."""

    async def settled() -> bool | None:
        with stored(service.data_dir) as database:
            running = database["sweeps"].count_documents({"status": "running"})
            return (queues_are_empty(database) and not running) or None

    await eventually(settled, seconds=SETTLE_SECONDS, message="The service did not settle.")


class TestRepliesAcrossKills:
    async def test_each_is_stored_and_answered_once(self, aftermath: Aftermath) -> None:
        with stored(aftermath.data_dir) as database:
            accounts = {r.provider_id: account_of(database, r) for r in aftermath.replies}
        assert accounts == {r.provider_id: expected_account(r) for r in aftermath.replies}

    async def test_no_event_is_left_and_none_is_dead(self, aftermath: Aftermath) -> None:
        with stored(aftermath.data_dir) as database:
            states = Counter(event["state"] for event in database["inbound_events"].find({}))
        assert states == {"done": len(aftermath.replies)}


class TestSweepAcrossKills:
    async def test_the_kill_fell_into_the_middle(self, aftermath: Aftermath) -> None:
        assert aftermath.sweeps_when_killed == {"completed": 1, "running": 1}

    async def test_every_due_patient_has_one_campaign_and_one_message(
        self, aftermath: Aftermath
    ) -> None:
        ids = aftermath.late_ids
        with stored(aftermath.data_dir) as database:
            assert per_patient(database["campaigns"], ids) == dict.fromkeys(ids, 1)
            assert per_patient(database["interactions"], ids) == dict.fromkeys(ids, 1)

    async def test_the_sweep_that_was_cut_short_is_completed(self, aftermath: Aftermath) -> None:
        with stored(aftermath.data_dir) as database:
            sweeps = Counter(sweep["status"] for sweep in database["sweeps"].find({}))
        assert sweeps == {"completed": 2}


class TestMailAcrossKills:
    async def test_every_message_left_once_and_none_unrecorded(self, aftermath: Aftermath) -> None:
        with stored(aftermath.data_dir) as database:
            assert letter_keys(aftermath.data_dir) == sent_keys(database)
            outgoing = database["interactions"].find({"direction": "outgoing"})
            found = Counter(message["delivery"]["status"] for message in outgoing)
        assert found == {"sent": len(letter_keys(aftermath.data_dir)), "pending": PUT_OFF}

    async def test_the_log_holds_no_traceback(self, aftermath: Aftermath) -> None:
        assert "Traceback" not in log_of(aftermath.data_dir)
