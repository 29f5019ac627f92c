"""The outbox: outgoing interactions, from their entry until their fate is known.

A message is claimed by finding candidates and then one guarded `update_one` on its term (the
embedded server scans for `find_one_and_update`). Every later write under the claim repeats the
term, so a worker whose lease was taken over changes nothing.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from app.db.errors import DuplicateValueError
from app.db.indexes import INTERACTION_DEDUPE_KEY
from app.db.repositories.base import DocumentRepository, Page
from app.db.repositories.delivery_filter import DeliveryFilter, further_back
from app.models.base import PyObjectId
from app.models.interaction import DeliveryStatus, Interaction, MessageClass
from app.models.patient import Channel


class OutboxRepository(DocumentRepository[Interaction]):
    """Queries over the `interactions` that are to leave, or have left."""

    collection_name = "interactions"
    model = Interaction

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

    async def renew_lease(self, interaction_id: PyObjectId, term: int, until: datetime) -> bool:
        """Go on sending under the same term; `False` where somebody took the message over."""
        guard = {
            "_id": interaction_id,
            "delivery.status": DeliveryStatus.SENDING,
            "delivery.term": term,
        }
        return await self._update(guard, {"$set": {"delivery.lease_until": until}})

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

    async def mark_bounced(self, letter_id: PyObjectId, error: str) -> bool:
        """A letter that left came back; `error` says how. What came back for good stays so."""
        guard = {"_id": letter_id, "delivery.status": DeliveryStatus.SENT}
        fields = {"delivery.status": DeliveryStatus.BOUNCED, "delivery.error": error}
        return await self._update(guard, {"$set": fields})

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

    async def outreach_to(self, patient_id: PyObjectId, limit: int) -> list[Interaction]:
        """The newest letters that were written first to a patient, whatever became of them."""
        query = {"patient_id": patient_id, "delivery.message_class": MessageClass.OUTREACH}
        return await self._find(query, sort=[("timestamp", -1)], limit=limit)

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

    async def given_up_since(self, since: datetime) -> list[Interaction]:
        """Letters written from then on that failed, or whose fate is unknown."""
        found: list[Interaction] = []
        for status in (DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN):
            found += await self._find({"delivery.status": status, "timestamp": {"$gte": since}})
        return found

    async def count_outreach_days(self, address: str, first_day: str, last_day: str) -> int:
        """How many days in [first_day, last_day] (ISO) this address had its outreach message."""
        low, high = day_slot(address, first_day), day_slot(address, last_day)
        return await self._collection.count_documents(
            {"delivery.day_slot": {"$gte": low, "$lte": high}}
        )

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
