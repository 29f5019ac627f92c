"""Break-glass: more rights for a while, with a reason that everybody learns of."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from app.core.config import Settings
from app.core.errors import ConflictError, UnauthenticatedError
from app.models.base import new_id
from app.models.role import SecondFactor, StaffMember, StaffRole
from app.services.container import Services
from app.services.passwords import get_password_hash
from tests.api.test_public import problem
from tests.conftest import HeadersFor
from tests.factories import make_settings, make_staff
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

EMERGENCY = "/api/v1/users/me/emergency-access"
PASSWORD = "the quick brown fox"
TAKE = {"current_password": PASSWORD, "reason": "The office manager is ill, nobody else is here."}
CLINIC = "/api/v1/admin/clinic"


@pytest.fixture
def settings(mongo_uri: str, tmp_path: Path, database_name: str) -> Settings:
    """A practice that lends rights for an hour, and somebody who is told."""
    return make_settings(
        mongo_uri=mongo_uri,
        data_dir=tmp_path,
        database_name=database_name,
        emergency_access_minutes=60,
        session_idle_minutes=120,
        access_token_expire_minutes=120,
        staff_alert_email="office@example.com",
    )


async def robin_of(services: Services) -> tuple[StaffMember, dict[str, str]]:
    """Somebody at the front desk, signed in."""
    hashed = get_password_hash(PASSWORD)
    robin = await services.repositories.staff.insert(make_staff(hashed_password=hashed))
    pair = await services.sessions.open(robin)
    return robin, {"Authorization": f"Bearer {pair.access_token}"}


async def may(client: httpx.AsyncClient, headers: dict[str, str]) -> bool:
    """Whether a session has an office manager's rights."""
    answer = await client.patch(CLINIC, json={"name": "Elm Street Dental"}, headers=headers)
    return answer.status_code == 200


class TestEmergencyAccess:
    async def test_lends_rights_for_a_while_records_why_and_tells_the_others(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        clock: FrozenClock,
        headers_for: HeadersFor,
    ) -> None:
        robin, headers = await robin_of(services)
        change = {"name": "Elm Street Dental"}
        wrong = await app_client.post(
            EMERGENCY, json={**TAKE, "current_password": "no"}, headers=headers
        )
        assert problem(wrong) == (422, "wrong-password")
        assert (await app_client.patch(CLINIC, json=change, headers=headers)).status_code == 403

        answer = await app_client.post(EMERGENCY, json=TAKE, headers=headers)

        assert answer.json() == {"acts_as": "OFFICE_MANAGER", "until": "2026-08-19T17:00:00Z"}
        assert (await app_client.patch(CLINIC, json=change, headers=headers)).status_code == 200
        for path in ("staff", "audit"):
            refused = await app_client.get(f"/api/v1/admin/{path}", headers=headers)
            assert refused.status_code == 403
        kept = await services.repositories.audit.about(str(robin.id))
        assert [(entry.action, entry.actor) for entry in kept] == [
            ("emergency_access.begun", f"staff:{robin.id}")
        ]
        assert kept[0].details["reason"] == TAKE["reason"]
        (told,) = (services.settings.data_dir / "outbox-staff").iterdir()
        assert f"staff_id={robin.id}" in told.read_text()
        assert TAKE["reason"] not in told.read_text()
        assert await services.repositories.staff.owed_emergency_alerts() == []
        clock.advance(minutes=60)
        assert (await app_client.patch(CLINIC, json=change, headers=headers)).status_code == 403

        manager = await headers_for(StaffRole.OFFICE_MANAGER)
        stored = await services.repositories.staff.page(page=1, limit=9)
        boss = next(one for one in stored.items if one.role == StaffRole.OFFICE_MANAGER)
        answer = await app_client.post(EMERGENCY, json=TAKE, headers=manager)
        assert problem(answer) == (409, "emergency-access-needless")
        assert await services.repositories.audit.about(str(boss.id)) == []

    async def test_is_given_back_and_ends_with_the_account(
        self, app_client: httpx.AsyncClient, services: Services, admin_headers: dict[str, str]
    ) -> None:
        robin, headers = await robin_of(services)
        change = {"name": "Elm Street Dental"}
        for _ in range(2):
            assert (await app_client.post(EMERGENCY, json=TAKE, headers=headers)).status_code == 200

        for _ in range(2):
            ended = await app_client.post(f"{EMERGENCY}/end", headers=headers)
            assert (ended.status_code, ended.content) == (204, b"")

        assert (await app_client.patch(CLINIC, json=change, headers=headers)).status_code == 403
        kept = await services.repositories.audit.about(str(robin.id))
        assert sorted(entry.action for entry in kept) == [
            "emergency_access.begun",
            "emergency_access.begun",
            "emergency_access.ended",
        ]
        await app_client.post(EMERGENCY, json=TAKE, headers=headers)
        path = f"/api/v1/admin/staff/{robin.id}"
        for is_open in (False, True):
            await app_client.patch(path, json={"active": is_open}, headers=admin_headers)
        reopened = await services.repositories.staff.get(robin.id)
        assert reopened is not None
        assert reopened.emergency_until is None


