"""Failures that are expected, each with a status and a sentence that a person can use.

They are raised where the rule is and rendered once, as RFC 9457 `application/problem+json`, by
`app.api.errors`. `detail` must never carry patient data: it is sent to whoever asked and may be
logged on their side.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class AppError(Exception):
    """A failure the caller can understand.

    Class attributes name the problem type (`slug`, the last part of its URI), the HTTP `status`
    that fits it and a short `title`; the instance carries the sentence for this occurrence,
    machine-readable `extra` members of the problem document, and response `headers`.
    """

    status: ClassVar[int] = 400
    slug: ClassVar[str] = "bad-request"
    title: ClassVar[str] = "Bad request"

    def __init__(
        self,
        detail: str,
        *,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra: dict[str, Any] = dict(extra or {})
        self.headers: dict[str, str] = dict(headers or {})


class NotFoundError(AppError):
    """The thing asked for does not exist (or not for this caller)."""

    status = 404
    slug = "not-found"
    title = "Not found"


class ConflictError(AppError):
    """The request is fine but the present state forbids it."""

    status = 409
    slug = "conflict"
    title = "Conflict"


class UnprocessableError(AppError):
    """The request was understood and breaks a rule that does not depend on other people's data."""

    status = 422
    slug = "unprocessable"
    title = "Unprocessable request"


class UnauthenticatedError(AppError):
    """No credentials, or none that verify."""

    status = 401
    slug = "unauthenticated"
    title = "Not authenticated"


class ForbiddenError(AppError):
    """The caller is known and may not do this."""

    status = 403
    slug = "forbidden"
    title = "Not allowed"


class UnavailableError(AppError):
    """Something the service depends on does not answer; the same request may succeed later."""

    status = 503
    slug = "unavailable"
    title = "Service unavailable"
