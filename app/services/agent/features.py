"""How text becomes features and features become probabilities: one recipe for training and use.

Importing this module imports scikit-learn (half a second warm, seconds cold, about 100 MB), so
everything else imports it late.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]
from scipy.special import softmax  # type: ignore[import-untyped]
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]

from app.services.agent.encoder import Encoder, FloatMatrix, bounded_text

# "?" and "!" are words here: they tell an answer from a question better than most words do.
WORD_PATTERN = r"(?u)\b\w[\w']*\b|[?!]"
MAX_WORD_FEATURES = 6_000
MAX_CHARACTER_FEATURES = 15_000
# Width of the kernel over standardised vectors, by cross-validation on the training replies.
KERNEL_GAMMA = 0.0015


def word_vectorizer(vocabulary: Sequence[str] | None = None) -> TfidfVectorizer:
    """TF-IDF over single words and pairs of words."""
    return TfidfVectorizer(
        ngram_range=(1, 2),
        token_pattern=WORD_PATTERN,
        sublinear_tf=True,
        max_features=None if vocabulary else MAX_WORD_FEATURES,
        vocabulary=vocabulary,
        dtype=np.float32,
    )


def character_vectorizer(vocabulary: Sequence[str] | None = None) -> TfidfVectorizer:
    """TF-IDF over two to five letters inside words: typing errors, inflections, other languages."""
    return TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(2, 5),
        sublinear_tf=True,
        max_features=None if vocabulary else MAX_CHARACTER_FEATURES,
        vocabulary=vocabulary,
        dtype=np.float32,
    )


def restored_vectorizer(empty: TfidfVectorizer, idf: NDArray[np.float32]) -> TfidfVectorizer:
    """A vectorizer with a fixed vocabulary, given the weights it was fitted with."""
    empty.idf_ = idf
    return empty


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Some training replies as points in the encoder's space; a text is seen by how near it is."""

    scale: NDArray[np.float32]
    """What each of the encoder's numbers is divided by."""
    points: NDArray[np.float32]
    """One row for each landmark, divided already."""

    def nearness(self, vectors: FloatMatrix) -> NDArray[np.float64]:
        """Gaussian kernel: a row for each vector, from 0 (far) to 1 (there) for each landmark."""
        rows = (vectors / self.scale).astype(np.float64)
        points = self.points.astype(np.float64)
        squares = (rows**2).sum(axis=1)[:, None] + (points**2).sum(axis=1)[None, :]
        distances = np.maximum(squares - 2 * rows @ points.T, 0.0)
        return np.asarray(np.exp(-KERNEL_GAMMA * distances), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class TwoViewRegression:
    """One multinomial regression over two views of a text: its meaning, and its words and letters.

    The encoder carries the meaning across languages and wordings; words and letters catch short
    set phrases. One regression over both errs less, and knows better how sure it may be, than the
    mean of one over each (`docs/agent-data.md`).
    """

    landmarks: Landmarks
    words: TfidfVectorizer
    characters: TfidfVectorizer
    meaning_weights: NDArray[np.float32]
    wording_weights: NDArray[np.float32]
    intercept: NDArray[np.float32]

    def probabilities(self, bounded: Sequence[str], vectors: FloatMatrix) -> NDArray[np.float64]:
        """One row for each text, one column for each class."""
        strength = self.landmarks.nearness(vectors) @ self.meaning_weights.T.astype(np.float64)
        wording = wording_features(self.words, self.characters, bounded)
        strength += wording @ self.wording_weights.T
        return np.asarray(softmax(strength + self.intercept, axis=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class TwoViewModel:
    """The regression with the encoder it was fitted for."""

    encoder: Encoder
    regression: TwoViewRegression

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """One row for each text, one column for each class."""
        bounded = [bounded_text(text) for text in texts]
        return self.regression.probabilities(bounded, self.encoder.encode_queries(bounded))


def wording_features(
    words: TfidfVectorizer, characters: TfidfVectorizer, texts: Sequence[str]
) -> csr_matrix:
    """Words and letters side by side."""
    return hstack([words.transform(texts), characters.transform(texts)], format="csr")
