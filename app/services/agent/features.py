"""How text becomes features and features become probabilities: one recipe for training and use.

Importing this module imports scikit-learn (half a second warm, seconds cold, about 100 MB), so
everything else imports it late.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from app.services.agent.encoder import Encoder, bounded_text

# "?" and "!" are words here: they tell an answer from a question better than most words do.
WORD_PATTERN = r"(?u)\b\w[\w']*\b|[?!]"
MAX_WORD_FEATURES = 6_000
MAX_CHARACTER_FEATURES = 15_000
ENCODER_WEIGHT = 0.6


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


def restored_regression(
    coefficients: NDArray[np.float32], intercept: NDArray[np.float32], classes: Sequence[str]
) -> LogisticRegression:
    """A fitted regression made of its numbers, so that no pickle is ever opened."""
    model = LogisticRegression()
    model.coef_ = coefficients
    model.intercept_ = intercept
    model.classes_ = np.array(classes)
    return model


def mean_of_views(
    meaning: NDArray[np.float64], wording: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The probabilities of both regressions in one, the encoder's counting a little more."""
    return np.asarray(ENCODER_WEIGHT * meaning + (1 - ENCODER_WEIGHT) * wording, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class TwoViewModel:
    """Two regressions, one over sentence vectors and one over words and letters, averaged.

    The encoder carries the meaning across languages and wordings; words and letters catch short
    set phrases. Weighted 3 to 2, which cross-validation on the training replies preferred.
    """

    encoder: Encoder
    words: TfidfVectorizer
    characters: TfidfVectorizer
    by_meaning: LogisticRegression
    by_wording: LogisticRegression

    def probabilities(self, texts: list[str]) -> NDArray[np.float64]:
        """One row for each text, one column for each class."""
        bounded = [bounded_text(text) for text in texts]
        meaning = self.by_meaning.predict_proba(self.encoder.encode_queries(bounded))
        wording = self.by_wording.predict_proba(self._wording(bounded))
        return mean_of_views(meaning, wording)

    def _wording(self, texts: list[str]) -> csr_matrix:
        return hstack([self.words.transform(texts), self.characters.transform(texts)], format="csr")
