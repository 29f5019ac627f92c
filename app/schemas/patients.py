"""Patients as they cross HTTP."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, StrictBool, model_validator

from app.core.addresses import EmailAddress
from app.models.appointment import Appointment, AppointmentStatus
from app.models.base import PyObjectId, UtcDatetime
from app.models.patient import OTHER_CONTACTS, Channel, Patient, PatientStatus, PatientType
from app.schemas.base import EXAMPLE_ID, InputSchema, OutputSchema
from app.schemas.campaigns import CampaignRow
from app.schemas.paging import Pagination
from app.schemas.text import LongText, Money, PersonName, PhoneText, ShortText
from app.schemas.times import DayOrTime

Inquiry = Annotated[LongText, Field(max_length=1000)]
Language = Literal["en", "es"]


class TreatmentWrite(InputSchema):
    """One thing that was done."""

    procedure_name: ShortText
    procedure_date: DayOrTime | None = None
    next_recommended_follow_up: ShortText | None = None
    next_follow_up_date: DayOrTime | None = None


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Channels = Annotated[
    list[Channel],
    Field(min_length=1, max_length=3),
    BeforeValidator(_as_list, json_schema_input_type=Channel | list[Channel]),
]
"""The ways to reach somebody, the one they like best first; one alone need not be a list."""

OtherContacts = Annotated[list[ShortText], Field(max_length=OTHER_CONTACTS)]
Treatments = Annotated[list[TreatmentWrite], Field(max_length=200)]


class TreatmentRead(OutputSchema):
    """One thing that was done."""

    procedure_name: str
    procedure_date: UtcDatetime | None = None
    next_recommended_follow_up: str | None = None
    next_follow_up_date: UtcDatetime | None = None


_WRITE_EXAMPLE: dict[str, JsonValue] = {
    "name": "Maria Lopez",
    "email": "maria.lopez@example.com",
    "phone": "+1 212-555-0142",
    "patient_type": "EXISTING",
    "language": "es",
    "next_follow_up_date": "2026-11-20",
}


class PatientCreate(InputSchema):
    """A new patient. Somebody with the same address and name is a 409 unless they truly are two
    people (`allow_duplicate`).
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _WRITE_EXAMPLE})

    name: PersonName
    email: EmailAddress | None = None
    phone: PhoneText | None = None
    patient_type: PatientType
    preferred_channel: Channels = Field(default_factory=lambda: [Channel.EMAIL])
    language: Language = "en"
    treatment_history: Treatments = Field(default_factory=list)
    next_follow_up_date: DayOrTime | None = None
    initial_inquiry: Inquiry | None = None
    estimated_value: Money | None = None
    allow_duplicate: StrictBool = False


