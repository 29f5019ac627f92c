"""Letters that left on a later day than they were written: what follows keeps its distance.

Without it the letters of a campaign whose first one waited (sending was switched off or paused, the
address had its letter of the day) would follow each other day by day, each long due.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from app.db.repositories import Repositories
from app.models.campaign import Campaign, CampaignStatus
from app.models.interaction import Interaction
from app.services.clinic import ClinicService
from app.services.outreach.planner import DAYS_TO_FOLLOW_UP, DAYS_TO_GIVE_UP, days_after
from app.services.scheduling.localtime import local_day


class Pacing:
    """Plans what comes after a late letter."""

    def __init__(
        self, repositories: Repositories, clinic: ClinicService, interval_days: Sequence[int]
    ) -> None:
        """`interval_days` count from the first message (0, 3, 7, 14)."""
        self._campaigns = repositories.campaigns
        self._clinic = clinic
        self._gaps = [later - earlier for earlier, later in pairwise(interval_days)]

    async def left(self, message: Interaction, at: datetime) -> None:
        """A letter left `at`: the next one is as far from it as the plan has them apart."""
        if message.attempt is None or message.campaign_id is None:
            return
        zone = (await self._clinic.recent()).zone
        if local_day(at, zone) <= local_day(message.timestamp, zone):
            return
        campaign = await self._campaigns.get(message.campaign_id)
        if campaign is None:
            return
        days = self._days_after(message.attempt, campaign)
        await self._campaigns.space_out(
            campaign.id,
            attempt=message.attempt,
            left_at=at,
            not_before=days_after(at, days, zone),
        )

    def _days_after(self, attempt: int, campaign: Campaign) -> int:
        if attempt >= campaign.follow_up_details.max_attempts or not self._gaps:
            return DAYS_TO_GIVE_UP
        if campaign.status == CampaignStatus.RE_ENGAGED:
            return DAYS_TO_FOLLOW_UP
        return self._gaps[min(attempt, len(self._gaps)) - 1]
