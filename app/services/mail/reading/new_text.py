"""What a person newly wrote in a mail, without quoted history and signature.

Where there is an HTML part its structure is read, because it says more than its text: each client
marks quotes and dividers in its own way. The plain text is read where there is no HTML, or nothing
was left of it. The raw mail is kept elsewhere; nothing is lost by a wrong cut.
"""

import re
from dataclasses import dataclass
from typing import Literal

from app.services.mail.reading.charsets import tidy
from app.services.mail.reading.history import segments
from app.services.mail.reading.html_quotes import marked_text
from app.services.mail.reading.html_text import text_of_html
from app.services.mail.reading.marks import MARKS
from app.services.mail.reading.message import ReadMail
from app.services.mail.reading.other_languages import without_other_history
from app.services.mail.reading.signature import without_signature

ANALYSED_CHARACTERS = 20_000
"""Only this much of the beginning is kept: a person's new text is shorter."""

_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")
_TRAILING = re.compile(r"[^\S\n]+$", re.MULTILINE)
_SPACES = re.compile(r"[^\S\n]{2,}")
_NO_MARKS = dict.fromkeys(map(ord, MARKS))
_READ_CHARACTERS = 100_000


@dataclass(frozen=True)
class NewText:
    """`text` is never empty where the mail holds any words; `source` says what it was read from."""

    text: str
    quoted: bool
    """Whether history was found and left out."""
    signature: str | None
    source: Literal["html", "text", "raw"]


def new_text(mail: ReadMail) -> NewText:
    """The new words of `mail`; all its words where nothing else would be left."""
    if mail.html is not None:
        marked, signature = marked_text(mail.html)
        found = _read(marked, "html", signature)
        if found.text:
            return found
    found = new_text_of(mail.text)
    if found.text or mail.html is None:
        return found
    return NewText(_shown(text_of_html(mail.html)), False, None, "raw")


def new_text_of(plain: str) -> NewText:
    """The same for a text without HTML, as a relay hands it over."""
    clean = tidy(plain[:_READ_CHARACTERS]).translate(_NO_MARKS)
    found = _read(clean, "text", None)
    if found.text:
        return found
    return NewText(_shown(clean), False, None, "raw")


def _read(text: str, source: Literal["html", "text"], signature: str | None) -> NewText:
    parts, is_quoted = segments(_spaced(text))
    if parts and not is_quoted:
        parts, is_quoted = _in_other_languages(parts[0])
    bodies: list[str] = []
    signatures = [signature] if signature else []
    for part in parts:
        body, sign = without_signature(part)
        bodies.append(body)
        signatures.extend([sign] if sign else [])
    words = _shown("\n\n".join(filter(None, bodies)))
    return NewText(words, is_quoted, "\n".join(signatures) or None, source)


def _in_other_languages(text: str) -> tuple[list[str], bool]:
    new = without_other_history(text)
    return [new], len(new) < len(text)


def _spaced(text: str) -> str:
    """Without trailing spaces, and with at most one empty line in a row."""
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", text[:_READ_CHARACTERS]))


def _shown(text: str) -> str:
    """Without trailing spaces, empty lines in a row and layout; cut to what is kept."""
    lines = _SPACES.sub(" ", _TRAILING.sub("", text))
    unindented = "\n".join(line.strip() for line in lines.split("\n"))
    return _BLANK_LINES.sub("\n\n", unindented).strip()[:ANALYSED_CHARACTERS].strip()
