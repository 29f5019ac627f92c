"""A code beside the password: turned on, asked for, used once, lost."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.core.config import Settings
from app.core.errors import UnauthenticatedError
from app.models.role import StaffMember, StaffRole
from app.services.container import Services
from app.services.factor_enrolment import SecondFactorStateError
from app.services.passwords import get_password_hash
from app.services.second_factor import code_at
from app.services.security import Identity
from tests.api.test_public import problem
from tests.conftest import HeadersFor
from tests.factories import make_settings, make_staff
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo

LOGIN = "/api/v1/auth/login"
ME = "/api/v1/users/me"
FACTOR = "/api/v1/users/me/second-factor"
STAFF = "/api/v1/admin/staff"
EMAIL = "robin@example.com"
PASSWORD = "the quick brown fox"
HASHED = get_password_hash(PASSWORD)
PROVE = {"current_password": PASSWORD}

Headers = dict[str, str]


@pytest.fixture
def settings(mongo_uri: str, tmp_path: Path, database_name: str) -> Settings:
    """A practice that asks administrators for it."""
    return make_settings(
        mongo_uri=mongo_uri,
        data_dir=tmp_path,
        database_name=database_name,
        second_factor_for_admins=True,
    )


@pytest.fixture
async def robin(services: Services) -> StaffMember:
    """Somebody who can sign in."""
    return await services.repositories.staff.insert(make_staff(email=EMAIL, hashed_password=HASHED))


async def login(
    client: httpx.AsyncClient, code: str | None = None, password: str = PASSWORD, email: str = EMAIL
) -> httpx.Response:
    """A try to sign in."""
    form = {"username": email, "password": password}
    return await client.post(LOGIN, data=form if code is None else {**form, "code": code})


async def signed_in(
    client: httpx.AsyncClient, code: str | None = None, email: str = EMAIL
) -> Headers:
    """The headers of a new session."""
    token = (await login(client, code, email=email)).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def turn_on(
    client: httpx.AsyncClient, headers: Headers, clock: FrozenClock
) -> tuple[str, list[str]]:
    """The secret and the recovery codes."""
    secret = (await client.post(FACTOR, json=PROVE, headers=headers)).json()["secret"]
    body = {"code": code_at(secret, clock.now())}
    answer = await client.post(f"{FACTOR}/confirm", json=body, headers=headers)
    codes: list[str] = answer.json()["recovery_codes"]
    clock.advance(seconds=30)
    return secret, codes


async def actions(services: Services, member: StaffMember) -> list[tuple[str, str]]:
    """What the audit log keeps about an account's second factor, and by whom."""
    entries = await services.repositories.audit.about(str(member.id))
    return sorted(
        (entry.action, entry.actor) for entry in entries if entry.action.startswith("second_factor")
    )


