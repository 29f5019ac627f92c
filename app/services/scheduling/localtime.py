"""Between the clinic's wall clock and instants.

A wall-clock reading names an instant only where it occurs exactly once. In the hour that is skipped
in spring it names none, in the hour that is repeated in autumn it names two (PEP 495): both are
refused here, because a guess would put somebody's visit an hour off.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.core.clock import to_milliseconds
from app.core.errors import UnprocessableError

_SECOND = timedelta(seconds=1)
_DAY_SECONDS = 86_400
_TOO_FAR = "That time is too far from the present."
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


class NonexistentLocalTimeError(UnprocessableError):
    """The wall clock never shows this time: the change to summer time skips it."""

    slug = "local-time-nonexistent"
    title = "Local time does not exist"


class AmbiguousLocalTimeError(UnprocessableError):
    """The wall clock shows this time twice: send it with an offset."""

    slug = "local-time-ambiguous"
    title = "Local time is ambiguous"


class TimeOutOfRangeError(UnprocessableError):
    """A time so near the year 1 or 9999 that it has no UTC form here."""

    slug = "time-out-of-range"
    title = "Time out of range"


class InvalidSpanError(UnprocessableError):
    """A span that ends before it starts, is longer than may be asked for, or is not one."""

    slug = "invalid-span"
    title = "Not a span of time that can be asked for"


def resolve_local(naive: datetime, zone: ZoneInfo) -> datetime:
    """The one instant (aware UTC, milliseconds) at which the wall clock of `zone` shows `naive`.

    Raises NonexistentLocalTimeError, AmbiguousLocalTimeError or TimeOutOfRangeError;
    ValueError if `naive` carries an offset after all.
    """
    if naive.tzinfo is not None:
        message = "A time with an offset is an instant already."
        raise ValueError(message)
    first, second = (
        _in_utc(naive.replace(tzinfo=zone, fold=0)),
        _in_utc(naive.replace(tzinfo=zone, fold=1)),
    )
    if first < second:
        detail = f"{_clock(naive)} occurs twice in {zone.key} that day. Send it with an offset."
        raise AmbiguousLocalTimeError(detail)
    if first > second:
        detail = f"{_clock(naive)} does not exist in {zone.key} that day: clocks go forward."
        raise NonexistentLocalTimeError(detail)
    return to_milliseconds(first)


def to_instant(value: datetime, zone: ZoneInfo) -> datetime:
    """What a client's time means: with an offset that instant, without one the clinic's local time.

    Answers aware UTC at millisecond precision; raises as `resolve_local` does.
    """
    if value.tzinfo is None:
        return resolve_local(value, zone)
    return to_milliseconds(_in_utc(value))


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The calendar day the wall clock of `zone` shows at `instant` (aware).

    Raises TimeOutOfRangeError where that day lies before the year 1 or after 9999.
    """
    try:
        return instant.astimezone(zone).date()
    except OverflowError as error:
        raise TimeOutOfRangeError(_TOO_FAR) from error


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the local day starts and when the next one does, in UTC; [start, end).

    Neighbouring days share their bound, whatever the clock does at midnight; a day that a zone
    left out (Pacific/Apia, 30 December 2011) is empty. Raises TimeOutOfRangeError in the first and
    the last year that Python can count, where the neighbouring day may not exist.
    """
    if day.year in (MINYEAR, MAXYEAR):
        raise TimeOutOfRangeError(_TOO_FAR)
    return _day_start(day, zone), _day_start(day + timedelta(days=1), zone)


def bounds_of_days(
    first: date | None, last: date | None, zone: ZoneInfo
) -> tuple[datetime | None, datetime | None]:
    """[start, end) of local days, both inclusive, either of them open. Raises `InvalidSpanError`
    where the last is before the first, and what `day_bounds` raises.
    """
    if first and last and last < first:
        message = "The last day is before the first."
        raise InvalidSpanError(message)
    starts_at = day_bounds(first, zone)[0] if first else None
    return starts_at, day_bounds(last, zone)[1] if last else None


def _day_start(day: date, zone: ZoneInfo) -> datetime:
    """The last instant at which the wall clock turns to `day`.

    Three kinds of midnight are not plain: skipped (the day starts at the change), repeated within
    the day (Havana: the first one counts), and repeated because the clock falls back over midnight
    into the day before (Newfoundland until 2011: the second one counts).
    """
    midnight = datetime.combine(day, time.min)
    first = _in_utc(midnight.replace(tzinfo=zone, fold=0))
    second = _in_utc(midnight.replace(tzinfo=zone, fold=1))
    if first > second:
        return _turn_of_day(day, zone, second, first)
    return second if local_day(second - _SECOND, zone) < day else first


def _turn_of_day(day: date, zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second in (before, after] from which the wall clock shows `day` or later."""
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        turned = datetime.fromtimestamp(middle, zone).date() >= day
        low, high = (low, middle) if turned else (middle, high)
    return datetime.fromtimestamp(high, UTC)


def month_days(year: int, month: int) -> list[date]:
    """Every day of the month in order. Raises ValueError where there is no such month."""
    return [date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1)]


def describe(instant: datetime, zone: ZoneInfo) -> str:
    """The instant for people, with the zone named.

    "Tuesday 24 November 2026, 09:00 (America/New_York)"; in a repeated hour with the offset too.
    """
    local = instant.astimezone(zone)
    place = zone.key
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        place = f"{place}, UTC{local:%z}"
    day = f"{_WEEKDAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year}"
    return f"{day}, {local:%H:%M} ({place})"


@dataclass(frozen=True, slots=True)
class OffsetSpan:
    """A stretch of time, in seconds since 1970, in which the zone keeps one offset from UTC."""

    start: int
    end: int
    offset: int
    """Seconds to add to UTC to read the wall clock."""


def offset_spans(zone: ZoneInfo, start: int, end: int) -> list[OffsetSpan]:
    """Cuts [start, end), seconds since 1970, where the zone's offset changes.

    The zone is asked once a day, and more closely only around a change; no zone changes its offset
    twice within 24 hours.
    """
    spans: list[OffsetSpan] = []
    since, offset = start, _offset(zone, start)
    for probe in (*range(start + _DAY_SECONDS, end, _DAY_SECONDS), end):
        if _offset(zone, probe) != offset:
            change = _change(zone, since, probe)
            spans.append(OffsetSpan(since, change, offset))
            since, offset = change, _offset(zone, probe)
    if since < end:
        spans.append(OffsetSpan(since, end, offset))
    return spans


def _change(zone: ZoneInfo, low: int, high: int) -> int:
    """The first second in (low, high] with another offset than `low` has."""
    offset = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
    return high


def _offset(zone: ZoneInfo, epoch_seconds: int) -> int:
    offset = datetime.fromtimestamp(epoch_seconds, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise TimeOutOfRangeError(_TOO_FAR) from error


def _clock(naive: datetime) -> str:
    return f"{naive:%Y-%m-%d %H:%M}"


def months_later(day: date, months: int) -> date:
    """The same day of a later month, or its last day where that month is shorter."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
