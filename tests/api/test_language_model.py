"""A configured language model, from the webhook to what the patient and the desk see."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.core.config import Settings
from app.services.container import Services
from tests.api.admin.desk import ADMIN, LEAD, V1
from tests.conftest import Drain
from tests.factories import make_settings
from tests.model_server import intent, model_server
from tests.services.test_email_processor import push

pytestmark = pytest.mark.mongo

KEY = "key-that-nobody-may-read"
PRICE = "An in-office whitening costs $350."
ARTICLE = {"title": "Teeth whitening", "body": f"{PRICE} It takes about one hour."}
CANARY = "Canary-Quuxley"
QUESTION = f"I am {CANARY}. How much is an in-office whitening?"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Where the model server is."""
    with model_server() as url:
        yield url


@pytest.fixture
def settings(settings: Settings, server: str) -> Settings:
    """With a model that says what the test wrote down."""
    model = {"llm_base_url": f"{server}/v1", "llm_model": "scripted#front-door"}
    return make_settings(**{**settings.model_dump(), **model, "llm_api_key": KEY})


async def says(server: str, reads: object, answers: object) -> None:
    """From now on the model says this."""
    async with httpx.AsyncClient(trust_env=False) as client:
        script = {"reads": reads, "answers": answers}
        await client.put(f"{server}/scripts/front-door", json=script)


@dataclass
class FrontDoor:
    """The service over HTTP, signed in to."""

    client: httpx.AsyncClient
    services: Services
    headers: dict[str, str]
    drain: Drain

    async def replied(self, text: str) -> dict[str, Any]:
        """A lead is written to and replies; the campaign with its conversation, as staff see it."""
        await self.client.post(f"{ADMIN}/knowledge", json=ARTICLE, headers=self.headers)
        created = await self.client.post(
            f"{ADMIN}/campaigns/recovery", json=LEAD, headers=self.headers
        )
        campaign_id = created.json()["campaign_id"]
        await self.drain()
        [first] = await self.services.repositories.interactions._find({"direction": "outgoing"})
        relayed = {
            "thread_id": first.thread_id,
            "message_id": "<r-1@mail.example.com>",
            "from": LEAD["patient_email"],
            "content": text,
        }
        pushed = await self.client.post(f"{V1}/webhooks/gmail", content=push(relayed))
        assert pushed.status_code == 200
        await self.drain()
        answer = await self.client.get(f"{ADMIN}/campaigns/{campaign_id}", headers=self.headers)
        found = answer.json()
        return {**found["campaign_details"], "said": found["conversation_history"]}


@pytest.fixture
def desk(
    app_client: httpx.AsyncClient,
    services: Services,
    admin_headers: dict[str, str],
    drain: Drain,
) -> FrontDoor:
    """The service with its model."""
    return FrontDoor(app_client, services, admin_headers, drain)


class TestReply:
    async def test_a_question_is_answered_in_the_articles_words_and_the_record_tells(
        self, desk: FrontDoor, server: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        for logger in ("app", "httpx", "httpcore", "stamina"):
            caplog.set_level(logging.DEBUG, logger=logger)
        await says(server, intent("QUESTION"), {"found": True, "sentences": [PRICE]})

        campaign = await desk.replied(QUESTION)

        _, reply, letter = campaign["said"]
        assert campaign["status"] == "RE_ENGAGED"
        assert PRICE in letter["content"]
        assert "booking_token" in letter["content"]
        assert letter["delivery_status"] == "sent"
        analysis = reply["ai_analysis"]
        assert (analysis["intent"], analysis["engine"]) == ("QUESTION", "openai")
        assert analysis["engine_version"].startswith("scripted#front-door prompt ")
        assert analysis["usage"]["calls"] == 2
        assert analysis["usage"]["input_tokens"] == 800
        assert analysis["evidence"]["fallback_reason"] is None
        metrics = (await desk.client.get("/metrics")).text
        assert 'replies_classified_total{engine="openai",intent="QUESTION"} 1.0' in metrics
        assert CANARY not in caplog.text
        assert KEY not in caplog.text + metrics

    async def test_a_price_that_it_makes_up_becomes_a_task_for_a_person(
        self, desk: FrontDoor, server: str
    ) -> None:
        invented = "An in-office whitening costs $99, book at https://cheap-teeth.example."
        await says(server, intent("QUESTION"), {"found": True, "sentences": [invented]})

        campaign = await desk.replied(QUESTION)

        _, reply, letter = campaign["said"]
        assert campaign["status"] == "HANDOFF_REQUIRED"
        assert campaign["attention"]["reason"] == "question_without_answer"
        assert "engine:unsupported" in reply["ai_analysis"]["evidence"]["notes"]
        assert "$" not in letter["content"]
        assert "cheap-teeth" not in letter["content"]

    async def test_nonsense_ends_at_the_local_engine(self, desk: FrontDoor, server: str) -> None:
        await says(server, "Let me think about that.", "I would rather not.")

        campaign = await desk.replied(QUESTION)

        _, reply, letter = campaign["said"]
        assert reply["ai_analysis"]["engine"] == "local"
        assert reply["ai_analysis"]["evidence"]["fallback_reason"] == "intent: wrong_schema"
        assert letter["content"]
