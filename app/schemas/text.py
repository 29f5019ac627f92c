"""Text as it comes in over HTTP: bounded, and without characters that could forge a header."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

_LINE_BREAKING = {"\u2028", "\u2029", "\x85"}


def _single_line(value: str) -> str:
    """No control characters and no line separators of any kind: it may stand in a mail header."""
    if any(unicodedata.category(c) in {"Cc", "Cs"} or c in _LINE_BREAKING for c in value):
        message = "must be one line of text without control characters"
        raise ValueError(message)
    return value


def _printable(value: str) -> str:
    """Lines are welcome; other control characters are not."""
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\r\n\t" for c in value):
        message = "must not contain control characters"
        raise ValueError(message)
    return value


def _two_decimals(value: float) -> float:
    if round(value, 2) != value:
        message = "must have at most two decimals"
        raise ValueError(message)
    return value


ShortText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_single_line),
]
"""One line, up to 200 characters."""

PersonName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120),
    AfterValidator(_single_line),
]
"""A person's name: one line, up to 120 characters."""

PhoneText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=40),
    AfterValidator(_single_line),
]
"""A phone number as typed; the service reads it with the clinic's country."""

LongText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000),
    AfterValidator(_printable),
]
"""Several lines, up to 10,000 characters."""

Money = Annotated[
    float, Field(ge=0, le=10_000_000, allow_inf_nan=False), AfterValidator(_two_decimals)
]
"""An amount in the clinic's currency, at most two decimals."""

SearchText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_single_line),
]
"""What somebody types into a search box: one line, up to 100 characters."""
