"""How the practice sounds in its letters: the few words of a letter that are its own choice."""

import re
import unicodedata
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from app.models.base import StoredModel

_LINK_LIKE = re.compile(r"://|www\.|@|\w\.[a-z]{2,}", re.IGNORECASE)
_SAYS_MACHINE = re.compile(
    r"\b(?:automat\w+|autom[aá]tic\w+|assistant|asistente|virtual|machine|m[aá]quina|"
    r"computer|ordenador|a\.?i\.?|i\.?a\.?|bot)\b",
    re.IGNORECASE,
)


def _plain(text: str) -> str:
    """One line, without what a mail program makes a link of: links come from settings alone."""
    if any(unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"} for one in text):
        message = "must be one line of text without control characters"
        raise ValueError(message)
    if _LINK_LIKE.search(text):
        message = "must hold no link and no address"
        raise ValueError(message)
    return text


def _discloses(text: str) -> str:
    """California AB 3030: what a machine wrote says so."""
    if not _SAYS_MACHINE.search(text):
        message = "must say that an automated assistant wrote the message"
        raise ValueError(message)
    return text


def _text(longest: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=longest)


Greeting = Annotated[str, _text(40), AfterValidator(_plain)]
Signature = Annotated[str, _text(120), AfterValidator(_plain)]
ClosingLine = Annotated[str, _text(200), AfterValidator(_plain)]
Disclosure = Annotated[str, _text(200), AfterValidator(_plain), AfterValidator(_discloses)]


class VoiceWords(StoredModel):
    """The practice's words in one language; what is left out is as the templates have it."""

    greeting: Greeting | None = None
    """Before the name: "Hello"."""
    closing_line: ClosingLine | None = None
    """A sentence before the end of letters that invite or answer."""
    sign_off: Greeting | None = None
    """Before the signature: "Warm regards,"."""
    disclosure: Disclosure | None = None
    """Who wrote it, where a machine did; how to reach a person follows it in any case."""


class ClinicVoice(StoredModel):
    """The practice's voice."""

    signature: Signature | None = None
    """Who signs, above the practice's name."""
    en: VoiceWords = Field(default_factory=VoiceWords)
    es: VoiceWords = Field(default_factory=VoiceWords)

    def words(self, language: str) -> VoiceWords:
        """Its words in `language`; English for any other."""
        return self.es if language == "es" else self.en


class LetterKind(StrEnum):
    """What the machine writes to a patient beside news of their visits."""

    OUTREACH = "outreach"
    BOOKING_LINK = "booking_link"
    ANSWER = "answer"
    CLOSING = "closing"
    HANDOFF_NOTICE = "handoff_notice"
    EMERGENCY = "emergency"
    OPT_OUT_RECEIPT = "opt_out_receipt"
