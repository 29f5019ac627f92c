"""Messages as they cross HTTP: what was said, and how its delivery stands."""

from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from app.models.base import PyObjectId, UtcDatetime
from app.models.decision import ENGINE_INTENTS, AiAnalysis, Intent
from app.models.interaction import DeliveryStatus, Direction, Interaction, MessageClass
from app.models.patient import Channel
from app.models.proposal import ProposedTimes
from app.schemas.base import EXAMPLE_ID, EXAMPLE_OTHER_ID, InputSchema, OutputSchema
from app.schemas.paging import Pagination
from app.schemas.text import LongText
from app.schemas.times import ClientTime

ReadT = TypeVar("ReadT", bound=OutputSchema)


class DecisionRead(OutputSchema):
    """What the agent did about a message, and by which rule."""

    action: str = Field(examples=["hand_off"])
    reason: str | None = Field(examples=["question_without_answer"])


class CorrectionRead(OutputSchema):
    """What staff say the message wanted, beside what the agent had said."""

    intent: Intent
    said: Intent
    by: str
    at: UtcDatetime
    engine: str
    engine_version: str | None


class InteractionRead(BaseModel):
    """One message of a conversation. `delivery_status` is `null` for incoming ones.

    `ai_analysis` is what the agent read in it and on what evidence: the guard or the probabilities,
    the passages quoted, engine, version and time taken; `decision` what it did about it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "interaction_id": EXAMPLE_ID,
                "campaign_id": EXAMPLE_OTHER_ID,
                "direction": "outgoing",
                "channel": "email",
                "subject": "A note from your dentist",
                "content": "Hello Maria, this is the front desk.",
                "timestamp": "2026-11-23T14:05:00Z",
                "ai_analysis": None,
                "decision": None,
                "correction": None,
                "delivery_status": "pending",
                "delivery_error": None,
            }
        }
    )

    interaction_id: PyObjectId
    campaign_id: PyObjectId | None
    direction: Direction
    channel: Channel
    subject: str | None
    content: str
    timestamp: UtcDatetime
    ai_analysis: AiAnalysis | None
    decision: DecisionRead | None
    correction: CorrectionRead | None
    delivery_status: DeliveryStatus | None
    delivery_error: str | None
    proposed_times: ProposedTimes | None = Field(
        default=None,
        description="When the patient offered to come, read out of their words: days and hours on "
        "the clinic's calendar and clock. `is_ambiguous`: it can be read in more than one way, and "
        "every reading is here.",
    )

    @classmethod
    def of(cls, interaction: Interaction) -> Self:
        """From the stored form."""
        delivery = interaction.delivery
        return cls(
            interaction_id=interaction.id,
            campaign_id=interaction.campaign_id,
            direction=interaction.direction,
            channel=interaction.channel,
            subject=interaction.subject,
            content=interaction.content,
            timestamp=interaction.timestamp,
            ai_analysis=interaction.ai_analysis,
            decision=_read(DecisionRead, interaction.decision),
            correction=_read(CorrectionRead, interaction.correction),
            delivery_status=delivery.status if delivery else None,
            delivery_error=delivery.error if delivery else None,
            proposed_times=interaction.decision.proposed_times if interaction.decision else None,
        )


def _read(form: type[ReadT], stored: object) -> ReadT | None:
    return None if stored is None else form.model_validate(stored)


class DeliveryRead(InteractionRead):
    """An outgoing message and how its delivery stands."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "interaction_id": EXAMPLE_ID,
                "campaign_id": EXAMPLE_OTHER_ID,
                "direction": "outgoing",
                "channel": "email",
                "subject": "A note from your dentist",
                "content": "Hello Maria, this is the front desk.",
                "timestamp": "2026-11-23T14:05:00Z",
                "ai_analysis": None,
                "decision": None,
                "correction": None,
                "delivery_status": "pending",
                "delivery_error": "outside_hours",
                "message_class": "outreach",
                "attempts": 0,
                "not_before": "2026-11-24T14:00:00Z",
                "sent_at": None,
            }
        }
    )

    message_class: MessageClass
    attempts: int = Field(description="How often it was handed to the mail server so far.")
    not_before: UtcDatetime = Field(description="While it is pending: when it is tried next.")
    sent_at: UtcDatetime | None

    @classmethod
    def of_delivery(cls, interaction: Interaction) -> Self:
        """From the stored form of an outgoing message."""
        delivery = interaction.delivery
        assert delivery is not None  # noqa: S101 - the outbox holds outgoing messages only
        return cls(
            **dict(InteractionRead.of(interaction)),
            message_class=delivery.message_class,
            attempts=delivery.attempts,
            not_before=delivery.not_before,
            sent_at=delivery.sent_at,
        )


class DeliveryList(BaseModel):
    """One page of outgoing messages, newest first."""

    pagination: Pagination
    deliveries: list[DeliveryRead]


class ConversationRead(BaseModel):
    """Everything that was said in a campaign, oldest first, on one page."""

    pagination: Pagination
    interactions: list[InteractionRead]


class UnmatchedRead(InteractionRead):
    """A message that matched no campaign, with what tells whose it may be.

    `patient_id` is set where the patient is known and has no campaign to show it in. A `sender` of
    `null` means that nobody sent it: the service asks staff something.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "interaction_id": EXAMPLE_ID,
                "campaign_id": None,
                "direction": "incoming",
                "channel": "sms",
                "subject": None,
                "content": "Hi, this is Maria. Can I come on Friday?",
                "timestamp": "2026-11-23T14:05:00Z",
                "ai_analysis": None,
                "decision": None,
                "correction": None,
                "delivery_status": None,
                "delivery_error": None,
                "sender": "+12125550142",
                "patient_id": None,
            }
        }
    )

    sender: str | None
    patient_id: PyObjectId | None

    @classmethod
    def of_unmatched(cls, interaction: Interaction) -> Self:
        """From the stored form."""
        return cls(
            **dict(InteractionRead.of(interaction)),
            sender=interaction.sender,
            patient_id=interaction.patient_id,
        )


class UnmatchedList(BaseModel):
    """One page of incoming messages that matched no campaign, newest first."""

    pagination: Pagination
    unmatched: list[UnmatchedRead]


class UnmatchedAssign(InputSchema):
    """Whose message it is."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"patient_id": EXAMPLE_ID, "read_by_agent": False}},
    )

    patient_id: PyObjectId
    read_by_agent: StrictBool = Field(
        default=False,
        description="Staff vouch that the patient wrote it, and the agent reads and answers it as "
        "their reply. Otherwise a person does: the conversation is handed off.",
    )


class InteractionCreate(InputSchema):
    """Something that was said elsewhere, written down by hand."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "campaign_id": EXAMPLE_ID,
                "direction": "incoming",
                "channel": "sms",
                "content": "Will call back after work.",
                "timestamp": "2026-11-23T14:05:00Z",
            }
        },
    )

    campaign_id: PyObjectId
    direction: Direction
    channel: Channel = Channel.EMAIL
    content: LongText
    timestamp: ClientTime | None = None


def _an_engines(intent: Intent) -> Intent:
    if intent not in ENGINE_INTENTS:
        message = "must be one of the six intents of a reply"
        raise ValueError(message)
    return intent


class IntentUpdate(InputSchema):
    """What a message wanted: one of the six intents, what the agent said included."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"intent": "BOOKING_REQUEST"}}
    )

    intent: Annotated[Intent, AfterValidator(_an_engines)]
