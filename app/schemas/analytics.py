"""Figures over time as they cross HTTP, and the rows behind any figure."""

from pydantic import ConfigDict, Field

from app.models.answering import AnsweredBy
from app.models.base import PyObjectId, UtcDatetime
from app.models.campaign import CampaignType
from app.schemas.base import EXAMPLE_ID, EXAMPLE_OTHER_ID, OutputSchema
from app.schemas.dashboard import DefinitionRead
from app.schemas.paging import Pagination


class FunnelPointRead(OutputSchema):
    """Campaigns of one type that were begun in one month."""

    month: str
    campaign_type: CampaignType
    contacted: int
    replied: int
    booked: int
    completed: int


class MonthFiguresRead(OutputSchema):
    """One month."""

    month: str
    appointments_booked_month: int
    visits_completed_month: int
    recovered_campaigns_month: int
    recovered_value_month: float


class ResponseTimeRead(OutputSchema):
    """How long replies waited that were answered so."""

    by: AnsweredBy
    replies: int
    median_seconds: int | None
    p90_seconds: int | None


class HandoffAgeRead(OutputSchema):
    """How long the open attentions wait."""

    open: int
    urgent: int
    unclaimed: int
    oldest_hours: float | None
    median_hours: float | None


class AgentAccuracyRead(OutputSchema):
    """What staff's corrections say of the agent."""

    read: int
    corrected: int
    reviewed: int
    agent_accuracy_percent: float | None
    agent_reviewed_accuracy_percent: float | None


class AnalyticsRead(OutputSchema):
    """Figures over time; what each means stands in `definitions`."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "funnel": [
                    {
                        "month": "2026-11",
                        "campaign_type": "RECALL",
                        "contacted": 40,
                        "replied": 17,
                        "booked": 12,
                        "completed": 8,
                    }
                ],
                "series": [
                    {
                        "month": "2026-11",
                        "appointments_booked_month": 31,
                        "visits_completed_month": 24,
                        "recovered_campaigns_month": 8,
                        "recovered_value_month": 1240.0,
                    }
                ],
                "response_times": [
                    {"by": "agent", "replies": 52, "median_seconds": 41, "p90_seconds": 95},
                    {"by": "person", "replies": 9, "median_seconds": 5400, "p90_seconds": 61200},
                ],
                "unanswered_replies": 2,
                "handoff_age": {
                    "open": 3,
                    "urgent": 1,
                    "unclaimed": 2,
                    "oldest_hours": 20.5,
                    "median_hours": 4.0,
                },
                "agent": {
                    "read": 61,
                    "corrected": 3,
                    "reviewed": 8,
                    "agent_accuracy_percent": 95.1,
                    "agent_reviewed_accuracy_percent": 62.5,
                },
                "currency": "USD",
                "definitions": {
                    "contacted": {
                        "text": "Campaigns with at least one message, by the month of the first.",
                        "window": "the month",
                        "numerator": "campaigns",
                        "denominator": None,
                    }
                },
            }
        },
    )

    funnel: list[FunnelPointRead]
    series: list[MonthFiguresRead]
    response_times: list[ResponseTimeRead]
    unanswered_replies: int
    handoff_age: HandoffAgeRead
    agent: AgentAccuracyRead
    currency: str
    definitions: dict[str, DefinitionRead]


class FigureRowRead(OutputSchema):
    """One thing behind a figure: by its id a campaign, a visit or a message."""

    id: PyObjectId
    at: UtcDatetime
    campaign_id: PyObjectId | None
    counts: bool = Field(description="Of a share: one of those that are counted, or of the rest.")
    value: float | None = Field(description="Of a value: what it adds.")
    seconds: int | None = Field(description="Of a reply: how long it waited.")
    by: AnsweredBy | None = Field(description="Of a reply: who answered first.")


class FigureRowList(OutputSchema):
    """One page of what a figure counts, oldest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "pagination": {"total_items": 1, "total_pages": 1, "current_page": 1},
                "rows": [
                    {
                        "id": EXAMPLE_ID,
                        "at": "2026-11-20T14:05:00Z",
                        "campaign_id": EXAMPLE_OTHER_ID,
                        "counts": True,
                        "value": 120.0,
                        "seconds": None,
                        "by": None,
                    }
                ],
            }
        }
    )

    pagination: Pagination
    rows: list[FigureRowRead]
