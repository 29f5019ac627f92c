"""What the schedule is made of, kept in memory and trusted only after its version was read.

Providers, chairs, services and time off change seldom and decide about every free time. One query
reads the clinic and their version; only where that has grown are they read again. A change under
way, in whatever process, makes everybody read them from the database.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.schedule import Chair, Clinic, Provider, Service, TimeOff
from app.services.clinic import ClinicService
from app.services.scheduling.refusals import (
    UnknownChairError,
    UnknownProviderError,
    UnknownServiceError,
)

_NO_SERVICE = "The practice does not offer this service."
_NO_PROVIDER = "There is no such provider."
_NO_CHAIR = "There is no such chair."


@dataclass(frozen=True, slots=True)
class Setup:
    """The clinic and its lists, as they stand together."""

    clinic: Clinic
    services: Sequence[Service]
    providers: Sequence[Provider]
    chairs: Sequence[Chair]
    time_off: Sequence[TimeOff]

    def service(
        self, service_id: str | None, name: str | None = None, *, online: bool = True
    ) -> Service:
        """The service by id, else by name in whatever case.

        `online`: only one that patients can book themselves. Raises `UnknownServiceError`.
        """
        wanted = (name or "").strip().casefold()
        for one in self.services:
            fits = one.service_id == service_id if service_id else one.name.casefold() == wanted
            if fits and one.active and (one.bookable_online or not online):
                return one
        raise UnknownServiceError(_NO_SERVICE)

    def online_services(self) -> list[Service]:
        """What patients can book themselves, by name."""
        return [one for one in self.services if one.active and one.bookable_online]

    def provider(self, provider_id: PyObjectId) -> Provider:
        """An active provider. Raises `UnknownProviderError`."""
        for one in self.providers:
            if one.id == provider_id and one.active:
                return one
        raise UnknownProviderError(_NO_PROVIDER)

    def name_of_provider(self, provider_id: PyObjectId) -> str | None:
        """Whoever it is, still in use or not; `None` where they were deleted."""
        return next((one.name for one in self.providers if one.id == provider_id), None)

    def chair(self, chair_id: PyObjectId) -> Chair:
        """An active chair. Raises `UnknownChairError`."""
        for one in self.chairs:
            if one.id == chair_id and one.active:
                return one
        raise UnknownChairError(_NO_CHAIR)

    def performing(self, service_id: str) -> list[Provider]:
        """Active providers who perform a service."""
        return [one for one in self.providers if one.performs(service_id)]

    def absences_in(self, since: datetime, before: datetime) -> list[TimeOff]:
        """Every absence and closure that touches [since, before)."""
        return [one for one in self.time_off if one.ends_at > since and one.starts_at < before]


class SetupReader:
    """Answers the setup as it stands now."""

    def __init__(self, repositories: Repositories, clinic: ClinicService) -> None:
        self._repositories = repositories
        self._clinic = clinic
        self._kept: tuple[int, Setup] | None = None

    async def current(self) -> Setup:
        """One query, where nothing has changed since the last one."""
        clinic, state = await self._repositories.clinic.with_setup()
        clinic = clinic or await self._clinic.current()
        kept = self._kept
        if kept is not None and kept[0] == state.version and not state.changing:
            return replace(kept[1], clinic=clinic)
        setup = await self._read(clinic)
        if state.changing:
            await self._repositories.clinic.close_abandoned_changes(state)
        else:
            self._kept = (state.version, setup)
        return setup

    async def _read(self, clinic: Clinic) -> Setup:
        repositories = self._repositories
        services, providers, chairs, time_off = await asyncio.gather(
            repositories.services.every(),
            repositories.providers.every(),
            repositories.chairs.every(),
            repositories.time_off.every(),
        )
        return Setup(clinic, services, providers, chairs, time_off)
