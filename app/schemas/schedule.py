"""What availability is computed from, as staff see and change it."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, StrictBool, StringConstraints, model_validator

from app.models.base import PyObjectId, UtcDatetime
from app.models.schedule import (
    AnswerMinutes,
    BufferMinutes,
    DurationMinutes,
    GridMinutes,
    LocalDate,
    NoticeMinutes,
    Price,
    ReminderTimes,
    ServiceDurations,
    ServiceSlug,
    WorkingHours,
    ZoneName,
)
from app.schemas.base import EXAMPLE_ID, InputSchema, OutputSchema
from app.schemas.paging import Pagination
from app.schemas.stranded import Changed
from app.schemas.text import LongText, ShortText
from app.schemas.times import ClientTime
from app.schemas.voice import VoiceEntry

ServiceSlugs = Annotated[list[ServiceSlug], Field(max_length=200)]
EntryName = Annotated[ShortText, Field(max_length=120)]
"""One line: it stands in letters."""

Months = Annotated[int, Field(ge=1, le=60)]
Description = Annotated[LongText, Field(max_length=2000)]
Reason = Annotated[LongText, Field(max_length=500)]

_HOURS: JsonValue = {"MON": [["09:00", "12:00"], ["13:00", "17:00"]], "TUE": [["09:00", "17:00"]]}


class _Update(InputSchema):
    """What is left out stays; `null` removes what may be absent and is refused elsewhere."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            message = "nothing to change"
            raise ValueError(message)
        return self


# Providers


class HoursPeriodEntry(InputSchema):
    """Days on which these hours replace the weekly ones; a weekday left out is closed then."""

    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        json_schema_extra={
            "example": {
                "effective_from": "2026-07-01",
                "effective_until": "2026-08-31",
                "working_hours": {"MON": [["08:00", "13:00"]]},
            }
        },
    )

    effective_from: LocalDate
    effective_until: LocalDate | None = Field(
        default=None, description="The last day, inclusive; `null`: for good."
    )
    working_hours: WorkingHours = Field(default_factory=dict)


HoursPeriodEntries = Annotated[
    list[HoursPeriodEntry], Field(max_length=50, description="No day lies in two of them.")
]


class ProviderCreate(InputSchema):
    """A dentist or hygienist."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "Dr. Rivera",
                "service_ids": ["teeth_whitening"],
                "working_hours": _HOURS,
            }
        },
    )

    name: EntryName
    service_ids: ServiceSlugs = Field(default_factory=list)
    service_durations: ServiceDurations = Field(default_factory=dict)
    working_hours: WorkingHours = Field(default_factory=dict)
    hours_periods: HoursPeriodEntries = Field(default_factory=list)
    active: StrictBool = True
    effective_from: LocalDate | None = None
    effective_until: LocalDate | None = None


class ProviderUpdate(_Update):
    """What to change of a provider."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"working_hours": _HOURS}}
    )

    name: EntryName | None = None
    service_ids: ServiceSlugs | None = None
    service_durations: ServiceDurations | None = None
    working_hours: WorkingHours | None = None
    hours_periods: HoursPeriodEntries | None = None
    active: StrictBool | None = None
    effective_from: LocalDate | None = None
    effective_until: LocalDate | None = None


class ProviderRead(OutputSchema):
    """A dentist or hygienist: which services they perform and when they work."""

    provider_id: PyObjectId = Field(validation_alias="id")
    name: str = Field(examples=["Dr. Rivera"])
    service_ids: list[str] = Field(examples=[["teeth_whitening"]])
    service_durations: ServiceDurations = Field(
        description="Minutes this provider takes for a service, where not the service's own."
    )
    working_hours: WorkingHours
    hours_periods: list[HoursPeriodEntry]
    active: bool
    effective_from: LocalDate | None
    effective_until: LocalDate | None


class ProviderChanged(ProviderRead, Changed):
    """A provider, and the visits ahead that it no longer suits."""


class ProviderList(OutputSchema):
    """One page of providers, by name."""

    pagination: Pagination
    providers: list[ProviderRead]


# Chairs


