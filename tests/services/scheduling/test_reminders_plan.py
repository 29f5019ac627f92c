"""When reminders leave: pure planning, in six zones and across their clock changes."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.appointment import Appointment, ReminderPlan
from app.services.outreach.gate import REMINDER_HOURS
from app.services.scheduling.reminders import (
    LEAST_GAP,
    Reminder,
    due_reminder,
    leaving_time,
    next_reminder,
    plan_reminders,
)
from tests.factories import make_appointment

NEW_YORK = ZoneInfo("America/New_York")
ZONES = [
    NEW_YORK,
    ZoneInfo("Europe/Berlin"),
    ZoneInfo("Australia/Lord_Howe"),
    ZoneInfo("Asia/Kathmandu"),
    ZoneInfo("America/Havana"),
    ZoneInfo("Pacific/Apia"),
]
LONGEST_SHIFT = timedelta(hours=12)
"""No night outside the reminder hours is longer."""
WEEK, TWO_DAYS, TWO_HOURS = 10_080, 2_880, 120
DEFAULT = [WEEK, TWO_DAYS, TWO_HOURS]

instants = st.integers(1_293_840_000, 1_956_528_000).map(lambda s: datetime.fromtimestamp(s, UTC))
"""From 2011, when Samoa left a day out, to 2032."""
zones = st.sampled_from(ZONES)
offsets = st.lists(st.integers(30, 40_320), min_size=1, max_size=6, unique=True)


def at(text: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    """What the wall clock of the zone shows, as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def shown(planned: list[Reminder], zone: ZoneInfo = NEW_YORK) -> list[str]:
    """The plan on the wall clock."""
    return [f"{one.leaves_at.astimezone(zone):%Y-%m-%dT%H:%M}" for one in planned]


class TestLeavingTime:
    @pytest.mark.parametrize(
        ("due", "leaves"),
        [
            ("2026-08-19T07:00", "2026-08-19T07:00"),
            ("2026-08-19T20:59", "2026-08-19T20:59"),
            ("2026-08-19T21:00", "2026-08-19T20:45"),
            ("2026-08-19T22:30", "2026-08-19T20:45"),
            ("2026-08-19T00:00", "2026-08-18T20:45"),
            ("2026-08-19T05:00", "2026-08-18T20:45"),
            ("2026-08-19T06:59", "2026-08-18T20:45"),
            # The nights in which New York's clocks change.
            ("2026-03-08T03:30", "2026-03-07T20:45"),
            ("2026-11-01T01:30", "2026-10-31T20:45"),
        ],
    )
    def test_is_the_evening_before_where_it_falls_at_night(self, due: str, leaves: str) -> None:
        assert leaving_time(at(due), NEW_YORK) == at(leaves)

    def test_of_a_day_that_the_zone_left_out_is_the_evening_before_that(self) -> None:
        apia = ZoneInfo("Pacific/Apia")

        assert leaving_time(at("2011-12-31T05:00", apia), apia) == at("2011-12-29T20:45", apia)

    @given(due=instants, zone=zones)
    def test_is_within_the_hours_never_later_and_never_far_off(
        self, due: datetime, zone: ZoneInfo
    ) -> None:
        leaves = leaving_time(due, zone)

        assert REMINDER_HOURS.includes(leaves, zone)
        assert due - LONGEST_SHIFT < leaves <= due
        if REMINDER_HOURS.includes(due, zone):
            assert leaves == due


class TestPlan:
    def test_is_a_week_two_days_and_two_hours_before(self) -> None:
        planned = plan_reminders(at("2026-08-26T14:00"), NEW_YORK, DEFAULT)

        assert shown(planned) == ["2026-08-19T14:00", "2026-08-24T14:00", "2026-08-26T12:00"]
        assert [one.minutes_before for one in planned] == DEFAULT

    def test_of_an_early_visit_has_its_last_one_on_the_evening_before(self) -> None:
        planned = plan_reminders(at("2026-08-26T08:00"), NEW_YORK, DEFAULT)

        assert shown(planned)[-1] == "2026-08-25T20:45"

    def test_lets_the_nearer_of_two_on_one_evening_win(self) -> None:
        planned = plan_reminders(at("2026-08-26T08:00"), NEW_YORK, [720, 120])

        assert shown(planned) == ["2026-08-25T20:45"]
        assert planned[0].minutes_before == 120

    @pytest.mark.parametrize(("second", "left"), [(299, [120]), (300, [300, 120])])
    def test_lets_the_nearer_of_two_within_three_hours_win(
        self, second: int, left: list[int]
    ) -> None:
        planned = plan_reminders(at("2026-08-26T16:00"), NEW_YORK, [second, 120])

        assert [one.minutes_before for one in planned] == left

    def test_counts_minutes_across_a_clock_change(self) -> None:
        """Forty-eight hours are two days less an hour on the wall clock that day."""
        planned = plan_reminders(at("2026-03-09T14:00"), NEW_YORK, [TWO_DAYS])

        assert shown(planned) == ["2026-03-07T13:00"]

    @given(start=instants, zone=zones, minutes=offsets)
    def test_keeps_hours_order_and_distance_whatever_the_clock_does(
        self, start: datetime, zone: ZoneInfo, minutes: list[int]
    ) -> None:
        planned = plan_reminders(start, zone, minutes)

        times = [one.leaves_at for one in planned]
        assert all(REMINDER_HOURS.includes(time, zone) for time in times)
        assert all(later - earlier >= LEAST_GAP for earlier, later in pairwise(times))
        assert all(
            start - one.leaves_at >= timedelta(minutes=one.minutes_before) for one in planned
        )
        assert times[0] > start - timedelta(minutes=max(minutes)) - LONGEST_SHIFT
        assert planned[-1].minutes_before == min(minutes)

    @given(start=instants, zone=zones, minutes=offsets)
    def test_leaves_nothing_out_but_for_one_nearer_to_the_visit(
        self, start: datetime, zone: ZoneInfo, minutes: list[int]
    ) -> None:
        planned = plan_reminders(start, zone, minutes)

        kept = {one.minutes_before for one in planned}
        for left_out in set(minutes) - kept:
            alone = leaving_time(start - timedelta(minutes=left_out), zone)
            assert any(
                one.minutes_before < left_out and one.leaves_at < alone + LEAST_GAP
                for one in planned
            )


