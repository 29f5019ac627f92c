"""The OpenAPI document: what FastAPI writes, plus the errors every operation can answer."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from app.api.access import declarations
from app.schemas.problem import PROBLEM_MEDIA_TYPE, Problem, ValidationProblem

REF_TEMPLATE = "#/components/schemas/{model}"
BODY_STATUSES = (400, 413)
SIGNED_IN_STATUSES = (401, 403)
UNAVAILABLE_STATUSES = (503,)
WITHOUT_DATABASE = frozenset({"/", "/health/live", "/metrics"})
"""Paths that answer whether or not the database does."""

_MEANINGS = {
    400: "The request cannot be read.",
    401: "No valid credentials.",
    403: "The caller may not do this.",
    404: "It does not exist, or not for this caller.",
    409: "The present state forbids it.",
    413: "The body is larger than this operation takes.",
    422: "A part of the request breaks a rule; `errors` names which, never what was sent.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "Something this depends on does not answer; the same request may succeed later.",
}
_METHODS = {"get", "put", "post", "delete", "patch"}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of an operation that can answer these error statuses.

    What follows from the operation's own form (signing in, a body, parameters, the database) is
    added by `Api` and need not be named.
    """
    return {status: _problem_response(status) for status in statuses}


def _problem_response(status: int) -> dict[str, Any]:
    model = ValidationProblem if status == HTTPStatus.UNPROCESSABLE_ENTITY else Problem
    schema = {"$ref": REF_TEMPLATE.format(model=model.__name__)}
    description = _MEANINGS.get(status, HTTPStatus(status).phrase)
    return {
        "description": description,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": schema, "example": _example(status)}},
    }


def _example(status: int) -> dict[str, Any]:
    phrase = HTTPStatus(status).phrase
    example: dict[str, Any] = {
        "type": f"http://127.0.0.1:8000/problems/{phrase.lower().replace(' ', '-')}",
        "title": phrase,
        "status": status,
        "detail": _MEANINGS.get(status, phrase),
        "instance": "/api/v1/admin/campaigns",
        "request_id": "9b2f6c0e4d4b4a0f9a53c3a1f0f1d2e3",
    }
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        error = {"loc": ["body", "email"], "msg": "Field required", "type": "missing"}
        example["errors"] = [error]
    return example


class Api(FastAPI):
    """FastAPI whose OpenAPI document tells the truth about errors and who may call what."""

    def openapi(self) -> dict[str, Any]:
        """See `FastAPI.openapi`. Completing a completed document changes nothing."""
        document = super().openapi()
        for path, operation in _operations(document):
            _complete(path, operation)
        _replace_error_schemas(document)
        self._show_access(document)
        return document

    def _show_access(self, document: dict[str, Any]) -> None:
        for (method, path), access in declarations(self).items():
            if operation := document.get("paths", {}).get(path, {}).get(method.lower()):
                operation["x-access"] = access


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, operation


def _complete(path: str, operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation.setdefault("responses", {})
    implied = _implied_statuses(path, operation)
    for status in implied:
        if not _is_problem(responses.get(str(status), {})):
            responses[str(status)] = _problem_response(status)
    operation["responses"] = dict(sorted(responses.items()))


def _implied_statuses(path: str, operation: dict[str, Any]) -> list[int]:
    takes_body = "requestBody" in operation
    statuses: list[int] = []
    if operation.get("security"):
        statuses += SIGNED_IN_STATUSES
    if takes_body:
        statuses += BODY_STATUSES
    if takes_body or operation.get("parameters"):
        statuses.append(HTTPStatus.UNPROCESSABLE_ENTITY)
    if path not in WITHOUT_DATABASE:
        statuses += UNAVAILABLE_STATUSES
    return statuses


def _is_problem(response: dict[str, Any]) -> bool:
    return PROBLEM_MEDIA_TYPE in response.get("content", {})


def _replace_error_schemas(document: dict[str, Any]) -> None:
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _, ours = models_json_schema(
        [(Problem, "serialization"), (ValidationProblem, "serialization")],
        ref_template=REF_TEMPLATE,
    )
    schemas.update(ours["$defs"])
