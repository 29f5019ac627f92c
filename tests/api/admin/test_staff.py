"""Staff accounts: who may keep them, and how soon a change counts."""

import asyncio
from typing import Any

import httpx
import pytest

from app.core.errors import ForbiddenError
from app.models.base import PyObjectId
from app.models.role import StaffMember, StaffRole
from app.services.container import Services
from tests.api.test_public import problem
from tests.conftest import HeadersFor
from tests.factories import make_staff

pytestmark = pytest.mark.mongo

STAFF = "/api/v1/admin/staff"
ME = "/api/v1/users/me"
NEW = "seven kettles under one moon"
SAM = {"name": "Sam Schedule", "email": "Sam@Example.com", "role": "OFFICE_MANAGER"}

Headers = dict[str, str]


async def who(client: httpx.AsyncClient, headers: Headers) -> str:
    """The id of whoever sends these headers."""
    return str((await client.get(ME, headers=headers)).json()["user_id"])


async def stored(services: Services, staff_id: str) -> StaffMember:
    """The account as it is stored."""
    member = await services.repositories.staff.get(PyObjectId(staff_id))
    assert member is not None
    return member


class TestList:
    async def test_shows_accounts_by_address_and_nothing_secret(
        self, app_client: httpx.AsyncClient, admin_headers: Headers, services: Services
    ) -> None:
        member = make_staff(email="aa@example.com", disabled=True, link_hash="f" * 64)
        await services.repositories.staff.insert(member)

        answer = await app_client.get(STAFF, headers=admin_headers)

        body = answer.json()
        assert body["pagination"]["total_items"] == 3
        assert body["staff"][0] == {
            "staff_id": str(member.id),
            "name": "Robin Reception",
            "email": "aa@example.com",
            "role": "FRONT_DESK",
            "active": False,
            "second_factor": False,
            "created_at": "2026-08-19T16:00:00Z",
        }
        assert "f" * 64 not in answer.text

    @pytest.mark.parametrize("role", [role for role in StaffRole if role != StaffRole.ADMIN])
    async def test_is_for_administrators(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor, role: StaffRole
    ) -> None:
        assert (await app_client.get(STAFF, headers=await headers_for(role))).status_code == 403


class TestCreate:
    async def test_makes_an_account_that_opens_with_its_link(
        self, app_client: httpx.AsyncClient, admin_headers: Headers
    ) -> None:
        answer = await app_client.post(STAFF, json=SAM, headers=admin_headers)

        assert answer.status_code == 201
        body = answer.json()
        assert body["staff"]["email"] == "sam@example.com"
        assert body["staff"]["active"] is True
        token = body["password_link"].rpartition("/")[2]
        reset = {"token": token, "new_password": NEW}
        assert (await app_client.post("/api/v1/auth/reset-password", json=reset)).status_code == 204
        form = {"username": "sam@example.com", "password": NEW}
        tokens = (await app_client.post("/api/v1/auth/login", data=form)).json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await app_client.get(ME, headers=headers)).json()["role"] == "OFFICE_MANAGER"

    async def test_has_a_hash_like_any_other_before(
        self, app_client: httpx.AsyncClient, admin_headers: Headers, services: Services
    ) -> None:
        body = (await app_client.post(STAFF, json=SAM, headers=admin_headers)).json()

        member = await stored(services, body["staff"]["staff_id"])
        assert member.hashed_password.startswith("$argon2id$v=19$m=19456,t=2,p=1$")

    async def test_an_address_is_taken_once(
        self, app_client: httpx.AsyncClient, admin_headers: Headers
    ) -> None:
        tries = (app_client.post(STAFF, json=SAM, headers=admin_headers) for _ in range(5))

        answers = await asyncio.gather(*tries)

        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert problem(refused) == (409, "duplicate-staff")

    @pytest.mark.parametrize(
        "change",
        [
            {"email": "nobody"},
            {"email": {"$gt": ""}},
            {"role": "OWNER"},
            {"name": ""},
            {"name": "x" * 121},
            {"name": "A\nBcc: b@example.com"},
            {"hashed_password": "x"},
            {"_id": "66f2a1b4c3d2e1f0a9b8c7d6"},
            {"disabled": False},
        ],
        ids=str,
    )
    async def test_nothing_else_can_be_set(
        self, app_client: httpx.AsyncClient, admin_headers: Headers, change: dict[str, Any]
    ) -> None:
        answer = await app_client.post(STAFF, json={**SAM, **change}, headers=admin_headers)

        assert answer.status_code == 422


