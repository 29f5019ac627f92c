"""The evaluation report as text, for the command line and the README."""

from collections.abc import Iterator

from app.models.decision import ENGINE_INTENTS, Intent
from app.services.agent.evaluation import (
    ClassScore,
    EvaluationReport,
    IntentScores,
    Latency,
    QuestionReport,
    ReplyReport,
    Share,
)
from app.services.agent.threshold_curve import CurvePoint

_SHORT = {
    Intent.BOOKING_REQUEST: "booking",
    Intent.SERVICE_DENIAL: "denial",
    Intent.QUESTION: "question",
    Intent.IRRELEVANT_CONFUSED: "irrelevant",
    Intent.OPT_OUT: "opt-out",
    Intent.EMERGENCY: "emergency",
}


def report_text(report: EvaluationReport) -> str:
    """Every figure of the report, with what it was counted over."""
    lines = list(_reply_lines(report.replies))
    if report.questions is not None:
        lines += ["", *_question_lines(report.questions)]
    return "\n".join(lines) + "\n"


def _figure(share: Share) -> str:
    rate = share.rate
    shown = "  -  " if rate is None else f"{rate:.3f}"
    return f"{shown} ({share.hits}/{share.total})"


def _latency(latency: Latency) -> str:
    return f"median {latency.median:.1f} ms, p95 {latency.p95:.1f} ms"


def _reply_lines(replies: ReplyReport) -> Iterator[str]:
    yield f"Replies ({replies.together.accuracy.total}), guards and engine together"
    yield from _intent_lines(replies.together)
    for intent in (Intent.OPT_OUT, Intent.EMERGENCY):
        recall = replies.together.classes[intent].recall
        yield f"  {'recall of ' + _SHORT[intent]:<34}{_figure(recall)}"
    yield f"  {'decided by a person':<34}{_figure(replies.needs_person)}"
    yield f"  latency per reply: {_latency(replies.latency)}"
    yield ""
    yield "Confusion (rows: label, columns: decision)"
    yield from _confusion_lines(replies.together)
    yield ""
    yield "Unsafe outcomes"
    for name, share in replies.unsafe.items():
        yield f"  {name:<50}{_figure(share)}"
    yield ""
    yield "Threshold curve                     to a person    wrong of those left to the machine"
    yield from (_curve_line(point) for point in replies.curve)
    yield ""
    yield "The engine alone"
    yield from _intent_lines(replies.engine)
    yield ""
    yield "The guards alone                    precision        recall"
    for intent, score in replies.guards.items():
        yield _class_line(intent, score)


def _intent_lines(scores: IntentScores) -> Iterator[str]:
    yield f"  {'accuracy':<34}{_figure(scores.accuracy)}"
    yield f"  {'macro-F1':<34}{scores.macro_f1:.3f}"
    for language, share in scores.by_language.items():
        yield f"  {'accuracy in ' + language:<34}{_figure(share)}"
    for intent, score in scores.classes.items():
        yield f"{_class_line(intent, score)}  F1 {score.f1:.3f}"


def _class_line(intent: Intent, score: ClassScore) -> str:
    return f"  {_SHORT[intent]:<34}{_figure(score.precision)}  {_figure(score.recall)}"


def _curve_line(point: CurvePoint) -> str:
    handed_off = _figure(Share(point.handed_off, point.replies))
    return f"  {point.threshold:<34.2f}{handed_off}  {_figure(Share(point.wrong, point.automatic))}"


def _confusion_lines(scores: IntentScores) -> Iterator[str]:
    yield " " * 12 + "".join(f"{_SHORT[intent]:>11}" for intent in ENGINE_INTENTS)
    for label in ENGINE_INTENTS:
        counts = (scores.confusion.get((label, said), 0) for said in ENGINE_INTENTS)
        yield f"{_SHORT[label]:<12}" + "".join(f"{count:>11}" for count in counts)


def _question_lines(questions: QuestionReport) -> Iterator[str]:
    yield "Knowledge questions"
    figures = {
        "right article first": questions.hit_at_1,
        "right article among three": questions.hit_at_3,
        "answerable questions answered": questions.coverage,
        "answers from the right article": questions.right,
        "near misses answered": questions.near_misses_answered,
        "unsupported answers": questions.unsupported,
    }
    for name, share in figures.items():
        yield f"  {name:<34}{_figure(share)}"
    yield f"  latency per answer: {_latency(questions.latency)}"
