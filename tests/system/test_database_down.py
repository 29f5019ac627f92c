"""A database that is gone for a while under a stream of pushes: nothing else than 503, and in the
end nothing is lost.

The short form is gone for some seconds; `make chaos` sets DATABASE_DOWN_SECONDS.
"""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.db.embedded import free_port
from app.demo.gmail.process import MAILBOX, gmail_settings, running_gmail
from app.demo.mail import GmailPost
from tests.factories import SECRET
from tests.system.pubsub import Subscription, genuine_token
from tests.system.service import (
    PATIENCE_SECONDS,
    Stored,
    eventually,
    live,
    log_of,
    queues_are_empty,
)
from tests.system.test_replicas import over_the_wire

pytestmark = [pytest.mark.mongo, pytest.mark.timeout(600)]

DOWN_SECONDS = float(os.environ.get("DATABASE_DOWN_SECONDS", "12"))  # noqa: TID251 - the suite's own switch
AROUND_SECONDS = 2.0
"""How long pushes come before and after."""
WRITES_A_SECOND = 5
NAME = "dental_engagement"
SETTLE_SECONDS = 120
OPTIONS = "directConnection=true&retryWrites=false&w=1&journal=true"


class OwnDatabase:
    """A database server that nobody restarts but the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.uri = f"mongodb://127.0.0.1:{self._port}/?{OPTIONS}"

    @contextlib.contextmanager
    def running(self) -> Iterator["OwnDatabase"]:
        """Until the block ends."""
        self.start()
        try:
            yield self
        finally:
            self.kill()

    def start(self) -> None:
        """On the same port and the same data as before."""
        where = ["--host", "127.0.0.1", "--port", str(self._port)]
        data = ["--storage-path", str(self._folder / "db"), "--cache-size", "128M"]
        with (self._folder / "database.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "secantus", *where, *data], stdout=log, stderr=log
            )

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE_SECONDS)


@contextlib.asynccontextmanager
async def mail_coming_in(
    post: GmailPost, pushes: Subscription, ids: list[str]
) -> AsyncIterator[None]:
    """Strangers write all the time, and Google notifies."""

    async def write() -> None:
        while True:
            number = len(ids)
            mail = {"sender": f"stranger.{number}@example.org", "text": f"Hello, No. {number}"}
            arrived = await post.arrive(mail)
            ids.append(arrived["id"])
            pushes.publish(arrived["history_id"])
            await asyncio.sleep(1 / WRITES_A_SECOND)

    writing = asyncio.create_task(write())
    try:
        yield
    finally:
        assert not writing.done(), writing
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def _interrupt(database: OwnDatabase, pushes: Subscription) -> list[int]:
    """Take the database away for a while, and for as long as it takes until a push was answered;
    what those were answered that came while it was gone and were answered before it was back.
    """
    await asyncio.sleep(AROUND_SECONDS)
    await asyncio.to_thread(database.kill)
    gone = time.perf_counter()
    await asyncio.sleep(DOWN_SECONDS)

    async def answered() -> list[int] | None:
        return [one.status for one in pushes.log if one.started > gone] or None

    meanwhile = await eventually(
        answered, seconds=PATIENCE_SECONDS, message="No push was answered."
    )
    database.start()
    await asyncio.sleep(AROUND_SECONDS)
    return meanwhile


async def _settled(database: Stored, wanted: int) -> bool | None:
    """The database may still be on its way up."""
    incoming = {"direction": "incoming", "processed_at": {"$exists": True}}
    done = await asyncio.to_thread(database["interactions"].count_documents, incoming)
    return (done >= wanted and queues_are_empty(database)) or None


class TestDatabaseDown:
    async def test_pushes_are_answered_503_and_nothing_is_lost(self, tmp_path: Path) -> None:
        ids: list[str] = []
        port = free_port()
        with OwnDatabase(tmp_path).running() as own:
            async with running_gmail(tmp_path, port) as gmail:
                settings = {
                    **gmail_settings(str(gmail.base_url).rstrip("/")),
                    "PORT": str(port),
                    "MONGO_URI": own.uri,
                    "DATABASE_NAME": NAME,
                    "JWT_SECRET_KEY": SECRET,
                    "DEMO_DATA": "false",
                    "GMAIL_POLL_SECONDS": "3600",
                }
                post = GmailPost(gmail)
                async with live(tmp_path, **settings) as service:
                    await post.break_with(drop_push_rate=1)
                    dice = random.Random(1)  # noqa: S311 - the same copies every time
                    token = await genuine_token(gmail)
                    pushes = Subscription(service.client, token, dice, latest=AROUND_SECONDS)
                    delivering = asyncio.create_task(pushes.deliver())
                    async with mail_coming_in(post, pushes, ids):
                        meanwhile = Counter(await _interrupt(own, pushes))
                    pushes.close()
                    await delivering
                    with over_the_wire(own.uri, NAME) as database:
                        await eventually(
                            lambda: _settled(database, len(ids)),
                            seconds=SETTLE_SECONDS,
                            message="Not every message was processed.",
                        )
                        found = Counter(
                            one["provider_id"]
                            for one in database["interactions"].find({"direction": "incoming"})
                        )
        print(f"\n{len(ids)} messages; {pushes.summary()}; while it was gone: {dict(meanwhile)}")  # noqa: T201
        assert set(meanwhile) == {503}
        assert set(pushes.answers) == {200, 503}
        assert found == {f"gmail:{MAILBOX}:{one}": 1 for one in ids}
        assert "Traceback" not in log_of(tmp_path)
