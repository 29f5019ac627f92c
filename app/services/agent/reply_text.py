"""The new words of a plain-text reply, without quoted history and signature.

Two libraries read it one after the other: email-reply-parser takes away quotes, mail-parser-reply
what is left of headers, sign-offs and disclaimers. What they must not do is lose a wish: "Thanks,
but please stop" looks like a sign-off to them, so a cut is undone where it reads like a sentence.
"""

import re
import unicodedata

from email_reply_parser import EmailReplyParser  # type: ignore[import-untyped]
from mailparser_reply.parser import EmailMessage  # type: ignore[import-untyped]

ANALYSED_CHARACTERS = 20_000
"""Only this much of the beginning is read: a person's new text stands at the top and is shorter."""

LANGUAGES = ("en", "es", "fr", "de")

_LONGEST_LINE = 2_000
# The libraries' patterns for "On ... wrote:" take time that grows with the square of the number of
# these words and of a line's length: a text made to abuse that is only stripped of its ">" lines.
_MOST_HEADER_WORDS = 30
_HEADER_WORD = re.compile(r"\bOn\s")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")
_SPACES = re.compile(r"[^\S\n]{3,}")
# mail-parser-reply knows no Portuguese, and its Spanish pattern excludes itself.
_IBERIAN_HEADER = re.compile(
    r"^(?:Em|No dia|El) [^\n]{4,200}\n?[^\n]{0,200}?(?:escreveu|escribi[o\u00f3])\s*:[^\S\n]*$",
    re.MULTILINE,
)
_MOST_CLOSING_WORDS = 4
_POSTSCRIPT = re.compile(r"^\s*(?:p\.?\s?[sd]\.?)\b", re.IGNORECASE | re.MULTILINE)


def new_text(raw: str) -> str:
    """The reply without quoted history and signature; the raw text where nothing would be left.

    Reads the first `ANALYSED_CHARACTERS` characters; control characters are dropped.
    """
    text = _cleaned(raw)
    if not _is_safe_for_parsers(text):
        return _without_quoted_lines(text) or text
    unquoted = EmailReplyParser.parse_reply(_without_iberian_history(text)).strip()
    if not unquoted:
        return text
    return _without_signature(unquoted) or unquoted


def _cleaned(raw: str) -> str:
    unified = raw[:ANALYSED_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n")
    printable = "".join(c for c in unified if c in "\n\t" or not _is_control(c))
    return _SPACES.sub("  ", _BLANK_LINES.sub("\n\n", printable)).strip()


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"}


def _is_safe_for_parsers(text: str) -> bool:
    longest = max(map(len, text.split("\n")))
    return longest <= _LONGEST_LINE and len(_HEADER_WORD.findall(text)) <= _MOST_HEADER_WORDS


def _without_quoted_lines(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.startswith(">")).strip()


def _without_iberian_history(text: str) -> str:
    """What stands before "El ... escribi\u00f3:"; below it where the answer follows the quote."""
    header = _IBERIAN_HEADER.search(text)
    if header is None:
        return text
    return text[: header.start()] or text[header.end() :]


def _without_signature(text: str) -> str:
    message = EmailMessage(text=text, languages=list(LANGUAGES), keep_hyphen_lists=True).read()
    content: str = message.replies[0].content
    body: str = message.replies[0].body
    return content if _is_sentence_lost(content, body) else body


def _is_sentence_lost(content: str, body: str) -> bool:
    """Whether what was cut begins with more than a sign-off, or holds a postscript."""
    position = content.find(body) + len(body) if body and body in content else 0
    cut = content[position:].strip()
    first_line = cut.partition("\n")[0]
    return bool(cut) and (
        len(first_line.split()) > _MOST_CLOSING_WORDS or _POSTSCRIPT.search(cut) is not None
    )
