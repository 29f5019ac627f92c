"""The reactive path: from a recorded reply to everything that follows from it, once.

Decide, store the decision, act on the stored decision, note that it is done. A run that a crash
cut short is run again: it finds the decision, and every effect is named after the reply.
"""

import logging
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.core.clock import Clock
from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.campaign import Campaign
from app.models.decision import Intent
from app.models.interaction import Decision, Interaction
from app.models.patient import Patient
from app.models.proposal import ProposedTimes
from app.models.schedule import Clinic
from app.services.agent.actions import CampaignActions
from app.services.agent.answering import passages_of
from app.services.agent.context import ReplyContext, Turn
from app.services.agent.conversation import turns_before
from app.services.agent.knowledge import KnowledgeService, treatment_spoken_of
from app.services.agent.outside import OutsideActions
from app.services.agent.policy import (
    Action,
    Choice,
    Reading,
    Reason,
    Situation,
    choose,
    without_answer,
)
from app.services.agent.reading import ReplyReader
from app.services.agent.replies import AGENT, CampaignReply, Reply, contact_to_verify
from app.services.clinic import ClinicService
from app.services.metrics import Metrics
from app.services.outreach.planner import start_of
from app.services.scheduling.localtime import local_day

logger = logging.getLogger(__name__)

MAX_POSTPONED_DAYS = 60
"""However late somebody says to be back, an attempt waits no longer than this."""


