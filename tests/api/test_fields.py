"""Fields: nothing can be assigned that a schema does not name, and nothing leaves beyond one."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from app.schemas.base import InputSchema
from tests.api.document import api_document, operations_of, schemas_under

DOCUMENT = api_document()
FROM_OTHERS = "/api/v1/webhooks/"
"""Google and relays may add fields of their own; those are read past, and stored nowhere."""
AVAILABILITY = {"", "[]", "timezone", "slots", "starts_at", "local_time"} | {
    *("providers", "provider_id", "name"),
}
AS_STORED = {"/api/v1/admin/patients/{patient_id}/export-all"}
"""Everything about one patient, whatever it is: what leaves there is the point of it."""
TELLING = {"type", "anyOf", "oneOf", "allOf", "enum", "const"}


def is_closed(schema: dict[str, Any]) -> bool:
    """Whether an object takes what it names and nothing else, or is a map of typed values."""
    if schema.get("type") != "object":
        return True
    if "properties" in schema:
        return schema.get("additionalProperties") is False
    return bool(schema.get("additionalProperties") or schema.get("patternProperties"))


def is_typed(schema: dict[str, Any]) -> bool:
    """Whether the schema says what may stand there; a bare object may hold anything."""
    is_bare = schema.get("type") == "object" and not {
        "properties",
        "additionalProperties",
        "patternProperties",
    } & set(schema)
    is_wide = schema.get("additionalProperties") is True
    return bool(TELLING & set(schema)) and not is_bare and not is_wide


def json_bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a JSON body that is taken."""
    for method, path, operation in operations_of(DOCUMENT):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content and not path.startswith(FROM_OTHERS):
            root = content["application/json"]["schema"]
            for where, schema in schemas_under(DOCUMENT, root):
                yield f"{method} {path} {where}", schema


def json_answers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a JSON answer. A problem document is open on purpose (RFC 9457, 3.2)."""
    named = [one for one in operations_of(DOCUMENT) if one[1] not in AS_STORED]
    for method, path, operation in named:
        for status, response in operation["responses"].items():
            media = response.get("content", {}).get("application/json")
            if media and status.startswith("2"):
                for where, schema in schemas_under(DOCUMENT, media["schema"]):
                    yield f"{method} {path} {status} {where}", schema


class TestWhatIsTaken:
    def test_is_named_field_by_field(self) -> None:
        bodies = list(json_bodies())

        assert len(bodies) > 100
        assert [where for where, schema in bodies if not is_closed(schema)] == []


class TestWhatLeaves:
    def test_is_named_field_by_field(self) -> None:
        answers = list(json_answers())

        assert len(answers) > 500
        assert [where for where, schema in answers if not is_typed(schema)] == []

    def test_holds_no_secret_but_the_one_that_is_handed_over(self) -> None:
        """Of a new second factor, to its owner, once."""
        handed_over = {"POST /api/v1/users/me/second-factor 200 .secret"}
        secrets = ("hashed", "hash", "password", "secret", "sessions")

        named = {where for where, _ in json_answers() if where.rsplit(".", 1)[-1] in secrets}

        assert named == handed_over

    def test_about_free_times_is_times_and_providers_alone(self) -> None:
        by_path = {path: op for method, path, op in operations_of(DOCUMENT) if method == "GET"}
        answers = [
            by_path[path]["responses"]["200"]["content"]["application/json"]["schema"]
            for path in ("/api/v1/availability", "/api/v1/availability/slots")
        ]

        named = {
            where.rsplit(".", 1)[-1]
            for answer in answers
            for where, _ in schemas_under(DOCUMENT, answer)
        }

        assert named == AVAILABILITY


def numbers_of(model: type[InputSchema]) -> set[str]:
    """The fields whose schema names a number and no boolean."""
    fields = model.model_json_schema(by_alias=False).get("properties", {}).items()
    types = {name: {one.get("type") for one in (f, *f.get("anyOf", ()))} for name, f in fields}
    return {name for name, kinds in types.items() if kinds & {"integer", "number"}}


def families(model: type[InputSchema]) -> Iterator[type[InputSchema]]:
    """All bodies there are."""
    for child in model.__subclasses__():
        yield child
        yield from families(child)


class TestTrue:
    def test_is_no_number(self) -> None:
        for model in families(InputSchema):
            for name in numbers_of(model):
                with pytest.raises(ValidationError) as refused:
                    model.model_validate({name: True}, by_name=True)
                found = {(error["loc"], error["type"]) for error in refused.value.errors()}
                assert ((name,), "number_type") in found, (model, name)
