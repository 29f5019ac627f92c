"""The waitlist. Every change of an entry is guarded by its status and its revision."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from app.db.repositories.base import DocumentRepository, Page
from app.models.base import PyObjectId
from app.models.waitlist import WaitlistEntry, WaitlistStatus

LONGEST_WAITING_FIRST = [("created_at", 1), ("_id", 1)]
_WAITING = {"status": WaitlistStatus.WAITING}


class WaitlistRepository(DocumentRepository[WaitlistEntry]):
    """Queries over `waitlist`. `insert` raises `DuplicateValueError(WAITLIST_ONE_WAITING)`."""

    collection_name = "waitlist"
    model = WaitlistEntry

    async def page(
        self, status: WaitlistStatus | None, *, page: int, limit: int
    ) -> Page[WaitlistEntry]:
        """Longest waiting first."""
        query = {"status": status or {"$in": sorted(WaitlistStatus)}}
        return await self._page(query, sort=LONGEST_WAITING_FIRST, page=page, limit=limit)

    async def waiting(self, since: datetime | None, limit: int) -> list[WaitlistEntry]:
        """Who waits, longest first, from those who joined at `since` on."""
        query: dict[str, Any] = {**_WAITING}
        if since is not None:
            query["created_at"] = {"$gte": since}
        return await self._find_readable(query, sort=LONGEST_WAITING_FIRST, limit=limit)

    async def with_open_offer(self, limit: int) -> list[WaitlistEntry]:
        """Who was offered something that has not ended, the first to end first."""
        query = {**_WAITING, "open_until": {"$exists": True}}
        return await self._find_readable(query, sort=[("open_until", 1)], limit=limit)

    async def waiting_like(
        self, contact: str, name_key: str, service_id: str
    ) -> WaitlistEntry | None:
        """The one waiting entry of this contact and name for this service."""
        query = {**_WAITING, "contact": contact, "name_key": name_key, "service_id": service_id}
        return await self._find_one(query)

    async def count_waiting_on(self, contact: str, at_most: int) -> int:
        """How many entries wait on one contact; counted up to `at_most`."""
        query = {**_WAITING, "contact": contact}
        return await self._collection.count_documents(query, limit=at_most)

    async def was_offered_on(self, patient_id: PyObjectId, day: str) -> bool:
        """Whether any entry of this patient was offered something on this local day."""
        query = {"patient_id": patient_id, "last_offered_on": day}
        return await self._find_one(query) is not None

    async def change(
        self, entry: WaitlistEntry, fields: Mapping[str, Any], *, unset: Iterable[str] = ()
    ) -> bool:
        """Change a waiting entry as it was read; `False` where somebody else was first."""
        update: dict[str, Any] = {"$set": dict(fields), "$inc": {"revision": 1}}
        if removed := dict.fromkeys(unset, ""):
            update["$unset"] = removed
        guard = {**_WAITING, "_id": entry.id, "revision": entry.revision}
        return await self._update(guard, update)

    async def all_of(self, patient_id: PyObjectId) -> list[WaitlistEntry]:
        """Every entry of a patient."""
        return await self._find({"patient_id": patient_id})

    async def close(self, entry_id: PyObjectId, status: WaitlistStatus) -> bool:
        """waiting → `status`, once; whether it was waiting."""
        fields = {"status": status, "closed_at": self._clock.now()}
        update = {"$set": fields, "$inc": {"revision": 1}, "$unset": {"open_until": ""}}
        return await self._update({**_WAITING, "_id": entry_id}, update)

    async def expire(self, now: datetime) -> int:
        """Close whoever's wish has passed; how many."""
        result = await self._collection.update_many(
            {**_WAITING, "expires_at": {"$lte": now}},
            {
                "$set": {"status": WaitlistStatus.EXPIRED, "closed_at": now, "updated_at": now},
                "$inc": {"revision": 1},
                "$unset": {"open_until": ""},
            },
        )
        return result.modified_count
