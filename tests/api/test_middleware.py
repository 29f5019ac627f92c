"""What happens around every request."""

import json
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI, Request

from app.api.nesting import Depth
from app.core.config import Settings
from app.main import create_app
from app.services.container import Services
from tests.conftest import PATIENCE_SECONDS
from tests.factories import make_settings
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo


@pytest.fixture
def client(app: FastAPI, app_client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The real application with routes that read a body, one of them at a webhook's place."""

    async def size(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    async def ignore() -> dict[str, bool]:
        return {"ok": True}

    async def fail() -> None:
        raise ValueError

    app.add_api_route("/api/v1/size", size, methods=["POST"])
    app.add_api_route("/api/v1/webhooks/size", size, methods=["POST"])
    app.add_api_route("/api/v1/links/{token}", ignore, methods=["POST"])
    app.add_api_route("/fail", fail, methods=["GET"])
    return app_client


class TestRequestId:
    @pytest.mark.parametrize("path", ["/", "/nowhere", "/fail"])
    async def test_every_answer_has_one(self, client: httpx.AsyncClient, path: str) -> None:
        answer = await client.get(path)

        assert len(answer.headers["x-request-id"]) == 32

    async def test_a_sane_one_is_kept(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/", headers={"X-Request-ID": "proxy-1.a_B"})

        assert answer.headers["x-request-id"] == "proxy-1.a_B"

    @pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", 'a"b'])
    async def test_any_other_is_replaced(self, client: httpx.AsyncClient, given: str) -> None:
        answer = await client.get("/", headers={"X-Request-ID": given})

        assert answer.headers["x-request-id"] != given
        assert len(answer.headers["x-request-id"]) == 32


class TestHead:
    @pytest.mark.parametrize("path", ["/", "/api/v1/clinic", "/api/v1/users/me", "/nowhere"])
    async def test_is_get_without_the_body(self, client: httpx.AsyncClient, path: str) -> None:
        asked = await client.get(path)

        answer = await client.head(path)

        assert (answer.status_code, answer.content) == (asked.status_code, b"")
        for name in ("content-type", "cache-control", "www-authenticate"):
            assert answer.headers.get(name) == asked.headers.get(name)
        assert answer.headers["x-request-id"]

    async def test_runs_nothing_that_only_post_does(self, client: httpx.AsyncClient) -> None:
        answer = await client.head("/api/v1/size")

        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

    async def test_is_counted_as_what_it_is(self, client: httpx.AsyncClient) -> None:
        await client.head("/api/v1/clinic")

        counted = (await client.get("/metrics")).text
        assert 'method="HEAD",route="/api/v1/clinic",status="200"' in counted


class TestBodyLimits:
    async def test_64_kb_are_taken(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/size", content=b"x" * 65_536)

        assert answer.json() == {"size": 65_536}

    async def test_more_is_refused_by_its_header(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/size", content=b"x" * 65_537)

        assert answer.status_code == 413
        assert answer.json()["type"].endswith("/problems/request-entity-too-large")
        assert answer.json()["request_id"] == answer.headers["x-request-id"]

    async def test_more_is_refused_also_where_nobody_reads_it(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.post("/api/v1/links/one", content=b"x" * 65_537)

        assert answer.status_code == 413

    async def test_more_is_refused_while_it_streams(self, client: httpx.AsyncClient) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(9):
                yield b"x" * 8192

        answer = await client.post("/api/v1/size", content=chunks())

        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_a_webhook_takes_256_kb_and_no_more(self, client: httpx.AsyncClient) -> None:
        fits = await client.post("/api/v1/webhooks/size", content=b"x" * 262_144)
        too_large = await client.post("/api/v1/webhooks/size", content=b"x" * 262_145)

        assert fits.json() == {"size": 262_144}
        assert too_large.status_code == 413


class TestNesting:
    async def test_twenty_levels_are_read_and_more_are_not(self, client: httpx.AsyncClient) -> None:
        as_json = {"Content-Type": "application/json"}
        too_deep = b"[" * 21 + b"]" * 21

        fits = await client.post("/api/v1/size", content=too_deep[1:-1], headers=as_json)
        refused = await client.post("/api/v1/size", content=too_deep, headers=as_json)
        untyped = await client.post("/api/v1/size", content=b'{"a":' * 60_000)
        table = await client.post(
            "/api/v1/size", content=too_deep, headers={"Content-Type": "text/csv"}
        )

        assert (fits.json(), table.json()) == ({"size": 40}, {"size": 42})
        assert (refused.status_code, untyped.status_code) == (400, 413)
        assert refused.json()["type"].endswith("/problems/bad-request")

    @pytest.mark.parametrize(
        ("pieces", "deepest"),
        [
            ([b'{"a": [1, [2]], "b": []}'], 3),
            ([b'{"a": "[[[[", "b": "\\"[[[["}'], 1),
            ([b'{"a": "\\', b'"[[[[', b'"}'], 1),
            ([b'"\\', b"", b'"[[', b'"', b"[["], 2),
            ([b'"\\\\', b'"[['], 2),
            ([b"[" * 3, b"]" * 3, b"[" * 2], 3),
            ([b"", b"{", b"\xff\xfe{", b"}"], 2),
        ],
    )
    def test_is_counted_across_pieces_and_outside_of_texts(
        self, pieces: list[bytes], deepest: int
    ) -> None:
        depth = Depth()

        assert max([depth.after(piece) for piece in pieces]) == deepest


class TestSecurityHeaders:
    async def test_every_answer_is_guarded(self, client: httpx.AsyncClient) -> None:
        paths = ("/", "/nowhere", "/fail", "/docs", "/book", "/api/v1/users/me", "/visit/x")
        for path in paths:
            headers = (await client.get(path)).headers

            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-frame-options"] == "DENY"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "strict-transport-security" not in headers

    async def test_the_api_and_the_pages_are_never_stored(self, client: httpx.AsyncClient) -> None:
        for path in ("/api/v1/users/me", "/api/v1/clinic", "/visit/x", "/book", "/password/x"):
            assert (await client.get(path)).headers["cache-control"] == "no-store"

    async def test_only_the_documentation_may_run_scripts(self, client: httpx.AsyncClient) -> None:
        docs = await client.get("/docs")
        other = await client.get("/")

        assert "script-src 'unsafe-inline' https://cdn" in docs.headers["content-security-policy"]
        assert "script-src" not in other.headers["content-security-policy"]

    async def test_production_hides_the_documentation_and_asks_for_https(
        self, settings: Settings, clock: FrozenClock
    ) -> None:
        given = {
            "environment": "production",
            "mongo_uri": settings.mongo_uri,
            "public_base_url": "https://clinic.example",
        }
        async with serving(make_settings(**given), clock) as client:
            hidden = [await client.get(path) for path in ("/docs", "/redoc", "/openapi.json")]
        docs = hidden[0]
        opened = create_app(make_settings(**given, api_docs=True), background=False)

        assert [answer.status_code for answer in hidden] == [404, 404, 404]
        assert opened.openapi_url == "/openapi.json"
        assert docs.json()["type"] == "https://clinic.example/problems/not-found"
        assert docs.headers["strict-transport-security"] == "max-age=31536000"


class TestCors:
    ORIGIN = "https://desk.example"

    async def test_an_allowed_origin_may_read_also_a_failure(
        self, settings: Settings, clock: FrozenClock
    ) -> None:
        chosen = make_settings(mongo_uri=settings.mongo_uri, cors_origins=self.ORIGIN)

        async with serving(chosen, clock) as client:
            answer = await client.get("/nowhere", headers={"Origin": self.ORIGIN})
            stranger = await client.get("/", headers={"Origin": "https://evil.example"})

        assert answer.headers["access-control-allow-origin"] == self.ORIGIN
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-origin" not in stranger.headers

    async def test_without_a_list_nobody_may(self, app_client: httpx.AsyncClient) -> None:
        answer = await app_client.get("/", headers={"Origin": self.ORIGIN})

        assert "access-control-allow-origin" not in answer.headers


class serving:  # noqa: N801 - reads as a statement
    """A client over an application with these settings, its database dropped afterwards."""

    def __init__(self, settings: Settings, clock: FrozenClock) -> None:
        app = create_app(settings, clock=clock, background=False)
        self._manager = LifespanManager(app, PATIENCE_SECONDS, PATIENCE_SECONDS)

    async def __aenter__(self) -> httpx.AsyncClient:
        await self._manager.__aenter__()
        transport = httpx.ASGITransport(self._manager.app)
        return httpx.AsyncClient(transport=transport, base_url="http://testserver")

    async def __aexit__(self, *_: object) -> None:
        services = self._manager._state["services"]
        assert isinstance(services, Services)
        await services.database.drop()
        await self._manager.__aexit__()


class TestAccessLog:
    async def test_a_line_names_the_template_and_no_token(
        self, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, logger="app.access"):
            await client.post("/api/v1/links/very-secret?email=a@example.com")

        (line,) = [record for record in caplog.records if record.name == "app.access"]
        facts = {name: getattr(line, name) for name in ("method", "route", "status")}
        assert facts == {"method": "POST", "route": "/api/v1/links/{token}", "status": 200}
        assert "very-secret" not in json.dumps(line.__dict__, default=str)

    async def test_a_failure_is_logged_with_its_traceback(
        self, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        await client.get("/fail")

        (failure,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert failure.exc_info is not None


class TestFigures:
    async def test_requests_are_counted_by_template(self, client: httpx.AsyncClient) -> None:
        await client.post("/api/v1/links/one")
        await client.post("/api/v1/links/two")
        await client.request("BREW", "/nowhere")

        text = (await client.get("/metrics")).text

        labels = 'method="POST",route="/api/v1/links/{token}",status="200"'
        assert f"http_requests_total{{{labels}}} 2.0" in text
        assert 'method="OTHER",route="unmatched",status="404"' in text
        assert 'http_request_duration_seconds_count{method="POST"' in text
        assert "nowhere" not in text
