"""Answers a question in the words of the knowledge base, or says that it cannot.

Similarity alone cannot tell an answerable question from a near miss, so a passage answers only if
it holds what was asked for: the kind of fact (an amount, a time), the plan or name, the day, the
health condition, and every word the question is about. In doubt nothing is found and a person
answers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from app.models.decision import MAX_PASSAGES, PassageEvidence
from app.services.agent.context import Provenance
from app.services.agent.questions import AskedFor, FactKind, asked_for, split_questions
from app.services.agent.retrieval import KnowledgeIndex, ScoredPassage
from app.services.agent.vocabulary import TREATMENT_TERMS, days_spoken_of, fold, terms

# Only keeps passages out that have nothing in common with the question; `answers` decides.
SCORE_FLOOR = 0.35
CANDIDATES = 8
NEAREST = 2
"""Passages shown to staff for each question that none of them answers."""
MAX_QUESTIONS = 4
# Two prices of one treatment ("routine", "deep") are quoted together.
MAX_QUOTES = 3

_NUMBER = (
    r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|few|"
    r"several|a|an|half|un|una|dos|tres|deux|trois|"
    r"zwei|drei|ein|eine|um|uma|dois|duas)"
)
_UNIT = (
    r"(?:min(?:ute|uto|uten)?s?|hours?|hrs?|days?|weeks?|months?|years?|horas?|dias?|semanas?|"
    r"mes(?:es)?|anos?|heures?|jours?|semaines?|mois|ans|stunden?|tage?n?|wochen?|monate?n?|jahre?n?)"
)
_HOLDS = {
    FactKind.AMOUNT: re.compile(
        r"[$€£]\s?\d|\d\s?(?:€|\$|£|dollars?|euros?|usd|eur|reais)|r\$\s?\d|"
        r"\bfor free\b|\bfree of charge\b|\b(?:is|are|completely|always) free\b|\bno charge\b|"
        r"\bfree (?:parking|consultation|exam|visit|first|check|whitening)|"
        r"\bcomplimentary\b|\bgratis\b|\bgratuite?\b|\bkostenlos\b"
    ),
    FactKind.TIME: re.compile(
        r"\b\d{1,2}(?::\d\d)?\s?(?:am|pm|a\.m|p\.m|h|uhr)\b|\b\d{1,2}[:h]\d\d\b|\bclosed\b|"
        r"\bcerrado|\bferme|\bgeschlossen|\bfechado|\bnoon\b|\bmidday\b"
    ),
    FactKind.DURATION: re.compile(
        rf"(?<!every )\b{_NUMBER}[\s-]*(?:to[\s-]*{_NUMBER}[\s-]*)?{_UNIT}\b"
    ),
    FactKind.COUNT: re.compile(rf"\b(?:{_NUMBER}|once|twice|every)\b"),
    FactKind.AGE: re.compile(
        r"\b(?:ages?|aged|old|years?|birthday|anos?|ans|jahren?|edad|idade)\b"
    ),
    FactKind.PHONE: re.compile(r"\+?\(?\d[\d\s().-]{6,}\d"),
}
_CONTINUES = re.compile(
    r"^(?:it|they|this|these|that|those|he|she|then|both|the (?:price|cost|fee|visit))\b"
)
# The words an opening time or a price says by being there.
_SAID_BY_FACT = {
    FactKind.AMOUNT: frozenset({"rate", "pricey"}),
    FactKind.TIME: frozenset({"#open", "late", "even", "evening", "hour", "today", "tomorrow"}),
    FactKind.DURATION: frozenset({"dura", "dure", "dauert", "tempo", "temp"}),
    FactKind.COUNT: frozenset({"often"}),
    FactKind.AGE: frozenset({"age", "young", "edad", "idade", "alt"}),
    FactKind.PHONE: frozenset({"number", "#phone"}),
}


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """An article an answer was taken from."""

    knowledge_id: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What the knowledge base says, word for word, or `found=False` and no text."""

    found: bool
    text: str
    sources: list[AnswerSource]
    by: Provenance | None = None
    """Who gave it and what that took, where that is more than the engine's name."""
    passages: Sequence[ScoredPassage] = field(default=(), compare=False)
    """What it quotes; not found, the nearest passages, which did not hold what was asked."""


NOT_FOUND = Answer(found=False, text="", sources=[])


