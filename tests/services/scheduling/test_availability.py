"""What is offered can be had, and what is not offered cannot."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.errors import UnprocessableError
from app.models.base import new_id
from app.models.schedule import Chair, Provider, Service, TimeOff
from app.services.scheduling.localtime import InvalidSpanError
from app.services.scheduling.refusals import (
    NotBookableError,
    SlotTakenError,
    UnknownProviderError,
    UnknownServiceError,
)
from tests.services.scheduling.practice import OPEN_DAY, Practice, overlaps

pytestmark = pytest.mark.mongo


class TestMonth:
    """`AvailabilityService.month`."""

    async def test_offers_the_days_and_times_of_the_working_hours(self, practice: Practice) -> None:
        days = await practice.availability.month(2026, 8, "cleaning")

        assert list(days) == [f"2026-08-{day}" for day in (19, 20, 21, 24, 25, 26, 27, 28, 31)]
        assert days["2026-08-20"][:3] == ["09:00", "09:15", "09:30"]
        assert "11:30" in days["2026-08-20"]
        assert "11:45" not in days["2026-08-20"]
        assert days["2026-08-20"][-1] == "16:30"

    async def test_offers_nothing_sooner_than_the_lead_time(self, practice: Practice) -> None:
        days = await practice.availability.month(2026, 8, "cleaning")

        assert days["2026-08-19"][0] == "14:00"

    async def test_every_offered_time_can_be_booked_and_is_gone_then(
        self, practice: Practice
    ) -> None:
        """All of a month's times on a coarse grid, each by somebody else."""
        await practice.change_clinic(slot_grid_minutes=60)
        offered = await practice.availability.month(2026, 8, "whitening")
        booked = 0
        for day, times in offered.items():
            for time in times:
                now_free = await practice.availability.month(2026, 8, "whitening")
                if time not in now_free.get(day, []):
                    continue
                patient = await practice.add_patient()
                await practice.book(patient, f"{day}T{time}", service_id="whitening")
                booked += 1
                after = await practice.availability.month(2026, 8, "whitening")
                assert time not in after.get(day, [])

        assert booked == 34  # 60 minutes and their buffers, on a grid of 60: four a day
        assert await practice.availability.month(2026, 8, "whitening") == {}
        assert overlaps(await practice.every_visit()) == []

    async def test_what_is_not_offered_cannot_be_booked(self, practice: Practice) -> None:
        """Every quarter of an hour of two days, offered or not."""
        offered = await practice.availability.month(2026, 8, "cleaning")
        start = datetime(2026, 8, 22, tzinfo=UTC)
        patient = await practice.add_patient()
        for quarter in range(0, 2 * 96, 3):
            local = (start + timedelta(minutes=15 * quarter)).replace(tzinfo=None)
            if f"{local:%H:%M}" in offered.get(f"{local:%Y-%m-%d}", []):
                continue
            with pytest.raises(NotBookableError):
                await practice.book(patient, local)

        assert await practice.every_visit() == []

    async def test_time_off_and_closures_are_not_offered(self, practice: Practice) -> None:
        provider = (await practice.repositories.providers.every())[0]
        noon = datetime(2026, 8, 20, 16, 0, tzinfo=UTC)
        await practice.repositories.time_off.insert(
            TimeOff(provider_id=provider.id, starts_at=noon, ends_at=noon + timedelta(hours=8))
        )
        monday = datetime(2026, 8, 24, 4, 0, tzinfo=UTC)
        await practice.repositories.time_off.insert(
            TimeOff(starts_at=monday, ends_at=monday + timedelta(days=1))
        )

        days = await practice.availability.month(2026, 8, "cleaning")

        assert days["2026-08-20"][-1] == "11:30"
        assert "2026-08-24" not in days

    async def test_a_cancelled_visit_gives_its_time_back(self, practice: Practice) -> None:
        visit = await practice.book(await practice.add_patient(), "2026-08-20T09:00")
        assert "09:00" not in (await practice.availability.month(2026, 8, "cleaning"))["2026-08-20"]

        await practice.appointments.cancel(visit.id, by="patient")

        assert "09:00" in (await practice.availability.month(2026, 8, "cleaning"))["2026-08-20"]

    async def test_one_provider_is_asked_for(self, practice: Practice) -> None:
        early = await practice.repositories.providers.insert(
            Provider(
                name="Dr. Early",
                service_ids=["cleaning"],
                working_hours={"THU": [("06:00", "07:00")]},  # type: ignore[dict-item]
            )
        )

        days = await practice.availability.month(2026, 8, "cleaning", early.id)

        assert days == {
            "2026-08-20": ["06:00", "06:15", "06:30"],
            "2026-08-27": ["06:00", "06:15", "06:30"],
        }

    async def test_a_chair_for_other_services_is_no_chair(self, practice: Practice) -> None:
        chair = (await practice.repositories.chairs.every())[0]
        await practice.repositories.chairs.update_fields(chair.id, {"service_ids": ["whitening"]})

        assert await practice.availability.month(2026, 8, "cleaning") == {}
        assert await practice.availability.month(2026, 8, "whitening") != {}

    async def test_months_past_and_beyond_the_horizon_are_empty(self, practice: Practice) -> None:
        assert await practice.availability.month(2026, 7, "cleaning") == {}
        assert await practice.availability.month(2028, 1, "cleaning") == {}

    async def test_an_unknown_service_or_provider_is_not_found(self, practice: Practice) -> None:
        with pytest.raises(UnknownServiceError):
            await practice.availability.month(2026, 8, "surgery")
        with pytest.raises(UnknownProviderError):
            await practice.availability.month(2026, 8, "cleaning", new_id())

    async def test_what_is_out_of_use_is_not_found(self, practice: Practice) -> None:
        provider = (await practice.repositories.providers.every())[0]
        await practice.repositories.providers.update_fields(provider.id, {"active": False})
        await practice.repositories.services.insert(
            Service(
                service_id="implant", name="Implant", duration_minutes=90, bookable_online=False
            )
        )

        with pytest.raises(UnknownProviderError):
            await practice.availability.month(2026, 8, "cleaning", provider.id)
        with pytest.raises(UnknownServiceError):
            await practice.availability.month(2026, 8, "implant")


