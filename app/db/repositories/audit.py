"""Queries over `audit_log`: entries are added to this process's chain and read, never changed."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import stamina
from pymongo.errors import BulkWriteError, ConnectionFailure

from app.core.clock import Clock
from app.db.database import OPERATION_SECONDS, Collection, Database, within
from app.db.errors import DuplicateValueError, index_named_in
from app.db.indexes import AUDIT_CHAIN
from app.db.repositories.base import DocumentRepository, Page
from app.models.audit import ChainHead, chained, entry_hash, hash_of
from app.models.base import PyObjectId, as_object_id
from app.models.records import AuditChain, AuditEntry

APPEND_ATTEMPTS = 3
COUNTED_UP_TO = 1000
_NEWEST_FIRST = [("at", -1), ("_id", -1)]


@dataclass(frozen=True)
class AuditFilter:
    """Which entries of the log; all that is given must hold. `until` is not part of the span."""

    patient_id: PyObjectId | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def query(self) -> dict[str, Any]:
        """As the database is asked."""
        span = {"$gte": self.since, "$lt": self.until}
        wanted = {
            "patient_ids": self.patient_id,
            "actor": self.actor,
            "at": {operator: at for operator, at in span.items() if at is not None} or None,
        }
        return {name: value for name, value in wanted.items() if value is not None}


@dataclass(frozen=True)
class StoredLink:
    """One stored entry of a chain, beside the hashes that its content gives."""

    id: PyObjectId
    seq: int
    prev: str
    hash: str
    content_hash: str
    has_its_details: bool


class _ChainMovedError(Exception):
    """The place in the chain was taken by a write of ours that arrived late."""


class AuditRepository(DocumentRepository[AuditEntry]):
    """Adds entries to the chain of this process, and reads those of all."""

    collection_name = "audit_log"
    model = AuditEntry

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self.writer = uuid.uuid4().hex
        self._chains: Collection = database.collection("audit_chains")
        self._one_at_a_time = asyncio.Lock()
        self._head: ChainHead | None = ChainHead()

    async def insert(self, document: AuditEntry) -> AuditEntry:
        """Add one entry. Raises `DuplicateValueError` where its id is taken."""
        await self.append([document])
        return document

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries in their order, in one trip. Adding an entry again changes nothing, once its
        first fate was uncertain. Raises `DuplicateValueError` where an id is taken.
        """
        for entry in entries:
            _complete(entry)
            entry.created_at = entry.updated_at = self._clock.now()
        attempts = stamina.retry_context(
            on=(ConnectionFailure, _ChainMovedError),
            attempts=APPEND_ATTEMPTS,
            timeout=OPERATION_SECONDS / 2,
        )
        async with within(OPERATION_SECONDS), self._one_at_a_time:
            async for attempt in attempts:
                with attempt:
                    await self._append(entries)

    async def _append(self, entries: Sequence[AuditEntry]) -> None:
        if (head := self._head) is None:
            head = await self._stored_head()
            entries = await self._not_stored(entries)
        documents: list[dict[str, Any]] = []
        after = head
        for entry in entries:
            documents.append(chained(entry, self.writer, after))
            after = ChainHead(after.seq + 1, documents[-1]["hash"])
        self._head = None  # until the answer is here, nobody knows where the chain ends
        if documents:
            await self._store(documents)
        self._head = after

    async def _store(self, documents: list[dict[str, Any]]) -> None:
        try:
            await self._collection.insert_many(documents, ordered=True)
        except BulkWriteError as error:
            (fault, *_) = error.details.get("writeErrors", [{}])
            index = index_named_in(fault, str(error))
            if index == AUDIT_CHAIN:
                raise _ChainMovedError from error
            if not index:
                raise
            raise DuplicateValueError(index) from error

    async def _stored_head(self) -> ChainHead:
        found = await self._find({"writer": self.writer}, sort=[("seq", -1)], limit=1)
        return ChainHead(found[0].seq or 0, found[0].hash or "") if found else ChainHead()

    async def _not_stored(self, entries: Sequence[AuditEntry]) -> list[AuditEntry]:
        stored = await self.get_many(entry.id for entry in entries)
        return [entry for entry in entries if entry.id not in stored]

    async def mark_head(self) -> None:
        """Write down how far this process's chain reaches: an end cut off later is missed."""
        if (head := self._head) is None or not head.seq:
            return
        fields = {"seq": head.seq, "hash": head.hash, "updated_at": self._clock.now()}
        await self._chains.update_one({"_id": self.writer}, {"$set": fields}, upsert=True)

    async def about(self, subject_id: str) -> list[AuditEntry]:
        """Everything recorded about one document, newest first."""
        return await self._find({"subject_id": subject_id}, sort=[("at", -1)])

    async def page(self, wanted: AuditFilter, *, page: int, limit: int) -> Page[AuditEntry]:
        """One page, newest first."""
        return await self._page(
            wanted.query(), sort=_NEWEST_FIRST, page=page, limit=limit, exact_up_to=COUNTED_UP_TO
        )

    async def concerning(self, patient_ids: Sequence[PyObjectId]) -> list[AuditEntry]:
        """Everything recorded about a patient under any of these ids, oldest first."""
        return await self._find({"patient_ids": {"$in": list(patient_ids)}}, sort=[("at", 1)])

    async def clear_details(self, patient_ids: Sequence[PyObjectId]) -> None:
        """Remove what entries say beside the fact; their chain holds the hash of it."""
        cleared: dict[str, Any] = {"$set": {"details": {}}}
        named = {"subject_id": {"$in": [str(one) for one in patient_ids]}}
        for which in ({"patient_ids": {"$in": list(patient_ids)}}, named):
            await self._collection.update_many(which, cleared)

    async def removable(self, writer: str, before: datetime, limit: int) -> AuditEntry | None:
        """The last of a chain's first `limit` entries of which all were made before then."""
        oldest = await self._find({"writer": writer}, sort=[("seq", 1)], limit=limit)
        old = list(itertools.takewhile(lambda entry: entry.created_at < before, oldest))
        return old[-1] if old else None

    async def remove_up_to(self, last: AuditEntry) -> int:
        """Remove the beginning of a chain; how many entries that were. Where it begins from now on
        is written down first.
        """
        fields = {
            "removed_up_to": last.seq,
            "removed_hash": last.hash,
            "updated_at": self._clock.now(),
        }
        await self._chains.update_one({"_id": last.writer}, {"$set": fields}, upsert=True)
        which = {"writer": last.writer, "seq": {"$lte": last.seq}}
        return (await self._collection.delete_many(which)).deleted_count

    async def count_before(self, instant: datetime) -> int:
        """How many entries were made before then, by what they say of themselves."""
        return await self._collection.count_documents({"at": {"$lt": instant}})

    # The chains

    async def writers(self) -> list[str]:
        """Every process that wrote entries."""
        known = {chain.id for chain in await self.chains()}
        return sorted(known | set(await self._collection.distinct("writer")))

    async def chains(self) -> list[AuditChain]:
        """What is written down about how far each chain reaches."""
        return [AuditChain.from_stored(one) for one in await self._chains.find({}).to_list(None)]

    async def links(self, writer: str) -> AsyncIterator[StoredLink]:
        """The chain of one process from its start, as it is stored."""
        async for document in self._collection.find({"writer": writer}, sort=[("seq", 1)]):
            yield _as_link(document)


def _complete(entry: AuditEntry) -> None:
    """An entry about a patient is found by the patient, however it names them."""
    if entry.patient_ids:
        return
    named = entry.subject_id if entry.subject == "patient" else entry.details.get("patient_id")
    if (patient_id := as_object_id(str(named))) is not None:
        entry.patient_ids = [patient_id]


def _as_link(document: Mapping[str, Any]) -> StoredLink:
    details = document.get("details")
    return StoredLink(
        id=document["_id"],
        seq=document["seq"],
        prev=document.get("prev", ""),
        hash=document.get("hash", ""),
        content_hash=entry_hash(document),
        has_its_details=not details or hash_of(details) == document.get("details_hash"),
    )
