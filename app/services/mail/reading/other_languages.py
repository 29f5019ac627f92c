"""History in languages that `history` does not know, by mail-parser-reply.

In the five languages of `history` the library's patterns lose wishes and miss quotes (measured in
docs/mail-reading.md); for the others it is what there is.
"""

import re

from mailparser_reply.parser import EmailMessage  # type: ignore[import-untyped]

LANGUAGES = ("cs", "da", "it", "ja", "ko", "nl", "sv", "zh")

# Its patterns take time that grows with the square of a line's length and of the lines that begin
# like a header: a text made to abuse that is left as it is.
_LONGEST_LINE = 1_000
_LONGEST_TEXT = 20_000
_MOST_STARTS = 40
_START = re.compile(r"^\W{0,4}(?:den|dne|il|op|\d|\w{1,12}\s?:)", re.IGNORECASE | re.MULTILINE)


def without_other_history(text: str) -> str:
    """`text` before the history that follows it; the whole where none is found or all would go."""
    if not _is_safe(text):
        return text
    message = EmailMessage(text=text, languages=list(LANGUAGES), keep_hyphen_lists=True).read()
    if len(message.replies) <= 1:
        return text
    content = str(message.replies[0].content).strip()
    return content or text


def _is_safe(text: str) -> bool:
    longest = max(map(len, text.split("\n")))
    return (
        len(text) <= _LONGEST_TEXT
        and longest <= _LONGEST_LINE
        and len(_START.findall(text)) <= _MOST_STARTS
    )