def answer_question(index: KnowledgeIndex, question: str, about: str | None = None) -> Answer:
    """Answer every question of a message from the knowledge base.

    `about` is the subject of the conversation ("teeth whitening"), for questions that name none.
    One question without an answer, or more than `MAX_QUESTIONS`, makes the whole not found: half
    an answer would look like a whole one. CPU work of about 20 ms a question: run it in a thread.
    """
    asked = questions_in(question)
    if not asked:
        return NOT_FOUND
    offered = [candidates(index, one, about) for one in asked]
    found = [
        _supporting(passages, one, question, about)
        for one, passages in zip(asked, offered, strict=True)
    ]
    if not all(found):
        nearest = [passage for passages in offered for passage in passages[:NEAREST]]
        return replace(NOT_FOUND, passages=nearest)
    return quoting([passage for passages in found for passage in passages])


def questions_in(message: str) -> list[str]:
    """What a message asks, a message without a question mark as a whole; empty where it asks more
    than can be answered without leaving something out.
    """
    asked = split_questions(message) or [message]
    return asked if len(asked) <= MAX_QUESTIONS else []


def quoting(passages: Sequence[ScoredPassage]) -> Answer:
    """An answer of these passages' own words."""
    quotes = list(dict.fromkeys(quoted(passage) for passage in passages))
    text = "\n\n".join(quotes)
    return Answer(found=True, text=text, sources=_sources(passages), passages=passages)


def passages_of(answer: Answer) -> list[PassageEvidence]:
    """What an answer rests on, for its decision record."""
    return [
        PassageEvidence(
            knowledge_id=p.article_id, title=p.title[:200], position=p.position, score=p.score
        )
        for p in answer.passages[:MAX_PASSAGES]
    ]


def candidates(index: KnowledgeIndex, question: str, about: str | None) -> list[ScoredPassage]:
    """The passages that may have to do with a question, best first."""
    query = f"{question} {about}" if about else question
    return [p for p in index.search(query, CANDIDATES) if p.score >= SCORE_FLOOR]


def quoted(passage: ScoredPassage) -> str:
    """The passage in its own words, with the neighbours it cannot be understood without."""
    parts = [passage.text]
    if passage.before and _CONTINUES.match(fold(passage.text)):
        parts.insert(0, passage.before)
    if passage.after and _CONTINUES.match(fold(passage.after)):
        parts.append(passage.after)
    return " ".join(parts)


def _supporting(
    offered: Sequence[ScoredPassage], question: str, message: str, about: str | None
) -> list[ScoredPassage]:
    """The passages of one article that answer the question, in the article's order."""
    wanted = asked_for(question, message, about)
    if not wanted.is_about_something:
        return []
    held = [p for p in offered if answers(wanted, p)]
    if not held:
        return []
    best = max(held, key=lambda p: (_named(wanted, p), p.score))
    equal = [
        p
        for p in held
        if p.article_id == best.article_id and _named(wanted, p) == _named(wanted, best)
    ]
    return sorted(equal[:MAX_QUOTES], key=lambda p: p.position)


def _named(wanted: AskedFor, passage: ScoredPassage) -> int:
    """How many words of the question are said outright, the title left aside."""
    return len(wanted.subject & frozenset(terms(quoted(passage))))


def answers(wanted: AskedFor, passage: ScoredPassage) -> bool:
    """Whether the passage itself holds everything the question asks for."""
    own = frozenset(terms(passage.text))
    quote = quoted(passage)
    return (
        wanted.names <= own
        and wanted.conditions <= frozenset(terms(quote))
        and wanted.days <= days_spoken_of(quote)
        and all(_HOLDS[kind].search(fold(passage.text)) for kind in wanted.kinds)
        and _same_treatment(wanted.subject, passage, own)
        and _same_subject(wanted, passage, quote)
    )


def _same_treatment(subject: frozenset[str], passage: ScoredPassage, own: frozenset[str]) -> bool:
    """A price beside another treatment's name is that treatment's price, whatever the title."""
    treatments = subject & TREATMENT_TERMS
    if own & TREATMENT_TERMS:
        return treatments <= own
    return treatments <= frozenset(terms(f"{passage.before} {passage.title}"))


def _same_subject(wanted: AskedFor, passage: ScoredPassage, quote: str) -> bool:
    """Every word the question is about is in the quote, the title or a tag."""
    said = frozenset(terms(f"{quote} {passage.title} {' '.join(passage.tags)}"))
    implied = {word for kind in wanted.kinds for word in _SAID_BY_FACT[kind]}
    if FactKind.DURATION in wanted.kinds and ("#last" in said) != ("#last" in wanted.subject):
        return False  # how long it keeps and how long it takes are two questions
    return wanted.subject - implied <= said


def _sources(passages: Sequence[ScoredPassage]) -> list[AnswerSource]:
    best: dict[str, AnswerSource] = {}
    for passage in passages:
        known = best.get(passage.article_id)
        if known is None or known.score < passage.score:
            best[passage.article_id] = AnswerSource(
                passage.article_id, passage.title, passage.score
            )
    return list(best.values())
