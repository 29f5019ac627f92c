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
class TestRequire:
    @pytest.mark.parametrize("path", LEAST)
    @pytest.mark.parametrize("role", StaffRole)
    async def test_lets_in_the_role_and_those_above(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor, role: StaffRole, path: str
    ) -> None:
        answer = await app_client.get(path, headers=await headers_for(role))

        allowed = list(StaffRole).index(role) >= list(StaffRole).index(LEAST[path])
        assert answer.status_code == (200 if allowed else 403)
        if not allowed:
            assert answer.json()["detail"] == (
                f"This needs the role {LEAST[path]} or a higher one."
            )

    @pytest.mark.parametrize("path", LEAST)
    async def test_lets_in_nobody_without_a_token(
        self, app_client: httpx.AsyncClient, path: str
    ) -> None:
        assert (await app_client.get(path)).status_code == 401
