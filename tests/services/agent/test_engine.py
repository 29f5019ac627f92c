"""The local engine as it ships, alone and in the reactive path."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.campaign import CampaignStatus
from app.models.decision import Intent
from app.models.interaction import MessageClass
from app.models.records import KnowledgeArticle
from app.services.agent.encoder import Encoder, FloatMatrix
from app.services.agent.engine import LoadedModels, LocalEngine, load_models
from app.services.agent.retrieval import KnowledgeIndex, KnowledgeText
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


class CountingEncoder:
    """The encoder as it ships, and which passages it had to encode."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.name = encoder.name
        self.encoded: list[str] = []

    def encode_queries(self, texts: Sequence[str]) -> FloatMatrix:
        """See `Encoder`."""
        return self._encoder.encode_queries(texts)

    def encode_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """See `Encoder`."""
        self.encoded += texts
        return self._encoder.encode_passages(texts)


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


class TestIndexAfterAChange:
    @pytest.fixture
    def counting(self, models: LoadedModels) -> CountingEncoder:
        """Encodes for this test only."""
        return CountingEncoder(models.encoder)

    @pytest.fixture
    def engine(self, models: LoadedModels, counting: CountingEncoder) -> Iterator[LocalEngine]:
        """An engine whose encodings are counted."""
        engine = LocalEngine(lambda: LoadedModels(counting, models.classifier))
        yield engine
        engine.close()

    async def test_only_new_sentences_are_encoded_and_all_are_found_as_by_a_fresh_index(
        self, engine: LocalEngine, models: LoadedModels, counting: CountingEncoder
    ) -> None:
        whitening, parking = ARTICLES
        body = "It takes about one hour. An in-office whitening costs $390."
        changed = [parking, whitening.model_copy(update={"body": body})]
        await engine.index(ARTICLES)
        counting.encoded.clear()

        index = await engine.index(changed)

        assert counting.encoded == ["Teeth whitening. An in-office whitening costs $390."]
        texts = [
            KnowledgeText(str(one.id), one.title, one.body, tuple(one.tags)) for one in changed
        ]
        fresh = KnowledgeIndex(texts, models.encoder)
        for question in ("What does whitening cost?", "How long does it take?", "Can I park?"):
            assert index.search(question) == fresh.search(question)

    async def test_a_sentence_that_stands_twice_is_encoded_once(
        self, engine: LocalEngine, counting: CountingEncoder
    ) -> None:
        twice = ARTICLES[1].model_copy(update={"body": "Parking is free.\nParking is free."})
        extended = twice.model_copy(update={"body": f"{twice.body}\nThe gate closes at eight."})
        await engine.index([twice])

        index = await engine.index([extended, twice])

        once, new = "Parking. Parking is free.", "Parking. The gate closes at eight."
        assert counting.encoded == [once, new]
        assert index.search("When does the gate close?", 1)[0].position == 3

    async def test_what_is_gone_is_forgotten(
        self, engine: LocalEngine, counting: CountingEncoder
    ) -> None:
        for articles in (ARTICLES, [], ARTICLES):
            await engine.index(articles)

        assert len(counting.encoded) == 2 * len(set(counting.encoded))


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
