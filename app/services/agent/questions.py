"""What a message asks, question by question, and what kind of fact each asks for."""

import re
from dataclasses import dataclass
from enum import StrEnum

from app.services.agent.vocabulary import (
    CONDITION_TERMS,
    DAY_TERMS,
    MONEY_TERMS,
    content_terms,
    fold,
    named_days,
    terms,
)

_ASKING = (
    r"(?:how|what(?:'?s)?|when(?:'?s)?|where(?:'?s)?|which|who|why|whose|do|does|did|is|are|am|can|"
    r"could|would|will|should|may|any|cuanto|cuantos|cuanta|cuantas|que|cual|cuando|donde|como|"
    r"aceptan|tienen|hay|atienden|combien|quel|quelle|quels|quelles|quand|est-ce|avez|prenez|"
    r"acceptez|peut|was|wie|wann|wo|haben|kann|nehmen|gibt|ubernimmt|behandeln|quanto|quantas|"
    r"quantos|qual|onde|aceitam|tem|atendem|da pra)"
)
_STARTS_ASKING = re.compile(rf"^\W*{_ASKING}\b")
_EMBEDDED = re.compile(
    r"\b(?:wondering|like to know|want to know|need to know|tell me|let me know|curious|"
    r"quisiera saber|me gustaria saber|queria saber|gostaria de saber|j'aimerais savoir|"
    r"wissen|more info|details|price list|explain)\b"
)
_SENTENCE_END = re.compile(r"(?<=[?!…])\s*|(?<=[.])\s+|\n+")
# A second question after a joining word; what stands before the first one may be a mere assent.
_JOIN = re.compile(
    rf"(?:,\s*|\s+)(?:but|and|also|plus|or|pero|y|mais|et|aber|und|mas|e)\s+(?:also\s+)?(?={_ASKING}\b)"
)
_REFERS_BACK = re.compile(r"\b(?:it|that|this|they|them|these|those|eso|esto|ca|das|isso)\b")
_SMALL_TALK = re.compile(
    r"^\W*(?:how are (?:you|things)|how have you been|how'?s it going|right|ok(?:ay)?|"
    r"yes|no|really|what'?s up|que tal|como estan?|ca va|comment allez[- ]vous|wie geht'?s|"
    r"tudo bem)\W*$"
)
_PLAN_WORDS = (
    "delta cigna aetna metlife humana guardian medicaid medicare anthem blue unitedhealthcare "
    "united ameritas sanitas adeslas mapfre asisa axa allianz aok barmer dkv unimed amil bradesco "
    "odontoprev carecredit sunbit affirm klarna afterpay paypal venmo invisalign zoom "
    "clearcorrect"
)
_NAMES = frozenset(_PLAN_WORDS.split())
_CAPITALISED = re.compile(r"(?<=[a-zà-ÿ0-9,;:] )[A-Z][\w&'-]+")
_GERMAN = re.compile(r"[äöüß]|\b(?:ich|sie|ist|das|der|die|wie|wann|haben)\b", re.IGNORECASE)


class FactKind(StrEnum):
    """What an answer must contain to be one."""

    AMOUNT = "amount"
    TIME = "time"
    DURATION = "duration"
    COUNT = "count"
    AGE = "age"
    PHONE = "phone"


