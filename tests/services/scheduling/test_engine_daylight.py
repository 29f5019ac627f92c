"""The slot engine where the clock changes: opening times hold, every slot has one name."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.services.scheduling.engine import Slot, find_slots, find_times, is_bookable
from app.services.scheduling.localtime import day_bounds, resolve_local
from app.services.scheduling.timetable import Timetable
from tests.services.scheduling.builders import (
    ALL_DAY,
    CHANGE_DAYS,
    clinic,
    provider,
    service,
    timetable,
)

ZONES = (
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Europe/London",
    "Asia/Kolkata",
    "America/Phoenix",
)
FIVE = timedelta(minutes=5)


def _times(table: Timetable, day: date, now: datetime) -> list[str]:
    return find_times(table, day, day, now).get(day.isoformat(), [])


class TestDaylightSaving:
    @pytest.mark.parametrize("zone", ZONES)
    def test_every_offered_slot_books_on_every_day_of_three_years(self, zone: str) -> None:
        """The first and last of each day are checked; opening time never shifts."""
        now = datetime(2026, 1, 1, tzinfo=UTC)
        hours = [("08:30", "12:00"), ("13:00", "17:30")]
        table = timetable(provider(hours), at=clinic(zone, grid=30, horizon=1096))

        slots = find_slots(table, date(2026, 1, 2), date(2028, 12, 31), now)

        days = find_times(table, date(2026, 1, 2), date(2028, 12, 31), now)
        assert len(days) == 1095
        assert {(labels[0], labels[-1], len(labels)) for labels in days.values()} == {
            ("08:30", "16:30", 14)
        }
        for slot in (*slots[::14], *slots[13::14]):
            assert resolve_local(_named(slot), table.clinic.zone) == slot.starts_at
            assert is_bookable(table, slot.starts_at, now)

    @pytest.mark.parametrize(("zone", "day"), CHANGE_DAYS)
    @pytest.mark.parametrize("grid", [5, 60])
    def test_round_the_clock_each_slot_is_named_by_its_local_time(
        self, zone: str, day: date, grid: int
    ) -> None:
        first, last = day - timedelta(days=1), day + timedelta(days=1)
        now = datetime.combine(first, time.min, UTC) - timedelta(days=2)
        table = timetable(provider(ALL_DAY), at=clinic(zone, grid=grid), offered=service(30))

        slots = find_slots(table, first, last, now)

        named = [resolve_local(_named(slot), table.clinic.zone) for slot in slots]
        assert named == [slot.starts_at for slot in slots] == sorted(set(named))
        assert named == [
            instant
            for instant in _every_five_minutes(first, last, table.clinic.zone)
            if is_bookable(table, instant, now)
        ]

    def test_a_visit_over_the_gap_lasts_its_real_time(self) -> None:
        table = timetable(provider([("01:00", "04:00")]), at=clinic(grid=30))

        assert _times(table, date(2026, 3, 8), datetime(2026, 3, 1, tzinfo=UTC)) == [
            "01:00",
            "01:30",
            "03:00",
        ]

    def test_hours_that_lie_in_the_gap_are_none(self) -> None:
        table = timetable(provider([("02:00", "03:00")]), offered=service(5))

        assert _times(table, date(2026, 3, 8), datetime(2026, 3, 1, tzinfo=UTC)) == []

    def test_repeated_times_are_not_offered(self) -> None:
        table = timetable(provider([("00:00", "03:00")]), at=clinic(grid=30))

        assert _times(table, date(2026, 11, 1), datetime(2026, 10, 1, tzinfo=UTC)) == [
            "00:00",
            "00:30",
            "02:00",
        ]


def _named(slot: Slot) -> datetime:
    return datetime.fromisoformat(f"{slot.day}T{slot.time}")


def _every_five_minutes(first: date, last: date, zone: ZoneInfo) -> list[datetime]:
    start, end = day_bounds(first, zone)[0], day_bounds(last, zone)[1]
    return [start + FIVE * step for step in range((end - start) // FIVE)]
