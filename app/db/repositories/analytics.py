"""Figures and the rows behind them: each pair is asked with one and the same condition.

Every question begins with a range of an index. What is asked beside it stands in a stage of its
own, because the embedded server reads a whole collection for some conditions.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from app.core.clock import Clock
from app.db.database import Collection, Database
from app.db.repositories.base import portions
from app.models.appointment import AppointmentStatus, CreatedFrom
from app.models.base import PyObjectId
from app.models.campaign import CampaignStatus, CampaignType
from app.models.decision import Intent
from app.models.interaction import DeliveryStatus, Direction, MessageClass

ANSWERS_BY_AGENT = frozenset(
    {MessageClass.AGENT_ANSWER, MessageClass.EMERGENCY_TEXT, MessageClass.OPT_OUT_RECEIPT}
)
"""What answers a patient without a person. That somebody will get in touch is no answer yet."""
_ANSWERS = ANSWERS_BY_AGENT | {MessageClass.STAFF}
NOT_BY_A_PATIENT = (Intent.AUTO_REPLY, Intent.BOUNCE)


class Stage(StrEnum):
    """How far a campaign came; each stage includes those after it."""

    CONTACTED = "contacted"
    REPLIED = "replied"
    BOOKED = "booked"
    COMPLETED = "completed"


class VisitFigure(StrEnum):
    """Which visits are counted, by which of their instants."""

    BOOKED = "appointments_booked"
    COMPLETED = "visits_completed"


class Row(NamedTuple):
    """One thing that is counted."""

    id: PyObjectId
    at: datetime
    campaign_id: PyObjectId | None = None


class CompletedVisit(NamedTuple):
    """A visit that was completed."""

    id: PyObjectId
    at: datetime
    campaign_id: PyObjectId
    service_id: str


class Reply(NamedTuple):
    """A message somebody wrote, in a campaign or not, and what was read in it."""

    id: PyObjectId
    at: datetime
    campaign_id: PyObjectId | None
    intent: Intent | None
    corrected_to: Intent | None

    @property
    def is_corrected(self) -> bool:
        """Whether staff said that the patient wanted something else."""
        return self.corrected_to not in {None, self.intent}

    @property
    def is_by_a_patient(self) -> bool:
        """Whether a person wrote it, and no machine: staff's word counts before the agent's."""
        return (self.corrected_to or self.intent) not in NOT_BY_A_PATIENT

    @property
    def shows_how_right_the_agent_is(self) -> bool:
        """Whether the agent read it, and the agent or staff say that a person wrote it: that a
        patient's words were taken for a machine's is the worst it can get wrong.
        """
        was_read = self.intent is not None
        return was_read and (self.is_by_a_patient or self.intent not in NOT_BY_A_PATIENT)


class Answer(NamedTuple):
    """A message that reached a patient in a campaign."""

    campaign_id: PyObjectId
    at: datetime
    by_agent: bool


_BOOKED_STATUSES = [
    CampaignStatus.BOOKING_INITIATED.value,
    CampaignStatus.BOOKING_COMPLETED.value,
    CampaignStatus.RECOVERED.value,
]
_HAS_BOOKED = {"history.to": {"$in": _BOOKED_STATUSES}}
_IN_STAGE: Mapping[Stage, dict[str, Any]] = {
    Stage.CONTACTED: {},
    Stage.REPLIED: {"$or": [{"last_reply_at": {"$exists": True}}, _HAS_BOOKED]},
    Stage.BOOKED: _HAS_BOOKED,
    Stage.COMPLETED: {"status": CampaignStatus.RECOVERED},
}
_STEPS = {"$map": {"input": {"$ifNull": ["$history", []]}, "as": "step", "in": "$$step.to"}}
_BOOKED_STEPS = {"$setIntersection": [_STEPS, _BOOKED_STATUSES]}
_HAS_BOOKED_STEP = {"$gt": [{"$size": _BOOKED_STEPS}, 0]}
_IS_IN: Mapping[Stage, Any] = {
    Stage.CONTACTED: True,
    Stage.REPLIED: {"$or": [{"$gt": ["$last_reply_at", None]}, _HAS_BOOKED_STEP]},
    Stage.BOOKED: _HAS_BOOKED_STEP,
    Stage.COMPLETED: {"$eq": ["$status", CampaignStatus.RECOVERED.value]},
}
"""The same as expressions: all stages are counted in one pass."""
_CONTACTED_AT = "follow_up_details.first_attempt_at"
_WRITTEN = {
    "status": {"$ne": AppointmentStatus.CANCELLED},
    "created_from": {"$ne": CreatedFrom.IMPORT},
}
_VISITS: Mapping[VisitFigure, tuple[str, dict[str, Any]]] = {
    VisitFigure.BOOKED: ("created_at", _WRITTEN),
    VisitFigure.COMPLETED: ("completed_at", {}),
}
Stages = list[dict[str, Any]]


def _contacted(since: datetime, before: datetime, also: Mapping[str, Any]) -> Stages:
    reached = {"follow_up_details.attempts_made": {"$gt": 0}, **also}
    return [{"$match": {_CONTACTED_AT: {"$gte": since, "$lt": before}}}, {"$match": reached}]


def _visits(figure: VisitFigure, since: datetime, before: datetime) -> Stages:
    instant, condition = _VISITS[figure]
    return [{"$match": {instant: {"$gte": since, "$lt": before}}}, {"$match": condition}]


def _month_of(field: str, zone: str) -> dict[str, Any]:
    """The start of the month on the clinic's calendar, by its own clock changes."""
    return {"$dateTrunc": {"date": f"${field}", "unit": "month", "timezone": zone}}


