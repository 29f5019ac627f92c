"""The agent as one thing: it understands, it answers, it writes first, it reacts.

The work is done by the paths and the engine; this is the front that the plan names.
"""

from datetime import datetime

from app.models.campaign import Campaign
from app.models.interaction import Interaction
from app.models.patient import Patient
from app.services.agent.answering import Answer
from app.services.agent.engine import Engine
from app.services.agent.intent import IntentPrediction
from app.services.agent.knowledge import KnowledgeService
from app.services.agent.reactive import ReactivePath
from app.services.outreach.proactive import AttemptOutcome, ProactivePath


class AiAgent:
    """One agent, two paths, one decision record per message."""

    def __init__(
        self,
        *,
        engine: Engine,
        knowledge: KnowledgeService,
        proactive: ProactivePath,
        reactive: ReactivePath,
    ) -> None:
        self._engine = engine
        self._knowledge = knowledge
        self._proactive = proactive
        self._reactive = reactive

    async def classify_intent(self, text: str) -> IntentPrediction:
        """What the engine alone makes of a reply; what is done about it, `run_reactive` decides."""
        return await self._engine.classify(text)

    async def generate_response(self, question: str) -> Answer:
        """An answer in the words of the practice's own articles, or none."""
        return await self._knowledge.ask(question)

    async def run_proactive(self, campaign: Campaign, now: datetime) -> AttemptOutcome:
        """Queue the next attempt of a campaign, or end it where there is none left."""
        return await self._proactive.advance(campaign, now)

    async def run_reactive(
        self,
        interaction: Interaction,
        patient: Patient | None = None,
        campaign: Campaign | None = None,
    ) -> None:
        """Carry a recorded reply through to everything that follows from it.

        `patient` and `campaign` spare looking them up, where they were just read.
        """
        await self._reactive.run(interaction, patient, campaign)
