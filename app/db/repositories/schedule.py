"""What the schedule is made of: providers, chairs, services, time off, the clinic."""

from datetime import datetime
from typing import Any

from app.db.errors import DuplicateValueError
from app.db.repositories.base import DocumentRepository, DocumentT, Page
from app.models.base import PyObjectId
from app.models.schedule import Chair, Clinic, Provider, Service, TimeOff

CLINIC_KEY = "clinic"


class ListedRepository(DocumentRepository[DocumentT]):
    """A short list that is kept in one order."""

    order: str = "name"

    async def page(self, *, page: int, limit: int) -> Page[DocumentT]:
        """One page, in order."""
        return await self._page({}, sort=[(self.order, 1), ("_id", 1)], page=page, limit=limit)

    async def every(self) -> list[DocumentT]:
        """All of them: a practice has a handful."""
        return await self._find({}, sort=[(self.order, 1), ("_id", 1)])


class ProviderRepository(ListedRepository[Provider]):
    """Queries over `providers`."""

    collection_name = "providers"
    model = Provider

    async def performing(self, service_id: str) -> list[Provider]:
        """Active providers who perform a service."""
        return await self._find({"service_ids": service_id, "active": True}, sort=[("name", 1)])


class ChairRepository(ListedRepository[Chair]):
    """Queries over `chairs`."""

    collection_name = "chairs"
    model = Chair


class ServiceRepository(ListedRepository[Service]):
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


class TimeOffRepository(ListedRepository[TimeOff]):
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


class ClinicRepository(DocumentRepository[Clinic]):
    """The one document of `clinic`."""

    collection_name = "clinic"
    model = Clinic

    async def current(self) -> Clinic | None:
        """What was stored, if anything was."""
        return await self._find_one({"key": CLINIC_KEY})

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
