"""Campaigns as they cross HTTP."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from app.core.addresses import EmailAddress
from app.models.base import PyObjectId, UtcDatetime
from app.models.campaign import (
    Attention,
    BookingFunnelStatus,
    Campaign,
    CampaignStatus,
    CampaignType,
    HandoffDetails,
    StatusChange,
)
from app.models.decision import PassageEvidence, Urgency
from app.models.patient import Channel, Patient
from app.schemas.base import EXAMPLE_ID, EXAMPLE_OTHER_ID, InputSchema, OutputSchema
from app.schemas.interactions import InteractionRead
from app.schemas.paging import Pagination
from app.schemas.text import LongText, Money, PersonName, PhoneText


class BriefingRead(OutputSchema):
    """What a person needs to act in ten seconds."""

    who: str
    contact: str | None = Field(description="Their number, else their address.")
    wants: str
    said: str = Field(description="The beginning of their message.")
    open: str
    suggested_reply: str | None = Field(
        description="A beginning for whoever answers; `null` where nothing should be written."
    )
    sources: list[PassageEvidence] = Field(
        description="The nearest passages of the knowledge base, where it was asked."
    )
    interaction_id: PyObjectId


class AttentionRead(BaseModel):
    """Something that waits for a person."""

    reason: str
    urgency: Urgency
    summary: str
    briefing: BriefingRead | None = Field(
        description="Where a patient's message raised it; `summary` says the same in one sentence."
    )
    since: UtcDatetime
    claimed_by: PyObjectId | None
    resolved_at: UtcDatetime | None

    @classmethod
    def of(cls, attention: Attention | None) -> Self | None:
        """From the stored form."""
        if attention is None:
            return None
        return cls(
            reason=attention.reason,
            urgency=attention.urgency,
            summary=attention.summary,
            briefing=(
                BriefingRead.model_validate(attention.briefing) if attention.briefing else None
            ),
            since=attention.since,
            claimed_by=attention.claimed_by,
            resolved_at=attention.resolved_at,
        )


class CampaignRow(BaseModel):
    """A campaign in a list."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "campaign_id": EXAMPLE_ID,
                "patient_id": EXAMPLE_OTHER_ID,
                "patient_name": "Maria Lopez",
                "campaign_type": "RECALL",
                "status": "RE_ENGAGED",
                "last_updated": "2026-11-23T14:05:00Z",
                "attention": None,
            }
        }
    )

    campaign_id: PyObjectId
    patient_id: PyObjectId
    patient_name: str | None
    campaign_type: CampaignType
    status: CampaignStatus
    last_updated: UtcDatetime
    attention: AttentionRead | None = None

    @classmethod
    def of(cls, campaign: Campaign, patient: Patient | None) -> Self:
        """From the stored forms; the name is `None` where the patient was erased."""
        return cls(
            campaign_id=campaign.id,
            patient_id=campaign.patient_id,
            patient_name=patient.name if patient else None,
            campaign_type=campaign.campaign_type,
            status=campaign.status,
            last_updated=campaign.updated_at,
            attention=AttentionRead.of(campaign.attention),
        )


class CampaignList(BaseModel):
    """One page of campaigns."""

    pagination: Pagination
    campaigns: list[CampaignRow]


