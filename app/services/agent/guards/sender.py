"""Whether a message comes from the patient's own address.

The `From` header is written by whoever sends: a display name that looks like the patient's address,
a second address behind the first, or letters that only look alike must never pass (CVE-2023-27043
is the standard parser being fooled by such a header, so its result is checked against the text).
"""

import re
import unicodedata
from email.utils import getaddresses

_MAX_HEADER = 1_000
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_BARE_NAME = re.compile(r'[^"<>@,;:()\[\]\\]*')


def is_same_address(sender_header: str, patient_email: str | None) -> bool:
    """Whether the header names exactly one address, and it is the patient's.

    Case does not matter, dots and plus do. Anything odd is no match: a person will look.
    """
    if not patient_email:
        return False
    address = _only_address(sender_header)
    return address is not None and _normal(address) == _normal(patient_email.strip())


def _only_address(header: str) -> str | None:
    if len(header) > _MAX_HEADER or any(unicodedata.category(c)[0] == "C" for c in header):
        return None
    spelled = header.strip()
    parsed = getaddresses([spelled])
    if len(parsed) != 1:
        return None
    address = parsed[0][1]
    return address if address.count("@") == 1 and _is_spelled_out(spelled, address) else None


def _is_spelled_out(header: str, address: str) -> bool:
    """Whether the header is the bare address, or a plain or quoted name and then `<address>`."""
    if header == address:
        return True
    name, bracket, rest = _QUOTED.sub("", header).rpartition("<")
    return bool(bracket) and rest == f"{address}>" and _BARE_NAME.fullmatch(name) is not None


def _normal(address: str) -> str:
    """Casefolded where it is ASCII; other letters stay as they are, since folding can make an
    ASCII letter of a look-alike (the Kelvin sign folds to "k")."""
    return address.casefold() if address.isascii() else unicodedata.normalize("NFC", address)