def visit(start: str, booked: str, **given: object) -> Appointment:
    """A visit, booked at a local time."""
    return make_appointment(appointment_date=at(start), created_at=at(booked), **given)


def decide(visit: Appointment, now: str, minutes: list[int] | None = None) -> int | None:
    """Which reminder time's reminder is queued now."""
    planned = plan_reminders(visit.appointment_date, NEW_YORK, minutes or DEFAULT)
    due = due_reminder(planned, visit, at(now))
    return due.minutes_before if due else None


class TestDue:
    BOOKED_LONG_AGO = visit("2026-08-26T14:00", "2026-06-01T09:00")

    @pytest.mark.parametrize(
        ("now", "due"),
        [
            ("2026-08-19T13:59", None),
            ("2026-08-19T14:00", WEEK),
            # The job was late: the newest that is due, as long as the next is not close.
            ("2026-08-24T10:59", WEEK),
            ("2026-08-24T11:01", None),
            ("2026-08-24T14:00", TWO_DAYS),
            ("2026-08-26T13:59", TWO_HOURS),
            ("2026-08-26T14:00", None),
            ("2026-08-27T14:00", None),
        ],
    )
    def test_is_the_newest_that_is_still_useful(self, now: str, due: int | None) -> None:
        assert decide(self.BOOKED_LONG_AGO, now) == due

    def test_what_was_past_when_it_was_booked_is_never_sent(self) -> None:
        three_days_ahead = visit("2026-08-26T14:00", "2026-08-23T14:00")
        an_hour_late = visit("2026-08-26T14:00", "2026-08-24T15:00")
        on_the_minute = visit("2026-08-26T14:00", "2026-08-24T14:00")

        assert decide(three_days_ahead, "2026-08-23T14:00") is None
        assert decide(three_days_ahead, "2026-08-24T14:00") == TWO_DAYS
        assert decide(an_hour_late, "2026-08-24T15:00") is None
        assert decide(on_the_minute, "2026-08-24T14:00") is None

    def test_what_was_past_when_it_was_moved_is_never_sent(self) -> None:
        moved = visit("2026-08-26T14:00", "2026-06-01T09:00", start_set_at=at("2026-08-24T15:00"))

        assert decide(moved, "2026-08-24T15:01") is None
        assert decide(moved, "2026-08-26T12:00") == TWO_HOURS

    def test_new_reminder_times_send_nothing_in_the_past(self) -> None:
        plan = ReminderPlan(rules="others", next_at=at("2026-08-26T12:00"))
        planned = visit("2026-08-26T14:00", "2026-06-01T09:00", reminder_plan=plan)

        assert decide(planned, "2026-08-25T18:00", [1_440, 120]) is None
        assert decide(planned, "2026-08-26T12:00", [1_440, 120]) == TWO_HOURS

    def test_new_reminder_times_keep_what_is_due_and_was_not_queued(self) -> None:
        plan = ReminderPlan(rules="others", next_at=at("2026-08-24T14:00"))
        planned = visit("2026-08-26T14:00", "2026-06-01T09:00", reminder_plan=plan)

        assert decide(planned, "2026-08-24T14:10", [TWO_DAYS, 60]) == TWO_DAYS

    def test_nothing_is_due_where_none_is_left(self) -> None:
        plan = ReminderPlan(rules="others")
        planned = visit("2026-08-26T14:00", "2026-06-01T09:00", reminder_plan=plan)

        assert decide(planned, "2026-08-24T14:01") is None

    @given(start=instants, zone=zones, minutes=offsets, lead=st.integers(1, 50_000))
    def test_a_job_that_is_never_late_sends_each_that_was_ahead_once(
        self, start: datetime, zone: ZoneInfo, minutes: list[int], lead: int
    ) -> None:
        booked_at = start - timedelta(minutes=lead)
        visit = make_appointment(appointment_date=start, created_at=booked_at)
        planned = plan_reminders(visit.appointment_date, zone, minutes)
        sent, now = [], visit.created_at

        while (following := next_reminder(planned, now)) is not None:
            now = following.leaves_at
            if due := due_reminder(planned, visit, now):
                sent.append(due)
            after = next_reminder(planned, now)
            visit.reminder_plan = ReminderPlan(
                rules="same", next_at=after.leaves_at if after else None
            )

        assert sent == [one for one in planned if one.leaves_at > visit.created_at]
