"""Every local day of three years in six zones: what is offered can be booked, and nothing else.

The expected times are written down here by hand and turned into instants by `zoneinfo` alone.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from app.models.schedule import Holiday, HoursPeriod, Weekday
from app.services.scheduling.engine import candidates_at, find_slots, is_bookable
from app.services.scheduling.timetable import Timetable
from tests.services.scheduling.builders import ALL_DAY, clinic, provider, service, timetable

ZONES = (
    "America/New_York",
    "America/Phoenix",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/London",
)
CHANGES_IN_THREE_YEARS = {"America/New_York": 6, "Australia/Lord_Howe": 6, "Europe/London": 6}
FIRST, LAST = date(2026, 1, 1), date(2028, 12, 31)
DAYS = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
NOW = datetime(2025, 12, 31, 8, tzinfo=UTC)
FIVE, HALF_HOUR, DAY_AND_MORE = timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=26)

MORNING = ["08:30", "09:00", "09:30", "10:00", "10:30", "11:00"]
AFTERNOON = ["13:00", "13:30", "14:00", "14:30", "15:00", "15:30", "16:00", "16:30"]
SUMMER = ["07:00", "07:30", "08:00", "08:30", "09:00"]


def practice(zone: str) -> Timetable:
    """Open 8:30 to 12 and 13 to 17:30; each July 7 to 10; closed on two holidays."""
    summers = [
        HoursPeriod(
            effective_from=f"{year}-07-01",
            effective_until=f"{year}-07-31",
            working_hours=dict.fromkeys(Weekday, [("07:00", "10:00")]),  # noqa: RUF024
        )
        for year in (2026, 2027, 2028)
    ]
    grey = provider([("08:30", "12:00"), ("13:00", "17:30")])
    holidays = [
        Holiday(name="Christmas", day="2020-12-25", every_year=True),
        Holiday(name="Change of clocks", day="2026-03-08"),
    ]
    rules = clinic(zone, grid=30, horizon=1096).model_copy(update={"holidays": holidays})
    return timetable(grey.model_copy(update={"hours_periods": summers}), at=rules)


def expected(day: date) -> list[str]:
    """The start times of that day, whatever the clock does at night."""
    if day == date(2026, 3, 8) or (day.month, day.day) == (12, 25):
        return []
    return SUMMER if day.month == 7 else MORNING + AFTERNOON


def instants(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    while start < end:
        yield start
        start += step


def midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def changes(zone: ZoneInfo) -> list[datetime]:
    """The hours of the three years at whose end the zone has another offset."""
    start, end = midnight(FIRST, zone), midnight(LAST, zone)
    hours = instants(start, end, timedelta(hours=1))
    offsets = [(hour, hour.astimezone(zone).utcoffset()) for hour in hours]
    return [before for (before, one), (_, other) in pairwise(offsets) if one != other]


@pytest.mark.parametrize("zone", ZONES)
class TestEveryDay:
    def test_the_same_times_are_offered_whatever_the_season(self, zone: str) -> None:
        slots = find_slots(practice(zone), FIRST, LAST, NOW)

        where = ZoneInfo(zone)
        assert [(slot.day, slot.time) for slot in slots] == [
            (day.isoformat(), label) for day in DAYS for label in expected(day)
        ]
        assert [slot.starts_at for slot in slots] == [
            datetime.combine(day, time.fromisoformat(label), where).astimezone(UTC)
            for day in DAYS
            for label in expected(day)
        ]
        shown = [f"{slot.starts_at.astimezone(where):%Y-%m-%d %H:%M}" for slot in slots]
        assert shown == [f"{slot.day} {slot.time}" for slot in slots]
        assert all(one.starts_at < other.starts_at for one, other in pairwise(slots))

    def test_exactly_what_is_offered_can_be_booked(self, zone: str) -> None:
        table, where = practice(zone), ZoneInfo(zone)
        offered = {slot.starts_at for slot in find_slots(table, FIRST, LAST, NOW)}
        start, end = midnight(FIRST, where), midnight(LAST + timedelta(days=1), where)

        bookable = {one for one in instants(start, end, HALF_HOUR) if is_bookable(table, one, NOW)}

        assert bookable == offered


@pytest.mark.parametrize("zone", sorted(CHANGES_IN_THREE_YEARS))
class TestAroundEachChange:
    """Round the clock, every five minutes, from a day before to a day after."""

    def test_each_time_the_clock_shows_once_is_offered_and_can_be_booked(self, zone: str) -> None:
        where = ZoneInfo(zone)
        found = changes(where)
        rules = clinic(zone, grid=5, horizon=1096)
        table = timetable(provider(ALL_DAY), at=rules, offered=service(30))

        assert len(found) == CHANGES_IN_THREE_YEARS[zone]
        for change in found:
            span = list(instants(change - DAY_AND_MORE, change + DAY_AND_MORE, FIVE))
            first, last = span[0].astimezone(where).date(), span[-1].astimezone(where).date()
            slots = find_slots(table, first, last, NOW)
            offered = {slot.starts_at: f"{slot.day} {slot.time}" for slot in slots}
            clock = {one: f"{one.astimezone(where):%Y-%m-%d %H:%M}" for one in span}
            shown = Counter(clock.values())

            once = {one: label for one, label in clock.items() if shown[label] == 1}
            assert {one: offered.get(one) for one in span} == {one: once.get(one) for one in span}
            assert {one for one in span if is_bookable(table, one, NOW)} == once.keys()
            assert len(set(offered.values())) == len(slots) == len(offered)

    def test_staff_can_book_every_instant_also_one_that_the_clock_shows_twice(
        self, zone: str
    ) -> None:
        table = timetable(provider(ALL_DAY), at=clinic(zone), offered=service(30))

        for change in changes(ZoneInfo(zone)):
            for one in instants(change - DAY_AND_MORE, change + DAY_AND_MORE, FIVE):
                assert candidates_at(table, one, NOW, staff=True).pairs

    def test_a_holiday_on_the_day_closes_all_of_it_and_nothing_else(self, zone: str) -> None:
        where = ZoneInfo(zone)
        for change in changes(where):
            # The hour may end on the day of the change, at midnight or before.
            day = (change + timedelta(hours=1)).astimezone(where).date()
            closed = [Holiday(name="Closed", day=day.isoformat())]
            rules = clinic(zone, grid=5).model_copy(update={"holidays": closed})
            table = timetable(provider(ALL_DAY), at=rules, offered=service(30))
            span = instants(change - DAY_AND_MORE, change + DAY_AND_MORE, FIVE)

            for one in span:
                last_minute = one + timedelta(minutes=29)
                touched = {one.astimezone(where).date(), last_minute.astimezone(where).date()}
                is_open = is_bookable(table, one, NOW, staff=True)
                assert is_open == (day not in touched)
