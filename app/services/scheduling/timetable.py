"""What a question about free times is asked of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.models.base import PyObjectId
from app.models.schedule import Chair, Clinic, Provider, Service, TimeOff
from app.services.scheduling.claims import BucketSpan, buckets_between
from app.services.scheduling.localtime import local_day


@dataclass(frozen=True, slots=True)
class Length:
    """How long a visit takes where that is not its provider's time for the service."""

    minutes: int
    only_with: PyObjectId | None = None
    """The provider with whom it does; unset means with whomever."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """All that decides when a service can be had. Holds for every question about that service.

    Providers and chairs may be all of the clinic's, or only those asked for: who does not perform
    or serve the service is left out here. `busy` is what `busy_from_visits` answers; to move a
    visit, leave its own claims out of it. With a `patient_id`, times at which that patient has
    another visit are not free either. A visit lasts as long as its provider takes for the service,
    unless `length` says otherwise.
    """

    clinic: Clinic
    service: Service
    providers: Sequence[Provider]
    chairs: Sequence[Chair]
    time_off: Sequence[TimeOff]
    busy: Mapping[str, Sequence[BucketSpan]]
    patient_id: PyObjectId | None = None
    length: Length | None = None

    def minutes_with(self, provider: Provider) -> int:
        """How long the visit lasts with this provider."""
        if self.length is not None and self.length.only_with in {None, provider.id}:
            return self.length.minutes
        return provider.minutes_for(self.service)

    def performers(self) -> list[Provider]:
        """The providers who can be booked for the service."""
        return [one for one in self.providers if one.performs(self.service.service_id)]

    def by_length(self) -> dict[int, list[Provider]]:
        """The same, by how many minutes the visit lasts with them."""
        groups: dict[int, list[Provider]] = {}
        for one in self.performers():
            groups.setdefault(self.minutes_with(one), []).append(one)
        return groups

    def rooms(self) -> list[Chair]:
        """The chairs in which the service can be done."""
        return [one for one in self.chairs if one.serves(self.service.service_id)]

    def absences(self, provider: Provider) -> Iterable[BucketSpan]:
        """Buckets taken by time off of this provider or the clinic."""
        return (
            buckets_between(off.starts_at, off.ends_at)
            for off in self.time_off
            if off.concerns(provider)
        )

    def bookable_days(self, now: datetime) -> tuple[date, date]:
        """First and last local day on which patients can book."""
        today = local_day(now, self.clinic.zone)
        return today, today + timedelta(days=self.clinic.booking_horizon_days)

    def earliest(self, now: datetime) -> datetime:
        """The first instant at which a patient's visit can start."""
        return now + timedelta(minutes=self.clinic.booking_lead_minutes)
