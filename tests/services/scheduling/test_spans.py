"""Stretches of time."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.scheduling.localtime import day_bounds
from app.services.scheduling.spans import Span, joined, local_spans, within, without
from tests.services.scheduling.builders import CHANGE_DAYS

START = datetime(2026, 8, 20, tzinfo=UTC)
MINUTES = 60


def span(first: int, last: int) -> Span:
    """Minutes after START."""
    return Span(START + timedelta(minutes=first), START + timedelta(minutes=last))


def minutes_of(spans: list[Span]) -> set[int]:
    """Every minute the spans hold, counted one by one."""
    return {
        minute
        for one in spans
        for minute in range(MINUTES)
        if one.starts_at <= START + timedelta(minutes=minute) < one.ends_at
    }


some_spans = st.lists(
    st.tuples(st.integers(0, MINUTES), st.integers(0, MINUTES)).map(lambda e: span(*sorted(e))),
    max_size=6,
)


class TestAlgebra:
    @given(spans=some_spans, taken=some_spans)
    def test_what_is_left_is_what_nothing_takes(self, spans: list[Span], taken: list[Span]) -> None:
        left = without(spans, taken)

        assert minutes_of(left) == minutes_of(spans) - minutes_of(taken)
        assert left == joined(left)

    @given(spans=some_spans, bounds=some_spans.filter(bool))
    def test_within_bounds(self, spans: list[Span], bounds: list[Span]) -> None:
        inside = within(bounds[0], spans)

        assert minutes_of(inside) == minutes_of(spans) & minutes_of(bounds[:1])

    @given(spans=some_spans)
    def test_joined_spans_are_in_order_and_apart(self, spans: list[Span]) -> None:
        whole = joined(spans)

        assert minutes_of(whole) == minutes_of(spans)
        assert all(one.ends_at < after.starts_at for one, after in pairwise(whole))
        assert all(one.minutes > 0 for one in whole)


class TestLocalSpans:
    @pytest.mark.parametrize(("zone", "day"), CHANGE_DAYS)
    def test_round_the_clock_is_the_whole_day(self, zone: str, day: date) -> None:
        (whole,) = local_spans(day, [(0, 1440)], ZoneInfo(zone))

        assert whole == Span(*day_bounds(day, ZoneInfo(zone)))

    def test_skipped_time_is_nowhere_and_repeated_time_there_twice(self) -> None:
        zone = ZoneInfo("America/New_York")

        skipped = local_spans(date(2026, 3, 8), [(120, 180)], zone)
        repeated = local_spans(date(2026, 11, 1), [(60, 120)], zone)

        assert skipped == []
        assert [one.minutes for one in repeated] == [120]

    def test_an_interval_over_the_change_is_as_long_as_it_lasts(self) -> None:
        zone = ZoneInfo("America/New_York")

        (spring,) = local_spans(date(2026, 3, 8), [(60, 240)], zone)
        (autumn,) = local_spans(date(2026, 11, 1), [(0, 240)], zone)

        assert (spring.minutes, autumn.minutes) == (120, 300)
