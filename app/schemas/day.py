"""One day of the book, as staff see it."""

from typing import Literal

from pydantic import ConfigDict, Field

from app.models.base import PyObjectId, UtcDatetime
from app.schemas.appointments import APPOINTMENT_EXAMPLE, AppointmentRead
from app.schemas.base import EXAMPLE_ID, OutputSchema


class DaySpan(OutputSchema):
    """A stretch of the day."""

    starts_at: UtcDatetime
    ends_at: UtcDatetime
    local_start: str = Field(description="On the clinic's clock.", examples=["09:00"])
    local_end: str = Field(
        description="On the clinic's clock; `24:00` where the day ends.", examples=["12:00"]
    )
    minutes: int = Field(description="Elapsed time.", examples=[180])


class DayAbsence(DaySpan):
    """The part of a time off that falls on the day."""

    time_off_id: PyObjectId
    reason: str | None = Field(examples=["Conference"])


class DayClosure(DaySpan):
    """When the whole practice is closed."""

    kind: Literal["holiday", "time_off"]
    name: str | None = Field(
        description="The holiday's name, or the reason of the time off.", examples=["Thanksgiving"]
    )
    time_off_id: PyObjectId | None = Field(description="`null` for a holiday.")


class DayVisit(AppointmentRead):
    """A visit of which a part lies within the day."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **APPOINTMENT_EXAMPLE,
                "ends_at": "2026-08-20T14:00:00Z",
                "local_time": "2026-08-20T09:00",
                "holds_time": True,
            }
        }
    )

    ends_at: UtcDatetime
    local_time: str = Field(
        description="When it starts on the clinic's clock.", examples=["2026-08-20T09:00"]
    )
    holds_time: bool = Field(
        description="Whether its time is taken: `false` once it is cancelled or missed."
    )


class ProviderDay(OutputSchema):
    """A provider's day."""

    provider_id: PyObjectId
    name: str | None = Field(
        description="`null` for one who was removed since.", examples=["Dr. Rivera"]
    )
    active: bool
    hours: list[DaySpan] = Field(description="Working hours, closures and absences aside.")
    absences: list[DayAbsence]
    visits: list[DayVisit] = Field(description="By start, cancelled and missed ones included.")
    free: list[DaySpan] = Field(
        description="What is left of the hours once closures, absences, and visits with their "
        "buffers are taken out."
    )


class ChairDay(OutputSchema):
    """A chair's day."""

    chair_id: PyObjectId
    name: str | None = Field(
        description="`null` for one that was removed since.", examples=["Room 1"]
    )
    active: bool
    appointment_ids: list[PyObjectId] = Field(
        description="By start; each is among a provider's visits.", examples=[[EXAMPLE_ID]]
    )


class DaySchedule(OutputSchema):
    """A local day of the practice, from midnight to midnight."""

    date: str = Field(examples=["2026-08-20"])
    timezone: str = Field(examples=["America/New_York"])
    starts_at: UtcDatetime = Field(examples=["2026-08-20T04:00:00Z"])
    ends_at: UtcDatetime = Field(
        description="The next day's start: 23 or 25 hours on where clocks change.",
        examples=["2026-08-21T04:00:00Z"],
    )
    is_closed: bool = Field(description="Whether the whole practice is closed all day.")
    closures: list[DayClosure]
    providers: list[ProviderDay] = Field(
        description="By name: who is in use, and whoever has visits that day."
    )
    chairs: list[ChairDay] = Field(
        description="By name: those in use, and those with visits that day."
    )
