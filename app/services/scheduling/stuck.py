"""Visits whose effects fail again and again: tried less and less often, then put before a person.

Neither does the trying end: what was wrong may be put right, and the effects are owed still.
"""

import logging
from datetime import timedelta

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.appointment import Appointment
from app.models.campaign import Campaign
from app.models.decision import Urgency
from app.models.interaction import Direction, Interaction
from app.services.campaigns import CampaignLifecycle

logger = logging.getLogger(__name__)

FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=6)
ASK_AFTER = 6
"""Failures until a person is asked: a quarter of an hour after the first."""
REASON = "visit_effects_failed"
SUMMARY = (
    "A change of a visit could not be carried through: its letter may not have left, and its "
    "campaign may not have moved. Open: check the visit, and tell the patient."
)


class StuckVisits:
    """Keeps count of failures on the visit's own event."""

    def __init__(
        self, repositories: Repositories, lifecycle: CampaignLifecycle, clock: Clock
    ) -> None:
        self._appointments = repositories.appointments
        self._campaigns = repositories.campaigns
        self._interactions = repositories.interactions
        self._lifecycle = lifecycle
        self._clock = clock

    async def failed(self, visit: Appointment) -> None:
        """The effects of `visit`, as it was read, failed once more.

        The person is asked before the failure is counted: after a crash between the two they are
        asked again, which changes nothing. Of two replicas that failed at once one counts.
        """
        if visit.pending_event is None:
            return
        failures = visit.pending_event.attempts + 1
        if failures == ASK_AFTER:
            await self._ask_for_person(visit)
        not_before = self._clock.now() + waiting_time(failures)
        await self._appointments.put_off_event(visit, not_before)

    async def _ask_for_person(self, visit: Appointment) -> None:
        logger.error("effects of a visit keep failing", extra={"appointment_id": str(visit.id)})
        campaign = await self._campaign_of(visit)
        if campaign is None:
            await self._note(visit)
            return
        await self._lifecycle.raise_attention(
            campaign.id, reason=REASON, summary=SUMMARY, urgency=Urgency.NORMAL
        )

    async def _campaign_of(self, visit: Appointment) -> Campaign | None:
        if visit.campaign_id is not None:
            return await self._campaigns.get(visit.campaign_id)
        active = await self._campaigns.active_for(visit.patient_id)
        return active or await self._campaigns.latest_for(visit.patient_id)

    async def _note(self, visit: Appointment) -> None:
        """In the list of unmatched messages, once a change: no campaign can carry the attention.

        It is no word of the patient's, so it does not name them as its sender.
        """
        await self._interactions.record_incoming(
            Interaction(
                appointment_id=visit.id,
                direction=Direction.INCOMING,
                content=SUMMARY,
                timestamp=self._clock.now(),
                unmatched=True,
                provider_id=f"visit-stuck:{visit.id}:{visit.sequence}",
            )
        )


def waiting_time(failures: int) -> timedelta:
    """How long after so many failures it is tried again: doubling from 30 s to six hours."""
    return min(FIRST_WAIT * 2.0 ** min(failures - 1, 16), LONGEST_WAIT)
