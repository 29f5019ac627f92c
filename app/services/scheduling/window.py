"""A stretch of days as bits, one per 5-minute bucket.

The state of a resource is one big integer, so "free for the whole span" is a few shifts for a whole
month at once. The zone is asked once a day; after that the wall clock is bucket plus offset.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from app.models.base import PyObjectId
from app.models.schedule import RASTER_MINUTES, Chair, Provider
from app.services.scheduling.claims import (
    BUCKET_SECONDS,
    BucketSpan,
    bucket_floor,
    chair_key,
    patient_key,
    provider_key,
)
from app.services.scheduling.localtime import offset_spans
from app.services.scheduling.timetable import Timetable

_DAY_BUCKETS = 24 * 60 // RASTER_MINUTES
_ONE_DAY = timedelta(days=1)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LABELS = tuple(
    f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(0, 24 * 60, RASTER_MINUTES)
)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Bits [start, end) of a window in which the wall clock is bit plus `wall`.

    Wall time counts buckets too: 288 for each local day since 1970, and those of the day begun.
    """

    start: int
    end: int
    wall: int


class Window:
    """The days a question is about, as bits: bit 0 is bucket `base`.

    It reaches from a day before the first one to two days after the last, in UTC: local days lie at
    most 14 hours off, and the hours of one more day are held, so that a visit over midnight is
    judged whole.
    """

    def __init__(self, timetable: Timetable, first_day: date, last_day: date) -> None:
        self.timetable = timetable
        self._before = _buckets(timetable.service.buffer_before_minutes)
        self._days = [
            date.fromordinal(ordinal)
            for ordinal in range(first_day.toordinal(), last_day.toordinal() + 2)
        ]
        self.base = _wall_start(first_day) - _DAY_BUCKETS - self._before
        longest = self._after(max(timetable.by_length(), default=0))
        self.size = _wall_start(last_day) + 3 * _DAY_BUCKETS + longest - self.base
        self._full = (1 << self.size) - 1
        self._stretches = self._cut(timetable.clinic.zone)
        self._closed = self._holidays()
        self._attended: dict[PyObjectId, int] = {}

    def _cut(self, zone: ZoneInfo) -> list[_Stretch]:
        start = self.base * BUCKET_SECONDS
        spans = offset_spans(zone, start, start + self.size * BUCKET_SECONDS)
        return [
            _Stretch(
                span.start // BUCKET_SECONDS - self.base,
                span.end // BUCKET_SECONDS - self.base,
                self.base + span.offset // BUCKET_SECONDS,
            )
            for span in spans
        ]

    def bit(self, instant: datetime) -> int:
        """The bit of the bucket an instant lies in."""
        return bucket_floor(instant) - self.base

    def _bits(self, wall_start: int, wall_end: int) -> Iterable[tuple[int, int]]:
        """Where the wall clock reads [wall_start, wall_end): nowhere, once or in two places."""
        for stretch in self._stretches:
            low = max(wall_start - stretch.wall, stretch.start)
            high = min(wall_end - stretch.wall, stretch.end)
            if low < high:
                yield low, high

    def _after(self, minutes: int) -> int:
        """Buckets from the start of a visit that lasts so long to the end of its buffer."""
        return _buckets(minutes + self.timetable.service.buffer_after_minutes)

    def _busy(self, resource: str) -> int:
        return self._mask(self.timetable.busy.get(resource, ()), self.base)

    def _absent(self, provider: Provider) -> int:
        return self._mask(self.timetable.absences(provider), self.base)

    def _mask(self, spans: Iterable[BucketSpan], origin: int = 0) -> int:
        """The bits of spans that count from `origin`; what lies outside the window is left out.

        Compared, not by `min` and `max`: a month of a full practice has thousands of spans, and
        two calls for each were a fifth of its free times.
        """
        size = self.size
        digits = bytearray(b"0" * size)
        for start, end in spans:
            low, high = start - origin, end - origin
            if low < 0:  # noqa: PLR1730
                low = 0
            if high > size:  # noqa: PLR1730
                high = size
            if low < high:
                digits[low:high] = b"1" * (high - low)
        return _from_digits(digits)

    def _holidays(self) -> int:
        """Whole local days; the one before the first matters for what is prepared at midnight."""
        days = [self._days[0] - _ONE_DAY, *self._days]
        return self._mask(
            bits
            for day in self.timetable.clinic.closed_days(days)
            for bits in self._bits(_wall_start(day), _wall_start(day) + _DAY_BUCKETS)
        )

    def _hours(self, provider: Provider) -> int:
        return self._mask(
            bits
            for day in self._days
            for start, end in provider.intervals_on(day)
            for bits in self._bits(
                _wall_start(day) + start // RASTER_MINUTES, _wall_start(day) + end // RASTER_MINUTES
            )
        )

    def within_hours(self, provider: Provider) -> int:
        """Starts from which the visit lies within the provider's hours."""
        minutes = self.timetable.minutes_with(provider)
        return _starts_of_runs(self._hours(provider), _buckets(minutes))

    def _clear_of(self, taken: int, minutes: int) -> int:
        """Starts from which visit and buffers touch nothing of `taken`."""
        runs = _starts_of_runs(self._full & ~taken, self._before + self._after(minutes))
        return runs << self._before

    def open(self, minutes: int) -> int:
        """Starts at which no holiday touches visit or buffers."""
        return self._clear_of(self._closed, minutes)

    def attends(self, provider: Provider) -> int:
        """Starts at which the provider works and neither time off nor a holiday is touched."""
        known = self._attended.get(provider.id)
        if known is None:
            away = self._absent(provider) | self._closed
            minutes = self.timetable.minutes_with(provider)
            known = self.within_hours(provider) & self._clear_of(away, minutes)
            self._attended[provider.id] = known
        return known

    def provider_fits(self, provider: Provider) -> int:
        """Starts at which the provider attends and is free."""
        minutes = self.timetable.minutes_with(provider)
        taken = self._busy(provider_key(provider.id))
        return self.attends(provider) & self._clear_of(taken, minutes)

    def chair_fits(self, chair: Chair, minutes: int) -> int:
        """Starts at which the chair is free for a visit that long."""
        return self._clear_of(self._busy(chair_key(chair.id)), minutes)

    def patient_free(self, minutes: int) -> int:
        """Starts at which a known patient has no other visit; buffers do not concern them."""
        patient_id = self.timetable.patient_id
        if patient_id is None:
            return self._full
        taken = self._busy(patient_key(patient_id))
        return _starts_of_runs(self._full & ~taken, _buckets(minutes))

    def grid(self) -> int:
        """Start times patients can name: on the grid, and shown by the wall clock only once."""
        step = self.timetable.clinic.slot_grid_minutes // RASTER_MINUTES
        digits = bytearray(b"0" * self.size)
        for stretch in self._stretches:
            first = stretch.start + -(stretch.start + stretch.wall) % step
            digits[first : stretch.end : step] = b"1" * len(range(first, stretch.end, step))
        return _from_digits(digits) & ~self._mask(self._repeated())

    def _repeated(self) -> Iterable[tuple[int, int]]:
        """Both passes of wall-clock time that a change to winter time repeats."""
        for before, after in pairwise(self._stretches):
            yield from self._bits(after.start + after.wall, before.end + before.wall)

    def starts(self, first_day: date, last_day: date, earliest: int) -> int:
        """Start times on the days asked for that begin at bucket `earliest` or later."""
        days = self._mask(self._bits(_wall_start(first_day), _wall_start(last_day) + _DAY_BUCKETS))
        bit = max(earliest - self.base, 0)
        return (self.grid() & days) >> bit << bit

    def booked(self, provider: Provider) -> int:
        """Buckets the provider has booked on the first day of the window."""
        start = _wall_start(self._days[0])
        day = self._mask(self._bits(start, start + _DAY_BUCKETS))
        return (self._busy(provider_key(provider.id)) & day).bit_count()

    def gaps(self, chair: Chair, bit: int, minutes: int) -> tuple[int, int, int]:
        """What a visit in this chair leaves idle next to it, a day at most on each side.

        How many of the two are too short for another visit like it, the shorter one, and both.
        """
        first = bit + self.base - self._before
        last = bit + self.base + self._after(minutes)
        spans = self.timetable.busy.get(chair_key(chair.id), ())
        earlier = min((first - end for _, end in spans if end <= first), default=_DAY_BUCKETS)
        later = min((start - last for start, _ in spans if start >= last), default=_DAY_BUCKETS)
        nearer, farther = sorted((min(earlier, _DAY_BUCKETS), min(later, _DAY_BUCKETS)))
        useless = sum(0 < gap < last - first for gap in (nearer, farther))
        return useless, nearer, nearer + farther

    def digits(self, mask: int) -> str:
        """The mask as text, bit 0 first."""
        return f"{mask:0{self.size}b}"[::-1]

    def read_off(self, starts: int) -> Iterator[tuple[int, str, str]]:
        """Each start of the mask in order: its bit, local day and local time ("HH:MM")."""
        digits = self.digits(starts)
        days = [day.isoformat() for day in self._days]
        origin = _wall_start(self._days[0])
        for stretch in self._stretches:
            bit = digits.find("1", stretch.start, stretch.end)
            while bit >= 0:
                day, bucket = divmod(bit + stretch.wall - origin, _DAY_BUCKETS)
                yield bit, days[day], _LABELS[bucket]
                bit = digits.find("1", bit + 1, stretch.end)


def _buckets(minutes: int) -> int:
    """How many buckets it takes to hold so many minutes."""
    return -(-minutes // RASTER_MINUTES)


def _wall_start(day: date) -> int:
    """The wall-clock bucket at which a local day starts."""
    return (day.toordinal() - _EPOCH_ORDINAL) * _DAY_BUCKETS


def _from_digits(digits: bytearray) -> int:
    """The number whose bit 0 is the first digit."""
    digits.reverse()
    return int(digits, 2)


def _starts_of_runs(mask: int, length: int) -> int:
    """Bits from which `length` bits in a row are set."""
    width = 1
    while width < length:
        step = min(width, length - width)
        mask &= mask >> step
        width += step
    return mask
