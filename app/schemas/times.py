"""Times as clients write them."""

import re
from datetime import date, datetime
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field

_EARLIEST_YEAR, _LATEST_YEAR = 1900, 2200
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


Day = TypeVar("Day", date, datetime)


def _iso_text(value: object) -> object:
    """Numbers would be taken for seconds since 1970, and nobody means that here."""
    try:
        parsed = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        message = "must be an ISO 8601 time such as 2026-08-20T09:00:00-04:00"
        raise ValueError(message) from error
    return _in_our_times(parsed)


def _iso_day_or_time(value: object) -> object:
    """Ten characters are a day, also where a time at midnight UTC would be read as one."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return _iso_text(value)
    try:
        parsed = date.fromisoformat(value)
    except ValueError as error:
        message = "must be a day such as 2026-08-20"
        raise ValueError(message) from error
    return _in_our_times(parsed)


def _in_our_times(parsed: Day) -> Day:
    if not _EARLIEST_YEAR <= parsed.year <= _LATEST_YEAR:
        message = f"must lie between the years {_EARLIEST_YEAR} and {_LATEST_YEAR}"
        raise ValueError(message)
    return parsed


ClientTime = Annotated[
    datetime,
    BeforeValidator(_iso_text, json_schema_input_type=datetime),
    Field(
        description="ISO 8601. Without an offset it is the clinic's local time; one that does not "
        "exist there, or exists twice, is refused.",
        examples=["2026-08-20T09:00:00-04:00"],
    ),
]
"""A time with or without an offset."""

DayOrTime = Annotated[
    date | datetime,
    BeforeValidator(_iso_day_or_time, json_schema_input_type=date | datetime),
    Field(
        description="`YYYY-MM-DD`, or a time whose day on the clinic's calendar counts.",
        examples=["2026-11-20"],
    ),
]
"""A day, or a time (with or without an offset) that falls on one."""


def _iso_day(value: object) -> object:
    """A number would be taken for seconds since 1970."""
    if isinstance(value, str) and not _DAY.fullmatch(value):
        message = "must be a day such as 2026-08-20"
        raise ValueError(message)
    return value


QueryDay = Annotated[date, BeforeValidator(_iso_day, json_schema_input_type=date)]
"""A clinic-local day in a query, as `YYYY-MM-DD` and nothing else."""
