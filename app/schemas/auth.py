"""Signing in, on the wire."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.models.base import PyObjectId
from app.models.role import StaffRole
from app.schemas.base import EXAMPLE_ID, InputSchema, OutputSchema

VISIBLE_ASCII = r"^[\x21-\x7e]+$"
_ACCESS_EXAMPLE = "eyJhbGciOiJIUzI1NiJ9.e30.x"
_REFRESH_EXAMPLE = f"{EXAMPLE_ID}.kq3vN0Zy2m8l5s0cQqZtq1r7Yb9dJx4uWg6hTfEoRaM"


class Tokens(OutputSchema):
    """What lets a member of staff in for a while, and what renews it."""

    access_token: str = Field(
        description="Send it as `Authorization: Bearer …`.", examples=[_ACCESS_EXAMPLE]
    )
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Seconds until it ends.", examples=[900])
    refresh_token: str = Field(
        description="Good for one `POST /auth/refresh`.", examples=[_REFRESH_EXAMPLE]
    )


class RefreshToken(InputSchema):
    """The token of the last sign-in or refresh."""

    refresh_token: str = Field(
        min_length=1, max_length=200, pattern=VISIBLE_ASCII, examples=[_REFRESH_EXAMPLE]
    )


class Me(OutputSchema):
    """Who is signed in."""

    user_id: PyObjectId
    name: str = Field(examples=["Robin Reception"])
    email: str = Field(examples=["robin@example.com"])
    role: StaffRole = Field(examples=[StaffRole.FRONT_DESK])


Password = Annotated[str, StringConstraints(strip_whitespace=False, max_length=1024)]
"""Every character counts, blanks at the ends too; how long one may be the service says."""


class PasswordChange(InputSchema):
    """The password there is, and the one to come."""

    current_password: Password = Field(examples=["the quick brown fox"])
    new_password: Password = Field(examples=["seven kettles under one moon"])


class PasswordByLink(InputSchema):
    """A password for whoever holds the link."""

    token: str = Field(
        min_length=1, max_length=200, pattern=VISIBLE_ASCII, examples=[_REFRESH_EXAMPLE[25:]]
    )
    new_password: Password = Field(examples=["seven kettles under one moon"])
