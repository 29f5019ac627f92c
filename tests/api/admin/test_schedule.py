"""The book by the day, at the front door."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.models.appointment import AppointmentStatus
from app.models.base import new_id
from app.models.role import StaffRole
from app.models.schedule import Chair, Provider, TimeOff, Weekday
from app.services.container import Services
from tests.api.admin.desk import make_visit
from tests.api.test_public import problem
from tests.conftest import HeadersFor
from tests.factories import make_patient

pytestmark = pytest.mark.mongo

PATH = "/api/v1/admin/schedule"
THURSDAY = "2026-08-20"
A = AppointmentStatus


class Day:
    """The schedule, asked for by somebody who may read, and a practice to fill."""

    def __init__(
        self, client: httpx.AsyncClient, headers: dict[str, str], services: Services
    ) -> None:
        self._client = client
        self._headers = headers
        self.services = services
        self.repositories = services.repositories

    async def ask(self, day: str | None = THURSDAY) -> httpx.Response:
        """The answer."""
        query = {"date": day} if day else {}
        return await self._client.get(PATH, headers=self._headers, params=query)

    async def of(self, day: str | None = THURSDAY) -> dict[str, Any]:
        """The day."""
        answer = await self.ask(day)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def rivera(self) -> Provider:
        """The one provider of the furnished practice."""
        return (await self.repositories.providers.every())[0]

    async def visit(self, local: datetime, **given: Any) -> str:
        """A visit of the first provider in the first chair; its id."""
        place = {
            "provider_id": (await self.rivera()).id,
            "chair_id": (await self.repositories.chairs.every())[0].id,
        }
        stored = await self.repositories.appointments.insert(make_visit(local, **(place | given)))
        return str(stored.id)

    async def works(self, **hours: list[tuple[str, str]]) -> None:
        """Set the provider's week."""
        provider = await self.rivera()
        await self.repositories.providers.update_fields(provider.id, {"working_hours": hours})


@pytest.fixture
async def day(app_client: httpx.AsyncClient, furnished: Services, headers_for: HeadersFor) -> Day:
    """The furnished practice."""
    return Day(app_client, await headers_for(StaffRole.READ_ONLY), furnished)


def at(clock: str, day: str = THURSDAY) -> datetime:
    """UTC of a time in New York in summer."""
    return datetime.fromisoformat(f"{day}T{clock}:00-04:00").astimezone(UTC)


def wall(spans: list[dict[str, Any]]) -> list[str]:
    """Spans as the clinic's clock shows them."""
    return [f"{one['local_start']}-{one['local_end']}" for one in spans]


