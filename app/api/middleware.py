"""What happens around every request. Pure ASGI: no task, no copy of the body, no lost context."""

import logging
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import ProblemRenderer
from app.api.headers import first_header
from app.api.routes import RouteTable
from app.core.logging import ACCESS_LOGGER, RequestRecord, request_id
from app.db.database import UNAVAILABLE_ERRORS
from app.services.metrics import Metrics

logger = logging.getLogger(__name__)
access_logger = logging.getLogger(ACCESS_LOGGER)

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID_NAME = REQUEST_ID_HEADER.lower().encode()
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_REQUEST_ID_BITS = 128
# What asks the system for each number takes four times as long; an id is no secret.
_numbers = random.Random()  # noqa: S311
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestContextMiddleware:
    """Gives each request an id, writes its line in the log and counts it.

    Both name the route's template, never the path: ids and tokens stay out of logs and metrics.
    """

    def __init__(self, app: ASGIApp, routes: RouteTable, metrics: Metrics) -> None:
        self._app = app
        self._routes = routes
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        served = _request_id(scope)
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (_REQUEST_ID_NAME, served.encode())]
            await send(message)

        token = request_id.set(served)
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._note(scope, status, time.perf_counter() - started)
            request_id.reset(token)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = self._routes.template(scope)
        self._metrics.request(method, route, status, seconds)
        if access_logger.isEnabledFor(logging.INFO):
            access_logger.handle(RequestRecord(method, route, status, seconds))


def _request_id(scope: Scope) -> str:
    given = first_header(scope, _REQUEST_ID_NAME)
    if _SANE_REQUEST_ID.fullmatch(given):
        return given
    return f"{_numbers.getrandbits(_REQUEST_ID_BITS):032x}"


class HeadMiddleware:
    """Answers HEAD as GET without the body (RFC 9110, 9.3.2): monitors and mail scanners ask so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # The server goes by its own scope: it must not expect the body that the headers promise.
        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, send_without_body)
        finally:
            scope.update(endpoint=asked.get("endpoint"))


_STRICT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    "img-src 'self' data: https://fastapi.tiangolo.com; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HSTS = {"Strict-Transport-Security": "max-age=31536000"}
_NO_STORE = {"Cache-Control": "no-store"}


class SecurityHeadersMiddleware:
    """Headers that keep browsers from guessing, framing, leaking and storing.

    A header that the operation set itself (a page with its own policy) stays.
    """

    def __init__(self, app: ASGIApp, *, https_only: bool) -> None:
        self._app = app
        always = {**_HEADERS, **(_HSTS if https_only else {})}
        strict = {**always, "Content-Security-Policy": _STRICT_POLICY}
        self._pages = _raw(strict)
        self._api = _raw({**strict, **_NO_STORE})
        self._docs = _raw({**always, "Content-Security-Policy": _DOCS_POLICY})
        self._ours = frozenset(name for name, _ in [*self._api, *self._docs])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = self._headers_for(scope["path"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                given = {name for name, _ in headers} & self._ours
                missing = [one for one in wanted if one[0] not in given] if given else wanted
                message["headers"] = [*headers, *missing]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _headers_for(self, path: str) -> Sequence[tuple[bytes, bytes]]:
        if path.startswith(("/docs", "/redoc")):
            return self._docs
        return self._api if path.startswith("/api/") else self._pages


def _raw(headers: Mapping[str, str]) -> Sequence[tuple[bytes, bytes]]:
    """As they go over the wire."""
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class FailureMiddleware:
    """The last net: what nobody expected becomes a 500 that says nothing of the inside."""

    def __init__(self, app: ASGIApp, renderer: ProblemRenderer) -> None:
        self._app = app
        self._renderer = renderer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def watched_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except UNAVAILABLE_ERRORS:
            if has_started:
                raise
            await self._renderer.unavailable(scope)(scope, receive, send)
        except Exception:
            # One bad request must not look like a dead service to its caller; the log has it all.
            logger.exception("request failed", extra={"method": scope["method"]})
            if has_started:
                raise
            await self._renderer.unexpected(scope)(scope, receive, send)


@dataclass(frozen=True)
class BodyLimits:
    """How large a body may be, in bytes: the first matching prefix of the path decides."""

    default: int = 64 * 1024
    by_prefix: Sequence[tuple[str, int]] = field(
        default=(
            ("/api/v1/webhooks/", 256 * 1024),
            ("/api/v1/admin/patients/import", 20 * 1024 * 1024),
            ("/api/v1/admin/appointments/import", 20 * 1024 * 1024),
        )
    )

    def of(self, path: str) -> int:
        """The limit of `path`."""
        for prefix, size in self.by_prefix:
            if path.startswith(prefix):
                return size
        return self.default


class BodyLimitMiddleware:
    """Refuses a body that says it is too large, and one that turns out to be."""

    def __init__(self, app: ASGIApp, renderer: ProblemRenderer, limits: BodyLimits) -> None:
        self._app = app
        self._renderer = renderer
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.of(scope["path"])
        if _declared_length(scope) > limit:
            response = self._renderer.http_error(scope, _too_large())
            await response(scope, receive, send)
            return
        await self._app(scope, _Counted(receive, limit), send)


def _declared_length(scope: Scope) -> int:
    text = first_header(scope, b"content-length")
    return int(text) if text.isascii() and text.isdigit() else 0


def _too_large() -> HTTPException:
    return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class _Counted:
    """A body that may not grow past its limit, whatever its header promised."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _too_large()
        return message
