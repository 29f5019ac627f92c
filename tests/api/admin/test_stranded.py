"""What a change of settings does to visits ahead: it lists them, and touches none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.appointment import AppointmentStatus
from app.models.base import new_id
from app.models.role import StaffRole
from app.services.container import Services
from tests.api.admin.desk import make_visit
from tests.api.test_public import problem
from tests.conftest import HeadersFor
from tests.factories import make_patient

pytestmark = pytest.mark.mongo

ADMIN = "/api/v1/admin"
MORNINGS = {"THU": [["09:00", "12:00"]]}
A = AppointmentStatus


class Office:
    """The office manager of a practice with a visit on Thursday at 15:00."""

    def __init__(
        self, client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        self._client = client
        self._headers = headers
        self.repositories = repositories
        self.visit_id = ""
        self.provider_id = ""
        self.chair_id = ""

    async def send(self, method: str, path: str, **given: Any) -> httpx.Response:
        """A request about settings, signed in."""
        return await self._client.request(method, f"{ADMIN}/{path}", headers=self._headers, **given)

    async def add_visit(self, starts_at: datetime, **given: Any) -> str:
        """A visit with the one provider in the one chair; its id."""
        patient = await self.repositories.patients.insert(make_patient(name="Maria Lopez"))
        provider = (await self.repositories.providers.every())[0]
        chair = (await self.repositories.chairs.every())[0]
        fields: dict[str, Any] = {
            "patient_id": patient.id,
            "provider_id": provider.id,
            "chair_id": chair.id,
            "service_id": "cleaning",
        }
        visit = make_visit(starts_at, **(fields | given))
        await self.repositories.appointments.insert(visit)
        self.provider_id, self.chair_id = str(provider.id), str(chair.id)
        return str(visit.id)

    async def book(self) -> list[dict[str, Any]]:
        """Everything that is stored about visits."""
        found = await self.repositories.appointments._find({})
        return [one.to_stored() for one in found]

    async def stranded(self, **query: Any) -> dict[str, Any]:
        """The list of those that no longer fit."""
        answer = await self.send("GET", "schedule/stranded", params=query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


THURSDAY_THREE = datetime(2026, 8, 20, 19, tzinfo=UTC)


@pytest.fixture
async def office(
    app_client: httpx.AsyncClient, furnished: Services, headers_for: HeadersFor
) -> Office:
    """Signed in, the visit stored."""
    headers = await headers_for(StaffRole.OFFICE_MANAGER)
    found = Office(app_client, headers, furnished.repositories)
    found.visit_id = await found.add_visit(THURSDAY_THREE)
    return found


OFF = {"starts_at": "2026-08-20T15:20", "ends_at": "2026-08-20T18:00"}
CHANGES: list[tuple[str, str, dict[str, Any], str]] = [
    ("PATCH", "providers/{provider_id}", {"working_hours": MORNINGS}, "outside_hours"),
    ("PATCH", "providers/{provider_id}", {"effective_until": "2026-08-19"}, "outside_hours"),
    (
        "PATCH",
        "providers/{provider_id}",
        {"service_ids": ["whitening"]},
        "not_performed",
    ),
    ("PATCH", "providers/{provider_id}", {"active": False}, "not_performed"),
    ("PATCH", "chairs/{chair_id}", {"active": False}, "not_performed"),
    ("PATCH", "chairs/{chair_id}", {"service_ids": ["whitening"]}, "not_performed"),
    ("PATCH", "services/cleaning", {"active": False}, "service_inactive"),
    ("POST", "time-off", OFF, "time_off"),
    ("PATCH", "clinic", {"timezone": "Europe/Vienna"}, "outside_hours"),
    ("PATCH", "clinic", {"holidays": [{"name": "Fair", "day": "2026-08-20"}]}, "closed"),
]
every_change = pytest.mark.parametrize(
    ("method", "path", "change", "reason"),
    [pytest.param(*one, id=f"{one[1].split('/')[0]}-{'-'.join(one[2])}") for one in CHANGES],
)


@every_change
class TestEveryChange:
    async def test_lists_whom_it_leaves_behind_and_touches_no_visit(
        self, office: Office, method: str, path: str, change: dict[str, Any], reason: str
    ) -> None:
        before = await office.book()

        answer = await office.send(method, path.format_map(vars(office)), json=change)

        assert answer.status_code in {200, 201}, answer.text
        body = answer.json()
        assert body["stranded_total"] == 1
        (row,) = body["stranded_appointments"]
        assert (row["appointment_id"], row["reason"]) == (office.visit_id, reason)
        assert (row["patient_name"], row["status"]) == ("Maria Lopez", "booked")
        assert row["detail"].endswith(".")
        assert await office.book() == before
        listed = await office.stranded()
        assert listed["stranded_appointments"] == [row]
        assert listed["pagination"]["total_items"] == 1

    async def test_a_dry_run_answers_the_same_and_changes_nothing(
        self, office: Office, method: str, path: str, change: dict[str, Any], reason: str
    ) -> None:
        path = path.format_map(vars(office))
        kind = path.split("/", maxsplit=1)[0]
        before = (await office.send("GET", kind)).json()

        dry = await office.send(method, f"{path}?dry_run=true", json=change)
        after = (await office.send("GET", kind)).json()
        real = await office.send(method, path, json=change)

        assert after == before
        assert dry.status_code == 200
        same = real.json()
        if kind == "time-off":
            same.pop("time_off_id")
        assert dry.json() == same


class TestStranding:
    async def test_a_change_of_the_name_alone_leaves_nobody_behind(self, office: Office) -> None:
        await office.send("PATCH", f"chairs/{office.chair_id}", json={"active": False})

        for path in (f"providers/{office.provider_id}", f"chairs/{office.chair_id}"):
            answer = await office.send("PATCH", path, json={"name": "Other"})
            assert (answer.json()["stranded_total"], answer.json()["stranded_appointments"]) == (
                0,
                [],
            )

    async def test_hours_that_still_hold_it_leave_nobody_behind(self, office: Office) -> None:
        hours = {"THU": [["15:00", "15:30"]]}

        answer = await office.send(
            "PATCH", f"providers/{office.provider_id}", json={"working_hours": hours}
        )

        assert answer.json()["stranded_total"] == 0

    @pytest.mark.parametrize("status", [A.COMPLETED, A.CANCELLED, A.NO_SHOW])
    async def test_only_visits_that_are_going_to_happen(
        self, office: Office, status: AppointmentStatus
    ) -> None:
        await office.repositories.appointments.delete((await office.book())[0]["_id"])
        await office.add_visit(THURSDAY_THREE, status=status)
        await office.add_visit(datetime(2026, 8, 18, 19, tzinfo=UTC))

        answer = await office.send(
            "PATCH", f"providers/{office.provider_id}", json={"active": False}
        )

        assert answer.json()["stranded_total"] == 0
        assert (await office.stranded())["stranded_appointments"] == []

    @pytest.mark.parametrize(
        ("span", "count"),
        [
            (("2026-08-20T14:00", "2026-08-20T15:00"), 0),
            (("2026-08-20T15:30", "2026-08-20T18:00"), 0),
            (("2026-08-20T15:25", "2026-08-20T15:30"), 1),
            (("2026-08-01T00:00", "2026-09-01T00:00"), 1),
        ],
    )
    async def test_time_off_concerns_its_span_alone(
        self, office: Office, span: tuple[str, str], count: int
    ) -> None:
        await office.send("PATCH", f"chairs/{office.chair_id}", json={"active": False})
        off = {"starts_at": span[0], "ends_at": span[1], "provider_id": office.provider_id}

        answer = await office.send("POST", "time-off", json=off)

        assert answer.json()["stranded_total"] == count

    async def test_time_off_that_is_moved_onto_a_visit(self, office: Office) -> None:
        off = {"starts_at": "2026-08-21T15:00", "ends_at": "2026-08-21T18:00"}
        stored = (await office.send("POST", "time-off", json=off)).json()
        path = f"time-off/{stored['time_off_id']}"

        onto = await office.send("PATCH", path, json={"starts_at": "2026-08-20T12:00"})
        away = await office.send("PATCH", path, json={"starts_at": "2026-08-21T12:00"})

        assert stored["stranded_total"] == 0
        assert onto.json()["stranded_appointments"][0]["reason"] == "time_off"
        assert away.json()["stranded_total"] == 0
        assert (await office.stranded())["stranded_appointments"] == []

    async def test_a_colleagues_time_off_leaves_nobody_behind(self, office: Office) -> None:
        other = await office.send("POST", "providers", json={"name": "Dr. Other"})
        off = {**OFF, "provider_id": other.json()["provider_id"]}

        assert (await office.send("POST", "time-off", json=off)).json()["stranded_total"] == 0

    async def test_more_than_two_hundred_are_counted_and_paged(self, office: Office) -> None:
        for number in range(1, 203):
            await office.add_visit(THURSDAY_THREE + timedelta(days=7 * number))

        answer = await office.send(
            "PATCH", f"providers/{office.provider_id}", json={"active": False}
        )
        third = await office.stranded(page=3, limit=100)

        assert answer.json()["stranded_total"] == 203
        rows = answer.json()["stranded_appointments"]
        assert len(rows) == 200
        assert rows[0]["appointment_id"] == office.visit_id
        assert third["pagination"] == {"total_items": 203, "total_pages": 3, "current_page": 3}
        assert len(third["stranded_appointments"]) == 3

    async def test_a_visit_with_somebody_who_is_gone_is_listed(self, office: Office) -> None:
        await office.add_visit(THURSDAY_THREE, provider_id=new_id(), chair_id=new_id())

        (row,) = (await office.stranded())["stranded_appointments"]

        assert row["reason"] == "not_performed"

    async def test_moving_the_visit_takes_it_off_the_list(self, office: Office) -> None:
        await office.send(
            "PATCH", f"providers/{office.provider_id}", json={"working_hours": MORNINGS}
        )
        move = {"appointment_date": "2026-08-20T09:00"}

        await office.send("PATCH", f"appointments/{office.visit_id}", json=move)

        assert (await office.stranded())["stranded_appointments"] == []

    async def test_only_staff_see_the_list(self, app_client: httpx.AsyncClient) -> None:
        answer = await app_client.get(f"{ADMIN}/schedule/stranded")

        assert problem(answer) == (401, "unauthenticated")


class TestDelete:
    @pytest.mark.parametrize("kind", ["providers", "chairs", "services"])
    @pytest.mark.parametrize("dry_run", ["false", "true"])
    async def test_what_is_needed_stays_and_the_answer_says_by_what(
        self, office: Office, kind: str, dry_run: str
    ) -> None:
        for number in range(1, 22):
            await office.add_visit(THURSDAY_THREE + timedelta(days=7 * number))
        one = {"providers": office.provider_id, "chairs": office.chair_id, "services": "cleaning"}

        answer = await office.send("DELETE", f"{kind}/{one[kind]}?dry_run={dry_run}")

        assert problem(answer) == (409, "still-needed")
        assert answer.json()["appointments_total"] == 22
        assert len(answer.json()["appointment_ids"]) == 20
        assert answer.json()["appointment_ids"][0] == office.visit_id
        assert (await office.send("GET", f"{kind}/{one[kind]}")).status_code == 200

    @pytest.mark.parametrize("kind", ["providers", "chairs", "services"])
    async def test_a_dry_run_removes_nothing(self, office: Office, kind: str) -> None:
        await office.send("POST", f"appointments/{office.visit_id}/cancel")
        one = {"providers": office.provider_id, "chairs": office.chair_id, "services": "cleaning"}
        path = f"{kind}/{one[kind]}"

        dry = await office.send("DELETE", f"{path}?dry_run=true")
        still = await office.send("GET", path)
        real = await office.send("DELETE", path)

        assert (dry.status_code, still.status_code, real.status_code) == (204, 200, 204)
        assert problem(await office.send("GET", path)) == (404, "setting-not-found")
