"""What is taken out of a patient's words before they leave this machine.

A model needs the wish, not who has it: addresses, links, longer runs of digits (phones, cards,
dates of birth, insurance numbers) and the patient's own names stay here. Amounts and times of day
stay in: they are part of what is asked.
"""

import re
from collections.abc import Iterable

HEAD_CHARACTERS = 2000
TAIL_CHARACTERS = 1000
"""People say what they want at the beginning and at the end."""

_MAIL = re.compile(r"[^\s<>()\[\],;:\"']{1,64}@[^\s<>()\[\],;:\"']{1,255}")
_LINK = re.compile(r"\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.)\S+", re.IGNORECASE)
_DIGITS = re.compile(r"\+?\(?\d(?:[\s().\-/]{0,3}\d){5,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_MIN_NAME_LETTERS = 2


def redacted(text: str, names: Iterable[str] = ()) -> str:
    """`text`, shortened, with placeholders for what says who or where somebody is."""
    clean = _CONTROL.sub(" ", text.encode("utf-8", "replace").decode("utf-8"))
    clean = _MAIL.sub("[address]", _LINK.sub("[link]", _shortened(clean)))
    clean = _DIGITS.sub("[number]", clean)
    return without_names(clean, names, "[name]")


def without_names(text: str, names: Iterable[str], instead: str = "") -> str:
    """`text` with `instead` in place of every word of the names."""
    words = {word for name in names for word in re.findall(r"[^\W\d_]+", name)}
    long_enough = sorted(re.escape(word) for word in words if len(word) >= _MIN_NAME_LETTERS)
    if not long_enough:
        return text
    return re.sub(rf"(?<!\w)(?:{'|'.join(long_enough)})(?!\w)", instead, text, flags=re.IGNORECASE)


def _shortened(text: str) -> str:
    if len(text) <= HEAD_CHARACTERS + TAIL_CHARACTERS:
        return text
    return f"{text[:HEAD_CHARACTERS]} [\u2026] {text[-TAIL_CHARACTERS:]}"
