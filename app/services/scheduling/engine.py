"""Which times are free, and which provider and chair to take: pure integer arithmetic, no I/O.

Decisions:

- A time shown is a time that can be booked: offers and bookings are decided by the same masks.
- The visit lies within working hours; its buffers need provider and chair free of other visits and
  the provider free of time off. Working intervals that touch, also at midnight, are one stretch.
- Hours follow the wall clock, durations are real elapsed time. In the hour skipped in spring there
  is no start. A start in the hour repeated in autumn is not offered to patients at all: sent back
  without an offset it would be refused as ambiguous. Staff can book it as an instant.
- A visit lasts as long as its provider takes for the service. A time is offered where one provider
  and one chair are free for that provider's time.
- A holiday closes the whole local day, to staff as well; buffers keep out of it as of time off.
- Staff book at any bucket, at short notice, beyond the horizon and in the past (a visit that began
  without an entry), yet within hours and outside time off.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import reduce
from heapq import nsmallest
from operator import or_
from typing import NamedTuple
from zlib import crc32

from app.models.base import PyObjectId
from app.models.schedule import RASTER_MINUTES, Chair, Provider
from app.services.scheduling.claims import bucket_ceil, bucket_floor, bucket_start
from app.services.scheduling.localtime import local_day
from app.services.scheduling.timetable import Timetable
from app.services.scheduling.window import Window

STAFF_REACH = timedelta(days=3653)
"""How far from now staff can book, either way: beyond ten years it is a typing error."""


class Slot(NamedTuple):
    """A start time that can be booked now."""

    starts_at: datetime
    """Aware UTC."""
    day: str
    """The clinic's local day, "YYYY-MM-DD"."""
    time: str
    """The clinic's wall-clock time, "HH:MM"; names `starts_at` without doubt."""
    provider_ids: tuple[PyObjectId, ...]
    """Everyone who can be booked: a chair is free for as long as they take."""
    chair_ids: tuple[PyObjectId, ...]
    """The chairs in which at least one of them can be booked, all of them if they take as long."""


class Refusal(StrEnum):
    """Why a time cannot be booked whatever others have booked."""

    NOT_PERFORMED = "not_performed"
    """No active provider performs the service, or no active chair serves it."""
    TOO_SOON = "too_soon"
    TOO_FAR = "too_far"
    OFF_GRID = "off_grid"
    """Not one of the service's start times; for patients also a start the wall clock repeats."""
    CLOSED = "closed"
    """A holiday of the clinic."""
    OUTSIDE_HOURS = "outside_hours"
    TIME_OFF = "time_off"


class Pair(NamedTuple):
    """A provider and a chair that are both free."""

    provider_id: PyObjectId
    chair_id: PyObjectId
    duration_minutes: int | None = None
    """How long the visit lasts with this provider; unset: as long as the service does."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What there is for one start time.

    A `refusal` means that the time is not bookable at all (422). Without one and without pairs it
    is taken, or the patient has a visit then (409).
    """

    pairs: tuple[Pair, ...] = ()
    """In the order in which to try them."""
    refusal: Refusal | None = None
    patient_busy: bool = False


def find_slots(timetable: Timetable, first_day: date, last_day: date, now: datetime) -> list[Slot]:
    """Every start time that patients can book on the local days asked for (inclusive), in order."""
    found = _fitting(timetable, first_day, last_day, now)
    return _slots(*found) if found else []


def find_times(
    timetable: Timetable, first_day: date, last_day: date, now: datetime
) -> dict[str, list[str]]:
    """The same start times as local days with their "HH:MM" times; only days that have some.

    Who fits at each of them, and where, is not written down: it is most of the work.
    """
    days: dict[str, list[str]] = {}
    if found := _fitting(timetable, first_day, last_day, now):
        window, providers, _ = found
        for _, day, time in window.read_off(_union(providers.values())):
            days.setdefault(day, []).append(time)
    return days


def _fitting(
    timetable: Timetable, first_day: date, last_day: date, now: datetime
) -> tuple[Window, dict[PyObjectId, int], dict[PyObjectId, int]] | None:
    """From which starts each provider and each chair fits; `None` where no day can be booked."""
    opens, closes = timetable.bookable_days(now)
    first_day, last_day = max(first_day, opens), min(last_day, closes)
    if first_day > last_day:
        return None
    window = Window(timetable, first_day, last_day)
    starts = window.starts(first_day, last_day, bucket_ceil(timetable.earliest(now)))
    providers = dict.fromkeys([one.id for one in timetable.performers()], 0)
    chairs = dict.fromkeys([one.id for one in timetable.rooms()], 0)
    for minutes in timetable.by_length():
        _add_fitting(window, minutes, starts, providers, chairs)
    return window, providers, chairs


def _add_fitting(
    window: Window,
    minutes: int,
    starts: int,
    providers: dict[PyObjectId, int],
    chairs: dict[PyObjectId, int],
) -> None:
    """Enter from which starts the providers who take so long fit, and the chairs for them."""
    timetable = window.timetable
    starts &= window.patient_free(minutes)
    rooms = {one.id: starts & window.chair_fits(one, minutes) for one in timetable.rooms()}
    seated = _union(rooms.values())
    fitting = {one.id: seated & window.provider_fits(one) for one in timetable.by_length()[minutes]}
    attended = _union(fitting.values())
    providers.update(fitting)
    for room_id, mask in rooms.items():
        chairs[room_id] |= mask & attended


