"""What availability is computed from, as staff see and change it."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, StrictBool, model_validator

from app.models.base import PyObjectId, UtcDatetime
from app.models.schedule import (
    BufferMinutes,
    DurationMinutes,
    LocalDate,
    Price,
    ServiceDurations,
    ServiceSlug,
    WorkingHours,
)
from app.schemas.base import EXAMPLE_ID, InputSchema, OutputSchema
from app.schemas.paging import Pagination
from app.schemas.stranded import Changed
from app.schemas.text import LongText, ShortText
from app.schemas.times import ClientTime

ServiceSlugs = Annotated[list[ServiceSlug], Field(max_length=200)]
EntryName = Annotated[ShortText, Field(max_length=120)]
"""One line: it stands in letters."""

Months = Annotated[int, Field(ge=1, le=60)]
Description = Annotated[LongText, Field(max_length=2000)]
Reason = Annotated[LongText, Field(max_length=500)]

_HOURS: JsonValue = {"MON": [["09:00", "12:00"], ["13:00", "17:00"]], "TUE": [["09:00", "17:00"]]}


class SettingUpdate(InputSchema):
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


class ProviderUpdate(SettingUpdate):
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


class ChairUpdate(SettingUpdate):
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


class ServiceUpdate(SettingUpdate):
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


class TimeOffUpdate(SettingUpdate):
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
