"""What the schedule is made of: providers, chairs, services, time off, the clinic."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pymongo.errors import DuplicateKeyError

from app.core.clock import Clock
from app.db.database import Database
from app.db.errors import DuplicateValueError
from app.db.repositories.base import DocumentRepository, DocumentT, Page
from app.models.base import PyObjectId, new_id
from app.models.schedule import Chair, Clinic, Provider, Service, SetupVersion, TimeOff

CLINIC_KEY = "clinic"
SETUP_KEY = "setup"
ABANDONED_AFTER = timedelta(minutes=1)
"""A change of the set-up takes milliseconds; one that old was cut short by a crash."""


class ListedRepository(DocumentRepository[DocumentT]):
    """A short list that is kept in one order."""

    order: str = "name"

    async def page(self, *, page: int, limit: int) -> Page[DocumentT]:
        """One page, in order."""
        return await self._page({}, sort=[(self.order, 1), ("_id", 1)], page=page, limit=limit)

    async def every(self) -> list[DocumentT]:
        """All of them: a practice has a handful."""
        return await self._find({}, sort=[(self.order, 1), ("_id", 1)])


class SetupLog:
    """Notes each change of what the schedule is made of, before it and after it.

    A change that a crash cuts short stays noted as under way, which keeps everybody from trusting
    what they have in memory until `close` counts it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = database.collection("clinic")
        self._clock = clock

    @contextlib.asynccontextmanager
    async def change(self) -> AsyncIterator[None]:
        """Around every write."""
        token = str(new_id())
        await self._open(f"changing.{token}")
        try:
            yield
        finally:
            await self.close([token])

    async def _open(self, name: str) -> None:
        now = self._clock.now()
        update = {"$set": {name: now, "updated_at": now}, "$setOnInsert": {"created_at": now}}
        try:
            await self._collection.update_one({"key": SETUP_KEY}, update, upsert=True)
        except DuplicateKeyError:  # somebody else's first change was faster
            await self._collection.update_one({"key": SETUP_KEY}, update)

    async def close(self, tokens: Iterable[str]) -> None:
        """Count these changes as done."""
        update = {
            "$inc": {"version": 1},
            "$unset": {f"changing.{token}": "" for token in tokens},
            "$set": {"updated_at": self._clock.now()},
        }
        await self._collection.update_one({"key": SETUP_KEY}, update)


class SetupRepository(ListedRepository[DocumentT]):
    """A list that decides about free times: its changes are logged."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._log = SetupLog(database, clock)

    async def insert(self, document: DocumentT) -> DocumentT:
        """See `DocumentRepository.insert`."""
        async with self._log.change():
            return await super().insert(document)

    async def update_fields(
        self, document_id: PyObjectId, fields: Mapping[str, Any], *, unset: Iterable[str] = ()
    ) -> bool:
        """See `DocumentRepository.update_fields`."""
        async with self._log.change():
            return await super().update_fields(document_id, fields, unset=unset)

    async def delete(self, document_id: PyObjectId) -> bool:
        """See `DocumentRepository.delete`."""
        async with self._log.change():
            return await super().delete(document_id)


class ProviderRepository(SetupRepository[Provider]):
    """Queries over `providers`."""

    collection_name = "providers"
    model = Provider

    async def performing(self, service_id: str) -> list[Provider]:
        """Active providers who perform a service."""
        return await self._find({"service_ids": service_id, "active": True}, sort=[("name", 1)])


class ChairRepository(SetupRepository[Chair]):
    """Queries over `chairs`."""

    collection_name = "chairs"
    model = Chair


class ServiceRepository(SetupRepository[Service]):
    """Queries over `services`. `insert` raises `DuplicateValueError(SERVICE_ID)`."""

    collection_name = "services"
    model = Service

    async def with_service_id(self, service_id: str) -> Service | None:
        """The service called by this identifier."""
        return await self._find_one({"service_id": service_id})

    async def with_name(self, name: str) -> Service | None:
        """The service with exactly this name, whatever its case."""
        wanted = name.strip().casefold()
        return next((s for s in await self.every() if s.name.casefold() == wanted), None)


class TimeOffRepository(SetupRepository[TimeOff]):
    """Queries over `time_off`."""

    collection_name = "time_off"
    model = TimeOff
    order = "starts_at"

    async def page_touching(
        self,
        *,
        provider_id: PyObjectId | None,
        since: datetime | None,
        before: datetime | None,
        page: int,
        limit: int,
    ) -> Page[TimeOff]:
        """One page of a provider's (else everybody's) that touch [since, before), by start."""
        wanted = {
            "provider_id": provider_id,
            "ends_at": {"$gt": since} if since else None,
            "starts_at": {"$lt": before} if before else None,
        }
        query = {name: value for name, value in wanted.items() if value is not None}
        return await self._page(query, sort=[(self.order, 1), ("_id", 1)], page=page, limit=limit)

    async def overlapping(self, since: datetime, before: datetime) -> list[TimeOff]:
        """Every absence and closure that touches [since, before)."""
        return await self._find({"ends_at": {"$gt": since}, "starts_at": {"$lt": before}})


CLINIC_KNOWN_FOR = timedelta(seconds=1)


class ClinicRepository(DocumentRepository[Clinic]):
    """The one document of `clinic`."""

    collection_name = "clinic"
    model = Clinic

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._log = SetupLog(database, clock)
        self._recent: tuple[datetime, Clinic] | None = None
        self._changes = 0

    async def current(self) -> Clinic | None:
        """What was stored, if anything was."""
        return await self._find_one({"key": CLINIC_KEY})

    async def recent(self) -> Clinic | None:
        """What was stored at most a second ago; what this process changes shows at once."""
        now = self._clock.now()
        if self._recent and timedelta(0) <= now - self._recent[0] < CLINIC_KNOWN_FOR:
            return self._recent[1]
        changes = self._changes
        found = await self.current()
        if found is not None and changes == self._changes:
            self._recent = (now, found)
        return found

    async def update_fields(
        self, document_id: PyObjectId, fields: Mapping[str, Any], *, unset: Iterable[str] = ()
    ) -> bool:
        """See `DocumentRepository`."""
        try:
            return await super().update_fields(document_id, fields, unset=unset)
        finally:
            self._recent, self._changes = None, self._changes + 1

    async def with_setup(self) -> tuple[Clinic | None, SetupVersion]:
        """The clinic and the version of what the schedule is made of, in one query."""
        found = await self._collection.find({"key": {"$in": [CLINIC_KEY, SETUP_KEY]}}).to_list(None)
        by_key = {document["key"]: document for document in found}
        setup = by_key.get(SETUP_KEY)
        return (
            self._read(by_key.get(CLINIC_KEY)),
            SetupVersion() if setup is None else SetupVersion.from_stored(setup),
        )

    async def close_abandoned_changes(self, setup: SetupVersion) -> None:
        """Count changes that a crash left under way as done."""
        limit = self._clock.now() - ABANDONED_AFTER
        if old := [token for token, since in setup.changing.items() if since < limit]:
            await self._log.close(old)

    async def create_first(self, clinic: Clinic) -> Clinic:
        """Store the defaults unless another process was first; the stored clinic."""
        try:
            await self.insert(clinic)
        except DuplicateValueError:
            stored = await self.current()
            return stored or clinic
        return clinic

    async def set_fields(self, clinic_id: PyObjectId, fields: dict[str, Any]) -> bool:
        """Change some of it."""
        return await self.update_fields(clinic_id, fields)
