"""What the schedule is made of: clinic, providers, chairs, services and time off.

Working hours are wall-clock times of the clinic's zone, kept as the strings staff typed ("09:00"):
an opening time stays the same across daylight-saving changes, a stored instant would not. All of
them fall on the 5-minute raster that claims use (see `app.services.scheduling.claims`).
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.core.zones import known_zone
from app.models.appointment import GENERIC_SERVICE_ID
from app.models.base import Document, PyObjectId, StoredModel, UtcDatetime
from app.models.decision import Urgency
from app.models.voice import ClinicVoice

RASTER_MINUTES = 5
"""Every duration, opening time and claim is counted in steps of this many minutes."""


class Weekday(StrEnum):
    """A day of the week, as the keys of working hours name it."""

    MON = "MON"
    TUE = "TUE"
    WED = "WED"
    THU = "THU"
    FRI = "FRI"
    SAT = "SAT"
    SUN = "SUN"

    @classmethod
    def of(cls, day: date) -> "Weekday":
        """The weekday that `day` falls on."""
        return _WEEKDAYS[day.weekday()]


_WEEKDAYS = tuple(Weekday)


@cache
def minute_of_day(time: str) -> int:
    """Minutes after 00:00 of an "HH:MM" wall time, 0 to 1440 ("24:00" is the end of the day)."""
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def _on_raster(time: str) -> str:
    if minute_of_day(time) % RASTER_MINUTES:
        message = f"{time} is not a multiple of {RASTER_MINUTES} minutes."
        raise ValueError(message)
    return time


LocalTime = Annotated[
    str,
    StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
    AfterValidator(_on_raster),
    Field(examples=["09:00"]),
]
"""A wall-clock time of the clinic, "HH:MM" from 00:00 to 24:00, a multiple of 5 minutes."""


def _in_order(interval: tuple[str, str]) -> tuple[str, str]:
    start, end = interval
    if start >= end:
        message = f"{start}-{end} ends before it starts; work over midnight is two intervals."
        raise ValueError(message)
    return interval


LocalInterval = Annotated[tuple[LocalTime, LocalTime], AfterValidator(_in_order)]
"""From (inclusive) and until (exclusive) on one day."""


def _without_overlap(
    hours: dict[Weekday, list[tuple[str, str]]],
) -> dict[Weekday, list[tuple[str, str]]]:
    ordered = {day: sorted(intervals) for day, intervals in hours.items()}
    for day, intervals in ordered.items():
        for (start, end), (next_start, next_end) in pairwise(intervals):
            if next_start < end:
                message = f"{day}: {start}-{end} and {next_start}-{next_end} overlap."
                raise ValueError(message)
    return ordered


WorkingHours = Annotated[
    dict[Weekday, list[LocalInterval]],
    AfterValidator(_without_overlap),
    Field(examples=[{"MON": [["09:00", "12:00"], ["13:00", "17:00"]]}]),
]
"""Weekly hours: the gaps between a day's intervals are breaks, a day left out is closed.

Stored sorted. Intervals may touch, and are then worked through without a break.
"""


def _real_date(text: str) -> str:
    date.fromisoformat(text)
    return text


LocalDate = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    AfterValidator(_real_date),
    Field(examples=["2026-08-20"]),
]
"""A calendar day of the clinic, "YYYY-MM-DD". A string because BSON has no date type."""

ServiceSlug = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$"),
    Field(examples=["teeth_whitening"]),
]
"""What clients call a service: lower-case letters, digits, "_" and "-"."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


def _whole_cents(amount: float) -> float:
    if round(amount, 2) != amount:
        message = "An amount of money has at most two decimals."
        raise ValueError(message)
    return amount


Price = Annotated[
    float, Field(ge=0, le=1_000_000, allow_inf_nan=False), AfterValidator(_whole_cents)
]
"""An amount in the clinic's currency, with at most two decimals."""


DurationMinutes = Annotated[int, Field(ge=5, le=480, multiple_of=RASTER_MINUTES)]
BufferMinutes = Annotated[int, Field(ge=0, le=240)]
"""Set-up or cleaning time; claims round it up to whole 5-minute buckets."""


def _known_zone(name: str) -> str:
    try:
        known_zone(name)
    except ValueError as error:
        message = "Not a time zone of the IANA database, for example America/New_York."
        raise ValueError(message) from error
    return name


ZoneName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(_known_zone),
    Field(examples=["America/New_York"]),
]


def _whole_grid(minutes: int) -> int:
    if minutes not in GRID_CHOICES:
        message = "The start grid is one of 5, 10, 15, 20, 30 or 60 minutes."
        raise ValueError(message)
    return minutes


