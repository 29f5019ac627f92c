"""Who saw or changed which patient's data: every operation leaves its entry, and no other."""

import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.api.audit import ABOUT_SOMETHING_ELSE, ADMIN_PREFIX, is_about_patients
from app.models.role import StaffRole
from app.services.container import Services
from tests.conftest import HeadersFor
from tests.factories import make_campaign, make_patient

pytestmark = pytest.mark.mongo

AUDIT = "/api/v1/admin/audit"
NAMES_A_PATIENT = re.compile(r"patient_(id|name|email|phone)|content|waitlist|contact")
STRANDED = {"StrandedVisit"}
Headers = dict[str, str]


async def entries(services: Services) -> list[dict[str, Any]]:
    """What is stored, in its order, once nothing waits any more."""
    await services.audit.trail.settle()
    found = services.database.collection("audit_log").find({}, sort=[("seq", 1)])
    documents: list[dict[str, Any]] = await found.to_list(None)
    return documents


class TestEveryOperation:
    async def test_about_patients_leaves_one_entry_whatever_it_answers(
        self,
        app: FastAPI,
        app_client: httpx.AsyncClient,
        admin_headers: Headers,
        services: Services,
    ) -> None:
        asked: dict[str, int] = {}
        for route in iter_route_contexts(list(app.routes)):
            if not is_about_patients(str(route.path_format)):
                continue
            for method in route.methods or ():
                url = re.sub(r"\{[^}]+\}", "66f2a1b4c3d2e1f0a9b8c7d6", str(route.path_format))
                answer = await app_client.request(method, url, headers=admin_headers)
                asked[route.operation_id] = answer.status_code

        left = [one for one in await entries(services) if one["subject"] == "patient_data"]

        assert sorted(entry["action"] for entry in left) == sorted(asked)
        assert {entry["action"]: entry["status"] for entry in left} == asked
        assert len(asked) > 35

    def test_the_others_answer_nothing_about_patients(self, app: FastAPI) -> None:
        """A part that is declared to be about something else has no patient in its schemas, but for
        visits that a change leaves stranded: who reads those is recorded like anywhere else.
        """
        document = app.openapi()
        schemas = document["components"]["schemas"]
        told = {}
        parts = set()
        for path, item in document["paths"].items():
            if path.startswith(ADMIN_PREFIX) and not is_about_patients(path):
                parts.add(path.removeprefix(ADMIN_PREFIX).split("/")[0])
                fields = fields_of(
                    [operation["responses"] for operation in item.values()], schemas, set(STRANDED)
                )
                told[path] = sorted(field for field in fields if NAMES_A_PATIENT.search(field))

        assert {path: fields for path, fields in told.items() if fields} == {}
        assert parts == ABOUT_SOMETHING_ELSE

    async def test_names_whose_data_and_who_asked(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor, services: Services
    ) -> None:
        headers = await headers_for(StaffRole.FRONT_DESK)
        me = (await app_client.get("/api/v1/users/me", headers=headers)).json()["user_id"]
        dana, lee = make_patient(name="Dana Smith"), make_patient(name="Lee Wong")
        for patient in (dana, lee):
            await services.repositories.patients.insert(patient)
        await services.repositories.campaigns.insert(make_campaign(patient_id=lee.id))

        for method, path, body in (
            ("GET", "/api/v1/admin/patients?limit=2", None),
            ("GET", f"/api/v1/admin/patients/{dana.id}", None),
            ("PATCH", f"/api/v1/admin/patients/{lee.id}", {"language": "es"}),
            ("GET", "/api/v1/admin/campaigns", None),
            ("GET", "/api/v1/admin/dashboard-stats", None),
            ("GET", "/api/v1/services", None),
        ):
            answer = await app_client.request(
                method, path, json=body, headers=headers | {"X-Request-ID": f"asked-{method}"}
            )
            assert answer.status_code == 200

        left = await entries(services)

        assert [(one["action"], one["patient_ids"], one["is_write"]) for one in left] == [
            ("list_patients", [dana.id, lee.id], False),
            ("get_patient", [dana.id], False),
            ("update_patient", [lee.id], True),
            ("list_campaigns", [lee.id], False),
        ]
        assert {one["actor"] for one in left} == {f"staff:{me}"}
        assert [one["request_id"] for one in left[1:3]] == ["asked-GET", "asked-PATCH"]
        assert not any("Dana" in str(one) or "@" in str(one) for one in left)

    async def test_nobody_signed_in_leaves_none_and_public_pages_leave_whom_they_touch(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        await app_client.get("/api/v1/admin/patients")
        await app_client.get("/api/v1/unsubscribe/nothing")

        assert await entries(services) == []


class TestRead:
    async def test_by_patient_member_and_time_newest_first(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: Headers,
        headers_for: HeadersFor,
        services: Services,
        clock: Any,
    ) -> None:
        patient = make_patient()
        await services.repositories.patients.insert(patient)
        desk = await headers_for(StaffRole.READ_ONLY)
        path = f"/api/v1/admin/patients/{patient.id}"
        await app_client.get(path, headers=admin_headers)
        clock.advance(minutes=1)
        await app_client.get(path, headers=desk)
        await app_client.get("/api/v1/admin/patients?q=nobody", headers=desk)
        await services.audit.trail.settle()
        me = (await app_client.get("/api/v1/users/me", headers=desk)).json()["user_id"]

        async def shown(**asked: str) -> list[str]:
            answer = await app_client.get(AUDIT, params=asked, headers=admin_headers)
            assert answer.status_code == 200, answer.text
            return [f"{row['action']} {row['actor'][-4:]}" for row in answer.json()["audit"]]

        by_patient = await shown(patient_id=str(patient.id))
        assert len(by_patient) == 2
        assert by_patient[0] == f"get_patient {me[-4:]}"
        assert sorted(await shown(staff_id=me)) == sorted(
            [f"get_patient {me[-4:]}", f"list_patients {me[-4:]}"]
        )
        assert (
            await shown(patient_id=str(patient.id), until="2026-08-19T12:00:30") == by_patient[1:]
        )
        assert await shown(until="2026-08-19T16:00:00Z") == []
        assert await shown(since="2026-08-19T16:00:00Z", until="2026-08-19T16:00:30Z") == [
            by_patient[1]
        ]
        assert await shown(until="1900-01-01T00:00:00Z") == []

    async def test_only_for_administrators_and_in_a_plain_form(
        self, app_client: httpx.AsyncClient, admin_headers: Headers, headers_for: HeadersFor
    ) -> None:
        manager = await headers_for(StaffRole.OFFICE_MANAGER)
        assert (await app_client.get(AUDIT, headers=manager)).status_code == 403
        for wrong in (
            "patient_id=x",
            "staff_id=1",
            "since=yesterday",
            "until=0001-01-01T00:00:00Z",
        ):
            answer = await app_client.get(f"{AUDIT}?{wrong}", headers=admin_headers)
            assert answer.status_code == 422


def fields_of(part: Any, schemas: dict[str, Any], seen: set[str]) -> set[str]:
    """The name of every field that an answer can hold."""
    if isinstance(part, list):
        return set().union(*(fields_of(one, schemas, seen) for one in part))
    if not isinstance(part, dict):
        return set()
    found = set(part.get("properties", {}))
    if (ref := part.get("$ref")) and (name := ref.rsplit("/", 1)[1]) not in seen:
        seen.add(name)
        found |= fields_of(schemas[name], schemas, seen)
    return found.union(
        *(fields_of(one, schemas, seen) for key, one in part.items() if "example" not in key)
    )
