"""How much of a day's tokens is used: the database decides, so that several processes share it."""

from app.db.errors import DuplicateValueError
from app.db.repositories.base import Repository
from app.models.records import EngineDay


class EngineDayRepository(Repository[EngineDay]):
    """Queries over `engine_days`."""

    collection_name = "engine_days"
    model = EngineDay

    async def reserve(self, day: str, tokens: int, limit: int) -> bool:
        """Take `tokens` of what `limit` leaves of a day; `False`, and nothing taken, without room.

        Of two processes that want the last of it, one gets it.
        """
        if tokens > limit:
            return False
        if await self._take(day, tokens, limit):
            return True
        now = self._clock.now()
        first = EngineDay(id=day, tokens=tokens, calls=1, created_at=now, updated_at=now)
        try:
            await self._insert(first)
        except DuplicateValueError:  # the day had begun: it is full, or somebody was faster
            return await self._take(day, tokens, limit)
        return True

    async def settle(self, day: str, tokens: int) -> None:
        """Correct a reservation by `tokens`, less than zero where it was too much."""
        await self._update({"_id": day}, {"$inc": {"tokens": tokens}})

    async def get(self, day: str) -> EngineDay | None:
        """A day as it stands."""
        return await self._find_one({"_id": day})

    async def _take(self, day: str, tokens: int, limit: int) -> bool:
        guard = {"_id": day, "tokens": {"$lte": limit - tokens}}
        return await self._update(guard, {"$inc": {"tokens": tokens, "calls": 1}})
