"""Free times the plain way: aware datetimes, and every visit looked at for every start.

What somebody would write first, and what the engine's answer is compared with: both are the same.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from app.models.schedule import Chair, Provider
from bench.practice import CELL_MINUTES, Place, Practice

_LASTS = timedelta(minutes=CELL_MINUTES)


def free_times(practice: Practice, first: date, days: int) -> dict[str, list[str]]:
    """Free start times by local day, as `GET /availability` answers them."""
    found: dict[str, list[str]] = {}
    for offset in range(days):
        day = first + timedelta(days=offset)
        if times := [
            f"{start:%H:%M}" for start in _starts(practice, day) if _fits(practice, start)
        ]:
            found[day.isoformat()] = times
    return found


def _starts(practice: Practice, day: date) -> Iterator[datetime]:
    """The day's grid, on the clinic's clock."""
    grid = practice.clinic.slot_grid_minutes
    for minutes in range(0, 24 * 60, grid):
        clock = time(minutes // 60, minutes % 60)
        yield datetime.combine(day, clock, tzinfo=practice.clinic.zone)


def _fits(practice: Practice, start: datetime) -> bool:
    return any(
        _works(provider, start) and _is_free(practice, provider, start)
        for provider in practice.providers
    ) and any(_is_free(practice, chair, start) for chair in practice.chairs)


def _works(provider: Provider, start: datetime) -> bool:
    until = start + _LASTS
    for opens, closes in provider.intervals_on(start.date()):
        midnight = start.replace(hour=0, minute=0)
        if midnight + timedelta(minutes=opens) <= start and until <= midnight + timedelta(
            minutes=closes
        ):
            return True
    return False


def _is_free(practice: Practice, whose: Provider | Chair, start: datetime) -> bool:
    since = start.astimezone(UTC)
    return not any(
        since < place.starts_at + _LASTS and place.starts_at < since + _LASTS
        for place in practice.booked
        if _concerns(place, whose)
    )


def _concerns(place: Place, whose: Provider | Chair) -> bool:
    return whose.id in (place.provider_id, place.chair_id)