class AnalyticsRepository:
    """Counts by month, and the rows behind them. Reads several collections, writes none."""

    def __init__(self, database: Database, _clock: Clock) -> None:
        self._campaigns = database.collection("campaigns")
        self._appointments = database.collection("appointments")
        self._interactions = database.collection("interactions")

    async def count_stages(
        self, since: datetime, before: datetime, zone: str
    ) -> dict[tuple[datetime, CampaignType], dict[Stage, int]]:
        """Campaigns first written in during [since, before), by the instant the month of that began
        and by type: how many came how far. One pass.
        """
        by = {"month": _month_of(_CONTACTED_AT, zone), "type": "$campaign_type"}
        counts = {
            stage.value: {"$sum": {"$cond": [is_there, 1, 0]}} for stage, is_there in _IS_IN.items()
        }
        stages = [*_contacted(since, before, {}), {"$group": {"_id": by, **counts}}]
        rows = await self._campaigns.aggregate(stages).to_list(None)
        return {
            (row["_id"]["month"], CampaignType(row["_id"]["type"])): {
                stage: row[stage.value] for stage in Stage
            }
            for row in rows
        }

    async def stage_rows(
        self, stage: Stage, types: list[CampaignType], since: datetime, before: datetime
    ) -> list[Row]:
        """The campaigns that `count_stages` counts, by when they were first written in."""
        shown = {"at": f"${_CONTACTED_AT}", "campaign_id": "$_id"}
        also = {"campaign_type": {"$in": types}, **_IN_STAGE[stage]}
        return await _rows(self._campaigns, _contacted(since, before, also), shown)

    async def recovered(self, since: datetime, before: datetime) -> dict[PyObjectId, datetime]:
        """When each campaign ended that ended as RECOVERED in [since, before), oldest first."""
        query = {
            "campaign_type": {"$in": list(CampaignType)},
            "ended_at": {"$gte": since, "$lt": before},
            "status": CampaignStatus.RECOVERED,
        }
        found = self._campaigns.find(query, {"ended_at": 1}, sort=[("ended_at", 1)])
        return {row["_id"]: row["ended_at"] for row in await found.to_list(None)}

    async def completed_visits(self, campaign_ids: Sequence[PyObjectId]) -> list[CompletedVisit]:
        """The completed visits linked to any of these campaigns."""
        shown = dict.fromkeys(("campaign_id", "service_id", "completed_at", "appointment_date"), 1)
        visits: list[CompletedVisit] = []
        for ids in portions(campaign_ids):
            query = {"campaign_id": {"$in": ids}, "status": AppointmentStatus.COMPLETED}
            rows = await self._appointments.find(query, shown).to_list(None)
            visits += [_completed(row) for row in rows]
        return visits

    async def count_visits(
        self, figure: VisitFigure, since: datetime, before: datetime, zone: str
    ) -> dict[datetime, int]:
        """Visits by the instant at which their month began."""
        by = _month_of(_VISITS[figure][0], zone)
        rows = await _grouped(self._appointments, _visits(figure, since, before), by)
        return {row["_id"]: row["n"] for row in rows}

    async def visit_rows(self, figure: VisitFigure, since: datetime, before: datetime) -> list[Row]:
        """The visits that `count_visits` counts, oldest first."""
        shown = {"at": f"${_VISITS[figure][0]}", "campaign_id": 1}
        return await _rows(self._appointments, _visits(figure, since, before), shown)

    async def replies(self, since: datetime, before: datetime) -> list[Reply]:
        """What came in during [since, before), oldest first, machines' mail among it."""
        shown = {"timestamp": 1, "campaign_id": 1, "ai_analysis.intent": 1, "correction.intent": 1}
        found = self._interactions.find(
            _said(Direction.INCOMING, since, before), shown, sort=[("timestamp", 1), ("_id", 1)]
        )
        return [_reply(row) for row in await found.to_list(None)]

    async def answers(self, since: datetime, before: datetime) -> list[Answer]:
        """What reached patients in campaigns, of what was written in [since, before): by the agent,
        by a person, or noted by a person as said elsewhere.
        """
        shown = dict.fromkeys(
            ("timestamp", "campaign_id", "delivery.message_class", "delivery.sent_at"), 1
        )
        shown["delivery.status"] = 1
        found = self._interactions.find(_said(Direction.OUTGOING, since, before), shown)
        return [_answer(row) for row in await found.to_list(None) if _is_answer(row)]


