"""Interactions: what was said, and the outbox.

An outgoing message is claimed by finding candidates and then one guarded `update_one` on its term
(the embedded server scans for `find_one_and_update`). Every later write under the claim repeats
the term, so a worker whose lease was taken over changes nothing.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any

from app.db.errors import DuplicateValueError
from app.db.indexes import INTERACTION_DAY_SLOT, INTERACTION_DEDUPE_KEY, INTERACTION_PROVIDER_ID
from app.db.repositories.base import DocumentRepository, Page, portions
from app.db.repositories.delivery_filter import DeliveryFilter, further_back
from app.models.base import PyObjectId
from app.models.decision import AiAnalysis
from app.models.interaction import (
    Decision,
    DeliveryStatus,
    Direction,
    IntentCorrection,
    Interaction,
    MessageClass,
    Settlement,
)
from app.models.patient import Channel

OLDEST_FIRST = [("timestamp", 1), ("_id", 1)]


class InteractionRepository(DocumentRepository[Interaction]):
    """Queries over `interactions`."""

    collection_name = "interactions"
    model = Interaction

    async def record_incoming(self, interaction: Interaction) -> Interaction:
        """Store an incoming message once; a second delivery answers the one that is stored."""
        return await self._record_once(interaction)

    async def record_written_elsewhere(self, interaction: Interaction) -> Interaction:
        """Store once what somebody of the practice wrote by other means than ours."""
        return await self._record_once(interaction)

    async def with_provider_id(self, provider_id: str) -> Interaction | None:
        """The message that is stored under its provider's id."""
        return await self._find_one({"provider_id": provider_id})

    async def in_thread(self, thread_id: str) -> list[Interaction]:
        """What was said in a thread of the mail provider, by either side, oldest first."""
        return await self._find({"thread_id": thread_id}, sort=OLDEST_FIRST)

    async def has_other_in_thread(self, thread_id: str, patient_id: PyObjectId) -> bool:
        """Whether anything in a thread was said by or to anybody known but this patient."""
        others = {"thread_id": thread_id, "patient_id": {"$exists": True, "$ne": patient_id}}
        return await self._collection.find_one(others, {"_id": 1}) is not None

    async def _record_once(self, interaction: Interaction) -> Interaction:
        try:
            return await self.insert(interaction)
        except DuplicateValueError as error:
            if error.index != INTERACTION_PROVIDER_ID:
                raise
        stored = await self._find_one({"provider_id": interaction.provider_id})
        return stored or interaction

    async def enqueue(self, interaction: Interaction) -> tuple[Interaction, bool]:
        """Put a message into the outbox once per dedupe key; the stored one, and whether new."""
        try:
            return await self.insert(interaction), True
        except DuplicateValueError as error:
            if error.index != INTERACTION_DEDUPE_KEY:
                raise
        stored = await self._find_one({"dedupe_key": interaction.dedupe_key})
        return stored or interaction, False

    async def with_dedupe_key(self, dedupe_key: str) -> Interaction | None:
        """The outgoing message of this key."""
        return await self._find_one({"dedupe_key": dedupe_key})

    async def last_sent_in_thread(self, thread_id: str) -> Interaction | None:
        """The newest message to a patient that left in this thread of the mail provider."""
        query = {"thread_id": thread_id, "direction": Direction.OUTGOING}
        return await self._find_one(query, sort=[("timestamp", -1), ("_id", -1)])

    async def sent_as(self, message_ids: Iterable[str]) -> Interaction | None:
        """The newest message to a patient that left under one of these Message-IDs."""
        query = {"delivery.provider_message_id": {"$in": list(message_ids)}}
        return await self._find_one(query, sort=[("timestamp", -1), ("_id", -1)])

    async def conversation(self, campaign_id: PyObjectId) -> list[Interaction]:
        """Everything said in a campaign, oldest first."""
        return await self._find({"campaign_id": campaign_id}, sort=OLDEST_FIRST)

    async def count_turns(self, campaign_id: PyObjectId) -> tuple[int, int]:
        """How often the patient wrote in a campaign, and how often the agent answered."""
        told = {"direction": 1, "delivery.message_class": 1, "_id": 0}
        said = await self._collection.find({"campaign_id": campaign_id}, told).to_list(None)
        classes = [one.get("delivery", {}).get("message_class") for one in said]
        replies = sum(one["direction"] == Direction.INCOMING for one in said)
        return replies, classes.count(MessageClass.AGENT_ANSWER)

    async def all_of(self, patient_id: PyObjectId) -> list[Interaction]:
        """Every message of a patient, oldest first."""
        return await self._find({"patient_id": patient_id}, sort=OLDEST_FIRST)

    async def unmatched_page(self, *, page: int, limit: int) -> Page[Interaction]:
        """Incoming messages nobody could match to a campaign, newest first."""
        return await self._page(
            {"unmatched": True}, sort=[("timestamp", -1), ("_id", -1)], page=page, limit=limit
        )

    async def settle(
        self,
        interaction_id: PyObjectId,
        settlement: Settlement,
        *,
        patient_id: PyObjectId | None = None,
        campaign_id: PyObjectId | None = None,
    ) -> bool:
        """Take a message off the unmatched list, once: of two who decide about it one wins.

        With a patient it joins their conversation; one that the agent shall read is undecided anew.
        """
        fields: dict[str, Any] = {"settlement": settlement.to_stored(), "unmatched": False}
        joined = {"patient_id": patient_id, "campaign_id": campaign_id}
        fields |= {name: value for name, value in joined.items() if value is not None}
        decided = ("ai_analysis", "decision", "processed_at") if settlement.read_by_agent else ()
        gone = dict.fromkeys(("alert_due_at", *decided), "")
        update: dict[str, Any] = {"$set": fields, "$unset": gone}
        guard = {"_id": interaction_id, "unmatched": True, "direction": Direction.INCOMING}
        return await self._update(guard, update)

    async def deliveries_page(
        self, wanted: DeliveryFilter | None, *, page: int, limit: int
    ) -> Page[Interaction]:
        """Outgoing messages, newest first."""
        chosen, items = wanted or DeliveryFilter(), list[Interaction]()
        span: list[dict[str, Any]] = [
            {"$sort": {"timestamp": -1, "_id": -1}},
            {"$skip": (page - 1) * limit},
            {"$limit": limit},
        ]
        for since in further_back(self._clock.now()):
            rows = self._collection.aggregate([*chosen.to_stages(since), *span])
            items = [self.model.from_stored(row) for row in await rows.to_list(None)]
            if len(items) == limit:
                break
        counts = self._collection.aggregate([*chosen.to_stages(), {"$count": "all"}])
        return Page(items, sum(row["all"] for row in await counts.to_list(None)))

    async def store_decision(
        self, interaction_id: PyObjectId, analysis: AiAnalysis, decision: Decision
    ) -> bool:
        """Keep what the agent decided, once: the first decision stands."""
        return await self._update(
            {"_id": interaction_id, "decision": {"$exists": False}},
            {
                "$set": {
                    "ai_analysis": analysis.model_dump(exclude_none=True),
                    "decision": decision.to_stored(),
                }
            },
        )

    async def correct_intent(
        self, interaction_id: PyObjectId, correction: IntentCorrection
    ) -> bool:
        """Keep what staff say an analysed message wanted; the earlier ones stay in `corrections`.

        `False` where it stands so already, or no agent read the message.
        """
        guard = {
            "_id": interaction_id,
            "ai_analysis": {"$exists": True},
            "correction.intent": {"$ne": correction.intent},
        }
        stored = correction.to_stored()
        update = {"$set": {"correction": stored}, "$push": {"corrections": stored}}
        return await self._update(guard, update)

    def stream_corrected(self, since: datetime) -> AsyncIterator[Interaction]:
        """Messages whose intent staff corrected at or after `since`, in that order."""
        return self._stream({"correction.at": {"$gte": since}}, sort=[("correction.at", 1)])

    async def mark_processed(self, interaction_id: PyObjectId, at: datetime) -> bool:
        """Note that everything a decision asked for has been done."""
        return await self.update_fields(interaction_id, {"processed_at": at})

    async def count_agent_turns(self, campaign_id: PyObjectId, since: datetime) -> int:
        """Automatic answers queued in a campaign at or after `since` and not dropped."""
        return await self._collection.count_documents(
            {
                "campaign_id": campaign_id,
                "timestamp": {"$gte": since},
                "delivery.message_class": MessageClass.AGENT_ANSWER,
                "delivery.status": {"$ne": DeliveryStatus.SUPPRESSED},
            }
        )

    async def mark_last_bounced(self, campaign_id: PyObjectId, before: datetime) -> bool:
        """The newest message sent in a campaign until `before` came back.

        A second call for the same bounce finds that message marked and changes nothing.
        """
        query = {
            "campaign_id": campaign_id,
            "delivery.status": {"$in": [DeliveryStatus.SENT, DeliveryStatus.BOUNCED]},
            "timestamp": {"$lte": before},
        }
        last = await self._find_one(query, sort=[("timestamp", -1), ("_id", -1)])
        if last is None:
            return False
        guard = {"_id": last.id, "delivery.status": DeliveryStatus.SENT}
        return await self._update(guard, {"$set": {"delivery.status": DeliveryStatus.BOUNCED}})

    async def mark_bounced(self, letter_id: PyObjectId, error: str) -> bool:
        """A letter that left came back; `error` says how. What came back for good stays so."""
        guard = {"_id": letter_id, "delivery.status": DeliveryStatus.SENT}
        fields = {"delivery.status": DeliveryStatus.BOUNCED, "delivery.error": error}
        return await self._update(guard, {"$set": fields})

    async def mark_unmatched(self, interaction_id: PyObjectId) -> bool:
        """Put an incoming message before staff, who say whose it is."""
        return await self.update_fields(interaction_id, {"unmatched": True})

    async def owe_alert(self, interaction_id: PyObjectId, since: datetime) -> bool:
        """Staff must be told of a message on the unmatched list, urgently. A repetition keeps the
        first time; nothing is owed of what somebody has settled.
        """
        guard = {"_id": interaction_id, "unmatched": True, "alert_due_at": {"$exists": False}}
        return await self._update(guard, {"$set": {"alert_due_at": since}})

    async def owed_alerts(self, now: datetime, limit: int) -> list[Interaction]:
        """Messages that staff must still be told of, longest waiting first."""
        owed = {"alert_due_at": {"$lte": now}, "unmatched": True}
        return await self._find_readable(owed, sort=[("alert_due_at", 1)], limit=limit)

    async def settle_alert(self, interaction_id: PyObjectId) -> bool:
        """Staff were told."""
        return await self.update_fields(interaction_id, {}, unset=["alert_due_at"])

    async def last_staff_message(self, campaign_id: PyObjectId) -> Interaction | None:
        """The newest message a person sent in a campaign."""
        return await self._find_one(
            {"campaign_id": campaign_id, "delivery.message_class": MessageClass.STAFF},
            sort=[("timestamp", -1)],
        )

    async def has_later_notice(self, message: Interaction) -> bool:
        """Whether a newer letter about the same visit has left. By the index of the patient."""
        newer = {"patient_id": message.patient_id, "timestamp": {"$gt": message.timestamp}}
        about = {"appointment_id": message.appointment_id, "delivery.status": DeliveryStatus.SENT}
        notice = {"delivery.message_class": MessageClass.VISIT_NOTICE}
        return await self._find_one({**newer, **about, **notice}) is not None

    # The outbox

    async def due(self, now: datetime, limit: int) -> list[Interaction]:
        """Messages whose time has come, longest waiting first."""
        query = {"delivery.status": DeliveryStatus.PENDING, "delivery.not_before": {"$lte": now}}
        return await self._find_readable(query, sort=[("delivery.not_before", 1)], limit=limit)

    async def next_due_at(self) -> datetime | None:
        """When the next pending message wants to leave."""
        pending = {"delivery.status": DeliveryStatus.PENDING}
        return await self._first_instant(pending, "delivery.not_before")

    async def abandoned(self, now: datetime, limit: int) -> list[Interaction]:
        """Messages being sent by somebody whose lease ran out."""
        query = {"delivery.status": DeliveryStatus.SENDING, "delivery.lease_until": {"$lt": now}}
        oldest = [("delivery.lease_until", 1)]
        return await self._find_readable(query, sort=oldest, limit=limit)

    async def renew_lease(self, interaction_id: PyObjectId, term: int, until: datetime) -> bool:
        """Go on sending under the same term; `False` where somebody took the message over."""
        guard = {
            "_id": interaction_id,
            "delivery.status": DeliveryStatus.SENDING,
            "delivery.term": term,
        }
        return await self._update(guard, {"$set": {"delivery.lease_until": until}})

    async def is_slot_of_unsent(self, slot: str) -> bool:
        """Whether a slot of the day belongs to a message that has not left yet."""
        unsent = [DeliveryStatus.PENDING, DeliveryStatus.SENDING]
        query = {"delivery.day_slot": slot, "delivery.status": {"$in": unsent}}
        return await self._collection.count_documents(query, limit=1) > 0

    async def claim_for_sending(
        self,
        interaction: Interaction,
        *,
        lease_until: datetime,
        day_slot: str | None,
        channel: Channel | None = None,
    ) -> bool:
        """pending → sending under a new term, on `channel` where that is decided. From here on it
        may have left, until somebody notes that it did not.

        Raises `DuplicateValueError(INTERACTION_DAY_SLOT)` where this address already had its one
        outreach message of the day.
        """
        assert interaction.delivery is not None  # noqa: S101 - the caller read it from the outbox
        fields: dict[str, Any] = {
            "delivery.status": DeliveryStatus.SENDING,
            "delivery.lease_until": lease_until,
        }
        if day_slot:
            fields["delivery.day_slot"] = day_slot
        if channel:
            fields["channel"] = channel
        if interaction.delivery.tried_at is None:
            fields["delivery.tried_at"] = self._clock.now()
        return await self._update(
            {
                "_id": interaction.id,
                "delivery.status": DeliveryStatus.PENDING,
                "delivery.term": interaction.delivery.term,
            },
            {"$set": fields, "$inc": {"delivery.term": 1, "delivery.attempts": 1}},
        )

    async def finish_sending(
        self,
        interaction_id: PyObjectId,
        term: int,
        fields: Mapping[str, Any],
        *,
        unset: Iterable[str] = (),
    ) -> bool:
        """Write the outcome under the term of the claim; `False` where the lease was lost."""
        update: dict[str, Any] = {
            "$set": {f"delivery.{name}": value for name, value in fields.items()},
            "$unset": dict.fromkeys(("delivery.lease_until", *unset), ""),
        }
        guard = {
            "_id": interaction_id,
            "delivery.status": DeliveryStatus.SENDING,
            "delivery.term": term,
        }
        return await self._update(guard, update)

    async def record_sent(
        self,
        interaction: Interaction,
        term: int,
        fields: Mapping[str, Any],
        *,
        subject: str,
        thread_id: str,
    ) -> bool:
        """`finish_sending` for a message that left, with the subject and thread it left under."""
        update: dict[str, Any] = {
            "$set": {
                **{f"delivery.{name}": value for name, value in fields.items()},
                "subject": subject,
                "thread_id": thread_id,
            },
            "$unset": {"delivery.lease_until": "", "delivery.error": ""},
        }
        guard = {
            "_id": interaction.id,
            "delivery.status": DeliveryStatus.SENDING,
            "delivery.term": term,
        }
        return await self._update(guard, update)

    async def take_over(self, interaction: Interaction, lease_until: datetime) -> bool:
        """Continue what an abandoned worker was sending, under a new term; one of two wins."""
        assert interaction.delivery is not None  # noqa: S101 - the caller read it from the outbox
        guard = {
            "_id": interaction.id,
            "delivery.status": DeliveryStatus.SENDING,
            "delivery.term": interaction.delivery.term,
        }
        fields = {"delivery.lease_until": lease_until}
        return await self._update(guard, {"$set": fields, "$inc": {"delivery.term": 1}})

    async def suppress(
        self,
        interaction: Interaction,
        *,
        status: DeliveryStatus,
        term: int,
        reason: str,
        dedupe_key: str | None = None,
    ) -> bool:
        """Drop a message that stands in `status` under `term`.

        A new `dedupe_key` frees the occasion of the old one in the same write.
        """
        fields: dict[str, Any] = {
            "delivery.status": DeliveryStatus.SUPPRESSED,
            "delivery.error": reason,
        }
        if dedupe_key:
            fields["dedupe_key"] = dedupe_key
        guard = {"_id": interaction.id, "delivery.status": status, "delivery.term": term}
        freed = {"delivery.day_slot": "", "delivery.lease_until": ""}
        return await self._update(guard, {"$set": fields, "$unset": freed})

    async def waiting_outreach(
        self, campaign_ids: Iterable[PyObjectId]
    ) -> dict[PyObjectId, Interaction]:
        """The outreach message that has yet to leave, by campaign (for a whole batch)."""
        waits = {
            "delivery.message_class": MessageClass.OUTREACH,
            "delivery.status": {"$in": [DeliveryStatus.PENDING, DeliveryStatus.SENDING]},
        }
        found = await self._find_among("campaign_id", campaign_ids, waits)
        return {message.campaign_id: message for message in found if message.campaign_id}

    async def last_wishes(
        self, patient_ids: Iterable[PyObjectId], ignoring: Iterable[str]
    ) -> dict[PyObjectId, datetime]:
        """When each of these patients last wrote, messages of the `ignoring` intents aside."""
        wish = {"direction": Direction.INCOMING, "ai_analysis.intent": {"$nin": list(ignoring)}}
        newest = {"$group": {"_id": "$patient_id", "at": {"$max": "$timestamp"}}}
        last: dict[PyObjectId, datetime] = {}
        for ids in portions(patient_ids):
            match = {"patient_id": {"$in": ids}, **wish}
            rows = await self._collection.aggregate([{"$match": match}, newest]).to_list(None)
            last |= {row["_id"]: row["at"] for row in rows}
        return last

    async def sent_in_campaign(self, campaign_id: PyObjectId) -> list[Interaction]:
        """What left in a campaign, oldest first."""
        query = {"campaign_id": campaign_id, "delivery.status": DeliveryStatus.SENT}
        return await self._find(query, sort=OLDEST_FIRST)

    async def outreach_to(self, patient_id: PyObjectId, limit: int) -> list[Interaction]:
        """The newest letters that were written first to a patient, whatever became of them."""
        query = {"patient_id": patient_id, "delivery.message_class": MessageClass.OUTREACH}
        return await self._find(query, sort=[("timestamp", -1)], limit=limit)

    async def hold(
        self, interaction: Interaction, fields: Mapping[str, Any], *, unset: Iterable[str] = ()
    ) -> bool:
        """Change a message that is still pending and unclaimed (defer it, or drop it)."""
        assert interaction.delivery is not None  # noqa: S101 - the caller read it from the outbox
        update: dict[str, Any] = {
            "$set": {f"delivery.{name}": value for name, value in fields.items()}
        }
        if names := dict.fromkeys(unset, ""):
            update["$unset"] = names
        guard = {
            "_id": interaction.id,
            "delivery.status": DeliveryStatus.PENDING,
            "delivery.term": interaction.delivery.term,
        }
        return await self._update(guard, update)

    async def requeue(self, interaction_id: PyObjectId, statuses: Iterable[DeliveryStatus]) -> bool:
        """Back to pending from one of `statuses`, with fresh attempts; of two who ask, one wins."""
        fields = {
            "delivery.status": DeliveryStatus.PENDING,
            "delivery.not_before": self._clock.now(),
            "delivery.attempts": 0,
        }
        update = {"$set": fields, "$inc": {"delivery.term": 1}, "$unset": {"delivery.error": ""}}
        guard = {"_id": interaction_id, "delivery.status": {"$in": list(statuses)}}
        return await self._update(guard, update)

    async def mark_sent(self, interaction_id: PyObjectId, at: datetime) -> bool:
        """A person found out that a message of unknown fate left; of two who say so one wins."""
        fields = {"delivery.status": DeliveryStatus.SENT, "delivery.sent_at": at}
        update = {"$set": fields, "$inc": {"delivery.term": 1}, "$unset": {"delivery.error": ""}}
        guard = {"_id": interaction_id, "delivery.status": DeliveryStatus.UNKNOWN}
        return await self._update(guard, update)

    async def count_outreach_days(self, address: str, first_day: str, last_day: str) -> int:
        """How many days in [first_day, last_day] (ISO) this address had its outreach message."""
        low, high = day_slot(address, first_day), day_slot(address, last_day)
        return await self._collection.count_documents(
            {"delivery.day_slot": {"$gte": low, "$lte": high}}
        )

    async def given_up_since(self, since: datetime) -> list[Interaction]:
        """Letters written from then on that failed, or whose fate is unknown."""
        found: list[Interaction] = []
        for status in (DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN):
            found += await self._find({"delivery.status": status, "timestamp": {"$gte": since}})
        return found

    async def count_by_delivery_status(self) -> dict[DeliveryStatus, int]:
        """How many outgoing messages stand in each state that something is still to be done about.

        Those that are done with are many, and counting costs by what is counted.
        """
        unfinished = [
            DeliveryStatus.PENDING,
            DeliveryStatus.SENDING,
            DeliveryStatus.FAILED,
            DeliveryStatus.UNKNOWN,
        ]
        pipeline: list[dict[str, Any]] = [
            {"$match": {"delivery.status": {"$in": unfinished}}},
            {"$group": {"_id": "$delivery.status", "count": {"$sum": 1}}},
        ]
        rows = await self._collection.aggregate(pipeline).to_list(None)
        return {DeliveryStatus(row["_id"]): int(row["count"]) for row in rows}


def day_slot(address: str, day: str) -> str:
    """The key of an address's one outreach message on a local day (ISO date)."""
    return f"{address}@{day}"


def are_of_two_addresses(one: str | None, other: str | None) -> bool:
    """Whether two slots of a day, where there are two, were not taken for the same address."""
    if one is None or other is None:
        return False
    return one.rpartition("@")[0] != other.rpartition("@")[0]


__all__ = ["INTERACTION_DAY_SLOT", "InteractionRepository", "are_of_two_addresses", "day_slot"]
