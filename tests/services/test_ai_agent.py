"""The front that the plan names; what stands behind it is tested where it stands."""

import pytest

from app.models.decision import Intent
from app.models.records import KnowledgeArticle
from app.services.container import Services
from tests.factories import make_campaign, make_patient
from tests.fakes import NOON

pytestmark = pytest.mark.mongo


class TestAiAgent:
    async def test_understands_answers_and_writes_first(self, services: Services) -> None:
        agent, stored = services.agent.agent, services.repositories
        patient = await stored.patients.insert(make_patient(email="maria@example.com"))
        campaign = await stored.campaigns.insert(make_campaign(patient_id=patient.id))
        article = KnowledgeArticle(title="Insurance", body="We accept Delta Dental and MetLife.")
        await services.agent.knowledge.create(article)

        prediction = await agent.classify_intent("Yes please, I would like to book a visit")
        answer = await agent.generate_response("Do you take Delta Dental?")
        await agent.run_proactive(campaign, NOON)

        assert prediction.intent == Intent.BOOKING_REQUEST
        assert (answer.found, answer.text) == (True, "We accept Delta Dental and MetLife.")
        [letter] = await stored.interactions.conversation(campaign.id)
        assert letter.attempt == 1
