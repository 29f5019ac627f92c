"""The second factor of a sign-in, on the wire."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints

from app.models.base import UtcDatetime
from app.models.role import StaffMember
from app.schemas.auth import Password
from app.schemas.base import InputSchema, OutputSchema

MAX_CODE_LENGTH = 64
CODE_PATTERN = "^[A-Za-z0-9 -]*$"
Code = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=MAX_CODE_LENGTH, pattern=CODE_PATTERN
    ),
]
"""Six digits of an authenticator app; where it says so, also a recovery code."""

_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - an example
_RECOVERY_CODE = "mfrg-g3df-mztw-q2lk-nnwg-23to"
_PASSWORD = "the quick brown fox"  # noqa: S105 - an example


class SecondFactorRead(OutputSchema):
    """Whether a code is wanted beside the password."""

    enabled: bool
    enabled_at: UtcDatetime | None
    recovery_codes_left: int = Field(examples=[10])
    required: bool = Field(description="Whether the practice asks you for one.")

    @classmethod
    def of(cls, member: StaffMember, *, is_wanted: bool) -> Self:
        """As stored, without anything that makes codes."""
        factor = member.second_factor
        return cls(
            enabled=factor is not None,
            enabled_at=factor.enabled_at if factor else None,
            recovery_codes_left=len(factor.recovery_hashes) if factor else 0,
            required=is_wanted,
        )


class SecondFactorBegin(InputSchema):
    """Your password, so that nobody else turns it on at an open window."""

    current_password: Password = Field(examples=[_PASSWORD])


class SecondFactorOffer(OutputSchema):
    """What goes into the authenticator app. It is shown only here."""

    secret: str = Field(description="Base32, to type.", examples=[_SECRET])
    otpauth_uri: str = Field(
        description="The same to show as a QR code.",
        examples=[f"otpauth://totp/Demo:robin%40example.com?secret={_SECRET}&issuer=Demo"],
    )


class SecondFactorCode(InputSchema):
    """The code that the app shows now."""

    code: Code = Field(examples=["287082"])


class RecoveryCodes(OutputSchema):
    """Each lets you in once where the app is lost. They are shown only here: print them."""

    recovery_codes: list[str] = Field(examples=[[_RECOVERY_CODE]])


class SecondFactorEnd(InputSchema):
    """Your password, and a code of the app or a recovery code."""

    current_password: Password = Field(examples=[_PASSWORD])
    code: Code = Field(examples=["287082"])