def _slots(
    window: Window, providers: Mapping[PyObjectId, int], chairs: Mapping[PyObjectId, int]
) -> list[Slot]:
    """A slot for every start at which somebody fits."""
    starts = _union(providers.values())
    provider_rows = [(one, window.digits(mask)) for one, mask in providers.items()]
    chair_rows = [(one, window.digits(mask)) for one, mask in chairs.items()]
    return [
        Slot(
            bucket_start(window.base + bit),
            day,
            time,
            tuple([one for one, row in provider_rows if row[bit] == "1"]),
            tuple([one for one, row in chair_rows if row[bit] == "1"]),
        )
        for bit, day, time in window.read_off(starts)
    ]


def _union(masks: Iterable[int]) -> int:
    return reduce(or_, masks, 0)


def nearest_free(slots: Iterable[Slot], wanted: datetime, n: int = 3) -> list[Slot]:
    """The `n` slots nearest to the instant wanted, nearest first, the earlier of two as near."""
    return nsmallest(n, slots, key=lambda slot: (abs(slot.starts_at - wanted), slot.starts_at))


def candidates_at(
    timetable: Timetable, starts_at: datetime, now: datetime, *, staff: bool = False
) -> Candidates:
    """The provider and chair pairs for one start time, best first, or why there can be none.

    Providers with the least booked time that day come first, so that work is shared out; chairs
    where the visit fits most closely to others come first, so that gaps stay whole. Equal chairs
    come by name; equal providers in an order that is another one each day.
    """
    providers, chairs = timetable.performers(), timetable.rooms()
    if not providers or not chairs:
        return Candidates(refusal=Refusal.NOT_PERFORMED)
    refusal = _refused_reach(timetable, starts_at, now, staff=staff)
    if refusal is not None:
        return Candidates(refusal=refusal)
    day = local_day(starts_at, timetable.clinic.zone)
    window = Window(timetable, day, day)
    refusal = refused_time(window, providers, starts_at, staff=staff)
    if refusal is not None:
        return Candidates(refusal=refusal)
    return _rank(window, providers, chairs, starts_at)


def is_bookable(
    timetable: Timetable, starts_at: datetime, now: datetime, *, staff: bool = False
) -> bool:
    """Whether a visit can be booked at this instant."""
    return bool(candidates_at(timetable, starts_at, now, staff=staff).pairs)


def _refused_reach(
    timetable: Timetable, starts_at: datetime, now: datetime, *, staff: bool
) -> Refusal | None:
    if staff:
        too_soon, too_far = starts_at < now - STAFF_REACH, starts_at > now + STAFF_REACH
    else:
        too_soon = starts_at < timetable.earliest(now)
        too_far = local_day(starts_at, timetable.clinic.zone) > timetable.bookable_days(now)[1]
    if too_soon:
        return Refusal.TOO_SOON
    return Refusal.TOO_FAR if too_far else None


def refused_time(
    window: Window, providers: Iterable[Provider], starts_at: datetime, *, staff: bool
) -> Refusal | None:
    """Why nobody could take a visit at this instant even if nothing were booked."""
    bit = window.bit(starts_at)
    on_raster = bucket_ceil(starts_at) == bucket_floor(starts_at)
    if not on_raster or not (staff or window.grid() >> bit & 1):
        return Refusal.OFF_GRID
    if not window.open(RASTER_MINUTES) >> bit & 1:
        return Refusal.CLOSED
    at_work = [one for one in providers if window.within_hours(one) >> bit & 1]
    if not at_work:
        return Refusal.OUTSIDE_HOURS
    if any(window.attends(one) >> bit & 1 for one in at_work):
        return None
    is_open = any(window.open(window.timetable.minutes_with(one)) >> bit & 1 for one in at_work)
    return Refusal.TIME_OFF if is_open else Refusal.CLOSED


def _rank(
    window: Window, providers: list[Provider], chairs: list[Chair], starts_at: datetime
) -> Candidates:
    bit, lasting = window.bit(starts_at), window.timetable.minutes_with
    there = [one for one in providers if window.attends(one) >> bit & 1]
    lengths = {
        minutes for minutes in map(lasting, there) if window.patient_free(minutes) >> bit & 1
    }
    if not lengths:
        return Candidates(patient_busy=True)
    dentists = [
        one for one in there if lasting(one) in lengths and window.provider_fits(one) >> bit & 1
    ]
    day = local_day(starts_at, window.timetable.clinic.zone)
    dentists.sort(key=lambda one: (window.booked(one), _turn(one, day)))
    rooms = {minutes: _rooms(window, chairs, bit, minutes) for minutes in lengths}
    return Candidates(
        tuple(
            Pair(one.id, room_id, lasting(one))
            for one in dentists
            for room_id in rooms[lasting(one)]
        )
    )


def _rooms(window: Window, chairs: list[Chair], bit: int, minutes: int) -> list[PyObjectId]:
    """The chairs that are free for so long, the one that keeps gaps most whole first."""
    free = [one for one in chairs if window.chair_fits(one, minutes) >> bit & 1]
    free.sort(key=lambda one: (*window.gaps(one, bit, minutes), one.name, one.id))
    return [one.id for one in free]


def _turn(provider: Provider, day: date) -> tuple[int, PyObjectId]:
    """Where equal providers come that day: by lot, the same one whoever draws it."""
    return crc32(f"{day} {provider.name}".encode()), provider.id
