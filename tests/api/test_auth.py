"""Signing in at the front door."""

import httpx
import pytest

from app.models.role import StaffRole
from app.services.container import Services
from app.services.passwords import get_password_hash
from tests.conftest import HeadersFor
from tests.factories import make_staff
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo

LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
LOGOUT = "/api/v1/auth/logout"
ME = "/api/v1/users/me"
PASSWORD = "the quick brown fox"


@pytest.fixture
async def _robin(services: Services) -> None:
    """Somebody who can sign in."""
    await services.repositories.staff.insert(
        make_staff(
            name="Robin Reception",
            email="robin@example.com",
            hashed_password=get_password_hash(PASSWORD),
        )
    )


@pytest.mark.usefixtures("_robin")
class TestLogin:
    async def test_answers_a_token_that_lets_in(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        form = {"username": "Robin@example.com", "password": PASSWORD}

        answer = await app_client.post(LOGIN, data=form)

        assert answer.status_code == 200
        body = answer.json()
        assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token"}
        assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
        me = await app_client.get(ME, headers={"Authorization": f"Bearer {body['access_token']}"})
        robin = await services.repositories.staff.with_email("robin@example.com")
        assert robin is not None
        assert me.json() == {
            "user_id": str(robin.id),
            "name": "Robin Reception",
            "email": "robin@example.com",
            "role": "FRONT_DESK",
        }

    async def test_a_wrong_password_and_an_unknown_address_are_answered_alike(
        self, app_client: httpx.AsyncClient
    ) -> None:
        wrong = await app_client.post(
            LOGIN, data={"username": "robin@example.com", "password": "wrong"}
        )
        unknown = await app_client.post(
            LOGIN, data={"username": "nobody@example.com", "password": PASSWORD}
        )

        assert wrong.status_code == unknown.status_code == 401
        assert wrong.headers["www-authenticate"] == "Bearer"
        differing = {"request_id"}
        assert {k: v for k, v in wrong.json().items() if k not in differing} == {
            k: v for k, v in unknown.json().items() if k not in differing
        }

    @pytest.mark.parametrize(
        "form",
        [
            {"username": "r" * 300 + "@example.com", "password": PASSWORD},
            {"username": "robin@example.com", "password": "x" * 60_000},
            {"username": "robin@example.com", "password": "\0"},
            {"username": "\0", "password": PASSWORD},
            {"username": '{"$ne": null}', "password": PASSWORD},
        ],
        ids=["long address", "long password", "NUL password", "NUL address", "operator"],
    )
    async def test_odd_input_is_simply_wrong(
        self, app_client: httpx.AsyncClient, form: dict[str, str]
    ) -> None:
        answer = await app_client.post(LOGIN, data=form)

        assert answer.status_code == 401
        assert answer.json()["detail"] == "The e-mail address or the password is wrong."

    async def test_nobody_comes_in_while_the_audit_log_takes_nothing(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        form = {"username": "robin@example.com", "password": PASSWORD}
        services.audit.trail._has_room.clear()

        answer = await app_client.post(LOGIN, data=form)

        services.audit.trail._has_room.set()
        assert answer.status_code == 503
        assert (await app_client.post(LOGIN, data=form)).status_code == 200

    async def test_names_what_is_missing(self, app_client: httpx.AsyncClient) -> None:
        answer = await app_client.post(LOGIN, data={"username": "robin@example.com"})

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"] == ["body", "password"]

    @pytest.mark.parametrize("content", [b"username=%ff%fe&password=%ff", b"\xff=\xff&&&=%%%"])
    async def test_bytes_that_are_no_text_are_the_callers_fault(
        self, app_client: httpx.AsyncClient, content: bytes
    ) -> None:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}

        answer = await app_client.post(LOGIN, content=content, headers=kind)

        assert 400 <= answer.status_code < 500


async def signed_in(client: httpx.AsyncClient) -> dict[str, str]:
    """What a sign-in of Robin answers."""
    answer = await client.post(LOGIN, data={"username": "robin@example.com", "password": PASSWORD})
    body: dict[str, str] = answer.json()
    return body


def bearer(tokens: dict[str, str]) -> dict[str, str]:
    """The headers of a request with this access token."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.mark.usefixtures("_robin")
class TestRefresh:
    async def test_answers_a_new_pair_that_lets_in(self, app_client: httpx.AsyncClient) -> None:
        first = await signed_in(app_client)

        answer = await app_client.post(REFRESH, json={"refresh_token": first["refresh_token"]})

        assert answer.status_code == 200
        second = answer.json()
        assert set(second) == set(first)
        assert second["refresh_token"] != first["refresh_token"]
        assert second["access_token"] != first["access_token"]
        assert (await app_client.get(ME, headers=bearer(second))).status_code == 200
        assert (await app_client.get(ME, headers=bearer(first))).status_code == 200

    async def test_a_token_used_twice_ends_the_session(
        self, app_client: httpx.AsyncClient, clock: FrozenClock
    ) -> None:
        first = await signed_in(app_client)
        body = {"refresh_token": first["refresh_token"]}
        second = (await app_client.post(REFRESH, json=body)).json()
        clock.advance(seconds=11)

        again = await app_client.post(REFRESH, json=body)

        assert again.status_code == 401
        assert again.json()["type"].endswith("/problems/unauthenticated")
        assert (await app_client.get(ME, headers=bearer(second))).status_code == 401
        fresh = {"refresh_token": second["refresh_token"]}
        assert (await app_client.post(REFRESH, json=fresh)).status_code == 401

    @pytest.mark.parametrize(
        "token",
        [
            "garbage",
            "66f2a1b4c3d2e1f0a9b8c7d6",
            "66f2a1b4c3d2e1f0a9b8c7d6.x",
            ".",
            "{'$ne':null}",
        ],
    )
    async def test_what_is_no_token_of_ours_is_refused(
        self, app_client: httpx.AsyncClient, token: str
    ) -> None:
        answer = await app_client.post(REFRESH, json={"refresh_token": token})

        assert answer.status_code == 401

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"refresh_token": ""},
            {"refresh_token": "x" * 201},
            {"refresh_token": "66f2a1b4c3d2e1f0a9b8c7d6.é"},
            {"refresh_token": "66f2a1b4c3d2e1f0a9b8c7d6.\0"},
            {"refresh_token": {"$ne": None}},
            {"refresh_token": None},
            {"refresh_token": "x", "role": "ADMIN"},
        ],
    )
    async def test_a_body_of_another_form_is_refused(
        self, app_client: httpx.AsyncClient, body: dict[str, object]
    ) -> None:
        assert (await app_client.post(REFRESH, json=body)).status_code == 422

    async def test_half_a_character_is_refused(self, app_client: httpx.AsyncClient) -> None:
        content = b'{"refresh_token": "66f2a1b4c3d2e1f0a9b8c7d6.\\ud800"}'

        answer = await app_client.post(
            REFRESH, content=content, headers={"Content-Type": "application/json"}
        )

        assert answer.status_code == 422

    async def test_an_access_token_refreshes_nothing(self, app_client: httpx.AsyncClient) -> None:
        first = await signed_in(app_client)

        answer = await app_client.post(REFRESH, json={"refresh_token": first["access_token"][:200]})

        assert answer.status_code == 401


@pytest.mark.usefixtures("_robin")
class TestLogout:
    async def test_ends_this_session_and_no_other(self, app_client: httpx.AsyncClient) -> None:
        here, elsewhere = await signed_in(app_client), await signed_in(app_client)

        answer = await app_client.post(LOGOUT, headers=bearer(here))

        assert (answer.status_code, answer.content) == (204, b"")
        assert (await app_client.get(ME, headers=bearer(here))).status_code == 401
        assert (await app_client.get(ME, headers=bearer(elsewhere))).status_code == 200
        body = {"refresh_token": here["refresh_token"]}
        assert (await app_client.post(REFRESH, json=body)).status_code == 401
        assert (await app_client.post(LOGOUT, headers=bearer(here))).status_code == 401


@pytest.mark.usefixtures("_robin")
class TestAPasswordThatMustBeChanged:
    async def test_opens_nothing_but_the_way_to_change_it(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        tokens = await signed_in(app_client)
        robin = await services.repositories.staff.with_email("robin@example.com")
        assert robin is not None
        await services.repositories.staff.update_fields(robin.id, {"must_change_password": True})

        refused = await app_client.get("/api/v1/admin/patients", headers=bearer(tokens))

        assert refused.status_code == 403
        assert refused.json()["type"].endswith("/problems/password-change-required")
        assert (await app_client.get(ME, headers=bearer(tokens))).status_code == 200
        assert (await app_client.post(LOGOUT, headers=bearer(tokens))).status_code == 204


class TestMe:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Authorization": "Bearer "},
            {"Authorization": "Bearer garbage"},
            {"Authorization": "Basic cm9iaW46cHc="},
            {"Authorization": "Bearer " + "x" * 8_000},
        ],
        ids=["none", "empty", "garbage", "another scheme", "very long"],
    )
    async def test_lets_nobody_in_without_a_token(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        answer = await app_client.get(ME, headers=headers)

        assert answer.status_code == 401
        assert answer.json()["type"].endswith("/problems/unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize("role", StaffRole)
    async def test_every_role_may_know_itself(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor, role: StaffRole
    ) -> None:
        answer = await app_client.get(ME, headers=await headers_for(role))

        assert answer.json()["role"] == role

    async def test_a_token_ends_with_its_time(
        self,
        app_client: httpx.AsyncClient,
        admin_headers: dict[str, str],
        clock: FrozenClock,
    ) -> None:
        assert (await app_client.get(ME, headers=admin_headers)).status_code == 200

        clock.advance(minutes=15)

        assert (await app_client.get(ME, headers=admin_headers)).status_code == 401
