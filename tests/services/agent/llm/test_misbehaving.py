"""A model server that misbehaves: no reply is lost, and each ends in time."""

import asyncio
import uuid
from dataclasses import dataclass

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.base import new_id
from app.models.campaign import Campaign, CampaignStatus
from app.models.interaction import Interaction
from app.models.patient import Patient
from app.models.records import KnowledgeArticle
from app.services.agent.llm.build import LanguageModel
from app.services.agent.llm.client import MAX_ANSWER_TOKENS
from tests.agent_fakes import Stage
from tests.fakes import FrozenClock
from tests.services.agent.llm.conftest import DEADLINE_SECONDS, Ask, Sent

S = CampaignStatus
WISH = "Yes please, I would like to come in next week."
QUESTION = "How much does an in-office whitening cost?"
PRICE = "An in-office whitening costs $350."

pytestmark = pytest.mark.mongo

FALLS_BACK = {
    "failing": "server_error",
    "busy": "rate_limited",
    "refusing": "refused",
    "redirecting": "refused",
    "cutting": "cut_off",
    "half-json": "invalid_answer",
    "deep-json": "invalid_answer",
    "chatting": "wrong_schema",
    "wrong-schema": "wrong_schema",
    "acting": "wrong_schema",
    "calling-tools": "wrong_schema",
    "silent": "empty_answer",
    "unfinished": "unfinished",
    "huge": "too_large",
    "bomb": "invalid_answer",
    "playing-guard": "wrong_schema",
}
WORKS = ["honest", "slow", "failing-once", "busy-once"]
SLACK_SECONDS = 15
"""What a busy machine may add to a deadline; a model that hangs does so for longer."""
FORBIDDEN = ("$", "cheap-teeth", "900", "Sunday")
INVENTS = ["inventing-a-price", "inventing-a-link", "inventing-a-phone", "inventing-a-time"]


@dataclass
class Ended:
    """How a reply ended."""

    reply: Interaction
    campaign: Campaign
    letters: list[Interaction]

    @property
    def engine(self) -> tuple[str, str | None]:
        """Which engine read it, and why not the configured one."""
        assert self.reply.ai_analysis
        return self.reply.ai_analysis.engine, self.reply.ai_analysis.evidence.fallback_reason

    @property
    def asked_for_seconds(self) -> float:
        """How long the model was waited for, all questions together."""
        assert self.reply.ai_analysis
        assert self.reply.ai_analysis.usage
        return self.reply.ai_analysis.usage.milliseconds / 1000

    @property
    def text(self) -> str:
        """All that the patient is sent."""
        return "\n".join(letter.content for letter in self.letters)


@dataclass
class Practice:
    """A stage with articles and a model."""

    repositories: Repositories
    settings: Settings
    clock: FrozenClock

    def stage(self, model: LanguageModel) -> Stage:
        """The reactive path with the model's engine."""
        return Stage(self.repositories, self.settings, self.clock, real_engine=model.engine)

    async def publishes(self) -> None:
        """An article to answer from."""
        body = f"{PRICE} It takes about one hour."
        await self.repositories.knowledge.insert(
            KnowledgeArticle(title="Teeth whitening", body=body, tags=["whitening"])
        )

    async def replies(self, stage: Stage, text: str, **given: object) -> Ended:
        """A patient replies, and the reply is carried to its end."""
        patient: Patient = await stage.patient(**given)
        campaign = await stage.campaign(patient)
        number = int(str(new_id()), 16)
        reply = await stage.reply(patient, campaign, text, number=number)
        await stage.reactive.run(reply)
        return Ended(
            await stage.reply_now(reply),
            await stage.campaign_now(campaign),
            await stage.outgoing(patient),
        )


@pytest.fixture
def practice(repositories: Repositories, settings: Settings, clock: FrozenClock) -> Practice:
    """A practice over the test's database."""
    return Practice(repositories, settings, clock)


def fresh(kind: str) -> str:
    """A model of this kind that nobody asked before."""
    return f"{kind}#{uuid.uuid4().hex}"


