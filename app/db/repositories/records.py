"""The machinery's own collections: inbound events, leases, sweeps and the like."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from app.db.errors import DuplicateValueError
from app.db.repositories.base import (
    INSERT_ATTEMPTS,
    DocumentRepository,
    Page,
    Repository,
    portions,
)
from app.db.repositories.schedule import ListedRepository
from app.models.base import PyObjectId
from app.models.records import (
    IdempotencyRecord,
    InboundEvent,
    InboundState,
    KnowledgeArticle,
    Lease,
    Sweep,
    SweepStatus,
    UnansweredQuestion,
)

CLOCK_SKEW_MARGIN = timedelta(seconds=2)
"""Leases compare with a literal time, so two machines' clocks may differ by this much."""


KnowledgeVersion = frozenset[tuple[PyObjectId, datetime]]


def _aside(lines: Iterable[str]) -> dict[str, Any]:
    """What keeps events out by what they are worked off in turn of."""
    others = sorted(lines)
    named = ("payload.thread_id", "payload.emailAddress", "_id") if others else ()
    return {name: {"$nin": others} for name in named}


class InboundEventRepository(Repository[InboundEvent]):
    """Queries over `inbound_events`."""

    collection_name = "inbound_events"
    model = InboundEvent

    async def store(self, event: InboundEvent) -> bool:
        """Keep a delivery before it is acknowledged; `False` where it is already here."""
        try:
            await self._insert(event)
        except DuplicateValueError:
            return False
        return True

    async def get(self, event_id: str) -> InboundEvent | None:
        """The stored delivery."""
        return await self._find_one({"_id": event_id})

    async def store_each(self, events: Sequence[InboundEvent]) -> int:
        """`store` for many in one trip; how many of them were not here."""
        return len(events) - len(await self._insert_each(events)) if events else 0

    async def due_between(self, begin: datetime, end: datetime) -> list[InboundEvent]:
        """Pending events whose time lies in [begin, end], in that order: all of them, so that the
        price is what lies there.
        """
        query = {"state": InboundState.PENDING, "not_before": {"$gte": begin, "$lte": end}}
        return await self._find_readable(query, sort=[("not_before", 1)])

    async def abandoned(
        self, now: datetime, limit: int, *, besides: Iterable[str] = ()
    ) -> list[InboundEvent]:
        """Events whose worker lost its lease, but for the threads, mailboxes and events in
        `besides`.
        """
        overdue = {"$lt": now - CLOCK_SKEW_MARGIN}
        query = {"state": InboundState.PROCESSING, "lease_until": overdue, **_aside(besides)}
        return await self._find_readable(query, sort=[("not_before", 1)], limit=limit)

    async def claim(self, event: InboundEvent, lease_until: datetime) -> bool:
        """Take an event under a new term; of two workers one wins."""
        guard = {"_id": event.id, "state": event.state, "term": event.term}
        fields = {"state": InboundState.PROCESSING, "lease_until": lease_until}
        update = {"$set": fields, "$inc": {"term": 1, "attempts": 1}}
        return await self._update(guard, update)

    async def keep(self, event_id: str, term: int, fields: Mapping[str, Any]) -> bool:
        """Add what was fetched, under the claim's term; `False` where the lease was lost."""
        guard = {"_id": event_id, "state": InboundState.PROCESSING, "term": term}
        return await self._update(guard, {"$set": dict(fields)})

    async def finish(
        self, event_id: str, term: int, fields: Mapping[str, Any], *, unset: Iterable[str] = ()
    ) -> bool:
        """Write the outcome under the claim's term; `False` where the lease was lost."""
        guard = {"_id": event_id, "state": InboundState.PROCESSING, "term": term}
        removed = dict.fromkeys(("lease_until", *unset), "")
        return await self._update(guard, {"$set": dict(fields), "$unset": removed})

    async def settle_waiting(self, event_ids: Sequence[str], note: str) -> None:
        """Finish those of them that still wait."""
        fields = {"state": InboundState.DONE, "done_at": self._clock.now(), "note": note}
        await self._change_waiting(event_ids, fields)

    async def put_off_waiting(self, event_ids: Sequence[str], wait: timedelta) -> None:
        """Let those of them that still wait do so for a while."""
        await self._change_waiting(event_ids, {"not_before": self._clock.now() + wait})

    async def _change_waiting(self, event_ids: Sequence[str], fields: Mapping[str, Any]) -> None:
        stamped = {**fields, "updated_at": self._clock.now()}
        for some in portions(event_ids):
            query = {"_id": {"$in": some}, "state": InboundState.PENDING}
            await self._collection.update_many(query, {"$set": stamped})

    async def next_due_at(self) -> datetime | None:
        """When the pending event that is due first is, or was, due."""
        pending = {"state": InboundState.PENDING}
        return await self._first_instant(pending, "not_before")

    async def count_by_state(self) -> dict[InboundState, int]:
        """How many events wait, and how many are dead."""
        unfinished = [state for state in InboundState if state != InboundState.DONE]
        pipeline: list[dict[str, Any]] = [
            {"$match": {"state": {"$in": unfinished}}},
            {"$group": {"_id": "$state", "count": {"$sum": 1}}},
        ]
        rows = await self._collection.aggregate(pipeline).to_list(None)
        return {InboundState(row["_id"]): int(row["count"]) for row in rows}


