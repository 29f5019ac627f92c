"""Bytes of a mail to text, whatever the mail says they are."""

import codecs
import re
import unicodedata

# Python's codecs that are no character sets, take quadratic time, or warn.
_NOT_CHARSETS = frozenset(
    {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem"}
)
_EIGHT_BIT_DEFAULTS = frozenset({"ascii", "iso8859-1", "cp1252", "utf-8"})
# The WHATWG encoding standard reads these labels so, because senders mean it so.
_MEANT = {"iso8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
_ALIASES = {"unknown-8bit": "ascii", "x-unknown": "ascii", "default": "ascii"}
_HYPHENS = re.compile(r"^(?:x-)?(cp|windows|iso)[-_ ]?", re.IGNORECASE)
_INVISIBLE = dict.fromkeys(
    [
        *(0xAD, 0x34F, 0x61C, 0x180E, 0xFEFF, 0xFFFC),
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2065),
        *range(0x2066, 0x2070),
    ]
)
_KEPT_JOINER = 0x200D  # holds family and flag emoji together
del _INVISIBLE[_KEPT_JOINER]
_SPACES = dict.fromkeys([0x9, 0xB, 0xC, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F], " ")
_SPACES[0x3000] = " "
_LINE_ENDS = re.compile("\r\n?|\x85|\u2028|\u2029")


def decoded(content: bytes, charset: str | None) -> str:
    """The text of `content`, said to be in `charset`; never raises, replaces what is unreadable.

    UTF-8 under a wrong eight-bit label is read as UTF-8: other text is valid UTF-8 by chance
    hardly ever. What is in no known set is read as Windows-1252, as browsers do.
    """
    name = _codec_name(charset)
    guesses = ["utf-8", name] if name in _EIGHT_BIT_DEFAULTS else [name, "utf-8"]
    for guess in guesses:
        try:
            return content.decode(_MEANT.get(guess, guess))
        except (UnicodeError, LookupError, ValueError):
            continue
    return content.decode(_MEANT.get(name, "cp1252"), errors="replace")


def _codec_name(charset: str | None) -> str:
    """Python's name of the codec; ASCII for what it does not know."""
    label = (charset or "").strip().strip("\"'").casefold()
    for candidate in (label, _HYPHENS.sub(lambda m: m[1], label)):
        try:
            name = codecs.lookup(_ALIASES.get(candidate, candidate)).name
            b"a".decode(name)
        except (LookupError, ValueError, UnicodeError, TypeError):
            continue
        return "ascii" if name in _NOT_CHARSETS else name
    return "ascii"


def tidy(text: str) -> str:
    """Line ends as `\\n`, one kind of space, nothing invisible, NFC; lone surrogates replaced."""
    unified = _LINE_ENDS.sub("\n", text).translate(_SPACES).translate(_INVISIBLE)
    kept = "".join(c for c in unified if c == "\n" or unicodedata.category(c) != "Cc")
    storable = kept.encode("utf-8", "replace").decode()
    return unicodedata.normalize("NFC", storable)