class TestServer:
    """Each kind has a model, and a breaker, of its own; all of them misbehave at once."""

    async def test_a_good_answer_is_used_also_after_a_while_or_a_retry(
        self, practice: Practice, model_named: Ask
    ) -> None:
        async def behaves(kind: str) -> None:
            stage = practice.stage(model_named(fresh(kind)))

            wish = await practice.replies(stage, WISH)
            question = await practice.replies(stage, QUESTION)

            for ended in (wish, question):
                assert ended.engine == ("openai", None), kind
                assert ended.campaign.status == S.RE_ENGAGED, kind
                assert ended.reply.processed_at, kind
            assert "booking_token" in wish.text, kind
            assert PRICE in question.text, kind

        await practice.publishes()
        await asyncio.gather(*(behaves(kind) for kind in WORKS))

    async def test_anything_else_ends_at_the_local_engine_and_the_record_says_why(
        self, practice: Practice, model_named: Ask
    ) -> None:
        async def behaves(kind: str, fault: str) -> None:
            stage = practice.stage(model_named(fresh(kind)))

            wish = await practice.replies(stage, WISH)
            question = await practice.replies(stage, QUESTION)

            for ended in (wish, question):
                assert ended.engine == ("local", f"intent: {fault}"), kind
                assert ended.asked_for_seconds < 2 * DEADLINE_SECONDS + SLACK_SECONDS, kind
                assert ended.campaign.status == S.RE_ENGAGED, kind
                assert ended.reply.processed_at, kind
            assert "booking_token" in wish.text, kind
            assert PRICE in question.text, kind

        await practice.publishes()
        await asyncio.gather(*(behaves(kind, fault) for kind, fault in FALLS_BACK.items()))

    async def test_one_that_never_ends_costs_no_more_than_the_deadline(
        self, practice: Practice, model_named: Ask
    ) -> None:
        async def behaves(kind: str) -> None:
            stage = practice.stage(model_named(fresh(kind), llm_deadline_seconds=0.4))

            ended = await practice.replies(stage, QUESTION)

            assert PRICE in ended.text, kind
            assert ended.engine == ("local", "intent: timeout"), kind
            assert ended.asked_for_seconds < 2 * 0.4 + SLACK_SECONDS, kind

        await practice.publishes()
        await asyncio.gather(*(behaves(kind) for kind in ("hanging", "dribbling")))

    async def test_what_it_did_not_do_is_not_charged(
        self, practice: Practice, model_named: Ask
    ) -> None:
        days, today = practice.repositories.engine_days, practice.clock.now().date().isoformat()

        await model_named(fresh("refusing")).engine.classify(WISH)
        refused = await days.get(today)
        await model_named(fresh("chatting")).engine.classify(WISH)
        chatted = await days.get(today)
        await model_named(fresh("half-json")).engine.classify(WISH)
        unknown = await days.get(today)

        assert refused
        assert chatted
        assert unknown
        assert (refused.tokens, chatted.tokens) == (0, 440)
        assert unknown.tokens > 440 + MAX_ANSWER_TOKENS

    async def test_after_an_attempt_that_hangs_there_is_time_for_another(
        self, model_named: Ask
    ) -> None:
        model = model_named(fresh("hanging-once"), llm_deadline_seconds=8)

        prediction = await model.engine.classify(WISH)

        assert prediction.by
        assert prediction.by.engine == "openai"
        assert prediction.by.usage
        assert prediction.by.usage.calls == 2

    async def test_what_it_invents_is_not_sent_but_handed_off(
        self, practice: Practice, model_named: Ask
    ) -> None:
        async def behaves(kind: str) -> None:
            stage = practice.stage(model_named(fresh(kind)))

            ended = await practice.replies(stage, QUESTION)

            assert ended.campaign.status == S.HANDOFF_REQUIRED, kind
            assert ended.reply.decision
            assert ended.reply.decision.reason == "question_without_answer", kind
            assert not any(word in ended.text for word in FORBIDDEN), kind
            assert ended.reply.ai_analysis
            assert "engine:unsupported" in ended.reply.ai_analysis.evidence.notes, kind

        await practice.publishes()
        await asyncio.gather(*(behaves(kind) for kind in INVENTS))

    async def test_a_key_never_follows_a_redirect(
        self, practice: Practice, model_named: Ask, sent: Sent
    ) -> None:
        name = fresh("redirecting")

        await practice.replies(practice.stage(model_named(name)), WISH)

        assert [one["path"] for one in await sent(name)] == ["/v1/chat/completions"]