class LeaseRepository(Repository[Lease]):
    """Queries over `leases`."""

    collection_name = "leases"
    model = Lease

    async def acquire(self, name: str, holder: str, ttl: timedelta) -> Lease | None:
        """Become the holder under a new term, or `None` while somebody else holds it.

        What was stored is read back: an insert that was repeated after a lost connection cannot
        tell its own document from that of somebody who was faster.
        """
        now = self._clock.now()
        first = Lease(id=name, holder=holder, term=1, expires_at=now + ttl)
        try:
            await self._insert(first)
        except DuplicateValueError:
            return await self._take_over(name, holder, now, ttl)
        return await self._find_one({"_id": name, "holder": holder})

    async def _take_over(
        self, name: str, holder: str, now: datetime, ttl: timedelta
    ) -> Lease | None:
        guard = {"_id": name, "expires_at": {"$lt": now - CLOCK_SKEW_MARGIN}}
        fields = {"holder": holder, "expires_at": now + ttl}
        if not await self._update(guard, {"$set": fields, "$inc": {"term": 1}}):
            return None
        return await self._find_one({"_id": name, "holder": holder})

    async def renew(self, lease: Lease, ttl: timedelta) -> bool:
        """Hold on; `False` where the lease has gone to somebody else."""
        guard = {"_id": lease.id, "holder": lease.holder, "term": lease.term}
        return await self._update(guard, {"$set": {"expires_at": self._clock.now() + ttl}})

    async def release(self, lease: Lease) -> bool:
        """Let go, so that the next one need not wait."""
        guard = {"_id": lease.id, "holder": lease.holder, "term": lease.term}
        free_at = self._clock.now() - 2 * CLOCK_SKEW_MARGIN
        return await self._update(guard, {"$set": {"expires_at": free_at}})

    async def current(self, name: str) -> Lease | None:
        """The lease as it stands, held or not."""
        return await self._find_one({"_id": name})


