"""Which times patients are offered."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.core.clock import Clock
from app.models.base import PyObjectId
from app.models.schedule import Clinic, Provider, Service
from app.services.scheduling.engine import Slot, find_slots, find_times, nearest_free
from app.services.scheduling.localtime import (
    InvalidSpanError,
    day_bounds,
    local_day,
    month_days,
    to_instant,
)
from app.services.scheduling.schedule_reader import Question, ScheduleReader
from app.services.scheduling.setup import Setup
from app.services.scheduling.timetable import Timetable

MAX_SPAN_DAYS = 62
ALTERNATIVES = 3
_NEARNESS = (timedelta(days=7), timedelta(days=31))
_ISO_DAY_LENGTH = len("2026-08-20")


@dataclass(frozen=True, slots=True)
class FreeTime:
    """A start time as an instant, with who is free then."""

    starts_at: datetime
    local_time: str
    """On the clinic's clock, "2026-08-20T09:00"."""
    providers: tuple[Provider, ...]


class AvailabilityService:
    """Answers what the booking site shows. Nothing is cached: what is shown can be booked now."""

    def __init__(self, reader: ScheduleReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    async def month(
        self, year: int, month: int, service_id: str, provider_id: PyObjectId | None = None
    ) -> dict[str, list[str]]:
        """Free start times by local day, `{"2026-08-20": ["09:00"]}`; only days that have some.

        Raises `UnknownServiceError`, `UnknownProviderError`.
        """
        setup = await self._reader.setup()
        question = _question(setup, service_id, provider_id)
        days = month_days(year, month)
        asked = await self._asked(setup, question, days[0], days[-1])
        return find_times(*asked) if asked else {}

    async def between(
        self, since: str, until: str, service_id: str, provider_id: PyObjectId | None = None
    ) -> list[FreeTime]:
        """Free start times from `since` until `until`, at most 62 days apart.

        Both are local days ("2026-08-20", the last one inclusive) or times (the last one exclusive;
        without an offset the clinic's). Raises `InvalidSpanError`, `UnknownServiceError`,
        `UnknownProviderError` and the errors of local times.
        """
        setup = await self._reader.setup()
        question = _question(setup, service_id, provider_id)
        starts, ends = _span(since, until, setup.clinic)
        zone = setup.clinic.zone
        first, last = local_day(starts, zone), local_day(ends, zone)
        slots, by_id = await self._slots(setup, question, first, last)
        return [_free_time(slot, by_id) for slot in slots if starts <= slot.starts_at < ends]

    async def answering(self, question: Question, first: date, last: date) -> list[FreeTime]:
        """Free start times that suit the question on these local days, both inclusive."""
        setup = await self._reader.setup()
        slots, by_id = await self._slots(setup, question, first, last)
        return [_free_time(slot, by_id) for slot in slots]

    async def of_one(
        self, choose: Callable[[Setup], Service | None], first: date, last: date
    ) -> tuple[Service, list[FreeTime]] | None:
        """The free start times of the service that `choose` picks, on these local days, both
        inclusive; `None` where it picks none. Two round trips.
        """
        setup = await self._reader.setup()
        service = choose(setup)
        if service is None:
            return None
        slots, by_id = await self._slots(setup, Question(service=service), first, last)
        return service, [_free_time(slot, by_id) for slot in slots]

    async def nearest(
        self,
        question: Question,
        wanted: datetime,
        *,
        other_than: datetime | None = None,
    ) -> list[Slot]:
        """The three free times nearest to the one wanted: within a week, else within a month.

        `other_than` is none of them: a visit that is moved has that time already.
        """
        setup = await self._reader.setup()
        clinic = setup.clinic
        today = local_day(self._clock.now(), clinic.zone)
        horizon = today + timedelta(days=clinic.booking_horizon_days)
        day = min(max(local_day(wanted, clinic.zone), today), horizon)
        slots: list[Slot] = []
        for reach in _NEARNESS:
            found, _ = await self._slots(setup, question, day - reach, day + reach)
            slots = [slot for slot in found if slot.starts_at != other_than]
            if len(slots) >= ALTERNATIVES:
                break
        return nearest_free(slots, wanted, ALTERNATIVES)

    async def _slots(
        self, setup: Setup, question: Question, first: date, last: date
    ) -> tuple[list[Slot], dict[PyObjectId, Provider]]:
        """The slots, and the providers by their ids."""
        asked = await self._asked(setup, question, first, last)
        if asked is None:
            return [], {}
        return find_slots(*asked), {one.id: one for one in asked[0].providers}

    async def _asked(
        self, setup: Setup, question: Question, first: date, last: date
    ) -> tuple[Timetable, date, date, datetime] | None:
        """What the engine is asked; `None` where nobody can book on any of the days. Those that
        cannot be booked are cut off before their visits are read.
        """
        now = self._clock.now()
        today = local_day(now, setup.clinic.zone)
        first = max(first, today)
        last = min(last, today + timedelta(days=setup.clinic.booking_horizon_days))
        if first > last:
            return None
        timetable = await self._reader.timetable(setup, question, first, last)
        return timetable, first, last, now


def _question(setup: Setup, service_id: str, provider_id: PyObjectId | None) -> Question:
    if provider_id is not None:
        setup.provider(provider_id)
    return Question(service=setup.service(service_id), provider_id=provider_id)


def _free_time(slot: Slot, by_id: dict[PyObjectId, Provider]) -> FreeTime:
    providers = tuple(by_id[one] for one in slot.provider_ids)
    return FreeTime(slot.starts_at, f"{slot.day}T{slot.time}", providers)


def _span(since: str, until: str, clinic: Clinic) -> tuple[datetime, datetime]:
    starts, ends = _edge(since, clinic, end=False), _edge(until, clinic, end=True)
    if ends <= starts:
        message = "The span ends before it starts."
        raise InvalidSpanError(message)
    # A day may last 25 hours, and the last one counts whole.
    if ends - starts > timedelta(days=MAX_SPAN_DAYS, hours=1):
        message = f"The span is longer than {MAX_SPAN_DAYS} days."
        raise InvalidSpanError(message)
    return starts, ends


def _edge(text: str, clinic: Clinic, *, end: bool) -> datetime:
    """The instant that a local day starts (or ends) at, or that a time means."""
    try:
        if len(text) == _ISO_DAY_LENGTH:
            return day_bounds(date.fromisoformat(text), clinic.zone)[end]
        return to_instant(datetime.fromisoformat(text), clinic.zone)
    except ValueError as error:
        message = "Write a day as 2026-08-20 or a time as 2026-08-20T09:00:00Z."
        raise InvalidSpanError(message) from error
