"""Puts questions that ask the same thing together, in whatever words and language.

Two views of a question: its comparable words (`vocabulary`: stems, and one word for words of one
meaning in five languages), and its letters, for typing errors. No word weighs less for being
frequent: it is what many ask about that is looked for. Imports scikit-learn: late, and in a
thread.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack  # type: ignore[import-untyped]
from sklearn.cluster import AgglomerativeClustering  # type: ignore[import-untyped]
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
from sklearn.metrics.pairwise import cosine_distances  # type: ignore[import-untyped]

from app.services.agent.vocabulary import content_terms, fold

GROUP_DISTANCE = 0.58
"""Mean distance (0: the same, 1: nothing in common) up to which questions stay together. Chosen on
the questions of its test: higher joins prices of two treatments, lower parts plain paraphrases."""
_WORDS_WEIGHT = 2.0


def group_alike(questions: Sequence[str]) -> list[list[int]]:
    """Places of questions that belong together; each group begins with what is most typical of it.

    The order of the groups is that of their first question. Deterministic; CPU work that grows with
    the square of the number, 0.3 s for 500.
    """
    if len(questions) < 2:  # noqa: PLR2004 - nothing to compare
        return [[place] for place in range(len(questions))]
    distances = _distances(questions)
    found = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=GROUP_DISTANCE
    ).fit_predict(distances)
    members: dict[int, list[int]] = {}
    for place, label in enumerate(found):
        members.setdefault(int(label), []).append(place)
    return [_most_typical_first(group, distances) for group in members.values()]


def _distances(questions: Sequence[str]) -> NDArray[np.float64]:
    words = [" ".join(sorted(content_terms(question))) for question in questions]
    letters = [fold(question) for question in questions]
    views = [
        _weighed(words, _WORDS_WEIGHT, analyzer=str.split),
        _weighed(letters, 1.0, analyzer="char_wb", ngram_range=(3, 4)),
    ]
    return np.asarray(cosine_distances(hstack(views, format="csr")), dtype=np.float64)


def _weighed(texts: Sequence[str], weight: float, **how: object) -> csr_matrix:
    """One row a text; rows without a word are empty."""
    if not any(text.split() for text in texts):
        return csr_matrix((len(texts), 1), dtype=np.float64)
    return TfidfVectorizer(lowercase=False, use_idf=False, **how).fit_transform(texts) * weight


def _most_typical_first(group: list[int], distances: NDArray[np.float64]) -> list[int]:
    centre = min(group, key=lambda place: (float(distances[place, group].sum()), place))
    return [centre, *(place for place in group if place != centre)]
