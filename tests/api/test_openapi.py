"""The OpenAPI document, operation by operation."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.core.clock import SystemClock
from app.main import create_app
from tests.factories import make_settings

METHODS = {"get", "put", "post", "delete", "patch"}
PROBLEM = "application/problem+json"

app = create_app(make_settings(), clock=SystemClock(), background=False)
document = app.openapi()

Operation = tuple[str, str, dict[str, Any]]


def operations() -> Iterator[Operation]:
    """Method, path and description of each."""
    for path, item in document["paths"].items():
        for method in METHODS & set(item):
            yield method, path, item[method]


every_operation = pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        pytest.param(*found, id=f"{found[0].upper()} {found[1]}")
        for found in sorted(operations(), key=lambda found: (found[1], found[0]))
    ],
)


def resolved(node: Any) -> Any:
    """A schema, its reference followed."""
    while isinstance(node, dict) and "$ref" in node:
        node = document["components"]["schemas"][node["$ref"].rsplit("/", 1)[1]]
    return node


def has_example(node: Any, depth: int = 6) -> bool:
    """Whether an example stands on a schema, or on a part it is made of."""
    schema = resolved(node)
    if not isinstance(schema, dict) or depth == 0:
        return False
    if {"example", "examples", "const", "enum", "default"} & set(schema):
        return True
    parts = [*schema.get("properties", {}).values()]
    parts += [schema[name] for name in ("items", "additionalProperties") if name in schema]
    parts += [part for name in ("anyOf", "allOf", "oneOf") for part in schema.get(name, [])]
    return any(has_example(part, depth - 1) for part in parts)


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every media type of the request and of the answers that are no errors."""
    yield from operation.get("requestBody", {}).get("content", {}).items()
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            yield from response.get("content", {}).items()


@every_operation
class TestEveryOperation:
    def test_says_what_it_is(self, method: str, path: str, operation: dict[str, Any]) -> None:
        assert operation["summary"]
        assert operation["description"]
        assert operation["tags"]
        assert operation["operationId"]

    def test_types_its_answer(self, method: str, path: str, operation: dict[str, Any]) -> None:
        good = {s: r for s, r in operation["responses"].items() if s.startswith("2")}

        assert good
        for status, response in good.items():
            is_empty = status == "204" or path.startswith("/api/v1/webhooks/")
            assert is_empty or response.get("content")
            for media in response.get("content", {}).values():
                assert media["schema"]

    def test_answers_every_error_as_a_problem(
        self, method: str, path: str, operation: dict[str, Any]
    ) -> None:
        for status, response in operation["responses"].items():
            if status[0] in "45":
                assert set(response["content"]) - {"text/html"} == {PROBLEM}
                assert response["content"][PROBLEM]["example"]["status"] == int(status)
                assert resolved(response["content"][PROBLEM]["schema"])["properties"]["detail"]

    def test_names_the_errors_that_follow_from_its_form(
        self, method: str, path: str, operation: dict[str, Any]
    ) -> None:
        statuses = set(operation["responses"])

        if operation.get("security"):
            assert {"401", "403"} <= statuses
        if "requestBody" in operation:
            assert {"400", "413", "422"} <= statuses
        if operation.get("parameters"):
            assert "422" in statuses
        if "{" in path:
            assert "404" in statuses
        if path.startswith("/api/v1"):
            assert "503" in statuses

    def test_shows_an_example(self, method: str, path: str, operation: dict[str, Any]) -> None:
        for kind, media in contents(operation):
            if kind == "text/html":
                continue
            assert {"example", "examples"} & set(media) or has_example(media["schema"])

    def test_wants_a_sign_in_under_admin(
        self, method: str, path: str, operation: dict[str, Any]
    ) -> None:
        if path.startswith("/api/v1/admin"):
            assert operation["security"] == [{"staff": []}]


class TestDocument:
    def test_names_operations_once(self) -> None:
        ids = [operation["operationId"] for _, _, operation in operations()]

        assert len(ids) == len(set(ids))

    def test_knows_how_to_sign_in(self) -> None:
        scheme = document["components"]["securitySchemes"]["staff"]

        assert scheme["type"] == "oauth2"
        assert scheme["flows"]["password"]["tokenUrl"] == "/api/v1/auth/login"

    def test_uses_only_tags_that_are_described(self) -> None:
        used = {tag for _, _, operation in operations() for tag in operation["tags"]}

        assert used <= {tag["name"] for tag in document["tags"]}

    def test_has_no_error_schema_but_the_problem(self) -> None:
        schemas = document["components"]["schemas"]

        assert "HTTPValidationError" not in schemas
        assert {"Problem", "ValidationProblem", "FieldError"} <= set(schemas)

    def test_every_reference_leads_somewhere(self) -> None:
        names = {node["$ref"].rsplit("/", 1)[1] for node in nodes(document) if "$ref" in node}

        assert names <= set(document["components"]["schemas"])

    def test_asking_twice_changes_nothing(self) -> None:
        before = repr(app.openapi())

        assert repr(app.openapi()) == before


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(node, dict):
        yield node
        for part in node.values():
            yield from nodes(part)
    elif isinstance(node, list):
        for part in node:
            yield from nodes(part)
