"""Staff's hands on what the schedule is made of: providers, chairs, services and time off."""

from collections.abc import Mapping, Set
from datetime import date, datetime
from functools import partial
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.db.repositories.appointments import LiveFilter
from app.db.repositories.base import Page
from app.db.repositories.schedule import ListedRepository
from app.models.base import Document, PyObjectId
from app.models.schedule import Chair, Clinic, Provider, Service, TimeOff
from app.schemas.stranded import Stranding
from app.services.clinic import ClinicService, InvalidSettingError
from app.services.scheduling.localtime import bounds_of_days, to_instant
from app.services.scheduling.refusals import UnknownProviderError
from app.services.scheduling.removal import StillNeededError, remove
from app.services.scheduling.stranded import StrandedVisits, Supposing

ItemT = TypeVar("ItemT", bound=Document)


class SettingNotFoundError(NotFoundError):
    """No such provider, chair, service or time off."""

    slug = "setting-not-found"
    title = "No such entry"


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
        wanted = (await self.preview(item_id, fields)).to_stored()
        changed = {name: wanted[name] for name in fields if name in wanted}
        removed = [name for name in fields if name not in wanted]
        await self.repository.update_fields(item_id, changed, unset=removed)
        return await self.get(item_id)

    async def preview(self, item_id: PyObjectId, fields: Mapping[str, Any]) -> ItemT:
        """The entry as `update` would leave it; changes nothing. Raises the same."""
        stored = await self.get(item_id)
        # Checked as a whole: what is changed must fit what stays.
        return self.checked({**stored.to_stored(), **fields})

    async def changed(
        self, item_id: PyObjectId, fields: Mapping[str, Any], *, dry_run: bool
    ) -> ItemT:
        """The entry as `update` leaves it, or would."""
        change = self.preview if dry_run else self.update
        return await change(item_id, fields)

    def checked(self, fields: Mapping[str, Any]) -> ItemT:
        """The fields as the entry they make. Raises `InvalidSettingError`."""
        try:
            return self._model.model_validate(fields)
        except ValidationError as error:
            raise InvalidSettingError.of(error) from error


class _Providers(_Shelf[Provider]):
    """Checks what two changes at once could leave behind, and what is harmless when stored."""

    def checked(self, fields: Mapping[str, Any]) -> Provider:
        """Also that times are set for services they perform. Raises `InvalidSettingError`."""
        provider = super().checked(fields)
        idle = sorted(provider.service_durations.keys() - set(provider.service_ids))
        if idle:
            message = f"service_durations: {idle[0]} is not a service this provider performs."
            raise InvalidSettingError(message)
        return provider


