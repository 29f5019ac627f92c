"""Walks the OpenAPI document: every operation, every schema under a part of it."""

from collections.abc import Iterator
from typing import Any

from app.main import create_app
from tests.factories import make_settings

METHODS = ("get", "put", "post", "delete", "patch")
COMBINED = ("anyOf", "oneOf", "allOf", "prefixItems")
KEYED = ("properties", "patternProperties")
INNER = ("items", "additionalProperties")

Operation = tuple[str, str, dict[str, Any]]


def api_document() -> dict[str, Any]:
    """The document of the application as it stands; no database is asked."""
    return create_app(make_settings(mongo_uri="mongodb://127.0.0.1:1/"), background=False).openapi()


def operations_of(document: dict[str, Any]) -> Iterator[Operation]:
    """Method, path and description of each, in a fixed order."""
    for path, item in sorted(document["paths"].items()):
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """A schema, its reference followed."""
    while "$ref" in node:
        node = document["components"]["schemas"][node["$ref"].rsplit("/", 1)[1]]
    return node


def schemas_under(
    document: dict[str, Any],
    node: dict[str, Any],
    path: str = "",
    seen: frozenset[str] = frozenset(),
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where and what: `node` and every schema it is made of; a recursive one once."""
    name = node.get("$ref", "")
    if name in seen:
        return
    schema = resolved(document, node)
    yield path, schema
    seen = seen | {name} if name else seen
    for key, part in _parts(schema):
        yield from schemas_under(document, part, f"{path}.{key}" if key else path, seen)


def _parts(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in KEYED:
        yield from schema.get(kind, {}).items()
    for kind in COMBINED:
        yield from (("", part) for part in schema.get(kind, []))
    for kind in INNER:
        if isinstance(part := schema.get(kind), dict):
            yield "[]", part
