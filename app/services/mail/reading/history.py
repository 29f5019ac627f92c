"""The new words of a text, told from the history that mail clients put below, above or between.

Works line by line on plain text and on rendered HTML with `marks`: quoted lines, the line that
names who wrote them ("On ... wrote:"), dividers ("-----Original Message-----") and copied header
blocks, in English, Spanish, French, German and Portuguese.
"""

import re

from app.services.mail.reading.marks import END, QUOTE

_QUOTED = re.compile(r"^[ \t]{0,3}(?:>|\|\s?>)")
_WRAPPED_QUOTE_CHARACTERS = 60
_MAX_ATTRIBUTION_LINES = 4
_MAX_ATTRIBUTION_CHARACTERS = 500

_WROTE = re.compile(
    r"\b(?:wrote|writes|escribi[oó]|escribe|a écrit|écrivait|schrieb|geschrieben|escreveu|"
    r"ha scritto|"
    r"schreef)\b",
    re.IGNORECASE,
)
_ATTRIBUTION_START = re.compile(
    r"^\W{0,4}(?:on|at|el|le|am|em|no dia|il|op|a|\d{1,4}[-./]|"
    r"quoting|citando|zitat von|quoth|citation de|mon|lun|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b",
    re.IGNORECASE,
)
_ATTRIBUTION_END = re.compile(
    r"(?::|wrote ?-{2,}|escribi[oó] ?-{2,}|écrit ?-{2,}|schrieb ?-{2,})\W{0,3}$"
)
# Yahoo's app writes the quoted text on the very line that names its writer.
_RUNNING_ON = re.compile(
    r"^\W{0,4}(?:on|el|le|am|em)\s[^\n]{6,200}[<(][^<>\s]+@[^<>\s]+[>)]+,?\s*"
    r"(?:wrote|escribi[oó]|a écrit|schrieb|escreveu)\s?:",
    re.IGNORECASE,
)
_WHOSE = re.compile(r"[\w.+-]@[\w-]|\d{4}|\d{1,2}[/.]\d{1,2}[/.]\d{2}")
_EVIDENCE = re.compile(r"[\w.+-]@[\w-]|\d")
_QUOTING = re.compile(
    r"^\W{0,4}(?:quoting|citando a?|zitat von|citation de)\b.{2,200}:\s*$", re.IGNORECASE
)

_NOTES = re.compile(
    r"^-{3,8}\s?[^\n]{2,200}\b(?:wrote|escribió|a écrit|schrieb|escreveu):\s?-{3,8}$"
)
_DIVIDER = re.compile(
    r"^[\s>]{0,4}[-_*=~]{2,60}\s{0,4}(?:original(?: message| appointment|nachricht)|"
    r"original-nachricht|"
    r"(?:mensaje|correo) original|message d['\u2019]origine|message original|"
    r"ursprüngliche (?:nachricht|mail|e-mail)|mensagem original|messaggio originale|"
    r"forwarded message|(?:mensaje|correo) reenviado|message (?:transféré|renvoyé)|"
    r"weitergeleitete nachricht|mensagem (?:encaminhada|reencaminhada)|reply message|"
    r"replied message|(?:mensaje|correo) de respuesta|mensagem de resposta)\W*$",
    re.IGNORECASE,
)
_FORWARD = re.compile(
    r"^\W{0,4}(?:begin forwarded message|inicio del mensaje reenviado|"
    r"début du message (?:transféré|"
    r"réexpédié)|"
    r"anfang der weitergeleiteten (?:nachricht|e-mail)|início da mensagem (?:encaminhada|"
    r"reencaminhada))"
    r"\s*:\s*$",
    re.IGNORECASE,
)
_RULE = re.compile(r"^\s*[_\-\u2013\u2014=*]{5,}\s*$")
_FROM = re.compile(
    r"^[\W_]{0,4}(?:from|de|von|da|expéditeur|remitente|absender)\s?\*?\s?:\*?\s*(.*)$",
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"^[\W_]{0,4}(?:from|sent|date|to|cc|subject|reply-to|importance|"
    r"de|enviado(?: el| em)?|fecha|para|asunto|responder a|importancia|"
    r"envoyé(?: le)?|date|à|a|objet|répondre à|"
    r"von|gesendet(?: am)?|datum|an|betreff|antwort an|wichtigkeit|"
    r"data|enviada(?: em)?|assunto|cópia|copie|kopie|copia)\s?\*?\s?:\*?\s*(.*)$",
    re.IGNORECASE,
)
_LEAST_FIELDS = 3
_LONGEST_STRUCTURE = 500
"""No attribution, divider or header field is longer; a person's paragraph may be."""
_BLOCK_LINES = 14
_LOOK_AHEAD_LINES = 8


def segments(text: str) -> tuple[list[str], bool]:
    """The stretches of new words from top to bottom, and whether history stood between or below."""
    lines = _with_quotes_marked(text.split("\n"))
    lines = _without_history(lines)
    parts: list[list[str]] = [[]]
    for line in lines:
        if line == QUOTE:
            parts.append([])
        else:
            parts[-1].append(line)
    found = ["\n".join(part).strip("\n") for part in parts]
    return [part for part in found if part.strip()], QUOTE in lines