class TestTurningOn:
    async def test_from_the_offer_to_a_sign_in_that_wants_a_code(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        robin: StaffMember,
        clock: FrozenClock,
    ) -> None:
        here, elsewhere = await signed_in(app_client), await signed_in(app_client)
        wrong = await app_client.post(FACTOR, json={"current_password": "no"}, headers=here)
        assert problem(wrong) == (422, "wrong-password")
        offer = (await app_client.post(FACTOR, json=PROVE, headers=here)).json()
        named = parse_qs(urlsplit(offer["otpauth_uri"]).query)
        assert named == {"secret": [offer["secret"]], "issuer": ["Demo Dental Practice"]}
        assert (await login(app_client)).status_code == 200  # nothing changed yet

        code = code_at(offer["secret"], clock.now())
        body = {"code": f"{(int(code) + 1) % 10**6:06}"}
        wrong = await app_client.post(f"{FACTOR}/confirm", json=body, headers=here)
        assert problem(wrong) == (422, "wrong-code")
        answer = await app_client.post(f"{FACTOR}/confirm", json={"code": code}, headers=here)

        recovery = answer.json()["recovery_codes"]
        assert len(recovery) == 10
        assert (await app_client.get(ME, headers=elsewhere)).status_code == 401
        state = (await app_client.get(FACTOR, headers=here)).json()
        assert state == {
            "enabled": True,
            "enabled_at": "2026-08-19T16:00:00Z",
            "recovery_codes_left": 10,
            "required": False,
        }
        again = await app_client.post(f"{FACTOR}/confirm", json={"code": code}, headers=here)
        assert problem(again) == (409, "second-factor-state")
        again = await app_client.post(FACTOR, json=PROVE, headers=here)
        assert problem(again) == (409, "second-factor-state")
        kept = await services.repositories.staff.get(robin.id)
        assert kept is not None
        text = kept.model_dump_json()
        assert not any(secret in text for secret in (offer["secret"], *recovery))
        assert await actions(services, robin) == [("second_factor.enabled", f"staff:{robin.id}")]

    async def test_an_offer_lasts_a_quarter_of_an_hour(
        self, app_client: httpx.AsyncClient, robin: StaffMember, clock: FrozenClock
    ) -> None:
        headers = await signed_in(app_client)
        secret = (await app_client.post(FACTOR, json=PROVE, headers=headers)).json()["secret"]
        clock.advance(minutes=14, seconds=50)
        fresh = await signed_in(app_client)
        clock.advance(seconds=10)

        body = {"code": code_at(secret, clock.now())}
        answer = await app_client.post(f"{FACTOR}/confirm", json=body, headers=fresh)

        assert problem(answer) == (409, "second-factor-state")
        assert (await login(app_client, email=robin.email)).status_code == 200

    async def test_what_was_read_before_it_changed_counts_no_more(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        robin: StaffMember,
        clock: FrozenClock,
    ) -> None:
        """Two windows that offer at once, and a sign-in whose password was compared before."""
        headers = await signed_in(app_client)
        first = (await app_client.post(FACTOR, json=PROVE, headers=headers)).json()["secret"]
        stale = await services.repositories.staff.get(robin.id)
        assert stale is not None
        await app_client.post(FACTOR, json=PROVE, headers=headers)
        user = Identity(stale, stale.sessions[0])

        with pytest.raises(SecondFactorStateError):
            await services.staff.factors.confirm(user, code_at(first, clock.now()))

        assert (await app_client.get(FACTOR, headers=headers)).json()["enabled"] is False
        await turn_on(app_client, headers, clock)
        with pytest.raises(UnauthenticatedError):
            await services.sessions.open(stale)

    async def test_a_session_that_ended_meanwhile_turns_nothing_on_and_stays_ended(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        robin: StaffMember,
        clock: FrozenClock,
    ) -> None:
        """A thief's confirmation on its way while the owner sets the password with a link."""
        headers = await signed_in(app_client)
        secret = (await app_client.post(FACTOR, json=PROVE, headers=headers)).json()["secret"]
        user = await services.security.authenticate(headers["Authorization"].split()[1])
        staff, enrolment = services.repositories.staff, services.staff.factors
        await staff.issue_link(robin.id, "link", clock.now() + timedelta(hours=1))
        assert await staff.use_link("link", HASHED)

        with pytest.raises(UnauthenticatedError):
            await enrolment.confirm(user, code_at(secret, clock.now()))
        with pytest.raises(UnauthenticatedError):
            await enrolment.offer(user, PASSWORD)

        assert (await app_client.get(ME, headers=headers)).status_code == 401
        assert (await login(app_client)).status_code == 200  # no code is asked for


@pytest.mark.usefixtures("robin")
class TestLogin:
    async def test_says_that_a_code_is_wanted_to_who_knows_the_password_and_takes_each_once(
        self, app_client: httpx.AsyncClient, clock: FrozenClock
    ) -> None:
        secret, recovery = await turn_on(app_client, await signed_in(app_client), clock)
        code = code_at(secret, clock.now())
        for refused in (
            await login(app_client, password="wrong"),
            await login(app_client, code, password="wrong"),
            await login(app_client, code, email="nobody@example.com"),
        ):
            assert problem(refused) == (401, "unauthenticated")
        for missing in (None, ""):
            assert problem(await login(app_client, missing)) == (401, "second-factor-required")
        assert problem(await login(app_client, "000000x")) == (401, "wrong-code")

        assert (await login(app_client, code)).status_code == 200

        assert problem(await login(app_client, code)) == (401, "wrong-code")
        typed = recovery[3].upper().replace("-", " ")
        assert (await login(app_client, typed)).status_code == 200
        assert problem(await login(app_client, typed)) == (401, "wrong-code")
        headers = await signed_in(app_client, recovery[4])
        state = (await app_client.get(FACTOR, headers=headers)).json()
        assert state["recovery_codes_left"] == 8
        for odd in ("x" * 65, "$ne", "\0", "٢٨٧٠٨٢"):
            assert (await login(app_client, odd)).status_code == 422


