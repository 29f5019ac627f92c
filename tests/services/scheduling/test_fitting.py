"""Visits that the settings have left behind."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models.appointment import Appointment, CreatedFrom
from app.models.base import new_id
from app.models.schedule import Chair, Clinic, Holiday, HoursPeriod, Provider, TimeOff, Weekday
from app.services.scheduling.engine import Refusal, candidates_at
from app.services.scheduling.fitting import why_it_does_not_fit
from tests.services.scheduling.builders import (
    ALL_DAY,
    DAY,
    clinic,
    local,
    provider,
    service,
    timetable,
)

GREY = provider()
ROOM = Chair(name="Room 1")
OPEN = clinic()


def booked(start: datetime | str = "09:00", minutes: int = 60, **given: Any) -> Appointment:
    return Appointment(
        patient_id=new_id(),
        provider_id=GREY.id,
        chair_id=ROOM.id,
        service_id="check_up",
        service_name="Check-up",
        appointment_date=local(start) if isinstance(start, str) else start,
        duration_minutes=minutes,
        created_from=CreatedFrom.MANUAL_ADMIN,
        **given,
    )


def judge(visit: Appointment, **given: Any) -> Refusal | None:
    fields: dict[str, Any] = {"provider": GREY, "chair": ROOM, "clinic": OPEN, "time_off": []}
    return why_it_does_not_fit(visit, **(fields | given))


def changed(**fields: object) -> Provider:
    return Provider.model_validate({**GREY.to_stored(), **fields})


def holiday(day: date) -> Clinic:
    return OPEN.model_copy(update={"holidays": [Holiday(name="Closed", day=day.isoformat())]})


class TestFits:
    def test_a_visit_within_everything(self) -> None:
        assert judge(booked()) is None
        assert judge(booked("11:00")) is None

    def test_buffers_may_lie_outside_hours(self) -> None:
        assert judge(booked(buffer_before_minutes=60, buffer_after_minutes=240)) is None

    def test_lead_horizon_and_grid_bind_only_those_who_book(self) -> None:
        year = timedelta(days=365)
        assert judge(booked(local("09:05", DAY + 15 * year))) is None
        assert judge(booked(local("09:05", DAY - 15 * year))) is None

    def test_its_own_length_counts_not_the_providers(self) -> None:
        slow = changed(service_durations={"check_up": 180})

        assert judge(booked("11:00"), provider=slow) is None

    def test_a_visit_off_the_raster_is_judged_by_what_it_touches(self) -> None:
        assert judge(booked(local("11:02"), 58)) is None
        assert judge(booked(local("11:02"), 59)) is Refusal.OUTSIDE_HOURS
        assert judge(booked(local("08:58"), 7)) is Refusal.OUTSIDE_HOURS

    def test_a_visit_from_elsewhere_may_be_longer_than_any_service(self) -> None:
        whole = provider(ALL_DAY)

        assert judge(booked(local("00:00"), 12 * 60 + 1), provider=whole) is None


class TestDoesNotFit:
    @pytest.mark.parametrize(
        "fields",
        [
            {"active": False},
            {"service_ids": ["whitening"]},
        ],
    )
    def test_a_provider_who_does_not_do_it_any_more(self, fields: dict[str, object]) -> None:
        assert judge(booked(), provider=changed(**fields)) is Refusal.NOT_PERFORMED

    @pytest.mark.parametrize("fields", [{"active": False}, {"service_ids": ["whitening"]}])
    def test_a_chair_in_which_it_cannot_be_done(self, fields: dict[str, Any]) -> None:
        chair = ROOM.model_copy(update=fields)

        assert judge(booked(), chair=chair) is Refusal.NOT_PERFORMED

    def test_a_provider_or_chair_that_is_gone(self) -> None:
        assert judge(booked(), provider=None) is Refusal.NOT_PERFORMED
        assert judge(booked(), chair=None) is Refusal.NOT_PERFORMED

    def test_hours_that_became_shorter(self) -> None:
        short = changed(working_hours={day: [("09:00", "11:30")] for day in Weekday})

        assert judge(booked("10:30"), provider=short) is None
        assert judge(booked("11:00"), provider=short) is Refusal.OUTSIDE_HOURS

    def test_a_provider_who_has_left(self) -> None:
        left = changed(effective_until="2026-11-23")

        assert judge(booked(), provider=left) is Refusal.OUTSIDE_HOURS

    def test_a_period_of_other_hours(self) -> None:
        afternoons = {day: [("13:00", "17:00")] for day in Weekday}
        period = HoursPeriod(effective_from="2026-11-24", working_hours=afternoons)
        moved = changed(hours_periods=[period])

        assert judge(booked("09:00"), provider=moved) is Refusal.OUTSIDE_HOURS
        assert judge(booked("13:00"), provider=moved) is None

    @pytest.mark.parametrize("whose", [None, GREY.id])
    def test_time_off_that_touches_visit_or_buffer(self, whose: Any) -> None:
        off = TimeOff(provider_id=whose, starts_at=local("10:00"), ends_at=local("10:30"))

        assert judge(booked("09:00"), time_off=[off]) is None
        assert judge(booked("09:15"), time_off=[off]) is Refusal.TIME_OFF
        late = booked("09:00", buffer_after_minutes=5)
        assert judge(late, time_off=[off]) is Refusal.TIME_OFF

    def test_time_off_of_somebody_else_does_not_matter(self) -> None:
        off = TimeOff(provider_id=new_id(), starts_at=local("09:00"), ends_at=local("12:00"))

        assert judge(booked(), time_off=[off]) is None

    def test_a_holiday_on_the_day_or_over_midnight(self) -> None:
        whole = provider(ALL_DAY)

        assert judge(booked(), clinic=holiday(DAY)) is Refusal.CLOSED
        assert judge(booked(), clinic=holiday(DAY - timedelta(days=1))) is None
        tomorrow = holiday(DAY + timedelta(days=1))
        assert judge(booked("23:00"), provider=whole, clinic=tomorrow) is None
        assert judge(booked("23:30"), provider=whole, clinic=tomorrow) is Refusal.CLOSED


class TestAgreesWithTheEngine:
    @given(
        st.integers(8 * 12, 13 * 12),
        st.integers(1, 24),
        st.sampled_from([0, 5, 30]),
        st.booleans(),
        st.booleans(),
    )
    def test_it_is_what_staff_would_be_told(
        self, start: int, length: int, buffer: int, away: bool, closed: bool
    ) -> None:
        at = local("00:00") + timedelta(minutes=5 * start)
        off = [TimeOff(starts_at=local("10:00"), ends_at=local("10:30"))] if away else []
        rules = holiday(DAY) if closed else OPEN
        offered = service(5 * length, before=buffer, after=buffer)
        table = timetable(GREY, at=rules, offered=offered, chairs=[ROOM], time_off=off)
        visit = booked(at, 5 * length, buffer_before_minutes=buffer, buffer_after_minutes=buffer)

        told = candidates_at(table, at, at, staff=True).refusal

        assert judge(visit, clinic=rules, time_off=off) is told
