"""Who is offered which time: properties of the pure part."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.base import new_id
from app.models.schedule import Weekday
from app.models.waitlist import PartOfDay, WaitlistEntry
from app.services.scheduling.waitlist_ranking import (
    PEOPLE_A_TIME,
    TIMES_AN_OFFER,
    LocalStart,
    Promises,
    buckets_of,
    pick,
    ranked,
    seen_times,
    still_known,
    suits,
)

START = datetime(2026, 8, 20, 13, 0, tzinfo=UTC)
quarters = st.integers(0, 400).map(lambda n: START + timedelta(minutes=15 * n))
lengths = st.integers(1, 32).map(lambda n: timedelta(minutes=15 * n))


def entry(**given: Any) -> WaitlistEntry:
    """Waits from 20 to 26 August 2026, a Thursday to a Wednesday."""
    fields: dict[str, Any] = {
        "service_id": "cleaning",
        "name": "Dana",
        "name_key": "dana",
        "contact": "dana@example.com",
        "first_day": "2026-08-20",
        "last_day": "2026-08-26",
        "expires_at": START,
        "next_offer_at": START,
        "added_by": "form",
    }
    return WaitlistEntry(**(fields | given))


class TestRanked:
    @given(st.lists(quarters, max_size=20))
    def test_nobody_is_passed_by_who_came_later(self, joined: list[datetime]) -> None:
        entries = [entry(created_at=at) for at in joined]

        found = ranked(entries)

        assert {one.id for one in found} == {one.id for one in entries}
        assert all(a.created_at <= b.created_at for a, b in pairwise(found))

    def test_of_two_at_the_same_instant_the_order_is_always_the_same(self) -> None:
        entries = [entry(created_at=START) for _ in range(5)]

        assert ranked(entries) == ranked(reversed(entries))


class TestSuits:
    @pytest.mark.parametrize(
        ("wish", "local_time", "minutes", "fits"),
        [
            ({}, "2026-08-20T00:00", 30, True),
            ({}, "2026-08-19T23:55", 30, False),
            ({}, "2026-08-26T23:55", 30, True),
            ({}, "2026-08-27T00:00", 30, False),
            ({"weekdays": [Weekday.FRI]}, "2026-08-21T09:00", 30, True),
            ({"weekdays": [Weekday.FRI]}, "2026-08-22T09:00", 30, False),
            ({"times": [PartOfDay.MORNING]}, "2026-08-20T11:55", 60, True),
            ({"times": [PartOfDay.MORNING]}, "2026-08-20T12:00", 5, False),
            ({"times": [PartOfDay.AFTERNOON]}, "2026-08-20T12:00", 5, True),
            ({"times": [PartOfDay.AFTERNOON]}, "2026-08-20T17:00", 5, False),
            ({"times": [PartOfDay.EVENING]}, "2026-08-20T17:00", 5, True),
            ({"times": [("09:00", "10:00")]}, "2026-08-20T09:00", 60, True),
            ({"times": [("09:00", "10:00")]}, "2026-08-20T09:05", 60, False),
            ({"times": [("09:00", "10:00")]}, "2026-08-20T08:55", 60, False),
            ({"times": [("09:00", "10:00"), PartOfDay.EVENING]}, "2026-08-20T18:00", 60, True),
            ({"times": [("20:00", "24:00")]}, "2026-08-20T23:00", 60, True),
        ],
        ids=range(16),
    )
    def test_a_time_by_days_weekdays_and_times_of_day(
        self, wish: dict[str, Any], local_time: str, minutes: int, *, fits: bool
    ) -> None:
        assert suits(entry(**wish), LocalStart.of(local_time), minutes) is fits


class TestPick:
    @given(st.lists(quarters, unique=True), lengths, st.lists(st.tuples(quarters, lengths)))
    def test_offers_the_earliest_that_do_not_overlap_and_are_not_promised_to_too_many(
        self,
        news: list[datetime],
        lasting: timedelta,
        promised: list[tuple[datetime, timedelta]],
    ) -> None:
        promises = Promises()
        for at, length in promised:
            promises.add(new_id(), [at], length)

        picked = pick(news, lasting, promises)

        assert len(picked) <= TIMES_AN_OFFER
        assert set(picked) <= set(news)
        assert all(a + lasting <= b for a, b in pairwise(picked))
        assert all(promises.people_at(at, lasting) < PEOPLE_A_TIME for at in picked)
        open_ones = [at for at in sorted(news) if promises.people_at(at, lasting) < PEOPLE_A_TIME]
        assert picked[:1] == open_ones[:1]

    @given(st.lists(quarters, unique=True, min_size=1), lengths, st.integers(1, 12))
    def test_nothing_is_ever_offered_to_more_than_three(
        self, free: list[datetime], lasting: timedelta, people: int
    ) -> None:
        promises = Promises()
        for _ in range(people):
            promises.add(new_id(), pick(free, lasting, promises), lasting)

        assert all(promises.people_at(at, timedelta(minutes=5)) <= PEOPLE_A_TIME for at in free)

    def test_what_ends_where_another_begins_does_not_overlap(self) -> None:
        promises = Promises()
        hour = timedelta(hours=1)
        for _ in range(PEOPLE_A_TIME):
            promises.add(new_id(), [START], hour)

        assert pick([START - hour, START, START + hour], hour, promises) == [
            START - hour,
            START + hour,
        ]

    def test_several_times_of_one_person_count_once(self) -> None:
        promises = Promises()
        promises.add(new_id(), [START, START + timedelta(minutes=15)], timedelta(hours=1))

        assert promises.people_at(START, timedelta(hours=1)) == 1


class TestKnownTimes:
    @given(st.sets(st.integers(0, 2**31)).filter(lambda b: not b or max(b) - min(b) < 60_000))
    def test_are_read_back_as_they_were_stored(self, buckets: set[int]) -> None:
        assert buckets_of(seen_times(buckets)) == buckets

    def test_of_half_a_year_are_small(self) -> None:
        seen = seen_times(range(5_900_000, 5_900_000 + 180 * 288))

        assert seen is not None
        assert len(seen.mask) <= 6_480

    @given(st.sets(st.integers(0, 99)), st.sets(st.integers(0, 99)), st.integers(0, 99))
    def test_what_is_taken_now_is_forgotten_and_the_past_is_left_alone(
        self, known: set[int], free: set[int], now: int
    ) -> None:
        kept = still_known(known, free, now)

        assert kept <= known
        assert {one for one in kept if one > now} == {one for one in known & free if one > now}
        assert {one for one in kept if one <= now} == {one for one in known if one <= now}
