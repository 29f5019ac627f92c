"""An operation that does not say who may call it keeps the service from starting."""

import pytest
from asgi_lifespan import LifespanManager
from fastapi import APIRouter, FastAPI

from app.api.access import (
    Access,
    PublicRoute,
    UndeclaredAccessError,
    check_access,
    declarations,
)
from app.api.deps import IdentityDep, ReadAccess, WriteAccess
from app.main import create_app
from app.models.role import StaffMember, StaffRole
from tests.factories import make_settings

NOWHERE = make_settings(mongo_uri="mongodb://127.0.0.1:1/")


async def open_to_whom() -> None:
    """A handler that forgot to say."""


class TestStart:
    async def test_is_refused_with_the_name_of_the_operation(self) -> None:
        app = create_app(NOWHERE, background=False)
        app.add_api_route("/api/v1/admin/leak", open_to_whom, methods=["POST"])

        with pytest.raises(UndeclaredAccessError, match="POST /api/v1/admin/leak"):
            async with LifespanManager(app):
                pass

    def test_is_refused_for_what_is_no_operation_of_ours(self) -> None:
        app = create_app(NOWHERE, background=False)
        app.mount("/files", FastAPI())

        with pytest.raises(UndeclaredAccessError, match="/files"):
            check_access(app)


class TestReports:
    def test_fastapi_makes_none_of_requests(self) -> None:
        """They would hold addresses, and so ids and tokens."""
        app = create_app(NOWHERE, background=False)

        reported = {name: app._telemetry[name] for name in ("tracing", "metrics", "logs")}
        assert not any(reported.values())


class TestADeclaration:
    def test_is_read_from_wherever_it_stands(self) -> None:
        async def signed_in(_user: IdentityDep) -> None: ...
        async def nested(_user: WriteAccess) -> None: ...

        router = APIRouter(route_class=PublicRoute)
        router.add_api_route("/of-the-router", open_to_whom)
        app = FastAPI(openapi_url=None)
        app.include_router(router)
        app.router.add_api_route("/of-the-route", open_to_whom, route_class_override=PublicRoute)
        app.add_api_route("/signed-in", signed_in)
        app.add_api_route("/nested", nested)
        app.add_api_route("/forgotten", open_to_whom)

        assert {path: access for (_, path), access in declarations(app).items()} == {
            "/of-the-router": Access.ANYBODY,
            "/of-the-route": Access.ANYBODY,
            "/signed-in": Access.SIGNED_IN,
            "/nested": Access.FRONT_DESK,
            "/forgotten": None,
        }

    def test_cannot_be_public_and_for_somebody(self) -> None:
        async def both(user: ReadAccess) -> StaffMember:
            return user

        app = FastAPI(openapi_url=None)
        app.router.add_api_route(
            "/both", both, response_model=None, route_class_override=PublicRoute
        )

        with pytest.raises(UndeclaredAccessError, match="/both is declared public and for READ"):
            declarations(app)

    def test_has_a_circle_for_each_role(self) -> None:
        assert [access.value for access in Access][2:] == [role.value for role in StaffRole]
        assert Access.SIGNED_IN.lets_in(StaffRole.READ_ONLY)
        assert Access.OFFICE_MANAGER.lets_in(StaffRole.ADMIN)
        assert not Access.OFFICE_MANAGER.lets_in(StaffRole.FRONT_DESK)

    def test_stands_in_the_document(self) -> None:
        paths = create_app(NOWHERE, background=False).openapi()["paths"]

        assert paths["/api/v1/clinic"]["get"]["x-access"] == Access.ANYBODY
        assert paths["/api/v1/admin/staff"]["post"]["x-access"] == Access.ADMIN
