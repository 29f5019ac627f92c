"""Free times to name in an answer: a few of those that go with what the patient proposed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.models.campaign import Campaign, CampaignType
from app.models.interaction import Decision
from app.models.patient import Patient
from app.models.schedule import Service
from app.services.agent.vocabulary import content_terms
from app.services.outreach.composer import NO_SUGGESTION, Suggestion
from app.services.scheduling.availability import AvailabilityService, FreeTime
from app.services.scheduling.setup import Setup
from app.services.scheduling.wanted import as_query

MAX_NAMED = 3
REACH_DAYS = 31
"""How much of a wide proposal is looked through."""


@dataclass(frozen=True)
class FreeTimes:
    """Looks for them in two round trips to the database, and in none where nothing is clear."""

    availability: AvailabilityService

    async def going_with(
        self, decision: Decision, patient: Patient, campaign: Campaign
    ) -> Suggestion:
        """What to say about when. No time is named of a service that nobody spoke of: how long a
        visit takes, and with whom it is, decides what is free.
        """
        proposed = decision.proposed_times
        if proposed is None or not as_query(proposed):
            return NO_SUGGESTION
        days = proposed.days()
        last = min(days[-1], days[0] + timedelta(days=REACH_DAYS - 1))

        def service_in(setup: Setup) -> Service | None:
            return service_spoken_of(patient, campaign, setup.online_services())

        found = await self.availability.of_one(service_in, days[0], last)
        if found is None:
            return Suggestion(proposed)
        service, free = found
        fitting = [one for one in free if proposed.holds(datetime.fromisoformat(one.local_time))]
        return Suggestion(proposed, service.name, [one.starts_at for one in _spread(fitting)])


def _spread(free: Sequence[FreeTime]) -> list[FreeTime]:
    """The first time of each day before the second of any: neighbours say little new."""
    of_day: Counter[str] = Counter()
    ranked: list[tuple[int, datetime, FreeTime]] = []
    for one in free:
        day = one.local_time[:10]
        ranked.append((of_day[day], one.starts_at, one))
        of_day[day] += 1
    chosen = [one for *_, one in sorted(ranked, key=lambda r: r[:2])[:MAX_NAMED]]
    return sorted(chosen, key=lambda one: one.starts_at)


def service_spoken_of(
    patient: Patient, campaign: Campaign, services: Sequence[Service]
) -> Service | None:
    """The one service the conversation can be about: the only one there is, the one whose name a
    lead's inquiry or a recall's last treatment holds. In doubt none.
    """
    if len(services) == 1:
        return services[0]
    text = patient.initial_inquiry or ""
    if campaign.campaign_type == CampaignType.RECALL:
        text = patient.treatment_history[-1].procedure_name if patient.treatment_history else ""
    said = content_terms(text)
    fitting = [one for one in services if (name := content_terms(one.name)) and name <= said]
    return fitting[0] if len(fitting) == 1 else None