class TestDay:
    async def test_an_empty_day_is_free_within_its_hours(self, day: Day) -> None:
        body = await day.of()

        assert body["date"] == THURSDAY
        assert body["timezone"] == "America/New_York"
        assert (body["starts_at"], body["ends_at"]) == (
            "2026-08-20T04:00:00Z",
            "2026-08-21T04:00:00Z",
        )
        assert (body["is_closed"], body["closures"]) == (False, [])
        (provider,) = body["providers"]
        assert (provider["name"], provider["active"]) == ("Dr. Rivera", True)
        assert wall(provider["hours"]) == wall(provider["free"]) == ["09:00-12:00", "13:00-17:00"]
        assert provider["hours"][0]["starts_at"] == "2026-08-20T13:00:00Z"
        assert provider["hours"][0]["minutes"] == 180
        assert (provider["absences"], provider["visits"]) == ([], [])
        (chair,) = body["chairs"]
        assert (chair["name"], chair["appointment_ids"]) == ("Room 1", [])

    async def test_without_a_date_it_is_the_clinics_today(self, day: Day) -> None:
        assert (await day.of(None))["date"] == "2026-08-19"

    async def test_visits_stand_with_their_provider_and_by_id_in_their_chair(
        self, day: Day
    ) -> None:
        patient = await day.repositories.patients.insert(make_patient(name="Maria Lopez"))
        second = await day.visit(at("13:00"), status=A.COMPLETED)
        first = await day.visit(at("10:00"), patient_id=patient.id, buffer_after_minutes=7)

        body = await day.of()

        (provider,) = body["providers"]
        assert [one["appointment_id"] for one in provider["visits"]] == [first, second]
        row = provider["visits"][0]
        assert (row["patient_name"], row["local_time"]) == ("Maria Lopez", "2026-08-20T10:00")
        assert (row["ends_at"], row["holds_time"]) == ("2026-08-20T14:30:00Z", True)
        assert provider["visits"][1]["patient_name"] is None
        # The buffer counts, rounded up to what claims hold.
        assert wall(provider["free"]) == ["09:00-10:00", "10:40-12:00", "13:30-17:00"]
        assert body["chairs"][0]["appointment_ids"] == [first, second]

    @pytest.mark.parametrize("status", [A.CANCELLED, A.NO_SHOW])
    async def test_what_was_cancelled_or_missed_is_shown_and_free(
        self, day: Day, status: AppointmentStatus
    ) -> None:
        await day.visit(at("10:00"), status=status)

        (provider,) = (await day.of())["providers"]

        (row,) = provider["visits"]
        assert (row["status"], row["holds_time"]) == (status, False)
        assert wall(provider["free"]) == wall(provider["hours"])

    async def test_a_visit_over_midnight_is_in_both_days(self, day: Day) -> None:
        await day.works(THU=[("20:00", "24:00")], FRI=[("00:00", "04:00")])
        visit = await day.visit(at("23:30"), duration_minutes=90)

        evening, morning = await day.of(), await day.of("2026-08-21")

        for body in (evening, morning):
            assert [one["appointment_id"] for one in body["providers"][0]["visits"]] == [visit]
            assert body["chairs"][0]["appointment_ids"] == [visit]
        assert wall(evening["providers"][0]["hours"]) == ["20:00-24:00"]
        assert wall(evening["providers"][0]["free"]) == ["20:00-23:30"]
        assert wall(morning["providers"][0]["free"]) == ["01:00-04:00"]
        assert (await day.of("2026-08-22"))["providers"][0]["visits"] == []

    async def test_a_buffer_over_midnight_takes_time_and_is_no_visit(self, day: Day) -> None:
        await day.works(FRI=[("00:00", "04:00")])
        await day.visit(at("23:00"), duration_minutes=60, buffer_after_minutes=20)

        (provider,) = (await day.of("2026-08-21"))["providers"]

        assert provider["visits"] == []
        assert wall(provider["free"]) == ["00:20-04:00"]

    @pytest.mark.parametrize(
        ("change_day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25)], ids=["spring", "autumn"]
    )
    async def test_days_on_which_clocks_change(self, day: Day, change_day: str, hours: int) -> None:
        await day.works(SUN=[("00:00", "24:00")])

        body = await day.of(change_day)

        (whole,) = body["providers"][0]["free"]
        assert (whole["local_start"], whole["local_end"]) == ("00:00", "24:00")
        assert whole["minutes"] == hours * 60
        assert (whole["starts_at"], whole["ends_at"]) == (body["starts_at"], body["ends_at"])

    async def test_absences_and_closures_take_their_part_of_the_day(self, day: Day) -> None:
        rivera = await day.rivera()
        off = await day.repositories.time_off.insert(
            TimeOff(
                provider_id=rivera.id,
                starts_at=at("11:00"),
                ends_at=at("14:00"),
                reason="Conference",
            )
        )
        closed = await day.repositories.time_off.insert(
            TimeOff(starts_at=at("16:00"), ends_at=at("10:00", "2026-08-21"), reason="Painters")
        )

        body = await day.of()
        (provider,) = body["providers"]
        (absence,) = provider["absences"]
        (closure,) = body["closures"]

        assert (absence["time_off_id"], absence["reason"]) == (str(off.id), "Conference")
        assert wall([absence, closure]) == ["11:00-14:00", "16:00-24:00"]
        assert (closure["kind"], closure["name"]) == ("time_off", "Painters")
        assert closure["time_off_id"] == str(closed.id)
        assert wall(provider["free"]) == ["09:00-11:00", "14:00-16:00"]
        assert wall(provider["hours"]) == ["09:00-12:00", "13:00-17:00"]
        assert not body["is_closed"]

    async def test_a_holiday_closes_the_day_and_drops_no_visit(self, day: Day) -> None:
        await day.services.base.clinic.update(
            {"holidays": [{"name": "Founder's day", "day": "2025-08-20", "every_year": True}]}
        )
        visit = await day.visit(at("10:00"))

        body = await day.of()

        assert body["is_closed"]
        (closure,) = body["closures"]
        assert (closure["kind"], closure["name"]) == ("holiday", "Founder's day")
        assert closure["time_off_id"] is None
        (provider,) = body["providers"]
        assert provider["free"] == []
        assert [one["appointment_id"] for one in provider["visits"]] == [visit]
        assert not (await day.of("2026-08-21"))["is_closed"]

    async def test_two_closures_may_make_a_whole_day(self, day: Day) -> None:
        for starts, ends in ((at("00:00"), at("12:00")), (at("11:00"), at("00:00", "2026-08-21"))):
            await day.repositories.time_off.insert(TimeOff(starts_at=starts, ends_at=ends))

        assert (await day.of())["is_closed"]

    async def test_who_is_not_in_use_is_shown_where_visits_need_it(self, day: Day) -> None:
        week = {key: [("09:00", "12:00")] for key in Weekday}
        idle = Provider(name="Dr. Idle", active=False, working_hours=week)
        busy = Provider(name="Dr. Busy", active=False, working_hours=week)
        gone, room = new_id(), Chair(name="Room 9", active=False)
        for one in (idle, busy):
            await day.repositories.providers.insert(one)
        await day.repositories.chairs.insert(room)
        await day.visit(at("10:00"), provider_id=busy.id, chair_id=room.id)
        await day.visit(at("11:00"), provider_id=gone, chair_id=gone)

        body = await day.of()

        shown = [(one["name"], one["active"], wall(one["hours"])) for one in body["providers"]]
        assert shown == [
            ("Dr. Busy", False, []),
            ("Dr. Rivera", True, ["09:00-12:00", "13:00-17:00"]),
            (None, False, []),
        ]
        assert [one["name"] for one in body["chairs"]] == ["Room 1", "Room 9", None]
        assert body["chairs"][2]["chair_id"] == str(gone)

    @pytest.mark.parametrize("given", ["2026-02-30", "x", "0001-01-01", "9999-12-31"])
    async def test_a_day_that_is_none_is_refused(self, day: Day, given: str) -> None:
        status, _ = problem(await day.ask(given))

        assert status == 422

    async def test_only_staff_see_it(self, app_client: httpx.AsyncClient) -> None:
        assert problem(await app_client.get(PATH)) == (401, "unauthenticated")

    async def test_asks_no_more_of_the_database_for_a_full_day(self, day: Day) -> None:
        """Forty visits of forty patients are one query for visits and one for names."""
        start = at("09:00")
        for number in range(40):
            patient = await day.repositories.patients.insert(make_patient())
            await day.visit(start + timedelta(minutes=5 * number), patient_id=patient.id)

        (provider,) = (await day.of())["providers"]

        assert len(provider["visits"]) == 40
        assert all(one["patient_name"] for one in provider["visits"])
