"""How the guards read a message: folded words, clauses, and phrases with gaps.

A phrase is a regular expression over folded words (no accents, no apostrophes, lower case, single
spaces), bounded by whole words, so that "I know" never reads as "no". `<3>` in a phrase stands for
up to three words of any kind; a bounded gap keeps matching linear in the length of the text.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

MAX_CHARACTERS = 20_000
"""What lies behind this many characters is not read: no reply of a person is that long."""

# How far around a phrase its meaning is looked for; bounds the work on a hostile text.
_CONTEXT_CHARACTERS = 240

_APOSTROPHES = re.compile("['\u2018\u2019\u02bc\u0060\u00b4]")
_SENTENCE_END = re.compile(r"[.!?;:\n\u2026\u00bf\u00a1\u3002]+|\s[-\u2013\u2014]+\s|\u2014")
# A point or comma inside "39.2" and the ordinal point of "3. Dezember" end no sentence.
_INSIDE_A_NUMBER = re.compile(
    r"(?<=\d)(?:[.,:](?=\d)|\.(?=\s(?:jan|feb|mar|apr|mai|jun|jul|aug|sep|okt|nov|dez)))"
)
_NOT_A_WORD = re.compile(r"[^\w,]+|_+")
_COMMA = re.compile(r"\s*,[\s,]*")
_GAP = re.compile(r"<(\d)>")
_WORD_START = r"(?<!\w)"
_WORD_END = r"(?!\w)"


def fold(text: str) -> str:
    """Lower case without accents, apostrophes and invisible characters ("Don't" -> "dont")."""
    shortened = text[:MAX_CHARACTERS]
    decomposed = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", shortened))
    kept = (c for c in decomposed if unicodedata.category(c) not in {"Mn", "Cf"})
    return "".join(kept).casefold()


def sentences(text: str) -> tuple[str, ...]:
    """The folded sentences, single-spaced; a comma is kept as a word of its own (" , ")."""
    parts = _SENTENCE_END.split(_INSIDE_A_NUMBER.sub(" ", fold(text)))
    return tuple(words for part in parts if (words := _single_spaced(part)))


def _single_spaced(part: str) -> str:
    return _COMMA.sub(" , ", _NOT_A_WORD.sub(" ", part)).strip(" ,")


def phrase(pattern: str) -> re.Pattern[str]:
    """Compile one phrase; `<n>` is a gap of at most n words, commas do not count as words."""
    spelled = _GAP.sub(r"(?:(?:\\w+|,) ){0,\1}", pattern)
    return re.compile(f"{_WORD_START}(?:{spelled}){_WORD_END}")


def phrases(patterns: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    """Compile several phrases."""
    return tuple(phrase(pattern) for pattern in patterns)


@dataclass(frozen=True)
class Hit:
    """Where a phrase was found: what stands before it, the words themselves, and what follows."""

    before: str
    words: str
    after: str


def hits(patterns: Iterable[re.Pattern[str]], sentence: str) -> Iterable[Hit]:
    """Every place in a folded sentence where one of the phrases stands."""
    for pattern in patterns:
        for match in pattern.finditer(sentence):
            start, end = match.span()
            before = sentence[max(0, start - _CONTEXT_CHARACTERS) : start].strip()
            yield Hit(before, match.group(), sentence[end : end + _CONTEXT_CHARACTERS])


def any_hit(patterns: Iterable[re.Pattern[str]], sentence: str) -> bool:
    """Whether one of the phrases stands in the folded sentence."""
    return any(pattern.search(sentence) for pattern in patterns)
