"""The book, at the front door."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx
import pytest

from app.models.base import PyObjectId, as_object_id
from app.models.campaign import CampaignStatus
from app.models.role import StaffRole
from app.services.container import Services
from tests.api.test_public import known_patient, problem
from tests.conftest import HeadersFor
from tests.factories import make_campaign
from tests.fakes import NOON

pytestmark = pytest.mark.mongo

PATH = "/api/v1/admin/appointments"
UNKNOWN = "66f2a1b4c3d2e1f0a9b8c7d6"
ROW = {
    "appointment_id",
    "patient_id",
    "patient_name",
    "campaign_id",
    "provider_id",
    "chair_id",
    "service_id",
    "service_name",
    "appointment_date",
    "duration_minutes",
    "status",
    "created_from",
    "notes",
}


class Desk:
    """Staff with a client."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    async def send(self, method: str, path: str = "", **given: Any) -> httpx.Response:
        """A request about the book, signed in; `extra` are more headers."""
        headers = {**self._headers, **given.pop("extra", {})}
        return await self._client.request(method, f"{PATH}{path}", headers=headers, **given)

    async def book(self, when: str = "2026-08-20T09:00", **given: Any) -> dict[str, Any]:
        """A visit of somebody new; its row."""
        fields = {
            "name": "Noa New",
            "email": f"noa-{when[:16].replace(':', '-')}@example.com",
            "service_id": "cleaning",
            "appointment_date": when,
        }
        answer = await self.send("POST", json={**fields, **given})
        assert answer.status_code == 201, answer.text
        row: dict[str, Any] = answer.json()
        return row


@pytest.fixture
async def desk(app_client: httpx.AsyncClient, furnished: Services, headers_for: HeadersFor) -> Desk:
    """The front desk of a furnished practice."""
    return Desk(app_client, await headers_for(StaffRole.FRONT_DESK))


class TestAccess:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", ""),
            ("POST", ""),
            ("PATCH", f"/{UNKNOWN}"),
            ("DELETE", f"/{UNKNOWN}"),
            ("POST", f"/{UNKNOWN}/confirm"),
            ("POST", f"/{UNKNOWN}/complete"),
            ("POST", f"/{UNKNOWN}/cancel"),
            ("POST", f"/{UNKNOWN}/no-show"),
        ],
    )
    async def test_signed_in_and_for_writing_more_than_reading(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        method: str,
        path: str,
    ) -> None:
        reader = await headers_for(StaffRole.READ_ONLY)

        outside = await app_client.request(method, f"{PATH}{path}")
        reading = await app_client.request(method, f"{PATH}{path}", headers=reader)

        assert problem(outside) == (401, "unauthenticated")
        assert reading.status_code == (200 if method == "GET" else 403)

    @pytest.mark.parametrize("operation", ["", "/confirm", "/complete", "/cancel", "/no-show"])
    async def test_unknown_and_malformed_ids(self, desk: Desk, operation: str) -> None:
        method = "POST" if operation else "DELETE"

        unknown = await desk.send(method, f"/{UNKNOWN}{operation}")
        malformed = await desk.send(method, f"/nonsense{operation}")

        assert problem(unknown) == (404, "appointment-not-found")
        assert problem(malformed) == (422, "validation")


