"""Who may call what: every route, with no token, a bad one, and that of every role."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from app.api.access import Access, declarations
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
ONLY_READS = {
    ("POST", "/api/v1/admin/knowledge/ask"),
    ("POST", "/api/v1/admin/messages/preview"),
}
ALL_OF_ONE_PATIENT = {
    ("GET", "/api/v1/admin/patients/{patient_id}/export-all"),
    ("POST", "/api/v1/admin/patients/{patient_id}/erase"),
}
ADMINISTRATION = ("staff", "audit")
LAST = {("POST", "/api/v1/auth/logout")}
"""Ends the session that the others are tried with."""
NO_TOKENS = ("Bearer garbage", "Bearer ", "Basic YWRtaW46YWRtaW4=", "Bearer a.b.c", "null")
UNKNOWN_ID = "66f2a1b4c3d2e1f0a9b8c7d6"


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


def wanted_access(route: Route) -> Access:
    """API contract: writes need FRONT_DESK, settings OFFICE_MANAGER, staff and audit ADMIN."""
    method, path = route
    if not path.startswith("/api/v1/admin/"):
        return Access.SIGNED_IN
    subject = path.removeprefix("/api/v1/admin/").split("/")[0]
    if subject in ADMINISTRATION or route in ALL_OF_ONE_PATIENT:
        return Access.ADMIN
    if method == "GET" or route in ONLY_READS:
        return Access.READ_ONLY
    return Access.OFFICE_MANAGER if subject in SETTINGS else Access.FRONT_DESK


@pytest.fixture
def declared(app: FastAPI) -> Mapping[Route, Access | None]:
    """What each operation of the application declares."""
    return declarations(app)


@pytest.fixture
def guarded(declared: Mapping[Route, Access | None]) -> list[Route]:
    """Every operation that is not public."""
    return sorted(set(without_head(declared)) - PUBLIC)


def without_head(routes: Iterable[Route]) -> list[Route]:
    """What takes GET takes HEAD, and is tried once."""
    return [(method, path) for method, path in routes if method != "HEAD"]


def url_of(path: str) -> str:
    """The path with an id of something unknown wherever it wants one."""
    return re.sub(r"\{[^}]+\}", UNKNOWN_ID, path)


async def answers(
    client: httpx.AsyncClient, routes: list[Route], headers: dict[str, str]
) -> dict[Route, int]:
    """What each route answers to these headers; every id in a path is of something unknown."""
    found = {}
    for method, path in sorted(routes, key=LAST.__contains__):
        answer = await client.request(method, url_of(path), headers=headers)
        found[method, path] = answer.status_code
    return found


async def stored(database: Database) -> dict[str, int]:
    """How many documents a caller may have left behind."""
    return {name: await database.collection(name).count_documents({}) for name in COLLECTIONS}


def only(routes: list[Route], status: int) -> dict[Route, int]:
    """The same answer from every route."""
    return dict.fromkeys(routes, status)


class TestDeclarations:
    """One place says who may call what, and what it says is the practice's rule."""

    def test_what_needs_no_sign_in_is_listed_here(
        self, declared: Mapping[Route, Access | None]
    ) -> None:
        public = {route for route, access in declared.items() if access is Access.ANYBODY}

        assert set(without_head(public)) == PUBLIC

    def test_every_other_operation_asks_for_the_role_of_the_contract(
        self, declared: Mapping[Route, Access | None], guarded: list[Route]
    ) -> None:
        assert len(guarded) > 30
        assert {route: declared[route] for route in guarded} == {
            route: wanted_access(route) for route in guarded
        }


class TestWithoutASignIn:
    async def test_nothing_that_is_not_public_answers(
        self,
        *,
        app_client: httpx.AsyncClient,
        guarded: list[Route],
        headers_for: HeadersFor,
        services: Services,
        database: Database,
        clock: FrozenClock,
        settings: Settings,
    ) -> None:
        member = await services.repositories.staff.insert(make_staff(role=StaffRole.ADMIN))
        pair = await services.sessions.open(member)
        await services.repositories.staff.update_fields(member.id, {"disabled": True})
        expiring = await headers_for(StaffRole.ADMIN)
        clock.advance(minutes=settings.access_token_expire_minutes, seconds=1)
        refused: dict[str, dict[str, str]] = {
            "no token": {},
            "of a disabled account": {"Authorization": f"Bearer {pair.access_token}"},
            "whose time is over": expiring,
        } | {text: {"Authorization": text} for text in NO_TOKENS}

        for case, headers in refused.items():
            assert await answers(app_client, guarded, headers) == only(guarded, 401), case
        assert set((await stored(database)).values()) == {0}

    async def test_no_other_method_answers(
        self, app_client: httpx.AsyncClient, declared: Mapping[Route, Access | None]
    ) -> None:
        """ASVS 13.4.4: TRACE and what nobody declared."""
        taken: dict[str, set[str]] = {}
        for method, path in declared:
            taken.setdefault(url_of(path), set()).add(method)

        for url, methods in taken.items():
            for method in {"TRACE", "PUT", "POST", "DELETE", "PATCH"} - methods:
                answer = await app_client.request(method, url)
                # `/knowledge/ask` fits what takes an id, too.
                refusals = {401, 404, 405} if "/admin/" in url else {404, 405}
                assert answer.status_code in refusals, (method, url)


class TestRoles:
    async def test_each_is_let_in_to_what_it_may_do_and_to_nothing_else(
        self,
        *,
        app_client: httpx.AsyncClient,
        guarded: list[Route],
        declared: Mapping[Route, Access | None],
        headers_for: HeadersFor,
        database: Database,
    ) -> None:
        for role in StaffRole:
            found = await answers(app_client, guarded, await headers_for(role))

            let_in = {route for route, status in found.items() if status not in {401, 403}}
            assert let_in == {
                route for route in guarded if (access := declared[route]) and access.lets_in(role)
            }
            assert {found[route] for route in set(guarded) - let_in} <= {403}
            assert max(found.values()) < 500
            unknown = {r: found[r] for r in let_in if r[0] == "GET" and "{" in r[1]}
            assert unknown == dict.fromkeys(unknown, 404)
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
