"""Hours of a day as settings write them."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.hours import SendingHours, minute_of_day, parse_clock_time, parse_sending_hours

NEW_YORK = ZoneInfo("America/New_York")
ZONES = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC"]
OFFICE = SendingHours(9 * 60, 18 * 60)


class TestMinuteOfDay:
    @pytest.mark.parametrize(
        ("text", "minutes"), [("00:00", 0), ("09:30", 570), ("23:59", 1439), ("24:00", 1440)]
    )
    def test_counts_from_midnight(self, text: str, minutes: int) -> None:
        assert minute_of_day(text) == minutes

    @pytest.mark.parametrize(
        "text", ["", "9:00", "24:01", "25:00", "09:60", "nine", "\u0966\u096f:00"]
    )
    def test_refuses_anything_else(self, text: str) -> None:
        with pytest.raises(ValueError, match="HH:MM"):
            minute_of_day(text)


class TestParseClockTime:
    def test_reads_text_and_passes_the_rest_on(self) -> None:
        assert parse_clock_time("08:05") == time(8, 5)
        assert parse_clock_time(time(8, 5)) == time(8, 5)

    def test_the_end_of_a_day_is_no_start(self) -> None:
        with pytest.raises(ValueError, match="24:00"):
            parse_clock_time("24:00")


class TestParseSendingHours:
    @pytest.mark.parametrize("text", ["09:00-18:00", "00:00-24:00", "23:59-24:00"])
    def test_reads_what_it_writes(self, text: str) -> None:
        assert str(parse_sending_hours(text)) == text

    @pytest.mark.parametrize("text", ["09:00", "18:00-09:00", "09:00-09:00", "09:00-", "-", "a-b"])
    def test_refuses_anything_else(self, text: str) -> None:
        with pytest.raises(ValueError, match="HH:MM"):
            parse_sending_hours(text)


class TestIncludes:
    @pytest.mark.parametrize(
        ("clock", "inside"), [("08:59", False), ("09:00", True), ("17:59", True), ("18:00", False)]
    )
    def test_the_start_is_inside_and_the_end_is_not(self, clock: str, inside: bool) -> None:
        instant = datetime.fromisoformat(f"2026-08-19T{clock}").replace(tzinfo=NEW_YORK)

        assert OFFICE.includes(instant.astimezone(UTC), NEW_YORK) is inside

    def test_a_whole_day_has_no_gap(self) -> None:
        all_day = SendingHours(0, 1440)
        start = datetime(2026, 3, 8, tzinfo=NEW_YORK).astimezone(UTC)

        assert all(all_day.includes(start + timedelta(minutes=n), NEW_YORK) for n in range(1500))


class TestNextOpening:
    def test_is_now_where_now_is_inside(self) -> None:
        noon = datetime(2026, 8, 19, 16, 0, tzinfo=UTC)

        assert OFFICE.next_opening(noon, NEW_YORK) == noon

    def test_is_this_morning_before_and_tomorrow_after(self) -> None:
        before = datetime(2026, 8, 19, 12, 0, tzinfo=UTC)
        after = datetime(2026, 8, 19, 23, 0, tzinfo=UTC)

        assert OFFICE.next_opening(before, NEW_YORK) == datetime(2026, 8, 19, 13, 0, tzinfo=UTC)
        assert OFFICE.next_opening(after, NEW_YORK) == datetime(2026, 8, 20, 13, 0, tzinfo=UTC)

    def test_a_start_that_daylight_saving_skips_opens_after_the_gap(self) -> None:
        early = SendingHours(2 * 60 + 30, 12 * 60)
        midnight = datetime(2026, 3, 8, 0, 0, tzinfo=NEW_YORK).astimezone(UTC)

        opening = early.next_opening(midnight, NEW_YORK).astimezone(NEW_YORK)

        assert opening.strftime("%H:%M") == "03:30"

    @given(
        minutes=st.integers(0, 2 * 366 * 24 * 60),
        zone=st.sampled_from(ZONES),
        start=st.integers(0, 1380),
        length=st.integers(60, 600),
    )
    def test_is_inside_never_earlier_and_soon(
        self, minutes: int, zone: str, start: int, length: int
    ) -> None:
        hours = SendingHours(start, min(1440, start + length))

        instant = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)

        opening = hours.next_opening(instant, ZoneInfo(zone))

        assert hours.includes(opening, ZoneInfo(zone))
        assert instant <= opening <= instant + timedelta(hours=26)
