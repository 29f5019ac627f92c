"""The slot engine: what it offers can be booked, and nothing else can."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from app.models.base import new_id
from app.models.schedule import Chair, Provider, TimeOff, Weekday
from app.services.scheduling.claims import claims_for
from app.services.scheduling.engine import (
    STAFF_REACH,
    Candidates,
    Pair,
    Refusal,
    Slot,
    candidates_at,
    find_slots,
    find_times,
    is_bookable,
    nearest_free,
)
from app.services.scheduling.timetable import Timetable
from tests.services.scheduling.builders import (
    ALL_DAY,
    DAY,
    NINE_TO_NOON,
    clinic,
    local,
    provider,
    service,
    timetable,
    visit,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FROM_10_40 = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(640, 691, 5)]


def times(table: Timetable, day: date = DAY, now: datetime = NOW) -> list[str]:
    return find_times(table, day, day, now).get(day.isoformat(), [])


class TestHours:
    def test_the_visit_lies_within_the_hours(self) -> None:
        assert times(timetable(offered=service(60), at=clinic(grid=30))) == [
            "09:00",
            "09:30",
            "10:00",
            "10:30",
            "11:00",
        ]

    def test_a_visit_as_long_as_the_hours_fits_once(self) -> None:
        assert times(timetable(offered=service(180))) == ["09:00"]

    def test_a_break_is_not_worked_through(self) -> None:
        hours = [("09:00", "10:30"), ("11:00", "12:00")]

        assert times(timetable(provider(hours), at=clinic(grid=30))) == ["09:00", "09:30", "11:00"]

    def test_intervals_that_touch_are_one_stretch(self) -> None:
        hours = [("09:00", "10:30"), ("10:30", "11:00")]

        assert times(timetable(provider(hours), at=clinic(grid=30))) == ["09:00", "09:30", "10:00"]

    def test_hours_that_begin_off_the_grid_wait_for_it(self) -> None:
        assert times(timetable(provider([("09:05", "10:30")]))) == ["09:15", "09:30"]

    def test_the_grid_is_anchored_at_local_midnight(self) -> None:
        kolkata = clinic("Asia/Kolkata", grid=60)

        assert times(timetable(at=kolkata)) == ["09:00", "10:00", "11:00"]

    def test_work_over_midnight_holds_a_visit_over_midnight(self) -> None:
        night = provider([("00:00", "01:00"), ("23:00", "24:00")])
        table = timetable(night, at=clinic(grid=30))

        assert times(table) == ["00:00", "23:00", "23:30"]
        assert is_bookable(table, local("23:30"), NOW)

    def test_a_day_left_out_is_closed(self) -> None:
        mondays = Provider(
            name="Dr Grey", service_ids=["check_up"], working_hours={Weekday.MON: NINE_TO_NOON}
        )

        days = find_times(timetable(mondays), DAY, date(2026, 12, 7), NOW)

        assert list(days) == ["2026-11-30", "2026-12-07"]

    def test_hours_hold_on_effective_days_only(self) -> None:
        table = timetable(provider(first="2026-11-25", last="2026-11-26"))

        days = find_times(table, DAY, date(2026, 11, 30), NOW)

        assert list(days) == ["2026-11-25", "2026-11-26"]


class TestBusy:
    def test_a_visit_that_ends_at_ten_leaves_ten_free(self) -> None:
        grey, room = provider(), Chair(name="1")
        table = timetable(grey, chairs=[room], claims=visit(grey, room, local("09:00")))

        assert times(table)[0] == "10:00"

    def test_a_visit_that_starts_at_eleven_leaves_ten_free(self) -> None:
        grey, room = provider(), Chair(name="1")
        table = timetable(grey, chairs=[room], claims=visit(grey, room, local("11:00")))

        assert times(table)[-1] == "10:00"

    def test_buffers_keep_distance_on_both_sides(self) -> None:
        grey, room = provider(), Chair(name="1")
        table = timetable(
            grey,
            chairs=[room],
            at=clinic(grid=5),
            offered=service(30, before=10, after=20),
            claims=visit(grey, room, local("10:00"), 30),
        )

        assert times(table) == ["09:00", "09:05", "09:10", *FROM_10_40]

    def test_buffers_may_lie_outside_hours(self) -> None:
        table = timetable(offered=service(180, before=30, after=30))

        assert times(table) == ["09:00"]

    def test_a_buffer_off_the_raster_counts_as_its_claims_do(self) -> None:
        grey, room = provider(), Chair(name="1")
        offered = service(30, before=7)
        booked = visit(grey, room, local("09:00"), 30)
        table = timetable(grey, chairs=[room], at=clinic(grid=5), offered=offered, claims=booked)

        first = find_slots(table, DAY, DAY, NOW)[0]

        assert first.time == "09:40"
        for start, collides in ((first.starts_at, False), (local("09:35"), True)):
            wanted = claims_for(
                grey.id, room.id, new_id(), start, duration_minutes=30, buffer_before=7
            )
            assert bool(set(wanted) & set(booked)) == collides

    def test_provider_and_chair_are_both_needed(self) -> None:
        grey, room, other = provider(), Chair(name="1"), Chair(name="2")
        hunt = provider(name="Dr Hunt")
        booked = visit(grey, room, local("09:00"), 180)

        assert times(timetable(grey, chairs=[other], claims=booked)) == []
        assert times(timetable(hunt, chairs=[room], claims=booked)) == []
        assert times(timetable(hunt, chairs=[other], claims=booked))

    def test_a_slot_names_everyone_free_at_it(self) -> None:
        grey, hunt = provider(), provider(name="Dr Hunt")
        one, two = Chair(name="1"), Chair(name="2")
        table = timetable(
            grey,
            hunt,
            chairs=[one, two],
            at=clinic(grid=60),
            claims=visit(grey, one, local("09:00")),
        )

        slots = find_slots(table, DAY, DAY, NOW)

        assert slots[:2] == [
            Slot(local("09:00"), "2026-11-24", "09:00", (hunt.id,), (two.id,)),
            Slot(local("10:00"), "2026-11-24", "10:00", (grey.id, hunt.id), (one.id, two.id)),
        ]

    def test_own_visits_of_the_patient_are_left_out_when_they_are_known(self) -> None:
        grey, room, patient_id = provider(), Chair(name="1"), new_id()
        elsewhere = visit(provider(), Chair(name="2"), local("10:00"), 60, patient_id)
        table = timetable(
            grey, chairs=[room], at=clinic(grid=60), offered=service(60, after=30), claims=elsewhere
        )

        assert times(table) == ["09:00", "10:00", "11:00"]
        assert times(replace(table, patient_id=patient_id)) == ["09:00", "11:00"]


class TestWhoAndWhere:
    def test_a_chair_not_equipped_for_the_service_does_not_count(self) -> None:
        assert times(timetable(chairs=[Chair(name="1", service_ids=["implant"])])) == []
        assert times(timetable(chairs=[Chair(name="1", service_ids=["check_up"])]))

    def test_a_provider_who_does_not_perform_it_does_not_count(self) -> None:
        assert times(timetable(provider(service_ids=("implant",)))) == []

    def test_inactive_ones_do_not_count(self) -> None:
        away = provider().model_copy(update={"active": False})

        assert times(timetable(away)) == []
        assert times(timetable(chairs=[Chair(name="1", active=False)])) == []


class TestTimeOff:
    def off(self, start: str, end: str, who: Provider | None = None) -> TimeOff:
        return TimeOff(
            provider_id=None if who is None else who.id,
            starts_at=local(start),
            ends_at=local(end),
            reason=None,
        )

    def test_closes_the_clinic_for_all(self) -> None:
        table = timetable(
            provider(), provider(name="Dr Hunt"), time_off=[self.off("08:00", "18:00")]
        )

        assert times(table) == []

    def test_of_one_provider_leaves_the_others(self) -> None:
        grey, hunt = provider(), provider(name="Dr Hunt")
        table = timetable(grey, hunt, time_off=[self.off("08:00", "18:00", grey)])

        assert {slot.provider_ids for slot in find_slots(table, DAY, DAY, NOW)} == {(hunt.id,)}

    def test_leaves_what_touches_it(self) -> None:
        table = timetable(at=clinic(grid=60), time_off=[self.off("10:00", "11:00")])

        assert times(table) == ["09:00", "11:00"]

    def test_blocks_buffers_too(self) -> None:
        table = timetable(
            at=clinic(grid=60),
            offered=service(60, before=5, after=0),
            time_off=[self.off("10:00", "11:00")],
        )

        assert times(table) == ["09:00"]

    def test_of_years_is_cut_to_the_days_asked_for(self) -> None:
        off = TimeOff(
            starts_at=datetime(2000, 1, 1, tzinfo=UTC), ends_at=datetime(2090, 1, 1, tzinfo=UTC)
        )

        assert times(timetable(time_off=[off])) == []


class TestReach:
    def test_lead_time_is_kept_to_the_second(self) -> None:
        table = timetable(at=clinic(lead=60))
        nine = local("09:00")

        assert times(table, now=nine)[0] == "10:00"
        assert times(table, now=nine + timedelta(seconds=1))[0] == "10:15"
        assert times(table, now=nine - timedelta(seconds=1))[0] == "10:00"

    def test_the_past_is_not_offered(self) -> None:
        assert find_slots(timetable(), DAY, DAY, local("12:00")) == []
        assert find_slots(timetable(), DAY - timedelta(days=30), DAY, local("12:00")) == []

    def test_the_horizon_counts_local_days(self) -> None:
        table = timetable(at=clinic(horizon=2))
        late_in_new_york = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)

        days = find_times(table, date(2026, 11, 1), date(2027, 1, 1), late_in_new_york)

        assert list(days) == ["2026-11-25", "2026-11-26"]

    def test_a_range_at_the_end_of_the_calendar_is_empty(self) -> None:
        assert find_slots(timetable(), date(9999, 12, 1), date.max, NOW) == []
        assert find_times(timetable(), date(9999, 12, 1), date.max, NOW) == {}
        assert find_slots(timetable(), date.min, date(1, 2, 1), NOW) == []

    def test_a_range_that_holds_everything_is_cut_to_the_horizon(self) -> None:
        days = find_times(timetable(at=clinic(horizon=1)), date.min, date.max, NOW)

        assert list(days) == ["2026-11-20", "2026-11-21"]


class TestCandidatesAt:
    def test_pairs_are_all_who_are_free(self) -> None:
        grey, hunt = provider(), provider(name="Dr Hunt")
        one, two = Chair(name="1"), Chair(name="2")
        table = timetable(grey, hunt, chairs=[one, two], claims=visit(grey, one, local("09:00")))

        assert candidates_at(table, local("09:30"), NOW) == Candidates((Pair(hunt.id, two.id, 60),))

    def test_taken_is_not_a_refusal(self) -> None:
        grey, room = provider(), Chair(name="1")
        table = timetable(grey, chairs=[room], claims=visit(grey, room, local("09:00")))

        assert candidates_at(table, local("09:00"), NOW) == Candidates()

    def test_says_that_the_patient_is_busy(self) -> None:
        patient_id = new_id()
        elsewhere = visit(provider(), Chair(name="9"), local("09:00"), 60, patient_id)
        table = replace(timetable(claims=elsewhere), patient_id=patient_id)

        assert candidates_at(table, local("09:30"), NOW) == Candidates(patient_busy=True)
        assert candidates_at(table, local("10:00"), NOW).pairs

    def test_the_least_booked_provider_of_the_day_comes_first(self) -> None:
        grey, hunt, page = (provider(name=name) for name in ("Grey", "Hunt", "Page"))
        room = Chair(name="1")
        yesterday = DAY - timedelta(days=1)
        claims = [
            *visit(grey, Chair(name="8"), local("09:00"), 30),
            *visit(hunt, Chair(name="9"), local("09:00"), 15),
            *visit(page, Chair(name="9"), local("09:00", yesterday), 180),
        ]
        table = timetable(grey, hunt, page, chairs=[room], claims=claims)

        pairs = candidates_at(table, local("11:00"), NOW).pairs

        assert [pair.provider_id for pair in pairs] == [page.id, hunt.id, grey.id]

    def test_of_equal_providers_each_is_first_on_some_days_the_same_however_they_are_listed(
        self,
    ) -> None:
        team = [provider(name=f"Dr {name}") for name in "ABC"]
        days = [DAY + timedelta(days=number) for number in range(90)]

        def firsts(order: list[Provider]) -> list[object]:
            table = timetable(*order)
            return [
                candidates_at(table, local("11:00", day), NOW).pairs[0].provider_id for day in days
            ]

        chosen = firsts(team)
        assert chosen == firsts(team[::-1])
        assert min(chosen.count(one.id) for one in team) > 15

    def test_the_chair_where_the_visit_fits_closest_comes_first(self) -> None:
        grey, other = provider(), provider(name="Hunt")
        empty, near, touching = (Chair(name=name) for name in "abc")
        claims = [
            *visit(other, near, local("09:00"), 45),
            *visit(other, touching, local("11:00"), 15),
        ]
        table = timetable(grey, chairs=[empty, near, touching], claims=claims)

        pairs = candidates_at(table, local("10:00"), NOW).pairs

        assert [pair.chair_id for pair in pairs] == [touching.id, empty.id, near.id]

    def test_the_other_side_decides_between_chairs_that_touch(self) -> None:
        grey, other = provider(), provider(name="Hunt")
        open_ended, filled = Chair(name="a"), Chair(name="b")
        claims = [
            *visit(other, open_ended, local("09:00"), 60),
            *visit(other, filled, local("09:00"), 60),
            *visit(other, filled, local("12:00"), 15),
        ]
        table = timetable(grey, chairs=[open_ended, filled], claims=claims)

        pairs = candidates_at(table, local("10:00"), NOW).pairs

        assert [pair.chair_id for pair in pairs] == [filled.id, open_ended.id]

    def test_touching_the_visit_before_counts_too(self) -> None:
        grey, other = provider(), provider(name="Hunt")
        near, touching = Chair(name="a"), Chair(name="b")
        claims = [
            *visit(other, near, local("09:00"), 55),
            *visit(other, touching, local("09:00"), 60),
        ]
        table = timetable(grey, chairs=[near, touching], claims=claims)

        pairs = candidates_at(table, local("10:00"), NOW).pairs

        assert [pair.chair_id for pair in pairs] == [touching.id, near.id]

    def test_a_gap_too_short_for_another_visit_is_worse_than_an_empty_chair(self) -> None:
        grey, other = provider(), provider(name="Hunt")
        rest, empty = Chair(name="a"), Chair(name="b")
        claims = [
            *visit(other, rest, local("09:00"), 60),
            *visit(other, rest, local("11:15"), 15),
        ]
        table = timetable(grey, chairs=[rest, empty], claims=claims)

        pairs = candidates_at(table, local("10:00"), NOW).pairs

        assert [pair.chair_id for pair in pairs] == [empty.id, rest.id]

    @pytest.mark.parametrize("days", [-2, 2])
    def test_visits_more_than_a_day_away_do_not_matter_for_the_chair(self, days: int) -> None:
        grey, other = provider(), provider(name="Hunt")
        used, empty = Chair(name="a"), Chair(name="b")
        claims = visit(other, used, local("10:00", DAY + timedelta(days=days)), 30)
        table = timetable(grey, chairs=[empty, used], claims=claims)

        pairs = candidates_at(table, local("10:00"), NOW).pairs

        assert [pair.chair_id for pair in pairs] == [used.id, empty.id]

    def test_a_longer_visit_is_asked_with_a_longer_service(self) -> None:
        table = timetable()
        longer = replace(table, service=table.service.model_copy(update={"duration_minutes": 120}))

        assert is_bookable(table, local("11:00"), NOW)
        assert candidates_at(longer, local("11:00"), NOW).refusal is Refusal.OUTSIDE_HOURS

    @pytest.mark.parametrize(
        ("clock", "refusal"),
        [
            ("08:45", Refusal.OUTSIDE_HOURS),
            ("11:15", Refusal.OUTSIDE_HOURS),
            ("09:05", Refusal.OFF_GRID),
            ("09:00:30", Refusal.OFF_GRID),
            ("10:00", Refusal.TIME_OFF),
            ("09:15", Refusal.TIME_OFF),
        ],
    )
    def test_tells_why_a_time_is_not_bookable(self, clock: str, refusal: Refusal) -> None:
        off = TimeOff(starts_at=local("10:00"), ends_at=local("10:30"))
        table = timetable(time_off=[off])

        assert candidates_at(table, local(clock), NOW) == Candidates(refusal=refusal)

    def test_time_off_of_all_at_work_is_time_off_whoever_is_at_home(self) -> None:
        grey, afternoons = provider(), provider([("13:00", "17:00")], name="Dr Hunt")
        off = TimeOff(provider_id=grey.id, starts_at=local("09:00"), ends_at=local("12:00"))
        table = timetable(grey, afternoons, time_off=[off])

        assert candidates_at(table, local("09:00"), NOW).refusal is Refusal.TIME_OFF

    def test_tells_too_soon_from_too_far(self) -> None:
        table = timetable(at=clinic(lead=120, horizon=4))

        soon = candidates_at(table, local("09:00"), local("07:01"))
        just = candidates_at(table, local("09:00"), local("07:00"))
        far = candidates_at(table, local("09:00"), NOW - timedelta(days=1))

        assert soon.refusal is Refusal.TOO_SOON
        assert just.refusal is None
        assert far.refusal is Refusal.TOO_FAR
        assert candidates_at(table, local("09:00"), NOW).refusal is None

    def test_nobody_to_perform_or_nowhere_to_sit_is_its_own_reason(self) -> None:
        nobody = timetable(provider(service_ids=("implant",)))
        nowhere = timetable(chairs=[Chair(name="1", service_ids=["implant"])])

        for table in (nobody, nowhere):
            assert candidates_at(table, local("09:00"), NOW).refusal is Refusal.NOT_PERFORMED


class TestStaff:
    def at(self, table: Timetable, clock: str, now: datetime = NOW) -> Candidates:
        return candidates_at(table, local(clock), now, staff=True)

    def test_books_beyond_lead_horizon_and_grid(self) -> None:
        table = timetable(at=clinic(lead=600, horizon=1))

        assert self.at(table, "09:05").pairs
        assert self.at(table, "09:05", now=local("09:20")).pairs
        assert self.at(table, "09:05", now=NOW - timedelta(days=300)).pairs

    def test_keeps_to_the_raster_hours_and_time_off(self) -> None:
        off = TimeOff(starts_at=local("10:00"), ends_at=local("10:30"))
        table = timetable(time_off=[off])

        assert self.at(table, "09:02").refusal is Refusal.OFF_GRID
        assert self.at(table, "08:55").refusal is Refusal.OUTSIDE_HOURS
        assert self.at(table, "09:05").refusal is Refusal.TIME_OFF

    def test_a_slip_of_the_keyboard_is_refused(self) -> None:
        table = timetable()
        far, gone = NOW + STAFF_REACH + timedelta(days=1), NOW - STAFF_REACH - timedelta(days=1)
        end = datetime(9999, 12, 31, 23, 55, tzinfo=UTC)

        assert candidates_at(table, far, NOW, staff=True).refusal is Refusal.TOO_FAR
        assert candidates_at(table, end, NOW, staff=True).refusal is Refusal.TOO_FAR
        assert candidates_at(table, gone, NOW, staff=True).refusal is Refusal.TOO_SOON

    def test_can_name_both_passes_of_a_repeated_hour(self) -> None:
        table = timetable(provider(ALL_DAY))
        now = datetime(2026, 10, 31, tzinfo=UTC)

        for hour in (5, 6):
            instant = datetime(2026, 11, 1, hour, 30, tzinfo=UTC)
            assert candidates_at(table, instant, now, staff=True).pairs
            assert candidates_at(table, instant, now).refusal is Refusal.OFF_GRID


class TestNearestFree:
    def test_nearest_first_and_the_earlier_of_two_as_near(self) -> None:
        slots = find_slots(timetable(at=clinic(grid=30)), DAY, DAY, NOW)

        nearest = nearest_free(slots, local("10:00"), 4)

        assert [slot.time for slot in nearest] == ["10:00", "09:30", "10:30", "09:00"]

    def test_answers_three_or_what_there_is(self) -> None:
        slots = find_slots(timetable(), DAY, DAY, NOW)

        assert len(nearest_free(slots, local("18:00"))) == 3
        assert nearest_free([], local("18:00")) == []
