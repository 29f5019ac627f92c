"""One message of a conversation. Outgoing ones are the outbox: there is no second collection."""

from enum import StrEnum

from pydantic import Field

from app.models.base import Document, PyObjectId, StoredModel, UtcDatetime
from app.models.decision import AiAnalysis, Intent
from app.models.patient import Channel
from app.models.proposal import ProposedTimes


class Direction(StrEnum):
    """Which way a message went."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class MessageClass(StrEnum):
    """What a message is for; the send gate decides by it (product.md, Message classes)."""

    OUTREACH = "outreach"
    WAITLIST_OFFER = "waitlist_offer"
    WAITLIST_CLOSED = "waitlist_closed"
    AGENT_ANSWER = "agent_answer"
    HANDOFF_NOTICE = "handoff_notice"
    EMERGENCY_TEXT = "emergency_text"
    OPT_OUT_RECEIPT = "opt_out_receipt"
    VISIT_NOTICE = "visit_notice"
    REMINDER = "reminder"
    STAFF = "staff"


class DeliveryStatus(StrEnum):
    """Where an outgoing message stands.

    `unknown`: a crash fell between hand-over and our note of it, on a transport that cannot be
    asked; a person decides. `suppressed`: the send gate dropped it. `failed`: out of retries.
    """

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    BOUNCED = "bounced"


class Delivery(StoredModel):
    """The outbox part of an outgoing message.

    `term` grows with every claim; every write under a claim repeats it, so that a worker that lost
    its lease changes nothing. `day_slot` is unique: one outreach a day and address, held by the
    database. `sent_to`: the address it left for; unknown where a crash hid it. `tried_at`: when it
    may have left for the first time; nothing where it surely did not.
    """

    status: DeliveryStatus = DeliveryStatus.PENDING
    message_class: MessageClass
    attempts: int = 0
    term: int = 0
    not_before: UtcDatetime
    lease_until: UtcDatetime | None = None
    tried_at: UtcDatetime | None = None
    sent_at: UtcDatetime | None = None
    provider_message_id: str | None = None
    sent_to: str | None = None
    day_slot: str | None = None
    error: str | None = None

    @property
    def was_tried(self) -> bool:
        """Whether it may have left. Letters of before `tried_at` was noted tell by their tries."""
        return self.tried_at is not None or self.attempts > 0


class Decision(StoredModel):
    """What the agent decided about an incoming message, stored before anything is done about it.

    A second run after a crash acts on this record and does not decide again.
    """

    action: str
    campaign_status: str | None = None
    reason: str | None = None
    answer: str | None = None
    postpone_until: UtcDatetime | None = None
    opts_out_too: bool | None = None
    proposed_times: ProposedTimes | None = None
    """When the patient offered to come."""
    requested_by: str = "agent"


class CalendarMethod(StrEnum):
    """What a calendar file asks of whoever opens it (RFC 5546)."""

    PUBLISH = "PUBLISH"
    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


class CalendarPart(StoredModel):
    """The calendar file (RFC 5545) that goes with a message: what was composed, to the letter."""

    method: CalendarMethod
    content: str


class MailFacts(StoredModel):
    """What a received mail's headers and structure tell; a relay hands none of it over.

    `machine` is the kind of machine that wrote it (`MachineKind`), none for a person; `is_forged`:
    the sender's own policy disowns it (DMARC); `returns_on`: the ISO date an out-of-office names;
    `bounced`: the addresses a bounce speaks of; `is_cut`: not all of it was read.
    `letter_id`: the letter of ours that a bounce or a complaint really names, sent to `letter_to`.
    """

    message_id: str | None = None
    machine: str | None = None
    evidence: str | None = None
    is_forged: bool = False
    is_cut: bool = False
    returns_on: str | None = None
    bounced: list[str] = Field(default_factory=list)
    letter_id: PyObjectId | None = None
    letter_to: str | None = None


class Settlement(StoredModel):
    """What staff decided about a message that matched nobody: it is whose, or nobody's.

    `read_by_agent`: staff vouch for the sender, and the agent may read it as the patient's reply.
    """

    id: PyObjectId
    by: str
    at: UtcDatetime
    read_by_agent: bool = False


class IntentCorrection(StoredModel):
    """What staff say a message wanted, beside what the agent had `said`, and by which model.

    It labels the message for the next training; nothing else follows from it.
    """

    intent: Intent
    said: Intent
    by: str
    at: UtcDatetime
    engine: str
    engine_version: str | None = None


class Interaction(Document):
    """A stored message, incoming or outgoing, or a note of one made by hand.

    An outgoing one keeps all that was composed (`content`, `html`, `calendar`, and as a text
    message `short`), so that a second try sends the same message.
    """

    patient_id: PyObjectId | None = None
    campaign_id: PyObjectId | None = None
    appointment_id: PyObjectId | None = None
    waitlist_id: PyObjectId | None = None
    direction: Direction
    channel: Channel = Channel.EMAIL
    subject: str | None = None
    content: str
    html: str | None = None
    short: str | None = None
    calendar: CalendarPart | None = None
    raw_content: str | None = None
    mail: MailFacts | None = None
    sender: str | None = None
    timestamp: UtcDatetime
    ai_analysis: AiAnalysis | None = None
    decision: Decision | None = None
    correction: IntentCorrection | None = None
    """The one that stands: the last of `corrections`."""
    corrections: list[IntentCorrection] = Field(default_factory=list)
    processed_at: UtcDatetime | None = None
    unmatched: bool | None = None
    alert_due_at: UtcDatetime | None = None
    """Since when staff are owed urgent word of it; gone once they were told, or settled it."""
    settlement: Settlement | None = None
    thread_id: str | None = None
    provider_id: str | None = None
    dedupe_key: str | None = None
    attempt: int | None = None
    by: str | None = None
    delivery: Delivery | None = None
    in_reply_to: str | None = Field(default=None)
    answers_on: Channel | None = None
    """What an outgoing one answers came in on this channel; it goes out on `channel`."""
    visit_starts_at: UtcDatetime | None = None
    """The start a reminder speaks of; it must still be the visit's when the reminder leaves."""
