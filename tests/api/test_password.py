"""Changing a password with the current one, and setting it with an administrator's link."""

import asyncio

import httpx
import pytest

from app.core.errors import UnauthenticatedError
from app.models.role import StaffMember, StaffRole
from app.services.container import Services
from app.services.passwords import get_password_hash
from tests.api.pages.browser import Browser, hold_to_the_headers
from tests.conftest import HeadersFor
from tests.factories import make_staff
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo

LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
ME = "/api/v1/users/me"
CHANGE = "/api/v1/users/me/password"
RESET = "/api/v1/auth/reset-password"
EMAIL = "robin@example.com"
OLD = "the quick brown fox"
NEW = "seven kettles under one moon"
HASHED = get_password_hash(OLD)

Tokens = dict[str, str]


@pytest.fixture
async def robin(services: Services) -> StaffMember:
    """Somebody who can sign in."""
    member = make_staff(name="Robin Reception", email=EMAIL, hashed_password=HASHED)
    return await services.repositories.staff.insert(member)


async def login(client: httpx.AsyncClient, password: str) -> httpx.Response:
    """A try to sign in."""
    return await client.post(LOGIN, data={"username": EMAIL, "password": password})


async def signed_in(client: httpx.AsyncClient, password: str = OLD) -> Tokens:
    """Signed in as Robin."""
    tokens: Tokens = (await login(client, password)).json()
    return tokens


