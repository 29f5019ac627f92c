"""Finding the route of a request, and what the route table knows about it: template and methods."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from fastapi import APIRouter
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

UNMATCHED = "unmatched"
"""The template of a request that no route takes, in metrics and logs."""


class PrefixRouter(APIRouter):
    """A router that is only searched for paths with its prefix in them.

    FastAPI tries every route of every included router in turn, and does so again in each router
    that leads to the right one: with some 120 routes that is half of what a request costs.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See `APIRouter`."""
        if self._fixed_prefix not in scope["path"]:
            return Match.NONE, {}
        return super().matches(scope)

    @cached_property
    def _fixed_prefix(self) -> str:
        """The prefix as far as it is the same in every path."""
        return self.prefix.partition("{")[0]


class RouteTable:
    """Reads the routes of an application, once and at the first request."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = routes

    def template(self, scope: Mapping[str, Any]) -> str:
        """The path as it was declared (`/items/{item_id}`): no id and no token in it."""
        return self._templates.get(scope.get("endpoint"), UNMATCHED)

    def operation(self, scope: Mapping[str, Any]) -> str:
        """What the request asks for: its `operation_id`, or the name of its page."""
        return self._operations.get(scope.get("endpoint"), UNMATCHED)

    def allowed_methods(self, path: str) -> list[str]:
        """Every method that some route takes on `path` (RFC 9110 wants all of them in `Allow`).

        What takes GET takes HEAD.
        """
        fitting = [route for route in self._contexts if _fits(route, path)]
        methods = {method for route in fitting for method in route.methods or ()}
        return sorted(methods | {"HEAD"} if "GET" in methods else methods)

    @cached_property
    def _contexts(self) -> list[RouteContext]:
        return list(iter_route_contexts(list(self._routes)))

    @cached_property
    def _templates(self) -> dict[object, str]:
        return {
            getattr(route, "endpoint", None): str(getattr(route, "path_format", UNMATCHED))
            for route in self._contexts
        }

    @cached_property
    def _operations(self) -> dict[object, str]:
        return {
            getattr(route, "endpoint", None): str(
                getattr(route, "operation_id", None) or route.name or UNMATCHED
            )
            for route in self._contexts
        }


def _fits(route: RouteContext, path: str) -> bool:
    pattern = getattr(route, "path_regex", None)
    return pattern is not None and pattern.match(path) is not None
