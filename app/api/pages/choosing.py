"""Choosing a day and a time: for a new visit, and for one that is moved.

The address holds the whole choice so far (`month`, then `day`, then `at`), so every step is a plain
link, and the browser's own "back" goes one step back.
"""

import calendar
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, islice

from markupsafe import Markup
from starlette.responses import Response

from app.api.pages.rendering import NO_BREAK, Page, Way, marked
from app.api.pages.words import FIRST_WEEKDAY
from app.core.errors import AppError
from app.models.proposal import ProposedTimes
from app.models.waitlist import MAX_REACH_DAYS
from app.services.outreach.letters import DAYS, MONTHS
from app.services.scheduling.availability import FreeTime
from app.services.scheduling.localtime import local_day

MONTHS_TRIED = 6
"""How far a walk without a chosen month, or one in an empty month, looks for a free time."""
_SHORT_DAY = {"en": 3, "es": 2}
_YEARS = range(1970, 2201)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)

TIME_REFUSALS = frozenset({"slot-taken", "patient-has-visit", "not-bookable"})
"""Refusals (by their slug) after which other times are shown."""

SUGGESTED = 6
SUGGESTED_A_DAY = 3
SUGGESTED_DAYS = 62
TimeLink = tuple[Markup, str]
"""What is shown and where it leads."""

Times = Callable[[date, date], Awaitable[Sequence[FreeTime]]]
"""The free times on local days, first and last inclusive."""


@dataclass(frozen=True, slots=True)
class DayCell:
    """A day in the month's table; without a link there is no free time on it."""

    number: int
    link: str = ""
    label: str = ""


def as_text(instant: datetime) -> str:
    """An instant as the address and the forms hold it."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def read_instant(text: str) -> datetime | None:
    """What `as_text` wrote."""
    if not _INSTANT.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found.year in _YEARS else None


def alternatives_of(refusal: AppError) -> list[datetime]:
    """The free times that a refusal names."""
    given = refusal.extra.get("alternatives", ())
    read = (read_instant(one["appointment_date"]) for one in given)
    return [instant for instant in read if instant is not None]


def read_day(text: str) -> date | None:
    """A day as "2026-08-20"."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read_month(text: str) -> date | None:
    """The first day of a month as "2026-08"."""
    found = _MONTH.fullmatch(text)
    return read_day(f"{text}-01") if found else None