class TestTurningOff:
    async def test_wants_password_and_code_and_ends_other_sessions(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        robin: StaffMember,
        clock: FrozenClock,
    ) -> None:
        headers = await signed_in(app_client)
        secret, recovery = await turn_on(app_client, headers, clock)
        elsewhere = await signed_in(app_client, recovery[0])
        code = code_at(secret, clock.now())
        remove = f"{FACTOR}/remove"
        wrong = {"current_password": "no", "code": code}
        answer = await app_client.post(remove, json=wrong, headers=headers)
        assert problem(answer) == (422, "wrong-password")
        answer = await app_client.post(remove, json={**PROVE, "code": "nine"}, headers=headers)
        assert problem(answer) == (422, "wrong-code")

        answer = await app_client.post(remove, json={**PROVE, "code": code}, headers=headers)

        assert (answer.status_code, answer.content) == (204, b"")
        assert (await app_client.get(ME, headers=elsewhere)).status_code == 401
        assert (await app_client.get(FACTOR, headers=headers)).json()["enabled"] is False
        assert (await login(app_client)).status_code == 200
        answer = await app_client.post(remove, json={**PROVE, "code": code}, headers=headers)
        assert problem(answer) == (409, "second-factor-state")
        assert [action for action, _ in await actions(services, robin)] == [
            "second_factor.enabled",
            "second_factor.recovery_code_used",
            "second_factor.removed",
        ]

    @pytest.mark.usefixtures("robin")
    async def test_a_session_that_ended_meanwhile_turns_nothing_off(
        self, app_client: httpx.AsyncClient, services: Services, clock: FrozenClock
    ) -> None:
        headers = await signed_in(app_client)
        secret, _ = await turn_on(app_client, headers, clock)
        user = await services.security.authenticate(headers["Authorization"].split()[1])
        await services.sessions.end(user.member.id, user.session.id)

        with pytest.raises(UnauthenticatedError):
            await services.staff.factors.remove(user, PASSWORD, code_at(secret, clock.now()))

        assert (await app_client.get(ME, headers=headers)).status_code == 401
        assert problem(await login(app_client)) == (401, "second-factor-required")


class TestAdministrators:
    async def test_turn_it_on_before_anything_else_and_off_for_others_who_lost_it(
        self,
        *,
        app_client: httpx.AsyncClient,
        services: Services,
        robin: StaffMember,
        headers_for: HeadersFor,
        clock: FrozenClock,
    ) -> None:
        robins = await signed_in(app_client)
        await turn_on(app_client, robins, clock)
        ada = make_staff(email="ada@example.com", hashed_password=HASHED, role=StaffRole.ADMIN)
        await services.repositories.staff.insert(ada)
        headers = await signed_in(app_client, email=ada.email)
        reset = f"{STAFF}/{robin.id}/reset-second-factor"
        assert problem(await app_client.get(STAFF, headers=headers)) == (
            403,
            "second-factor-missing",
        )
        assert (await app_client.post(reset, headers=headers)).status_code == 403
        assert (await app_client.get(FACTOR, headers=headers)).json()["required"] is True

        await turn_on(app_client, headers, clock)

        shown = (await app_client.get(STAFF, headers=headers)).json()["staff"]
        assert {one["second_factor"] for one in shown if one["email"] in {EMAIL, ada.email}} == {
            True
        }
        for _ in range(2):
            assert (await app_client.post(reset, headers=headers)).status_code == 204
        assert (await app_client.get(ME, headers=robins)).status_code == 401
        assert (await login(app_client)).status_code == 200
        assert await actions(services, robin) == [
            ("second_factor.enabled", f"staff:{robin.id}"),
            ("second_factor.reset", f"staff:{ada.id}"),
        ]
        own = await app_client.post(f"{STAFF}/{ada.id}/reset-second-factor", headers=headers)
        assert problem(own) == (409, "own-account")
        unknown = f"{STAFF}/{'0' * 24}/reset-second-factor"
        assert problem(await app_client.post(unknown, headers=headers)) == (404, "staff-not-found")
        office = await headers_for(StaffRole.OFFICE_MANAGER)
        assert (await app_client.post(reset, headers=office)).status_code == 403
