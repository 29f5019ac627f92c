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
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import f1_score, recall_score  # type: ignore[import-untyped]
from sklearn.model_selection import (  # type: ignore[import-untyped]
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from app.models.decision import ENGINE_INTENTS, Intent
from app.services.agent.encoder import Encoder, FloatMatrix, bounded_text
from app.services.agent.features import character_vectorizer, mean_of_views, word_vectorizer
from app.services.agent.intent import (
    INTENT_THRESHOLD,
    MANIFEST_FILE,
    MODEL_DIRECTORY,
    WEIGHTS_FILE,
    ModelManifest,
)

TRAINING_FILE = Path(__file__).parent / "data" / "training_replies.jsonl"
FOLDS = 10
_SEED = 20260
# Inverse strengths of regularisation, by cross-validation: 0.01 of {0.005, 0.01, 0.02, 0.04} over
# standardised vectors, 10 of {3, 10, 30} over TF-IDF.
_C_MEANING = 0.01
_C_WORDING = 10.0


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
    recall: dict[Intent, float]
    accuracy_above_threshold: float
    share_above_threshold: float
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


def _meaning_model() -> Pipeline:

    return make_pipeline(StandardScaler(), LogisticRegression(C=_C_MEANING, max_iter=3000))


def _wording_model() -> Pipeline:

    union = FeatureUnion([("words", word_vectorizer()), ("characters", character_vectorizer())])
    return make_pipeline(union, LogisticRegression(C=_C_WORDING, max_iter=3000))


def _cross_validate(
    texts: Sequence[str], vectors: FloatMatrix, labels: NDArray[Any], training_sha256: str
) -> TrainingReport:

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=_SEED)
    meaning = cross_val_predict(_meaning_model(), vectors, labels, cv=folds, method="predict_proba")
    wording = cross_val_predict(_wording_model(), texts, labels, cv=folds, method="predict_proba")
    mean = mean_of_views(meaning, wording)
    classes = np.unique(labels)
    predicted = classes[mean.argmax(axis=1)]
    sure = mean.max(axis=1) >= INTENT_THRESHOLD
    recalls = recall_score(labels, predicted, labels=classes, average=None)
    return TrainingReport(
        replies=len(labels),
        macro_f1=float(f1_score(labels, predicted, average="macro")),
        recall={Intent(label): float(r) for label, r in zip(classes, recalls, strict=True)},
        accuracy_above_threshold=float((predicted == labels)[sure].mean()) if sure.any() else 0.0,
        share_above_threshold=float(sure.mean()),
        training_sha256=training_sha256,
    )


@dataclass(frozen=True, slots=True)
class _Fitted:
    classes: list[Intent]
    words: list[str]
    characters: list[str]
    weights: dict[str, NDArray[np.float32]]


def _fit(texts: Sequence[str], vectors: FloatMatrix, labels: NDArray[Any]) -> _Fitted:
    meaning = _meaning_model().fit(vectors, labels)
    wording = _wording_model().fit(texts, labels)
    scaler, by_meaning = meaning[0], meaning[-1]
    # The scaler is folded into the regression, so that use needs one product and no third object.
    coefficients = by_meaning.coef_ / scaler.scale_
    intercept = by_meaning.intercept_ - coefficients @ scaler.mean_
    words, characters = (vectorizer for _, vectorizer in wording[0].transformer_list)
    arrays = {
        "meaning_coefficients": coefficients,
        "meaning_intercept": intercept,
        "wording_coefficients": wording[-1].coef_,
        "wording_intercept": wording[-1].intercept_,
        "word_idf": words.idf_,
        "character_idf": characters.idf_,
    }
    return _Fitted(
        classes=[Intent(label) for label in by_meaning.classes_],
        words=list(words.get_feature_names_out()),
        characters=list(characters.get_feature_names_out()),
        weights={name: np.asarray(a, dtype=np.float32) for name, a in arrays.items()},
    )


def _write(fitted: _Fitted, report: TrainingReport, encoder_name: str, out_dir: Path) -> None:

    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **fitted.weights)
    manifest = ModelManifest(
        encoder=encoder_name,
        classes=fitted.classes,
        words=fitted.words,
        characters=fitted.characters,
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
