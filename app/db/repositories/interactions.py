"""Interactions: what was said. What is to leave, and has left, is in `outbox`."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any

from app.db.errors import DuplicateValueError
from app.db.indexes import INTERACTION_PROVIDER_ID
from app.db.repositories.base import DocumentRepository, Page, portions
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
