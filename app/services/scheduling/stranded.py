"""Visits ahead that what the practice has set no longer suits: listed, never dropped.

Hours end earlier, a holiday is entered, a chair goes out of use; the visits stay in the book until
a person moves them. What a change strands is answered with the change, and before it where asked.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.db.repositories.appointments import LiveFilter
from app.models.appointment import Appointment
from app.models.base import Document, PyObjectId
from app.models.schedule import Chair, Clinic, Provider, Service, TimeOff
from app.schemas.appointments import AppointmentRead
from app.schemas.stranded import StrandedVisit, Stranding
from app.services.clinic import ClinicService
from app.services.scheduling.engine import STAFF_REACH
from app.services.scheduling.fitting import why_it_does_not_fit
from app.services.scheduling.localtime import describe
from app.services.scheduling.refusals import not_bookable
from app.services.scheduling.spans import Span, occupied

DocumentT = TypeVar("DocumentT", bound=Document)

LISTED = 200
SERVICE_INACTIVE = "service_inactive"
_BATCH = 100
"""Visits judged before others get their turn: some 50 ms of arithmetic."""
_LONGEST_VISIT = timedelta(hours=12)
"""Eight hours and its buffer."""


@dataclass(frozen=True, slots=True)
class Supposing:
    """One setting as it is to be; only visits that need it are looked at."""

    clinic: Clinic | None = None
    provider: Provider | None = None
    chair: Chair | None = None
    service: Service | None = None
    time_off: TimeOff | None = None

    def concerned(self) -> LiveFilter:
        """Which visits it can strand."""
        off = self.time_off
        with_provider = self.provider.id if self.provider else None
        return LiveFilter(
            provider_id=off.provider_id if off else with_provider,
            chair_id=self.chair.id if self.chair else None,
            service_id=self.service.service_id if self.service else None,
            starts_from=off.starts_at - _LONGEST_VISIT if off else None,
            starts_before=off.ends_at + _LONGEST_VISIT if off else None,
        )

    def reaches(self, visit: Appointment) -> bool:
        """Whether it concerns this one of them: time off is about its span alone."""
        off = self.time_off
        return off is None or occupied(visit).touches(Span(off.starts_at, off.ends_at))


@dataclass(frozen=True, slots=True)
class _Finding:
    appointment: Appointment
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class _Premises:
    """What every visit is judged by."""

    clinic: Clinic
    providers: Mapping[PyObjectId, Provider]
    chairs: Mapping[PyObjectId, Chair]
    services: Mapping[str, Service]
    time_off: Sequence[TimeOff]

    def judge(self, visits: Iterable[Appointment]) -> list[_Finding]:
        """Those of the visits that do not fit."""
        return [found for one in visits if (found := self._finding(one)) is not None]

    def _finding(self, visit: Appointment) -> _Finding | None:
        service = self.services.get(visit.service_id)
        if service is not None and not service.active:
            when = describe(visit.appointment_date, self.clinic.zone)
            detail = f"The service of the visit at {when} is no longer in use."
            return _Finding(visit, SERVICE_INACTIVE, detail)
        provider, chair = self.providers.get(visit.provider_id), self.chairs.get(visit.chair_id)
        away = self._away_around(visit)
        refusal = why_it_does_not_fit(visit, provider, chair, self.clinic, away)
        if refusal is None:
            return None
        refused = not_bookable(refusal, visit.appointment_date, self.clinic, staff=True)
        return _Finding(visit, refusal.value, refused.detail)

    def _away_around(self, visit: Appointment) -> list[TimeOff]:
        since = visit.appointment_date - _LONGEST_VISIT
        before = visit.appointment_date + _LONGEST_VISIT
        return [one for one in self.time_off if since < one.ends_at and one.starts_at < before]


class StrandedVisits:
    """Finds them."""

    def __init__(self, repositories: Repositories, clinic: ClinicService, clock: Clock) -> None:
        self._repositories = repositories
        self._clinic = clinic
        self._clock = clock

    async def page(self, *, page: int, limit: int) -> tuple[list[StrandedVisit], int]:
        """One page of every visit ahead that does not fit, by start, and how many there are."""
        premises, found = await self._found(Supposing())
        first = (page - 1) * limit
        return await self._rows(premises, found[first : first + limit]), len(found)

    async def supposing(self, setting: Supposing) -> Stranding:
        """The visits that do not fit once this setting holds, of those that need it."""
        premises, found = await self._found(setting)
        rows = await self._rows(premises, found[:LISTED])
        return Stranding(stranded_total=len(found), stranded_appointments=rows)

    async def _found(self, setting: Supposing) -> tuple[_Premises, list[_Finding]]:
        now = self._clock.now()
        premises = await self._premises(setting)
        visits = await self._repositories.appointments.live_ahead(now, setting.concerned())
        found: list[_Finding] = []
        for first in range(0, len(visits), _BATCH):
            # Arithmetic, and a year's book is seconds of it: not on the loop.
            found += await asyncio.to_thread(premises.judge, visits[first : first + _BATCH])
        return premises, [one for one in found if setting.reaches(one.appointment)]

    async def _premises(self, setting: Supposing) -> _Premises:
        """As stored, the one setting put in the place of what is stored of it."""
        repositories, now = self._repositories, self._clock.now()
        clinic, providers, chairs, services, time_off = await asyncio.gather(
            self._clinic.current(),
            repositories.providers.every(),
            repositories.chairs.every(),
            repositories.services.every(),
            repositories.time_off.overlapping(now - _LONGEST_VISIT, now + STAFF_REACH),
        )
        return _Premises(
            clinic=setting.clinic or clinic,
            providers=_with(providers, setting.provider),
            chairs=_with(chairs, setting.chair),
            services={one.service_id: one for one in _with(services, setting.service).values()},
            time_off=list(_with(time_off, setting.time_off).values()),
        )

    async def _rows(self, premises: _Premises, found: Sequence[_Finding]) -> list[StrandedVisit]:
        ids = (one.appointment.patient_id for one in found)
        patients = await self._repositories.patients.get_many(ids)
        names = {patient_id: patient.name for patient_id, patient in patients.items()}
        return [_row(one, names.get(one.appointment.patient_id), premises.clinic) for one in found]


def _with(stored: Iterable[DocumentT], wanted: DocumentT | None) -> dict[PyObjectId, DocumentT]:
    """What is stored by id, one of them as it is to be."""
    by_id = {one.id: one for one in stored}
    return by_id if wanted is None else {**by_id, wanted.id: wanted}


def _row(found: _Finding, patient_name: str | None, clinic: Clinic) -> StrandedVisit:
    local = found.appointment.appointment_date.astimezone(clinic.zone)
    return StrandedVisit(
        **dict(AppointmentRead.of(found.appointment, patient_name)),
        local_time=f"{local:%Y-%m-%dT%H:%M}",
        reason=found.reason,
        detail=found.detail,
    )
