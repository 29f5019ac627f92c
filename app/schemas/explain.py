"""Why a patient was, or was not, contacted, as it crosses HTTP."""

from typing import Self

from pydantic import ConfigDict, Field, JsonValue

from app.models.base import PyObjectId, UtcDatetime
from app.models.campaign import Campaign, CampaignOrigin, CampaignStatus, CampaignType
from app.models.interaction import DeliveryStatus, Interaction
from app.models.patient import Channel
from app.schemas.base import EXAMPLE_ID, EXAMPLE_OTHER_ID, OutputSchema

_EXAMPLE: dict[str, JsonValue] = {
    "patient_id": EXAMPLE_ID,
    "asked_at": "2026-11-23T14:05:00Z",
    "would_be_contacted": False,
    "reason": "Their last campaign ended too recently (COOL_DOWN_DAYS).",
    "rules": [
        {
            "rule": "outreach_enabled",
            "passed": True,
            "value": "on",
            "at": None,
            "text": "Outreach is switched on (OUTREACH_ENABLED).",
        },
        {
            "rule": "due",
            "passed": False,
            "value": "cool_down",
            "at": "2027-01-10T14:05:00Z",
            "text": "Their last campaign ended too recently (COOL_DOWN_DAYS).",
        },
        {
            "rule": "daily_limit",
            "passed": True,
            "value": "24 of 25",
            "at": None,
            "text": "Of today's 25 new campaigns (NEW_CAMPAIGNS_PER_DAY) 24 are free; who has "
            "waited longest comes first.",
        },
    ],
    "campaigns": [
        {
            "campaign_id": EXAMPLE_OTHER_ID,
            "campaign_type": "RECOVERY",
            "status": "RECOVERY_FAILED",
            "origin": "sweep",
            "due_date": None,
            "started_at": "2026-09-21T14:00:00Z",
            "ended_at": "2026-10-12T14:05:00Z",
        }
    ],
    "messages": [
        {
            "interaction_id": EXAMPLE_OTHER_ID,
            "campaign_id": EXAMPLE_OTHER_ID,
            "attempt": 1,
            "channel": "email",
            "queued_at": "2026-09-21T14:00:00Z",
            "delivery_status": "sent",
            "delivery_error": None,
            "sent_at": "2026-09-21T14:00:05Z",
        }
    ],
}


class FindingRead(OutputSchema):
    """One rule of the sweep, in its order."""

    rule: str
    passed: bool
    value: str = Field(description="What it went by, in the words of the sweep's counts.")
    at: UtcDatetime | None = Field(description="When that came to be, or comes.")
    text: str


class ContactCampaign(OutputSchema):
    """A campaign: who was to be won back, since when, and by whose wish."""

    campaign_id: PyObjectId
    campaign_type: CampaignType
    status: CampaignStatus
    origin: CampaignOrigin
    due_date: UtcDatetime | None
    started_at: UtcDatetime
    ended_at: UtcDatetime | None

    @classmethod
    def of(cls, campaign: Campaign) -> Self:
        """From the stored form."""
        return cls(
            campaign_id=campaign.id,
            campaign_type=campaign.campaign_type,
            status=campaign.status,
            origin=campaign.origin,
            due_date=campaign.due_date,
            started_at=campaign.created_at,
            ended_at=campaign.ended_at,
        )


class ContactMessage(OutputSchema):
    """A letter that was written first, and what the send gate and the mail made of it."""

    interaction_id: PyObjectId
    campaign_id: PyObjectId | None
    attempt: int | None
    channel: Channel
    queued_at: UtcDatetime
    delivery_status: DeliveryStatus | None
    delivery_error: str | None
    sent_at: UtcDatetime | None

    @classmethod
    def of(cls, message: Interaction) -> Self:
        """From the stored form."""
        delivery = message.delivery
        return cls(
            interaction_id=message.id,
            campaign_id=message.campaign_id,
            attempt=message.attempt,
            channel=message.channel,
            queued_at=message.timestamp,
            delivery_status=delivery.status if delivery else None,
            delivery_error=delivery.error if delivery else None,
            sent_at=delivery.sent_at if delivery else None,
        )


class ContactExplanation(OutputSchema):
    """What a sweep at this moment would do about a patient, and what was done so far."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": _EXAMPLE})

    patient_id: PyObjectId
    asked_at: UtcDatetime
    would_be_contacted: bool
    reason: str = Field(description="The first rule that stops it, else what makes them due.")
    rules: list[FindingRead]
    campaigns: list[ContactCampaign] = Field(description="Newest first.")
    messages: list[ContactMessage] = Field(description="The newest 50, newest first.")