class ScheduleSettings:
    """Lists, adds, changes and removes. What visits still to come need cannot be removed.

    A change is answered with the visits ahead that it leaves behind: they stay in the book. With
    `dry_run` nothing is changed, and the answer is the same.
    """

    def __init__(
        self,
        repositories: Repositories,
        clinic: ClinicService,
        stranded: StrandedVisits,
        clock: Clock,
    ) -> None:
        self.providers = _Providers(repositories.providers, Provider)
        self.chairs = _Shelf(repositories.chairs, Chair)
        self.time_off = _Shelf(repositories.time_off, TimeOff)
        self.stranded = stranded
        self._services = _Shelf(repositories.services, Service)
        self._by_service_id = repositories.services
        self._providers = repositories.providers
        self._chairs = repositories.chairs
        self._absences = repositories.time_off
        self._appointments = repositories.appointments
        self._clinic = clinic
        self._clock = clock

    # Providers and chairs

    async def update_provider(
        self, provider_id: PyObjectId, fields: Mapping[str, Any], *, dry_run: bool = False
    ) -> tuple[Provider, Stranding]:
        """Raises `SettingNotFoundError`, `InvalidSettingError`."""
        await self._require_services(fields, await self.providers.get(provider_id))
        changed = await self.providers.changed(provider_id, fields, dry_run=dry_run)
        return changed, await self._left_by(fields, _OF_PROVIDER, Supposing(provider=changed))

    async def delete_provider(self, provider_id: PyObjectId, *, dry_run: bool = False) -> None:
        """Raises `SettingNotFoundError`, `StillNeededError`."""
        stored = await self.providers.get(provider_id)
        require_unneeded = partial(self._refuse_if_needed, LiveFilter(provider_id=provider_id))
        if dry_run:
            await require_unneeded()
        else:
            await remove(self._providers, stored, require_unneeded)

    async def update_chair(
        self, chair_id: PyObjectId, fields: Mapping[str, Any], *, dry_run: bool = False
    ) -> tuple[Chair, Stranding]:
        """Raises `SettingNotFoundError`, `InvalidSettingError`."""
        await self._require_services(fields, await self.chairs.get(chair_id))
        changed = await self.chairs.changed(chair_id, fields, dry_run=dry_run)
        return changed, await self._left_by(fields, _OF_CHAIR, Supposing(chair=changed))

    async def delete_chair(self, chair_id: PyObjectId, *, dry_run: bool = False) -> None:
        """Raises `SettingNotFoundError`, `StillNeededError`."""
        stored = await self.chairs.get(chair_id)
        require_unneeded = partial(self._refuse_if_needed, LiveFilter(chair_id=chair_id))
        if dry_run:
            await require_unneeded()
        else:
            await remove(self._chairs, stored, require_unneeded)

    # Services

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

    async def update_service(
        self, service_id: str, fields: Mapping[str, Any], *, dry_run: bool = False
    ) -> tuple[Service, Stranding]:
        """Change what is given. Visits in the book keep the length they were booked with.

        Raises `SettingNotFoundError`, `InvalidSettingError`.
        """
        stored = await self.service(service_id)
        changed = await self._services.changed(stored.id, fields, dry_run=dry_run)
        return changed, await self._left_by(fields, _OF_SERVICE, Supposing(service=changed))

    async def delete_service(self, service_id: str, *, dry_run: bool = False) -> None:
        """Raises `SettingNotFoundError`, `StillNeededError`."""
        stored = await self.service(service_id)
        require_unneeded = partial(self._refuse_if_needed, LiveFilter(service_id=service_id))
        if dry_run:
            await require_unneeded()
        else:
            await remove(self._by_service_id, stored, require_unneeded)

    # Time off

    async def time_off_page(
        self,
        *,
        provider_id: PyObjectId | None,
        start_date: date | None,
        end_date: date | None,
        page: int,
        limit: int,
    ) -> Page[TimeOff]:
        """What touches the clinic's local days (both inclusive), by start.

        Raises `InvalidSpanError`.
        """
        zone = (await self._clinic.current()).zone
        since, before = bounds_of_days(start_date, end_date, zone)
        return await self._absences.page_touching(
            provider_id=provider_id,
            since=since,
            before=before,
            page=page,
            limit=limit,
        )

    async def create_time_off(
        self, fields: Mapping[str, Any], *, dry_run: bool = False
    ) -> tuple[TimeOff, Stranding]:
        """Times without an offset are the clinic's. Visits in the span stay: staff move them.

        Raises `UnknownProviderError`: nobody would notice that it blocks nothing.
        """
        await self._require_provider(fields.get("provider_id"))
        wanted = await self._with_instants(fields)
        off = self.time_off.checked(wanted) if dry_run else await self.time_off.create(wanted)
        return off, await self.stranded.supposing(Supposing(time_off=off))

    async def update_time_off(
        self, time_off_id: PyObjectId, fields: Mapping[str, Any], *, dry_run: bool = False
    ) -> tuple[TimeOff, Stranding]:
        """Change what is given. Raises `SettingNotFoundError`, `UnknownProviderError`."""
        await self._require_provider(fields.get("provider_id"))
        wanted = await self._with_instants(fields)
        off = await self.time_off.changed(time_off_id, wanted, dry_run=dry_run)
        return off, await self.stranded.supposing(Supposing(time_off=off))

    async def delete_time_off(self, time_off_id: PyObjectId) -> None:
        """The time can be booked again. Raises `SettingNotFoundError`."""
        await self.time_off.get(time_off_id)
        await self.time_off.repository.delete(time_off_id)

    # The clinic

    async def update_clinic(
        self, fields: Mapping[str, Any], *, dry_run: bool = False
    ) -> tuple[Clinic, Stranding]:
        """Raises what `ClinicService.update` raises."""
        change = self._clinic.preview if dry_run else self._clinic.update
        changed = await change(fields)
        return changed, await self._left_by(fields, _OF_CLINIC, Supposing(clinic=changed))

    async def _left_by(
        self, fields: Mapping[str, Any], telling: Set[str], setting: Supposing
    ) -> Stranding:
        """Only a change that says when or where visits can be leaves any behind."""
        if telling.isdisjoint(fields):
            return Stranding()
        return await self.stranded.supposing(setting)

    async def _require_services(self, fields: Mapping[str, Any], stored: Provider | Chair) -> None:
        """A misspelt service would be one that nobody performs, and nobody would see why.

        What stands there already may stay: of a service that was removed, say.
        """
        added = set(fields.get("service_ids") or ()) - set(stored.service_ids or ())
        if not added:
            return
        unknown = added - {one.service_id for one in await self._by_service_id.every()}
        if unknown:
            message = f"service_ids: there is no service {', '.join(sorted(unknown))}."
            raise InvalidSettingError(message)

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

    async def _refuse_if_needed(self, wanted: LiveFilter) -> None:
        """The refusal names the first visits, so that somebody can move them."""
        needing = await self._appointments.live_ahead(self._clock.now(), wanted)
        if not needing:
            return
        message = "Visits still to come need it. Move them first, or set active to false."
        named = [str(one.id) for one in needing[:NAMED]]
        extra = {"appointment_ids": named, "appointments_total": len(needing)}
        raise StillNeededError(message, extra=extra)


NAMED = 20
_OF_PROVIDER = frozenset(
    {
        "service_ids",
        "working_hours",
        "hours_periods",
        "effective_from",
        "effective_until",
        "active",
    }
)
_OF_CHAIR = frozenset({"service_ids", "active"})
_OF_SERVICE = frozenset({"active"})
_OF_CLINIC = frozenset({"holidays", "timezone"})
_NO_ENTRY = "There is no such entry."
