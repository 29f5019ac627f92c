"""Signing in, on the wire."""

from typing import Literal

from pydantic import Field

from app.models.base import PyObjectId
from app.models.role import StaffRole
from app.schemas.base import OutputSchema


class AccessToken(OutputSchema):
    """What lets a member of staff in for a while."""

    access_token: str = Field(
        description="Send it as `Authorization: Bearer …`.", examples=["eyJhbGciOiJIUzI1NiJ9.e30.x"]
    )
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of the scheme
    expires_in: int = Field(description="Seconds until it ends.", examples=[900])


class Me(OutputSchema):
    """Who is signed in."""

    user_id: PyObjectId
    name: str = Field(examples=["Robin Reception"])
    email: str = Field(examples=["robin@example.com"])
    role: StaffRole = Field(examples=[StaffRole.FRONT_DESK])
