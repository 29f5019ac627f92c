"""Trains a new model beside the one in use, and lets it take over only if it is no worse."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.models.decision import Intent
from app.services.agent.encoder import Encoder
from app.services.agent.evaluation import (
    LabelledReply,
    ReplyReport,
    Share,
    evaluate_replies,
    load_replies,
)
from app.services.agent.intent import (
    INTENT_THRESHOLD,
    MANIFEST_FILE,
    MODEL_DIRECTORY,
    WEIGHTS_FILE,
    IntentClassifier,
    ModelMismatchError,
    model_in_use,
)
from app.services.agent.training import TRAINING_FILE, TrainingReport, train_model

PROTECTED = (Intent.EMERGENCY, Intent.OPT_OUT)
"""Whose recall may not fall by a single reply."""


class WorseModelError(RuntimeError):
    """The new model did worse on the evaluation set: the one in use stays."""


@dataclass(frozen=True)
class TrainingSource:
    """What is trained from, measured on, and replaced."""

    replies: Path = TRAINING_FILE
    corrections: Path | None = None
    model: Path = MODEL_DIRECTORY
    """The folder to write to. Until there is a model in it, the one that ships is in use."""
    evaluation: tuple[LabelledReply, ...] | None = None
    """`None`: the evaluation set of the repository."""


@dataclass(frozen=True)
class Retrained:
    """What a training came to; `before` is `None` where no model could be compared with."""

    training: TrainingReport
    version: str
    before: ReplyReport | None
    after: ReplyReport


def retrain(encoder: Encoder, source: TrainingSource) -> Retrained:
    """Train, measure, and replace the model files where nothing got worse. Minutes of CPU.

    Everything is written first to a folder of its own inside the model's, which may be a disk of
    its own. The files are then moved into place, the manifest last: a crash between the two leaves
    a pair that loading refuses.
    Raises `WorseModelError`, `TrainingSetError` and `ValidationError`: nothing is replaced then.
    """
    source.model.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=source.model, prefix=".training-") as folder:
        made = Path(folder)
        report = train_model(encoder, source.replies, made, source.corrections)
        new = IntentClassifier.load(encoder, made)
        before, after = _in_use(encoder, source), _measure(new, source)
        if before is not None and (faults := what_got_worse(before, after)):
            message = f"The new model is worse and was not taken over: {'; '.join(faults)}."
            raise WorseModelError(message)
        _take_over(made, source.model)
    return Retrained(report, new.version, before, after)


def what_got_worse(before: ReplyReport, after: ReplyReport) -> list[str]:
    """The figures that fell, in words; guards and engine together, as patients meet them."""
    old, new = before.together, after.together
    faults = []
    if new.macro_f1 < old.macro_f1:
        faults.append(f"macro-F1 {old.macro_f1:.4f} to {new.macro_f1:.4f}")
    if new.accuracy.hits < old.accuracy.hits:
        faults.append(_fell("accuracy", old.accuracy, new.accuracy))
    for intent in PROTECTED:
        was, now = old.classes[intent].recall, new.classes[intent].recall
        if now.hits < was.hits:
            faults.append(_fell(f"recall of {intent}", was, now))
    for outcome, was in before.unsafe.items():
        if after.unsafe[outcome].hits > was.hits:
            faults.append(_fell(f"{outcome!r}", was, after.unsafe[outcome]))
    return faults


def _fell(what: str, was: Share, now: Share) -> str:
    return f"{what} {was.hits}/{was.total} to {now.hits}/{now.total}"


def _in_use(encoder: Encoder, source: TrainingSource) -> ReplyReport | None:
    try:
        return _measure(IntentClassifier.load(encoder, model_in_use(source.model)), source)
    except ModelMismatchError:
        return None


def _measure(classifier: IntentClassifier, source: TrainingSource) -> ReplyReport:
    replies = load_replies() if source.evaluation is None else source.evaluation
    return evaluate_replies(replies, classifier, INTENT_THRESHOLD)


def _take_over(made: Path, model: Path) -> None:
    for name in (WEIGHTS_FILE, MANIFEST_FILE):
        (made / name).replace(model / name)