def bearer(tokens: Tokens) -> dict[str, str]:
    """The headers of a request with this access token."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def change(
    client: httpx.AsyncClient, tokens: Tokens, new: str, current: str = OLD
) -> httpx.Response:
    """A try to change the password."""
    body = {"current_password": current, "new_password": new}
    return await client.patch(CHANGE, json=body, headers=bearer(tokens))


async def is_in(client: httpx.AsyncClient, tokens: Tokens) -> bool:
    """Whether the access token opens anything."""
    return (await client.get(ME, headers=bearer(tokens))).status_code == 200


async def actions(services: Services, member: StaffMember) -> list[str]:
    """What the audit log keeps about an account."""
    entries = await services.repositories.audit.about(str(member.id))
    return sorted(entry.action for entry in entries)


@pytest.mark.usefixtures("robin")
class TestChange:
    async def test_sets_it_and_ends_every_other_session(
        self, app_client: httpx.AsyncClient, services: Services, robin: StaffMember
    ) -> None:
        here, elsewhere = await signed_in(app_client), await signed_in(app_client)

        answer = await change(app_client, here, NEW)

        assert (answer.status_code, answer.content) == (204, b"")
        assert await is_in(app_client, here)
        assert not await is_in(app_client, elsewhere)
        body = {"refresh_token": elsewhere["refresh_token"]}
        assert (await app_client.post(REFRESH, json=body)).status_code == 401
        body = {"refresh_token": here["refresh_token"]}
        assert (await app_client.post(REFRESH, json=body)).status_code == 200
        assert (await login(app_client, OLD)).status_code == 401
        assert (await login(app_client, NEW)).status_code == 200
        assert await actions(services, robin) == ["password.changed"]

    async def test_needs_the_current_one(self, app_client: httpx.AsyncClient) -> None:
        tokens = await signed_in(app_client)

        answer = await change(app_client, tokens, NEW, current="guessed")

        assert answer.status_code == 422
        assert answer.json()["type"].endswith("/problems/wrong-password")
        assert (await login(app_client, OLD)).status_code == 200

    @pytest.mark.parametrize(
        ("new", "why"),
        [
            ("fourteen chars", "15 to 128 characters"),
            ("x" * 129, "15 to 128 characters"),
            ("password1234567", "guessed soon"),
            ("Robin Reception 1", "guessed soon"),
            ("Demo-Dental-Practice", "guessed soon"),
        ],
    )
    async def test_refuses_a_weak_one_and_keeps_the_old(
        self, app_client: httpx.AsyncClient, new: str, why: str
    ) -> None:
        answer = await change(app_client, await signed_in(app_client), new)

        assert answer.status_code == 422
        assert answer.json()["type"].endswith("/problems/weak-password")
        assert why in answer.json()["detail"]
        assert new not in answer.text
        assert (await login(app_client, OLD)).status_code == 200

    @pytest.mark.parametrize(
        "new",
        [
            "ä" * 3 + " seven kettles under one moon " + "ü" * 40,
            ("eins zwei drei vier f\u00fcnf sechs " * 4)[:127] + "!",
            "  blanks count at both ends  ",
            "🦷 teeth, then tea, then nothing else",
        ],
        ids=["73 bytes and more", "128 characters", "blanks", "emoji"],
    )
    async def test_keeps_every_character_of_it(
        self, app_client: httpx.AsyncClient, new: str
    ) -> None:
        assert (await change(app_client, await signed_in(app_client), new)).status_code == 204

        assert (await login(app_client, new)).status_code == 200
        assert (await login(app_client, new[:-1])).status_code == 401
        assert (await login(app_client, new[1:])).status_code == 401

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"current_password": OLD},
            {"current_password": {"$ne": ""}, "new_password": NEW},
            {"current_password": OLD, "new_password": NEW, "role": "ADMIN"},
            {"current_password": OLD, "new_password": "x" * 1025},
        ],
    )
    async def test_a_body_of_another_form_is_refused(
        self, app_client: httpx.AsyncClient, body: dict[str, object]
    ) -> None:
        tokens = await signed_in(app_client)

        answer = await app_client.patch(CHANGE, json=body, headers=bearer(tokens))

        assert answer.status_code == 422

    async def test_of_two_at_once_one_decides(self, app_client: httpx.AsyncClient) -> None:
        here, there = await signed_in(app_client), await signed_in(app_client)
        other = "nine umbrellas over two rivers"

        answers = await asyncio.gather(
            change(app_client, here, NEW), change(app_client, there, other)
        )

        statuses = [answer.status_code for answer in answers]
        assert statuses.count(204) == 1
        assert set(statuses) <= {204, 401, 409}
        works = [(await login(app_client, one)).status_code for one in (NEW, other)]
        assert works == ([200, 401] if statuses[0] == 204 else [401, 200])

    async def test_a_session_that_ended_meanwhile_stays_ended(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        tokens = await signed_in(app_client)
        user = await services.security.authenticate(tokens["access_token"])
        await services.sessions.end(user.member.id, user.session.id)

        with pytest.raises(UnauthenticatedError):
            await services.staff.passwords.change_own(user, OLD, NEW)

        assert not await is_in(app_client, tokens)
        body = {"refresh_token": tokens["refresh_token"]}
        assert (await app_client.post(REFRESH, json=body)).status_code == 401
        assert (await login(app_client, OLD)).status_code == 200

    async def test_is_the_way_on_for_a_password_that_must_be_changed(
        self, app_client: httpx.AsyncClient, services: Services, robin: StaffMember
    ) -> None:
        tokens = await signed_in(app_client)
        await services.repositories.staff.update_fields(robin.id, {"must_change_password": True})
        patients = "/api/v1/admin/patients"
        assert (await app_client.get(patients, headers=bearer(tokens))).status_code == 403

        assert (await change(app_client, tokens, NEW)).status_code == 204

        assert (await app_client.get(patients, headers=bearer(tokens))).status_code == 200


async def link_for(
    client: httpx.AsyncClient, member: StaffMember, admin_headers: dict[str, str]
) -> str:
    """The token of a link that an administrator makes."""
    path = f"/api/v1/admin/staff/{member.id}/reset-password"
    answer = await client.post(path, headers=admin_headers)
    link: str = answer.json()["password_link"]
    return link.rpartition("/")[2]


class TestLink:
    @pytest.fixture
    async def token(
        self, app_client: httpx.AsyncClient, robin: StaffMember, admin_headers: dict[str, str]
    ) -> str:
        return await link_for(app_client, robin, admin_headers)

    async def reset(
        self, client: httpx.AsyncClient, token: str, password: str = NEW
    ) -> httpx.Response:
        return await client.post(RESET, json={"token": token, "new_password": password})

    async def test_is_answered_once_and_kept_as_a_hash(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        robin: StaffMember,
        admin_headers: dict[str, str],
        clock: FrozenClock,
    ) -> None:
        path = f"/api/v1/admin/staff/{robin.id}/reset-password"

        answer = await app_client.post(path, headers=admin_headers)

        assert answer.status_code == 200
        body = answer.json()
        assert body["password_link"].startswith("http://127.0.0.1:8000/password/")
        assert body["expires_at"] == "2026-08-20T16:00:00Z"
        stored = await services.repositories.staff.get(robin.id)
        assert stored is not None
        assert body["password_link"].rpartition("/")[2] not in stored.model_dump_json()
        assert await actions(services, robin) == ["password.link_issued"]

    async def test_sets_a_password_and_ends_every_session(
        self, app_client: httpx.AsyncClient, services: Services, robin: StaffMember, token: str
    ) -> None:
        before = await signed_in(app_client)

        answer = await self.reset(app_client, token)

        assert (answer.status_code, answer.content) == (204, b"")
        assert not await is_in(app_client, before)
        assert (await login(app_client, OLD)).status_code == 401
        assert (await login(app_client, NEW)).status_code == 200
        assert await actions(services, robin) == ["password.link_issued", "password.set_by_link"]

    async def test_the_old_password_works_until_then(
        self, app_client: httpx.AsyncClient, token: str
    ) -> None:
        assert (await login(app_client, OLD)).status_code == 200

    async def test_works_once(self, app_client: httpx.AsyncClient, token: str) -> None:
        assert (await self.reset(app_client, token)).status_code == 204

        again = await self.reset(app_client, token, "nine umbrellas over two rivers")

        assert again.status_code == 404
        assert again.json()["type"].endswith("/problems/invalid-link")
        assert (await login(app_client, NEW)).status_code == 200

    async def test_of_two_at_once_one_sets_it(
        self, app_client: httpx.AsyncClient, token: str
    ) -> None:
        other = "nine umbrellas over two rivers"

        answers = await asyncio.gather(
            self.reset(app_client, token), self.reset(app_client, token, other)
        )

        statuses = [answer.status_code for answer in answers]
        assert sorted(statuses) == [204, 404]
        right, wrong = (NEW, other) if statuses[0] == 204 else (other, NEW)
        assert (await login(app_client, right)).status_code == 200
        assert (await login(app_client, wrong)).status_code == 401

    async def test_runs_out(
        self, app_client: httpx.AsyncClient, token: str, clock: FrozenClock
    ) -> None:
        clock.advance(hours=23, minutes=59)
        assert "Choose your password" in (await Browser(app_client).open(f"/password/{token}")).text

        clock.advance(minutes=1)
        assert (await self.reset(app_client, token)).status_code == 404
        assert (await Browser(app_client).open(f"/password/{token}")).status == 404

    async def test_a_newer_one_replaces_it(
        self,
        app_client: httpx.AsyncClient,
        robin: StaffMember,
        headers_for: HeadersFor,
        token: str,
    ) -> None:
        newer = await link_for(app_client, robin, await headers_for(StaffRole.ADMIN))

        assert (await self.reset(app_client, token)).status_code == 404
        assert (await self.reset(app_client, newer)).status_code == 204

    async def test_a_weak_password_leaves_it_good(
        self, app_client: httpx.AsyncClient, token: str
    ) -> None:
        assert (await self.reset(app_client, token, "password1234567")).status_code == 422

        assert (await self.reset(app_client, token)).status_code == 204

    async def test_a_closed_account_has_none(
        self,
        app_client: httpx.AsyncClient,
        robin: StaffMember,
        admin_headers: dict[str, str],
        token: str,
    ) -> None:
        path = f"/api/v1/admin/staff/{robin.id}"
        await app_client.patch(path, json={"active": False}, headers=admin_headers)

        assert (await self.reset(app_client, token)).status_code == 404
        refused = await app_client.post(f"{path}/reset-password", headers=admin_headers)
        assert refused.status_code == 409
        await app_client.patch(path, json={"active": True}, headers=admin_headers)
        assert (await self.reset(app_client, token)).status_code == 404

    async def test_a_password_changed_meanwhile_ends_it(
        self, app_client: httpx.AsyncClient, token: str
    ) -> None:
        tokens = await signed_in(app_client)
        assert (await change(app_client, tokens, NEW)).status_code == 204

        assert (await self.reset(app_client, token)).status_code == 404

    @pytest.mark.parametrize("token", ["x", "kq3vN0Zy2m8l5s0cQqZtq1r7Yb9dJx4uWg6hTfEoRaM"])
    async def test_what_is_none_is_refused(self, app_client: httpx.AsyncClient, token: str) -> None:
        answer = await self.reset(app_client, token)

        assert answer.status_code == 404
        assert token not in answer.text or len(token) == 1

    async def test_nobody_unknown_gets_one(
        self, app_client: httpx.AsyncClient, admin_headers: dict[str, str]
    ) -> None:
        path = "/api/v1/admin/staff/66f2a1b4c3d2e1f0a9b8c7d6/reset-password"

        assert (await app_client.post(path, headers=admin_headers)).status_code == 404


class TestPage:
    @pytest.fixture
    async def token(
        self, app_client: httpx.AsyncClient, robin: StaffMember, admin_headers: dict[str, str]
    ) -> str:
        return await link_for(app_client, robin, admin_headers)

    async def test_leads_from_the_link_to_a_password(
        self, app_client: httpx.AsyncClient, token: str
    ) -> None:
        page = await Browser(app_client).open(f"/password/{token}")
        await page.open(f"/password/{token}")  # opening it uses nothing up

        await page.press("Set the password", new=NEW, again=NEW)

        assert (page.status, page.heading) == (200, "Your password is set")
        hold_to_the_headers(page.answer.headers)
        assert (await login(app_client, NEW)).status_code == 200
        assert (await page.open(f"/password/{token}")).status == 404

    @pytest.mark.parametrize(
        ("new", "again", "why"),
        [
            (NEW, NEW + "!", "The two are not the same."),
            ("too short", "too short", "15 to 128 characters"),
            ("password1234567", "password1234567", "not easy to guess"),
            ("", "", "15 to 128 characters"),
        ],
    )
    async def test_says_what_is_wrong_and_shows_no_password(
        self, app_client: httpx.AsyncClient, token: str, new: str, again: str, why: str
    ) -> None:
        page = await Browser(app_client).open(f"/password/{token}")

        await page.press("Set the password", new=new, again=again)

        assert page.status == 422
        assert why in page.text
        assert not new or new not in page.answer.text
        assert (await login(app_client, OLD)).status_code == 200

    async def test_speaks_spanish_too(self, app_client: httpx.AsyncClient, token: str) -> None:
        page = await Browser(app_client).open(f"/password/{token}?lang=es")

        assert page.heading == "Elija su contraseña"
