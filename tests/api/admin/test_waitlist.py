"""Who waits, as staff see it."""

from typing import Any

import httpx
import pytest

from app.models.role import StaffRole
from app.services.container import Services
from tests.api.admin.desk import ADMIN, NOBODY, problem
from tests.api.test_public import known_patient
from tests.conftest import HeadersFor
from tests.fakes import FrozenClock
from tests.services.scheduling.waiting import Waiting

pytestmark = pytest.mark.mongo

WAITLIST = f"{ADMIN}/waitlist"


@pytest.fixture
async def desk(headers_for: HeadersFor) -> dict[str, str]:
    return await headers_for(StaffRole.FRONT_DESK)


def call(**given: Any) -> dict[str, Any]:
    """Somebody on the phone."""
    return {"service_id": "cleaning", "name": "Ann Other", "phone": "212 555 0142", **given}


class TestAdd:
    async def test_a_patient_by_id(
        self, app_client: httpx.AsyncClient, furnished: Services, desk: dict[str, str]
    ) -> None:
        patient = await known_patient(furnished)
        body = {"service_id": "cleaning", "patient_id": str(patient.id), "times": ["evening"]}

        answer = await app_client.post(WAITLIST, json=body, headers=desk)

        assert answer.status_code == 201
        found = answer.json()
        assert (found["name"], found["email"]) == (patient.name, patient.email)
        assert (found["patient_id"], found["times"]) == (str(patient.id), ["evening"])
        assert (found["from"], found["to"]) == ("2026-08-19", "2026-11-17")
        assert found["added_by"].startswith("staff:")

    async def test_somebody_with_a_number_only(
        self, app_client: httpx.AsyncClient, furnished: Services, desk: dict[str, str]
    ) -> None:
        answer = await app_client.post(WAITLIST, json=call(), headers=desk)

        assert (answer.json()["email"], answer.json()["phone"]) == (None, "+12125550142")

    async def test_once(
        self, app_client: httpx.AsyncClient, furnished: Services, desk: dict[str, str]
    ) -> None:
        first = await app_client.post(WAITLIST, json=call(), headers=desk)

        again = await app_client.post(WAITLIST, json=call(), headers=desk)

        body = problem(again, 409, "already-waiting")
        assert body["waitlist_id"] == first.json()["waitlist_id"]

    @pytest.mark.parametrize(
        ("body", "status", "slug"),
        [
            (call(service_id="nothing"), 404, "service-not-found"),
            ({"service_id": "cleaning", "patient_id": NOBODY}, 404, "patient-not-found"),
            (call(phone=None), 422, "waitlist-wish"),
            ({"service_id": "cleaning", "email": "a@example.com"}, 422, "validation"),
            (call(to="2030-01-01"), 422, "waitlist-wish"),
        ],
        ids=range(5),
    )
    async def test_refuses_what_cannot_be_waited_for(
        self,
        *,
        app_client: httpx.AsyncClient,
        furnished: Services,
        desk: dict[str, str],
        body: dict[str, Any],
        status: int,
        slug: str,
    ) -> None:
        problem(await app_client.post(WAITLIST, json=body, headers=desk), status, slug)

        assert (await furnished.repositories.waitlist.page(None, page=1, limit=5)).items == []


class TestList:
    async def test_longest_waiting_first_by_status_and_page(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        desk: dict[str, str],
        clock: FrozenClock,
    ) -> None:
        waiting = await Waiting.build(services, clock)
        entries = [await waiting.joins() for _ in range(3)]
        stranger = await waiting.joins(name="New Person", email="new@example.com")
        await waiting.frees()
        await waiting.look()
        await services.waiting.answers.leave(await waiting.token(entries[0]))
        waiting.clock.advance(minutes=1)
        await waiting.look()

        async def listed(query: str) -> list[str]:
            answer = (await app_client.get(f"{WAITLIST}{query}", headers=desk)).json()
            return [one["waitlist_id"] for one in answer["waitlist"]]

        ids = [str(one.id) for one in [*entries, stranger]]
        assert await listed("") == ids
        assert await listed("?status=waiting") == ids[1:]
        assert await listed("?status=left") == ids[:1]
        assert await listed("?limit=2&page=2") == ids[2:]
        answer = (await app_client.get(WAITLIST, headers=desk)).json()
        assert answer["pagination"]["total_items"] == 4
        assert answer["waitlist"][1]["last_offer"]["starts"] == ["2026-08-20T13:00:00Z"]
        assert answer["waitlist"][3]["held_back"] == "stranger"


class TestRemove:
    async def test_for_good_and_audited_without_who_it_was(
        self, app_client: httpx.AsyncClient, furnished: Services, desk: dict[str, str]
    ) -> None:
        added = await app_client.post(WAITLIST, json=call(), headers=desk)
        waitlist_id = added.json()["waitlist_id"]

        answer = await app_client.delete(f"{WAITLIST}/{waitlist_id}", headers=desk)

        assert answer.status_code == 204
        (record,) = await furnished.repositories.audit.about(waitlist_id)
        assert (record.action, record.subject) == ("delete", "waitlist_entry")
        assert record.actor.startswith("staff:")
        assert "Ann" not in str(record.details)
        again = await app_client.delete(f"{WAITLIST}/{waitlist_id}", headers=desk)
        problem(again, 404, "waitlist-entry-not-found")
