"""What every stored document has, and the one id type of the whole service."""

import re
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
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from app.core.access import note_patient
from app.core.clock import to_milliseconds, utc_now

OBJECT_ID_PATTERN = "^[0-9a-f]{24}$"


def _read_object_id(value: object) -> ObjectId:
    """One error for whatever is no id, in place of one for each way to read it."""
    if isinstance(value, ObjectId):
        return value
    if isinstance(value, str) and re.fullmatch("[0-9a-fA-F]{24}", value):
        return ObjectId(value)
    kind = "object_id"
    message = "An id has 24 hexadecimal digits."
    raise PydanticCustomError(kind, message)


class _ObjectIdSchema:
    """Teaches pydantic to read an ObjectId (or its 24 hex digits) and to write hex in JSON."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: type[Any], _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _read_object_id,
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


def as_object_id(text: str) -> ObjectId | None:
    """The id that 24 hex digits (from a token, say) write; `None` for anything else."""
    return ObjectId(text) if ObjectId.is_valid(text) else None


def _stored_instant(value: datetime) -> datetime:
    try:
        return to_milliseconds(value)
    except OverflowError as error:  # the offset leads out of the years 1 to 9999
        message = "This instant lies outside the years 1 to 9999."
        raise ValueError(message) from error


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
        model = cls.model_validate(document, extra="ignore")
        model.note_patient()
        return model

    @property
    def about_patient(self) -> ObjectId | None:
        """Whose data this is, where it is a patient's."""
        named: ObjectId | None = getattr(self, "patient_id", None)
        return named

    def note_patient(self) -> None:
        """Tell whoever watches this work whose data it touches (see `app.core.access`)."""
        if (patient := self.about_patient) is not None:
            note_patient(patient)

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
    "as_object_id",
    "new_id",
    "utc",
]
