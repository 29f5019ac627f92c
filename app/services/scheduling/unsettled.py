"""Visits whose day has passed and of which nobody said what became.

Completing a visit is what ends its campaign and makes the next recall due. One that is never
settled would leave its campaign booked for ever and its patient forgotten, so a person is asked.
"""

from datetime import timedelta

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.decision import Urgency
from app.services.campaigns import CampaignLifecycle

ASK_AFTER = timedelta(days=2)
ASK_ABOUT = 50
REASON = "visit_unsettled"
SUMMARY = (
    "A visit of this patient has passed and is still marked as ahead. Open: mark it as completed, "
    "missed or cancelled."
)


class UnsettledVisits:
    """Asks staff what became of visits in the past."""

    def __init__(
        self, repositories: Repositories, lifecycle: CampaignLifecycle, clock: Clock
    ) -> None:
        self._appointments = repositories.appointments
        self._lifecycle = lifecycle
        self._clock = clock

    async def ask(self) -> int:
        """Raise the attention of the campaigns concerned, once a visit; how many were raised.

        The mark on the visit comes last: after a crash the same attention is raised again, which
        changes nothing.
        """
        before = self._clock.now() - ASK_AFTER
        unsettled = await self._appointments.unsettled(before, ASK_ABOUT)
        for visit in unsettled:
            if visit.campaign_id is not None:
                await self._lifecycle.raise_attention(
                    visit.campaign_id, reason=REASON, summary=SUMMARY, urgency=Urgency.NORMAL
                )
            await self._appointments.update_fields(visit.id, {"asked_about_at": self._clock.now()})
        return len(unsettled)
