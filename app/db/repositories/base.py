"""What every repository does the same way: read models, write fields, page, insert once."""

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar, Generic, TypeVar

import stamina
from pydantic import ValidationError
from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError

from app.core.clock import Clock
from app.db.database import OPERATION_SECONDS, Collection, Database, within
from app.db.errors import DuplicateValueError, index_named_in
from app.models.base import Document, PyObjectId, StoredModel

logger = logging.getLogger(__name__)

ModelT = TypeVar("ModelT", bound=StoredModel)
DocumentT = TypeVar("DocumentT", bound=Document)
ValueT = TypeVar("ValueT")

Filter = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]

INSERT_ATTEMPTS = 3
VALUES_AT_ONCE = 50
"""The most that one `$in` of a large batch holds. The embedded server compares each document with
all of them, one by one: 500 at once take eight times as long as ten times 50.
"""
READ_AT_ONCE = 500
_DUPLICATE_KEY = 11000
_TRY_AGAIN_SECONDS = OPERATION_SECONDS / 2  # later there is too little left for another attempt


@dataclass(frozen=True)
class Page(Generic[ModelT]):
    """One page of a list, with the number of all that match: exact, or at least so many."""

    items: list[ModelT]
    total_items: int
    total_is_lower_bound: bool = False


def portions(values: Iterable[ValueT]) -> Iterator[list[ValueT]]:
    """Each value once, in lists of `VALUES_AT_ONCE`."""
    left = iter(dict.fromkeys(values))
    while portion := list(islice(left, VALUES_AT_ONCE)):
        yield portion


@dataclass(frozen=True)
class Unreadable:
    """A stored document that does not fit its model: its id, and nothing of what it holds."""

    document_id: str


class Repository(Generic[ModelT]):
    """Queries over one collection. Models in and out, never dictionaries."""

    collection_name: ClassVar[str]
    model: type[ModelT]

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection: Collection = database.collection(self.collection_name)
        self._clock = clock

    def _read(self, document: Mapping[str, Any] | None) -> ModelT | None:
        return None if document is None else self.model.from_stored(document)

    async def _find_one(self, query: Filter, sort: Sort | None = None) -> ModelT | None:
        return self._read(await self._collection.find_one(query, sort=sort))

    async def _first_instant(self, query: Filter, path: str) -> datetime | None:
        """The earliest instant at `path` of those that match. It is read alone, so that a document
        that does not fit its model hides nothing.
        """
        found: Any = await self._collection.find_one(query, {path: 1}, sort=[(path, 1)])
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return found if isinstance(found, datetime) else None

    async def _find(
        self, query: Filter, *, sort: Sort | None = None, skip: int = 0, limit: int = 0
    ) -> list[ModelT]:
        cursor = self._collection.find(query, sort=sort, skip=skip, limit=limit)
        return [self.model.from_stored(document) for document in await cursor.to_list(None)]

    async def _find_among(
        self, field: str, values: Iterable[object], also: Filter | None = None
    ) -> list[ModelT]:
        """Whatever has one of these values, in no order: for batches of any size."""
        found: list[ModelT] = []
        for portion in portions(values):
            found += await self._find({field: {"$in": portion}, **(also or {})})
        return found

    async def _stream(
        self, query: Filter, *, sort: Sort | None = None, batch_size: int = READ_AT_ONCE
    ) -> AsyncIterator[ModelT]:
        cursor = self._collection.find(query, sort=sort, batch_size=batch_size)
        async for document in cursor:
            yield self.model.from_stored(document)

    async def _stream_each(
        self, query: Filter, *, sort: Sort | None = None, batch_size: int = READ_AT_ONCE
    ) -> AsyncIterator[ModelT | Unreadable]:
        """`_stream` for jobs that one bad document must not stop: it is yielded as `Unreadable`."""
        cursor = self._collection.find(query, sort=sort, batch_size=batch_size)
        async for document in cursor:
            try:
                model = self.model.from_stored(document)
            except ValidationError:
                yield Unreadable(str(document["_id"]))
            else:
                yield model

    async def _find_readable(
        self, query: Filter, *, sort: Sort, limit: int | None = None
    ) -> list[ModelT]:
        """Those that fit their model, the first `limit` where one is given: one bad document must
        not stop a queue.
        """
        found: list[ModelT] = []
        async for model in self._stream_each(query, sort=sort, batch_size=limit or READ_AT_ONCE):
            if isinstance(model, Unreadable):
                logger.error(
                    "unreadable document passed over",
                    extra={"collection": self.collection_name, "document_id": model.document_id},
                )
                continue
            found.append(model)
            if len(found) == limit:
                break
        return found

    async def _page(
        self, query: Filter, *, sort: Sort, page: int, limit: int, exact_up_to: int | None = None
    ) -> Page[ModelT]:
        items = await self._find(query, sort=sort, skip=(page - 1) * limit, limit=limit)
        if exact_up_to is None:
            return Page(items, await self._collection.count_documents(query))
        counted = await self._collection.count_documents(query, limit=exact_up_to + 1)
        return Page(items, min(counted, exact_up_to), counted > exact_up_to)

    async def _insert(self, model: ModelT) -> bool:
        """Insert once, whatever the connection does meanwhile.

        The id is made by us: when a retry after a lost connection meets its own id, the first try
        had landed. Where others may choose the same id that is not certain, and the answer is
        `False`: what is stored has to be read. All attempts together take `OPERATION_SECONDS` at
        most. Raises `DuplicateValueError` for any other collision.
        """
        document = model.to_stored()
        model.note_patient()
        attempts = stamina.retry_context(
            on=ConnectionFailure, attempts=INSERT_ATTEMPTS, timeout=_TRY_AGAIN_SECONDS
        )
        async with within(OPERATION_SECONDS):
            is_certain = False
            async for attempt in attempts:
                with attempt:
                    is_certain = await self._insert_attempt(document, attempt.num)
        return is_certain

    async def _insert_attempt(self, document: dict[str, Any], number: int) -> bool:
        try:
            await self._collection.insert_one(document)
        except DuplicateKeyError as error:
            index = index_named_in(error.details, str(error))
            if index != "_id_" or number == 1:
                raise DuplicateValueError(index) from error
            return False
        return True

    async def _insert_each(self, models: Sequence[ModelT]) -> dict[int, str]:
        """Insert in one trip what `_insert` would one by one; each stands or falls for itself.

        The unique index that refused a model, by its place among them. A server stores many in a
        third of the time.
        """
        documents = [model.to_stored() for model in models]
        for model in models:
            model.note_patient()
        attempts = stamina.retry_context(
            on=ConnectionFailure, attempts=INSERT_ATTEMPTS, timeout=_TRY_AGAIN_SECONDS
        )
        refused: dict[int, str] = {}
        async with within(OPERATION_SECONDS):
            async for attempt in attempts:
                with attempt:
                    refused = await self._insert_each_attempt(documents, attempt.num)
        return refused

    async def _insert_each_attempt(
        self, documents: Sequence[dict[str, Any]], number: int
    ) -> dict[int, str]:
        try:
            await self._collection.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            refused = _refused_in(error)
        else:
            return {}
        if number == 1:
            return refused
        return {place: index for place, index in refused.items() if index != "_id_"}

    async def _update(self, query: Filter, update: Mapping[str, Any]) -> bool:
        """One guarded single-document update; whether the guard held.

        `updated_at` is stamped. Raises `DuplicateValueError` where a unique index refuses.
        """
        stamped = dict(update)
        stamped["$set"] = {**update.get("$set", {}), "updated_at": self._clock.now()}
        try:
            result = await self._collection.update_one(query, stamped)
        except DuplicateKeyError as error:
            index = index_named_in(error.details, str(error))
            raise DuplicateValueError(index) from error
        return result.matched_count == 1


