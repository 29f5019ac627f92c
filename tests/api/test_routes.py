"""Finding a request's route: a router whose prefix is not in the path is not searched."""

from collections.abc import Iterable, Iterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from app.api.routes import PrefixRouter
from app.main import SITE

tried: list[str] = []


class NotedRoute(APIRoute):
    """Notes each time it is tried."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        tried.append(self.path)
        return super().matches(scope)


async def path_of(rest: str) -> str:
    return rest


@pytest.fixture(name="client")
def _client() -> httpx.AsyncClient:
    app, outer = FastAPI(), PrefixRouter(prefix="/api")
    for name in ("/cats", "/dogs/{dog}"):
        inner = PrefixRouter(prefix=name, route_class=NotedRoute)
        inner.add_api_route("/{rest}", path_of, methods=["GET"])
        outer.include_router(inner)
    app.include_router(outer)
    tried.clear()
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


class TestPrefixRouter:
    async def test_is_searched_for_its_own_paths_only(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/api/dogs/rex/tail")).json() == "tail"
        assert set(tried) == {"/dogs/{dog}/{rest}"}

    async def test_what_fits_none_is_tried_nowhere(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/api/birds/x")).status_code == 404
        assert (await client.get("/cats/x")).status_code == 404
        assert tried == []

    async def test_another_method_is_refused_as_ever(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/api/cats/x")).status_code == 405

    async def test_a_prefix_further_back_in_the_path_does_not_hide_the_route(
        self, client: httpx.AsyncClient
    ) -> None:
        assert (await client.get("/api/dogs/cats/cats")).json() == "cats"

    def test_every_router_of_ours_with_a_prefix_is_one(self) -> None:
        with_prefix = [router for router in routers(SITE.routes) if router.prefix]

        assert len(with_prefix) > 20
        assert all(isinstance(router, PrefixRouter) for router in with_prefix)


def routers(routes: Iterable[BaseRoute]) -> Iterator[APIRouter]:
    """Those that are included, however deep."""
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is not None:
            yield router
            yield from routers(router.routes)
