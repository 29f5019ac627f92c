"""A reply made ready for reading days and times: folded, and cut into pieces of one polarity.

"Monday or Tuesday, but not Wednesday" is three days of which one is refused. A piece is refused
where its own words say so, and where it merely goes on with a list that is refused.
"""

import re
from dataclasses import dataclass
from itertools import zip_longest

from app.services.agent.guards.wording import fold

MAX_CHARACTERS = 2_000
"""What is proposed stands in the first screen of a reply."""

WEEKDAY_NAMES = (
    "mondays?|mon|lunes|lun",
    "tuesdays?|tues?|martes",
    "wednesdays?|weds?|miercoles|mie",
    "thursdays?|thurs?|thu|jueves|jue",
    "fridays?|fri|viernes|vie",
    "saturdays?|sat|sabados?",
    "sundays?|sun|domingos?",
)
# "Sat" and "sun" are words of their own elsewhere.
_BESIDE = "(?:^|(?<=on )|(?<=or )|(?<=and )|(?<=next )|(?<=this )|(?<=[-/,]))"
MONTH_NAMES = (
    "january|jan|enero",
    "february|feb|febrero",
    "march|marzo",
    "april|apr|abril",
    "may|mayo",
    "june|jun|junio",
    "july|jul|julio",
    "august|aug|agosto",
    "september|sept?|septiembre|setiembre",
    "october|oct|octubre",
    "november|nov|noviembre",
    "december|dec|diciembre|dic",
)
MONTH = f"(?:{'|'.join(MONTH_NAMES)})"
WEEKDAY = re.sub(r"\b(sat|sun)\b", rf"{_BESIDE}\1", f"(?:{'|'.join(WEEKDAY_NAMES)})")
DAYISH = rf"(?:(?:on|the|for|any|next|this|el|los|la|las|este|tomorrow|today) )*(?:{WEEKDAY}\b|\d)"

_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b([ap])\.? ?m\b\.?", r"\1m"),
        (r"(?<=\d)([ap]m)\b", r" \1"),
        (r"[\u2010-\u2015]", "-"),
        (rf"\b({WEEKDAY}) ?, ?(?=(?:the |el )?\d|{MONTH}\b)", r"\1 "),
        (rf"\b({MONTH} \d{{1,2}}(?:st|nd|rd|th)?) ?, ?(?=20\d\d\b)", r"\1 "),
        (r"\b(\d{1,2})\.(\d{1,2})\.(20\d\d)\b", r"\1~\2~\3"),
        (r"\b(\d{1,2})\.(\d{1,2})\.(?=\s|$|,)", r"\1~\2"),
        (
            r"\bcant wait\b|\bno (?:problem\w*|worries|doubt|hay problema|pasa nada|rush)\b|"
            r"\bnot (?:sure|bad|fussed)\b|\bsin problemas?\b|\bdont mind\b|\bno me importa\b|"
            r"\b(?:do not|dont) hesitate\b|\bwhy not\b|\bpor que no\b|\bno dude\b",
            " ",
        ),
        (r"\b(?:i|we) (?:dont|do not) work\b|\bno trabajo\b", "free"),
        (r"\bif not\b|\bsi no\b", "or"),
        (
            r"\b(?:not|nothing|no|none|cant\w*(?: \w+){0,2}) (?:\w+ ){0,2}?"
            r"(?:before|until|till|earlier than)\b|"
            r"\b(?:no|nada|nunca)(?: \w+){0,2}? (?:antes|hasta)\b",
            "notbefore",
        ),
        (
            r"\b(?:not|nothing|no|none) (?:\w+ ){0,2}?(?:after|later than|past)\b|"
            r"\b(?:no|nada)(?: \w+){0,2}? (?:despues|mas tarde)\b",
            "notafter",
        ),
        (
            rf"\b((?:any|every|all|whenever|cualquier|todos)\b(?: \w+){{0,3}}) "
            rf"(?:but|menos)(?= {DAYISH})",
            r"\1 , except",
        ),
        (
            r"\b(?:except(?: for)?|excepto|salvo|other than|apart from|excluding|menos|"
            rf"but not|pero no|just not|not)(?= {DAYISH})",
            " , except",
        ),
    )
)
_SENTENCE_END = re.compile(r"(?<![\d.])\.+|\.+(?=\s|$)|[!?;\n\u2026\u00bf\u00a1]+")
_CLAUSE = re.compile(
    r"\b(?:but|however|although|though|because|so|pero|aunque|porque|asi que|sino)\b|\s-\s"
)
_REFUSES = re.compile(
    r"\b(?:except|not|no|dont|doesnt|cant|cannot|couldnt|wont|never|isnt|arent|unavailable|busy|"
    r"away|out of (?:town|the country|office)|on (?:vacation|holiday)|travel\w*|"
    r"(?:i|we) (?:am |are )?work(?:ing)?|ni|nunca|tampoco|imposible|ocupad[oa]|fuera|"
    r"de (?:viaje|vacaciones)|viaj\w+|"
    r"closed|cerrado)\b"
)
_ANSWER = re.compile(
    r"^\s*(?:no|nope|yes|yeah|si|sorry|perdon|ok|okay|well|bueno|thanks|gracias)\s*$"
)
_GOES_ON = re.compile(r"^\s*(?:and|or|nor|y|o|ni|u)\b")
_BARE = re.compile(rf"\s*(?:(?:and|or|on|the|any|y|o|ni|el|los|la|las) )*{WEEKDAY}\s*")
_SAYS = re.compile(
    r"\b(?:works?|can|could|fine|good|great|ok|okay|free|available|prefer|better|best|suits?|"
    r"puedo|podria|bien|mejor|libre|disponible|prefiero|perfecto|does|is|are|esta)\b"
)
_PAST = re.compile(
    r"\b(?:was|were|had|came|saw|went|got|did|called|booked|started|since|ago|yesterday|ayer|"
    r"fui|estuve|tuve|vine|llame|hace|desde|paso|missed|cancell?ed|been|hurt|fell|broke)\b"
)
_OPENING = re.compile(r"\byou (?:\w+ ){0,2}(?:close|open)d?\b|\b(?:cierran|abren)\b")
_FUTURE = re.compile(
    r"\b(?:can|could|would|will|works?|free|available|come|like|prefer|want|book|schedule|need|"
    r"puedo|podria|quiero|quisiera|prefiero|viene|mejor|libre|disponible|how about|que tal|"
    r"suits?|ill|lets|looking|notbefore|after|next|tomorrow)\b"
)


