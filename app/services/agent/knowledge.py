"""The knowledge base: articles that staff keep, and what the agent would answer from them."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.errors import NotFoundError
from app.db.repositories import Repositories
from app.db.repositories.base import Page
from app.db.repositories.records import KnowledgeVersion
from app.models.base import PyObjectId
from app.models.campaign import Campaign, CampaignType
from app.models.patient import Patient
from app.models.records import KnowledgeArticle
from app.services.agent.answering import Answer
from app.services.agent.context import NO_CONTEXT, ReplyContext
from app.services.agent.engine import Engine
from app.services.agent.retrieval import KnowledgeIndex
from app.services.agent.vocabulary import TREATMENT_TERMS, terms

_WORD = re.compile(r"\w+")


class ArticleNotFoundError(NotFoundError):
    """There is no such article."""

    slug = "article-not-found"
    title = "No such article"

    def __init__(self) -> None:
        super().__init__("There is no knowledge article with this id.")


@dataclass(frozen=True)
class _Indexed:
    """An index and the state of the articles it was made from."""

    version: KnowledgeVersion
    index: KnowledgeIndex


class KnowledgeService:
    """Keeps the articles and answers questions from them.

    The index is made again when an article changed, by whichever process: each question first
    reads the version (one small query). A question during that time waits; it never gets an answer
    from an article that is gone.
    """

    def __init__(self, repositories: Repositories, engine: Engine) -> None:
        self._articles = repositories.knowledge
        self._engine = engine
        self._indexed: _Indexed | None = None
        self._making = asyncio.Lock()

    async def ask(
        self, question: str, about: str | None = None, context: ReplyContext = NO_CONTEXT
    ) -> Answer:
        """What the agent would answer, and from what; `found` is false where it would not.

        `about` is the treatment a conversation is about, for a question that names none.
        """
        return await self._engine.answer(await self._current_index(), question, about, context)

    async def _current_index(self) -> KnowledgeIndex:
        async with self._making:
            version = await self._articles.version()
            if self._indexed is None or self._indexed.version != version:
                articles = await self._articles.every()
                self._indexed = _Indexed(version, await self._engine.index(articles))
            return self._indexed.index

    async def page(self, *, page: int, limit: int) -> Page[KnowledgeArticle]:
        """Articles by title."""
        return await self._articles.page(page=page, limit=limit)

    async def create(self, article: KnowledgeArticle) -> KnowledgeArticle:
        """Keep a new article; the next question can be answered from it."""
        return await self._articles.insert(article)

    async def update(self, article_id: PyObjectId, fields: Mapping[str, Any]) -> KnowledgeArticle:
        """Change what is given. Raises `ArticleNotFoundError`."""
        await self._articles.update_fields(article_id, fields)
        article = await self._articles.get(article_id)
        if article is None:
            raise ArticleNotFoundError
        return article

    async def delete(self, article_id: PyObjectId) -> None:
        """Forget an article. Raises `ArticleNotFoundError`."""
        if not await self._articles.delete(article_id):
            raise ArticleNotFoundError


def treatment_spoken_of(patient: Patient, campaign: Campaign) -> str | None:
    """The treatment a campaign is about, as a question like "how much is it?" means it.

    What they asked for, or for a recall what they had done last; only the words that name a
    treatment, because the rest of an inquiry is about nothing.
    """
    text = patient.initial_inquiry or ""
    if campaign.campaign_type == CampaignType.RECALL:
        text = patient.treatment_history[-1].procedure_name if patient.treatment_history else ""
    words = [word for word in _WORD.findall(text) if set(terms(word)) & TREATMENT_TERMS]
    return " ".join(words) or None
