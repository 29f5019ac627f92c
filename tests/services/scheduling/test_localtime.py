"""The clinic's wall clock and instants, where zones do their worst."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.scheduling.localtime import (
    AmbiguousLocalTimeError,
    NonexistentLocalTimeError,
    OffsetSpan,
    TimeOutOfRangeError,
    day_bounds,
    describe,
    local_day,
    month_days,
    offset_spans,
    resolve_local,
    to_instant,
)

NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
ZONES = [
    ZoneInfo(key)
    for key in (
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Europe/London",
        "Asia/Kolkata",
        "America/Phoenix",
        "America/Havana",
        "Africa/Casablanca",
        "Pacific/Kiritimati",
    )
]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def naive(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - a client's local time


class TestResolveLocal:
    def test_reads_winter_and_summer_time(self) -> None:
        assert resolve_local(naive(2026, 1, 5, 9, 0), NEW_YORK) == utc(2026, 1, 5, 14, 0)
        assert resolve_local(naive(2026, 7, 6, 9, 0), NEW_YORK) == utc(2026, 7, 6, 13, 0)

    def test_answers_in_utc_at_milliseconds(self) -> None:
        instant = resolve_local(naive(2026, 1, 5, 9, 0, 0, 123_456), NEW_YORK)

        assert instant.tzinfo is UTC
        assert instant.microsecond == 123_000

    @pytest.mark.parametrize(
        ("time", "zone"),
        [
            (naive(2026, 3, 8, 2, 0), NEW_YORK),
            (naive(2026, 3, 8, 2, 59), NEW_YORK),
            (naive(2026, 10, 4, 2, 15), LORD_HOWE),
            (naive(2018, 11, 4, 0, 30), SAO_PAULO),
        ],
    )
    def test_refuses_a_skipped_time(self, time: datetime, zone: ZoneInfo) -> None:
        with pytest.raises(NonexistentLocalTimeError, match="does not exist") as refused:
            resolve_local(time, zone)

        assert (refused.value.status, refused.value.slug) == (422, "local-time-nonexistent")

    @pytest.mark.parametrize(
        ("time", "zone"),
        [
            (naive(2026, 11, 1, 1, 0), NEW_YORK),
            (naive(2026, 11, 1, 1, 59), NEW_YORK),
            (naive(2026, 4, 5, 1, 45), LORD_HOWE),
            (naive(2018, 2, 17, 23, 30), SAO_PAULO),
        ],
    )
    def test_refuses_a_repeated_time(self, time: datetime, zone: ZoneInfo) -> None:
        with pytest.raises(AmbiguousLocalTimeError, match="occurs twice") as refused:
            resolve_local(time, zone)

        assert (refused.value.status, refused.value.slug) == (422, "local-time-ambiguous")

    @pytest.mark.parametrize(
        "time", [naive(2026, 3, 8, 1, 59), naive(2026, 3, 8, 3, 0), naive(2026, 11, 1, 2, 0)]
    )
    def test_takes_the_minutes_around_a_change(self, time: datetime) -> None:
        assert resolve_local(time, NEW_YORK).astimezone(NEW_YORK).replace(tzinfo=None) == time

    def test_refuses_an_offset(self) -> None:
        with pytest.raises(ValueError, match="offset"):
            resolve_local(utc(2026, 1, 5, 9), NEW_YORK)

    @given(st.datetimes(naive(2007, 1, 1), naive(2037, 1, 1)), st.sampled_from(ZONES))
    def test_answers_only_where_the_clock_shows_it_once(
        self, time: datetime, zone: ZoneInfo
    ) -> None:
        time = time.replace(microsecond=0)
        day = datetime.combine(time.date(), time.time(), UTC)
        # Every offset in use is a multiple of 15 minutes and within 16 hours of UTC.
        shown = [
            instant
            for instant in (day + timedelta(minutes=15 * step) for step in range(-64, 65))
            if instant.astimezone(zone).replace(tzinfo=None) == time
        ]

        if len(shown) == 1:
            assert resolve_local(time, zone) == shown[0]
        else:
            expected = AmbiguousLocalTimeError if shown else NonexistentLocalTimeError
            with pytest.raises(expected):
                resolve_local(time, zone)


class TestToInstant:
    def test_takes_an_offset_at_its_word(self) -> None:
        value = datetime(2026, 11, 1, 1, 30, 0, 1_999, tzinfo=timezone(-timedelta(hours=4)))

        assert to_instant(value, NEW_YORK) == utc(2026, 11, 1, 5, 30, 0, 1_000)

    def test_reads_a_naive_time_on_the_clinics_clock(self) -> None:
        assert to_instant(naive(2026, 1, 5, 9), NEW_YORK) == utc(2026, 1, 5, 14)

    @pytest.mark.parametrize(
        "value",
        [
            naive(9999, 12, 31, 23),
            datetime.min.replace(tzinfo=timezone(timedelta(hours=10))),
            datetime.max.replace(tzinfo=timezone(-timedelta(hours=10))),
        ],
    )
    def test_refuses_the_ends_of_the_calendar(self, value: datetime) -> None:
        with pytest.raises(TimeOutOfRangeError):
            to_instant(value, NEW_YORK)


class TestDays:
    def test_local_day_is_the_clinics(self) -> None:
        assert local_day(utc(2026, 11, 24, 4, 59), NEW_YORK) == date(2026, 11, 23)
        assert local_day(utc(2026, 11, 24, 5, 0), NEW_YORK) == date(2026, 11, 24)

    @pytest.mark.parametrize(
        ("instant", "zone"),
        [
            (datetime.min.replace(tzinfo=UTC), NEW_YORK),
            (datetime.max.replace(tzinfo=UTC), ZoneInfo("Pacific/Kiritimati")),
        ],
        ids=["first", "last"],
    )
    def test_local_day_refuses_the_ends_of_the_calendar(
        self, instant: datetime, zone: ZoneInfo
    ) -> None:
        with pytest.raises(TimeOutOfRangeError):
            local_day(instant, zone)

    def test_month_days_knows_leap_years(self) -> None:
        assert month_days(2028, 2)[0] == date(2028, 2, 1)
        assert len(month_days(2028, 2)) == 29
        assert len(month_days(2026, 2)) == 28

    @pytest.mark.parametrize(
        ("zone", "day", "start", "end"),
        [
            ("America/New_York", (2026, 11, 24), (2026, 11, 24, 5), (2026, 11, 25, 5)),
            ("America/New_York", (2026, 3, 8), (2026, 3, 8, 5), (2026, 3, 9, 4)),
            ("America/New_York", (2026, 11, 1), (2026, 11, 1, 4), (2026, 11, 2, 5)),
            # Midnight does not exist: the day starts at 01:00.
            ("America/Sao_Paulo", (2018, 11, 4), (2018, 11, 4, 3), (2018, 11, 5, 2)),
            # 00:00 is reached and falls back to 23:00 of the day before, which has 25 hours.
            ("America/Sao_Paulo", (2018, 2, 17), (2018, 2, 17, 2), (2018, 2, 18, 3)),
            # 00:00 to 01:00 is repeated: the first midnight starts the day.
            ("America/Havana", (2026, 11, 1), (2026, 11, 1, 4), (2026, 11, 2, 5)),
            # 00:01 falls back to 23:01 of the day before: the second midnight starts the day.
            ("America/St_Johns", (2010, 11, 7), (2010, 11, 7, 3, 30), (2010, 11, 8, 3, 30)),
            # 23:30 jumps to 00:30: the day starts in the middle of the gap.
            ("America/Toronto", (1919, 3, 31), (1919, 3, 31, 4, 30), (1919, 4, 1, 4)),
            # The zone left this day out.
            ("Pacific/Apia", (2011, 12, 30), (2011, 12, 30, 10), (2011, 12, 30, 10)),
        ],
    )
    def test_day_bounds(
        self, zone: str, day: tuple[int, int, int], start: tuple[int, ...], end: tuple[int, ...]
    ) -> None:
        assert day_bounds(date(*day), ZoneInfo(zone)) == (utc(*start), utc(*end))

    @pytest.mark.parametrize("day", [date.min, date.max])
    def test_day_bounds_refuses_the_ends_of_the_calendar(self, day: date) -> None:
        with pytest.raises(TimeOutOfRangeError):
            day_bounds(day, NEW_YORK)

    @given(st.dates(date(2007, 1, 1), date(2037, 1, 1)), st.sampled_from(ZONES))
    def test_day_bounds_hold_exactly_the_days_instants(self, day: date, zone: ZoneInfo) -> None:
        start, end = day_bounds(day, zone)

        assert local_day(start, zone) == local_day(end - timedelta(seconds=1), zone) == day
        assert local_day(start - timedelta(seconds=1), zone) < day < local_day(end, zone)


class TestDescribe:
    def test_names_day_time_and_zone(self) -> None:
        text = describe(utc(2026, 11, 24, 14), NEW_YORK)

        assert text == "Tuesday 24 November 2026, 09:00 (America/New_York)"

    def test_tells_the_two_passes_of_a_repeated_hour_apart(self) -> None:
        first, second = (describe(utc(2026, 11, 1, hour, 30), NEW_YORK) for hour in (5, 6))

        assert first == "Sunday 1 November 2026, 01:30 (America/New_York, UTC-0400)"
        assert second == "Sunday 1 November 2026, 01:30 (America/New_York, UTC-0500)"


class TestOffsetSpans:
    def test_cuts_a_year_at_its_two_changes(self) -> None:
        start, end = int(utc(2026, 1, 1).timestamp()), int(utc(2027, 1, 1).timestamp())
        spring, autumn = (int(utc(*at).timestamp()) for at in ((2026, 3, 8, 7), (2026, 11, 1, 6)))

        assert offset_spans(NEW_YORK, start, end) == [
            OffsetSpan(start, spring, -18_000),
            OffsetSpan(spring, autumn, -14_400),
            OffsetSpan(autumn, end, -18_000),
        ]

    @given(
        st.datetimes(naive(2015, 1, 1), naive(2037, 1, 1)),
        st.integers(1, 500 * 3600),
        st.integers(0, 500 * 3600),
        st.sampled_from(ZONES),
    )
    def test_says_what_the_zone_says(
        self, since: datetime, length: int, later: int, zone: ZoneInfo
    ) -> None:
        start = int(since.replace(tzinfo=UTC).timestamp())
        probe = start + later % length

        spans = offset_spans(zone, start, start + length)

        offset = datetime.fromtimestamp(probe, zone).utcoffset()
        assert offset is not None
        assert [one.offset for one in spans if one.start <= probe < one.end] == [
            offset.total_seconds()
        ]
        assert (spans[0].start, spans[-1].end) == (start, start + length)
