"""Merges of patients, and everything that changes its owner in one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from app.core.clock import Clock
from app.db.database import Database
from app.db.repositories.base import Repository
from app.models.base import PyObjectId
from app.models.merge import PatientMerge


class PatientMergeRepository(Repository[PatientMerge]):
    """Queries over `patient_merges`."""

    collection_name = "patient_merges"
    model = PatientMerge
    owned: ClassVar[tuple[str, ...]] = ("interactions", "waitlist", "schedule_conflicts")
    """What names its patient in no unique index: all of it can change hands at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._owned = [database.collection(name) for name in self.owned]

    async def get(self, absorbed_id: PyObjectId) -> PatientMerge | None:
        """What became of a record that went, or is going."""
        return await self._find_one({"_id": absorbed_id})

    async def begin(self, merge: PatientMerge) -> None:
        """Store it. Raises `DuplicateValueError` where either record is in a merge, or the one
        that goes has gone.
        """
        await self._insert(merge)

    async def begin_again(self, merge: PatientMerge) -> bool:
        """Store it in the place of a finished one of the same record; whether there was one.

        Raises `DuplicateValueError` where either record is in another merge.
        """
        guard = {"_id": merge.id, "finished_at": {"$exists": True}}
        fields = {name: value for name, value in merge.to_stored().items() if name != "_id"}
        return await self._update(guard, {"$set": fields, "$unset": {"finished_at": ""}})

    async def running_with(self, patient_id: PyObjectId) -> PatientMerge | None:
        """The merge that has this record as one of its two, and has not ended."""
        runs = {"parties": {"$exists": True}}
        for role in ("_id", "survivor_id"):
            if found := await self._find_one({role: patient_id, **runs}):
                return found
        return None

    async def absorbed_into(self, survivor_id: PyObjectId) -> list[PyObjectId]:
        """The records that went into this one, also those that had gone into them before."""
        found = [survivor_id]
        newest = found
        while newest:
            rows = await self._find(
                {"survivor_id": {"$in": newest}, "finished_at": {"$exists": True}}
            )
            newest = [row.id for row in rows if row.id not in found]
            found = [*found, *newest]
        return found[1:]

    async def abandon(self, merge: PatientMerge) -> None:
        """Forget one that turned out impossible before anything was changed."""
        await self._collection.delete_one({"_id": merge.id, "taken": {"$exists": False}})

    async def drop(self, merge: PatientMerge) -> None:
        """Forget one whose record can no longer go: it stands as it was."""
        await self._collection.delete_one({"_id": merge.id, "parties": {"$exists": True}})

    async def note(self, merge: PatientMerge, fields: Mapping[str, Any]) -> bool:
        """Keep how far it has come, while it runs."""
        guard = {"_id": merge.id, "parties": {"$exists": True}}
        return await self._update(guard, {"$set": dict(fields)})

    async def put_off(self, merge: PatientMerge, again_at: datetime) -> bool:
        """Take it up later, whether it runs or is only looked at once more."""
        guard = {"_id": merge.id, "again_at": {"$exists": True}}
        return await self._update(guard, {"$set": {"again_at": again_at}})

    async def finish(self, merge: PatientMerge, again_at: datetime) -> bool:
        """Only the pointer is left, and one more look for what came late; whether it ran still."""
        fields = {"finished_at": self._clock.now(), "again_at": again_at}
        guard = {"_id": merge.id, "parties": {"$exists": True}}
        unset = {"parties": "", "taken": "", "ending": ""}
        return await self._update(guard, {"$set": fields, "$unset": unset})

    async def settle(self, merge: PatientMerge) -> None:
        """Nothing comes late any more."""
        guard = {"_id": merge.id, "finished_at": {"$exists": True}}
        await self._update(guard, {"$unset": {"again_at": ""}})

    async def to_take_up(self, now: datetime, limit: int) -> list[PatientMerge]:
        """What a crash cut short, and what is to be looked at once more."""
        return await self._find_readable(
            {"again_at": {"$lte": now}}, sort=[("again_at", 1)], limit=limit
        )

    async def hand_over(self, absorbed_id: PyObjectId, survivor_id: PyObjectId) -> None:
        """Messages, waitlist entries and conflicts of the schedule; twice is harmless."""
        change = {"$set": {"patient_id": survivor_id, "updated_at": self._clock.now()}}
        for collection in self._owned:
            await collection.update_many({"patient_id": absorbed_id}, change)

    async def point_on(self, absorbed_id: PyObjectId, survivor_id: PyObjectId) -> None:
        """Whoever was merged into a record that goes now points at the one that stays."""
        change = {"$set": {"survivor_id": survivor_id, "updated_at": self._clock.now()}}
        await self._collection.update_many({"survivor_id": absorbed_id}, change)