class ChairCreate(InputSchema):
    """A treatment room. Without `service_ids` it serves all services."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "Room 1"}})

    name: EntryName
    service_ids: ServiceSlugs | None = None
    active: StrictBool = True


class ChairUpdate(_Update):
    """What to change of a chair."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"active": False}})

    name: EntryName | None = None
    service_ids: ServiceSlugs | None = None
    active: StrictBool | None = None


class ChairRead(OutputSchema):
    """A treatment room."""

    chair_id: PyObjectId = Field(validation_alias="id")
    name: str = Field(examples=["Room 1"])
    service_ids: list[str] | None = Field(description="`null`: it serves all services.")
    active: bool


class ChairChanged(ChairRead, Changed):
    """A chair, and the visits ahead that it no longer suits."""


class ChairList(OutputSchema):
    """One page of chairs, by name."""

    pagination: Pagination
    chairs: list[ChairRead]


# Services


class ServiceCreate(InputSchema):
    """A treatment that can be booked. Minutes are multiples of 5."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "service_id": "teeth_whitening",
                "name": "Teeth Whitening",
                "duration_minutes": 60,
                "buffer_after_minutes": 10,
                "price_from": 450,
                "recall_interval_months": 12,
            }
        },
    )

    service_id: ServiceSlug
    name: EntryName
    description: Description | None = None
    duration_minutes: DurationMinutes
    buffer_before_minutes: BufferMinutes = 0
    buffer_after_minutes: BufferMinutes = 0
    price_from: Price | None = None
    recall_interval_months: Months | None = None
    bookable_online: StrictBool = True
    active: StrictBool = True


class ServiceUpdate(_Update):
    """What to change of a service. Visits in the book keep the length they were booked with."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"duration_minutes": 45}}
    )

    name: EntryName | None = None
    description: Description | None = None
    duration_minutes: DurationMinutes | None = None
    buffer_before_minutes: BufferMinutes | None = None
    buffer_after_minutes: BufferMinutes | None = None
    price_from: Price | None = None
    recall_interval_months: Months | None = None
    bookable_online: StrictBool | None = None
    active: StrictBool | None = None


class ServiceRead(OutputSchema):
    """A treatment that can be booked."""

    service_id: str = Field(examples=["teeth_whitening"])
    name: str = Field(examples=["Teeth Whitening"])
    description: str | None
    duration_minutes: int = Field(examples=[60])
    buffer_before_minutes: int
    buffer_after_minutes: int
    price_from: float | None
    recall_interval_months: int | None
    bookable_online: bool
    active: bool


class ServiceChanged(ServiceRead, Changed):
    """A service, and the visits ahead that it no longer suits."""


class ServiceList(OutputSchema):
    """One page of services, by name."""

    pagination: Pagination
    services: list[ServiceRead]


# Time off


class TimeOffCreate(InputSchema):
    """A span without visits: of one provider, or with `provider_id: null` of the whole clinic."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "provider_id": EXAMPLE_ID,
                "starts_at": "2026-12-24T00:00:00",
                "ends_at": "2026-12-27T00:00:00",
                "reason": "Holidays",
            }
        },
    )

    provider_id: PyObjectId | None = None
    starts_at: ClientTime
    ends_at: ClientTime
    reason: Reason | None = None


class TimeOffUpdate(_Update):
    """What to change of a time off."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"ends_at": "2026-12-28T00:00:00"}}
    )

    provider_id: PyObjectId | None = None
    starts_at: ClientTime | None = None
    ends_at: ClientTime | None = None
    reason: Reason | None = None


class _TimeOffSpan(OutputSchema):
    provider_id: PyObjectId | None = Field(description="`null`: the whole clinic.")
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    reason: str | None


class TimeOffRead(_TimeOffSpan):
    """A span without visits."""

    time_off_id: PyObjectId = Field(validation_alias="id")


class TimeOffChanged(TimeOffRead, Changed):
    """A span without visits, and those that lie in it all the same."""


class TimeOffPreview(_TimeOffSpan, Changed):
    """A span that is not stored, and the visits it would leave behind."""


class TimeOffList(OutputSchema):
    """One page of absences and closures, by start."""

    pagination: Pagination
    time_off: list[TimeOffRead]


# The clinic


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


class ClinicUpdate(_Update):
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
