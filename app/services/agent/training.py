"""Makes the intent model from the labelled replies.

The evaluation set takes no part in it: nothing here reads it, and the constants of the classifier
come from cross-validation on the training replies alone (`docs/agent-data.md`). Imports
scikit-learn: only the command that trains needs this module.
"""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn  # type: ignore[import-untyped]
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import (  # type: ignore[import-untyped]
    f1_score,
    precision_recall_fscore_support,
)
from sklearn.model_selection import StratifiedGroupKFold  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from app.models.decision import ENGINE_INTENTS, Intent
from app.services.agent.calibration import (
    ThresholdPoint,
    best_temperature,
    calibration_error,
    tempered,
    threshold_points,
)
from app.services.agent.encoder import Encoder, FloatMatrix, bounded_text
from app.services.agent.features import (
    Landmarks,
    TwoViewRegression,
    character_vectorizer,
    word_vectorizer,
    wording_features,
)
from app.services.agent.intent import (
    INTENT_THRESHOLD,
    MANIFEST_FILE,
    MODEL_DIRECTORY,
    WEIGHTS_FILE,
    ModelManifest,
)
from app.services.agent.near_duplicates import near_duplicate_groups

TRAINING_FILE = Path(__file__).parent / "data" / "training_replies.jsonl"
FOLDS = 5
_SEED = 20260
# By cross-validation over the training replies (`docs/agent-data.md`): the inverse strength of
# regularisation, how much the meaning counts beside the wording, and the number of landmarks.
_C = 5.0
_MEANING_WEIGHT = 2.0
_LANDMARKS = 600
# Directions that hardly any landmark shares would only add noise.
_FLOOR = 1e-3


