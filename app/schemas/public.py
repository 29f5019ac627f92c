"""What the booking site and patients see and send."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from app.core.addresses import EmailAddress
from app.models.appointment import Appointment, AppointmentStatus
from app.models.base import PyObjectId, UtcDatetime
from app.models.schedule import Clinic, Service, ServiceSlug
from app.schemas.base import EXAMPLE_ID, InputSchema, OutputSchema
from app.schemas.text import LongText, PersonName, PhoneText, ShortText
from app.schemas.times import ClientTime

Notes = Annotated[LongText, Field(max_length=2000)]
BookingToken = Annotated[str, Field(min_length=1, max_length=2000)]


class BookingRules(OutputSchema):
    """When patients can book."""

    horizon_days: int = Field(description="Up to this many days ahead.", examples=[180])
    lead_minutes: int = Field(description="At least this long before.", examples=[120])
    slot_grid_minutes: int = Field(description="Start times are this far apart.", examples=[15])
    allow_new_patient_booking: bool = Field(
        description="Whether people the practice does not know can book.", examples=[False]
    )


class ClinicRead(OutputSchema):
    """The practice as patients see it."""

    name: str = Field(examples=["Demo Dental Practice"])
    phone: str = Field(examples=["+1 212-555-0100"])
    address: str = Field(examples=["1 Demo Street, New York, NY 10001"])
    timezone: str = Field(examples=["America/New_York"])
    currency: str = Field(examples=["USD"])
    booking_rules: BookingRules

    @classmethod
    def of(cls, clinic: Clinic) -> Self:
        """From the stored form."""
        return cls(
            name=clinic.name,
            phone=clinic.phone,
            address=clinic.address,
            timezone=clinic.timezone,
            currency=clinic.currency,
            booking_rules=BookingRules(
                horizon_days=clinic.booking_horizon_days,
                lead_minutes=clinic.booking_lead_minutes,
                slot_grid_minutes=clinic.slot_grid_minutes,
                allow_new_patient_booking=clinic.allow_new_patient_booking,
            ),
        )


class OfferedService(OutputSchema):
    """A service that can be booked online."""

    service_id: str = Field(examples=["teeth_whitening"])
    name: str = Field(examples=["Teeth Whitening"])
    duration_minutes: int = Field(examples=[60])
    description: str | None = Field(default=None, examples=["In one visit."])
    price_from: float | None = Field(default=None, examples=[450])


class OfferedServices(OutputSchema):
    """What can be booked online, by name."""

    services: list[OfferedService]

    @classmethod
    def of(cls, services: list[Service]) -> Self:
        """From the stored forms."""
        return cls(services=[OfferedService.model_validate(one) for one in services])


class FreeProvider(OutputSchema):
    """Somebody who is free."""

    provider_id: PyObjectId = Field(validation_alias="id")
    name: str = Field(examples=["Dr. Rivera"])


class FreeSlot(OutputSchema):
    """A start time, with who is free then."""

    starts_at: UtcDatetime = Field(examples=["2026-08-20T13:00:00Z"])
    local_time: str = Field(description="On the clinic's clock.", examples=["2026-08-20T09:00"])
    providers: list[FreeProvider]


class FreeSlots(OutputSchema):
    """Start times in order."""

    timezone: str = Field(examples=["America/New_York"])
    slots: list[FreeSlot]


class BookingCreate(InputSchema):
    """What the booking form sends."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "Maria Lopez",
                "email": "maria.lopez@example.com",
                "phone": "+1 212-555-0142",
                "appointment_date": "2026-08-20T09:00:00-04:00",
                "service_name": "Teeth Whitening",
                "notes": "Mornings are best.",
            }
        },
    )

    name: PersonName
    email: EmailAddress
    phone: PhoneText
    appointment_date: ClientTime
    service_id: ServiceSlug | None = None
    service_name: ShortText | None = None
    provider_id: PyObjectId | None = None
    booking_token: BookingToken | None = None
    notes: Notes | None = None

    @model_validator(mode="after")
    def _names_a_service(self) -> Self:
        if self.service_id is None and self.service_name is None:
            message = "service_id or service_name is needed"
            raise ValueError(message)
        return self


class BookingCreated(OutputSchema):
    """The visit is in the book."""

    message: str = Field(examples=["Appointment booked successfully."])
    appointment_id: PyObjectId
    manage_url: str = Field(
        description="Where the patient sees, confirms, moves or cancels the visit.",
        examples=["http://127.0.0.1:8000/api/v1/appointments/manage/eyJhbGciOi..."],
    )


class VisitReschedule(InputSchema):
    """Another time for a visit."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"appointment_date": "2026-08-21T10:30:00-04:00"}},
    )

    appointment_date: ClientTime


class ManagedVisit(OutputSchema):
    """One visit as its patient sees it. Holds nothing about who they are."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "appointment_id": EXAMPLE_ID,
                "status": "booked",
                "service_id": "teeth_whitening",
                "service_name": "Teeth Whitening",
                "provider_name": "Dr. Rivera",
                "appointment_date": "2026-08-20T13:00:00Z",
                "local_time": "2026-08-20T09:00",
                "timezone": "America/New_York",
                "duration_minutes": 60,
                "clinic_name": "Demo Dental Practice",
                "clinic_phone": "+1 212-555-0100",
                "clinic_address": "1 Demo Street, New York, NY 10001",
                "can_be_changed": True,
                "can_be_confirmed": True,
                "changes_until": "2026-08-20T11:00:00Z",
                "calendar_url": "http://127.0.0.1:8000/api/v1/appointments/manage/eyJhbGciOi..."
                "/calendar.ics",
            }
        },
    )

    appointment_id: PyObjectId
    status: AppointmentStatus
    service_id: str
    service_name: str
    provider_name: str | None
    appointment_date: UtcDatetime
    local_time: str
    timezone: str
    duration_minutes: int
    clinic_name: str
    clinic_phone: str
    clinic_address: str
    can_be_changed: bool = Field(description="Whether it can be moved and cancelled here now.")
    can_be_confirmed: bool = Field(description="Whether it waits to be confirmed and still can be.")
    changes_until: UtcDatetime = Field(
        description="Until when it can be moved and cancelled here; later the practice is called."
    )
    calendar_url: str = Field(description="The visit as a calendar file.")

    @classmethod
    def of(
        cls,
        appointment: Appointment,
        clinic: Clinic,
        *,
        provider_name: str | None,
        can_be_changed: bool,
        can_be_confirmed: bool,
        changes_until: datetime,
        calendar_url: str,
    ) -> Self:
        """From the stored forms."""
        local = appointment.appointment_date.astimezone(clinic.zone)
        return cls(
            appointment_id=appointment.id,
            status=appointment.status,
            service_id=appointment.service_id,
            service_name=appointment.service_name,
            provider_name=provider_name,
            appointment_date=appointment.appointment_date,
            local_time=f"{local:%Y-%m-%dT%H:%M}",
            timezone=clinic.timezone,
            duration_minutes=appointment.duration_minutes,
            clinic_name=clinic.name,
            clinic_phone=clinic.phone,
            clinic_address=clinic.address,
            can_be_changed=can_be_changed,
            can_be_confirmed=can_be_confirmed,
            changes_until=changes_until,
            calendar_url=calendar_url,
        )
