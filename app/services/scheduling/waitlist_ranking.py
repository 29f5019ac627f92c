"""Who is offered which of the times that freed up: pure functions, no I/O.

Rules:

- The longest waiting come first; two who joined in the same instant in the order of their ids.
- A time suits where it lies in the days and weekdays wished for and in one of the times of day.
  That it fits the duration is the slot engine's word: what is no free start is not here at all.
- One person is offered the earliest three of their times that do not overlap each other: starts a
  quarter of an hour apart are one chance, not three.
- A stretch of time is offered to three people at once at most, whatever start times they were
  given in it and for whatever service.
"""

from collections.abc import Container, Iterable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from app.models.base import PyObjectId
from app.models.schedule import Weekday, minute_of_day
from app.models.waitlist import PartOfDay, SeenTimes, WaitlistEntry

TIMES_AN_OFFER = 3
PEOPLE_A_TIME = 3

_PARTS = {
    PartOfDay.MORNING: (0, 12 * 60),
    PartOfDay.AFTERNOON: (12 * 60, 17 * 60),
    PartOfDay.EVENING: (17 * 60, 24 * 60),
}


def ranked(entries: Iterable[WaitlistEntry]) -> list[WaitlistEntry]:
    """Longest waiting first."""
    return sorted(entries, key=lambda entry: (entry.created_at, entry.id))


class LocalStart(NamedTuple):
    """A start on the clinic's clock, read once for everybody who waits."""

    day: str
    weekday: Weekday
    minute: int

    @classmethod
    def of(cls, local_time: str) -> "LocalStart":
        """From "2026-08-20T09:00"."""
        day, _, clock = local_time.partition("T")
        return cls(day, Weekday.of(date.fromisoformat(day)), minute_of_day(clock))


def suits(entry: WaitlistEntry, start: LocalStart, minutes: int) -> bool:
    """Whether a visit of `minutes` from `start` on is wished for."""
    if not entry.first_day <= start.day <= entry.last_day:
        return False
    if entry.weekdays and start.weekday not in entry.weekdays:
        return False
    return not entry.times or any(_within(wish, start.minute, minutes) for wish in entry.times)


def _within(wish: PartOfDay | tuple[str, str], start: int, minutes: int) -> bool:
    if isinstance(wish, PartOfDay):
        since, until = _PARTS[wish]
        return since <= start < until
    return minute_of_day(wish[0]) <= start and start + minutes <= minute_of_day(wish[1])


class Promises:
    """Which stretches of time are offered to whom at present."""

    def __init__(self) -> None:
        self._spans: dict[PyObjectId, list[tuple[datetime, datetime]]] = {}

    def add(self, entry_id: PyObjectId, starts: Iterable[datetime], lasting: timedelta) -> None:
        """An entry was offered these times."""
        self._spans.setdefault(entry_id, []).extend((at, at + lasting) for at in starts)

    def people_at(self, start: datetime, lasting: timedelta) -> int:
        """To how many entries some of [start, start + lasting) is offered."""
        end = start + lasting
        return sum(
            any(since < end and start < until for since, until in spans)
            for spans in self._spans.values()
        )


def pick(news: Iterable[datetime], lasting: timedelta, promises: Promises) -> list[datetime]:
    """What to offer of the times that are news to one person; perhaps nothing."""
    picked: list[datetime] = []
    for start in sorted(news):
        if picked and start < picked[-1] + lasting:
            continue
        if promises.people_at(start, lasting) < PEOPLE_A_TIME:
            picked.append(start)
        if len(picked) == TIMES_AN_OFFER:
            break
    return picked


# Known times


def seen_times(buckets: Iterable[int]) -> SeenTimes | None:
    """Start times, as buckets, in the form in which an entry keeps them; `None` for none."""
    ordered = sorted(buckets)
    if not ordered:
        return None
    base = ordered[0]
    mask = bytearray((ordered[-1] - base) // 8 + 1)
    for bucket in ordered:
        byte, bit = divmod(bucket - base, 8)
        mask[byte] |= 1 << bit
    return SeenTimes(base=base, mask=bytes(mask))


def stored_times(buckets: Iterable[int]) -> dict[str, Any] | None:
    """`seen_times` as a change of a stored entry writes it."""
    seen = seen_times(buckets)
    return seen.to_stored() if seen else None


def buckets_of(seen: SeenTimes | None) -> set[int]:
    """What `seen_times` was given."""
    if seen is None:
        return set()
    return {
        seen.base + 8 * place + bit
        for place, byte in enumerate(seen.mask)
        if byte
        for bit in range(8)
        if byte >> bit & 1
    }


def still_known(known: set[int], free: Container[int], now: int) -> set[int]:
    """Of the known times those that are free still, and those of the past: whatever is taken now
    and frees up later is news.
    """
    return {bucket for bucket in known if bucket in free or bucket <= now}
