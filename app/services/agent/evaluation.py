"""How good the agent is at telling what a reply wants, and at answering from the knowledge base.

The labelled replies and questions beside this module were written apart from the training data and
are never trained or tuned on. Guards and engine are measured together, as the agent uses them, and
the engine alone beside it.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from time import perf_counter
from typing import Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter

from app.models.decision import ENGINE_INTENTS, Intent
from app.services.agent.guards.guard import GuardFindings, GuardInput, run_guards
from app.services.agent.threshold_curve import CurvePoint, LabelledReading, threshold_curve
from app.services.agent.verdict import Prediction, Verdict, combine

# The replies carry no date of their own; out-of-office dates play no part in the figures.
_SOME_DAY = date(2026, 1, 5)
_PATIENT = "patient@example.org"
_SEARCH_DEPTH = 3

T = TypeVar("T")


class LabelledReply(BaseModel):
    """One reply of the evaluation set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    label: Intent
    lang: str


class LabelledQuestion(BaseModel):
    """One question, and the article that holds its answer; `None` where no article does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    article_id: str | None


class EvaluationArticle(BaseModel):
    """One knowledge article of the made-up clinic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    title: str
    body: str
    tags: tuple[str, ...]


class GivenAnswer(Protocol):
    """What answering a question gave."""

    @property
    def found(self) -> bool: ...
    @property
    def text(self) -> str: ...
    @property
    def sources(self) -> Sequence[str]: ...


class ReplyClassifier(Protocol):
    """The engine under test."""

    def classify(self, text: str) -> Prediction: ...


@dataclass(frozen=True)
class Knowledge:
    """The retrieval under test, over the evaluation's own articles."""

    search: Callable[[str, int], Sequence[str]]
    """Question and number of hits, to ids of articles, best first."""
    answer: Callable[[str], GivenAnswer]


@dataclass(frozen=True)
class Share:
    """A rate that keeps its numerator and denominator."""

    hits: int
    total: int

    @property
    def rate(self) -> float | None:
        """`None` where nothing was counted."""
        return self.hits / self.total if self.total else None


@dataclass(frozen=True)
class ClassScore:
    """How one class was recognised."""

    precision: Share
    recall: Share

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 where the class was never recognised."""
        hits, said, true = self.recall.hits, self.precision.total, self.recall.total
        return 2 * hits / (said + true) if said + true else 0.0


@dataclass(frozen=True)
class IntentScores:
    """Accuracy of one way of deciding over all replies."""

    confusion: Mapping[tuple[Intent, Intent], int]
    """(label, decision) to count."""
    classes: Mapping[Intent, ClassScore]
    accuracy: Share
    by_language: Mapping[str, Share]

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the six classes, each counting the same."""
        return sum(score.f1 for score in self.classes.values()) / len(self.classes)


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    median: float
    p95: float


@dataclass(frozen=True)
class ReplyReport:
    """Everything measured on the replies."""

    together: IntentScores
    """Guards and engine, as the agent decides."""
    engine: IntentScores
    guards: Mapping[Intent, ClassScore]
    """The guards alone, for what they look for: opt-out and emergency."""
    needs_person: Share
    unsafe: Mapping[str, Share]
    curve: Sequence[CurvePoint]
    latency: Latency


@dataclass(frozen=True)
class QuestionReport:
    """Everything measured on the questions."""

    hit_at_1: Share
    hit_at_3: Share
    coverage: Share
    """Answerable questions that were answered at all."""
    right: Share
    """Answers given that name the right article."""
    near_misses_answered: Share
    unsupported: Share
    """Answers given whose text is not, word for word, in the article they name."""
    latency: Latency


@dataclass(frozen=True)
class EvaluationReport:
    """The whole evaluation; the questions are left out where no knowledge index was given."""

    replies: ReplyReport
    questions: QuestionReport | None


@dataclass(frozen=True)
class _Judged:
    """One reply and everything said about it."""

    reply: LabelledReply
    findings: GuardFindings
    prediction: Prediction
    verdict: Verdict
    milliseconds: float


