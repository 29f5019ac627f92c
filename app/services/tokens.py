"""Signed tokens in links: ids only, one purpose each, with an end.

They stand in text messages, where every character is paid for: ids as bytes, the time they were
made, and 128 bits of a keyed hash, 50 characters for one id. Keys derived from the service's own
sign them (`app.services.signing_key`), another for each purpose, so that a token for one thing
opens nothing else, and none of them is a sign-in.
"""

import functools
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from itsdangerous import BadData, TimestampSigner
from itsdangerous.encoding import base64_decode, base64_encode

from app.core.clock import Clock
from app.core.errors import AppError
from app.models.base import as_object_id
from app.services.signing_key import ForgedTokenError, SigningKeys

ISSUER = "dental-engagement"


class TokenPurpose(StrEnum):
    """What a link's token opens."""

    BOOKING = "booking"
    MANAGE_APPOINTMENT = "manage-appointment"
    UNSUBSCRIBE = "unsubscribe"
    WAITLIST = "waitlist"


LIFETIMES = {
    TokenPurpose.BOOKING: timedelta(days=60),
    TokenPurpose.MANAGE_APPOINTMENT: timedelta(days=400),
    TokenPurpose.UNSUBSCRIBE: timedelta(days=400),
    TokenPurpose.WAITLIST: timedelta(days=200),
}

_NAMES = ("patient_id", "campaign_id", "appointment_id", "waitlist_id", "offer_key")
"""What a token can carry. Its place here is its name in the token: new ones go to the end."""
_ID_BYTES = 12
_mac = functools.partial(hashlib.blake2s, digest_size=16)


class InvalidLinkError(AppError):
    """A link's token is not one of ours, is for something else, or has run out."""

    status = 404
    slug = "invalid-link"
    title = "This link does not work"


class LinkTokens:
    """Signs and reads the tokens of links."""

    def __init__(self, keys: SigningKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._signers = {purpose: _Signer(keys, purpose, clock) for purpose in TokenPurpose}

    def issue(self, purpose: TokenPurpose, **ids: str) -> str:
        """A token that carries `ids` for `purpose` until its lifetime ends.

        Raises `ValueError` for a name that tokens do not know, or what is no id and should be.
        """
        return self._signers[purpose].sign(base64_encode(_packed(ids))).decode()

    def read(self, token: str, purpose: TokenPurpose) -> dict[str, str]:
        """The ids in `token`. Raises `InvalidLinkError`, which tells a forger nothing."""
        try:
            payload, made_at = self._signers[purpose].unsign(token, return_timestamp=True)
        except (BadData, UnicodeError):
            return self._read_long(token, purpose)
        self._must_lie_ahead((made_at + LIFETIMES[purpose]).timestamp())
        return _unpacked(base64_decode(payload))

    def _read_long(self, token: str, purpose: TokenPurpose) -> dict[str, str]:
        """One of a letter from before links were short: a JWT. The last of them end 400 days after
        the practice moved to this version.
        """
        try:
            claims = self._keys.read(token, issuer=ISSUER, audience=purpose.value)
        except ForgedTokenError as error:
            raise InvalidLinkError(_SENTENCE) from error
        self._must_lie_ahead(int(claims.get("exp", 0)))
        return {name: value for name, value in claims.items() if isinstance(value, str)}

    def _must_lie_ahead(self, end: float) -> None:
        if end <= self._clock.now().timestamp():
            raise InvalidLinkError(_SENTENCE)


class _Signer(TimestampSigner):
    """The library's, with our keys and our clock."""

    def __init__(self, keys: SigningKeys, purpose: TokenPurpose, clock: Clock) -> None:
        """The library signs with the last key of its list, and reads with each."""
        derived = keys.derived(f"link:{purpose}")
        super().__init__(list(reversed(derived)), key_derivation="none", digest_method=_mac)
        self._clock = clock

    def get_timestamp(self) -> int:
        """Seconds since 1970."""
        return int(self._clock.now().timestamp())


def _packed(ids: Mapping[str, str]) -> bytes:
    """Each as the number of its name and twelve bytes of an id, or a length and a text."""
    packed = b""
    for name, value in ids.items():
        packed += bytes([_NAMES.index(name)])
        if name.endswith("_id"):
            packed += _id_bytes(value)
        else:
            text = value.encode()
            packed += bytes([len(text)]) + text
    return packed


def _id_bytes(value: str) -> bytes:
    found = as_object_id(value)
    if found is None:
        message = "A link names what it is about by id."
        raise ValueError(message)
    return found.binary


def _unpacked(packed: bytes) -> dict[str, str]:
    ids: dict[str, str] = {}
    rest = packed
    while rest:
        name, rest = _NAMES[rest[0]], rest[1:]
        if name.endswith("_id"):
            ids[name], rest = rest[:_ID_BYTES].hex(), rest[_ID_BYTES:]
        else:
            end = 1 + rest[0]
            ids[name], rest = rest[1:end].decode(), rest[end:]
    return ids


_SENTENCE = "This link is not valid, or no longer. Please ask the practice for a new one."
