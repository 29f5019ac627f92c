"""What every stored document has, and the one id type of the whole service."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from bson import ObjectId
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from app.core.clock import to_milliseconds, utc_now

OBJECT_ID_PATTERN = "^[0-9a-f]{24}$"


class _ObjectIdSchema:
    """Teaches pydantic to read an ObjectId (or its 24 hex digits) and to write hex in JSON."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: type[Any], _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from_hex = core_schema.no_info_after_validator_function(
            ObjectId, core_schema.str_schema(pattern="^[0-9a-fA-F]{24}$")
        )
        return core_schema.json_or_python_schema(
            json_schema=from_hex,
            python_schema=core_schema.union_schema(
                [core_schema.is_instance_schema(ObjectId), from_hex]
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(
                str, when_used="json", return_schema=core_schema.str_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            "type": "string",
            "pattern": OBJECT_ID_PATTERN,
            "examples": ["66f2a1b4c3d2e1f0a9b8c7d6"],
        }


PyObjectId = Annotated[ObjectId, _ObjectIdSchema]
"""A document's id: `bson.ObjectId` in Python and in the database, 24 hex digits in JSON."""


def new_id() -> ObjectId:
    """A fresh id, made here and not by the database: a retried insert can then recognise itself."""
    return ObjectId()


def _stored_instant(value: datetime) -> datetime:
    return to_milliseconds(value)


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_stored_instant)]
"""An aware instant, kept in UTC at millisecond precision (what BSON can hold)."""


class StoredModel(BaseModel):
    """A part of a stored document. Writing an unknown field fails; reading one does not.

    The second half matters during a rolling upgrade, when a newer process has already written
    fields that this one does not know.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True, validate_assignment=False)

    @classmethod
    def from_stored(cls, document: Mapping[str, Any]) -> Self:
        """Read what the database holds, ignoring fields this version does not know."""
        return cls.model_validate(document, extra="ignore")

    def to_stored(self) -> dict[str, Any]:
        """The document as it is written: ids and datetimes kept, absent optionals left out.

        Leaving `None` out keeps partial indexes (`$exists`) meaningful and documents small.
        """
        return self.model_dump(by_alias=True, exclude_none=True)


class Document(StoredModel):
    """A stored document with its id and its two instants."""

    id: PyObjectId = Field(default_factory=new_id, alias="_id")
    created_at: UtcDatetime = Field(default_factory=utc_now)
    updated_at: UtcDatetime = Field(default_factory=utc_now)


def utc(value: datetime) -> datetime:
    """`value` in UTC; a naive one is refused, because nobody knows which clock it was read from."""
    if value.tzinfo is None:
        message = "An instant needs a time zone."
        raise ValueError(message)
    return value.astimezone(UTC)


__all__ = [
    "OBJECT_ID_PATTERN",
    "Document",
    "PyObjectId",
    "StoredModel",
    "UtcDatetime",
    "new_id",
    "utc",
]