class HandoffRow(CampaignRow):
    """A campaign that waits for a person, since when, and by when they should hear."""

    age_minutes: int = Field(description="Since somebody was asked for.")
    due_at: UtcDatetime = Field(
        description="By the clinic's `urgent_answer_minutes` or `answer_minutes`."
    )
    is_overdue: bool

    @classmethod
    def waiting(
        cls, row: CampaignRow, since: UtcDatetime, due_at: UtcDatetime, now: UtcDatetime
    ) -> Self:
        """A row with its age."""
        age = int((now - since).total_seconds() // 60)
        return cls(**dict(row), age_minutes=age, due_at=due_at, is_overdue=now > due_at)


class HandoffList(BaseModel):
    """Every campaign that waits for a person: urgent first, then longest waiting."""

    pagination: Pagination
    handoffs: list[HandoffRow]


class ChannelRead(BaseModel):
    """Where the conversation runs."""

    type: Channel
    thread_id: str | None


class FollowUpRead(BaseModel):
    """The attempts so far, and when the next is due."""

    attempts_made: int
    max_attempts: int
    next_attempt_at: UtcDatetime | None


class BookingFunnelRead(BaseModel):
    """The booking link and what became of it."""

    status: BookingFunnelStatus | None
    link_url: str | None
    submitted_at: UtcDatetime | None


class HandoffRead(BaseModel):
    """What a person needs to take over."""

    reason: str
    summary: str
    handed_off_at: UtcDatetime
    requested_by: str

    @classmethod
    def of(cls, details: HandoffDetails | None) -> Self | None:
        """From the stored form."""
        return None if details is None else cls.model_validate(details.model_dump())


class StatusChangeRead(BaseModel):
    """One step of the history."""

    model_config = ConfigDict(populate_by_name=True)

    from_status: CampaignStatus | None = Field(alias="from")
    to_status: CampaignStatus = Field(alias="to")
    at: UtcDatetime
    by: str

    @classmethod
    def of(cls, change: StatusChange) -> Self:
        """From the stored form."""
        return cls(
            from_status=change.from_status, to_status=change.to_status, at=change.at, by=change.by
        )


class CampaignDetails(BaseModel):
    """Everything about one campaign. The three objects are always there, their members may be
    `null`.
    """

    campaign_id: PyObjectId
    patient_id: PyObjectId
    patient_name: str | None
    campaign_type: CampaignType
    status: CampaignStatus
    due_date: UtcDatetime | None
    channel: ChannelRead
    follow_up_details: FollowUpRead
    booking_funnel: BookingFunnelRead
    engagement_summary: str | None
    handoff_details: HandoffRead | None
    attention: AttentionRead | None
    agent_silent_since: UtcDatetime | None
    created_at: UtcDatetime
    last_updated: UtcDatetime
    history: list[StatusChangeRead]

    @classmethod
    def of(cls, campaign: Campaign, patient: Patient | None) -> Self:
        """From the stored forms."""
        follow_up, funnel = campaign.follow_up_details, campaign.booking_funnel
        return cls(
            campaign_id=campaign.id,
            patient_id=campaign.patient_id,
            patient_name=patient.name if patient else None,
            campaign_type=campaign.campaign_type,
            status=campaign.status,
            due_date=campaign.due_date,
            channel=ChannelRead(type=campaign.channel.type, thread_id=campaign.channel.thread_id),
            follow_up_details=FollowUpRead(
                attempts_made=follow_up.attempts_made,
                max_attempts=follow_up.max_attempts,
                next_attempt_at=follow_up.next_attempt_at,
            ),
            booking_funnel=BookingFunnelRead(
                status=funnel.status, link_url=funnel.link_url, submitted_at=funnel.submitted_at
            ),
            engagement_summary=campaign.engagement_summary,
            handoff_details=HandoffRead.of(campaign.handoff_details),
            attention=AttentionRead.of(campaign.attention),
            agent_silent_since=campaign.agent_silent_since,
            created_at=campaign.created_at,
            last_updated=campaign.updated_at,
            history=[StatusChangeRead.of(change) for change in campaign.history],
        )


class CampaignDetail(BaseModel):
    """A campaign and everything that was said in it, oldest first."""

    campaign_details: CampaignDetails
    conversation_history: list[InteractionRead]


class RecoveryCreate(InputSchema):
    """A person who asked once and was never won."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "patient_name": "Maria Lopez",
                "patient_email": "maria.lopez@example.com",
                "patient_phone": "+1 212-555-0142",
                "initial_inquiry": "Asked about teeth whitening in September",
                "estimated_value": 450,
            }
        },
    )

    patient_name: PersonName
    patient_email: EmailAddress
    patient_phone: PhoneText | None = None
    initial_inquiry: Annotated[LongText, Field(max_length=1000)]
    estimated_value: Money | None = None


class RecoveryCreated(BaseModel):
    """The campaign that was started."""

    message: str = Field(examples=["Recovery campaign started."])
    patient_id: PyObjectId
    campaign_id: PyObjectId


class StaffResponse(InputSchema):
    """What staff write to the patient, and where the campaign goes with it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "message": "Hello Maria, we do take Delta Dental. Shall I hold Tuesday 10:00?",
                "new_status": "HANDOFF_REQUIRED",
            }
        },
    )

    message: LongText
    new_status: CampaignStatus | None = None


class StatusUpdate(InputSchema):
    """Where staff move a campaign."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"status": "MANUAL_FOLLOWUP_COMPLETE"}}
    )

    status: CampaignStatus
