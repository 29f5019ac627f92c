"""How often something happened lately (collection `rate_limits`)."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pymongo import WriteConcern
from pymongo.errors import DuplicateKeyError

from app.core.clock import Clock
from app.db.database import Database
from app.db.repositories.base import Repository
from app.models.rate_limit import RateWindow


class RateLimitRepository(Repository[RateWindow]):
    """Queries over `rate_limits`.

    Writes wait for no journal and no other member: a count that a crash loses lets somebody try
    once more, and every booking would wait for it.
    """

    collection_name = "rate_limits"
    model = RateWindow

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._collection = self._collection.with_options(write_concern=WriteConcern(w=1))

    async def take(self, key: str, most: int, window: timedelta) -> bool:
        """Count one more unless `most` stand within the window: one conditional write decides.

        The filter fits a window whose oldest entry that would stay in the way has gone by, or that
        has fewer; one that is full is not found, and the insert in its place meets its id.
        """
        now = self._clock.now()
        room = {f"entries.{most - 1}": {"$not": {"$gt": now - window}}}
        entry = {"$each": [now], "$position": 0, "$slice": most}
        update = {"$push": {"entries": entry}, "$max": {"expires_at": now + window}}
        try:
            await self._collection.update_one({"_id": key, **room}, update, upsert=True)
        except DuplicateKeyError:
            return False
        return True

    async def get(self, key: str) -> RateWindow | None:
        """The window as it stands."""
        return await self._find_one({"_id": key})

    async def give_back(self, key: str) -> None:
        """Count one less, the newest: it was none after all."""
        await self._collection.update_one({"_id": key}, {"$pop": {"entries": -1}})

    async def forget(self, keys: Iterable[str]) -> None:
        """Count from nothing again."""
        await self._collection.delete_many({"_id": {"$in": list(keys)}})

    async def remember(self, key: str, until: datetime) -> None:
        """Note something that is true for a while."""
        await self._collection.update_one(
            {"_id": key}, {"$set": {"expires_at": until}}, upsert=True
        )

    async def remembers(self, key: str) -> bool:
        """Whether it was noted and still is true."""
        noted = await self._find_one({"_id": key})
        return noted is not None and self._clock.now() < noted.expires_at