@dataclass(frozen=True, slots=True)
class Wordings:
    """What a reply says about when: the offered and the refused words, clauses apart by "; "."""

    offered: str
    refused: str
    is_unclear: bool
    """Whether it depends on how a comma is read."""


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    is_refused: bool = False
    is_unclear: bool = False


def wordings(reply: str) -> Wordings:
    """The words of a reply about when, without those that tell of the past."""
    folded = fold(reply[:MAX_CHARACTERS])
    for pattern, replacement in _REWRITES:
        folded = pattern.sub(replacement, folded)
    clauses = [
        _pieces(clause)
        for sentence in _SENTENCE_END.split(folded)
        for clause in _CLAUSE.split(sentence)
        if not _tells(clause)
    ]
    return Wordings(
        offered=_joined(clauses, is_refused=False),
        refused=_joined(clauses, is_refused=True),
        is_unclear=any(piece.is_unclear for pieces in clauses for piece in pieces),
    )


def _joined(clauses: list[list[_Piece]], *, is_refused: bool) -> str:
    texts = (
        " , ".join(
            piece.text
            for piece in pieces
            if piece.is_refused == is_refused and not piece.is_unclear
        )
        for pieces in clauses
    )
    return " ; ".join(text for text in texts if text)


def _tells(clause: str) -> bool:
    """Whether it is a story, or the practice's own hours, and no proposal."""
    if _OPENING.search(clause):
        return True
    return _PAST.search(clause) is not None and _FUTURE.search(clause) is None


def _pieces(clause: str) -> list[_Piece]:
    found: list[_Piece] = []
    parts = [" ".join(part.split()) for part in clause.split(",")]
    parts = [part for part in parts if part and not _ANSWER.match(part)]
    for part, later in zip_longest(parts, parts[1:], fillvalue=""):
        found.append(_piece(part, found[-1] if found else None, later))
    return found


def _piece(part: str, before: _Piece | None, later: str) -> _Piece:
    if _REFUSES.search(part):
        return _Piece(part, is_refused=True)
    if _BARE.fullmatch(part) and _REFUSES.search(later) and not later.startswith("except"):
        return _Piece(part, is_refused=True, is_unclear=not _GOES_ON.match(later))
    if before is not None and before.is_refused and not _SAYS.search(part):
        return _Piece(part, is_refused=True, is_unclear=not _GOES_ON.match(part))
    return _Piece(part)
