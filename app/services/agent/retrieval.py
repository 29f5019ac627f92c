"""Finds the passages of the knowledge base that a question is about."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.services.agent.encoder import Encoder, FloatMatrix
from app.services.agent.vocabulary import terms

# The constants of Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009).
_BM25_K1 = 1.2
_BM25_B = 0.75
# Similarities of this encoder lie between about 0.7 (nothing in common) and 0.95: stretched to
# 0..1, so that both halves of the score weigh what they say.
_SIMILARITY_FLOOR = 0.7
_SIMILARITY_SPAN = 0.25
_KEYWORD_WEIGHT = 0.4
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+(?=[\"“'(¿¡]?[A-ZÀ-Þ0-9])|\n+")
_ABBREVIATION = re.compile(r"(?:\b(?:Dr|Mr|Mrs|Ms|St|Ave|Rd|No|approx|e\.g|i\.e)\.)$")


@dataclass(frozen=True, slots=True)
class KnowledgeText:
    """An article, as much of it as searching needs."""

    article_id: str
    title: str
    body: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoredPassage:
    """One sentence of an article and how well it fits a question."""

    article_id: str
    title: str
    tags: tuple[str, ...]
    text: str
    before: str
    """The sentence before it, empty at the start of the article."""
    after: str
    """The sentence after it, empty at the end of the article."""
    position: int
    """Where the sentence stands in its article, from 1."""
    score: float
    """0 to 1; a rank, no probability that the passage holds the answer."""


@dataclass(frozen=True, slots=True)
class _Passage:
    article: KnowledgeText
    text: str
    before: str
    after: str
    position: int


class KeywordScores:
    """Okapi BM25 over bags of terms."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        self._counts = [Counter(document) for document in documents]
        lengths = [len(document) for document in documents]
        mean = sum(lengths) / len(lengths) if lengths else 1.0
        self._norms = [1 - _BM25_B + _BM25_B * length / (mean or 1.0) for length in lengths]
        seen = Counter(term for counts in self._counts for term in counts)
        total = len(documents)
        self._idf = {t: math.log(1 + (total - n + 0.5) / (n + 0.5)) for t, n in seen.items()}

    def score(self, query: Sequence[str]) -> NDArray[np.float64]:
        """One figure for each document, 0 (no word in common) to 1 (every word, and often)."""
        wanted = set(query)
        best = sum(self._idf.get(term, max(self._idf.values(), default=1.0)) for term in wanted)
        scores = [self._one(wanted, i) for i in range(len(self._counts))]
        return np.minimum(np.array(scores, dtype=np.float64) / (best or 1.0), 1.0)

    def _one(self, wanted: set[str], index: int) -> float:
        counts, norm = self._counts[index], self._norms[index]
        return sum(
            self._idf[t] * counts[t] * (_BM25_K1 + 1) / (counts[t] + _BM25_K1 * norm)
            for t in wanted
            if t in counts
        )


class KnowledgeIndex:
    """Sentences of all articles, searchable by meaning and by words.

    Building encodes every sentence (10-20 ms each, where the encoder does not remember it): build
    it in a thread and keep it until an article changes. Searching costs one encoding.
    """

    def __init__(self, articles: Sequence[KnowledgeText], encoder: Encoder) -> None:
        self._encoder = encoder
        self._passages = [passage for article in articles for passage in _passages(article)]
        titled = [f"{p.article.title}. {p.text}" for p in self._passages]
        self._vectors: FloatMatrix = encoder.encode_passages(titled)
        self._keywords = KeywordScores(
            [
                terms(f"{p.article.title} {' '.join(p.article.tags)} {p.text}")
                for p in self._passages
            ]
        )

    def search(self, question: str, k: int = 5) -> list[ScoredPassage]:
        """The `k` passages that fit best, best first."""
        if not self._passages:
            return []
        similarity = self._vectors @ self._encoder.encode_queries([question])[0]
        stretched = np.clip((similarity - _SIMILARITY_FLOOR) / _SIMILARITY_SPAN, 0.0, 1.0)
        words = self._keywords.score(terms(question))
        scores = (1 - _KEYWORD_WEIGHT) * stretched + _KEYWORD_WEIGHT * words
        best = np.argsort(-scores, kind="stable")[:k]
        return [_scored(self._passages[i], float(scores[i])) for i in best]


def split_sentences(body: str) -> list[str]:
    """The sentences and lines of an article, each as it is written there."""
    sentences: list[str] = []
    for part in _SENTENCE_END.split(body):
        text = part.strip()
        if sentences and _ABBREVIATION.search(sentences[-1]) and text:
            sentences[-1] = f"{sentences[-1]} {text}"
        elif text:
            sentences.append(text)
    return sentences


def _passages(article: KnowledgeText) -> list[_Passage]:
    sentences = ["", *split_sentences(article.body), ""]
    return [
        _Passage(article, sentences[i], sentences[i - 1], sentences[i + 1], i)
        for i in range(1, len(sentences) - 1)
    ]


def _scored(passage: _Passage, score: float) -> ScoredPassage:
    return ScoredPassage(
        article_id=passage.article.article_id,
        title=passage.article.title,
        tags=passage.article.tags,
        text=passage.text,
        before=passage.before,
        after=passage.after,
        position=passage.position,
        score=round(score, 4),
    )
