"""Campaigns. Every status change is one conditional update on the status it leaves."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.db.repositories.base import DocumentRepository, Page, Unreadable
from app.models.base import PyObjectId
from app.models.campaign import (
    ACTIVE_STATUSES,
    FOLLOWED_UP_STATUSES,
    Attention,
    BookingFunnelStatus,
    Campaign,
    CampaignOrigin,
    CampaignStatus,
    CampaignType,
    StatusChange,
)
from app.models.decision import Urgency
from app.models.merge import PatientMerge
from app.models.patient import Channel

_NOTHING_WAITS: tuple[dict[str, Any], ...] = (
    {"attention": {"$exists": False}},
    {"attention.resolved_at": {"$exists": True}},
)

RACE_ATTEMPTS = 5
EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Before anything: a comparison with it keeps documents without the field out of an index scan."""


@dataclass(frozen=True)
class CampaignFilter:
    """What a list of campaigns may be narrowed by."""

    statuses: Sequence[CampaignStatus] = ()
    campaign_type: CampaignType | None = None
    patient_ids: Sequence[PyObjectId] | None = None

    def to_query(self) -> dict[str, Any]:
        """As the database is asked."""
        query: dict[str, Any] = {}
        if self.statuses:
            query["status"] = {"$in": list(self.statuses)}
        if self.campaign_type:
            query["campaign_type"] = self.campaign_type
        if self.patient_ids is not None:
            query["patient_id"] = {"$in": list(self.patient_ids)}
        return query


