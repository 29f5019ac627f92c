"""The agent as one thing: it understands, it answers, it writes first, it reacts.

The work is done by the paths and the engine; this is the front that the plan names.
"""

from collections.abc import Sequence
from datetime import datetime

from app.models.campaign import Campaign
from app.models.interaction import Interaction
from app.models.records import KnowledgeArticle
from app.services.agent.answering import Answer
from app.services.agent.engine import Engine
from app.services.agent.intent import IntentPrediction
from app.services.agent.reactive import ReactivePath
from app.services.outreach.proactive import AttemptOutcome, ProactivePath


class AiAgent:
    """One agent, two paths, one decision record per message."""

    def __init__(self, *, engine: Engine, proactive: ProactivePath, reactive: ReactivePath) -> None:
        self._engine = engine
        self._proactive = proactive
        self._reactive = reactive

    async def classify_intent(self, text: str) -> IntentPrediction:
        """What the engine alone makes of a reply; what is done about it, `run_reactive` decides."""
        return await self._engine.classify(text)

    async def generate_response(
        self, question: str, articles: Sequence[KnowledgeArticle]
    ) -> Answer:
        """An answer in the words of one of `articles`, or none."""
        return await self._engine.answer(await self._engine.index(articles), question)

    async def run_proactive(self, campaign: Campaign, now: datetime) -> AttemptOutcome:
        """Queue the next attempt of a campaign, or end it where there is none left."""
        return await self._proactive.advance(campaign, now)

    async def run_reactive(self, interaction: Interaction) -> None:
        """Carry a recorded reply through to everything that follows from it."""
        await self._reactive.run(interaction)
