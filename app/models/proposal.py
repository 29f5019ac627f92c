"""The days and times that a patient proposed for a visit, on the clinic's calendar and clock."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import Field, StringConstraints

from app.models.base import StoredModel
from app.models.schedule import LocalDate

MAX_WINDOWS = 12
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WHOLE_WEEK = tuple(range(7))

_Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]


class DayWindow(StoredModel):
    """Days from `first` to `last`, both inclusive, and what part of each.

    `weekdays` (0 is Monday) narrows them where it is not empty; a time counts by its start, from
    `since` (inclusive) until `until` (exclusive).
    """

    first: LocalDate
    last: LocalDate
    weekdays: Annotated[list[Annotated[int, Field(ge=0, le=6)]], Field(max_length=7)] = Field(
        default_factory=list
    )
    since: _Clock | None = None
    until: _Clock | None = None

    def holds(self, local: datetime) -> bool:
        """Whether a visit that starts then, read on the clinic's clock, is in it."""
        clock = f"{local:%H:%M}"
        return (
            self.first <= local.date().isoformat() <= self.last
            and (not self.weekdays or local.weekday() in self.weekdays)
            and (self.since or "00:00") <= clock < (self.until or "24:00")
        )

    def days(self) -> list[date]:
        """Every day of it, in order."""
        first, last = date.fromisoformat(self.first), date.fromisoformat(self.last)
        every = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [day for day in every if not self.weekdays or day.weekday() in self.weekdays]

    def __str__(self) -> str:
        """For staff: "Thu 2026-12-03 from 17:00"."""
        return " ".join(part for part in (self._days_in_words(), self._clock_in_words()) if part)

    def _days_in_words(self) -> str:
        if self.first == self.last:
            return f"{DAY_NAMES[date.fromisoformat(self.first).weekday()]} {self.first}"
        names = ", ".join(DAY_NAMES[number] for number in self.weekdays)
        span = f"{self.first} to {self.last}"
        return f"{names} in {span}" if names else span

    def _clock_in_words(self) -> str:
        if self.since and self.until:
            return f"{self.since}-{self.until}"
        if self.since:
            return f"from {self.since}"
        return f"before {self.until}" if self.until else ""


class ProposedTimes(StoredModel):
    """What a reply proposes. `is_ambiguous`: it can be read in more than one way, all are here."""

    windows: Annotated[list[DayWindow], Field(min_length=1, max_length=MAX_WINDOWS)]
    is_ambiguous: bool = False

    def holds(self, local: datetime) -> bool:
        """Whether a visit that starts then, read on the clinic's clock, suits."""
        return any(window.holds(local) for window in self.windows)

    def days(self) -> list[date]:
        """Every day that is proposed, in order."""
        return sorted({day for window in self.windows for day in window.days()})

    def __str__(self) -> str:
        """For staff, the readings of an unclear one joined by "or"."""
        text = ("; " if not self.is_ambiguous else " or ").join(str(one) for one in self.windows)
        return f"{text} (unclear: ask)" if self.is_ambiguous else text


Interval = tuple[str | None, str | None]


def windows_of(times: Sequence[tuple[date, Interval]]) -> list[DayWindow]:
    """The fewest windows that hold exactly these days and parts of them."""
    days_of: dict[Interval, set[date]] = {}
    for day, interval in times:
        days_of.setdefault(interval, set()).add(day)
    windows = [
        window for interval, days in days_of.items() for window in _covering(sorted(days), interval)
    ]
    return sorted(windows, key=lambda one: (one.first, one.since or "", one.last))


def _covering(days: list[date], interval: Interval) -> list[DayWindow]:
    weekdays = sorted({day.weekday() for day in days})
    whole = _window(days[0], days[-1], weekdays, interval)
    if whole.days() == days:
        is_run = (days[-1] - days[0]).days + 1 == len(days)
        return [_window(days[0], days[-1], [], interval)] if is_run else [whole]
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return [_window(run[0], run[-1], [], interval) for run in runs]


def _window(first: date, last: date, weekdays: list[int], interval: Interval) -> DayWindow:
    since, until = interval
    return DayWindow(
        first=first.isoformat(),
        last=last.isoformat(),
        weekdays=weekdays,
        since=since,
        until=until,
    )