class DocumentRepository(Repository[DocumentT]):
    """A repository of documents with an ObjectId and the two instants."""

    async def get(self, document_id: PyObjectId) -> DocumentT | None:
        """The document, or `None`."""
        return await self._find_one({"_id": document_id})

    async def get_many(self, ids: Iterable[PyObjectId]) -> dict[PyObjectId, DocumentT]:
        """Those of `ids` that exist, by id, in one query."""
        wanted = list(set(ids))
        found = await self._find({"_id": {"$in": wanted}}) if wanted else []
        return {document.id: document for document in found}

    async def insert(self, document: DocumentT) -> DocumentT:
        """Store a new document, stamped with the clock. Raises `DuplicateValueError`."""
        document.created_at = document.updated_at = self._clock.now()
        await self._insert(document)
        return document

    async def insert_each(self, documents: Sequence[DocumentT]) -> dict[PyObjectId, str]:
        """Store new documents in one trip, each for itself: by id, the unique index that refused
        the others.
        """
        if not documents:
            return {}
        now = self._clock.now()
        for document in documents:
            document.created_at = document.updated_at = now
        refused = await self._insert_each(documents)
        return {documents[place].id: index for place, index in refused.items()}

    async def update_fields(
        self, document_id: PyObjectId, fields: Mapping[str, Any], *, unset: Iterable[str] = ()
    ) -> bool:
        """Set what changed and remove `unset`; whether the document exists.

        Raises `DuplicateValueError` where a unique index refuses.
        """
        update: dict[str, Any] = {"$set": dict(fields)}
        if removed := dict.fromkeys(unset, ""):
            update["$unset"] = removed
        return await self._update({"_id": document_id}, update)

    async def delete(self, document_id: PyObjectId) -> bool:
        """Remove the document; whether it was there."""
        result = await self._collection.delete_one({"_id": document_id})
        return result.deleted_count == 1


def _refused_in(error: BulkWriteError) -> dict[int, str]:
    """Raises `error` where anything but a unique index was the reason."""
    faults = error.details.get("writeErrors", [])
    if error.details.get("writeConcernErrors") or any(
        fault.get("code") != _DUPLICATE_KEY for fault in faults
    ):
        raise error
    return {fault["index"]: index_named_in(fault, "") for fault in faults}
