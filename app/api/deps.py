"""Named dependencies: what a handler can ask for by annotating a parameter."""

from collections.abc import Awaitable, Callable
from typing import Annotated, cast

from fastapi import Depends, Query, Request
from fastapi.security import OAuth2PasswordBearer

from app.core.errors import ForbiddenError, UnauthenticatedError
from app.models.role import StaffMember, StaffRole
from app.schemas.paging import MAX_LIMIT, MAX_PAGE, PageQuery
from app.services.container import Services
from app.services.security import SecurityService

_bearer = OAuth2PasswordBearer(
    tokenUrl="/api/v1/auth/login",
    scheme_name="staff",
    description="Sign in with the e-mail address and password of a member of staff.",
    auto_error=False,
)


def services(request: Request) -> Services:
    """What lives as long as the process, from the lifespan's state."""
    return cast("Services", request.state.services)


ServicesDep = Annotated[Services, Depends(services)]


def security(parts: ServicesDep) -> SecurityService:
    """Signing in."""
    return parts.security


SecurityDep = Annotated[SecurityService, Depends(security)]


async def current_user(
    parts: ServicesDep, token: Annotated[str | None, Depends(_bearer)]
) -> StaffMember:
    """The member of staff whose token came along. Raises `UnauthenticatedError`."""
    if not token:
        message = "Please sign in."
        raise UnauthenticatedError(message)
    return await parts.security.authenticate(token)


CurrentUser = Annotated[StaffMember, Depends(current_user)]
"""Anybody who is signed in."""


def require(role: StaffRole) -> Callable[[StaffMember], Awaitable[StaffMember]]:
    """A dependency that lets in whoever has `role` or a higher one. Raises `ForbiddenError`."""

    async def allowed(user: CurrentUser) -> StaffMember:
        if not user.role.includes(role):
            message = f"This needs the role {role} or a higher one."
            raise ForbiddenError(message)
        return user

    return allowed


ReadAccess = Annotated[StaffMember, Depends(require(StaffRole.READ_ONLY))]
WriteAccess = Annotated[StaffMember, Depends(require(StaffRole.FRONT_DESK))]
SettingsAccess = Annotated[StaffMember, Depends(require(StaffRole.OFFICE_MANAGER))]
AdminAccess = Annotated[StaffMember, Depends(require(StaffRole.ADMIN))]


def page_query(
    page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Counted from 1.")] = 1,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows on a page.")] = 20,
) -> PageQuery:
    """Which page of a list, from `page` and `limit`."""
    return PageQuery(page=page, limit=limit)


PageDep = Annotated[PageQuery, Depends(page_query)]
