"""Whether what a model wrote stands in the practice's own articles.

Two things are asked of an answer. Every sentence must be one of the passages: the same words in the
same order, figures, prices, times, names and links to the letter (only articles and courtesies may
differ); what is sent then is the passage's own text and no word of the model's. And the passages
it picked must answer what was asked, by the rules that bind the local engine too.
"""

import unicodedata
from collections.abc import Sequence

from app.services.agent.answering import answers
from app.services.agent.questions import asked_for
from app.services.agent.retrieval import ScoredPassage

_HARMLESS = frozenset(
    [
        "a",
        "an",
        "the",
        "please",
        "hello",
        "hi",
        "thanks",
        "el",
        "la",
        "los",
        "las",
        "un",
        "una",
        "hola",
        "gracias",
    ]
)
_EDGES = "\"'\u2018\u2019\u201c\u201d\u00ab\u00bb()[]{}*_.,;:!?\u00a1\u00bf\u2026-\u2013\u2014"


def supported(
    sentences: Sequence[str], passages: Sequence[ScoredPassage]
) -> list[ScoredPassage] | None:
    """The passages that the sentences repeat, in their order; `None` where one repeats none."""
    by_words = {_words(passage.text): passage for passage in reversed(passages)}
    found = [by_words.get(_words(sentence)) for sentence in sentences if sentence.strip()]
    picked = [passage for passage in found if passage is not None]
    return picked if picked and len(picked) == len(found) else None


def holds_what_was_asked(
    picked: Sequence[ScoredPassage], questions: Sequence[str], message: str, about: str | None
) -> bool:
    """Whether each question is answered by one of them, by the rules of the local engine.

    A model finds a related passage where the fact is missing as easily as one that holds it: it may
    choose and refuse, and no more is answered than those rules allow.
    """
    wanted = [asked_for(question, message, about) for question in questions]
    return all(
        one.is_about_something and any(answers(one, passage) for passage in picked)
        for one in wanted
    )


def only_what_answers(
    picked: Sequence[ScoredPassage], questions: Sequence[str], message: str, about: str | None
) -> list[ScoredPassage]:
    """Those that answer one of the questions. What a model picks beside them was not asked for:
    the price of something else, or a discount that a letter told it to name.
    """
    wanted = [asked_for(question, message, about) for question in questions]
    return [passage for passage in picked if any(answers(one, passage) for one in wanted)]


def _words(text: str) -> tuple[str, ...]:
    """What a sentence says, for comparing: no digit, sign or letter of a word is let go."""
    composed = unicodedata.normalize("NFC", text).casefold()
    words = (word.strip(_EDGES) for word in composed.split())
    return tuple(word for word in words if word and word not in _HARMLESS)
