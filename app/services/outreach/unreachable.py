"""A message that has no way to its patient becomes a task for a person; it is never just lost."""

from datetime import datetime

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.campaign import Attention
from app.models.interaction import Direction, Interaction
from app.services.clinic import ClinicService
from app.services.scheduling.localtime import local_day

NO_WAY = "no_way_to_reach"
SUMMARY = (
    "A message to the patient could not leave: there is no e-mail address on file, and no other "
    "channel that mail can go out on. Call them, or put an address on file."
)


class UnreachablePatients:
    """Tells staff, once a day and patient: in the campaign, or in the list of unmatched messages
    where no campaign can carry it.
    """

    def __init__(self, repositories: Repositories, clinic: ClinicService, clock: Clock) -> None:
        self._repositories = repositories
        self._clinic = clinic
        self._clock = clock

    async def ask_for_a_person(self, patient_id: PyObjectId) -> None:
        """Leave the task. Safe to repeat; what waits for a person already keeps its reason."""
        now = self._clock.now()
        campaigns = self._repositories.campaigns
        campaign = await campaigns.active_for(patient_id)
        campaign = campaign or await campaigns.latest_for(patient_id)
        if campaign is not None:
            attention = Attention(reason=NO_WAY, summary=SUMMARY, since=now)
            await campaigns.open_attention(campaign.id, attention)
            return
        await self._note(patient_id, now)

    async def _note(self, patient_id: PyObjectId, now: datetime) -> None:
        day = local_day(now, (await self._clinic.current()).zone)
        await self._repositories.interactions.record_incoming(
            Interaction(
                patient_id=patient_id,
                direction=Direction.INCOMING,
                content=SUMMARY,
                timestamp=now,
                unmatched=True,
                provider_id=f"unreachable:{patient_id}:{day.isoformat()}",
            )
        )
