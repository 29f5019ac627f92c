"""Months on the clinic's calendar: they begin and end by its own clock, whatever it does there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.core.errors import UnprocessableError
from app.services.scheduling.localtime import day_bounds, local_day

SERIES_MONTHS = 12


class UnknownMonthError(UnprocessableError):
    """A month nobody counts: not one of the last twelve."""

    slug = "unknown-month"
    title = "No figures are kept of this month"


@dataclass(frozen=True)
class Month:
    """A calendar month of the clinic: [since, before) in instants."""

    name: str
    """`YYYY-MM`."""
    since: datetime
    before: datetime


def last_months(now: datetime, zone: ZoneInfo) -> list[Month]:
    """The current month and the eleven before it, oldest first."""
    firsts = [local_day(now, zone).replace(day=1)]
    while len(firsts) < SERIES_MONTHS:
        firsts.append((firsts[-1] - timedelta(days=1)).replace(day=1))
    return [_month(first, zone) for first in reversed(firsts)]


def just_after(now: datetime) -> datetime:
    """Half-open windows end here, so that what happened this very millisecond counts."""
    return now + timedelta(milliseconds=1)


def month_called(name: str | None, now: datetime, zone: ZoneInfo) -> Month:
    """One of the last twelve by its name; without one the current. Raises `UnknownMonthError`."""
    months = last_months(now, zone)
    found = months[-1] if name is None else next((m for m in months if m.name == name), None)
    if found is None:
        message = f"Choose a month from {months[0].name} to {months[-1].name}."
        raise UnknownMonthError(message)
    return found


def month_at(instant: datetime, months: Sequence[Month]) -> str | None:
    """The name of the one of `months` that an instant lies in."""
    return next((month.name for month in months if month.since <= instant < month.before), None)


def _month(first: date, zone: ZoneInfo) -> Month:
    following = (first + timedelta(days=32)).replace(day=1)
    since, before = (day_bounds(day, zone)[0] for day in (first, following))
    return Month(f"{first:%Y-%m}", since, before)
