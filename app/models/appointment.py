"""A visit. The document carries its own claims on time: see `app.services.scheduling.claims`."""

from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Self

from pydantic import Field

from app.models.base import Document, PyObjectId, StoredModel, UtcDatetime
from app.models.patient import Patient


class AppointmentStatus(StrEnum):
    """Where a visit stands."""

    BOOKED = "booked"
    CONFIRMED = "confirmed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"


class CreatedFrom(StrEnum):
    """How a visit came into the book."""

    AI_AGENT_FORM = "AI_AGENT_FORM"
    MANUAL_ADMIN = "MANUAL_ADMIN"
    IMPORT = "IMPORT"


_A = AppointmentStatus

APPOINTMENT_TRANSITIONS: MappingProxyType[AppointmentStatus, frozenset[AppointmentStatus]] = (
    MappingProxyType(
        {
            _A.BOOKED: frozenset({_A.CONFIRMED, _A.COMPLETED, _A.CANCELLED, _A.NO_SHOW}),
            _A.CONFIRMED: frozenset({_A.BOOKED, _A.COMPLETED, _A.CANCELLED, _A.NO_SHOW}),
            _A.COMPLETED: frozenset(),
            _A.CANCELLED: frozenset(),
            _A.NO_SHOW: frozenset(),
        }
    )
)
"""What may follow what. `confirmed → booked` is a visit that was moved: unconfirmed again."""

_BACK_IN_THE_BOOK = frozenset({_A.BOOKED, _A.CONFIRMED, _A.COMPLETED})

IMPORT_TRANSITIONS: MappingProxyType[AppointmentStatus, frozenset[AppointmentStatus]] = (
    MappingProxyType(
        {
            **APPOINTMENT_TRANSITIONS,
            _A.CANCELLED: _BACK_IN_THE_BOOK | {_A.NO_SHOW},
            _A.NO_SHOW: _BACK_IN_THE_BOOK | {_A.CANCELLED},
        }
    )
)
"""What the practice's own system may report of its visits: there a cancelled one comes back."""

GENERIC_SERVICE_ID = "imported"
"""The service of an imported visit whose treatment the list of services does not know."""

LIVE_STATUSES = frozenset({AppointmentStatus.BOOKED, AppointmentStatus.CONFIRMED})
"""A visit that is still going to happen."""


class AppointmentEventKind(StrEnum):
    """What happened to a visit and has yet to reach its campaign, its patient and the mail."""

    BOOKED = "booked"
    CONFIRMED = "confirmed"
    MOVED = "moved"
    REASSIGNED = "reassigned"
    """At the same time with another provider, or of another length."""
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    COMPLETED = "completed"
    DELETED = "deleted"


class AppointmentEvent(StoredModel):
    """Written in the same single-document write as the change itself, removed when its effects are
    done. A crash between the two leaves it for the reconciler; every effect may run twice.
    """

    kind: AppointmentEventKind
    at: UtcDatetime
    by: str
    next_follow_up_date: UtcDatetime | None = None
    status_before: AppointmentStatus | None = None
    """Where the visit stood before this change; nowhere, for a new one."""
    is_quiet: bool = False
    """Whether the patient gets no letter about it: the practice's own system wrote already."""
    new_patient: Patient | None = None
    """Somebody the practice does not know yet, to be stored once their visit is certain."""
    attempts: int = 0
    """How often its effects failed since it was left to the reconciler."""
    not_before: UtcDatetime | None = None
    """When they are tried again."""

    @property
    def concerns_live_visit(self) -> bool:
        """Whether the visit was going to happen when this happened to it."""
        return self.status_before is None or self.status_before in LIVE_STATUSES


class ReminderPlan(StoredModel):
    """How far the reminders of a visit have come; what left before is in the outbox."""

    rules: str
    """The zone and the reminder times it was made by: under others it is made anew."""
    next_at: UtcDatetime | None = None
    """When the next one leaves; without it none is left."""

    @classmethod
    def to_be_made(cls) -> Self:
        """Of a visit that is new, or has a new start: due at once."""
        return cls(rules="", next_at=datetime.fromtimestamp(0, UTC))

    @property
    def is_made(self) -> bool:
        """Whether anything was planned yet."""
        return bool(self.rules)


class ImportedVisit(StoredModel):
    """What the practice's own system said last about a visit, and the import that said so.

    A file that says the same again does not undo what was changed here since.
    """

    import_id: PyObjectId
    is_new: bool
    """Whether that import created the visit."""
    starts_at: UtcDatetime
    duration_minutes: int
    provider_id: PyObjectId
    chair_id: PyObjectId | None = None
    """Only where the file named one."""
    service_id: str
    service_name: str
    status: AppointmentStatus


class HeldTime(NamedTuple):
    """What of a visit says whose time it takes, and which: its claims are made of the same."""

    provider_id: PyObjectId
    chair_id: PyObjectId
    patient_id: PyObjectId
    appointment_date: datetime
    duration_minutes: int
    buffer_before_minutes: int
    buffer_after_minutes: int


class Appointment(Document):
    """A stored visit. `appointment_date` is the instant it starts."""

    patient_id: PyObjectId
    campaign_id: PyObjectId | None = None
    provider_id: PyObjectId
    chair_id: PyObjectId
    service_id: str
    service_name: str
    appointment_date: UtcDatetime
    duration_minutes: int
    duration_by_hand: bool = False
    """Whether somebody set the length: it then stays with whichever provider the visit goes to."""
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    status: AppointmentStatus = AppointmentStatus.BOOKED
    created_from: CreatedFrom
    notes: str | None = None
    external_id: str | None = None
    imported: ImportedVisit | None = None
    wants_reminders: bool = True
    """Whether we remind the patient; of an imported visit only where the import was told so."""
    sequence: int = 0
    claims: list[str] | None = None
    pending_event: AppointmentEvent | None = None
    completed_at: UtcDatetime | None = None
    asked_about_at: UtcDatetime | None = None
    start_set_at: UtcDatetime | None = None
    """When it was moved to its present start; unset where it was booked there."""
    reminder_plan: ReminderPlan = Field(default_factory=ReminderPlan.to_be_made)
