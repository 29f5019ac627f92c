"""Reads from the database what the engine decides by."""

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta

from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.schedule import Chair, Clinic, Provider, Service
from app.services.scheduling.claims import busy_from_visits
from app.services.scheduling.localtime import day_bounds
from app.services.scheduling.refusals import (
    UnknownChairError,
    UnknownProviderError,
    UnknownServiceError,
)
from app.services.scheduling.timetable import Length, Timetable

_MARGIN = timedelta(days=1)
"""Longer than any visit with its buffers (8 hours and twice 4): one that starts the day before may
still reach into the days asked for, one of the day after may begin to prepare in them."""

_NO_SERVICE = "The practice does not offer this service."
_NO_PROVIDER = "There is no such provider."
_NO_CHAIR = "There is no such chair."


@dataclass(frozen=True, slots=True)
class Question:
    """For whom and with whom a time is sought."""

    service: Service
    provider_id: PyObjectId | None = None
    chair_id: PyObjectId | None = None
    patient_id: PyObjectId | None = None
    moving: PyObjectId | None = None
    """A visit whose own time counts as free."""
    length: Length | None = None
    """How long the visit takes, where that is not its provider's time for the service."""


class ScheduleReader:
    """Services, providers and chairs by what clients call them, and timetables."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    async def service(
        self, service_id: str | None, name: str | None = None, *, online: bool = True
    ) -> Service:
        """The service by id, else by name. `online`: only one that patients can book themselves.

        Raises `UnknownServiceError`.
        """
        services = self._repositories.services
        found = None
        if service_id is not None:
            found = await services.with_service_id(service_id)
        elif name is not None:
            found = await services.with_name(name)
        if found is None or not found.active or (online and not found.bookable_online):
            raise UnknownServiceError(_NO_SERVICE)
        return found

    async def online_services(self) -> list[Service]:
        """What patients can book themselves, by name."""
        every = await self._repositories.services.every()
        return [one for one in every if one.active and one.bookable_online]

    async def provider(self, provider_id: PyObjectId) -> Provider:
        """An active provider. Raises `UnknownProviderError`."""
        found = await self._repositories.providers.get(provider_id)
        if found is None or not found.active:
            raise UnknownProviderError(_NO_PROVIDER)
        return found

    async def chair(self, chair_id: PyObjectId) -> Chair:
        """An active chair. Raises `UnknownChairError`."""
        found = await self._repositories.chairs.get(chair_id)
        if found is None or not found.active:
            raise UnknownChairError(_NO_CHAIR)
        return found

    async def timetable(
        self, clinic: Clinic, question: Question, first_day: date, last_day: date
    ) -> Timetable:
        """Everything that decides about these local days: five queries at once, one for all visits.

        Raises the error of a provider or chair asked for that is not in use.
        """
        since = day_bounds(first_day, clinic.zone)[0] - _MARGIN
        before = day_bounds(last_day, clinic.zone)[1] + _MARGIN
        repositories = self._repositories
        providers, chairs, time_off, visits, unplaced = await asyncio.gather(
            self._providers(question),
            self._chairs(question),
            repositories.time_off.overlapping(since, before),
            repositories.appointments.held_between(since, before, except_for=question.moving),
            repositories.appointments.unplaced_claims_between(since, before),
        )
        return Timetable(
            clinic=clinic,
            service=question.service,
            providers=providers,
            chairs=chairs,
            time_off=time_off,
            busy=busy_from_visits(visits, question.patient_id, unplaced),
            patient_id=question.patient_id,
            length=question.length,
        )

    async def _providers(self, question: Question) -> list[Provider]:
        if question.provider_id is not None:
            return [await self.provider(question.provider_id)]
        return await self._repositories.providers.performing(question.service.service_id)

    async def _chairs(self, question: Question) -> list[Chair]:
        if question.chair_id is not None:
            return [await self.chair(question.chair_id)]
        return await self._repositories.chairs.every()
