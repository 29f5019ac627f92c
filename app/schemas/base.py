"""What every body on the wire has in common."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

EXAMPLE_ID = "66f2a1b4c3d2e1f0a9b8c7d6"
EXAMPLE_OTHER_ID = "66f2a1b4c3d2e1f0a9b8c7d7"
"""Ids as examples show them."""


class InputSchema(BaseModel):
    """A request body: unknown fields are refused, so nothing can be assigned by surprise.

    Python's JSON reader lets `NaN` and `Infinity` through, which are not JSON: refused as well.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """Python counts `True` as 1: a price of `true` is a mistake, not one dollar."""
        if isinstance(value, bool) and _is_number(cls.model_fields[info.field_name or ""]):
            kind, message = "number_type", "Input should be a number, not true or false"
            raise PydanticCustomError(kind, message)
        return value


def _is_number(field: FieldInfo) -> bool:
    types = set(_types(field.annotation))
    return bool not in types and bool(types & {int, float})


def _types(annotation: object) -> Iterator[object]:
    """Of `Annotated[int, ...] | None`: int and None."""
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        yield from _types(parts[0])
    elif get_origin(annotation) in {Union, UnionType}:
        yield from (found for part in parts for found in _types(part))
    else:
        yield annotation


class OutputSchema(BaseModel):
    """A response body: only what is named here leaves."""

    model_config = ConfigDict(from_attributes=True)
