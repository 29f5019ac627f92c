"""Sweeps as they cross HTTP."""

from datetime import date
from typing import Self

from pydantic import ConfigDict, Field, StrictBool

from app.models.base import PyObjectId, UtcDatetime
from app.models.campaign import CampaignType
from app.models.records import Sweep, SweepStatus
from app.schemas.base import EXAMPLE_ID, InputSchema, OutputSchema
from app.schemas.paging import Pagination


class SweepRequest(InputSchema):
    """Whether to act, or only to tell what would be done."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"dry_run": False}})

    dry_run: StrictBool = False


class SweepCountsRead(OutputSchema):
    """What a sweep did, or would do."""

    recovery_created: int
    recall_created: int
    messages_queued: int
    recovery_failed: int
    skipped: dict[str, int] = Field(description="How many were passed over, by reason.")


class PlannedContactRead(OutputSchema):
    """Whom a dry run would write to, and why."""

    patient_id: PyObjectId
    campaign_type: CampaignType
    due_since: UtcDatetime
    reason: str


class SweepRead(OutputSchema):
    """One run of the sweep."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "sweep_id": EXAMPLE_ID,
                "status": "completed",
                "dry_run": False,
                "trigger": "staff",
                "counts": {
                    "recovery_created": 3,
                    "recall_created": 9,
                    "messages_queued": 14,
                    "recovery_failed": 1,
                    "skipped": {"visit_booked": 2, "opted_out": 1},
                },
                "planned": [],
                "started_at": "2026-11-23T14:05:00Z",
                "finished_at": "2026-11-23T14:05:01Z",
            }
        },
    )

    sweep_id: str
    status: SweepStatus
    dry_run: bool
    trigger: str
    counts: SweepCountsRead
    planned: list[PlannedContactRead]
    started_at: UtcDatetime
    finished_at: UtcDatetime | None

    @classmethod
    def of(cls, sweep: Sweep) -> Self:
        """From the stored form; `planned` is what a dry run lists."""
        return cls(
            sweep_id=sweep.id,
            status=sweep.status,
            dry_run=sweep.dry_run,
            trigger=sweep.trigger,
            counts=SweepCountsRead.model_validate(sweep.counts),
            planned=[PlannedContactRead.model_validate(contact) for contact in sweep.planned],
            started_at=sweep.started_at,
            finished_at=sweep.finished_at,
        )


class SweepList(OutputSchema):
    """One page of sweeps, newest first."""

    pagination: Pagination
    sweeps: list[SweepRead]


class ForecastDayRead(OutputSchema):
    """The sweep of one local day."""

    day: date
    contacts: int = Field(description="All messages that would be queued.")
    recovery_created: int
    recall_created: int
    follow_ups: int
    ending: int = Field(description="Campaigns out of attempts, that end.")
    waiting: int = Field(description="Who is due and waits for the limit of new ones a day.")
    by_rule: dict[str, int] = Field(description="The messages by the rule they follow from.")


class ForecastRead(OutputSchema):
    """Today and the six days after it."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "outreach_enabled": True,
                "days": [
                    {
                        "day": "2026-11-23",
                        "contacts": 14,
                        "recovery_created": 3,
                        "recall_created": 9,
                        "follow_ups": 2,
                        "ending": 1,
                        "waiting": 0,
                        "by_rule": {
                            "never contacted": 3,
                            "follow-up date reached": 9,
                            "attempt 2 of 4": 2,
                        },
                    }
                ],
            }
        },
    )

    outreach_enabled: bool
    days: list[ForecastDayRead]