@dataclass(frozen=True)
class Choosing:
    """One walk from a month to a time."""

    page: Page
    way: Way
    """The link of every step; what it carries is what is chosen before the day."""
    back: str
    """Where the step before the month is."""
    summary: str
    """What the visit is for."""
    times: Times
    now: datetime
    wanted: ProposedTimes | None = None
    """When the patient offered to come: what goes with it stands first."""
    waits_for: Mapping[str, str] = field(default_factory=dict)
    """What the form of an empty month sends along; without it such a month has no form."""

    async def step(self, query: Mapping[str, str], notice: str = "") -> Response | FreeTime:
        """The chosen time, if it is free, or the page on which to choose further."""
        wanted = read_instant(query.get("at", ""))
        if wanted is not None:
            day = local_day(wanted, self.page.known_clinic.zone)
            free = await self._free_on(day)
            chosen = next((one for one in free if one.starts_at == wanted), None)
            return chosen or await self._day(day, free, "time_gone")
        if day_asked := read_day(query.get("day", "")):
            return await self._day(day_asked, await self._free_on(day_asked), notice)
        return await self._month(read_month(query.get("month", "")), notice)

    async def _free_on(self, day: date) -> Sequence[FreeTime]:
        return await self.times(day, day) if self._first <= day <= self._last else []

    async def _day(self, day: date, free: Sequence[FreeTime], notice: str) -> Response:
        if not free:
            in_reach = min(max(day, self._first), self._last)
            return await self._month(in_reach.replace(day=1), notice or "times_none")
        links, zone = self._links(free)
        return self.page.show(
            "times.html",
            summary=self.summary,
            day=marked(day, self.page.day(free[0].starts_at)),
            month_link=self.way.to(month=f"{day:%Y-%m}"),
            zone=zone,
            parts_of_day=self._parts(free, links),
            notice=notice,
        )

    def _parts(
        self, free: Sequence[FreeTime], links: Sequence[TimeLink]
    ) -> dict[str, list[TimeLink]]:
        """The times under their headings; all of a day being wanted, none of it stands out."""
        parts: dict[str, list[TimeLink]] = {"wanted": [], "morning": [], "afternoon": []}
        is_whole_day = all(self._is_wanted(one) for one in free)
        for one, link in zip(free, links, strict=True):
            part = "morning" if one.local_time[11:] < "12" else "afternoon"
            parts["wanted" if self._is_wanted(one) and not is_whole_day else part].append(link)
        return parts

    def _is_wanted(self, one: FreeTime) -> bool:
        return self.wanted is not None and self.wanted.holds(datetime.fromisoformat(one.local_time))

    async def _suggested(self) -> list[FreeTime]:
        """The first free times that go with what is wanted, a few of each day."""
        if self.wanted is None:
            return []
        days = self.wanted.days()
        first, last = max(days[0], self._first), min(days[-1], self._last)
        last = min(last, first + timedelta(days=SUGGESTED_DAYS - 1))
        free = await self.times(first, last) if first <= last else []
        fitting = [one for one in free if self._is_wanted(one)]
        by_day = groupby(fitting, key=lambda one: one.local_time[:10])
        few = (one for _, times in by_day for one in islice(times, SUGGESTED_A_DAY))
        return list(islice(few, SUGGESTED))

    def _links(self, free: Sequence[FreeTime]) -> tuple[list[TimeLink], str]:
        """What is shown and where it leads, and the name of the clock.

        The zone's short name stands once above the times; on the day the clocks change there are
        two, and then it stands at each.
        """
        whole = [self.page.time(one.starts_at) for one in free]
        parts = [label.rpartition(NO_BREAK) for label in whole]
        short = {zone for _, _, zone in parts}
        one_zone = len(short) == 1
        labels = [clock for clock, _, _ in parts] if one_zone else whole
        links = [
            (marked(self.page.local(one.starts_at), label), self.way.to(at=as_text(one.starts_at)))
            for one, label in zip(free, labels, strict=True)
        ]
        place = self.page.place_of_clock
        return links, f"{short.pop()}, {place}" if one_zone else place

    async def _month(self, asked: date | None, notice: str) -> Response:
        suggested = [] if asked else await self._suggested()
        if suggested:
            asked = date.fromisoformat(suggested[0].local_time[:10]).replace(day=1)
        is_gone = self.wanted is not None and asked is None
        first, free = await self._month_to_show(asked)
        language = self.page.language
        return self.page.show(
            "month.html",
            summary=self.summary,
            back=self.back,
            title=self._month_name(first),
            weekdays=_weekday_heads(language),
            weeks=self._weeks(first, free),
            is_empty=not free,
            next_free=await self._next_free(first) if not free else None,
            earlier=self._neighbour(first - timedelta(days=1)),
            later=self._neighbour(_following(first)),
            wait=self._wait(first) if not free else None,
            suggested=[
                (self.page.moment(one.starts_at), self.way.to(at=as_text(one.starts_at)))
                for one in suggested
            ],
            notice=notice or ("wanted_none" if is_gone else ""),
        )

    def _wait(self, month: date) -> Mapping[str, object] | None:
        """The form with which somebody waits for a time in an empty month."""
        since = max(month, self._first)
        until = min(month.replace(day=_length(month)), self._last)
        furthest = self._first + timedelta(days=MAX_REACH_DAYS)
        if not self.waits_for or since > min(until, furthest):
            return None
        days = {"from": since.isoformat(), "to": min(until, furthest).isoformat()}
        action = self.page.way("waitlist").to()
        return {"action": action, "hidden": {**self.waits_for, **days}}

    async def _month_to_show(self, asked: date | None) -> tuple[date, Sequence[FreeTime]]:
        """The month asked for, moved into reach; without one the first that has a free time."""
        first = self._first.replace(day=1)
        if asked is not None:
            shown = min(max(asked, first), self._last.replace(day=1))
            return shown, await self._free_in(shown)
        month = first
        for _ in range(MONTHS_TRIED):
            if free := await self._free_in(month):
                return month, free
            month = _following(month)
        return first, []

    async def _next_free(self, empty: date) -> tuple[str, str] | None:
        """The name and the link of the first month after `empty` that has a free time."""
        month = empty
        for _ in range(MONTHS_TRIED):
            month = _following(month)
            if await self._free_in(month):
                return self._neighbour(month)
        return None

    async def _free_in(self, month: date) -> Sequence[FreeTime]:
        since = max(month, self._first)
        until = min(month.replace(day=_length(month)), self._last)
        return await self.times(since, until) if since <= until else []

    def _weeks(self, month: date, free: Sequence[FreeTime]) -> list[list[DayCell | None]]:
        count: dict[str, int] = {}
        for one in free:
            count[one.local_time[:10]] = count.get(one.local_time[:10], 0) + 1
        weeks = calendar.Calendar(FIRST_WEEKDAY[self.page.language])
        return [
            [self._cell(day, count) if day.month == month.month else None for day in week]
            for week in weeks.monthdatescalendar(month.year, month.month)
        ]

    def _cell(self, day: date, count: Mapping[str, int]) -> DayCell:
        number = count.get(day.isoformat(), 0)
        if not number:
            return DayCell(day.day)
        label = self.page.words["day_free"].format(self.page.day(self._noon(day)), number)
        return DayCell(day.day, self.way.to(day=day.isoformat()), label)

    def _noon(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, 12, tzinfo=self.page.known_clinic.zone)

    def _neighbour(self, day: date) -> tuple[str, str] | None:
        """The name and the link of the month of `day`, if patients can book in it."""
        month = day.replace(day=1)
        if not self._first.replace(day=1) <= month <= self._last:
            return None
        return self._month_name(month), self.way.to(month=f"{month:%Y-%m}")

    def _month_name(self, month: date) -> str:
        return f"{MONTHS[self.page.language][month.month - 1]} {month.year}"

    @property
    def _first(self) -> date:
        return local_day(self.now, self.page.known_clinic.zone)

    @property
    def _last(self) -> date:
        return self._first + timedelta(days=self.page.known_clinic.booking_horizon_days)


def _following(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _length(month: date) -> int:
    return calendar.monthrange(month.year, month.month)[1]


def _weekday_heads(language: str) -> list[tuple[str, str]]:
    """Short and whole names, in the order of the columns."""
    order = calendar.Calendar(FIRST_WEEKDAY[language]).iterweekdays()
    names = [DAYS[language][number] for number in order]
    return [(name[: _SHORT_DAY[language]], name) for name in names]
