"""Who may call what: every route, with no token, a bad one, and that of every role."""

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.core.config import Settings
from app.db.database import Database
from app.models.role import StaffRole
from app.services.container import Services
from tests.conftest import HeadersFor
from tests.factories import make_staff
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo

Route = tuple[str, str]

PUBLIC = {
    ("GET", "/"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
    ("GET", "/docs"),
    ("GET", "/docs/oauth2-redirect"),
    ("GET", "/redoc"),
    ("GET", "/openapi.json"),
    ("GET", "/book"),
    ("GET", "/book/{rest}"),
    ("GET", "/visit"),
    ("GET", "/visit/{rest}"),
    ("GET", "/waitlist"),
    ("GET", "/waitlist/{rest}"),
    ("GET", "/waitlist/{token}/accept"),
    ("GET", "/waitlist/{token}/leave"),
    ("POST", "/book"),
    ("GET", "/visit/{token}"),
    ("GET", "/visit/{token}/booked"),
    ("GET", "/visit/{token}/cancel"),
    ("GET", "/visit/{token}/confirm"),
    ("GET", "/visit/{token}/move"),
    ("POST", "/visit/{token}/cancel"),
    ("POST", "/visit/{token}/confirm"),
    ("POST", "/visit/{token}/move"),
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/reset-password"),
    ("GET", "/password/{token}"),
    ("POST", "/password/{token}"),
    ("GET", "/api/v1/clinic"),
    ("GET", "/api/v1/services"),
    ("GET", "/api/v1/availability"),
    ("GET", "/api/v1/availability/slots"),
    ("POST", "/api/v1/appointments/book"),
    ("GET", "/api/v1/appointments/manage/{token}"),
    ("GET", "/api/v1/appointments/manage/{token}/calendar.ics"),
    ("POST", "/api/v1/appointments/manage/{token}/confirm"),
    ("POST", "/api/v1/appointments/manage/{token}/reschedule"),
    ("POST", "/api/v1/appointments/manage/{token}/cancel"),
    ("GET", "/api/v1/unsubscribe/{token}"),
    ("POST", "/api/v1/unsubscribe/{token}"),
    ("POST", "/api/v1/webhooks/gmail"),
    ("POST", "/api/v1/webhooks/incoming-message"),
    ("POST", "/waitlist"),
    ("GET", "/waitlist/{token}"),
    ("POST", "/waitlist/{token}/accept"),
    ("POST", "/waitlist/{token}/leave"),
    ("POST", "/api/v1/waitlist"),
    ("GET", "/api/v1/waitlist/offers/{token}"),
    ("POST", "/api/v1/waitlist/offers/{token}/accept"),
    ("POST", "/api/v1/waitlist/offers/{token}/leave"),
}
"""Everything that answers without a sign-in. Whatever else is added must ask for one."""

SETTINGS = ("providers", "chairs", "services", "time-off", "clinic")
ONLY_READS = {("POST", "/api/v1/admin/knowledge/ask")}
ADMINISTRATION = ("staff", "audit")
LAST = {("POST", "/api/v1/auth/logout")}
"""Ends the session that the others are tried with."""


COLLECTIONS = (
    "patients",
    "campaigns",
    "interactions",
    "appointments",
    "providers",
    "chairs",
    "services",
    "time_off",
    "knowledge",
    "sweeps",
    "waitlist",
)


def least_role(route: Route) -> StaffRole:
    """API contract: writes need FRONT_DESK, settings OFFICE_MANAGER, staff and audit ADMIN."""
    method, path = route
    subject = path.removeprefix("/api/v1/admin/").split("/")[0]
    if subject in ADMINISTRATION:
        return StaffRole.ADMIN
    if method == "GET" or route in ONLY_READS or not path.startswith("/api/v1/admin/"):
        return StaffRole.READ_ONLY
    return StaffRole.OFFICE_MANAGER if subject in SETTINGS else StaffRole.FRONT_DESK


def routes_of(app: FastAPI) -> Iterator[Route]:
    """Every method and path that the application takes."""
    for found in iter_route_contexts(list(app.routes)):
        path = str(getattr(found, "path_format", None) or getattr(found, "path", ""))
        for method in (found.methods or set()) - {"HEAD"}:
            yield method, path


@pytest.fixture
def guarded(app: FastAPI) -> list[Route]:
    """Every route that is not public."""
    return sorted(set(routes_of(app)) - PUBLIC)


async def answers(
    client: httpx.AsyncClient, routes: list[Route], headers: dict[str, str]
) -> dict[Route, int]:
    """What each route answers to these headers; every id in a path is of something unknown."""
    found = {}
    for method, path in sorted(routes, key=LAST.__contains__):
        url = re.sub(r"\{[^}]+\}", "66f2a1b4c3d2e1f0a9b8c7d6", path)
        found[method, path] = (await client.request(method, url, headers=headers)).status_code
    return found


async def stored(database: Database) -> dict[str, int]:
    """How many documents a caller may have left behind."""
    return {name: await database.collection(name).count_documents({}) for name in COLLECTIONS}


def only(routes: list[Route], status: int) -> dict[Route, int]:
    """The same answer from every route."""
    return dict.fromkeys(routes, status)


class TestWithoutASignIn:
    def test_the_public_list_is_what_it_says(self, app: FastAPI) -> None:
        assert set(routes_of(app)) >= PUBLIC

    async def test_nothing_else_answers(
        self, app_client: httpx.AsyncClient, guarded: list[Route], database: Database
    ) -> None:
        assert len(guarded) > 30

        assert await answers(app_client, guarded, {}) == only(guarded, 401)
        assert set((await stored(database)).values()) == {0}

    @pytest.mark.parametrize(
        "header", ["Bearer garbage", "Bearer ", "Basic YWRtaW46YWRtaW4=", "Bearer a.b.c", "null"]
    )
    async def test_nor_to_something_that_is_no_token(
        self, app_client: httpx.AsyncClient, guarded: list[Route], header: str
    ) -> None:
        found = await answers(app_client, guarded, {"Authorization": header})

        assert found == only(guarded, 401)

    async def test_nor_to_a_token_whose_time_is_over(
        self,
        *,
        app_client: httpx.AsyncClient,
        guarded: list[Route],
        headers_for: HeadersFor,
        clock: FrozenClock,
        settings: Settings,
    ) -> None:
        headers = await headers_for(StaffRole.ADMIN)
        clock.advance(minutes=settings.access_token_expire_minutes, seconds=1)

        assert await answers(app_client, guarded, headers) == only(guarded, 401)

    async def test_nor_to_somebody_whose_account_is_disabled(
        self, app_client: httpx.AsyncClient, guarded: list[Route], services: Services
    ) -> None:
        member = await services.repositories.staff.insert(make_staff(role=StaffRole.ADMIN))
        pair = await services.sessions.open(member)
        await services.repositories.staff.update_fields(member.id, {"disabled": True})

        found = await answers(app_client, guarded, {"Authorization": f"Bearer {pair.access_token}"})

        assert found == only(guarded, 401)


class TestRoles:
    @pytest.mark.parametrize("role", StaffRole)
    async def test_each_is_let_in_to_what_it_may_do_and_to_nothing_else(
        self,
        *,
        app_client: httpx.AsyncClient,
        guarded: list[Route],
        headers_for: HeadersFor,
        database: Database,
        role: StaffRole,
    ) -> None:
        found = await answers(app_client, guarded, await headers_for(role))

        let_in = {route for route, status in found.items() if status not in {401, 403}}
        assert let_in == {route for route in guarded if role.includes(least_role(route))}
        assert {found[route] for route in set(guarded) - let_in} <= {403}
        assert max(found.values()) < 500
        assert set((await stored(database)).values()) == {0}


class TestAToken:
    async def test_is_good_for_as_long_as_it_says(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        clock: FrozenClock,
        settings: Settings,
    ) -> None:
        headers = await headers_for(StaffRole.READ_ONLY)
        clock.advance(
            seconds=timedelta(minutes=settings.access_token_expire_minutes).total_seconds() - 1
        )

        assert (await app_client.get("/api/v1/users/me", headers=headers)).status_code == 200
