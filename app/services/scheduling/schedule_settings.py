"""Staff's hands on what the schedule is made of: providers, chairs, services and time off."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.db.repositories.base import Page
from app.db.repositories.schedule import ListedRepository
from app.models.base import Document, PyObjectId
from app.models.schedule import Chair, Provider, Service, TimeOff
from app.services.clinic import ClinicService, InvalidSettingError
from app.services.scheduling.localtime import to_instant
from app.services.scheduling.refusals import UnknownProviderError

ItemT = TypeVar("ItemT", bound=Document)


class SettingNotFoundError(NotFoundError):
    """No such provider, chair, service or time off."""

    slug = "setting-not-found"
    title = "No such entry"


class StillNeededError(ConflictError):
    """Visits still to come need it: take it out of use (`active: false`) instead."""

    slug = "still-needed"
    title = "Visits still to come need this"


class DuplicateServiceError(ConflictError):
    """Another service has this `service_id`."""

    slug = "duplicate-service"
    title = "This service exists already"


class _Shelf(Generic[ItemT]):
    """One kind of entry: list, add, change."""

    def __init__(self, repository: ListedRepository[ItemT], model: type[ItemT]) -> None:
        self.repository = repository
        self._model = model

    async def page(self, *, page: int, limit: int) -> Page[ItemT]:
        """One page, in the list's order."""
        return await self.repository.page(page=page, limit=limit)

    async def get(self, item_id: PyObjectId) -> ItemT:
        """The entry. Raises `SettingNotFoundError`."""
        found = await self.repository.get(item_id)
        if found is None:
            raise SettingNotFoundError(_NO_ENTRY)
        return found

    async def create(self, fields: Mapping[str, Any]) -> ItemT:
        """A new entry. Raises `InvalidSettingError` for fields that do not fit each other."""
        return await self.repository.insert(self.checked(fields))

    async def update(self, item_id: PyObjectId, fields: Mapping[str, Any]) -> ItemT:
        """Change what is given; `None` removes what may be absent. Raises `InvalidSettingError`."""
        stored = await self.get(item_id)
        # Checked as a whole: what is changed must fit what stays.
        wanted = self.checked({**stored.to_stored(), **fields}).to_stored()
        changed = {name: wanted[name] for name in fields if name in wanted}
        removed = [name for name in fields if name not in wanted]
        await self.repository.update_fields(item_id, changed, unset=removed)
        return await self.get(item_id)

    def checked(self, fields: Mapping[str, Any]) -> ItemT:
        """The fields as the entry they make. Raises `InvalidSettingError`."""
        try:
            return self._model.model_validate(fields)
        except ValidationError as error:
            raise InvalidSettingError.of(error) from error


class ScheduleSettings:
    """Lists, adds, changes and removes. What visits still to come need cannot be removed."""

    def __init__(self, repositories: Repositories, clinic: ClinicService, clock: Clock) -> None:
        self.providers = _Shelf(repositories.providers, Provider)
        self.chairs = _Shelf(repositories.chairs, Chair)
        self.time_off = _Shelf(repositories.time_off, TimeOff)
        self._services = _Shelf(repositories.services, Service)
        self._by_service_id = repositories.services
        self._appointments = repositories.appointments
        self._clinic = clinic
        self._clock = clock

    async def delete_provider(self, provider_id: PyObjectId) -> None:
        """Raises `SettingNotFoundError`, `StillNeededError`."""
        await self.providers.get(provider_id)
        await self._refuse_if_needed(provider_id=provider_id)
        await self.providers.repository.delete(provider_id)

    async def delete_chair(self, chair_id: PyObjectId) -> None:
        """Raises `SettingNotFoundError`, `StillNeededError`."""
        await self.chairs.get(chair_id)
        await self._refuse_if_needed(chair_id=chair_id)
        await self.chairs.repository.delete(chair_id)

    async def service_page(self, *, page: int, limit: int) -> Page[Service]:
        """One page, by name."""
        return await self._services.page(page=page, limit=limit)

    async def service(self, service_id: str) -> Service:
        """The service called by this identifier. Raises `SettingNotFoundError`."""
        found = await self._by_service_id.with_service_id(service_id)
        if found is None:
            raise SettingNotFoundError(_NO_ENTRY)
        return found

    async def create_service(self, fields: Mapping[str, Any]) -> Service:
        """Raises `DuplicateServiceError`; the database decides between two at once."""
        try:
            return await self._services.create(fields)
        except DuplicateValueError as error:
            message = "Another service has this service_id."
            raise DuplicateServiceError(message) from error

    async def update_service(self, service_id: str, fields: Mapping[str, Any]) -> Service:
        """Change what is given. Visits in the book keep the length they were booked with."""
        stored = await self.service(service_id)
        return await self._services.update(stored.id, fields)

    async def delete_service(self, service_id: str) -> None:
        """Raises `SettingNotFoundError`, `StillNeededError`."""
        stored = await self.service(service_id)
        await self._refuse_if_needed(service_id=service_id)
        await self._services.repository.delete(stored.id)

    async def create_time_off(self, fields: Mapping[str, Any]) -> TimeOff:
        """Times without an offset are the clinic's. Visits in the span stay: staff move them.

        Raises `UnknownProviderError`: nobody would notice that it blocks nothing.
        """
        await self._require_provider(fields.get("provider_id"))
        return await self.time_off.create(await self._with_instants(fields))

    async def update_time_off(self, time_off_id: PyObjectId, fields: Mapping[str, Any]) -> TimeOff:
        """Change what is given. Raises `SettingNotFoundError`, `UnknownProviderError`."""
        await self._require_provider(fields.get("provider_id"))
        return await self.time_off.update(time_off_id, await self._with_instants(fields))

    async def delete_time_off(self, time_off_id: PyObjectId) -> None:
        """The time can be booked again. Raises `SettingNotFoundError`."""
        await self.time_off.get(time_off_id)
        await self.time_off.repository.delete(time_off_id)

    async def _require_provider(self, provider_id: PyObjectId | None) -> None:
        if provider_id is not None and await self.providers.repository.get(provider_id) is None:
            message = "There is no such provider."
            raise UnknownProviderError(message)

    async def _with_instants(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        zone = (await self._clinic.current()).zone
        return {
            name: to_instant(value, zone) if isinstance(value, datetime) else value
            for name, value in fields.items()
        }

    async def _refuse_if_needed(self, **needs: Any) -> None:  # noqa: ANN401 - named ids
        if await self._appointments.any_live_ahead(self._clock.now(), **needs):
            message = "Visits still to come need it. Move them first, or set active to false."
            raise StillNeededError(message)


_NO_ENTRY = "There is no such entry."
