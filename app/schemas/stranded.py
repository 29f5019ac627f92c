"""Visits that the practice's settings have left behind."""

from typing import Self

from pydantic import ConfigDict, Field

from app.models.base import Document
from app.schemas.appointments import APPOINTMENT_EXAMPLE, AppointmentRead
from app.schemas.base import OutputSchema
from app.schemas.paging import Pagination


class StrandedVisit(AppointmentRead):
    """A visit ahead that could not be entered today as it stands: somebody has to move it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **APPOINTMENT_EXAMPLE,
                "local_time": "2026-08-20T09:00",
                "reason": "outside_hours",
                "detail": "Thursday 20 August 2026, 09:00 (America/New_York) is outside the "
                "provider's working hours.",
            }
        }
    )

    local_time: str = Field(description="On the clinic's clock.")
    reason: str = Field(
        description="`not_performed`, `closed`, `outside_hours`, `time_off`, `off_grid`, or "
        "`service_inactive`."
    )
    detail: str = Field(description="The same as a sentence.")


class Stranding(OutputSchema):
    """The visits ahead that something does not suit."""

    stranded_total: int = Field(default=0, description="All of them.", examples=[1])
    stranded_appointments: list[StrandedVisit] = Field(
        default_factory=list,
        description="The first 200, by start. They stay in the book: nothing is cancelled.",
    )


class Changed(Stranding):
    """An entry as it is now, or with `dry_run` as it would be, and whom it leaves behind."""

    @classmethod
    def of(cls, entry: Document, stranding: Stranding) -> Self:
        """From the stored entry."""
        return cls.model_validate({**dict(entry), **dict(stranding)})


class StrandedList(OutputSchema):
    """One page of visits that no longer fit, by start."""

    pagination: Pagination
    stranded_appointments: list[StrandedVisit]