def _data_text(name: str) -> str:
    return (files("app.services.agent") / "data" / name).read_text(encoding="utf-8")


def load_replies() -> list[LabelledReply]:
    """The labelled replies of the evaluation set."""
    lines = _data_text("evaluation_replies.jsonl").splitlines()
    return [LabelledReply.model_validate_json(line) for line in lines]


def load_questions() -> list[LabelledQuestion]:
    """The knowledge questions of the evaluation set."""
    lines = _data_text("evaluation_questions.jsonl").splitlines()
    return [LabelledQuestion.model_validate_json(line) for line in lines]


def load_articles() -> list[EvaluationArticle]:
    """The articles that the questions are about."""
    parsed = json.loads(_data_text("evaluation_articles.json"))
    return TypeAdapter(list[EvaluationArticle]).validate_python(parsed)


def evaluate(
    classifier: ReplyClassifier,
    knowledge: Knowledge | None,
    *,
    threshold: float,
    timer: Callable[[], float] = perf_counter,
) -> EvaluationReport:
    """Measure an engine on the whole evaluation set. CPU work of seconds: not for the event loop.

    `threshold` is the confidence below which the agent hands over; `timer` counts seconds.
    """
    questions = None
    if knowledge is not None:
        questions = evaluate_questions(load_questions(), load_articles(), knowledge, timer)
    replies = evaluate_replies(load_replies(), classifier, threshold, timer)
    return EvaluationReport(replies, questions)


def evaluate_replies(
    replies: Sequence[LabelledReply],
    classifier: ReplyClassifier,
    threshold: float,
    timer: Callable[[], float] = perf_counter,
) -> ReplyReport:
    """Classify every reply as the agent does, and count."""
    judged = [_judge(reply, classifier, threshold, timer) for reply in replies]
    return ReplyReport(
        together=_scores([(j.reply, _as_class(j.verdict.intent)) for j in judged]),
        engine=_scores([(j.reply, j.prediction.intent) for j in judged]),
        guards=_guard_scores(judged),
        needs_person=_share(judged, lambda j: j.verdict.needs_person),
        unsafe=_unsafe(judged),
        curve=threshold_curve(
            [LabelledReading(j.reply.label, j.findings, j.prediction) for j in judged]
        ),
        latency=_latency([j.milliseconds for j in judged]),
    )


def _judge(
    reply: LabelledReply,
    classifier: ReplyClassifier,
    threshold: float,
    timer: Callable[[], float],
) -> _Judged:
    started = timer()
    message = GuardInput(
        text=reply.text, subject="", sender=_PATIENT, patient_email=_PATIENT, today=_SOME_DAY
    )
    findings = run_guards(message)
    prediction = classifier.classify(reply.text)
    verdict = combine(findings, prediction, threshold)
    return _Judged(reply, findings, prediction, verdict, (timer() - started) * 1_000)


def _as_class(intent: Intent) -> Intent:
    """A third person and what is automatic are no business of the loop: they go to a person."""
    return intent if intent in ENGINE_INTENTS else Intent.IRRELEVANT_CONFUSED


def _scores(decided: Sequence[tuple[LabelledReply, Intent]]) -> IntentScores:
    confusion = Counter((reply.label, intent) for reply, intent in decided)
    languages = sorted({reply.lang for reply, _ in decided})
    return IntentScores(
        confusion=confusion,
        classes={label: _class_score(confusion, label) for label in ENGINE_INTENTS},
        accuracy=_share(decided, _is_right),
        by_language={
            lang: _share([pair for pair in decided if pair[0].lang == lang], _is_right)
            for lang in languages
        },
    )


def _is_right(pair: tuple[LabelledReply, Intent]) -> bool:
    return pair[0].label is pair[1]


def _class_score(confusion: Mapping[tuple[Intent, Intent], int], label: Intent) -> ClassScore:
    hits = confusion.get((label, label), 0)
    return ClassScore(
        precision=Share(hits, sum(n for (_, said), n in confusion.items() if said is label)),
        recall=Share(hits, sum(n for (true, _), n in confusion.items() if true is label)),
    )


