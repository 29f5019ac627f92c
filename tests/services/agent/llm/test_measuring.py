"""Measuring a language model: the engine as it works, and how often it was not the model."""

from collections.abc import Iterator

import pytest

from app.models.decision import Intent
from app.services.agent.llm.measuring import ModelUnderTest, model_evaluation_report
from app.services.agent.measuring import evaluation_texts
from app.services.agent.retrieval import KnowledgeIndex
from tests.agent_fakes import SilentEncoder
from tests.factories import make_settings
from tests.services.agent.llm.scripted import Drowsy, ScriptedModel, engine_of


@pytest.fixture
def local() -> Iterator[Drowsy]:
    """Takes everything for a wish to come."""
    engine = Drowsy()
    yield engine
    engine.close()


class TestModelUnderTest:
    def test_it_asks_from_plain_code_and_counts_what_was_not_the_model(self, local: Drowsy) -> None:
        model, told = ScriptedModel(), list[str]()
        model.reads = {"intent": "QUESTION", "confidence": 1, "also": [], "sentiment": "neutral"}
        with ModelUnderTest(engine_of(model, local), told.append) as under_test:
            read = under_test.classify("How much?").intent
            model.reads = {"intent": "PARTY"}
            for _ in range(49):
                under_test.classify("How much?")

        assert read == Intent.QUESTION
        assert told == ["asked 50 times"]
        first, *failed = under_test.summary().splitlines()
        assert first.startswith("Engine: openai, version scripted-1 prompt ")
        assert first.endswith("asked 50 times")
        assert failed == [
            "  local engine in its place, intent: circuit_open: 44",
            "  local engine in its place, intent: wrong_schema: 5",
        ]

    def test_an_answer_that_needed_no_model_is_not_counted(self, local: Drowsy) -> None:
        model = ScriptedModel()
        index = KnowledgeIndex(evaluation_texts(), SilentEncoder())
        with ModelUnderTest(engine_of(model, local), print) as under_test:
            answer = under_test.answer(index, "How tall is the Eiffel tower?")

        assert not answer.found
        assert model.sent == []
        assert under_test.summary().endswith("asked 0 times")


class TestReport:
    def test_without_a_model_there_is_none(self) -> None:
        assert model_evaluation_report(make_settings(), print) is None
