"""Imports: the files, their rows that wait, what became of each, and the conflicts they left."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.db.errors import DuplicateValueError
from app.db.repositories.base import DocumentRepository, Page, Repository
from app.models.base import PyObjectId
from app.models.imports import (
    UNFINISHED_STATES,
    ConflictState,
    Import,
    ImportBatch,
    ImportKind,
    ImportRow,
    ImportState,
    RowOutcome,
    ScheduleConflict,
)

_LONGEST_QUEUE = 100
"""Imports that are looked at for the first of each kind."""


class ImportRepository(DocumentRepository[Import]):
    """Queries over `imports`."""

    collection_name = "imports"
    model = Import

    async def page(self, *, page: int, limit: int) -> Page[Import]:
        """Newest first."""
        return await self._page({}, sort=[("created_at", -1), ("_id", -1)], page=page, limit=limit)

    async def queue(self, import_id: PyObjectId, *, rows: int, batches: int, at: datetime) -> bool:
        """All of it is stored: it may be worked on from `at`."""
        guard = {"_id": import_id, "state": ImportState.RECEIVING}
        fields = {"state": ImportState.QUEUED, "rows": rows, "batches": batches}
        return await self._update(guard, {"$set": {**fields, "available_at": at}})

    async def next_due(self, now: datetime) -> Import | None:
        """The oldest that waits, or whose worker lost its lease.

        Files of one kind are worked off in the order they came: what an older one says must not
        come after a newer one, however long the older one takes.
        """
        query = {"state": {"$in": sorted(UNFINISHED_STATES)}}
        sort = [("created_at", 1), ("_id", 1)]
        waiting = await self._find_readable(query, sort=sort, limit=_LONGEST_QUEUE)
        oldest: dict[ImportKind, Import] = {}
        for one in waiting:
            oldest.setdefault(one.kind, one)
        return next((one for one in oldest.values() if one.available_at <= now), None)

    async def claim(self, waiting: Import, *, now: datetime, lease_until: datetime) -> bool:
        """Take the next batch of an import under a new term; of two workers one wins."""
        guard = {"_id": waiting.id, "state": waiting.state, "term": waiting.term}
        fields: dict[str, Any] = {
            "state": ImportState.RUNNING,
            "available_at": lease_until,
            "started_at": waiting.started_at or now,
        }
        return await self._update(guard, {"$set": fields, "$inc": {"term": 1, "attempts": 1}})

    async def advance(
        self, claimed: Import, outcomes: Mapping[str, int], span: Mapping[str, Any], now: datetime
    ) -> bool:
        """A batch is done: count it and let the next one be taken. `False` where the claim went.

        `span`: the `first` and `last` start of its rows and their `provider_ids`.
        """
        update: dict[str, Any] = {
            "$set": {"cursor": claimed.cursor + 1, "attempts": 0, "available_at": now},
            "$inc": {f"counts.{outcome}": count for outcome, count in outcomes.items()},
        }
        if span:
            update["$min"] = {"span.first": span["first"]}
            update["$max"] = {"span.last": span["last"]}
            update["$addToSet"] = {"span.provider_ids": {"$each": span["provider_ids"]}}
        guard = {**self._held(claimed), "cursor": claimed.cursor}
        return await self._update(guard, {name: part for name, part in update.items() if part})

    async def keep(self, claimed: Import, lease_until: datetime) -> bool:
        """Go on with a claim; `False` where it went."""
        return await self._update(self._held(claimed), {"$set": {"available_at": lease_until}})

    async def release(self, claimed: Import, at: datetime) -> bool:
        """Give a claim back: somebody may try again from `at`."""
        return await self._update(self._held(claimed), {"$set": {"available_at": at}})

    async def finish(self, claimed: Import, fields: Mapping[str, Any]) -> bool:
        """It is over; `False` where the claim went."""
        return await self._update(self._held(claimed), {"$set": dict(fields)})

    async def abandoned(self, before: datetime) -> list[Import]:
        """Uploads that a crash cut short."""
        query = {"state": ImportState.RECEIVING, "created_at": {"$lt": before}}
        return await self._find(query, limit=100)

    @staticmethod
    def _held(claimed: Import) -> dict[str, Any]:
        """As `claimed` was read before its claim."""
        return {"_id": claimed.id, "state": ImportState.RUNNING, "term": claimed.term + 1}


class ImportBatchRepository(DocumentRepository[ImportBatch]):
    """Queries over `import_batches`."""

    collection_name = "import_batches"
    model = ImportBatch

    async def numbered(self, import_id: PyObjectId, number: int) -> ImportBatch | None:
        """One batch of an import, counted from 0."""
        return await self._find_one({"import_id": import_id, "number": number})

    async def drop(self, import_id: PyObjectId) -> None:
        """Every batch of an import."""
        await self._collection.delete_many({"import_id": import_id})


class ImportRowRepository(Repository[ImportRow]):
    """Queries over `import_rows`."""

    collection_name = "import_rows"
    model = ImportRow

    async def page(
        self, import_id: PyObjectId, outcome: RowOutcome | None, *, page: int, limit: int
    ) -> Page[ImportRow]:
        """In the order of the file."""
        query: dict[str, Any] = {"import_id": import_id}
        if outcome is not None:
            query["outcome"] = outcome
        return await self._page(query, sort=[("number", 1)], page=page, limit=limit)

    async def to_look_at(self, import_id: PyObjectId, *, limit: int) -> Page[ImportRow]:
        """What was neither done nor needed to be, in the order of the file."""
        fine = [RowOutcome.CREATED, RowOutcome.UPDATED, RowOutcome.UNCHANGED]
        query: dict[str, Any] = {"import_id": import_id, "outcome": {"$nin": fine}}
        return await self._page(query, sort=[("number", 1)], page=1, limit=limit)

    async def among(self, import_id: PyObjectId, numbers: Sequence[int]) -> dict[int, ImportRow]:
        """Those of these rows that were worked on before, by number."""
        if not numbers:
            return {}
        span = {"$gte": numbers[0], "$lte": numbers[-1]}
        found = await self._find({"import_id": import_id, "number": span})
        return {row.number: row for row in found}

    async def store(self, rows: Sequence[ImportRow]) -> None:
        """Keep what became of rows; what is kept already stays as it is."""
        if rows:
            await self._insert_each(rows)

    async def planned_between(
        self, import_id: PyObjectId, since: datetime, before: datetime
    ) -> list[str]:
        """What rows of this dry run would have claimed that start in [since, before)."""
        query = {"import_id": import_id, "starts_at": {"$gte": since, "$lt": before}}
        found = await self._find(query)
        return [claim for row in found for claim in row.claims or ()]

    async def external_ids(self, import_id: PyObjectId) -> set[str]:
        """What the file calls its visits, whatever became of them; missing ones are not in it."""
        query = {"import_id": import_id, "outcome": {"$ne": RowOutcome.MISSING}}
        cursor = self._collection.find(query, {"external_id": 1, "_id": 0})
        return {row["external_id"] async for row in cursor if "external_id" in row}

    async def any_refused(self, import_id: PyObjectId, reason: str) -> bool:
        """Whether a row was refused for this reason."""
        query = {"import_id": import_id, "outcome": RowOutcome.REFUSED, "reason": reason}
        return await self._find_one(query) is not None

    async def count(self, import_id: PyObjectId, outcome: RowOutcome) -> int:
        """How many rows ended so."""
        return await self._collection.count_documents({"import_id": import_id, "outcome": outcome})


class ScheduleConflictRepository(DocumentRepository[ScheduleConflict]):
    """Queries over `schedule_conflicts`. One document for each visit of the other system."""

    collection_name = "schedule_conflicts"
    model = ScheduleConflict

    async def page(self, state: ConflictState, *, page: int, limit: int) -> Page[ScheduleConflict]:
        """By the time they are about."""
        return await self._page(
            {"state": state}, sort=[("appointment_date", 1), ("_id", 1)], page=page, limit=limit
        )

    async def named(self, external_ids: Iterable[str]) -> dict[str, ScheduleConflict]:
        """The conflicts of these visits, in any state."""
        found = await self._find({"external_id": {"$in": list(external_ids)}})
        return {conflict.external_id: conflict for conflict in found}

    async def all_of(self, patient_id: PyObjectId) -> list[ScheduleConflict]:
        """A patient's, in any state."""
        return await self._find({"patient_id": patient_id}, sort=[("appointment_date", 1)])

    async def open_between(
        self, since: datetime, before: datetime, provider_ids: Iterable[PyObjectId]
    ) -> list[ScheduleConflict]:
        """Open ones that start in [since, before] with any of these providers."""
        return await self._find(
            {
                "state": ConflictState.OPEN,
                "appointment_date": {"$gte": since, "$lte": before},
                "provider_id": {"$in": list(provider_ids)},
            }
        )

    async def put(self, conflict: ScheduleConflict) -> None:
        """Store it, or replace what is known of the same visit's conflict."""
        try:
            await self.insert(conflict)
        except DuplicateValueError:
            fields = conflict.to_stored()
            for kept in ("_id", "created_at", "updated_at"):
                fields.pop(kept)
            optional = ("alerted_at", "settled_at", "settled_by", "chair_id")
            removed = [name for name in optional if name not in fields]
            await self.update_fields(conflict.id, fields, unset=removed)

    async def settle(
        self, conflict_id: PyObjectId, state: ConflictState, *, at: datetime, by: str
    ) -> bool:
        """Close an open one; `False` where it is not open."""
        guard = {"_id": conflict_id, "state": ConflictState.OPEN}
        fields = {"state": state, "settled_at": at, "settled_by": by}
        return await self._update(guard, {"$set": fields})

    async def expire(self, before: datetime, now: datetime) -> int:
        """Close open ones whose time came before `before`; how many."""
        query = {"state": ConflictState.OPEN, "appointment_date": {"$lt": before}}
        fields = {"state": ConflictState.EXPIRED, "settled_at": now, "updated_at": now}
        return (await self._collection.update_many(query, {"$set": fields})).modified_count

    async def untold(self, limit: int) -> list[ScheduleConflict]:
        """Open ones that staff were not told of."""
        query = {"state": ConflictState.OPEN, "alerted_at": {"$exists": False}}
        return await self._find(query, sort=[("created_at", 1)], limit=limit)

    async def owed(
        self, now: datetime, changed_before: datetime, limit: int
    ) -> list[ScheduleConflict]:
        """Open ones still to come that staff were not told of, though they stand so since then."""
        query = {
            "state": ConflictState.OPEN,
            "appointment_date": {"$gte": now},
            "updated_at": {"$lt": changed_before},
            "alerted_at": {"$exists": False},
        }
        return await self._find(query, sort=[("appointment_date", 1)], limit=limit)

    async def mark_told(self, ids: Iterable[PyObjectId], at: datetime) -> None:
        """Staff were told."""
        await self._collection.update_many(
            {"_id": {"$in": list(ids)}}, {"$set": {"alerted_at": at}}
        )
