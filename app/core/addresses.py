"""E-mail addresses as people and operators write them."""

from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError


def _read_address(value: str) -> str:
    """The address in `value`, its domain in lower case.

    Whether it can be reached is not asked. Names under `.test` are taken: RFC 2606 keeps them for
    trying things out, which is how every practice starts.
    """
    try:
        found = validate_email(
            value, check_deliverability=False, test_environment=True, allow_display_name=True
        )
    except EmailNotValidError as error:
        # The library's own sentence quotes characters of what was sent.
        kind = "value_error"
        message = "value is not a valid email address"
        raise PydanticCustomError(kind, message) from error
    return found.normalized


EmailAddress = Annotated[
    str, AfterValidator(_read_address), WithJsonSchema({"type": "string", "format": "email"})
]
"""An address, also out of `Name <address>`."""
