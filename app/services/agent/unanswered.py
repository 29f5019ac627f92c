"""Questions that nobody could answer from the knowledge base, ready to become articles.

They are kept without the patient's names, addresses, links and long numbers, and leave with the
message they came in.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.records import UnansweredQuestion
from app.services.agent.llm.redaction import redacted
from app.services.agent.questions import split_questions

SHOWN_FOR = timedelta(days=180)
LOOKED_AT = 500
"""The newest messages with questions that are put in groups."""
MAX_PARTS = 8
MAX_CHARACTERS = 500


@dataclass(frozen=True)
class AskedQuestion:
    """One question of one message; `question_id` names both."""

    question_id: str
    interaction_id: PyObjectId
    text: str
    asked_at: datetime


@dataclass(frozen=True)
class QuestionGroup:
    """Questions that ask the same thing, the most typical first."""

    questions: Sequence[AskedQuestion]

    @property
    def first_asked_at(self) -> datetime:
        """The oldest of them."""
        return min(question.asked_at for question in self.questions)

    @property
    def last_asked_at(self) -> datetime:
        """The newest of them."""
        return max(question.asked_at for question in self.questions)


def parts_of(message: str, names: Iterable[str] = ()) -> list[str]:
    """What a message asks, without who asks it; the message itself where nothing looks asked."""
    clean = redacted(message, names)
    parts = split_questions(clean) or [clean]
    return [" ".join(part.split())[:MAX_CHARACTERS] for part in parts[:MAX_PARTS]]


class UnansweredQuestions:
    """Reads them in groups, and takes off the list what was settled."""

    def __init__(self, repositories: Repositories, clock: Clock) -> None:
        self._questions = repositories.unanswered
        self._clock = clock

    async def groups(self) -> list[QuestionGroup]:
        """Of the last half year: what is asked most comes first, then what was asked last."""
        since = self._clock.now() - SHOWN_FOR
        kept = await self._questions.newest(since, LOOKED_AT)
        asked = [question for entry in kept for question in _open_questions(entry)][:LOOKED_AT]
        groups = await asyncio.to_thread(_grouped, asked)
        return sorted(groups, key=lambda g: (len(g.questions), g.last_asked_at), reverse=True)

    async def settle(self, question_ids: Iterable[str]) -> None:
        """An article answers them now, or none is needed. What is gone or settled stays so."""
        for question_id in question_ids:
            entry, _, number = question_id.partition("-")
            await self._questions.settle(PyObjectId(entry), number)


def _open_questions(entry: UnansweredQuestion) -> list[AskedQuestion]:
    parts = entry.parts or parts_of(entry.question)
    return [
        AskedQuestion(f"{entry.id}-{number}", entry.interaction_id, text, entry.at)
        for number, text in enumerate(parts)
        if text and str(number) not in entry.settled
    ]


def _grouped(asked: Sequence[AskedQuestion]) -> list[QuestionGroup]:
    # scikit-learn takes seconds to import on a cold disk: only who asks for groups pays for it.
    from app.services.agent.question_groups import group_alike  # noqa: PLC0415

    found = group_alike([question.text for question in asked])
    return [QuestionGroup([asked[place] for place in group]) for group in found]
