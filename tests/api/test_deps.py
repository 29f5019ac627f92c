"""What a role lets one do, and that nothing a handler asks for costs a thread."""

import inspect
from collections.abc import Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from fastapi.security import OAuth2PasswordRequestForm

from app.api.deps import AdminAccess, ReadAccess, SettingsAccess, WriteAccess
from app.main import SITE
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


def everything_called(dependant: Dependant) -> Iterator[Callable[..., object]]:
    """The handler, and what it and its dependencies depend on."""
    assert dependant.call is not None
    yield dependant.call
    for dependency in dependant.dependencies:
        yield from everything_called(dependency)


def is_async(call: Callable[..., object]) -> bool:
    """Of an object: whether calling it is."""
    own = call if inspect.isroutine(call) or inspect.isclass(call) else call.__call__  # type: ignore[operator]
    return inspect.iscoroutinefunction(own)


class TestDependencies:
    def test_none_is_handed_to_a_thread(self) -> None:
        called = {
            call
            for route in iter_route_contexts(list(SITE.routes))
            for call in everything_called(route.dependant)
        }

        assert len(called) > len(SITE.routes)
        assert {call for call in called if not is_async(call)} == {
            OAuth2PasswordRequestForm  # the library's, once a sign-in
        }
