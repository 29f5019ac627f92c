"""A campaign: one attempt to win one patient back, and the table of what may follow what."""

from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from pydantic import Field

from app.models.base import Document, PyObjectId, StoredModel, UtcDatetime
from app.models.decision import PassageEvidence, Urgency
from app.models.patient import Channel


class CampaignType(StrEnum):
    """Why the practice writes."""

    RECOVERY = "RECOVERY"
    RECALL = "RECALL"


class CampaignStatus(StrEnum):
    """Where a campaign stands."""

    ATTEMPTING_RECOVERY = "ATTEMPTING_RECOVERY"
    RE_ENGAGED = "RE_ENGAGED"
    HANDOFF_REQUIRED = "HANDOFF_REQUIRED"
    BOOKING_INITIATED = "BOOKING_INITIATED"
    BOOKING_COMPLETED = "BOOKING_COMPLETED"
    RECOVERED = "RECOVERED"
    RECOVERY_FAILED = "RECOVERY_FAILED"
    RECOVERY_DECLINED = "RECOVERY_DECLINED"
    MANUAL_FOLLOWUP_COMPLETE = "MANUAL_FOLLOWUP_COMPLETE"


S = CampaignStatus

TRANSITIONS: MappingProxyType[CampaignStatus, frozenset[CampaignStatus]] = MappingProxyType(
    {
        S.ATTEMPTING_RECOVERY: frozenset(
            {
                S.RE_ENGAGED,
                S.RECOVERY_FAILED,
                S.HANDOFF_REQUIRED,
                S.RECOVERY_DECLINED,
                S.BOOKING_INITIATED,
                S.RECOVERED,
            }
        ),
        S.RE_ENGAGED: frozenset(
            {
                S.RECOVERY_FAILED,
                S.HANDOFF_REQUIRED,
                S.RECOVERY_DECLINED,
                S.BOOKING_INITIATED,
                S.RECOVERED,
            }
        ),
        S.HANDOFF_REQUIRED: frozenset(
            {
                S.RECOVERY_FAILED,
                S.RECOVERY_DECLINED,
                S.RE_ENGAGED,
                S.MANUAL_FOLLOWUP_COMPLETE,
                S.BOOKING_INITIATED,
                S.RECOVERED,
            }
        ),
        S.BOOKING_INITIATED: frozenset(
            {S.BOOKING_COMPLETED, S.RE_ENGAGED, S.HANDOFF_REQUIRED, S.RECOVERED}
        ),
        S.BOOKING_COMPLETED: frozenset(
            {S.BOOKING_INITIATED, S.RE_ENGAGED, S.HANDOFF_REQUIRED, S.RECOVERED}
        ),
        S.RECOVERED: frozenset(),
        S.RECOVERY_FAILED: frozenset(),
        S.RECOVERY_DECLINED: frozenset(),
        S.MANUAL_FOLLOWUP_COMPLETE: frozenset(),
    }
)
"""The whole life cycle (product.md). A status not in a row's set cannot follow that row."""

ACTIVE_STATUSES = frozenset(status for status, following in TRANSITIONS.items() if following)
"""A patient has at most one campaign in these; the database holds it with a unique index."""

ENDED_STATUSES = frozenset(CampaignStatus) - ACTIVE_STATUSES

BOOKED_STATUSES = frozenset({S.BOOKING_INITIATED, S.BOOKING_COMPLETED})
"""A visit has led the campaign here, and what becomes of that visit alone leads it on."""

FOLLOWED_UP_STATUSES = frozenset({S.ATTEMPTING_RECOVERY, S.RE_ENGAGED})
"""Only here may the machine write first. Handed-off and booked campaigns belong to people."""

STAFF_SETTABLE_STATUSES = frozenset(
    {
        S.RE_ENGAGED,
        S.HANDOFF_REQUIRED,
        S.MANUAL_FOLLOWUP_COMPLETE,
        S.RECOVERY_DECLINED,
        S.RECOVERY_FAILED,
    }
)
"""Bookings and visits alone set the others."""


