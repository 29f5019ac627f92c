"""What a reply wants: the trained classifier of the local engine."""

import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from app.models.decision import Intent, Sentiment
from app.services.agent.context import Provenance
from app.services.agent.encoder import Encoder, bounded_text
from app.services.agent.sentiment import estimate_sentiment

if TYPE_CHECKING:
    from app.services.agent.features import TwoViewModel

MODEL_DIRECTORY = Path(__file__).parent / "data" / "model"
WEIGHTS_FILE = "intent.npz"
MANIFEST_FILE = "intent.json"
WEIGHT_NAMES = {
    "meaning_scale",
    "meaning_landmarks",
    "meaning_weights",
    "wording_weights",
    "intercept",
    "word_idf",
    "character_idf",
}

# Chosen on the training replies alone, all of them hard on purpose, from the curve `train` prints:
# the lowest step of 0.05 where nine of ten automatic decisions are right; 16 % of such replies then
# go to a person (0.55: 12 % of decisions wrong for 12 % handed over; 0.65: 9 % for 19 %).
INTENT_THRESHOLD = 0.60
# Low, because a second wish that is overlooked costs more than one that is looked at in vain.
SECONDARY_FLOOR = 0.2
# A sentence has less to go by than a reply: it must be clearer before it counts on its own.
SENTENCE_CERTAINTY = 0.6
_MAX_SENTENCES = 8
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")


class ModelMismatchError(RuntimeError):
    """The trained artefacts are missing, damaged, or made for another encoder."""


