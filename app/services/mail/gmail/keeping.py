"""What of a received mail is kept until it is processed.

A document of the database holds 16 MB and a mail 25 and more, nearly all of it attachments, which
nobody reads here. So of a large mail the bulk of base64 is left out; headers and texts stay.
"""

import re

MAX_KEPT_BYTES = 1_000_000
KEPT_OF_A_RUN_BYTES = 65_536
"""A text may be in base64 too, and is short."""

_BASE64_LINES = re.compile(rb"(?:^[A-Za-z0-9+/]{40,998}={0,2}\r?\n)++", re.MULTILINE)


def kept_part(raw: bytes) -> tuple[bytes, bool]:
    """`raw` or, where it is large, as much of it as is kept; and whether something is missing."""
    if len(raw) <= MAX_KEPT_BYTES:
        return raw, False
    short = _BASE64_LINES.sub(_beginning, raw)
    return short[:MAX_KEPT_BYTES], True


def _beginning(run: re.Match[bytes]) -> bytes:
    """As much as is kept, and a line's end: what follows may be a boundary."""
    whole = run[0]
    if len(whole) <= KEPT_OF_A_RUN_BYTES:
        return whole
    return whole[:KEPT_OF_A_RUN_BYTES] + b"\r\n"
