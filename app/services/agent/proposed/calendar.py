"""What the readers of days share: a calendar that begins today, and a mention of days in it."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

RECURRING_DAYS = 28
"""How far "Tuesdays", "mornings" and "not before the 15th" reach."""
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Calendar:
    """What day it is, and how far ahead a proposal may lie."""

    today: date
    last: date

    def holds(self, day: date) -> bool:
        """Whether a visit can be proposed for it."""
        return self.today <= day <= self.last

    def week(self, number: int) -> tuple[date, ...]:
        """Monday to Sunday: 0 is this week, 1 the next."""
        monday = self.today - timedelta(days=self.today.weekday()) + number * WEEK
        return self.span(monday, monday + timedelta(days=6))

    def span(self, first: date, last: date) -> tuple[date, ...]:
        """The days from first to last that lie in reach."""
        first, last = max(first, self.today), min(last, self.last)
        return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))

    def month(self, number: int, year: int | None = None) -> tuple[date, ...]:
        """The days of the next such month that has one in reach; of the year, where given."""
        year = year or self.today.year + (number < self.today.month)
        return self.span(
            date(year, number, 1), date(year, number, calendar.monthrange(year, number)[1])
        )

    def soon(self) -> tuple[date, ...]:
        """What "Tuesdays" are looked for in."""
        return self.span(self.today, self.today + timedelta(days=RECURRING_DAYS - 1))


@dataclass(frozen=True, slots=True)
class Mention:
    """Where something stands in the words."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FoundDays(Mention):
    """Days where they stand in the words."""

    days: tuple[date, ...]
    is_scope: bool = False
    """A week or month that weekdays beside it are meant in."""
    weekdays: tuple[int, ...] = ()
    """Set where these are weekdays in general, to be looked for in a scope."""
    is_ambiguous: bool = False
    is_point: bool = False
    """One day, that "from ... to ..." can begin or end with."""
    is_range: bool = False