def _with_quotes_marked(lines: list[str]) -> list[str]:
    """Quoted lines as `QUOTE`; also the end of one that a gateway broke without a new `>`."""
    marked: list[str] = []
    for number, line in enumerate(lines):
        if QUOTE in line or END in line:
            marked.append(END if END in line else QUOTE)
        elif _QUOTED.match(line) or _is_broken_off(lines, number):
            marked.append(QUOTE)
        else:
            marked.append(line)
    return marked


def _is_broken_off(lines: list[str], number: int) -> bool:
    if number == 0 or number + 1 >= len(lines):
        return False
    before, line, after = lines[number - 1 : number + 2]
    return (
        bool(_QUOTED.match(before) and _QUOTED.match(after))
        and len(before) >= _WRAPPED_QUOTE_CHARACTERS
        and line.strip()[:1].islower()
    )


def _without_history(lines: list[str]) -> list[str]:
    """The lines with every piece of history as one `QUOTE`; nothing after its end."""
    kept: list[str] = []
    number = 0
    while number < len(lines):
        length, ends = _history_at(lines, number)
        if ends:
            return [*kept, QUOTE]
        if length:
            kept.append(QUOTE)
        else:
            kept.append(lines[number])
        number += length or 1
    return kept


def _history_at(lines: list[str], number: int) -> tuple[int, bool]:
    """How many lines of history begin here, and whether all below belongs to it."""
    line = lines[number]
    if line == QUOTE:
        return 1, False
    if line == END:
        return 1, True
    if not line.strip() or (
        len(line) > _LONGEST_STRUCTURE and not _RUNNING_ON.match(line[:_LONGEST_STRUCTURE])
    ):
        return 0, False
    for read in (_attribution, _copied_headers):
        length, ends = read(lines, number)
        if length:
            return length, ends
    return 0, False


def _attribution(lines: list[str], number: int) -> tuple[int, bool]:
    """A line, perhaps broken into several, that says who wrote what follows."""
    if _RUNNING_ON.match(lines[number][:_MAX_ATTRIBUTION_CHARACTERS]):
        return 1, not _next_is_quote(lines, number + 1)
    words = ""
    for length in range(1, _MAX_ATTRIBUTION_LINES + 1):
        if number + length > len(lines) or not _is_words(lines[number + length - 1]):
            break
        words = f"{words} {lines[number + length - 1].strip()}".strip()
        if len(words) > _MAX_ATTRIBUTION_CHARACTERS:
            break
        is_quoted_next = _next_is_quote(lines, number + length)
        if _is_attribution(words, is_quoted_next):
            return length, not is_quoted_next
    return 0, False


def _is_attribution(words: str, is_quoted_next: bool) -> bool:
    if _QUOTING.match(words):
        return True
    if not _ATTRIBUTION_END.search(words):
        return False
    starts = bool(_ATTRIBUTION_START.match(words)) or "@" in words
    has_verb = bool(_WROTE.search(words))
    if is_quoted_next:
        is_evident = bool(_EVIDENCE.search(words)) or starts
        return is_evident and (has_verb or "@" in words)
    return has_verb and starts and bool(_WHOSE.search(words))


def _copied_headers(lines: list[str], number: int) -> tuple[int, bool]:
    """A divider, a block of copied header fields, or both."""
    line = lines[number]
    starts_block = bool(_FROM.match(line) or _RULE.match(line) or _FIELD.match(line))
    is_divider = bool(_DIVIDER.match(line) or _NOTES.match(line) or _FORWARD.match(line))
    if not starts_block and not is_divider:
        return 0, False
    length = _block_length(lines, number + is_divider)
    if not length and not is_divider:
        return 0, False
    length += is_divider
    return length, not _next_is_quote(lines, number + length)


def _block_length(lines: list[str], number: int) -> int:
    """Lines up to the last field of a header block that begins here; 0 where none does."""
    fields: set[str] = set()
    last, has_sender = -1, False
    for position in range(number, min(number + _BLOCK_LINES, len(lines))):
        line = lines[position]
        field = _FIELD.match(line) or _FROM.match(line)
        if field:
            fields.add(line.partition(":")[0].strip(" *").casefold())
            has_sender = has_sender or bool(_FROM.match(line))
            last = position
        elif not _may_stand_between(line, is_started=last >= 0):
            break
    is_block = has_sender and len(fields) >= _LEAST_FIELDS
    return last - number + 1 if is_block else 0


def _may_stand_between(line: str, *, is_started: bool) -> bool:
    """Empty lines, the rule above a block, and a field's value that goes on in the next line."""
    if not line.strip() or _RULE.match(line):
        return True
    return is_started and (line[:1] in " \t" or "@" in line or ";" in line)


def _is_words(line: str) -> bool:
    return bool(line.strip()) and line not in (QUOTE, END)


def _next_is_quote(lines: list[str], number: int) -> bool:
    ahead = lines[number : number + _LOOK_AHEAD_LINES]
    following = next((line for line in ahead if line.strip()), None)
    return following in (QUOTE, END)
