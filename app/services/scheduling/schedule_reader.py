"""Reads from the database what the engine decides by."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.schedule import Chair, Provider, Service
from app.services.clinic import ClinicService
from app.services.scheduling.claims import busy_from_visits
from app.services.scheduling.localtime import day_bounds
from app.services.scheduling.setup import Setup, SetupReader
from app.services.scheduling.timetable import Length, Timetable

_MARGIN = timedelta(days=1)
"""Longer than any visit with its buffers (8 hours and twice 4): one that starts the day before may
still reach into the days asked for, one of the day after may begin to prepare in them."""


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

    def __init__(self, repositories: Repositories, clinic: ClinicService) -> None:
        self._appointments = repositories.appointments
        self._setups = SetupReader(repositories, clinic)

    async def setup(self) -> Setup:
        """Clinic, services, providers, chairs and time off as they stand now."""
        return await self._setups.current()

    async def service(self, service_id: str) -> Service:
        """One that patients can book themselves. Raises `UnknownServiceError`."""
        return (await self.setup()).service(service_id)

    async def online_services(self) -> list[Service]:
        """What patients can book themselves, by name."""
        return (await self.setup()).online_services()

    async def provider(self, provider_id: PyObjectId) -> Provider:
        """An active provider. Raises `UnknownProviderError`."""
        return (await self.setup()).provider(provider_id)

    async def timetable(
        self, setup: Setup, question: Question, first_day: date, last_day: date
    ) -> Timetable:
        """Everything that decides about these local days: two queries at once, one for all visits.

        Raises the error of a provider or chair asked for that is not in use.
        """
        zone = setup.clinic.zone
        providers, chairs = _asked_for(setup, question)
        since = day_bounds(first_day, zone)[0] - _MARGIN
        before = day_bounds(last_day, zone)[1] + _MARGIN
        visits, unplaced = await asyncio.gather(
            self._appointments.held_between(since, before, except_for=question.moving),
            self._appointments.unplaced_claims_between(since, before),
        )
        return Timetable(
            clinic=setup.clinic,
            service=question.service,
            providers=providers,
            chairs=chairs,
            time_off=setup.absences_in(since, before),
            busy=busy_from_visits(visits, question.patient_id, unplaced),
            patient_id=question.patient_id,
            length=question.length,
        )


def _asked_for(setup: Setup, question: Question) -> tuple[Sequence[Provider], Sequence[Chair]]:
    providers, chairs = setup.performing(question.service.service_id), setup.chairs
    if question.provider_id is not None:
        providers = [setup.provider(question.provider_id)]
    if question.chair_id is not None:
        chairs = [setup.chair(question.chair_id)]
    return providers, chairs
