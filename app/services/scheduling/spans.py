"""Stretches of time as instants: joined, cut out of each other, read off the wall clock. Pure."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from app.models.appointment import Appointment
from app.services.scheduling.claims import bucket_start, buckets_between
from app.services.scheduling.localtime import day_bounds, offset_spans


class Span(NamedTuple):
    """[starts_at, ends_at), both aware."""

    starts_at: datetime
    ends_at: datetime

    @property
    def minutes(self) -> int:
        """How long it is, in whole minutes of elapsed time."""
        return int((self.ends_at - self.starts_at) / timedelta(minutes=1))

    def touches(self, other: "Span") -> bool:
        """Whether the two share any time."""
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


def occupied(visit: Appointment) -> Span:
    """What the visit's claims hold of its provider and chair: buffers too, in whole buckets."""
    before = timedelta(minutes=visit.buffer_before_minutes)
    lasting = timedelta(minutes=visit.duration_minutes + visit.buffer_after_minutes)
    start = visit.appointment_date
    first, last = buckets_between(start - before, start + lasting)
    return Span(bucket_start(first), bucket_start(last))


def within(bounds: Span, spans: Iterable[Span]) -> list[Span]:
    """What of the spans lies inside the bounds."""
    return [
        Span(max(one.starts_at, bounds.starts_at), min(one.ends_at, bounds.ends_at))
        for one in spans
        if one.touches(bounds)
    ]


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same time in order, spans that touch or overlap made one."""
    whole: list[Span] = []
    for one in sorted(spans):
        if whole and one.starts_at <= whole[-1].ends_at:
            whole[-1] = Span(whole[-1].starts_at, max(whole[-1].ends_at, one.ends_at))
        elif one.starts_at < one.ends_at:
            whole.append(one)
    return whole


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of the spans, in order, once the time taken is cut out."""
    left: list[Span] = []
    cuts = joined(taken)
    for one in joined(spans):
        starts_at = one.starts_at
        for cut in within(one, cuts):
            left.append(Span(starts_at, cut.starts_at))
            starts_at = cut.ends_at
        left.append(Span(starts_at, one.ends_at))
    return joined(left)


def local_spans(day: date, intervals: Iterable[tuple[int, int]], zone: ZoneInfo) -> list[Span]:
    """When the wall clock of that day shows these minutes after 00:00.

    Wall-clock time that a change to summer time skips is nowhere; time that a change to winter
    time repeats is there twice. Raises `TimeOutOfRangeError`.
    """
    starts_at, ends_at = day_bounds(day, zone)
    midnight = int(datetime.combine(day, time.min, UTC).timestamp())
    stretches = offset_spans(zone, int(starts_at.timestamp()), int(ends_at.timestamp()))
    return joined(
        Span(datetime.fromtimestamp(low, UTC), datetime.fromtimestamp(high, UTC))
        for first, last in intervals
        for stretch in stretches
        for low, high in _overlap(
            (midnight + first * 60 - stretch.offset, midnight + last * 60 - stretch.offset),
            (stretch.start, stretch.end),
        )
    )


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> Iterator[tuple[int, int]]:
    low, high = max(one[0], other[0]), min(one[1], other[1])
    if low < high:
        yield low, high