class TestCreate:
    async def test_finds_the_patient_and_their_campaign(
        self, desk: Desk, furnished: Services
    ) -> None:
        patient = await known_patient(furnished, email="dana@example.com")
        campaign = await furnished.repositories.campaigns.insert(
            make_campaign(patient_id=patient.id)
        )

        row = await desk.book("2026-08-19T13:05", name="Dana", email="Dana@example.com")

        assert set(row) == ROW
        assert row["patient_id"] == str(patient.id)
        assert row["patient_name"] == patient.name
        assert row["campaign_id"] == str(campaign.id)
        assert row["appointment_date"] == "2026-08-19T17:05:00Z"
        assert row["created_from"] == "MANUAL_ADMIN"
        moved = await furnished.repositories.campaigns.get(campaign.id)
        assert moved is not None
        assert moved.status == CampaignStatus.BOOKING_INITIATED

    async def test_creates_a_patient_it_does_not_find(
        self, desk: Desk, furnished: Services
    ) -> None:
        row = await desk.book(email=None, phone="212-555-0177", preferred_channel="sms")

        patient_id = as_object_id(row["patient_id"])
        assert patient_id is not None
        stored = await furnished.repositories.patients.get(patient_id)
        assert stored is not None
        assert (stored.phone, stored.preferred_channel) == ("+12125550177", ["sms"])

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"patient_id": UNKNOWN}, (404, "patient-not-found")),
            ({"provider_id": UNKNOWN}, (404, "provider-not-found")),
            ({"chair_id": UNKNOWN}, (404, "chair-not-found")),
            ({"service_id": "surgery"}, (404, "service-not-found")),
            ({"campaign_id": UNKNOWN}, (422, "campaign-mismatch")),
            ({"appointment_date": "2026-08-20T09:01"}, (422, "not-bookable")),
            ({"appointment_date": "2026-08-22T09:00"}, (422, "not-bookable")),
            ({"duration_minutes": 17}, (422, "validation")),
            ({"email": None}, (422, "validation")),
            ({"name": None}, (422, "validation")),
            ({"service_id": None}, (422, "validation")),
            ({"created_from": "IMPORT"}, (422, "validation")),
            ({"appointment_date": "2026-08-20T11:00"}, (409, "slot-taken")),
        ],
    )
    async def test_refuses(
        self, desk: Desk, change: dict[str, Any], expected: tuple[int, str]
    ) -> None:
        await desk.book("2026-08-20T11:00")
        fields = {
            "name": "Other Person",
            "email": "other@example.com",
            "service_id": "cleaning",
            "appointment_date": "2026-08-20T09:00",
        }

        answer = await desk.send("POST", json={**fields, **change})

        assert problem(answer) == expected


class TestCreateOnce:
    """`Idempotency-Key` at the desk."""

    FORM: ClassVar[dict[str, Any]] = {
        "name": "Noa New",
        "email": "noa@example.com",
        "service_id": "cleaning",
        "appointment_date": "2026-08-20T09:00",
    }
    KEY: ClassVar[dict[str, str]] = {"Idempotency-Key": "5f0c1d8e-7a52"}

    async def test_ten_at_once_are_one_visit_and_one_answer(
        self, desk: Desk, furnished: Services
    ) -> None:
        answers = await asyncio.gather(
            *(desk.send("POST", json=self.FORM, extra=self.KEY) for _ in range(10))
        )

        assert {one.status_code for one in answers} == {201}
        (row,) = {one.text for one in answers}
        patient_id = PyObjectId(json.loads(row)["patient_id"])
        assert len(await furnished.repositories.appointments.all_for_patient(patient_id)) == 1

    async def test_a_key_is_bound_to_its_body_and_its_user(
        self, desk: Desk, app_client: httpx.AsyncClient, headers_for: HeadersFor
    ) -> None:
        colleague = Desk(app_client, await headers_for(StaffRole.FRONT_DESK))
        first = await desk.send("POST", json=self.FORM, extra=self.KEY)
        later = {**self.FORM, "appointment_date": "2026-08-20T10:00"}

        other_body = await desk.send("POST", json=later, extra=self.KEY)
        other_user = await colleague.send("POST", json=later, extra=self.KEY)

        assert first.status_code == 201
        assert problem(other_body) == (422, "idempotency-key-reused")
        assert other_user.status_code == 201

    async def test_a_retry_answers_the_visit_as_it_stands_or_that_it_is_gone(
        self, desk: Desk
    ) -> None:
        row = (await desk.send("POST", json=self.FORM, extra=self.KEY)).json()
        path = f"/{row['appointment_id']}"

        await desk.send("POST", f"{path}/confirm")
        again = await desk.send("POST", json=self.FORM, extra=self.KEY)
        await desk.send("DELETE", path)
        gone = await desk.send("POST", json=self.FORM, extra=self.KEY)

        assert again.json() == {**row, "status": "confirmed"}
        assert problem(gone) == (404, "not-found")

    async def test_a_refusal_is_replayed(self, desk: Desk) -> None:
        taken = await desk.book()
        refused = await desk.send("POST", json=self.FORM, extra=self.KEY)
        await desk.send("POST", f"/{taken['appointment_id']}/cancel")

        again = await desk.send("POST", json=self.FORM, extra=self.KEY)

        assert problem(refused) == problem(again) == (409, "slot-taken")
        assert again.json()["alternatives"] == refused.json()["alternatives"]


