"""Times as clients write them."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

_EARLIEST_YEAR, _LATEST_YEAR = 1900, 2200


def _iso_text(value: object) -> object:
    """Numbers would be taken for seconds since 1970, and nobody means that here."""
    try:
        parsed = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        message = "must be an ISO 8601 time such as 2026-08-20T09:00:00-04:00"
        raise ValueError(message) from error
    if not _EARLIEST_YEAR <= parsed.year <= _LATEST_YEAR:
        message = f"must lie between the years {_EARLIEST_YEAR} and {_LATEST_YEAR}"
        raise ValueError(message)
    return parsed


ClientTime = Annotated[
    datetime,
    BeforeValidator(_iso_text, json_schema_input_type=datetime),
    Field(
        description="ISO 8601. Without an offset it is the clinic's local time; one that does not "
        "exist there, or exists twice, is refused.",
        examples=["2026-08-20T09:00:00-04:00"],
    ),
]
"""A time with or without an offset."""
