"""Who becomes due (product.md). Pure: facts in, a reason or nothing out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.models.campaign import Campaign, CampaignStatus, CampaignType
from app.models.decision import Intent
from app.models.patient import Patient, PatientType
from app.services.outreach.reach import Obstacle
from app.services.scheduling.localtime import local_day

NOT_A_WISH = (
    Intent.SERVICE_DENIAL,
    Intent.OPT_OUT,
    Intent.AUTO_REPLY,
    Intent.BOUNCE,
    Intent.UNVERIFIED_SENDER,
    Intent.THIRD_PERSON,
)
"""Messages that do not re-open a conversation somebody declined."""


@dataclass(frozen=True)
class Due:
    """A patient who gets a campaign."""

    patient: Patient
    campaign_type: CampaignType
    due_since: datetime
    why: str

    @property
    def due_date(self) -> datetime | None:
        """What a recall is for; a recovery has none."""
        return self.due_since if self.campaign_type == CampaignType.RECALL else None


@dataclass(frozen=True)
class PastContact:
    """What the practice and a patient had to do with each other so far."""

    campaigns: Sequence[Campaign] = field(default_factory=list)
    obstacle: Obstacle | None = None
    has_visit: bool = False
    last_wish_at: datetime | None = None


@dataclass(frozen=True)
class Calendar:
    """Today at the clinic, and its rules that count in days."""

    today: date
    zone: ZoneInfo
    cool_down_days: int
    recall_give_up_days: int


def judge(patient: Patient, past: PastContact, calendar: Calendar) -> Due | str:
    """The campaign a patient is due for, or why there is none (a word for the counts)."""
    if past.obstacle:
        return past.obstacle.value
    if past.has_visit:
        return "visit_booked"
    if any(campaign.is_active for campaign in past.campaigns):
        return "active_campaign"
    if patient.patient_type == PatientType.COLD_LEAD:
        return _judge_lead(patient, past, calendar)
    return _judge_recall(patient, past, calendar)


def _judge_lead(patient: Patient, past: PastContact, calendar: Calendar) -> Due | str:
    if _declined_and_silent(past):
        return "declined"
    ended = max((at for c in past.campaigns if (at := c.ended_at)), default=None)
    if ended is None:
        return Due(patient, CampaignType.RECOVERY, patient.created_at, "never contacted")
    free_again = local_day(ended, calendar.zone) + timedelta(days=calendar.cool_down_days)
    if free_again > calendar.today:
        return "cool_down"
    since = ended + timedelta(days=calendar.cool_down_days)
    return Due(patient, CampaignType.RECOVERY, since, "cool-down over")


def _declined_and_silent(past: PastContact) -> bool:
    """A "no" stands until the patient writes again of their own accord."""
    declined = CampaignStatus.RECOVERY_DECLINED
    noes = [c.ended_at or c.updated_at for c in past.campaigns if c.status == declined]
    return bool(noes) and (past.last_wish_at is None or past.last_wish_at <= max(noes))


def _judge_recall(patient: Patient, past: PastContact, calendar: Calendar) -> Due | str:
    due = patient.next_follow_up_date
    if due is None or local_day(due, calendar.zone) > calendar.today:
        return "not_due"
    oldest = calendar.today - timedelta(days=calendar.recall_give_up_days)
    if local_day(due, calendar.zone) < oldest:
        return "past_give_up_window"
    recalls = (c for c in past.campaigns if c.campaign_type == CampaignType.RECALL)
    if any(campaign.due_date == due for campaign in recalls):
        return "already_recalled"
    return Due(patient, CampaignType.RECALL, due, "follow-up date reached")