class SweepRepository(Repository[Sweep]):
    """Queries over `sweeps`."""

    collection_name = "sweeps"
    model = Sweep

    async def start(self, sweep: Sweep) -> bool:
        """Record a run; `False` where this id (a local date) was already run."""
        try:
            await self._insert(sweep)
        except DuplicateValueError:
            return False
        return True

    async def get(self, sweep_id: str) -> Sweep | None:
        """One run."""
        return await self._find_one({"_id": sweep_id})

    async def restart(self, sweep_id: str, started_at: datetime) -> bool:
        """Take up a run that a crash cut short; a completed one stays as it is."""
        guard = {"_id": sweep_id, "status": {"$ne": SweepStatus.COMPLETED}}
        fields = {"status": SweepStatus.RUNNING, "started_at": started_at}
        return await self._update(guard, {"$set": fields})

    async def finish(self, sweep: Sweep) -> bool:
        """Write the outcome of a run."""
        stored = sweep.to_stored()
        fields = {name: stored[name] for name in ("status", "counts", "finished_at")}
        if sweep.error:
            fields["error"] = sweep.error
        return await self._update({"_id": sweep.id}, {"$set": fields})

    async def fail_interrupted(self, other_than: str, at: datetime) -> int:
        """Close runs that a crash cut short, when another run does their work."""
        guard = {"status": SweepStatus.RUNNING, "_id": {"$ne": other_than}}
        fields = {"status": SweepStatus.FAILED, "error": "interrupted", "finished_at": at}
        result = await self._collection.update_many(guard, {"$set": fields})
        return result.modified_count

    async def latest(self) -> Sweep | None:
        """The run started last; `None` in a database that never swept."""
        return await self._find_one({"dry_run": False}, sort=[("started_at", -1)])

    async def running(self) -> Sweep | None:
        """The run that is (or was, before a crash) under way."""
        return await self._find_one({"status": SweepStatus.RUNNING}, sort=[("started_at", -1)])

    async def page(self, *, page: int, limit: int) -> Page[Sweep]:
        """Newest first."""
        return await self._page({}, sort=[("started_at", -1), ("_id", -1)], page=page, limit=limit)


class IdempotencyRepository(Repository[IdempotencyRecord]):
    """Queries over `idempotency_keys`."""

    collection_name = "idempotency_keys"
    model = IdempotencyRecord

    async def begin(self, record: IdempotencyRecord) -> IdempotencyRecord:
        """Store the first use of a key; the record of the first use, this one or an older one.

        What is answered is stored: an older one can expire between the refusal and the look at it.
        """
        for _ in range(INSERT_ATTEMPTS):
            with contextlib.suppress(DuplicateValueError):
                if await self._insert(record):
                    return record
            first = await self._find_one({"_id": record.id})
            if first is not None:
                return first
        message = "The record of an idempotency key comes and goes."
        raise RuntimeError(message)

    async def complete(self, record_id: str, status: int, body: Mapping[str, Any]) -> bool:
        """Keep the answer, once: the first answer is the one every retry gets."""
        guard = {"_id": record_id, "response_status": {"$exists": False}}
        fields = {"response_status": status, "response_body": dict(body)}
        return await self._update(guard, {"$set": fields})


class KnowledgeRepository(ListedRepository[KnowledgeArticle]):
    """Queries over `knowledge`."""

    collection_name = "knowledge"
    model = KnowledgeArticle
    order = "title"

    async def version(self) -> KnowledgeVersion:
        """Changes whenever an article does: every id with the instant of its last change.

        The newest change alone would miss one by a machine whose clock is behind.
        """
        cursor = self._collection.find({}, {"updated_at": 1})
        return frozenset((row["_id"], row["updated_at"]) for row in await cursor.to_list(None))


class UnansweredQuestionRepository(DocumentRepository[UnansweredQuestion]):
    """Queries over `unanswered_questions`."""

    collection_name = "unanswered_questions"
    model = UnansweredQuestion

    async def newest(self, since: datetime, limit: int) -> list[UnansweredQuestion]:
        """Those of `since` and later, newest first."""
        return await self._find({"at": {"$gte": since}}, sort=[("at", -1)], limit=limit)

    async def settle(self, entry_id: PyObjectId, number: str) -> bool:
        """Take one question of a message off the list; the first time stands."""
        guard = {"_id": entry_id, f"settled.{number}": {"$exists": False}}
        return await self._update(guard, {"$set": {f"settled.{number}": self._clock.now()}})

    async def record(
        self, interaction_id: PyObjectId, question: str, parts: Sequence[str] = ()
    ) -> None:
        """Keep a question once for each message it came in (its id is the message's)."""
        entry = UnansweredQuestion(
            id=interaction_id,
            interaction_id=interaction_id,
            question=question,
            parts=list(parts),
            at=self._clock.now(),
        )
        try:
            await self.insert(entry)
        except DuplicateValueError:
            return