class CampaignRepository(DocumentRepository[Campaign]):
    """Queries over `campaigns`."""

    collection_name = "campaigns"
    model = Campaign

    async def active_for(self, patient_id: PyObjectId) -> Campaign | None:
        """The one active campaign of a patient, if any."""
        return await self._find_one(
            {"patient_id": patient_id, "status": {"$in": sorted(ACTIVE_STATUSES)}}
        )

    async def active_among(self, patient_ids: Iterable[PyObjectId]) -> dict[PyObjectId, Campaign]:
        """The one active campaign of each of these patients who has one."""
        active = {"status": {"$in": sorted(ACTIVE_STATUSES)}}
        found = await self._find_among("patient_id", patient_ids, active)
        return {campaign.patient_id: campaign for campaign in found}

    async def latest_for(self, patient_id: PyObjectId) -> Campaign | None:
        """The patient's most recent campaign in any status."""
        return await self._find_one({"patient_id": patient_id}, sort=[("created_at", -1)])

    async def all_for(self, patient_ids: Iterable[PyObjectId]) -> list[Campaign]:
        """Every campaign of these patients, newest first (a few queries for a whole batch)."""
        found = await self._find_among("patient_id", patient_ids)
        return sorted(found, key=lambda campaign: campaign.created_at, reverse=True)

    async def with_thread(self, thread_id: str) -> Campaign | None:
        """The newest campaign whose conversation runs in this thread."""
        return await self._find_one({"channel.thread_id": thread_id}, sort=[("created_at", -1)])

    async def page(
        self, wanted: CampaignFilter, *, newest_first: bool, page: int, limit: int
    ) -> Page[Campaign]:
        """One page by the last change; ties by id, the same way round as the index has them."""
        way = -1 if newest_first else 1
        order = [("updated_at", way), ("_id", way)]
        return await self._page(wanted.to_query(), sort=order, page=page, limit=limit)

    async def change_status(
        self, campaign: Campaign, change: StatusChange, fields: Mapping[str, Any], unset: list[str]
    ) -> bool:
        """Move on from the status `campaign` was read in; `False` where another write was first.

        Raises `DuplicateValueError` where the patient got another active campaign meanwhile.
        """
        update: dict[str, Any] = {
            "$set": {"status": change.to_status, **fields},
            "$push": {"history": change.to_stored()},
        }
        if unset:
            update["$unset"] = dict.fromkeys(unset, "")
        return await self._update({"_id": campaign.id, "status": campaign.status}, update)

    async def count_attempt(
        self, campaign: Campaign, *, attempts_made: int, fields: Mapping[str, Any]
    ) -> bool:
        """Record one more attempt, unless another worker counted it or the status moved on."""
        guard = {
            "_id": campaign.id,
            "status": campaign.status,
            "follow_up_details.attempts_made": attempts_made - 1,
        }
        values = {f"follow_up_details.{name}": value for name, value in fields.items()}
        update = {"$set": {"follow_up_details.attempts_made": attempts_made, **values}}
        return await self._update(guard, update)

    async def hand_to(
        self, campaign_id: PyObjectId, merge: PatientMerge, due_date: datetime | None
    ) -> bool:
        """Give a campaign of the record that goes to the one that stays.

        Raises `DuplicateValueError` where that one has an active campaign, or this recall.
        """
        fields: dict[str, Any] = {"patient_id": merge.survivor_id}
        if due_date is not None:
            fields["due_date"] = due_date
        return await self._update({"_id": campaign_id, "patient_id": merge.id}, {"$set": fields})

    async def give_back_attempt(
        self, campaign_id: PyObjectId, *, attempt: int, next_attempt_at: datetime
    ) -> bool:
        """Undo `count_attempt` for a message the send gate dropped; a second call changes nothing.

        The next try is planned where the machine may still write first. What is planned for
        somebody who replied meanwhile stands: the days after their link are theirs.
        """
        guard = {"_id": campaign_id, "follow_up_details.attempts_made": attempt}
        fields: dict[str, Any] = {"follow_up_details.attempts_made": attempt - 1}
        unplanned = {
            "status": CampaignStatus.RE_ENGAGED,
            "follow_up_details.next_attempt_at": {"$exists": False},
        }
        planned = {**fields, "follow_up_details.next_attempt_at": next_attempt_at}
        for followed in ({"status": CampaignStatus.ATTEMPTING_RECOVERY}, unplanned):
            if await self._update({**guard, **followed}, {"$set": planned}):
                return True
        return await self._update(guard, {"$set": fields})

    async def note_link_sent(
        self, campaign_id: PyObjectId, link_url: str, next_attempt_at: datetime
    ) -> bool:
        """The patient has the booking link; followed up then, while the agent still leads."""
        guard = {
            "_id": campaign_id,
            "status": CampaignStatus.RE_ENGAGED,
            "agent_silent_since": {"$exists": False},
        }
        fields = {
            "booking_funnel.status": BookingFunnelStatus.FORM_SENT,
            "booking_funnel.link_url": link_url,
            "follow_up_details.next_attempt_at": next_attempt_at,
        }
        return await self._update(guard, {"$set": fields})

    async def postpone(self, campaign_id: PyObjectId, until: datetime) -> bool:
        """Let a planned attempt wait for somebody who is away; never bring one forward."""
        guard = {
            "_id": campaign_id,
            "status": {"$in": sorted(FOLLOWED_UP_STATUSES)},
            "follow_up_details.next_attempt_at": {"$lt": until},
        }
        return await self._update(guard, {"$set": {"follow_up_details.next_attempt_at": until}})

    def stream_due(self, now: datetime) -> AsyncIterator[Campaign | Unreadable]:
        """Campaigns the machine may write in whose next attempt has come, longest due first."""
        query = {
            "status": {"$in": sorted(FOLLOWED_UP_STATUSES)},
            "follow_up_details.next_attempt_at": {"$lte": now},
        }
        return self._stream_each(query, sort=[("follow_up_details.next_attempt_at", 1)])

    async def plan_next_attempt(
        self, campaign_id: PyObjectId, statuses: Iterable[CampaignStatus], at: datetime
    ) -> bool:
        """Set when the machine may write next, while the campaign is in one of `statuses`."""
        guard = {"_id": campaign_id, "status": {"$in": sorted(statuses)}}
        return await self._update(guard, {"$set": {"follow_up_details.next_attempt_at": at}})

    async def space_out(
        self, campaign_id: PyObjectId, *, attempt: int, left_at: datetime, not_before: datetime
    ) -> bool:
        """Put off what comes after the `attempt`th message, which left late; the days of the
        attempts count from when the first one left.
        """
        guard = {
            "_id": campaign_id,
            "status": {"$in": sorted(FOLLOWED_UP_STATUSES)},
            "follow_up_details.attempts_made": attempt,
            "follow_up_details.next_attempt_at": {"$lt": not_before},
        }
        fields = {"follow_up_details.next_attempt_at": not_before}
        if attempt == 1:
            fields["follow_up_details.first_attempt_at"] = left_at
        return await self._update(guard, {"$set": fields})

    async def set_thread(
        self, campaign_id: PyObjectId, thread_id: str, channel: Channel = Channel.EMAIL
    ) -> bool:
        """Note where the conversation runs, once: the first thread stands, with its channel."""
        guard = {"_id": campaign_id, "channel.thread_id": {"$exists": False}}
        fields = {"channel.thread_id": thread_id, "channel.type": channel}
        return await self._update(guard, {"$set": fields})

    async def quota_keys_between(self, low: str, high: str) -> set[str]:
        """The quota slots in [low, high] that are taken."""
        query = {"quota_key": {"$gte": low, "$lte": high}}
        taken = await self._collection.find(query, {"quota_key": 1, "_id": 0}).to_list(None)
        return {row["quota_key"] for row in taken}

    async def staff_started_and_unwritten(self, now: datetime, limit: int) -> list[Campaign]:
        """Campaigns by staff whose first message a crash kept from being queued."""
        query = {
            "status": CampaignStatus.ATTEMPTING_RECOVERY,
            "follow_up_details.next_attempt_at": {"$lte": now},
            "origin": CampaignOrigin.STAFF,
            "follow_up_details.attempts_made": 0,
        }
        return await self._find(query, limit=limit)

    async def set_attention(self, known: Campaign | PyObjectId, attention: Attention) -> bool:
        """Ask for a person, replacing an attention that was resolved or is less urgent; whether
        this is a new task.

        An open attention that is as urgent keeps its age and its claim: only its summary is
        brought up to date, so that nobody loses a task they claimed. A more urgent one stays
        whole: an emergency is not talked over by what the patient writes next. A campaign that was
        read a moment ago spares a query where nothing has changed since.
        """
        campaign = known if isinstance(known, Campaign) else None
        campaign_id = known.id if isinstance(known, Campaign) else known
        if campaign is not None and _outranks(campaign, attention):
            campaign = None  # it may have been resolved since
        for _ in range(RACE_ATTEMPTS):
            campaign = campaign or await self.get(campaign_id)
            if campaign is None or _outranks(campaign, attention):
                return False
            guard, fields = _asking(campaign, attention)
            if await self._update({"_id": campaign_id, **guard}, {"$set": fields}):
                return "attention" in fields
            campaign = None
        return False

    async def open_attention(self, campaign_id: PyObjectId, attention: Attention) -> bool:
        """Ask for a person where nobody is asked for yet; `False` where something waits already."""
        fresh = {"attention": attention.to_stored()}
        return await self._update_where_any(campaign_id, _NOTHING_WAITS, {"$set": fresh})

    async def _update_where_any(
        self,
        campaign_id: PyObjectId,
        conditions: Iterable[Mapping[str, Any]],
        update: Mapping[str, Any],
    ) -> bool:
        """Update where one of these holds, each tried in a write of its own.

        For an `$or` beside an id the embedded server reads the whole collection. Whoever loses to a
        change in between sees `False`, as if that change had come first.
        """
        for condition in conditions:
            if await self._update({"_id": campaign_id, **condition}, update):
                return True
        return False

    async def claim_attention(self, campaign_id: PyObjectId, staff_id: PyObjectId) -> bool:
        """Take an open attention that nobody holds; of two who try, one wins."""
        guard = {
            "_id": campaign_id,
            "attention": {"$exists": True},
            "attention.resolved_at": {"$exists": False},
            "attention.claimed_by": {"$exists": False},
        }
        now = self._clock.now()
        fields = {"attention.claimed_by": staff_id, "attention.claimed_at": now}
        return await self._update(guard, {"$set": fields})

    async def resolve_attention(
        self, campaign_id: PyObjectId, seen: Attention, *, released: bool = False
    ) -> bool:
        """Close the attention that was read as `seen`; `False` where it is closed, or asks for
        something else meanwhile: nobody has dealt with that. `released`: to the agent.
        """
        guard = {
            "_id": campaign_id,
            "attention.since": seen.since,
            "attention.summary": seen.summary,
            "attention.resolved_at": {"$exists": False},
        }
        fields: dict[str, Any] = {"attention.resolved_at": self._clock.now()}
        if released:
            fields["attention.was_released"] = True
        return await self._update(guard, {"$set": fields})

    async def attentions_closed(self, since: datetime, after: datetime) -> list[Campaign]:
        """Attentions raised from `since` on that were resolved after an instant."""
        query = {"attention.since": {"$gte": since}, "attention.resolved_at": {"$gt": after}}
        return await self._find(query)

    async def begin_agent_silence(self, campaign_id: PyObjectId) -> bool:
        """A person keeps the thread from now on; an earlier beginning stands."""
        guard = {"_id": campaign_id, "agent_silent_since": {"$exists": False}}
        return await self._update(guard, {"$set": {"agent_silent_since": self._clock.now()}})

    async def end_agent_silence(self, campaign_id: PyObjectId) -> bool:
        """The thread goes back to the agent."""
        return await self.update_fields(campaign_id, {}, unset=["agent_silent_since"])

    async def note_reply(self, campaign_id: PyObjectId, at: datetime) -> bool:
        """The patient's reply came up at `at`; the send gate drops outreach queued before that."""
        return await self._update({"_id": campaign_id}, {"$max": {"last_reply_at": at}})

    async def mark_alerted(self, campaign_id: PyObjectId, *, since: datetime, at: datetime) -> bool:
        """Note that staff were told of the attention raised at `since`, not of a newer one."""
        guard = {"_id": campaign_id, "attention.since": since}
        return await self._update(guard, {"$set": {"attention.alerted_at": at}})

    async def open_attentions(self) -> list[Campaign]:
        """Every campaign that waits for a person: urgent first, then longest waiting."""
        query = {"attention.resolved_at": {"$exists": False}, "attention.since": {"$gt": EVER}}
        waiting = await self._find(query, sort=[("attention.since", 1)])
        return sorted(waiting, key=_not_urgent)

    async def attentions_page(self, *, page: int, limit: int) -> Page[Campaign]:
        """One page of `open_attentions`, in its order (the words of the urgencies sort that way
        round).
        """
        query = {"attention.resolved_at": {"$exists": False}, "attention.since": {"$gt": EVER}}
        order = [("attention.urgency", -1), ("attention.since", 1), ("_id", 1)]
        return await self._page(query, sort=order, page=page, limit=limit)

    async def count_by_type(self, statuses: Sequence[CampaignStatus]) -> dict[CampaignType, int]:
        """How many campaigns of each type stand in one of these statuses."""
        pipeline: list[dict[str, Any]] = [
            {"$match": {"status": {"$in": list(statuses)}}},
            {"$group": {"_id": "$campaign_type", "count": {"$sum": 1}}},
        ]
        rows = await self._collection.aggregate(pipeline).to_list(None)
        return {CampaignType(row["_id"]): int(row["count"]) for row in rows}

    async def count_ended(
        self, campaign_type: CampaignType, since: datetime, before: datetime
    ) -> dict[CampaignStatus, int]:
        """How many campaigns of a type ended in [since, before), by the status they ended in."""
        match = {"campaign_type": campaign_type, "ended_at": {"$gte": since, "$lt": before}}
        pipeline = [{"$match": match}, {"$group": {"_id": "$status", "count": {"$sum": 1}}}]
        rows = await self._collection.aggregate(pipeline).to_list(None)
        return {CampaignStatus(row["_id"]): int(row["count"]) for row in rows}

    async def of_type_in(
        self, campaign_type: CampaignType, statuses: Sequence[CampaignStatus]
    ) -> list[Campaign]:
        """What `count_by_type` counts of a type, oldest first."""
        query = {"status": {"$in": list(statuses)}, "campaign_type": campaign_type}
        return await self._find(query, sort=[("created_at", 1), ("_id", 1)])

    async def ended_between(
        self,
        campaign_type: CampaignType,
        statuses: Sequence[CampaignStatus],
        since: datetime,
        before: datetime,
    ) -> list[Campaign]:
        """What `count_ended` counts, oldest first."""
        query = {
            "campaign_type": campaign_type,
            "ended_at": {"$gte": since, "$lt": before},
            "status": {"$in": list(statuses)},
        }
        return await self._find(query, sort=[("ended_at", 1), ("_id", 1)])