class ReactivePath:
    """Carries one recorded reply through to its end."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        settings: Settings,
        clinic: ClinicService,
        reader: ReplyReader,
        knowledge: KnowledgeService,
        in_campaign: CampaignActions,
        outside: OutsideActions,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._settings = settings
        self._clinic = clinic
        self._reader = reader
        self._knowledge = knowledge
        self._in_campaign = in_campaign
        self._outside = outside
        self._metrics = metrics
        self._clock = clock

    async def run(
        self,
        interaction: Interaction,
        patient: Patient | None = None,
        campaign: Campaign | None = None,
    ) -> None:
        """Decide and act, however far an earlier run came. Running twice does everything once.

        `patient` and `campaign` spare looking them up, where they were just read and are its own.
        """
        interactions = self._repositories.interactions
        if interaction.processed_at is not None:
            return
        about = await self._about(interaction, patient, campaign)
        if interaction.decision is None:
            interaction = await self._decide(interaction, about)
        await self._act(interaction, about)
        await interactions.mark_processed(interaction.id, self._clock.now())

    async def _about(
        self, interaction: Interaction, patient: Patient | None, campaign: Campaign | None
    ) -> "_About":
        """A second delivery answers the message that is stored, which may be another's."""
        patient_id, campaign_id = interaction.patient_id, interaction.campaign_id
        if patient_id is None or patient is None or patient.id != patient_id:
            patients = self._repositories.patients
            patient = await patients.get(patient_id) if patient_id else None
        if campaign_id is None or campaign is None or campaign.id != campaign_id:
            campaigns = self._repositories.campaigns
            campaign = await campaigns.get(campaign_id) if campaign_id else None
        return _About(await self._clinic.recent(), patient, campaign)

    # Deciding

    async def _decide(self, interaction: Interaction, about: "_About") -> Interaction:
        """Store a decision; the stored message with the decision that stands."""
        started = time.monotonic()
        today = local_day(interaction.timestamp, about.clinic.zone)
        contact = contact_to_verify(interaction, about.patient)
        context = self._context(interaction, about)
        reading = await self._reader.read(interaction, contact, today, context)
        situation = await self._situation(interaction, about)
        choice = choose(reading, situation)
        answer: str | None = None
        if choice.action == Action.SEND_ANSWER:
            choice, answer = await self._look_up(interaction, reading, about)
        decision = Decision(
            action=choice.action,
            campaign_status=situation.status,
            reason=choice.reason,
            answer=answer,
            postpone_until=_postponed(reading, today, about.clinic),
            opts_out_too=reading.opts_out_too or None,
            proposed_times=await self._proposed(interaction, reading, about.clinic),
            requested_by=AGENT,
        )
        reading.analysis.milliseconds = round((time.monotonic() - started) * 1000)
        return await self._keep(interaction, reading, decision)

    async def _proposed(
        self, interaction: Interaction, reading: Reading, clinic: Clinic
    ) -> ProposedTimes | None:
        """When a person who may want to come offered to."""
        if reading.analysis.intent in _NO_OFFER:
            return None
        horizon = clinic.booking_horizon_days
        return await self._reader.times_proposed(interaction, clinic.zone, horizon)

    async def _keep(
        self, interaction: Interaction, reading: Reading, decision: Decision
    ) -> Interaction:
        interactions = self._repositories.interactions
        if await interactions.store_decision(interaction.id, reading.analysis, decision):
            self._metrics.intent(reading.analysis.intent, reading.analysis.engine)
            logger.info(
                "reply decided",
                extra={
                    "interaction_id": str(interaction.id),
                    "intent": reading.analysis.intent.value,
                    "action": decision.action,
                    "reason": decision.reason,
                },
            )
            ours = {"ai_analysis": reading.analysis, "decision": decision}
            return interaction.model_copy(update=ours)
        return await interactions.get(interaction.id) or interaction

    async def _situation(self, interaction: Interaction, about: "_About") -> Situation:
        has_opted_out = about.patient is not None and about.patient.has_opted_out
        campaign = about.campaign
        if campaign is None or about.patient is None:
            return Situation(status=None, has_opted_out=has_opted_out)
        day_start = start_of(local_day(interaction.timestamp, about.clinic.zone), about.clinic.zone)
        taken = await self._repositories.interactions.count_agent_turns(campaign.id, day_start)
        return Situation(
            status=campaign.status,
            is_silent=campaign.agent_silent_since is not None,
            turns_left=self._settings.agent_turns_per_day - taken,
            has_opted_out=has_opted_out,
        )

    async def _look_up(
        self, interaction: Interaction, reading: Reading, about: "_About"
    ) -> tuple[Choice, str | None]:
        """The answer from the knowledge base, or a person's task."""
        context = self._context(interaction, about)
        answer = await self._knowledge.ask(interaction.content, about.treatment, context)
        reading.analysis.evidence.passages = passages_of(answer)
        if answer.by is not None:
            answer.by.add_to(reading.analysis)
        if not answer.found:
            wants_to_come = reading.analysis.intent == Intent.BOOKING_REQUEST
            times_alone = wants_to_come and await self._reader.asks_for_times_alone(
                interaction.content
            )
            return without_answer(reading, asks_for_times_alone=times_alone), None
        reading.analysis.evidence.knowledge_ids = [s.knowledge_id for s in answer.sources][:10]
        return Choice(Action.SEND_ANSWER, Reason.QUESTION), answer.text

    def _context(self, interaction: Interaction, about: "_About") -> ReplyContext:
        async def earlier() -> list[Turn]:
            if interaction.campaign_id is None:
                return []
            said = await self._repositories.interactions.conversation(interaction.campaign_id)
            return turns_before(interaction, said)

        names = (about.patient.name,) if about.patient else ()
        return ReplyContext(names, earlier)

    # Acting

    async def _act(self, interaction: Interaction, about: "_About") -> None:
        decision = interaction.decision
        assert decision is not None  # noqa: S101 - stored just before, or by an earlier run
        if about.patient is not None and about.campaign is not None:
            await self._in_campaign.perform(
                CampaignReply(
                    interaction=interaction,
                    decision=decision,
                    clinic=about.clinic,
                    patient=about.patient,
                    campaign=about.campaign,
                )
            )
            return
        await self._outside.perform(
            Reply(
                interaction=interaction,
                decision=decision,
                clinic=about.clinic,
                patient=about.patient,
            )
        )


@dataclass(frozen=True)
class _About:
    """Whom and what a reply is about, as it stands."""

    clinic: Clinic
    patient: Patient | None
    campaign: Campaign | None

    @property
    def treatment(self) -> str | None:
        """What the conversation is about, where that is known."""
        if self.patient is None or self.campaign is None:
            return None
        return treatment_spoken_of(self.patient, self.campaign)


_NO_OFFER = frozenset({Intent.BOUNCE, Intent.AUTO_REPLY, Intent.OPT_OUT})


def _postponed(reading: Reading, today: date, clinic: Clinic) -> datetime | None:
    """When somebody who is away may be written to again."""
    if reading.returns_on is None or reading.analysis.intent != Intent.AUTO_REPLY:
        return None
    latest = today + timedelta(days=MAX_POSTPONED_DAYS)
    return start_of(min(reading.returns_on, latest), clinic.zone)
