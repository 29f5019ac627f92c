"""Events, numbered without gaps.

An event takes the number after the newest there is, and a unique index refuses a number that is
taken. So nobody can store number 8 before number 7 can be read: whoever reads on from the last
number they saw misses nothing, however late a writer was.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pymongo.errors import BulkWriteError

from app.core.clock import Clock
from app.db.database import Database
from app.db.repositories.base import Repository
from app.models.event import Event

STORE_ATTEMPTS = 50
EVENTS_A_DAY = 1_000_000
KNOWN_FOR = timedelta(hours=1)
_DUPLICATE_KEY = 11000


class EventRepository(Repository[Event]):
    """Queries over `events`."""

    collection_name = "events"
    model = Event

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._known = 0
        self._known_at: datetime | None = None

    async def append(self, events: Sequence[Event]) -> int:
        """Store those whose key is new, in this order; how many. Safe to repeat and to race."""
        fresh, stored = list(events), 0
        if not fresh:
            return 0
        newest = self._known if self._is_fresh() else await self.newest()
        for _ in range(STORE_ATTEMPTS):
            taken = await self._append_after(newest, fresh)
            stored += taken
            if taken == len(fresh):
                return stored
            fresh = await self._not_stored(fresh)
            if not fresh:
                return stored
            newest = await self.newest()
        message = "The numbers of events are taken all the time."
        raise RuntimeError(message)

    async def append_missing(self, events: Sequence[Event]) -> int:
        """`append` of what most likely is stored: looked for first."""
        return await self.append(await self._not_stored(events) if events else [])

    async def newest(self) -> int:
        """The number of the newest event; where none is kept, one above all that were given out.

        Asked for from the last one this process knows: a limited search costs by all that match.
        """
        query = {"seq": {"$gte": self._known}}
        rows = await self._collection.find(query, {"seq": 1}).sort("seq", -1).limit(1).to_list(None)
        self._know(rows[0]["seq"] if rows else _above_all(self._clock.now()))
        return self._known

    async def is_kept_after(self, seq: int) -> bool:
        """Whether whoever saw this event can read on from it."""
        return await self._find_one({"seq": seq + 1}) is not None

    async def after(self, seq: int, limit: int) -> list[Event]:
        """The next events after a number, in their order."""
        query = {"seq": {"$gt": seq, "$lte": seq + limit}}
        found = await self._find(query, sort=[("seq", 1)])
        if found or await self.newest() <= seq:
            return found
        return await self._find({"seq": {"$gt": seq}}, sort=[("seq", 1)], limit=limit)

    def _know(self, seq: int) -> None:
        self._known, self._known_at = max(self._known, seq), self._clock.now()

    def _is_fresh(self) -> bool:
        """What this process knows is not so old that it, and what others stored, is gone."""
        now = self._clock.now()
        return self._known_at is not None and now - self._known_at < KNOWN_FOR

    async def _not_stored(self, events: Sequence[Event]) -> list[Event]:
        keys = {"key": {"$in": [event.key for event in events]}}
        rows = await self._collection.find(keys, {"key": 1}).to_list(None)
        known = {row["key"] for row in rows}
        return [event for event in events if event.key not in known]

    async def _append_after(self, newest: int, events: Sequence[Event]) -> int:
        """How many were stored before somebody else took a number or a key."""
        now = self._clock.now()
        stamps = {"created_at": now, "updated_at": now}
        documents = [
            {**event.to_stored(), **stamps, "seq": number}
            for number, event in enumerate(events, newest + 1)
        ]
        try:
            await self._collection.insert_many(documents, ordered=True)
        except BulkWriteError as error:
            _require_only_duplicates(error)
            return int(error.details.get("nInserted", 0))
        self._know(newest + len(documents))
        return len(documents)


def _require_only_duplicates(error: BulkWriteError) -> None:
    faults = error.details.get("writeErrors", [])
    if error.details.get("writeConcernErrors") or any(
        fault.get("code") != _DUPLICATE_KEY for fault in faults
    ):
        raise error


def _above_all(now: datetime) -> int:
    """The first events ever, and those after a silence in which all before have expired, begin
    here: the same number in every process, and above all that were given out before.
    """
    return now.toordinal() * EVENTS_A_DAY