class TestList:
    async def test_clinic_local_days_inclusive_by_start(self, desk: Desk) -> None:
        for when in ("2026-08-21T16:30", "2026-08-20T09:00", "2026-08-24T09:00"):
            await desk.book(when)

        answer = await desk.send(
            "GET", params={"start_date": "2026-08-20", "end_date": "2026-08-21"}
        )

        body = answer.json()
        assert body["pagination"] == {"total_items": 2, "total_pages": 1, "current_page": 1}
        assert [row["appointment_date"] for row in body["appointments"]] == [
            "2026-08-20T13:00:00Z",
            "2026-08-21T20:30:00Z",
        ]
        assert set(body["appointments"][0]) == ROW
        assert body["appointments"][0]["patient_name"] == "Noa New"

    async def test_the_evening_belongs_to_its_local_day(
        self, desk: Desk, furnished: Services
    ) -> None:
        """20:30 in New York is past midnight in UTC."""
        provider = (await furnished.repositories.providers.every())[0]
        await furnished.repositories.providers.update_fields(
            provider.id, {"working_hours": {"THU": [["20:00", "22:00"]]}}
        )
        await desk.book("2026-08-20T20:30")
        day = {"start_date": "2026-08-20", "end_date": "2026-08-20"}
        next_day = {"start_date": "2026-08-21", "end_date": "2026-08-21"}

        assert (await desk.send("GET", params=day)).json()["pagination"]["total_items"] == 1
        assert (await desk.send("GET", params=next_day)).json()["pagination"]["total_items"] == 0

    async def test_by_provider_and_status_and_page(self, desk: Desk) -> None:
        row = await desk.book()
        other = await desk.book("2026-08-20T10:00")
        await desk.send("POST", f"/{other['appointment_id']}/cancel")

        async def ids(**query: Any) -> list[str]:
            answer = await desk.send("GET", params=query)
            return [one["appointment_id"] for one in answer.json()["appointments"]]

        assert await ids(status="booked") == [row["appointment_id"]]
        assert await ids(provider_id=UNKNOWN) == []
        assert len(await ids(provider_id=row["provider_id"])) == 2
        assert await ids(limit=1, page=2) == [other["appointment_id"]]
        assert problem(await desk.send("GET", params={"status": "lost"})) == (422, "validation")
        assert problem(await desk.send("GET", params={"start_date": "x"})) == (422, "validation")
        backwards = {"start_date": "2026-08-21", "end_date": "2026-08-20"}
        assert problem(await desk.send("GET", params=backwards)) == (422, "invalid-span")


class TestChange:
    async def test_moves_and_annotates(self, desk: Desk) -> None:
        row = await desk.book()
        change = {"appointment_date": "2026-08-20T10:05", "notes": "Rang."}

        answer = await desk.send("PATCH", f"/{row['appointment_id']}", json=change)

        assert answer.status_code == 200
        assert answer.json() == {
            **row,
            "appointment_date": "2026-08-20T14:05:00Z",
            "notes": "Rang.",
        }
        bare = await desk.send("PATCH", f"/{row['appointment_id']}", json={"notes": None})
        assert bare.json()["notes"] is None

    async def test_a_taken_time_is_a_conflict(self, desk: Desk) -> None:
        row = await desk.book()
        await desk.book("2026-08-20T10:00")

        answer = await desk.send(
            "PATCH", f"/{row['appointment_id']}", json={"appointment_date": "2026-08-20T09:50"}
        )

        assert problem(answer) == (409, "slot-taken")
        assert len(answer.json()["alternatives"]) == 3

    @pytest.mark.parametrize("nothing", [{}, {"provider_id": None}])
    async def test_a_change_changes_something(self, desk: Desk, nothing: dict[str, Any]) -> None:
        row = await desk.book()

        answer = await desk.send("PATCH", f"/{row['appointment_id']}", json=nothing)

        assert problem(answer) == (422, "validation")

    async def test_one_of_the_alternatives_is_free_in_one_click(self, desk: Desk) -> None:
        row = await desk.book()
        await desk.book("2026-08-20T10:00")
        path = f"/{row['appointment_id']}"
        refused = await desk.send("PATCH", path, json={"appointment_date": "2026-08-20T09:50"})
        free = refused.json()["alternatives"][0]

        answer = await desk.send(
            "PATCH",
            path,
            json={
                "appointment_date": f"{free['date']}T{free['time']}",
                "provider_id": free["provider_ids"][0],
            },
        )

        assert answer.status_code == 200
        assert answer.json()["appointment_date"] == free["appointment_date"]

    async def test_status_is_not_for_setting(self, desk: Desk) -> None:
        row = await desk.book()

        answer = await desk.send("PATCH", f"/{row['appointment_id']}", json={"status": "completed"})

        assert problem(answer) == (422, "validation")


