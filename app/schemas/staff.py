"""Staff accounts as they cross HTTP."""

from typing import Self

from pydantic import ConfigDict, Field, JsonValue, StrictBool, model_validator

from app.core.addresses import EmailAddress
from app.models.base import PyObjectId, UtcDatetime
from app.models.role import StaffMember, StaffRole
from app.schemas.base import EXAMPLE_ID, InputSchema, OutputSchema
from app.schemas.paging import Pagination
from app.schemas.text import PersonName

_LINK = "http://127.0.0.1:8000/password/kq3vN0Zy2m8l5s0cQqZtq1r7Yb9dJx4uWg6hTfEoRaM"
_EXAMPLE: dict[str, JsonValue] = {
    "staff_id": EXAMPLE_ID,
    "name": "Robin Reception",
    "email": "robin@example.com",
    "role": "FRONT_DESK",
    "active": True,
    "second_factor": False,
    "created_at": "2026-08-19T16:00:00Z",
}


class StaffRead(OutputSchema):
    """Somebody who signs in."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": _EXAMPLE})

    staff_id: PyObjectId
    name: str
    email: str
    role: StaffRole
    active: bool = Field(description="Whether the account is open.")
    second_factor: bool = Field(description="Whether a code is wanted beside the password.")
    created_at: UtcDatetime

    @classmethod
    def of(cls, member: StaffMember) -> Self:
        """As stored, without anything of passwords and sessions."""
        return cls(
            staff_id=member.id,
            name=member.name,
            email=member.email,
            role=member.role,
            active=not member.disabled,
            second_factor=member.second_factor is not None,
            created_at=member.created_at,
        )


class StaffList(OutputSchema):
    """One page of staff."""

    pagination: Pagination
    staff: list[StaffRead]


class PasswordLinkRead(OutputSchema):
    """A one-time link to set a password. It is shown only here: hand it to the person yourself."""

    password_link: str = Field(examples=[_LINK])
    expires_at: UtcDatetime


class StaffCreated(OutputSchema):
    """A new account, and the link with which its owner sets the password."""

    staff: StaffRead
    password_link: str = Field(examples=[_LINK])
    expires_at: UtcDatetime


class StaffCreate(InputSchema):
    """A new account."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "Robin Reception",
                "email": "robin@example.com",
                "role": "FRONT_DESK",
            }
        },
    )

    name: PersonName
    email: EmailAddress
    role: StaffRole


class StaffUpdate(InputSchema):
    """What may be changed; what is left out stays."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"role": "OFFICE_MANAGER"}}
    )

    name: PersonName | None = None
    email: EmailAddress | None = None
    role: StaffRole | None = None
    active: StrictBool | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            message = "nothing to change"
            raise ValueError(message)
        if any(getattr(self, name) is None for name in self.model_fields_set):
            message = "nothing of an account can be removed"
            raise ValueError(message)
        return self
