"""Something the desk wants to see at once: that it happened, and to what. No patient data."""

from enum import StrEnum

from app.models.appointment import AppointmentEventKind
from app.models.base import Document, PyObjectId, UtcDatetime


class EventKind(StrEnum):
    """What happened."""

    REPLY = "reply"
    ATTENTION = "attention"
    ATTENTION_CLAIMED = "attention_claimed"
    ATTENTION_RELEASED = "attention_released"
    """Resolved, and the conversation is the agent's again."""
    ATTENTION_RESOLVED = "attention_resolved"
    LETTER_FAILED = "letter_failed"
    """Given up: it could not be sent, or nobody knows whether it was."""
    BOOKING = "booking"


class Event(Document):
    """A stored event. `seq` grows by one from each to the next, in the order they were stored."""

    seq: int = 0
    key: str
    """Names the occasion: each is stored once."""
    kind: EventKind
    at: UtcDatetime
    campaign_id: PyObjectId | None = None
    interaction_id: PyObjectId | None = None
    appointment_id: PyObjectId | None = None
    change: AppointmentEventKind | None = None
    """What happened to a visit."""
