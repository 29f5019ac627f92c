"""The trail that work leaves: who touched which patients' data, stored without slowing it down.

What staff changed is stored before their answer leaves. What a patient changed over a link is sent
to be stored with the answer; what was only read, what the service did by itself, and sign-ins are
stored with whatever else came up, within `FLUSH_SECONDS`. A process that is killed loses at most
those. The queue between is bounded: with a database that takes nothing, work waits, and is refused
in the end. Stopping stores everything first.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.core.access import NOBODY_KNOWN, Access, watch_access
from app.core.clock import Clock
from app.core.logging import request_id
from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories.audit import AuditRepository
from app.models.base import PyObjectId
from app.models.records import AuditEntry

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.2
CAPACITY = 5000
BATCH = 500
PATIENTS_AN_ENTRY = 500
"""A request that touches more (an export) leaves several entries."""
PATIENCE_SECONDS = 5.0
"""How long work waits for room in the queue, or for its entry to be stored."""
MARK_SECONDS = 10.0
_PAUSE_SECONDS = 1.0
AGENT = "agent"
"""The actor of what the service does by itself."""


class TrailFullError(Exception):
    """The log takes no entry: what would have to be recorded must not happen."""


@dataclass(frozen=True)
class Deed:
    """What was done, beside whose data it touched."""

    operation: str
    is_write: bool
    status: int | None = None
    is_always_kept: bool = False


class Backlog(NamedTuple):
    """Entries that wait to be stored, and when the oldest of them was left."""

    entries: int
    oldest_at: datetime | None


@dataclass(frozen=True)
class _Waiting:
    entry: AuditEntry
    stored: "asyncio.Future[None] | None"


class AuditTrail:
    """Takes entries from all work of this process and stores them in batches."""

    def __init__(
        self,
        audit: AuditRepository,
        clock: Clock,
        *,
        capacity: int = CAPACITY,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._audit = audit
        self._clock = clock
        self._capacity = capacity
        self._patience_seconds = patience_seconds
        self._queue: list[_Waiting] = []
        self._has_work = asyncio.Event()
        self._is_urgent = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_settled = asyncio.Event()
        self._is_settled.set()
        self._marked_at = 0.0
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to store, as a task of the running event loop."""
        self._task = asyncio.create_task(self._run(), name="audit-trail")

    async def close(self, timeout_seconds: float = 10.0) -> None:
        """Store what waits; what cannot be within the time is counted in the log."""
        self._is_closing = True
        self._has_work.set()
        self._is_urgent.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout_seconds)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._queue:
            logger.error("audit entries not stored", extra={"entries": len(self._queue)})

    @property
    def backlog(self) -> Backlog:
        """What this process has yet to store."""
        oldest = self._queue[0].entry.at if self._queue else None
        return Backlog(len(self._queue), oldest)

    async def settle(self) -> None:
        """Return once everything that was left up to now is stored."""
        self._is_urgent.set()
        await self._is_settled.wait()

    async def leave(self, access: Access, deed: Deed) -> None:
        """Record what `access` noted, if anything. A write by staff is stored when this returns.

        Raises `TrailFullError` where the log has taken nothing for too long.
        """
        patients = access.take()
        parts = [patients[at : at + PATIENTS_AN_ENTRY] for at in _starts(len(patients))]
        for part in parts or ([[]] if deed.is_always_kept else []):
            await self._record(self._entry(access.actor, part, deed))

    def require_room(self) -> None:
        """Raises `TrailFullError` where the log takes nothing just now."""
        if not self._has_room.is_set():
            raise TrailFullError

    def add(self, entry: AuditEntry) -> None:
        """Record something that is about no patient; nothing waits until it is stored.

        Raises `TrailFullError` where the log takes nothing just now.
        """
        self.require_room()
        self._enqueue(_Waiting(entry, None))

    async def watched(self, operation: str, work: Callable[[], Awaitable[int]]) -> int:
        """Do a round of the service's own work; record whose data it touched where it did any."""
        with watch_access(AGENT) as access:
            done = await work()
            if done:
                with contextlib.suppress(TrailFullError):  # the work is done, and says so itself
                    await self.leave(access, Deed(operation, is_write=True))
        return done

    def _entry(self, actor: str, patients: list[PyObjectId], deed: Deed) -> AuditEntry:
        return AuditEntry.model_construct(
            actor=actor,
            action=deed.operation,
            subject="patient_data",
            at=self._clock.now(),
            patient_ids=patients,
            is_write=deed.is_write,
            status=deed.status,
            request_id=request_id.get(),
        )

    async def _record(self, entry: AuditEntry) -> None:
        await self._wait_for_room()
        is_by_staff = entry.actor not in {NOBODY_KNOWN, AGENT}
        is_awaited = entry.is_write and is_by_staff
        stored = asyncio.get_running_loop().create_future() if is_awaited else None
        self._enqueue(_Waiting(entry, stored))
        if entry.is_write and entry.actor != AGENT:
            self._is_urgent.set()
        if stored is not None:
            await self._wait_until(stored)

    def _enqueue(self, waiting: _Waiting) -> None:
        self._queue.append(waiting)
        if len(self._queue) >= self._capacity:
            self._has_room.clear()
        self._is_settled.clear()
        self._has_work.set()

    async def _wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(self._patience_seconds):
                while not self._has_room.is_set():
                    await self._has_room.wait()
        except TimeoutError as error:
            raise TrailFullError from error

    async def _wait_until(self, stored: "asyncio.Future[None]") -> None:
        """The change has happened: where the log takes its time, the answer says so nevertheless,
        and the entry stays queued.
        """
        _, late = await asyncio.wait({stored}, timeout=self._patience_seconds)
        if late:
            logger.warning("audit entry is late")

    async def _run(self) -> None:
        while self._queue or not self._is_closing:
            await self._has_work.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._is_urgent.wait()
            await self._flush()
        await self._mark()

    async def _flush(self) -> None:
        batch = self._queue[:BATCH]
        if await self._is_stored(batch):
            del self._queue[: len(batch)]
            self._has_room.set()
            for waiting in batch:
                if waiting.stored is not None and not waiting.stored.done():
                    waiting.stored.set_result(None)
        if not self._queue and not self._is_closing:
            self._has_work.clear()
            self._is_urgent.clear()
            self._is_settled.set()
            await self._mark_now_and_then()

    async def _is_stored(self, batch: list[_Waiting]) -> bool:
        if not batch:
            return True
        try:
            await self._audit.append([waiting.entry for waiting in batch])
        except UNAVAILABLE_ERRORS as error:
            extra = {"error_type": type(error).__name__, "entries": len(self._queue)}
            logger.warning("audit trail waits for the database", extra=extra)
        except Exception:
            # No entry may get lost over a fault of ours: they stay, and it shows.
            logger.exception("audit trail not stored", extra={"entries": len(self._queue)})
        else:
            return True
        await asyncio.sleep(_PAUSE_SECONDS)
        return False

    async def _mark_now_and_then(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._marked_at > MARK_SECONDS:
            self._marked_at = now
            await self._mark()

    async def _mark(self) -> None:
        """The entries are stored; how far they reach is written down the next time."""
        with contextlib.suppress(*UNAVAILABLE_ERRORS):
            await self._audit.mark_head()


def _starts(length: int) -> range:
    return range(0, length, PATIENTS_AN_ENTRY)