class TestDaylightSaving:
    """The hour that is missing in March and the one that comes twice in November."""

    @pytest.mark.parametrize(
        ("now", "day", "weekday"),
        [
            (datetime(2027, 3, 10, 12, tzinfo=UTC), "2027-03-14", "SUN"),
            (datetime(2026, 10, 28, 12, tzinfo=UTC), "2026-11-01", "SUN"),
        ],
    )
    async def test_every_time_offered_on_the_day_of_the_change_can_be_booked(
        self, practice: Practice, now: datetime, day: str, weekday: str
    ) -> None:
        practice.clock.set(now)
        provider = (await practice.repositories.providers.every())[0]
        hours = {weekday: [["00:00", "06:00"]]}
        await practice.repositories.providers.update_fields(provider.id, {"working_hours": hours})
        year, month = int(day[:4]), int(day[5:7])
        offered = (await practice.availability.month(year, month, "cleaning"))[day]

        assert offered
        for time in offered[::2]:
            await practice.book(await practice.add_patient(), f"{day}T{time}")
        assert overlaps(await practice.every_visit()) == []

    @pytest.mark.parametrize(
        ("now", "local"),
        [
            (datetime(2027, 3, 10, 12, tzinfo=UTC), "2027-03-14T02:30"),
            (datetime(2026, 10, 28, 12, tzinfo=UTC), "2026-11-01T01:30"),
        ],
    )
    async def test_a_time_that_is_missing_or_comes_twice_is_refused(
        self, practice: Practice, now: datetime, local: str
    ) -> None:
        practice.clock.set(now)
        patient = await practice.add_patient()

        with pytest.raises(UnprocessableError) as refused:
            await practice.book(patient, local)

        assert refused.value.slug.startswith("local-time-")
        assert await practice.every_visit() == []


class TestBetween:
    """`AvailabilityService.between`."""

    async def test_the_last_day_counts_and_who_is_free_is_named(self, practice: Practice) -> None:
        slots = await practice.availability.between("2026-08-20", "2026-08-21", "cleaning")

        assert slots[0].starts_at == datetime(2026, 8, 20, 13, 0, tzinfo=UTC)
        assert slots[0].local_time == "2026-08-20T09:00"
        assert [one.name for one in slots[0].providers] == ["Dr. Rivera"]
        assert slots[-1].starts_at == datetime(2026, 8, 21, 20, 30, tzinfo=UTC)

    async def test_instants_bound_it_too_the_end_excluded(self, practice: Practice) -> None:
        slots = await practice.availability.between(
            "2026-08-20T13:15:00Z", "2026-08-20T10:00", "cleaning"
        )

        times = [slot.local_time[11:] for slot in slots]
        assert times == ["09:15", "09:30", "09:45"]

    @pytest.mark.parametrize(
        ("since", "until"),
        [
            ("2026-08-21", "2026-08-19"),
            ("2026-08-20", "2026-10-21"),
            ("2026-13-01", "2026-08-20"),
            ("2026-08-20", "tomorrow at nine"),
        ],
    )
    async def test_a_span_that_is_none_is_refused(
        self, practice: Practice, since: str, until: str
    ) -> None:
        with pytest.raises(InvalidSpanError):
            await practice.availability.between(since, until, "cleaning")

    async def test_62_days_are_allowed(self, practice: Practice) -> None:
        assert await practice.availability.between("2026-08-20", "2026-10-20", "cleaning")


class TestAlternatives:
    """The free times named by a refusal."""

    async def test_the_three_nearest_that_really_are_free(self, practice: Practice) -> None:
        await practice.book(await practice.add_patient(), "2026-08-20T10:00")
        patient = await practice.add_patient()

        with pytest.raises(SlotTakenError) as refused:
            await practice.book(patient, "2026-08-20T10:00")

        alternatives = refused.value.extra["alternatives"]
        assert [one["appointment_date"] for one in alternatives] == [
            "2026-08-20T13:30:00Z",
            "2026-08-20T14:30:00Z",
            "2026-08-20T13:15:00Z",
        ]
        assert alternatives[0]["local_time"] == "Thursday 20 August 2026, 09:30 (America/New_York)"
        for one in alternatives[:2]:
            await practice.book(await practice.add_patient(), one["appointment_date"])

    async def test_found_further_away_where_the_week_is_full(self, practice: Practice) -> None:
        start = datetime(2026, 8, 17, tzinfo=UTC)
        await practice.repositories.time_off.insert(
            TimeOff(starts_at=start, ends_at=start + timedelta(days=20))
        )
        await practice.repositories.chairs.insert(Chair(name="Room 2"))
        await practice.repositories.providers.insert(
            Provider(
                name="Dr. Stay",
                service_ids=["cleaning"],
                working_hours={"MON": OPEN_DAY},  # type: ignore[dict-item]
            )
        )
        await practice.book(await practice.add_patient(), "2026-09-07T09:00")
        await practice.book(await practice.add_patient(), "2026-09-07T09:00")

        with pytest.raises(SlotTakenError) as refused:
            await practice.book(await practice.add_patient(), "2026-09-07T09:00")

        assert len(refused.value.extra["alternatives"]) == 3