class TestUpdate:
    async def test_a_role_counts_from_the_next_request(
        self, app_client: httpx.AsyncClient, admin_headers: Headers, headers_for: HeadersFor
    ) -> None:
        robin = await headers_for(StaffRole.FRONT_DESK)
        path = f"{STAFF}/{await who(app_client, robin)}"
        assert (await app_client.get(STAFF, headers=robin)).status_code == 403

        answer = await app_client.patch(path, json={"role": "ADMIN"}, headers=admin_headers)

        assert answer.json()["role"] == "ADMIN"
        assert (await app_client.get(STAFF, headers=robin)).status_code == 200
        await app_client.patch(path, json={"role": "READ_ONLY"}, headers=admin_headers)
        assert (await app_client.get(STAFF, headers=robin)).status_code == 403

    async def test_a_closed_account_is_out_at_once_and_stays_out_when_opened_again(
        self, app_client: httpx.AsyncClient, admin_headers: Headers, headers_for: HeadersFor
    ) -> None:
        robin = await headers_for(StaffRole.FRONT_DESK)
        path = f"{STAFF}/{await who(app_client, robin)}"

        closed = await app_client.patch(path, json={"active": False}, headers=admin_headers)

        assert closed.json()["active"] is False
        assert (await app_client.get(ME, headers=robin)).status_code == 401
        opened = await app_client.patch(path, json={"active": True}, headers=admin_headers)
        assert opened.json()["active"] is True
        assert (await app_client.get(ME, headers=robin)).status_code == 401

    async def test_changes_name_and_address_and_keeps_the_rest(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: Headers,
        headers_for: HeadersFor,
        services: Services,
    ) -> None:
        robin = await headers_for(StaffRole.FRONT_DESK)
        staff_id = await who(app_client, robin)
        before = await stored(services, staff_id)

        answer = await app_client.patch(
            f"{STAFF}/{staff_id}",
            json={"name": "Robin Desk", "email": "Desk@Example.com"},
            headers=admin_headers,
        )

        assert answer.status_code == 200
        after = await stored(services, staff_id)
        assert (after.name, after.email) == ("Robin Desk", "desk@example.com")
        changed = {"name", "email", "updated_at"}
        assert after.model_dump(exclude=changed) == before.model_dump(exclude=changed)
        assert (await app_client.get(ME, headers=robin)).status_code == 200

    async def test_an_address_that_is_taken_is_refused(
        self, app_client: httpx.AsyncClient, admin_headers: Headers, headers_for: HeadersFor
    ) -> None:
        await app_client.post(STAFF, json=SAM, headers=admin_headers)
        robin = await headers_for(StaffRole.FRONT_DESK)

        answer = await app_client.patch(
            f"{STAFF}/{await who(app_client, robin)}",
            json={"email": "sam@example.com"},
            headers=admin_headers,
        )

        assert problem(answer) == (409, "duplicate-staff")

    @pytest.mark.parametrize("change", [{"role": "READ_ONLY"}, {"active": False}], ids=str)
    async def test_nobody_lowers_or_closes_themselves(
        self, app_client: httpx.AsyncClient, admin_headers: Headers, change: dict[str, Any]
    ) -> None:
        path = f"{STAFF}/{await who(app_client, admin_headers)}"

        answer = await app_client.patch(path, json=change, headers=admin_headers)

        assert problem(answer) == (409, "own-account")
        renamed = await app_client.patch(path, json={"name": "Ada"}, headers=admin_headers)
        assert renamed.json()["name"] == "Ada"

    @pytest.mark.parametrize("change", [{"role": "FRONT_DESK"}, {"active": False}], ids=str)
    async def test_two_administrators_who_close_each_other_leave_one(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        services: Services,
        change: dict[str, Any],
    ) -> None:
        both = [await headers_for(StaffRole.ADMIN), await headers_for(StaffRole.ADMIN)]
        ids = [await who(app_client, one) for one in both]

        await asyncio.gather(
            *(
                app_client.patch(f"{STAFF}/{other}", json=change, headers=one)
                for one, other in zip(both, reversed(ids), strict=True)
            )
        )

        members = [await stored(services, one) for one in ids]
        left = [one for one in members if one.role == StaffRole.ADMIN and not one.disabled]
        assert len(left) == 1

    async def test_somebody_who_was_an_administrator_a_moment_ago_is_none(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor, services: Services
    ) -> None:
        one, other = await headers_for(StaffRole.ADMIN), await headers_for(StaffRole.ADMIN)
        one_id, other_id = await who(app_client, one), await who(app_client, other)
        let_in_before = await stored(services, other_id)
        change = {"role": "FRONT_DESK"}
        await app_client.patch(f"{STAFF}/{other_id}", json=change, headers=one)

        with pytest.raises(ForbiddenError):
            await services.staff.administration.update(PyObjectId(one_id), change, by=let_in_before)

        assert (await stored(services, one_id)).role == StaffRole.ADMIN

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"role": None},
            {"active": "perhaps"},
            {"sessions": []},
            {"hashed_password": "x"},
            {"role": {"$ne": "x"}},
        ],
        ids=str,
    )
    async def test_nothing_else_can_be_changed(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: Headers,
        headers_for: HeadersFor,
        body: dict[str, Any],
    ) -> None:
        robin = await headers_for(StaffRole.FRONT_DESK)
        path = f"{STAFF}/{await who(app_client, robin)}"

        assert (await app_client.patch(path, json=body, headers=admin_headers)).status_code == 422

    async def test_somebody_unknown_is_404(
        self, app_client: httpx.AsyncClient, admin_headers: Headers
    ) -> None:
        path = f"{STAFF}/66f2a1b4c3d2e1f0a9b8c7d6"

        answer = await app_client.patch(path, json={"name": "A"}, headers=admin_headers)

        assert problem(answer) == (404, "staff-not-found")

    async def test_is_kept_in_the_audit_log(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: Headers,
        services: Services,
    ) -> None:
        body = (await app_client.post(STAFF, json=SAM, headers=admin_headers)).json()
        staff_id = body["staff"]["staff_id"]

        await app_client.patch(
            f"{STAFF}/{staff_id}", json={"role": "ADMIN", "name": "Sam"}, headers=admin_headers
        )

        entries = await services.repositories.audit.about(staff_id)
        admin = f"staff:{await who(app_client, admin_headers)}"
        assert {entry.actor for entry in entries} == {admin}
        assert {entry.action for entry in entries} == {
            "staff.created",
            "password.link_issued",
            "staff.changed",
        }
        changed = next(entry for entry in entries if entry.action == "staff.changed")
        assert changed.details == {"role": "ADMIN", "fields": ["name", "role"]}
