"""The practice itself as staff see and change it."""

from typing import Annotated

from pydantic import ConfigDict, Field, StrictBool, StringConstraints

from app.models.schedule import (
    AnswerMinutes,
    GridMinutes,
    LocalDate,
    NoticeMinutes,
    ReminderTimes,
    ZoneName,
)
from app.schemas.base import InputSchema, OutputSchema
from app.schemas.schedule import EntryName, SettingUpdate
from app.schemas.stranded import Changed
from app.schemas.text import LongText, ShortText
from app.schemas.voice import VoiceEntry


class HolidayEntry(InputSchema):
    """A local day on which the whole clinic is closed, once or every year from then on."""

    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        json_schema_extra={
            "example": {"name": "Christmas Day", "day": "2026-12-25", "every_year": True}
        },
    )

    name: EntryName
    day: LocalDate
    every_year: StrictBool = False


class ClinicSettings(OutputSchema):
    """The practice and its booking rules."""

    name: str = Field(examples=["Demo Dental Practice"])
    phone: str = Field(examples=["+1 212-555-0100"])
    address: str = Field(examples=["1 Demo Street, New York, NY 10001"])
    timezone: str = Field(examples=["America/New_York"])
    country: str = Field(examples=["US"])
    currency: str = Field(examples=["USD"])
    booking_horizon_days: int = Field(examples=[180])
    booking_lead_minutes: int = Field(examples=[120])
    slot_grid_minutes: int = Field(examples=[15])
    allow_new_patient_booking: bool
    self_service_notice_minutes: int = Field(
        description="How long before a visit patients can still move or cancel it themselves.",
        examples=[120],
    )
    reminder_minutes_before: ReminderTimes
    holidays: list[HolidayEntry]
    voice: VoiceEntry
    urgent_answer_minutes: int = Field(
        description="Within this time a person should take care of something urgent.",
        examples=[15],
    )
    answer_minutes: int = Field(
        description="The same for everything else in the list of hand-offs.", examples=[1440]
    )


class ClinicChanged(ClinicSettings, Changed):
    """The practice and its booking rules, and the visits ahead that they no longer suit."""


class ClinicUpdate(SettingUpdate):
    """What to change; it wins over the environment from then on."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"booking_lead_minutes": 240}}
    )

    name: Annotated[ShortText, StringConstraints(max_length=120)] | None = None
    phone: Annotated[ShortText, StringConstraints(max_length=40)] | None = None
    address: Annotated[LongText, StringConstraints(max_length=300)] | None = None
    timezone: ZoneName | None = None
    country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] | None = None
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] | None = None
    booking_horizon_days: Annotated[int, Field(ge=1, le=1096)] | None = None
    booking_lead_minutes: Annotated[int, Field(ge=0, le=43_200)] | None = None
    slot_grid_minutes: GridMinutes | None = None
    allow_new_patient_booking: StrictBool | None = None
    self_service_notice_minutes: NoticeMinutes | None = None
    reminder_minutes_before: ReminderTimes | None = None
    holidays: Annotated[list[HolidayEntry], Field(max_length=400)] | None = None
    urgent_answer_minutes: AnswerMinutes | None = None
    answer_minutes: AnswerMinutes | None = None
    voice: VoiceEntry | None = Field(
        default=None, description="The whole of it; what it leaves out is as the letters have it."
    )
