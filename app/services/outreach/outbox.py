"""The way into the outbox. A message is stored here before anybody tries to send it."""

from dataclasses import dataclass
from datetime import datetime

from app.core.clock import Clock
from app.db.repositories.outbox import OutboxRepository
from app.models.base import PyObjectId
from app.models.interaction import (
    CalendarPart,
    Delivery,
    Direction,
    Interaction,
    MessageClass,
)
from app.models.patient import Channel
from app.services.work import Wakeable


@dataclass(frozen=True)
class Draft:
    """A message to a patient, before it is queued.

    `dedupe_key` names the one occasion this message is for (campaign, purpose, attempt): however
    often the occasion is worked on, one message is stored. The recipient is not part of it: the
    address on file at the moment of sending is used, and no other. So is the channel, by what they
    prefer and, before that, by what it `answers_on`.
    """

    patient_id: PyObjectId
    subject: str
    content: str
    message_class: MessageClass
    dedupe_key: str
    campaign_id: PyObjectId | None = None
    appointment_id: PyObjectId | None = None
    waitlist_id: PyObjectId | None = None
    answers_on: Channel | None = None
    attempt: int | None = None
    not_before: datetime | None = None
    by: str = "agent"
    in_reply_to: str | None = None
    html: str | None = None
    short: str | None = None
    calendar: CalendarPart | None = None
    visit_starts_at: datetime | None = None


class Outbox:
    """Queues messages durably and wakes the sender."""

    def __init__(self, queue: OutboxRepository, clock: Clock, sender: Wakeable) -> None:
        self._queue = queue
        self._clock = clock
        self._sender = sender

    async def enqueue(self, draft: Draft) -> tuple[Interaction, bool]:
        """Store the message once per dedupe key; the stored one, and whether it is new."""
        now = self._clock.now()
        message = Interaction(
            patient_id=draft.patient_id,
            campaign_id=draft.campaign_id,
            appointment_id=draft.appointment_id,
            waitlist_id=draft.waitlist_id,
            direction=Direction.OUTGOING,
            answers_on=draft.answers_on,
            subject=draft.subject,
            content=draft.content,
            html=draft.html,
            short=draft.short,
            calendar=draft.calendar,
            timestamp=now,
            dedupe_key=draft.dedupe_key,
            attempt=draft.attempt,
            by=draft.by,
            in_reply_to=draft.in_reply_to,
            visit_starts_at=draft.visit_starts_at,
            delivery=Delivery(
                message_class=draft.message_class, not_before=draft.not_before or now
            ),
        )
        stored, is_new = await self._queue.enqueue(message)
        self._sender.wake()
        return stored, is_new