class TestWhatEndsIt:
    async def test_it_holds_in_the_session_that_took_it_alone(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        robin, headers = await robin_of(services)
        open_before = await services.sessions.open(robin)
        await app_client.post(EMERGENCY, json=TAKE, headers=headers)
        opened_since = await services.sessions.open(robin)
        others = [
            {"Authorization": f"Bearer {one.access_token}"} for one in (open_before, opened_since)
        ]

        assert await may(app_client, headers)
        assert [await may(app_client, one) for one in others] == [False, False]

        await app_client.post("/api/v1/auth/logout", headers=headers)
        assert [await may(app_client, one) for one in others] == [False, False]

    async def test_another_role_password_or_second_factor_does(
        self, services: Services, clock: FrozenClock
    ) -> None:
        staff = services.repositories.staff
        robin, headers = await robin_of(services)
        user = await services.security.authenticate(headers["Authorization"].split()[1])
        boss = await staff.insert(make_staff(role=StaffRole.ADMIN))
        until = clock.now() + timedelta(hours=1)
        factor = SecondFactor(
            id=new_id(), sealed_secret="s", enabled_at=NOON, last_step=1, recovery_hashes=[]
        )

        async def taken() -> StaffMember:
            await staff.update_fields(robin.id, {"second_factor": factor.to_stored()})
            member = await staff.get(robin.id)
            assert member is not None
            assert await staff.begin_emergency(member, user.session, until)
            return member

        async def has_ended() -> bool:
            member = await staff.get(robin.id)
            assert member is not None
            return (member.emergency_until, member.emergency_session) == (None, None)

        await taken()
        await services.staff.administration.update(robin.id, {"role": StaffRole.READ_ONLY}, by=boss)
        assert await has_ended()
        await taken()
        assert await staff.remove_factor(robin.id, factor.id, user.session)
        assert await has_ended()
        member = await taken()
        assert await staff.set_password(member, "another", keep=user.session)
        assert await has_ended()
        await taken()
        await staff.issue_link(robin.id, "link", until)
        assert await staff.use_link("link", "a third")
        assert await has_ended()

    async def test_nobody_takes_it_whose_session_or_account_is_another_since(
        self, services: Services
    ) -> None:
        robin, headers = await robin_of(services)
        user = await services.security.authenticate(headers["Authorization"].split()[1])
        begin = services.staff.emergency.begin
        await services.repositories.staff.change(robin.id, {"role": StaffRole.READ_ONLY})
        with pytest.raises(ConflictError):
            await begin(user, PASSWORD, TAKE["reason"])

        await services.sessions.end(robin.id, user.session.id)

        with pytest.raises(UnauthenticatedError):
            await begin(user, PASSWORD, TAKE["reason"])
        stored = await services.repositories.staff.get(robin.id)
        assert stored is not None
        assert stored.emergency_until is None


class TestWhereItIsOff:
    @pytest.fixture
    def settings(self, mongo_uri: str, tmp_path: Path, database_name: str) -> Settings:
        """As it comes."""
        return make_settings(mongo_uri=mongo_uri, data_dir=tmp_path, database_name=database_name)

    async def test_nobody_takes_it(self, app_client: httpx.AsyncClient, services: Services) -> None:
        robin, headers = await robin_of(services)

        answer = await app_client.post(EMERGENCY, json=TAKE, headers=headers)

        assert problem(answer) == (403, "emergency-access-off")
        assert await services.repositories.audit.about(str(robin.id)) == []

    async def test_what_was_lent_before_counts_no_more(
        self, app_client: httpx.AsyncClient, services: Services, clock: FrozenClock
    ) -> None:
        robin, headers = await robin_of(services)
        user = await services.security.authenticate(headers["Authorization"].split()[1])
        until = clock.now() + timedelta(hours=1)
        assert await services.repositories.staff.begin_emergency(robin, user.session, until)

        assert not await may(app_client, headers)
