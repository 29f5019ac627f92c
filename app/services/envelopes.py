"""Reads what a webhook is sent: JSON by hand and strictly, nothing coerced, nothing repeated.

JSON may hold lone surrogates that no database can store, and `NaN`, which is no JSON.
"""

import json
import re
from typing import Any, NoReturn

from app.core.errors import AppError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class InvalidEnvelopeError(AppError):
    """The body is not what this webhook is sent."""

    status = 400
    slug = "invalid-envelope"
    title = "Not what this webhook takes"


def json_object(raw: bytes, name: str) -> dict[str, Any]:
    """The JSON object in `raw`, called `name` in a refusal. Raises `InvalidEnvelopeError`."""
    try:
        value = json.loads(raw.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        message = f"{name} is not JSON in UTF-8."
        raise InvalidEnvelopeError(message) from error
    if not isinstance(value, dict):
        refuse(f"{name} must be a JSON object.")
    return value


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON."
    raise ValueError(message)


def identifier(source: dict[str, Any], name: str, limit: int) -> str:
    """A text on one line with something in it. Raises `InvalidEnvelopeError`."""
    value = text(source, name, limit).strip()
    if not value or _CONTROL.search(value):
        refuse(f"`{name}` must not be empty and holds no control characters.")
    return value


def text(source: dict[str, Any], name: str, limit: int) -> str:
    """A text that can be stored, perhaps empty. Raises `InvalidEnvelopeError`."""
    value = source.get(name)
    if not isinstance(value, str):
        refuse(f"`{name}` is missing or not a string.")
    if len(value) > limit:
        refuse(f"`{name}` is longer than {limit} characters.")
    if not _is_storable(value):
        refuse(f"`{name}` is not valid Unicode.")
    return value


def _is_storable(value: str) -> bool:
    """Whether it can be written in UTF-8: a JSON escape can spell half a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def refuse(sentence: str) -> NoReturn:
    """Raise `InvalidEnvelopeError`. The sentence never repeats what was sent."""
    raise InvalidEnvelopeError(sentence)
