"""The service as a process of its own, and what can be seen of it from outside."""

import asyncio
import contextlib
import email
import email.policy
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from app.core.clock import utc_now
from app.db.embedded import command_line
from app.demo.process import running_service
from app.demo.walkthrough import ADMIN_EMAIL, DEMO_SETTINGS, Api

ROOT = Path(__file__).parents[2]
PASSWORD = "a-long-password-for-the-tests"

PATIENCE_SECONDS = 120.0
"""For what always happens, but not always soon: the machine may be busy."""

Json = dict[str, Any]
Stored = Database[Json]
T = TypeVar("T")

SETTINGS: Mapping[str, str] = {
    **DEMO_SETTINGS,
    "MONGO_URI": "",
    "DATABASE_NAME": "dental_engagement",
    "FIRST_ADMIN_PASSWORD": PASSWORD,
    "RATE_LIMITS": "off",
    "NEW_CAMPAIGNS_PER_DAY": "10000",
    "STAFF_ALERT_EMAIL": "",
}
"""As in the demo, where nothing sweeps by itself before the last minute of the day."""


@dataclass
class Live:
    """A running service, signed in to, and its folder."""

    api: Api
    process: subprocess.Popen[bytes]
    data_dir: Path

    @property
    def client(self) -> httpx.AsyncClient:
        """For requests that may fail."""
        return self.api.client

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)

    async def signal_and_wait(self, wanted: signal.Signals, seconds: float) -> int:
        """Send `wanted`; the exit code, which must come in time."""
        self.process.send_signal(wanted)
        return await asyncio.to_thread(self.process.wait, seconds)


@contextlib.asynccontextmanager
async def live(data_dir: Path, **settings: str) -> AsyncIterator[Live]:
    """A service on `data_dir`, as `python -m app serve` starts it, until the block ends."""
    async with running_service(data_dir, {**SETTINGS, **settings}) as (url, process):
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=url, timeout=PATIENCE_SECONDS, limits=limits
        ) as client:
            api = Api(client)
            await api.sign_in(ADMIN_EMAIL, PASSWORD)
            yield Live(api, process, data_dir)


def serve_once(data_dir: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """`python -m app serve` where it is expected to end by itself."""
    own = {**SETTINGS, "DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT), **settings}
    return subprocess.run(
        [sys.executable, "-m", "app", "serve"],
        env={**os.environ, **own},  # noqa: TID251 - handed on to the child, not read
        cwd=data_dir,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


async def eventually(
    look: Callable[[], Awaitable[T | None]],
    *,
    seconds: float,
    message: str,
    every: float = 0.1,
) -> T:
    """What `look` finds, once it finds something."""
    give_up_at = time.monotonic() + seconds
    while (found := await look()) is None:
        assert time.monotonic() < give_up_at, message
        await asyncio.sleep(every)
    return found


async def until_gone(pid: int, seconds: float) -> None:
    """Wait for a process to end."""

    async def gone() -> bool | None:
        return None if command_line(pid) else True

    await eventually(gone, seconds=seconds, message="The process did not end.", every=0.02)


def embedded_record(data_dir: Path) -> dict[str, int]:
    """Which processes and which port the embedded database of this folder has."""
    found: dict[str, int] = json.loads((data_dir / "embedded.json").read_text())
    return found


@contextlib.contextmanager
def stored(data_dir: Path) -> Iterator[Stored]:
    """The database of a running service, past the service."""
    uri = f"mongodb://127.0.0.1:{embedded_record(data_dir)['port']}/?directConnection=true"
    client: MongoClient[Json]
    with MongoClient(uri, tz_aware=True, tzinfo=UTC, serverSelectionTimeoutMS=30_000) as client:
        yield client[SETTINGS["DATABASE_NAME"]]


def letters(*data_dirs: Path) -> list[EmailMessage]:
    """Every message that left for a patient."""
    paths = [path for folder in data_dirs for path in sorted((folder / "outbox").glob("*.eml"))]
    return [email.message_from_bytes(p.read_bytes(), policy=email.policy.default) for p in paths]


def letter_keys(*data_dirs: Path) -> list[str]:
    """Which interaction each message that left belongs to, sorted; doubles stay."""
    return sorted(str(letter["X-Outbox-Key"]) for letter in letters(*data_dirs))


def sent_keys(database: Stored) -> list[str]:
    """The interactions that count as sent, sorted."""
    found = database["interactions"].find({"delivery.status": "sent"}, {"_id": 1})
    return sorted(str(one["_id"]) for one in found)


def queues_are_empty(database: Stored) -> bool:
    """Whether nothing stored waits for a worker now. What is put off to another day may.

    What comes in is looked at first: it is finished after the answer to it was queued.
    """
    events = {"state": {"$in": ["pending", "processing"]}}
    if database["inbound_events"].count_documents(events, limit=1):
        return False
    due = {"delivery.status": "pending", "delivery.not_before": {"$lte": utc_now()}}
    outgoing = {"$or": [due, {"delivery.status": "sending"}]}
    return database["interactions"].count_documents(outgoing, limit=1) == 0


def log_of(data_dir: Path) -> str:
    """Everything the service wrote."""
    return (data_dir / "service.log").read_text()


def log_lines(data_dir: Path) -> list[Json]:
    """The structured lines of the log."""
    lines = log_of(data_dir).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


async def add_due_patients(service: Live, name: str, wanted: int) -> list[str]:
    """So many patients whose check-up was due the day before yesterday; their ids."""
    due = (utc_now() - timedelta(days=2)).date().isoformat()
    at_once = asyncio.Semaphore(50)

    async def add(number: int) -> str:
        body = {
            "name": f"{name.title()} Patient{number}",
            "email": f"{name}.{number}@example.com",
            "patient_type": "EXISTING",
            "next_follow_up_date": due,
        }
        async with at_once:
            made = await service.api.post("/admin/patients", body, status=201)
        return str(made["patient_id"])

    return list(await asyncio.gather(*map(add, range(wanted))))


def per_patient(collection: Collection[Json], patient_ids: list[str]) -> dict[str, int]:
    """How many documents of the collection each of these patients has."""
    found = Counter(str(one["patient_id"]) for one in collection.find({}, {"patient_id": 1}))
    return {patient_id: found[patient_id] for patient_id in patient_ids}


async def sweep(service: Live, *, seconds: float) -> None:
    """Sweep, and wait until that is done: one that takes long is answered before (202)."""
    path, headers = "/api/v1/admin/sweeps", service.api.headers
    answer = await service.client.post(path, json={"dry_run": False}, headers=headers)
    assert answer.status_code in {200, 202}, answer.text

    async def swept() -> bool | None:
        with stored(service.data_dir) as database:
            return database["sweeps"].count_documents({"status": "running"}) == 0 or None

    await eventually(swept, seconds=seconds, message="The sweep came to no end.", every=0.2)