class LabelledReply(BaseModel):
    """One line of the training file."""

    model_config = ConfigDict(extra="forbid")

    label: Intent
    lang: str = Field(pattern="^[a-z]{2}$")
    text: str = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a training came to; every figure is cross-validated over the training replies."""

    replies: int
    macro_f1: float
    precision: dict[Intent, float]
    recall: dict[Intent, float]
    accuracy_above_threshold: float
    share_above_threshold: float
    temperature: float
    """What the probabilities were sharpened (below 1) or softened by."""
    calibration_error: float
    """Mean distance between the probability claimed and the share that is right."""
    curve: tuple[ThresholdPoint, ...]
    """What other thresholds would cost."""
    training_sha256: str


class CorrectedReply(LabelledReply):
    """One line of exported corrections: a labelled reply that says more about itself."""

    model_config = ConfigDict(extra="ignore")


class TrainingSetError(ValueError):
    """The training file cannot make a model."""


def read_replies(path: Path = TRAINING_FILE) -> list[LabelledReply]:
    """The labelled replies of a file.

    Raises `TrainingSetError` where a class is missing or too small, and pydantic's
    `ValidationError` where a line is malformed.
    """
    lines = path.read_text("utf-8").splitlines()
    replies = [LabelledReply.model_validate_json(line) for line in lines if line]
    counts = Counter(reply.label for reply in replies)
    if set(counts) != set(ENGINE_INTENTS) or min(counts.values()) < FOLDS:
        message = f"every intent an engine may answer, and no other, needs {FOLDS} replies"
        raise TrainingSetError(message)
    return replies


def training_hash(path: Path = TRAINING_FILE) -> str:
    """Names a training set: its content without regard to line endings."""
    return hashlib.sha256(path.read_text("utf-8").encode()).hexdigest()


def read_corrections(path: Path) -> list[LabelledReply]:
    """Staff's corrections, as `export-corrections` wrote them.

    Raises `TrainingSetError`, which names the line and nothing that stands in it.
    """
    replies: list[LabelledReply] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            replies.append(CorrectedReply.model_validate_json(line))
        except ValidationError:
            message = f"line {number} of the corrections is no labelled reply"
            raise TrainingSetError(message) from None
    if not {reply.label for reply in replies} <= set(ENGINE_INTENTS):
        message = "a correction names an intent that no engine may answer"
        raise TrainingSetError(message)
    return replies


def train_model(
    encoder: Encoder,
    data_path: Path = TRAINING_FILE,
    out_dir: Path = MODEL_DIRECTORY,
    corrections: Path | None = None,
) -> TrainingReport:
    """Train on the labelled replies and write the artefacts. Takes about a minute.

    The same replies, encoder and library version give the same files, byte for byte: one thread
    adds its numbers up in one order.
    """
    with threadpool_limits(1):
        return _train(encoder, data_path, out_dir, corrections)


def _train(
    encoder: Encoder, data_path: Path, out_dir: Path, corrections: Path | None
) -> TrainingReport:
    replies, training_sha256 = read_replies(data_path), training_hash(data_path)
    if corrections is not None:
        replies += read_corrections(corrections)
        both = training_sha256 + training_hash(corrections)
        training_sha256 = hashlib.sha256(both.encode()).hexdigest()
    texts = [bounded_text(reply.text) for reply in replies]
    labels = np.array([reply.label.value for reply in replies])
    vectors = np.vstack([encoder.encode_queries([text]) for text in texts])
    report = _cross_validate(texts, vectors, labels, training_sha256)
    _write(_fit(texts, vectors, labels), report, encoder.name, out_dir)
    return report


def _cross_validate(
    texts: Sequence[str], vectors: FloatMatrix, labels: NDArray[Any], training_sha256: str
) -> TrainingReport:
    """Held-out figures; replies that nearly say the same are always on one side of the split."""
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=_SEED)
    classes = np.unique(labels)
    held_out = np.zeros((len(texts), len(classes)))
    for known, unknown in folds.split(vectors, labels, near_duplicate_groups(texts)):
        regression = _fit([texts[i] for i in known], vectors[known], labels[known])
        asked = [texts[i] for i in unknown]
        held_out[unknown] = regression.probabilities(asked, vectors[unknown])
    return _report(held_out, labels, classes, training_sha256)


def _report(
    held_out: NDArray[np.float64],
    labels: NDArray[Any],
    classes: NDArray[Any],
    training_sha256: str,
) -> TrainingReport:
    temperature = best_temperature(held_out, labels, classes)
    calibrated = tempered(held_out, temperature)
    predicted, confidences = classes[calibrated.argmax(axis=1)], calibrated.max(axis=1)
    right = predicted == labels
    above = confidences >= INTENT_THRESHOLD
    precisions, recalls, _, _ = precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0.0
    )
    return TrainingReport(
        replies=len(labels),
        macro_f1=float(f1_score(labels, predicted, average="macro")),
        precision={Intent(c): float(p) for c, p in zip(classes, precisions, strict=True)},
        recall={Intent(c): float(r) for c, r in zip(classes, recalls, strict=True)},
        accuracy_above_threshold=float(right[above].mean()) if above.any() else 0.0,
        share_above_threshold=float(above.mean()),
        temperature=temperature,
        calibration_error=calibration_error(confidences, right),
        curve=threshold_points(confidences, right),
        training_sha256=training_sha256,
    )


def _fit(texts: Sequence[str], vectors: FloatMatrix, labels: NDArray[Any]) -> TwoViewRegression:
    words, characters = word_vectorizer().fit(texts), character_vectorizer().fit(texts)
    landmarks = _landmarks(vectors)
    spread = _spread(landmarks)
    meaning = csr_matrix(landmarks.nearness(vectors) @ spread)
    both = hstack([meaning, wording_features(words, characters, texts)], format="csr")
    fitted = LogisticRegression(C=_C, max_iter=500, tol=1e-3).fit(both, labels)
    first, rest = np.split(fitted.coef_, [spread.shape[1]], axis=1)
    return TwoViewRegression(
        landmarks=landmarks,
        words=words,
        characters=characters,
        meaning_weights=np.asarray(first @ spread.T, dtype=np.float32),
        wording_weights=np.asarray(rest, dtype=np.float32),
        intercept=np.asarray(fitted.intercept_, dtype=np.float32),
    )


def _landmarks(vectors: FloatMatrix) -> Landmarks:
    """Replies drawn by a fixed seed, rounded as they are stored."""
    scale = np.asarray(vectors.std(axis=0), dtype=np.float32)
    drawn = np.random.default_rng(_SEED).permutation(len(vectors))[:_LANDMARKS]
    points = (vectors[drawn] / scale).astype(np.float16).astype(np.float32)
    return Landmarks(scale, points)


def _spread(landmarks: Landmarks) -> NDArray[np.float64]:
    """Turns nearness into coordinates in which the kernel is a plain product (Nystroem, 2001)."""
    near = landmarks.nearness(landmarks.points * landmarks.scale)
    values, directions = np.linalg.eigh(near)
    return np.asarray(
        _MEANING_WEIGHT * directions / np.sqrt(np.maximum(values, _FLOOR)), dtype=np.float64
    )


def _stored(regression: TwoViewRegression, temperature: float) -> dict[str, NDArray[Any]]:
    """The strengths are divided by the temperature here, so that use knows of none."""
    return {
        "meaning_scale": regression.landmarks.scale,
        "meaning_landmarks": regression.landmarks.points.astype(np.float16),
        "meaning_weights": (regression.meaning_weights / temperature).astype(np.float32),
        "wording_weights": (regression.wording_weights / temperature).astype(np.float32),
        "intercept": (regression.intercept / temperature).astype(np.float32),
        "word_idf": regression.words.idf_.astype(np.float32),
        "character_idf": regression.characters.idf_.astype(np.float32),
    }


def _write(
    regression: TwoViewRegression, report: TrainingReport, encoder_name: str, out_dir: Path
) -> None:
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **_stored(regression, report.temperature))
    manifest = ModelManifest(
        encoder=encoder_name,
        classes=sorted(report.recall),
        words=list(regression.words.get_feature_names_out()),
        characters=list(regression.characters.get_feature_names_out()),
        training_sha256=report.training_sha256,
        weights_sha256=hashlib.sha256(packed.getvalue()).hexdigest(),
        sklearn_version=sklearn.__version__,
        replies=report.replies,
        macro_f1=round(report.macro_f1, 4),
    ).sealed()
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / WEIGHTS_FILE).write_bytes(packed.getvalue())
    text = json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False, indent=0)
    (out_dir / MANIFEST_FILE).write_text(text + "\n", "utf-8")
