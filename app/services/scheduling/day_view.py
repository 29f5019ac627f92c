"""One day of the book: who works when, what is in it, what is free.

Six queries whatever the practice's size, bounded by the day: clinic, providers, chairs, time off,
one for all visits, one for their patients' names.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypedDict

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.appointment import Appointment, AppointmentStatus
from app.models.base import PyObjectId
from app.models.schedule import Chair, Clinic, Holiday, Provider, TimeOff
from app.schemas.appointments import AppointmentRead
from app.schemas.day import (
    ChairDay,
    DayAbsence,
    DayClosure,
    DaySchedule,
    DaySpan,
    DayVisit,
    ProviderDay,
)
from app.services.clinic import ClinicService
from app.services.scheduling.localtime import day_bounds, local_day
from app.services.scheduling.spans import Span, joined, local_spans, occupied, within, without

_LONGEST_VISIT = timedelta(hours=8)
_LONGEST_BUFFER = timedelta(hours=4)
_FREED = frozenset({AppointmentStatus.CANCELLED, AppointmentStatus.NO_SHOW})


class DayViews:
    """Reads days."""

    def __init__(self, repositories: Repositories, clinic: ClinicService, clock: Clock) -> None:
        self._repositories = repositories
        self._clinic = clinic
        self._clock = clock

    async def of(self, day: date | None) -> DaySchedule:
        """The clinic's local day; without one today. Raises `TimeOutOfRangeError`.

        A visit that begins the day before, or whose buffer alone reaches into the day, counts.
        """
        clinic = await self._clinic.current()
        day = day or local_day(self._clock.now(), clinic.zone)
        bounds = Span(*day_bounds(day, clinic.zone))
        since = bounds.starts_at - _LONGEST_VISIT - _LONGEST_BUFFER
        before = bounds.ends_at + _LONGEST_BUFFER
        repositories = self._repositories
        providers, chairs, time_off, visits = await asyncio.gather(
            repositories.providers.every(),
            repositories.chairs.every(),
            repositories.time_off.overlapping(*bounds),
            repositories.appointments.starting_between(since, before),
        )
        return _Sheet(
            day=day,
            clinic=clinic,
            bounds=bounds,
            providers={one.id: one for one in providers},
            chairs={one.id: one for one in chairs},
            time_off=time_off,
            near=visits,
            names=await self._names(visits),
        ).schedule()

    async def _names(self, visits: Iterable[Appointment]) -> dict[PyObjectId, str]:
        patients = await self._repositories.patients.get_many(one.patient_id for one in visits)
        return {patient_id: patient.name for patient_id, patient in patients.items()}


class _Times(TypedDict):
    starts_at: datetime
    ends_at: datetime
    local_start: str
    local_end: str
    minutes: int


@dataclass(frozen=True, slots=True)
class _Sheet:
    """All that was read about one day."""

    day: date
    clinic: Clinic
    bounds: Span
    providers: Mapping[PyObjectId, Provider]
    chairs: Mapping[PyObjectId, Chair]
    time_off: Sequence[TimeOff]
    near: Sequence[Appointment]
    names: Mapping[PyObjectId, str]

    def schedule(self) -> DaySchedule:
        """In the order of the lists; who was removed since and has visits comes last."""
        visits = [one for one in self.near if _time_of(one).touches(self.bounds)]
        closed = self._closed()
        return DaySchedule(
            date=self.day.isoformat(),
            timezone=self.clinic.timezone,
            starts_at=self.bounds.starts_at,
            ends_at=self.bounds.ends_at,
            is_closed=joined(closed) == [self.bounds],
            closures=self._closures(),
            providers=[
                self._provider(one, [v for v in visits if v.provider_id == one], closed)
                for one in _shown(self.providers, (v.provider_id for v in visits))
            ],
            chairs=[
                self._chair(one, [v.id for v in visits if v.chair_id == one])
                for one in _shown(self.chairs, (v.chair_id for v in visits))
            ],
        )

    def _provider(
        self, provider_id: PyObjectId, visits: Iterable[Appointment], closed: Sequence[Span]
    ) -> ProviderDay:
        provider = self.providers.get(provider_id)
        hours = self._hours(provider)
        away = self._away(provider_id)
        taken = [*closed, *(span for _, span in away), *self._taken(provider_id)]
        return ProviderDay(
            provider_id=provider_id,
            name=provider.name if provider else None,
            active=provider is not None and provider.active,
            hours=self._shown_spans(hours),
            absences=[
                DayAbsence(time_off_id=off.id, reason=off.reason, **self._times(span))
                for off, span in away
            ],
            visits=[self._visit(one) for one in visits],
            free=self._shown_spans(without(hours, taken)),
        )

    def _chair(self, chair_id: PyObjectId, visit_ids: list[PyObjectId]) -> ChairDay:
        chair = self.chairs.get(chair_id)
        return ChairDay(
            chair_id=chair_id,
            name=chair.name if chair else None,
            active=chair is not None and chair.active,
            appointment_ids=visit_ids,
        )

    def _visit(self, one: Appointment) -> DayVisit:
        row = AppointmentRead.of(one, self.names.get(one.patient_id))
        local = one.appointment_date.astimezone(self.clinic.zone)
        return DayVisit(
            **dict(row),
            ends_at=_time_of(one).ends_at,
            local_time=f"{local:%Y-%m-%dT%H:%M}",
            holds_time=one.status not in _FREED,
        )

    def _holiday(self) -> Holiday | None:
        return next((one for one in self.clinic.holidays if one.falls_on(self.day)), None)

    def _closed(self) -> list[Span]:
        whole_day = [self.bounds] if self._holiday() else []
        return [*whole_day, *(span for _, span in self._away(None))]

    def _closures(self) -> list[DayClosure]:
        """The holiday first: it is the day's name."""
        holiday = self._holiday()
        closures = [
            DayClosure(kind="time_off", name=off.reason, time_off_id=off.id, **self._times(span))
            for off, span in self._away(None)
        ]
        if holiday is None:
            return closures
        whole_day = self._times(self.bounds)
        named = DayClosure(kind="holiday", name=holiday.name, time_off_id=None, **whole_day)
        return [named, *closures]

    def _hours(self, provider: Provider | None) -> list[Span]:
        if provider is None or not provider.active:
            return []
        return local_spans(self.day, provider.intervals_on(self.day), self.clinic.zone)

    def _away(self, provider_id: PyObjectId | None) -> list[tuple[TimeOff, Span]]:
        """Time off of this provider alone (`None`: of the practice), and what of it is today."""
        return [
            (one, span)
            for one in self.time_off
            if one.provider_id == provider_id
            for span in within(self.bounds, [Span(one.starts_at, one.ends_at)])
        ]

    def _taken(self, provider_id: PyObjectId) -> list[Span]:
        return [
            occupied(one)
            for one in self.near
            if one.provider_id == provider_id and one.status not in _FREED
        ]

    def _shown_spans(self, spans: Iterable[Span]) -> list[DaySpan]:
        return [DaySpan(**self._times(one)) for one in spans]

    def _times(self, span: Span) -> _Times:
        zone = self.clinic.zone
        at_end = span.ends_at == self.bounds.ends_at
        return {
            "starts_at": span.starts_at,
            "ends_at": span.ends_at,
            "local_start": f"{span.starts_at.astimezone(zone):%H:%M}",
            "local_end": "24:00" if at_end else f"{span.ends_at.astimezone(zone):%H:%M}",
            "minutes": span.minutes,
        }


def _time_of(visit: Appointment) -> Span:
    lasting = timedelta(minutes=visit.duration_minutes)
    return Span(visit.appointment_date, visit.appointment_date + lasting)


def _shown(
    listed: Mapping[PyObjectId, Provider] | Mapping[PyObjectId, Chair], needed: Iterable[PyObjectId]
) -> list[PyObjectId]:
    """Who is in use, and whoever has visits all the same."""
    wanted = dict.fromkeys(needed)
    in_use = [one.id for one in listed.values() if one.active or one.id in wanted]
    return [*in_use, *(one for one in wanted if one not in listed)]
