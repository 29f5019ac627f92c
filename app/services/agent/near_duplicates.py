"""Which texts say nearly the same in nearly the same words."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]
from sklearn.feature_extraction.text import CountVectorizer  # type: ignore[import-untyped]

_TOKEN = re.compile(r"\w+|[^\w\s]+")
SAME_FROM = 0.5
"""Share of common words among all words of two texts (Jaccard) from which they are one group."""


def tokens(text: str) -> list[str]:
    """Words without regard to case, and runs of signs (an emoji alone is a text, too)."""
    return _TOKEN.findall(text.casefold())


def near_duplicate_groups(texts: Sequence[str], same_from: float = SAME_FROM) -> NDArray[np.int32]:
    """A number for each text; texts that are linked by near-duplicates have the same one."""
    counter = CountVectorizer(analyzer=tokens, binary=True, dtype=np.float32)
    words = counter.fit_transform(texts)
    common = (words @ words.T).tocoo()
    sizes = np.asarray(words.sum(axis=1)).ravel()
    together = sizes[common.row] + sizes[common.col] - common.data
    near = common.data >= same_from * together
    links = csr_matrix(
        (np.ones(int(near.sum())), (common.row[near], common.col[near])), shape=common.shape
    )
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int32)
