"""Who may call what: every operation declares it, and one that does not keeps the service down.

What there is to enforce is declared by the dependency that enforces it:

- `IdentityDep`: whoever is signed in;
- `ReadAccess`, `WriteAccess`, `SettingsAccess`, `AdminAccess`: that role or a higher one.

Where nothing is, the class of the route says so (`route_class=PublicRoute` of its router): anybody,
without a sign-in. A dependency that does nothing would cost every patient's request a tenth more.

`declared_access` reads them back from the routes, `check_access` refuses to start where one has
none (denied by default) or contradicts itself, and the OpenAPI document shows them as `x-access`.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from app.api.deps import AtLeast, identity
from app.models.role import StaffRole

Operation = tuple[str, str]
"""A method and a path as it was declared."""


class Access(StrEnum):
    """Who may call an operation, the widest circle first; a role includes every higher one."""

    ANYBODY = "ANYBODY"
    SIGNED_IN = "SIGNED_IN"
    READ_ONLY = "READ_ONLY"
    FRONT_DESK = "FRONT_DESK"
    OFFICE_MANAGER = "OFFICE_MANAGER"
    ADMIN = "ADMIN"

    def lets_in(self, role: StaffRole) -> bool:
        """Whether somebody signed in with `role` may call it."""
        if self in {Access.ANYBODY, Access.SIGNED_IN}:
            return True
        return role.includes(StaffRole(self.value))


class UndeclaredAccessError(RuntimeError):
    """An operation does not say who may call it, or says two things; the message names it."""


class PublicRoute(APIRoute):
    """An operation for anybody, without a sign-in."""


def check_access(app: FastAPI) -> None:
    """Raises `UndeclaredAccessError` unless every operation of `app` says who may call it."""
    undeclared = sorted(
        f"{method} {path}" for (method, path), access in declarations(app).items() if access is None
    )
    if undeclared:
        message = "Nothing says who may call these: " + ", ".join(undeclared)
        raise UndeclaredAccessError(message)


def declarations(app: FastAPI) -> Mapping[Operation, Access | None]:
    """Who may call each operation of `app`; `None` where nothing says so.

    Raises `UndeclaredAccessError` where one is both public and not.
    """
    found: dict[Operation, Access | None] = {}
    for route in iter_route_contexts(list(app.routes)):
        access = declared_access(route, documentation_of(app))
        for method in route.methods or {"ANY"}:
            found[method, str(route.path_format or route.path)] = access
    return found


def documentation_of(app: FastAPI) -> frozenset[str]:
    """The paths under which FastAPI shows the API's document, where it does."""
    shown = (app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url)
    return frozenset(filter(None, shown))


def declared_access(
    route: RouteContext, documentation: frozenset[str] = frozenset()
) -> Access | None:
    """Who may call `route`; `None` where nothing says so. Raises `UndeclaredAccessError`."""
    dependant = getattr(route, "dependant", None)
    if dependant is None:
        return Access.ANYBODY if route.path in documentation else None
    is_open = isinstance(route.original_route, PublicRoute)
    opened = [Access.ANYBODY] if is_open else []
    return _narrowest(str(route.path), [*opened, *_declared(dependant.dependencies)])


def _declared(dependencies: Iterable[Dependant]) -> Iterator[Access]:
    for dependency in dependencies:
        if isinstance(dependency.call, AtLeast):
            yield Access(dependency.call.role.value)
        elif dependency.call is identity:
            yield Access.SIGNED_IN
        yield from _declared(dependency.dependencies)


def _narrowest(path: str, declared: Iterable[Access]) -> Access | None:
    circles = list(Access)
    found = sorted(set(declared), key=circles.index)
    if Access.ANYBODY in found and len(found) > 1:
        message = f"{path} is declared public and for {found[-1]}."
        raise UndeclaredAccessError(message)
    return found[-1] if found else None