class ModelManifest(BaseModel):
    """What belongs to the weights and is not a number."""

    model_config = ConfigDict(extra="forbid")

    encoder: str
    classes: list[Intent]
    words: list[str]
    characters: list[str]
    training_sha256: str
    weights_sha256: str
    sklearn_version: str
    replies: int
    macro_f1: float
    content_sha256: str = ""
    """Hash of all of the above, the weights' own hash among it."""

    @property
    def version(self) -> str:
        """Names this model: another one has another."""
        return self.content_sha256[:12]

    @property
    def is_whole(self) -> bool:
        """Whether it is what training wrote, to the letter."""
        return self.content_sha256 == self._digest()

    def sealed(self) -> Self:
        """The same with its hash."""
        return self.model_copy(update={"content_sha256": self._digest()})

    def _digest(self) -> str:
        content = self.model_dump(mode="json", exclude={"content_sha256"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def model_in_use(chosen: Path | None) -> Path:
    """The folder to read: `chosen`, or the one that ships where no file of a model is in it.

    A half of a model is none to pass over: reading it says what is wrong. Raises
    `ModelMismatchError` where the folder is there and cannot be read.
    """
    if chosen is None:
        return MODEL_DIRECTORY
    try:
        names = {path.name for path in chosen.iterdir()}
    except FileNotFoundError:
        return MODEL_DIRECTORY
    except OSError as error:
        message = f"MODEL_DIR cannot be read: {error.strerror}"
        raise ModelMismatchError(message) from error
    return MODEL_DIRECTORY if names.isdisjoint({MANIFEST_FILE, WEIGHTS_FILE}) else chosen


@dataclass(frozen=True, slots=True)
class IntentPrediction:
    """What the classifier makes of one reply."""

    probabilities: dict[Intent, float]
    """One figure for each class; they add up to 1."""
    intent: Intent
    confidence: float
    """The probability of `intent`; below `INTENT_THRESHOLD` a person decides."""
    secondary: tuple[Intent, ...]
    """What else the reply seems to hold, likeliest first."""
    sentiment: Sentiment
    by: Provenance | None = None
    """Who said it and what that took, where that is more than the engine's name."""


class IntentClassifier:
    """Classifies replies with the trained artefacts.

    Loading and classifying are CPU work (see `docs/agent-data.md` for figures): both belong in a
    thread. Safe to share between threads.
    """

    def __init__(self, model: "TwoViewModel", manifest: ModelManifest) -> None:
        self._model = model
        self._manifest = manifest

    @classmethod
    def load(cls, encoder: Encoder, directory: Path = MODEL_DIRECTORY) -> Self:
        """Open the artefacts. Raises `ModelMismatchError` where they do not fit this program."""
        manifest, weights = _read_artefacts(directory)
        if manifest.encoder != encoder.name:
            message = (
                f"the intent model was trained with {manifest.encoder} and this is {encoder.name}: "
                "train it again"
            )
            raise ModelMismatchError(message)
        return cls(_assemble(encoder, manifest, weights), manifest)

    @property
    def version(self) -> str:
        """Names the training, for the decision record."""
        return self._manifest.version

    def classify(self, text: str) -> IntentPrediction:
        """The intent of one reply, with everything else it may hold."""
        sentences = _sentences(text)
        rows = self._model.probabilities([text, *sentences])
        whole = {label: float(p) for label, p in zip(self._manifest.classes, rows[0], strict=True)}
        intent = max(whole, key=lambda label: whole[label])
        return IntentPrediction(
            probabilities=whole,
            intent=intent,
            confidence=whole[intent],
            secondary=self._secondary(intent, whole, rows[1:]),
            sentiment=estimate_sentiment(text, whole),
        )

    def _secondary(
        self, intent: Intent, whole: dict[Intent, float], sentences: NDArray[np.float64]
    ) -> tuple[Intent, ...]:
        """Classes the whole leans to, and those that one of its sentences alone clearly states."""
        strength = {label: p for label, p in whole.items() if p >= SECONDARY_FLOOR}
        for row in sentences:
            column = int(row.argmax())
            if row[column] >= SENTENCE_CERTAINTY:
                label = self._manifest.classes[column]
                strength[label] = max(strength.get(label, 0.0), float(row[column]))
        strength.pop(intent, None)
        return tuple(sorted(strength, key=lambda label: -strength[label]))


def _sentences(text: str) -> list[str]:
    """The sentences of a reply that has several; the last ones of a very long one."""
    parts = [part for part in _SENTENCE_END.split(bounded_text(text)) if part]
    return parts[-_MAX_SENTENCES:] if len(parts) > 1 else []


def _read_artefacts(directory: Path) -> tuple[ModelManifest, dict[str, NDArray[np.float32]]]:
    try:
        manifest = ModelManifest.model_validate_json((directory / MANIFEST_FILE).read_bytes())
        packed = (directory / WEIGHTS_FILE).read_bytes()
    except (OSError, ValidationError) as error:
        message = f"no readable intent model in {directory.name}/: train it"
        raise ModelMismatchError(message) from error
    if not manifest.is_whole:
        message = f"{MANIFEST_FILE} is not as training wrote it: train the model again"
        raise ModelMismatchError(message)
    if hashlib.sha256(packed).hexdigest() != manifest.weights_sha256:
        message = f"{WEIGHTS_FILE} is not the file that {MANIFEST_FILE} describes: train it again"
        raise ModelMismatchError(message)
    with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
        weights = {name: archive[name] for name in archive.files}
    if set(weights) != WEIGHT_NAMES:
        message = f"{WEIGHTS_FILE} is of another kind of model: train it again"
        raise ModelMismatchError(message)
    return manifest, weights


def _assemble(
    encoder: Encoder, manifest: ModelManifest, weights: dict[str, NDArray[np.float32]]
) -> "TwoViewModel":
    # scikit-learn takes seconds to import on a cold disk: only who classifies pays for it.
    from app.services.agent import features  # noqa: PLC0415

    regression = features.TwoViewRegression(
        landmarks=features.Landmarks(
            weights["meaning_scale"], weights["meaning_landmarks"].astype(np.float32)
        ),
        words=features.restored_vectorizer(
            features.word_vectorizer(manifest.words), weights["word_idf"]
        ),
        characters=features.restored_vectorizer(
            features.character_vectorizer(manifest.characters), weights["character_idf"]
        ),
        meaning_weights=weights["meaning_weights"],
        wording_weights=weights["wording_weights"],
        intercept=weights["intercept"],
    )
    return features.TwoViewModel(encoder, regression)
