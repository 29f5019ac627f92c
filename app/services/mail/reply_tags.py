"""Our token in the address that replies go to: `frontdesk+<tag>@practice.example`.

It leads a reply home where a mail program forgot the thread and every reference. The tag is the id
of the letter and a signature cut to 64 bits, in letters and digits that no mail server changes
(RFC 4648 base32, lower case: case in a local part is not to be relied on). It holds nothing of the
patient and is no proof of who writes: the sender is checked as in a thread.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable

from app.models.base import PyObjectId, as_object_id
from app.services.signing_key import SigningKeys

MAX_LOCAL_PART = 64
"""Octets, RFC 5321, section 4.5.3.1.1."""
_ID_BYTES = 12
_SIGNATURE_BYTES = 8
_TAG = re.compile(r"[a-z2-7]{32}", re.ASCII)
_SUBADDRESS = "+"
"""Gmail, Exchange Online, Fastmail and Postfix as it comes take it (RFC 5233 names the idea)."""


class ReplyTags:
    """Makes and reads the addresses that replies go to."""

    def __init__(self, keys: SigningKeys, address: str, *, are_used: bool) -> None:
        """`address` is the practice's. Those made before are read also where they are not used."""
        self._keys = keys.derived("reply-tag")
        self._local_part, _, self._domain = address.rpartition("@")
        self._are_used = are_used

    def reply_to(self, letter_id: PyObjectId) -> str | None:
        """Where replies to a letter go; `None` for the plain address (off, or no room)."""
        local_part = f"{self._local_part}{_SUBADDRESS}{_tag(letter_id, self._keys[0])}"
        if not self._are_used or len(local_part.encode()) > MAX_LOCAL_PART:
            return None
        return f"{local_part}@{self._domain}"

    def letter_answered(self, addresses: Iterable[str]) -> PyObjectId | None:
        """The letter that one of `addresses` names with a genuine tag."""
        found = (self._read(address) for address in addresses)
        return next((letter_id for letter_id in found if letter_id is not None), None)

    def _read(self, address: str) -> PyObjectId | None:
        local_part, _, domain = address.strip().casefold().rpartition("@")
        name, _, tag = local_part.rpartition(_SUBADDRESS)
        is_ours = (name, domain) == (self._local_part.casefold(), self._domain.casefold())
        if not is_ours or not _TAG.fullmatch(tag):
            return None
        try:
            letter_id = as_object_id(base64.b32decode(tag.upper())[:_ID_BYTES].hex())
        except binascii.Error:
            return None
        is_genuine = letter_id is not None and any(
            hmac.compare_digest(_tag(letter_id, key), tag) for key in self._keys
        )
        return letter_id if is_genuine else None


def _tag(letter_id: PyObjectId, key: bytes) -> str:
    named = letter_id.binary
    signature = hmac.digest(key, named, "sha256")[:_SIGNATURE_BYTES]
    return base64.b32encode(named + signature).decode().casefold()