_ASKS_FOR = {
    FactKind.AMOUNT: re.compile(
        r"\bhow much(?! (?:time|longer|notice))|\bpric(?:e|es|ing|ey)\b|\bcosts?\b|\bfees?\b|"
        r"\bcharges?\b|\brates?\b|\bcuanto (?:cuesta|sale|vale|es|cobran|me)|\bprecios?\b|"
        r"\bcuesta\b|\bcombien (?:coute|ca|ça)|\btarifs?\b|\bprix\b|\bkostet\b|\bwie teuer\b|"
        r"\bpreise?\b|\bquanto (?:custa|e|fica|sai)\b|\bprecos?\b|\bdamage for\b|\bset me back\b"
    ),
    FactKind.TIME: re.compile(
        r"\bwhat time|\bhours\b|\bopen\b|\bclosed?\b|\bopening\b|\bhorarios?\b|\bque hora|"
        r"\babren\b|\bhoraires\b|\bouverts?\b|\boffnungszeiten\b|\bgeoffnet\b|\babrem\b|"
        r"\b(?:evenings?|after work)\b"
    ),
    FactKind.DURATION: re.compile(
        r"\bhow long\b|\bhow soon\b|\bhow much (?:time|longer|notice)\b|"
        r"\bcuanto (?:dura|tiempo|tarda)|\bcombien de temps\b|\bwie lange\b|\bquanto tempo\b"
    ),
    FactKind.COUNT: re.compile(
        r"\bhow many\b|\bhow often\b|\bcuant[oa]s\b|\bcombien de (?!temps)|\bwie (?:viele|oft)\b|"
        r"\bquant[oa]s\b"
    ),
    FactKind.AGE: re.compile(
        r"\bhow (?:old|young)\b|\bwhat age\b|\bage\b|\btoo young\b|\bque edad\b|\bquel age\b|"
        r"\bwie alt\b|\bque idade\b"
    ),
    FactKind.PHONE: re.compile(
        r"\b(?:phone|telephone|telefono|telefone|telefonnummer) ?(?:number)?"
    ),
}


@dataclass(frozen=True, slots=True)
class AskedFor:
    """A question taken apart: everything a passage has to hold to answer it."""

    kinds: frozenset[FactKind]
    names: frozenset[str]
    days: frozenset[str]
    conditions: frozenset[str]
    subject: frozenset[str]

    @property
    def is_about_something(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.subject or self.names or self.days)


def split_questions(text: str) -> list[str]:
    """The questions of a message, in order; empty where nothing is asked.

    "Yes, Tuesday works, but do you take Delta Dental?" gives "do you take Delta Dental?". What a
    question refers back to ("I take warfarin, is that a problem?") stays with it.
    """
    questions: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        stripped = sentence.strip()
        if stripped and _is_question(stripped):
            questions.extend(_parts(stripped))
    return [q for q in questions if not _SMALL_TALK.match(fold(q))]


def _is_question(sentence: str) -> bool:
    folded = fold(sentence)
    if sentence.endswith("?"):
        return any(c.isalnum() for c in sentence)
    return bool(_STARTS_ASKING.match(folded) or _EMBEDDED.search(folded))


def _parts(sentence: str) -> list[str]:
    if len(fold(sentence)) != len(sentence):
        return [sentence]  # positions in the folded text would not fit the written one
    cuts = [match.span() for match in _JOIN.finditer(fold(sentence))]
    if not cuts:
        return [sentence]
    starts = [0, *(end for _, end in cuts)]
    ends = [*(start for start, _ in cuts), len(sentence)]
    parts = [sentence[a:b].strip(" ,") for a, b in zip(starts, ends, strict=True)]
    if any(_REFERS_BACK.search(fold(part)) for part in parts[1:]):
        return [sentence]
    return [part for part in parts if _is_question(part)]


def asked_for(question: str, message: str, about: str | None = None) -> AskedFor:
    """What a passage must hold to answer `question`, which stands in `message`.

    A health condition mentioned anywhere in the message belongs to the question. `about` is what
    the conversation is about, for a question that names no subject ("How much is it?").
    """
    kinds = frozenset(kind for kind, asks in _ASKS_FOR.items() if asks.search(fold(question)))
    content = content_terms(question)
    conditions = content_terms(message) & CONDITION_TERMS
    names = _names(question)
    subject = content - MONEY_TERMS - DAY_TERMS - conditions - names
    if not subject and not names and about:
        subject = content_terms(about)
    return AskedFor(kinds, names, named_days(terms(question)), conditions, subject)


def _names(question: str) -> frozenset[str]:
    """Plans, companies, people and brands: only a passage that names them can speak of them."""
    content = content_terms(question)
    known = content & _NAMES
    if _GERMAN.search(question):
        return known
    written = {term for word in _CAPITALISED.findall(question) for term in content_terms(word)}
    return known | frozenset(t for t in written & content if not t.startswith("#"))
