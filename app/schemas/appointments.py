"""Visits as staff see and change them."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from app.core.addresses import EmailAddress
from app.models.appointment import Appointment, AppointmentStatus, CreatedFrom
from app.models.base import PyObjectId, UtcDatetime
from app.models.patient import Channel
from app.models.schedule import DurationMinutes, ServiceSlug
from app.schemas.base import EXAMPLE_ID, EXAMPLE_OTHER_ID, InputSchema, OutputSchema
from app.schemas.paging import Pagination
from app.schemas.public import Notes
from app.schemas.text import PersonName, PhoneText, ShortText
from app.schemas.times import ClientTime, DayOrTime

Channels = Annotated[list[Channel], Field(min_length=1, max_length=3)]


APPOINTMENT_EXAMPLE: dict[str, JsonValue] = {
    "appointment_id": EXAMPLE_ID,
    "patient_id": EXAMPLE_OTHER_ID,
    "patient_name": "Maria Lopez",
    "campaign_id": None,
    "provider_id": EXAMPLE_OTHER_ID,
    "chair_id": EXAMPLE_OTHER_ID,
    "service_id": "teeth_whitening",
    "service_name": "Teeth Whitening",
    "appointment_date": "2026-08-20T13:00:00Z",
    "duration_minutes": 60,
    "status": "booked",
    "created_from": "MANUAL_ADMIN",
    "notes": None,
}


class AppointmentRead(OutputSchema):
    """A visit."""

    model_config = ConfigDict(json_schema_extra={"example": {**APPOINTMENT_EXAMPLE}})

    appointment_id: PyObjectId
    patient_id: PyObjectId
    patient_name: str | None = Field(description="`null` where the patient was removed.")
    campaign_id: PyObjectId | None
    provider_id: PyObjectId
    chair_id: PyObjectId
    service_id: str
    service_name: str
    appointment_date: UtcDatetime
    duration_minutes: int
    status: AppointmentStatus
    created_from: CreatedFrom
    notes: str | None

    @classmethod
    def of(cls, appointment: Appointment, patient_name: str | None) -> Self:
        """From the stored forms."""
        return cls(
            appointment_id=appointment.id,
            patient_id=appointment.patient_id,
            patient_name=patient_name,
            campaign_id=appointment.campaign_id,
            provider_id=appointment.provider_id,
            chair_id=appointment.chair_id,
            service_id=appointment.service_id,
            service_name=appointment.service_name,
            appointment_date=appointment.appointment_date,
            duration_minutes=appointment.duration_minutes,
            status=appointment.status,
            created_from=appointment.created_from,
            notes=appointment.notes,
        )


class AppointmentList(OutputSchema):
    """One page of visits, by start."""

    pagination: Pagination
    appointments: list[AppointmentRead]


class AppointmentCreate(InputSchema):
    """A visit that staff enter: a patient by id, or by name with e-mail or phone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "Maria Lopez",
                "email": "maria.lopez@example.com",
                "service_id": "teeth_whitening",
                "appointment_date": "2026-08-20T09:05:00-04:00",
                "notes": "Called in.",
            }
        },
    )

    patient_id: PyObjectId | None = None
    name: PersonName | None = None
    email: EmailAddress | None = None
    phone: PhoneText | None = None
    service_id: ServiceSlug | None = None
    service_name: ShortText | None = None
    appointment_date: ClientTime
    provider_id: PyObjectId | None = None
    chair_id: PyObjectId | None = None
    duration_minutes: DurationMinutes | None = None
    campaign_id: PyObjectId | None = None
    preferred_channel: Channel | Channels | None = None
    notes: Notes | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.service_id is None and self.service_name is None:
            message = "service_id or service_name is needed"
            raise ValueError(message)
        has_contact = self.name and (self.email or self.phone)
        if self.patient_id is None and not has_contact:
            message = "patient_id, or name with email or phone, is needed"
            raise ValueError(message)
        return self

    @property
    def channels(self) -> list[Channel] | None:
        """The preferred channels as a list, where any were given."""
        wanted = self.preferred_channel
        return [wanted] if isinstance(wanted, Channel) else wanted


class AppointmentUpdate(InputSchema):
    """What may be changed of a visit. What is left out stays; `notes: null` removes the notes."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"appointment_date": "2026-08-21T10:30:00-04:00"}},
    )

    appointment_date: ClientTime | None = None
    provider_id: PyObjectId | None = None
    chair_id: PyObjectId | None = None
    duration_minutes: DurationMinutes | None = None
    notes: Notes | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        moves = (self.appointment_date, self.provider_id, self.chair_id, self.duration_minutes)
        if "notes" not in self.model_fields_set and not any(moves):
            message = "nothing to change"
            raise ValueError(message)
        return self


class AppointmentCompletion(InputSchema):
    """What follows a visit."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"next_follow_up_date": "2027-02-20"}}
    )

    next_follow_up_date: DayOrTime | None = Field(
        default=None,
        description="`YYYY-MM-DD`, or an instant whose clinic-local day counts. Without one, the "
        "service's recall interval decides.",
    )
