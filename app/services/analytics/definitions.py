"""What each figure means: its text, window, numerator and denominator."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from app.models.campaign import CampaignType
from app.services.analytics.calendar import SERIES_MONTHS

RATE_WINDOW = timedelta(days=90)


@dataclass(frozen=True)
class Definition:
    """What a figure means."""

    text: str
    window: str
    numerator: str
    denominator: str | None = None


_THIS_MONTH = "the clinic's current calendar month"
_NOW = "now"
_LAST_90_DAYS = "the last 90 days"


def _rate_definition(campaign_type: CampaignType) -> Definition:
    return Definition(
        f"The share of {campaign_type} campaigns that ended with a completed visit.",
        _LAST_90_DAYS,
        f"{campaign_type} campaigns that ended as RECOVERED",
        f"{campaign_type} campaigns that ended, in whatever status",
    )


def _value_definition(window: str) -> Definition:
    return Definition(
        "The listed prices (price_from) of the services in completed visits linked to recovered "
        "campaigns, each visit once; a service without a price counts as 0.",
        window,
        "sum of price_from",
    )


DEFINITIONS: Mapping[str, Definition] = MappingProxyType(
    {
        "appointments_booked_month": Definition(
            "Visits written into the book, by patients or staff, and not cancelled since.",
            _THIS_MONTH,
            "appointments created",
        ),
        "visits_completed_month": Definition(
            "Visits staff marked as completed.", _THIS_MONTH, "appointments completed"
        ),
        "handoffs_requiring_action": Definition(
            "Campaigns whose attention nobody has resolved, in any status.",
            _NOW,
            "open attentions",
        ),
        "active_recovery_campaigns": Definition(
            "RECOVERY campaigns that have not ended.", _NOW, "active RECOVERY campaigns"
        ),
        "active_recall_campaigns": Definition(
            "RECALL campaigns that have not ended.", _NOW, "active RECALL campaigns"
        ),
        "recovery_rate_percent": _rate_definition(CampaignType.RECOVERY),
        "recall_rate_percent": _rate_definition(CampaignType.RECALL),
        "recovered_value_month": _value_definition(_THIS_MONTH),
        "recovered_value_90_days": _value_definition(_LAST_90_DAYS),
        "recovered_campaigns_month": Definition(
            "Campaigns that ended as RECOVERED.", _THIS_MONTH, "campaigns"
        ),
        "recovered_campaigns_90_days": Definition(
            "Campaigns that ended as RECOVERED.", _LAST_90_DAYS, "campaigns"
        ),
        "recovered_by_month": Definition(
            "Campaigns that ended as RECOVERED, by the clinic's calendar month.",
            f"the last {SERIES_MONTHS} months",
            "campaigns",
        ),
    }
)

_BY_CONTACT = "campaigns first written in during the month, on the clinic's calendar"
_REPLIES = "replies of patients in campaigns"

ANALYTICS_DEFINITIONS: Mapping[str, Definition] = MappingProxyType(
    {
        "contacted": Definition(
            "Campaigns with at least one message, by the month of the first.",
            _BY_CONTACT,
            "campaigns",
        ),
        "replied": Definition(
            "Those whose patient wrote back, or booked without a word.",
            _BY_CONTACT,
            "campaigns with a reply or a visit",
            "contacted",
        ),
        "booked": Definition(
            "Those in which a visit was booked, whatever became of it.",
            _BY_CONTACT,
            "campaigns that reached a booked status or RECOVERED",
            "contacted",
        ),
        "completed": Definition(
            "Those that ended with a completed visit.",
            _BY_CONTACT,
            "campaigns that ended as RECOVERED",
            "contacted",
        ),
        "answered_replies": Definition(
            "How long replies waited for the first message that answered them and left: median and "
            "90th percentile (nearest rank), apart for answers by the agent and by a person. That "
            "somebody will get in touch is no answer.",
            _LAST_90_DAYS,
            f"{_REPLIES} that were answered since",
        ),
        "unanswered_replies": Definition(
            "Replies after which nothing was sent in their campaign.",
            _LAST_90_DAYS,
            f"{_REPLIES} without an answer",
            _REPLIES,
        ),
        "handoff_age": Definition(
            "How long those wait that wait for a person: the longest and the median.",
            _NOW,
            "open attentions",
        ),
        "agent_accuracy_percent": Definition(
            "The share of messages the agent read whose intent staff did not correct. Machines' "
            "mail counts only where one of the two took it for a patient's. Nobody looks at all of "
            "them: it is the most the agent can have had right.",
            _LAST_90_DAYS,
            "messages read and not corrected",
            "messages read",
        ),
        "agent_reviewed_accuracy_percent": Definition(
            "The share of those that staff gave their word on in which it was the agent's.",
            _LAST_90_DAYS,
            "messages staff confirmed",
            "messages staff confirmed or corrected",
        ),
    }
)
