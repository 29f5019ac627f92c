"""What is removed when a patient is erased, or when its time to be kept is over.

Facts stay: that there was a message, a campaign, a visit, when, and what became of it. What was
said and who said it goes. Every step is harmless twice.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from app.core.clock import Clock
from app.db.database import Collection, Database
from app.db.repositories.base import VALUES_AT_ONCE
from app.models.base import PyObjectId
from app.models.campaign import CampaignType
from app.models.interaction import DeliveryStatus

_RAW = ("raw_content", "html", "short", "calendar")
_WORDS = (*_RAW, "subject", "ai_analysis", "decision", "correction", "corrections")
_PEOPLE = ("mail", "sender", "thread_id", "in_reply_to", "delivery.sent_to", "delivery.day_slot")
"""What tells who wrote, beside what they wrote. The provider's id stays: a message that comes again
is still known.
"""
_OF_CAMPAIGNS = (
    "engagement_summary",
    "channel.thread_id",
    "handoff_details",
    "attention",
    "booking_funnel.link_url",
)
_NOT_ON_ITS_WAY = {
    "delivery.status": {"$nin": [DeliveryStatus.PENDING.value, DeliveryStatus.SENDING.value]}
}
_NO_OPEN_ATTENTION: tuple[dict[str, Any], ...] = (
    {"attention": {"$exists": False}},
    {"attention.resolved_at": {"$exists": True}},
)
"""Either holds. Written one after the other: for an `$or` beside ids the embedded server reads the
whole collection.
"""
IdT = TypeVar("IdT")


class Expired(Generic[IdT]):
    """Documents of one collection whose time is over: how many, and all of them in batches."""

    def __init__(
        self,
        collection: Collection,
        query: Mapping[str, Any],
        held_back: Callable[[Sequence[IdT]], Awaitable[set[IdT]]] | None = None,
    ) -> None:
        """`held_back`: which of a batch are to stay, for what other documents say."""
        self._collection = collection
        self._query = dict(query)
        self._held_back = held_back

    async def count(self) -> int:
        """How many there are."""
        if self._held_back is None:
            return await self._collection.count_documents(self._query)
        return sum([len(ids) async for ids in self.batches(VALUES_AT_ONCE)])

    async def batches(self, size: int) -> AsyncIterator[list[IdT]]:
        """The ids of all, each document looked at once: one that stays holds up no other."""
        ids: list[IdT] = []
        async for row in self._collection.find(self._query, {"_id": 1}, batch_size=size):
            ids.append(row["_id"])
            if len(ids) == size:
                yield await self._going(ids)
                ids = []
        if ids:
            yield await self._going(ids)

    async def _going(self, ids: list[IdT]) -> list[IdT]:
        staying = await self._held_back(ids) if self._held_back else set()
        return [one for one in ids if one not in staying]


class RetentionRepository:
    """Removes parts of documents, in the collections that hold what patients said."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._interactions = database.collection("interactions")
        self._campaigns = database.collection("campaigns")
        self._appointments = database.collection("appointments")
        self._waitlist = database.collection("waitlist")
        self._imports = database.collection("imports")
        self._inbound = database.collection("inbound_events")
        self._questions = database.collection("unanswered_questions")
        self._bounces = database.collection("bounces")
        self._clock = clock

    # One patient

    async def drop_waiting(self, patient_id: PyObjectId, reason: str) -> int:
        """Nothing of what waits for a patient leaves any more; how many messages that were."""
        guard = {"patient_id": patient_id, "delivery.status": DeliveryStatus.PENDING}
        fields = {"delivery.status": DeliveryStatus.SUPPRESSED, "delivery.error": reason}
        gone = ("delivery.day_slot", "delivery.lease_until")
        return await self._clear(self._interactions, guard, gone, fields)

    async def clear_patient(self, patient_id: PyObjectId) -> None:
        """Remove what was said to them, by them and about them."""
        theirs = {"patient_id": patient_id}
        await self._forget_sources(theirs)
        await self._clear(self._interactions, theirs, (*_WORDS, *_PEOPLE), {"content": ""})
        cleared = {"cleared_at": self._clock.now()}
        await self._clear(self._campaigns, theirs, _OF_CAMPAIGNS, cleared)
        await self._clear(self._appointments, theirs, ("notes",), {})
        await self._waitlist.delete_many(theirs)

    async def forget_bounces(self, address: str) -> None:
        """Remove what came back from an address."""
        await self._bounces.delete_many({"address": address})

    async def forget_waitlist(self, contact: str, name_key: str | None = None) -> None:
        """Remove the entries on a contact that were nobody's on file: all, or one name's."""
        named = {} if name_key is None else {"name_key": name_key}
        nobodys = {"patient_id": {"$exists": False}}
        for where in ("contact", "phone"):
            await self._waitlist.delete_many({where: contact, **named, **nobodys})

    async def unclaimed(self) -> AsyncIterator[tuple[PyObjectId, str]]:
        """Messages that nobody on file was found for, settled or not, and who sent each."""
        query = {"unmatched": {"$in": [True, False]}, "patient_id": {"$exists": False}}
        async for row in self._interactions.find(query, {"sender": 1}):
            yield row["_id"], row.get("sender") or ""

    async def _forget_sources(self, which: Mapping[str, Any]) -> None:
        """The deliveries that messages came in, and the questions that were in them."""
        rows = await self._interactions.find(which, {"provider_id": 1}).to_list(None)
        events = [row["provider_id"] for row in rows if "provider_id" in row]
        await self._inbound.delete_many({"_id": {"$in": events}})
        await self._questions.delete_many({"_id": {"$in": [row["_id"] for row in rows]}})

    # What is over

    def raw_mail(self, before: datetime) -> Expired[PyObjectId]:
        """Messages of before then that still have more than their words."""
        raw = [{part: {"$exists": True}} for part in _RAW]
        return Expired(self._interactions, {"timestamp": {"$lt": before}, "$or": raw})

    async def clear_raw_mail(self, ids: Sequence[PyObjectId]) -> None:
        """Keep the words, and remove the mail around them."""
        await self._clear(self._interactions, _among(ids), _RAW, {})

    def messages(self, before: datetime) -> Expired[PyObjectId]:
        """Messages of before then, of whatever campaign or none, that still have their words, or
        who wrote them.
        """
        told = [{part: {"$exists": True}} for part in (*_WORDS, *_PEOPLE)]
        query = {
            "timestamp": {"$lt": before},
            "$or": [{"content": {"$gt": ""}}, *told],
            **_NOT_ON_ITS_WAY,
        }
        return Expired(self._interactions, query)

    async def clear_messages(self, ids: Sequence[PyObjectId]) -> None:
        """Keep that there were these messages, and nothing of what they said and who wrote."""
        await self._forget_sources(_among(ids))
        which = {**_among(ids), **_NOT_ON_ITS_WAY}
        await self._clear(self._interactions, which, (*_WORDS, *_PEOPLE), {"content": ""})

    def campaigns(self, before: datetime) -> Expired[PyObjectId]:
        """Campaigns that ended before then, have words of their own (again), ask for nobody, and
        in which nothing was said since.
        """
        query = {
            "campaign_type": {"$in": list(CampaignType)},
            "ended_at": {"$lt": before},
            "$or": [{part: {"$exists": True}} for part in _OF_CAMPAIGNS],
        }

        async def going_on(ids: Sequence[PyObjectId]) -> set[PyObjectId]:
            return await self._asking(ids) | await self._talking(ids, before)

        return Expired(self._campaigns, query, going_on)

    async def _asking(self, ids: Sequence[PyObjectId]) -> set[PyObjectId]:
        is_open = {"attention": {"$exists": True}, "attention.resolved_at": {"$exists": False}}
        found = self._campaigns.find({**_among(ids), **is_open}, {"_id": 1})
        return {row["_id"] for row in await found.to_list(None)}

    async def _talking(self, ids: Sequence[PyObjectId], since: datetime) -> set[PyObjectId]:
        later = {"campaign_id": {"$in": list(ids)}, "timestamp": {"$gte": since}}
        found = self._interactions.find(later, {"campaign_id": 1})
        return {row["campaign_id"] for row in await found.to_list(None)}

    async def clear_campaigns(self, ids: Sequence[PyObjectId]) -> None:
        """Remove what was noted of what was said in them; their course and their figures stay.

        One that asks for somebody by now is left as it is.
        """
        cleared = {"cleared_at": self._clock.now()}
        for at_rest in _NO_OPEN_ATTENTION:
            which = {**_among(ids), **at_rest}
            await self._clear(self._campaigns, which, _OF_CAMPAIGNS, cleared)

    def imports(self, before: datetime) -> Expired[PyObjectId]:
        """Imports that were made before then."""
        return Expired(self._imports, {"created_at": {"$lt": before}})

    async def remove_imports(self, ids: Sequence[PyObjectId]) -> None:
        """Forget that there were these imports."""
        await self._imports.delete_many(_among(ids))

    async def _clear(
        self,
        collection: Collection,
        which: Mapping[str, Any],
        parts: Iterable[str],
        fields: Mapping[str, Any],
    ) -> int:
        stamped = {**fields, "updated_at": self._clock.now()}
        update = {"$set": stamped, "$unset": dict.fromkeys(parts, "")}
        return (await collection.update_many(which, update)).modified_count


def _among(ids: Sequence[PyObjectId]) -> dict[str, Any]:
    return {"_id": {"$in": list(ids)}}
