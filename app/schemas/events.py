"""Events as they cross HTTP."""

from app.models.appointment import AppointmentEventKind
from app.models.base import PyObjectId, UtcDatetime
from app.models.event import EventKind
from app.schemas.base import OutputSchema


class EventRead(OutputSchema):
    """The data of one server-sent event: what happened, and to what."""

    kind: EventKind
    at: UtcDatetime
    campaign_id: PyObjectId | None
    interaction_id: PyObjectId | None
    appointment_id: PyObjectId | None
    change: AppointmentEventKind | None