GRID_CHOICES = (5, 10, 15, 20, 30, 60)
GridMinutes = Annotated[int, AfterValidator(_whole_grid), Field(examples=[15])]
"""Distance of two start times; divides an hour, so that every hour has the same ones."""


class HoursPeriod(StoredModel):
    """Local days on which other hours hold than the weekly ones: summer, a training week, a change.

    A weekday that its `working_hours` leave out is closed while it lasts.
    """

    effective_from: LocalDate
    effective_until: LocalDate | None = None
    """Its last day, inclusive; unset means for good."""
    working_hours: WorkingHours = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _require_order(self.effective_from, self.effective_until)
        return self

    def holds_on(self, iso_day: str) -> bool:
        """Whether the day lies in it."""
        return self.effective_from <= iso_day <= (self.effective_until or iso_day)


def _require_order(first: str | None, last: str | None) -> None:
    if first is not None and last is not None and last < first:
        message = "effective_until is before effective_from."
        raise ValueError(message)


def _one_at_a_time(periods: list[HoursPeriod]) -> list[HoursPeriod]:
    ordered = sorted(periods, key=lambda one: one.effective_from)
    for one, after in pairwise(ordered):
        if one.effective_until is None or after.effective_from <= one.effective_until:
            message = f"The hours from {one.effective_from} and {after.effective_from} overlap."
            raise ValueError(message)
    return ordered


HoursPeriods = Annotated[list[HoursPeriod], Field(max_length=50), AfterValidator(_one_at_a_time)]
"""Stored by their first day; no day lies in two."""

ServiceDurations = Annotated[
    dict[ServiceSlug, DurationMinutes],
    Field(max_length=200, examples=[{"teeth_whitening": 75}]),
]
"""How long this provider takes for a service, in minutes, where not as long as others do."""


class Provider(Document):
    """A dentist or hygienist: which services they perform and when they work."""

    name: Name
    service_ids: list[ServiceSlug] = Field(default_factory=list)
    service_durations: ServiceDurations = Field(default_factory=dict)
    working_hours: WorkingHours = Field(default_factory=dict)
    hours_periods: HoursPeriods = Field(default_factory=list)
    active: bool = True
    effective_from: LocalDate | None = None
    """First local day the provider works, in whatever hours; unset means always."""
    effective_until: LocalDate | None = None
    """Last local day the provider works, inclusive."""

    @model_validator(mode="after")
    def _effective_in_order(self) -> Self:
        _require_order(self.effective_from, self.effective_until)
        return self

    def performs(self, service_id: str) -> bool:
        """Whether this provider can be booked for the service at all.

        What an imported visit of an unknown treatment needs, whoever it is with can do.
        """
        is_generic = service_id == GENERIC_SERVICE_ID
        return self.active and (is_generic or service_id in self.service_ids)

    def minutes_for(self, service: "Service") -> int:
        """How long a visit for the service lasts with this provider."""
        return self.service_durations.get(service.service_id, service.duration_minutes)

    def works_on(self, day: date) -> bool:
        """Whether `day` lies in the span in which they work here (time off aside)."""
        iso = day.isoformat()
        return (self.effective_from or iso) <= iso <= (self.effective_until or iso)

    def hours_on(self, day: date) -> Mapping[Weekday, list[tuple[str, str]]]:
        """The weekly hours in force that day: a period's, else the usual ones."""
        iso = day.isoformat()
        begun = bisect_right(self.hours_periods, iso, key=lambda one: one.effective_from)
        if begun and self.hours_periods[begun - 1].holds_on(iso):
            return self.hours_periods[begun - 1].working_hours
        return self.working_hours

    def intervals_on(self, day: date) -> Iterator[tuple[int, int]]:
        """Working intervals of that local day in minutes after 00:00."""
        if self.works_on(day):
            intervals = self.hours_on(day).get(Weekday.of(day), ())
            yield from ((minute_of_day(start), minute_of_day(end)) for start, end in intervals)


class Chair(Document):
    """A treatment room (operatory)."""

    name: Name
    service_ids: list[ServiceSlug] | None = None
    """The services it is equipped for; unset means all."""
    active: bool = True

    def serves(self, service_id: str) -> bool:
        """Whether the service can be done in this chair at all."""
        return self.active and (self.service_ids is None or service_id in self.service_ids)


class Service(Document):
    """A treatment that can be booked."""

    service_id: ServiceSlug
    name: Name
    description: Annotated[str, StringConstraints(max_length=2000)] | None = None
    duration_minutes: DurationMinutes
    buffer_before_minutes: BufferMinutes = 0
    buffer_after_minutes: BufferMinutes = 0
    price_from: Price | None = None
    recall_interval_months: Annotated[int, Field(ge=1, le=60)] | None = None
    bookable_online: bool = True
    active: bool = True