class TestOperations:
    @pytest.mark.parametrize(
        ("operation", "status"),
        [
            ("confirm", "confirmed"),
            ("complete", "completed"),
            ("cancel", "cancelled"),
            ("no-show", "no_show"),
        ],
    )
    async def test_once_and_again(self, desk: Desk, operation: str, status: str) -> None:
        row = await desk.book()

        first = await desk.send("POST", f"/{row['appointment_id']}/{operation}")
        again = await desk.send("POST", f"/{row['appointment_id']}/{operation}")

        assert (first.status_code, first.json()["status"]) == (200, status)
        assert again.json() == first.json()

    async def test_a_refused_one_is_a_conflict(self, desk: Desk) -> None:
        row = await desk.book()
        await desk.send("POST", f"/{row['appointment_id']}/complete")

        answer = await desk.send("POST", f"/{row['appointment_id']}/cancel")

        assert problem(answer) == (409, "appointment-transition")

    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            ("2027-01-15", "2027-01-15T05:00:00+00:00"),
            ("2027-01-15T03:00:00Z", "2027-01-14T05:00:00+00:00"),
        ],
    )
    async def test_completing_takes_a_day_or_an_instant_whose_local_day_counts(
        self, desk: Desk, furnished: Services, given: str, stored: str
    ) -> None:
        row = await desk.book()

        await desk.send(
            "POST", f"/{row['appointment_id']}/complete", json={"next_follow_up_date": given}
        )

        patient_id = as_object_id(row["patient_id"])
        assert patient_id is not None
        patient = await furnished.repositories.patients.get(patient_id)
        assert patient is not None
        assert patient.next_follow_up_date is not None
        assert patient.next_follow_up_date.isoformat() == stored

    async def test_completing_again_with_another_date_is_refused(
        self, desk: Desk, furnished: Services
    ) -> None:
        row = await desk.book()
        path = f"/{row['appointment_id']}/complete"
        given, other = {"next_follow_up_date": "2027-01-15"}, {"next_follow_up_date": "2027-02-15"}
        first = await desk.send("POST", path, json=given)

        refused = await desk.send("POST", path, json=other)

        assert problem(refused) == (409, "already-completed")
        for same in (given, None):
            again = await desk.send("POST", path, json=same)
            assert (again.status_code, again.json()) == (200, first.json())
        patients = furnished.repositories.patients
        patient = await patients.get(PyObjectId(row["patient_id"]))
        assert patient is not None
        assert patient.next_follow_up_date == datetime(2027, 1, 15, 5, tzinfo=UTC)
        await patients.update_fields(patient.id, {"next_follow_up_date": NOON})
        still = await desk.send("POST", path, json=given)
        assert (still.status_code, still.json()) == (200, first.json())

    async def test_deleting_frees_and_is_audited(self, desk: Desk, furnished: Services) -> None:
        row = await desk.book()

        answer = await desk.send("DELETE", f"/{row['appointment_id']}")

        assert (answer.status_code, answer.content) == (204, b"")
        gone = await desk.send("GET", f"/{row['appointment_id']}")
        assert problem(gone) == (404, "appointment-not-found")
        (entry,) = await furnished.repositories.audit.about(row["appointment_id"])
        assert entry.details["service_name"] == "Check-up and Cleaning"
        await desk.book()