def _outranks(campaign: Campaign, attention: Attention) -> bool:
    """Whether something more urgent waits there already."""
    waiting = campaign.attention if campaign.needs_person else None
    is_urgent = waiting is not None and waiting.urgency == Urgency.URGENT
    return is_urgent and attention.urgency != Urgency.URGENT


def _asking(campaign: Campaign, attention: Attention) -> tuple[dict[str, Any], dict[str, Any]]:
    """What must still hold of the campaign as it was read, and what is written where it does."""
    fresh, waiting = {"attention": attention.to_stored()}, campaign.attention
    if waiting is None:
        return {"attention": {"$exists": False}}, fresh
    if not campaign.needs_person:
        return {"attention.resolved_at": {"$exists": True}}, fresh
    as_found = {
        "attention.urgency": waiting.urgency,
        "attention.resolved_at": {"$exists": False},
    }
    if waiting.urgency != attention.urgency:
        return as_found, fresh
    refreshed = {
        "attention.summary": attention.summary,
        "attention.reason": attention.reason,
        "attention.briefing": attention.briefing and attention.briefing.to_stored(),
    }
    return as_found, refreshed


def _not_urgent(campaign: Campaign) -> bool:
    return campaign.attention is None or campaign.attention.urgency != Urgency.URGENT
