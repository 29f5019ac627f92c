"""Emergency access, on the wire."""

from pydantic import Field

from app.models.base import UtcDatetime
from app.models.role import EMERGENCY_ROLE, StaffRole
from app.schemas.auth import Password
from app.schemas.base import InputSchema, OutputSchema
from app.schemas.text import LongText


class EmergencyBegin(InputSchema):
    """Your password, and why: administrators read it."""

    current_password: Password = Field(examples=["the quick brown fox"])
    reason: LongText = Field(
        min_length=10,
        max_length=500,
        examples=["The office manager is ill and tomorrow's provider has to be taken off."],
    )


class EmergencyRead(OutputSchema):
    """What you may do, and until when."""

    acts_as: StaffRole = EMERGENCY_ROLE
    until: UtcDatetime