class BookingFunnelStatus(StrEnum):
    """How far the patient came on the booking site."""

    FORM_SENT = "FORM_SENT"
    FORM_SUBMITTED = "FORM_SUBMITTED"


class CampaignOrigin(StrEnum):
    """Who started it; only the sweep's count against `NEW_CAMPAIGNS_PER_DAY`."""

    SWEEP = "sweep"
    STAFF = "staff"


class CampaignChannel(StoredModel):
    """Where the conversation runs. `thread_id` exists from the first message sent."""

    type: Channel = Channel.EMAIL
    thread_id: str | None = None


class FollowUpDetails(StoredModel):
    """The attempts. An attempt counts when its message is queued."""

    attempts_made: int = 0
    max_attempts: int
    next_attempt_at: UtcDatetime | None = None
    first_attempt_at: UtcDatetime | None = None
    last_attempt_at: UtcDatetime | None = None


class BookingFunnel(StoredModel):
    """The booking link and what became of it."""

    status: BookingFunnelStatus | None = None
    link_url: str | None = None
    submitted_at: UtcDatetime | None = None


class HandoffDetails(StoredModel):
    """What a person needs to take over in ten seconds."""

    reason: str
    summary: str
    handed_off_at: UtcDatetime
    requested_by: str


class Briefing(StoredModel):
    """What a person needs to act in ten seconds, in parts; names and quotes the patient."""

    who: str
    contact: str | None = None
    """Where to reach them: their number, else their address."""
    wants: str
    said: str
    open: str
    suggested_reply: str | None = None
    """A beginning for whoever answers; `None` where nothing should be written."""
    sources: list[PassageEvidence] = Field(default_factory=list)
    """The nearest passages of the knowledge base, where it was asked."""
    interaction_id: PyObjectId


class Attention(StoredModel):
    """Something that needs a person, in any status, until it is resolved."""

    reason: str
    urgency: Urgency = Urgency.NORMAL
    summary: str
    briefing: Briefing | None = None
    since: UtcDatetime
    claimed_by: PyObjectId | None = None
    claimed_at: UtcDatetime | None = None
    resolved_at: UtcDatetime | None = None
    was_released: bool | None = None
    """Resolved by giving the conversation back to the agent."""
    alerted_at: UtcDatetime | None = None


class StatusChange(StoredModel):
    """One step of the history."""

    from_status: CampaignStatus | None = Field(default=None, alias="from")
    to_status: CampaignStatus = Field(alias="to")
    at: UtcDatetime
    by: str


class Campaign(Document):
    """A stored campaign."""

    patient_id: PyObjectId
    campaign_type: CampaignType
    origin: CampaignOrigin
    status: CampaignStatus = CampaignStatus.ATTEMPTING_RECOVERY
    due_date: UtcDatetime | None = None
    quota_key: str | None = None
    channel: CampaignChannel = Field(default_factory=CampaignChannel)
    engagement_summary: str | None = None
    follow_up_details: FollowUpDetails
    booking_funnel: BookingFunnel = Field(default_factory=BookingFunnel)
    handoff_details: HandoffDetails | None = None
    attention: Attention | None = None
    agent_silent_since: UtcDatetime | None = None
    last_reply_at: UtcDatetime | None = None
    ended_at: UtcDatetime | None = None
    estimated_value: float | None = None
    history: list[StatusChange] = Field(default_factory=list)
    cleared_at: UtcDatetime | None = None
    """When its words were removed, its time to be kept being over."""

    @property
    def is_active(self) -> bool:
        """Whether it can still go anywhere."""
        return self.status in ACTIVE_STATUSES

    def is_due(self, now: datetime) -> bool:
        """Whether a sweep at `now` looks at it: the machine may write first, and it is time."""
        planned = self.follow_up_details.next_attempt_at
        is_followed_up = self.status in FOLLOWED_UP_STATUSES
        return is_followed_up and planned is not None and planned <= now

    @property
    def needs_person(self) -> bool:
        """Whether an attention is open."""
        return self.attention is not None and self.attention.resolved_at is None