def _said(direction: Direction, since: datetime, before: datetime) -> dict[str, Any]:
    """What one side said, from one index; the rest is sifted here, which costs the server less."""
    return {"direction": direction, "timestamp": {"$gte": since, "$lt": before}}


def _is_answer(row: Mapping[str, Any]) -> bool:
    delivery = row.get("delivery")
    if "campaign_id" not in row:
        return False
    if not delivery:
        return True
    return delivery["status"] == DeliveryStatus.SENT and delivery["message_class"] in _ANSWERS


def _completed(row: Mapping[str, Any]) -> CompletedVisit:
    at = row.get("completed_at") or row["appointment_date"]
    return CompletedVisit(row["_id"], at, row["campaign_id"], row["service_id"])


async def _grouped(
    collection: Collection, found: Stages, by: Mapping[str, Any]
) -> list[dict[str, Any]]:
    group = {"$group": {"_id": by, "n": {"$sum": 1}}}
    return await collection.aggregate([*found, group]).to_list(None)


async def _rows(collection: Collection, found: Stages, shown: Mapping[str, Any]) -> list[Row]:
    stages = [*found, {"$project": dict(shown)}, {"$sort": {"at": 1, "_id": 1}}]
    rows = await collection.aggregate(stages).to_list(None)
    return [Row(row["_id"], row["at"], row.get("campaign_id")) for row in rows]


def _reply(row: Mapping[str, Any]) -> Reply:
    said, corrected = (row.get(name, {}).get("intent") for name in ("ai_analysis", "correction"))
    return Reply(
        id=row["_id"],
        at=row["timestamp"],
        campaign_id=row.get("campaign_id"),
        intent=Intent(said) if said else None,
        corrected_to=Intent(corrected) if corrected else None,
    )


def _answer(row: Mapping[str, Any]) -> Answer:
    delivery = row.get("delivery", {})
    return Answer(
        campaign_id=row["campaign_id"],
        at=delivery.get("sent_at") or row["timestamp"],
        by_agent=delivery.get("message_class") in ANSWERS_BY_AGENT,
    )