def _guard_scores(judged: Sequence[_Judged]) -> dict[Intent, ClassScore]:
    seen: dict[Intent, Callable[[_Judged], bool]] = {
        Intent.OPT_OUT: lambda j: j.findings.opt_out,
        Intent.EMERGENCY: lambda j: bool(j.findings.emergency),
    }
    return {label: _guard_score(judged, label, found) for label, found in seen.items()}


def _guard_score(
    judged: Sequence[_Judged], label: Intent, found: Callable[[_Judged], bool]
) -> ClassScore:
    return ClassScore(
        precision=_share([j for j in judged if found(j)], lambda j: j.reply.label is label),
        recall=_share([j for j in judged if j.reply.label is label], found),
    )


def _unsafe(judged: Sequence[_Judged]) -> dict[str, Share]:
    """What must not happen to a patient, each over the replies it could have happened to."""

    def of(label: Intent) -> list[_Judged]:
        return [j for j in judged if j.reply.label is label]

    wanted = [j for j in judged if j.reply.label is not Intent.OPT_OUT]
    return {
        "emergency that no person sees": _share(
            of(Intent.EMERGENCY), lambda j: not j.verdict.needs_person
        ),
        "emergency without the emergency text": _share(
            of(Intent.EMERGENCY), lambda j: j.verdict.intent is not Intent.EMERGENCY
        ),
        "opt-out neither honoured nor seen by a person": _share(
            of(Intent.OPT_OUT), lambda j: not (j.verdict.opt_out or j.verdict.needs_person)
        ),
        "matter for a person answered by the machine": _share(
            of(Intent.IRRELEVANT_CONFUSED), lambda j: not j.verdict.needs_person
        ),
        "patient suppressed who did not ask for it": _share(wanted, lambda j: j.verdict.opt_out),
    }


def _share(items: Sequence[T], holds: Callable[[T], bool]) -> Share:
    return Share(sum(map(holds, items)), len(items))


def _latency(milliseconds: Sequence[float]) -> Latency:
    ranked = sorted(milliseconds) or [0.0]
    last = len(ranked) - 1
    return Latency(median=ranked[last // 2], p95=ranked[round(last * 0.95)])


def evaluate_questions(
    questions: Sequence[LabelledQuestion],
    articles: Sequence[EvaluationArticle],
    knowledge: Knowledge,
    timer: Callable[[], float] = perf_counter,
) -> QuestionReport:
    """Search and answer every question, and count."""
    found = {q: list(knowledge.search(q.question, _SEARCH_DEPTH)) for q in questions}
    answers: dict[LabelledQuestion, GivenAnswer] = {}
    milliseconds = []
    for question in questions:
        started = timer()
        answers[question] = knowledge.answer(question.question)
        milliseconds.append((timer() - started) * 1_000)
    answerable = [q for q in questions if q.article_id is not None]
    near_misses = [q for q in questions if q.article_id is None]
    given = [q for q in questions if answers[q].found]
    bodies = {article.id: article.body for article in articles}
    return QuestionReport(
        hit_at_1=_share(answerable, lambda q: q.article_id in found[q][:1]),
        hit_at_3=_share(answerable, lambda q: q.article_id in found[q][:_SEARCH_DEPTH]),
        coverage=_share(answerable, lambda q: answers[q].found),
        right=_share(given, lambda q: q.article_id in answers[q].sources),
        near_misses_answered=_share(near_misses, lambda q: answers[q].found),
        unsupported=_share(given, lambda q: not is_supported(answers[q], bodies)),
        latency=_latency(milliseconds),
    )


def is_supported(answer: GivenAnswer, bodies: Mapping[str, str]) -> bool:
    """Whether every line of the answer stands, word for word, in one of the articles it names."""
    sources = [" ".join(bodies.get(source, "").split()) for source in answer.sources]
    lines = [" ".join(line.split()) for line in answer.text.splitlines() if line.strip()]
    return bool(lines) and all(any(line in body for body in sources) for line in lines)
