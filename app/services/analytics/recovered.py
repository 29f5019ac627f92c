"""Who was won back, and what their completed visits are worth: each visit once."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.db.repositories import Repositories
from app.db.repositories.analytics import Row
from app.models.base import PyObjectId


@dataclass(frozen=True)
class Recovered:
    """A campaign that ended as RECOVERED, and its completed visits with the price of each."""

    campaign_id: PyObjectId
    at: datetime
    visits: list[tuple[Row, float]]


class RecoveredCampaigns:
    """Reads them. A service without a price counts as 0."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    async def between(self, since: datetime, before: datetime) -> list[Recovered]:
        """Those that ended in [since, before), oldest first."""
        ended = await self._repositories.analytics.recovered(since, before)
        prices = {
            service.service_id: service.price_from or 0.0
            for service in await self._repositories.services.every()
        }
        visits: defaultdict[PyObjectId, list[tuple[Row, float]]] = defaultdict(list)
        for visit in await self._repositories.analytics.completed_visits(list(ended)):
            row = Row(visit.id, visit.at, visit.campaign_id)
            visits[visit.campaign_id].append((row, prices.get(visit.service_id, 0.0)))
        return [Recovered(one, at, visits[one]) for one, at in ended.items()]


def total_value(recovered: Iterable[Recovered]) -> float:
    """What their visits are worth together."""
    return round(sum(value for one in recovered for _, value in one.visits), 2)