class PatientUpdate(InputSchema):
    """What may be changed; what is left out stays, `null` removes what may be absent."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"next_follow_up_date": "2027-05-20"}}
    )

    name: PersonName | None = None
    email: EmailAddress | None = None
    phone: PhoneText | None = None
    other_contacts: OtherContacts | None = Field(
        default=None, description="Which of the other contacts stay; none can be added."
    )
    patient_type: PatientType | None = None
    status: PatientStatus | None = None
    preferred_channel: Channels | None = None
    language: Language | None = None
    treatment_history: Treatments | None = None
    next_follow_up_date: DayOrTime | None = None
    initial_inquiry: Inquiry | None = None
    estimated_value: Money | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            message = "nothing to change"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _required_stay(self) -> Self:
        for field in ("name", "patient_type", "status", "preferred_channel", "language"):
            if field in self.model_fields_set and getattr(self, field) is None:
                message = f"{field} cannot be removed."
                raise ValueError(message)
        return self


class ConsentRead(OutputSchema):
    """Whether the patient wants to be written to, and how we know."""

    opted_out_at: UtcDatetime | None
    reason: str | None
    opted_in_at: UtcDatetime | None
    opted_in_by: str | None
    source: str | None


class PatientRead(OutputSchema):
    """A patient. `next_follow_up_date` is the instant at which that day starts at the clinic."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "patient_id": EXAMPLE_ID,
                "name": "Maria Lopez",
                "email": "maria.lopez@example.com",
                "phone": "+12125550142",
                "other_contacts": ["m.lopez@example.com"],
                "patient_type": "EXISTING",
                "status": "ACTIVE",
                "preferred_channel": ["email"],
                "language": "es",
                "treatment_history": [],
                "next_follow_up_date": "2026-11-20T05:00:00Z",
                "initial_inquiry": None,
                "estimated_value": None,
                "consent": {
                    "opted_out_at": None,
                    "reason": None,
                    "opted_in_at": None,
                    "opted_in_by": None,
                    "source": None,
                },
                "created_at": "2026-11-23T14:05:00Z",
                "updated_at": "2026-11-23T14:05:00Z",
            }
        },
    )

    patient_id: PyObjectId
    name: str
    email: str | None
    phone: str | None
    other_contacts: list[str] = Field(
        description="Addresses and numbers of duplicates that were merged into this record: they "
        "tell who writes, and nothing is sent there."
    )
    patient_type: PatientType
    status: PatientStatus
    preferred_channel: list[Channel]
    language: str
    treatment_history: list[TreatmentRead]
    next_follow_up_date: UtcDatetime | None
    initial_inquiry: str | None
    estimated_value: float | None
    consent: ConsentRead
    created_at: UtcDatetime
    updated_at: UtcDatetime

    @classmethod
    def of(cls, patient: Patient) -> Self:
        """From the stored form."""
        return cls(
            patient_id=patient.id,
            name=patient.name,
            email=patient.email,
            phone=patient.phone,
            other_contacts=patient.other_contacts,
            patient_type=patient.patient_type,
            status=patient.status,
            preferred_channel=patient.preferred_channel,
            language=patient.language,
            treatment_history=[
                TreatmentRead.model_validate(treatment) for treatment in patient.treatment_history
            ],
            next_follow_up_date=patient.next_follow_up_date,
            initial_inquiry=patient.initial_inquiry,
            estimated_value=patient.estimated_value,
            consent=ConsentRead.model_validate(patient.consent),
            created_at=patient.created_at,
            updated_at=patient.updated_at,
        )


class PatientList(OutputSchema):
    """One page of patients, by name."""

    pagination: Pagination
    patients: list[PatientRead]


class PatientVisit(OutputSchema):
    """A visit on the patient's page."""

    appointment_id: PyObjectId
    campaign_id: PyObjectId | None
    service_name: str
    appointment_date: UtcDatetime
    duration_minutes: int
    status: AppointmentStatus

    @classmethod
    def of(cls, appointment: Appointment) -> Self:
        """From the stored form."""
        return cls(
            appointment_id=appointment.id,
            campaign_id=appointment.campaign_id,
            service_name=appointment.service_name,
            appointment_date=appointment.appointment_date,
            duration_minutes=appointment.duration_minutes,
            status=appointment.status,
        )


class PatientPage(OutputSchema):
    """Everything about one patient on one screen."""

    patient: PatientRead
    campaigns: list[CampaignRow]
    appointments: list[PatientVisit]


class OptOut(InputSchema):
    """Why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "asked on the phone"}}
    )

    reason: ShortText


class OptIn(InputSchema):
    """Who consented, and how. The time and the member of staff are recorded with it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"reason": "signed the form at the desk", "consented_by": "patient"}
        },
    )

    reason: ShortText = Field(description="How the consent was given.")
    consented_by: ShortText = Field(
        default="patient", description="Who gave it: the patient, a parent, a guardian."
    )


class PatientMergeRequest(InputSchema):
    """Which record goes into the one in the path."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"patient_id": EXAMPLE_ID}}
    )

    patient_id: PyObjectId = Field(description="The duplicate: it goes.")
