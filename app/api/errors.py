"""Failures, rendered once: RFC 9457 `application/problem+json` for every error there is.

Nothing of the inside leaves: an unexpected failure says only under which `request_id` the log has
it. Nothing that was sent comes back either.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.routes import RouteTable
from app.core.errors import AppError
from app.core.logging import request_id
from app.db.database import UNAVAILABLE_ERRORS
from app.models.waitlist import WISHED_TIME_TAGS
from app.schemas.problem import PROBLEM_MEDIA_TYPE

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
"""What a 503 asks for: about as long as a database takes to come back."""

SECRET_PARAMETERS = frozenset({"token"})
_LONG_SEGMENT = re.compile(r"[^/]{41,}")
_SHORTEST_ECHO = 4
_LONGEST_NAME = 64
_NOT_SENT = frozenset({"[key]"}) | WISHED_TIME_TAGS
"""What pydantic puts into a `loc` beside names and places of what was sent."""

_SENTENCES = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read.",
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method; see Allow.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than this operation takes.",
}

Handler = Callable[[Request, Exception], Awaitable[Response]]


@dataclass(frozen=True)
class _Failure:
    """The parts of a problem document that depend on what failed."""

    status: int
    slug: str
    title: str
    detail: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class ProblemRenderer:
    """Turns failures into problem documents."""

    def __init__(self, base_url: str, routes: RouteTable) -> None:
        self._base_url = base_url
        self._routes = routes

    def app_error(self, scope: Mapping[str, Any], error: AppError) -> Response:
        """An expected failure."""
        failure = _Failure(
            error.status, error.slug, error.title, error.detail, error.extra, error.headers
        )
        return self._problem(scope, failure)

    def http_error(self, scope: Mapping[str, Any], error: HTTPException) -> Response:
        """A failure of HTTP itself: no such route, no such method, an unreadable body."""
        status = HTTPStatus(error.status_code)
        headers = dict(error.headers or {})
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(self._routes.allowed_methods(scope["path"]))
        detail = _SENTENCES.get(status, error.detail)
        return self._problem(scope, _of_status(status, detail, headers))

    def validation_error(self, scope: Mapping[str, Any], error: RequestValidationError) -> Response:
        """A request that breaks rules of its form."""
        failure = _Failure(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "validation",
            "Invalid request",
            "A part of the request breaks a rule; see errors.",
            {"errors": [_without_input(single) for single in error.errors()]},
        )
        return self._problem(scope, failure)

    def unavailable(self, scope: Mapping[str, Any]) -> Response:
        """The database does not answer."""
        detail = "The database does not answer just now. Please try again."
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        failure = _of_status(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers)
        return self._problem(scope, failure)

    def unexpected(self, scope: Mapping[str, Any]) -> Response:
        """A bug of ours."""
        detail = "Something went wrong on our side. The request_id finds it in our log."
        return self._problem(scope, _of_status(HTTPStatus.INTERNAL_SERVER_ERROR, detail, {}))

    def _problem(self, scope: Mapping[str, Any], failure: _Failure) -> Response:
        body = {
            **failure.extra,
            "type": f"{self._base_url}/problems/{failure.slug}",
            "title": failure.title,
            "status": int(failure.status),
            "detail": failure.detail,
            "instance": self._instance(scope),
            "request_id": request_id.get() or "",
        }
        unauthorized = failure.status == HTTPStatus.UNAUTHORIZED
        challenge = {"WWW-Authenticate": "Bearer"} if unauthorized else {}
        return Response(
            to_json(body, fallback=str),
            status_code=int(failure.status),
            headers={**challenge, **failure.headers},
            media_type=PROBLEM_MEDIA_TYPE,
        )

    def _instance(self, scope: Mapping[str, Any]) -> str:
        """The path, never the query; a token in it is as secret as a password."""
        if SECRET_PARAMETERS & set(scope.get("path_params", {})):
            return self._routes.template(scope)
        return quote(_LONG_SEGMENT.sub("…", scope["path"]), safe="/:@!$&'()*+,;=~{}…")


def _of_status(status: HTTPStatus, detail: str, headers: Mapping[str, str]) -> _Failure:
    """A failure that has no better name than its status."""
    slug = status.phrase.lower().replace(" ", "-")
    return _Failure(status, slug, status.phrase, detail, {}, headers)


def _without_input(error: Mapping[str, Any]) -> dict[str, Any]:
    """Where, which rule and its name. `input` and `ctx` hold what was sent, and are left out."""
    return {
        "loc": [
            part if isinstance(part, int) else part[:_LONGEST_NAME]
            for part in error["loc"]
            if part not in _NOT_SENT
        ],
        "msg": _without_echo(str(error["msg"]), error.get("input")),
        "type": error["type"],
    }


def _without_echo(message: str, sent: object) -> str:
    """The message of a rule: our own sentences without pydantic's label before them, the others
    without what they were given, which some quote.
    """
    message = message.removeprefix("Value error, ")
    if message.startswith("value is not a valid email address"):
        return "value is not a valid email address"
    if isinstance(sent, str) and len(sent) >= _SHORTEST_ECHO:
        return message.replace(sent, "…")
    return message


def install_error_handlers(app: FastAPI, renderer: ProblemRenderer) -> None:
    """Let `app` answer every expected failure with a problem document.

    What is not expected is caught further out, by `app.api.middleware.FailureMiddleware`.
    """

    async def app_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, AppError)  # noqa: S101 - registered for nothing else
        return renderer.app_error(request.scope, error)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
        return renderer.http_error(request.scope, error)

    async def validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
        return renderer.validation_error(request.scope, error)

    async def unavailable(request: Request, error: Exception) -> Response:
        logger.warning("database unavailable", extra={"error_type": type(error).__name__})
        return renderer.unavailable(request.scope)

    handlers: Sequence[tuple[type[Exception], Handler]] = (
        (AppError, app_error),
        (HTTPException, http_error),
        (RequestValidationError, validation_error),
        *((kind, unavailable) for kind in UNAVAILABLE_ERRORS),
    )
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)