class TimeOff(Document):
    """A span in which a provider, or without `provider_id` the whole clinic, takes no visits."""

    provider_id: PyObjectId | None = None
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    reason: Annotated[str, StringConstraints(max_length=500)] | None = None

    @model_validator(mode="after")
    def _starts_before_end(self) -> Self:
        if self.starts_at >= self.ends_at:
            message = "Time off ends after it starts."
            raise ValueError(message)
        return self

    def concerns(self, provider: Provider) -> bool:
        """Whether it keeps this provider from working."""
        return self.provider_id is None or self.provider_id == provider.id


class Holiday(StoredModel):
    """A local day on which the whole clinic is closed."""

    name: Name
    day: LocalDate
    every_year: bool = False
    """Whether the same day of every later year is one too; 29 February comes in leap years."""

    def falls_on(self, day: date) -> bool:
        """Whether the clinic is closed on `day` because of it."""
        iso = day.isoformat()
        return iso == self.day or (self.every_year and iso > self.day and iso[5:] == self.day[5:])


def _furthest_first(minutes: list[int]) -> list[int]:
    if len(set(minutes)) != len(minutes):
        message = "A reminder time is named twice."
        raise ValueError(message)
    return sorted(minutes, reverse=True)


ReminderMinutes = Annotated[int, Field(ge=30, le=40_320)]
"""Half an hour to four weeks."""
ReminderTimes = Annotated[
    list[ReminderMinutes],
    Field(max_length=6, examples=[[10_080, 2_880, 120]]),
    AfterValidator(_furthest_first),
]
"""When a visit is remembered: minutes before it starts, stored furthest first; none: never."""

Holidays = Annotated[list[Holiday], Field(max_length=400)]
NoticeMinutes = Annotated[int, Field(ge=0, le=43_200)]
AnswerMinutes = Annotated[int, Field(ge=1, le=20_160)]
"""A minute to two weeks."""


class Clinic(Document):
    """The practice itself and its booking rules. There is one: `key` is unique."""

    key: Literal["clinic"] = "clinic"
    name: Name
    phone: Annotated[str, StringConstraints(max_length=40)]
    address: Annotated[str, StringConstraints(max_length=300)]
    timezone: ZoneName
    country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]
    """ISO 3166 code, to read phone numbers written without one."""
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")]
    booking_horizon_days: Annotated[int, Field(ge=1, le=1096)]
    """Patients can book from today to this many local days ahead."""
    booking_lead_minutes: Annotated[int, Field(ge=0, le=43_200)]
    """Patients book at least this long before the visit starts."""
    slot_grid_minutes: GridMinutes
    allow_new_patient_booking: bool
    self_service_notice_minutes: NoticeMinutes = 120
    """Patients move and cancel at least this long before the visit; later they call."""
    reminder_minutes_before: ReminderTimes = Field(default=[10_080, 2_880, 120])
    holidays: Holidays = Field(default_factory=list)
    voice: ClinicVoice = Field(default_factory=ClinicVoice)
    urgent_answer_minutes: AnswerMinutes = 15
    """Within this time a person should take care of something urgent, counted on the clock."""
    answer_minutes: AnswerMinutes = 1440
    """The same for everything else that waits for a person."""

    @property
    def zone(self) -> ZoneInfo:
        """The clinic's time zone."""
        return ZoneInfo(self.timezone)

    def time_to_answer(self, urgency: Urgency) -> timedelta:
        """How long something of this urgency may wait for a person."""
        is_urgent = urgency is Urgency.URGENT
        return timedelta(minutes=self.urgent_answer_minutes if is_urgent else self.answer_minutes)

    def closed_days(self, days: Iterable[date]) -> list[date]:
        """Which of these local days are holidays."""
        by_date: defaultdict[str, list[Holiday]] = defaultdict(list)
        for holiday in self.holidays:
            by_date[holiday.day[5:]].append(holiday)
        return [
            day
            for day in days
            if any(one.falls_on(day) for one in by_date.get(day.isoformat()[5:], ()))
        ]


class SetupVersion(Document):
    """Counts the changes of providers, chairs, services and time off, so that whoever keeps them
    in memory can tell by one read whether they still hold. There is one, beside the clinic.
    """

    key: Literal["setup"] = "setup"
    version: int = 0
    changing: dict[str, UtcDatetime] = Field(default_factory=dict)
    """Changes under way, each since when: until they are counted nothing may be kept."""
