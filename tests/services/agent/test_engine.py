"""The local engine as it ships, alone and in the reactive path."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.campaign import CampaignStatus
from app.models.decision import Intent
from app.models.interaction import MessageClass
from app.models.records import KnowledgeArticle
from app.services.agent.engine import LoadedModels, LocalEngine, load_models
from tests.agent_fakes import Stage
from tests.fakes import FrozenClock

S = CampaignStatus

ARTICLES = [
    KnowledgeArticle(
        title="Teeth whitening",
        body="An in-office whitening costs $350. It takes about one hour.",
        tags=["whitening"],
    ),
    KnowledgeArticle(title="Parking", body="Parking behind the building is free for patients."),
]


@pytest.fixture(scope="module")
def models() -> LoadedModels:
    """Loaded once for the module: it takes seconds."""
    return load_models()


@pytest.fixture
def engine(models: LoadedModels) -> Iterator[LocalEngine]:
    """An engine of the test's own over the loaded models."""
    engine = LocalEngine(lambda: models)
    yield engine
    engine.close()


class TestLocalEngine:
    async def test_it_tells_a_wish_from_a_no(self, engine: LocalEngine) -> None:
        wish = await engine.classify("Yes please, I would like to book an appointment.")
        no = await engine.classify("No thank you, I am not interested.")

        assert wish.intent == Intent.BOOKING_REQUEST
        assert no.intent == Intent.SERVICE_DENIAL
        assert engine.version

    async def test_it_quotes_the_article_that_holds_the_answer(self, engine: LocalEngine) -> None:
        index = await engine.index(ARTICLES)

        answer = await engine.answer(index, "How much does whitening cost?")

        assert answer.found
        assert "$350" in answer.text
        assert [source.title for source in answer.sources] == ["Teeth whitening"]

    async def test_it_says_so_where_no_article_holds_it(self, engine: LocalEngine) -> None:
        index = await engine.index(ARTICLES)

        assert not (await engine.answer(index, "How much does an implant cost?")).found
        assert not (await engine.answer(await engine.index([]), "Is parking free?")).found

    async def test_the_treatment_talked_about_completes_a_question(
        self, engine: LocalEngine
    ) -> None:
        index = await engine.index(ARTICLES)

        assert not (await engine.answer(index, "How much is it?")).found
        assert (await engine.answer(index, "How much is it?", "whitening")).found

    async def test_it_loads_once_and_never_on_the_event_loop(self, models: LoadedModels) -> None:
        loaded_in: list[threading.Thread] = []

        def load() -> LoadedModels:
            loaded_in.append(threading.current_thread())
            return models

        engine = LocalEngine(load)
        assert engine.version is None

        await asyncio.gather(engine.warm_up(), engine.classify("Yes"), engine.classify("No"))

        [thread] = loaded_in
        assert thread is not threading.current_thread()
        engine.close()


@pytest.mark.mongo
class TestInThePath:
    @pytest.fixture
    async def stage(
        self,
        repositories: Repositories,
        settings: Settings,
        clock: FrozenClock,
        engine: LocalEngine,
    ) -> Stage:
        """The reactive path with the engine as it ships, and two articles."""
        for article in ARTICLES:
            await repositories.knowledge.insert(article.model_copy())
        return Stage(repositories, settings, clock, real_engine=engine)

    @pytest.mark.parametrize(
        ("text", "status", "sent", "holds"),
        [
            (
                "Yes please, I would like to book an appointment.",
                S.RE_ENGAGED,
                MessageClass.AGENT_ANSWER,
                "booking_token",
            ),
            ("How much does whitening cost?", S.RE_ENGAGED, MessageClass.AGENT_ANSWER, "$350"),
            (
                "What does a dental implant cost?",
                S.HANDOFF_REQUIRED,
                MessageClass.HANDOFF_NOTICE,
                "",
            ),
            (
                "No thank you, I am not interested.",
                S.RECOVERY_DECLINED,
                MessageClass.AGENT_ANSWER,
                "",
            ),
            (
                "Remove me from your list please",
                S.RECOVERY_DECLINED,
                MessageClass.OPT_OUT_RECEIPT,
                "",
            ),
            (
                "My jaw is swollen and I have a fever since last night",
                S.HANDOFF_REQUIRED,
                MessageClass.EMERGENCY_TEXT,
                "212-555-0100",
            ),
        ],
    )
    async def test_plain_replies_end_where_they_should(
        self, stage: Stage, text: str, status: CampaignStatus, sent: MessageClass, holds: str
    ) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)

        await stage.reactive.run(await stage.reply(patient, campaign, text))

        assert (await stage.campaign_now(campaign)).status == status
        [letter] = await stage.outgoing(patient)
        assert letter.delivery
        assert letter.delivery.message_class == sent
        assert holds in letter.content
