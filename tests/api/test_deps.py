"""What a role lets one do."""

import httpx
import pytest
from fastapi import FastAPI

from app.api.deps import AdminAccess, ReadAccess, SettingsAccess, WriteAccess
from app.models.role import StaffRole
from tests.conftest import HeadersFor

pytestmark = pytest.mark.mongo

LEAST = {
    "/read": StaffRole.READ_ONLY,
    "/write": StaffRole.FRONT_DESK,
    "/settings": StaffRole.OFFICE_MANAGER,
    "/admin": StaffRole.ADMIN,
}


@pytest.fixture
def _guarded(app: FastAPI) -> None:
    """One route a level of access."""

    async def read(user: ReadAccess) -> str:
        return user.role

    async def write(user: WriteAccess) -> str:
        return user.role

    async def change_settings(user: SettingsAccess) -> str:
        return user.role

    async def administer(user: AdminAccess) -> str:
        return user.role

    for path, handler in zip(LEAST, (read, write, change_settings, administer), strict=True):
        app.add_api_route(path, handler)


@pytest.mark.usefixtures("_guarded")
class TestAtLeast:
    async def test_lets_in_the_role_and_those_above_and_nobody_without_a_token(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor
    ) -> None:
        for role in StaffRole:
            headers = await headers_for(role)
            for path, least in LEAST.items():
                answer = await app_client.get(path, headers=headers)

                allowed = list(StaffRole).index(role) >= list(StaffRole).index(least)
                assert answer.status_code == (200 if allowed else 403)
                if not allowed:
                    assert answer.json()["detail"] == (
                        f"This needs the role {least} or a higher one."
                    )
        for path in LEAST:
            assert (await app_client.get(path)).status_code == 401
