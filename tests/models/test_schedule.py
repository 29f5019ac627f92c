"""The documents of the schedule: what they accept, what they refuse, and their stored form."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from pydantic import TypeAdapter, ValidationError

from app.models.base import new_id
from app.models.schedule import (
    Chair,
    Clinic,
    Provider,
    Service,
    TimeOff,
    Weekday,
    WorkingHours,
    minute_of_day,
)

HOURS: TypeAdapter[Any] = TypeAdapter(WorkingHours)
MONDAY = date(2026, 11, 23)
AWARE: CodecOptions[Mapping[str, Any]] = CodecOptions(tz_aware=True)


def provider(**fields: object) -> Provider:
    return Provider.model_validate({"name": "Dr Grey", "service_ids": ["check_up"], **fields})


def service(**fields: object) -> Service:
    return Service.model_validate(
        {"service_id": "check_up", "name": "Check-up", "duration_minutes": 30, **fields}
    )


def clinic(**fields: object) -> Clinic:
    return Clinic.model_validate(
        {
            "name": "Clinic",
            "phone": "+12125550100",
            "address": "1 Main St",
            "timezone": "America/New_York",
            "country": "US",
            "currency": "USD",
            "booking_horizon_days": 180,
            "booking_lead_minutes": 120,
            "slot_grid_minutes": 15,
            "allow_new_patient_booking": False,
            **fields,
        }
    )


class TestWorkingHours:
    def test_keeps_the_strings_staff_typed(self) -> None:
        hours = HOURS.validate_json('{"MON": [["09:00", "12:00"], ["13:00", "24:00"]]}')

        assert hours == {Weekday.MON: [("09:00", "12:00"), ("13:00", "24:00")]}

    def test_sorts_a_day(self) -> None:
        hours = HOURS.validate_python({"TUE": [["13:00", "17:00"], ["09:00", "12:00"]]})

        assert hours == {Weekday.TUE: [("09:00", "12:00"), ("13:00", "17:00")]}

    def test_lets_intervals_touch(self) -> None:
        assert HOURS.validate_python({"MON": [["09:00", "12:00"], ["12:00", "13:00"]]})

    @pytest.mark.parametrize(
        ("hours", "sentence"),
        [
            ({"MON": [["09:00", "09:00"]]}, "ends before it starts"),
            ({"MON": [["17:00", "09:00"]]}, "ends before it starts"),
            ({"MON": [["09:00", "12:00"], ["11:55", "13:00"]]}, "overlap"),
            ({"MON": [["09:02", "12:00"]]}, "not a multiple of 5 minutes"),
            ({"MON": [["9:00", "12:00"]]}, "pattern"),
            ({"MON": [["09:00", "24:05"]]}, "pattern"),
            ({"MON": [["09:60", "12:00"]]}, "pattern"),
            ({"MON": [["09:00"]]}, "required"),
            ({"MON": [["09:00", "10:00", "11:00"]]}, "at most 2"),
            ({"Monday": []}, "'MON'"),
        ],
    )
    def test_refuses_with_a_reason(self, hours: object, sentence: str) -> None:
        with pytest.raises(ValidationError, match=sentence):
            HOURS.validate_python(hours)


class TestMinuteOfDay:
    @pytest.mark.parametrize(
        ("time", "minute"), [("00:00", 0), ("09:05", 545), ("23:55", 1435), ("24:00", 1440)]
    )
    def test_counts_from_midnight(self, time: str, minute: int) -> None:
        assert minute_of_day(time) == minute


class TestWeekday:
    def test_of_names_all_seven_in_order(self) -> None:
        week = [Weekday.of(date(2026, 11, day)) for day in range(23, 30)]

        assert week == ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]


class TestProvider:
    def test_survives_the_database(self) -> None:
        stored = provider(working_hours={"MON": [["09:00", "12:00"]]}, effective_from="2026-01-01")

        read = Provider.from_stored(bson.decode(bson.encode(stored.to_stored()), AWARE))

        assert read.working_hours == {Weekday.MON: [("09:00", "12:00")]}
        assert read == stored

    def test_gives_a_days_intervals_in_minutes(self) -> None:
        one = provider(working_hours={"MON": [["09:00", "12:00"], ["13:00", "17:00"]]})

        assert list(one.intervals_on(MONDAY)) == [(540, 720), (780, 1020)]
        assert list(one.intervals_on(date(2026, 11, 24))) == []

    def test_works_from_the_first_to_the_last_effective_day_inclusive(self) -> None:
        one = provider(effective_from="2026-11-23", effective_until="2026-11-24")

        days = [one.works_on(date(2026, 11, day)) for day in (22, 23, 24, 25)]

        assert days == [False, True, True, False]

    def test_works_always_without_effective_days(self) -> None:
        assert provider().works_on(date(1999, 1, 1))

    @pytest.mark.parametrize("day", ["2026-02-30", "20260101", "2026-1-1", "2026-W01-1"])
    def test_refuses_what_is_no_calendar_day(self, day: str) -> None:
        with pytest.raises(ValidationError):
            provider(effective_from=day)

    def test_refuses_an_end_before_the_start(self) -> None:
        with pytest.raises(ValidationError, match="effective_until is before effective_from"):
            provider(effective_from="2026-02-02", effective_until="2026-02-01")

    def test_performs_its_services_while_active(self) -> None:
        assert provider().performs("check_up")
        assert not provider().performs("implant")
        assert not provider(active=False).performs("check_up")


class TestHoursPeriods:
    SUMMER: Mapping[str, Any] = {
        "effective_from": "2026-07-01",
        "effective_until": "2026-08-31",
        "working_hours": {"MON": [["08:00", "13:00"]]},
    }

    def test_replace_the_weekly_hours_on_their_days_both_ends_included(self) -> None:
        one = provider(
            working_hours={"MON": [["09:00", "12:00"]], "WED": [["09:00", "12:00"]]},
            hours_periods=[self.SUMMER],
        )

        assert list(one.intervals_on(date(2026, 6, 29))) == [(540, 720)]
        assert list(one.intervals_on(date(2026, 7, 1))) == []
        assert list(one.intervals_on(date(2026, 7, 6))) == [(480, 780)]
        assert list(one.intervals_on(date(2026, 8, 31))) == [(480, 780)]
        assert list(one.intervals_on(date(2026, 9, 2))) == [(540, 720)]

    def test_one_without_an_end_holds_for_good(self) -> None:
        period = {"effective_from": "2027-01-01", "working_hours": {"MON": [["10:00", "11:00"]]}}
        one = provider(working_hours={"MON": [["09:00", "12:00"]]}, hours_periods=[period])

        assert list(one.intervals_on(date(2026, 12, 28))) == [(540, 720)]
        assert list(one.intervals_on(date(2040, 1, 2))) == [(600, 660)]

    def test_do_not_make_somebody_work_before_their_first_day_or_after_their_last(self) -> None:
        one = provider(
            hours_periods=[self.SUMMER], effective_from="2026-07-13", effective_until="2026-08-17"
        )

        mondays = [date(2026, 7, 6), date(2026, 7, 13), date(2026, 8, 17), date(2026, 8, 24)]
        assert [bool(list(one.intervals_on(day))) for day in mondays] == [False, True, True, False]

    def test_are_kept_in_order_and_survive_the_database(self) -> None:
        later = {"effective_from": "2026-09-01"}
        one = provider(hours_periods=[later, self.SUMMER])

        assert [period.effective_from for period in one.hours_periods] == [
            "2026-07-01",
            "2026-09-01",
        ]
        read = Provider.from_stored(bson.decode(bson.encode(one.to_stored()), AWARE))
        assert read.hours_periods == one.hours_periods

    @pytest.mark.parametrize(
        ("other", "sentence"),
        [
            ({"effective_from": "2026-08-31"}, "from 2026-07-01 and 2026-08-31 overlap"),
            ({"effective_from": "2026-01-01"}, "from 2026-01-01 and 2026-07-01 overlap"),
            ({"effective_from": "2026-07-01", "effective_until": "2026-07-01"}, "overlap"),
            ({"effective_from": "2027-01-02", "effective_until": "2027-01-01"}, "is before"),
            ({"effective_from": "2026-02-30"}, "day is out of range"),
            ({"effective_until": "2026-02-01"}, "required"),
            ({"effective_from": "2027-01-01", "colour": "blue"}, "not permitted"),
        ],
    )
    def test_refuse_with_a_reason(self, other: dict[str, object], sentence: str) -> None:
        with pytest.raises(ValidationError, match=sentence):
            provider(hours_periods=[self.SUMMER, other])

    def test_are_fifty_at_most(self) -> None:
        days = [
            date(2026, 1, 1 + number % 28).replace(month=1 + number // 28) for number in range(51)
        ]
        periods = [{"effective_from": f"{day}", "effective_until": f"{day}"} for day in days]

        assert len(provider(hours_periods=periods[:50]).hours_periods) == 50
        with pytest.raises(ValidationError, match="at most 50"):
            provider(hours_periods=periods)


class TestServiceDurations:
    def test_stand_for_the_services_own(self) -> None:
        one = provider(service_ids=["check_up", "implant"], service_durations={"check_up": 45})

        assert one.minutes_for(service()) == 45
        assert one.minutes_for(service(service_id="implant", duration_minutes=90)) == 90

    @pytest.mark.parametrize(
        "durations",
        [{"check_up": 31}, {"check_up": 0}, {"check_up": 485}, {"Check up": 30}],
    )
    def test_refuse_what_is_no_duration(self, durations: dict[str, int]) -> None:
        with pytest.raises(ValidationError):
            provider(service_durations=durations)

    def test_are_two_hundred_at_most(self) -> None:
        durations = {f"s{number}": 30 for number in range(201)}

        with pytest.raises(ValidationError, match="at most 200"):
            provider(service_ids=list(durations), service_durations=durations)


class TestChair:
    def test_serves_all_unless_restricted(self) -> None:
        assert Chair(name="1").serves("anything")
        assert Chair(name="1", service_ids=["implant"]).serves("implant")
        assert not Chair(name="1", service_ids=["implant"]).serves("check_up")
        assert not Chair(name="1", service_ids=[]).serves("check_up")
        assert not Chair(name="1", active=False).serves("check_up")


class TestService:
    @pytest.mark.parametrize(
        "fields",
        [
            {"service_id": "Teeth Whitening"},
            {"service_id": ""},
            {"name": "   "},
            {"duration_minutes": 0},
            {"duration_minutes": 31},
            {"duration_minutes": 485},
            {"buffer_before_minutes": -5},
            {"buffer_after_minutes": 241},
            {"price_from": -1},
            {"price_from": 9.999},
            {"price_from": float("nan")},
            {"recall_interval_months": 0},
            {"recall_interval_months": 61},
            {"colour": "blue"},
        ],
    )
    def test_refuses(self, fields: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            service(**fields)

    @pytest.mark.parametrize("price", [0, 80, 79.99, 0.1, 1234.56])
    def test_takes_a_price_in_cents(self, price: float) -> None:
        assert service(price_from=price).price_from == price


class TestTimeOff:
    def test_ends_after_it_starts(self) -> None:
        instant = datetime(2026, 11, 24, 9, tzinfo=UTC)

        with pytest.raises(ValidationError, match="ends after it starts"):
            TimeOff(starts_at=instant, ends_at=instant)

    def test_refuses_naive_times(self) -> None:
        with pytest.raises(ValidationError, match="timezone"):
            TimeOff.model_validate(
                {"starts_at": "2026-11-24T09:00:00", "ends_at": "2026-11-24T10:00:00"}
            )

    def test_concerns_its_provider_or_everybody(self) -> None:
        span = {"starts_at": "2026-11-24T09:00:00Z", "ends_at": "2026-11-24T10:00:00Z"}
        one = provider()

        assert TimeOff.model_validate({**span, "provider_id": one.id}).concerns(one)
        assert TimeOff.model_validate(span).concerns(one)
        assert not TimeOff.model_validate({**span, "provider_id": new_id()}).concerns(one)


class TestClinic:
    def test_knows_its_zone(self) -> None:
        assert clinic(timezone="Australia/Lord_Howe").zone.key == "Australia/Lord_Howe"

    @pytest.mark.parametrize("zone", ["America/Gotham", "America", "../etc/passwd", "", "UTC+1"])
    def test_refuses_what_is_no_zone(self, zone: str) -> None:
        with pytest.raises(ValidationError):
            clinic(timezone=zone)

    @pytest.mark.parametrize("grid", [5, 10, 15, 20, 30, 60])
    def test_takes_a_grid_that_divides_the_hour(self, grid: int) -> None:
        assert clinic(slot_grid_minutes=grid).slot_grid_minutes == grid

    @pytest.mark.parametrize("grid", [0, 1, 12, 25, 45, 120])
    def test_refuses_other_grids(self, grid: int) -> None:
        with pytest.raises(ValidationError, match="start grid"):
            clinic(slot_grid_minutes=grid)

    def test_names_its_closed_days(self) -> None:
        holidays = [
            {"name": "Christmas", "day": "2026-12-25", "every_year": True},
            {"name": "Move", "day": "2026-12-28"},
            {"name": "Leap day", "day": "2024-02-29", "every_year": True},
        ]
        one = clinic(holidays=holidays)

        asked = [
            date(2025, 12, 25),
            date(2026, 12, 25),
            date(2026, 12, 26),
            date(2026, 12, 28),
            date(2027, 12, 25),
            date(2027, 12, 28),
            date(2027, 2, 28),
            date(2028, 2, 29),
        ]
        assert one.closed_days(asked) == [
            date(2026, 12, 25),
            date(2026, 12, 28),
            date(2027, 12, 25),
            date(2028, 2, 29),
        ]
        assert clinic().closed_days(asked) == []
