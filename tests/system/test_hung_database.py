"""An embedded database that hangs: alive, connected, and silent."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.demo.mail import push_body
from tests.system.service import (
    PATIENCE_SECONDS,
    Live,
    embedded_record,
    eventually,
    live,
    log_lines,
    queues_are_empty,
    stored,
)
from tests.timing import stopwatch

pytestmark = [pytest.mark.mongo, pytest.mark.timeout(600)]

PUSH = "/api/v1/webhooks/gmail"
RELAYED = {
    "thread_id": "thread-1",
    "message_id": "message-1",
    "from": "someone@example.com",
    "content": "May I come in?",
}
PUBSUB_ACK_SECONDS = 10.0
READ_SECONDS = 12.0
READERS = 5 * multiprocessing.cpu_count() + 5


@contextlib.contextmanager
def hung_database(service: Live) -> Iterator[None]:
    """The server stopped in the middle of whatever it does, for as long as the block."""
    pid = embedded_record(service.data_dir)["server_pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def _timed(
    service: Live, method: str, path: str, json: object = None
) -> tuple[httpx.Response, float]:
    async with stopwatch() as watch:
        answer = await service.client.request(method, path, json=json)
        return answer, watch.seconds


async def _read(service: Live) -> int:
    return (await service.client.get("/api/v1/clinic")).status_code


class TestHungDatabase:
    async def test_it_is_answered_503_in_time_and_the_same_push_is_taken_once_afterwards(
        self, tmp_path: Path
    ) -> None:
        push = push_body("push-1", RELAYED)
        async with live(tmp_path, DEMO_DATA="false") as service:
            with hung_database(service):
                read, read_took = await _timed(service, "GET", "/api/v1/clinic")
                # Now no connection is left, a new one hangs in its greeting, and more people than
                # the driver has threads have asked before the push comes.
                asking = [asyncio.create_task(_read(service)) for _ in range(READERS)]
                await asyncio.sleep(1)
                pushed, push_took = await _timed(service, "POST", PUSH, push)
            assert (read.status_code, pushed.status_code) == (503, 503)
            assert read_took < READ_SECONDS
            assert push_took < PUBSUB_ACK_SECONDS
            assert set(await asyncio.gather(*asking)) <= {200, 503}

            taken = await service.client.post(PUSH, json=push)
            assert taken.status_code == 200
            await _processed_once(service)
        assert [line for line in log_lines(tmp_path) if "Traceback" in str(line)] == []


async def _processed_once(service: Live) -> None:
    with stored(service.data_dir) as database:

        async def quiet() -> bool | None:
            return queues_are_empty(database) or None

        await eventually(quiet, seconds=PATIENCE_SECONDS, message="The push was not processed.")
        events = list(database["inbound_events"].find({}))
        said = list(database["interactions"].find({"provider_id": "relay:thread-1:message-1"}))
    assert [event["state"] for event in events] == ["done"]
    assert [one["direction"] for one in said] == ["incoming"]
