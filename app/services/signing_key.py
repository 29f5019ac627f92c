"""The keys that sign sign-ins and links: one signs, and every one that is listed verifies.

A token names its key by `kid` (RFC 7515, section 4.1.4), so that a new key ends no sign-in and no
link in a letter that has left, as long as the key before it is listed. What was signed before there
were names is tried with each.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jose import jwt
from jose.exceptions import JOSEError

from app.core.config import Settings

KEY_FILE = "jwt-secret"
KEY_BYTES = 48
KEY_ID_LENGTH = 12

_OPTIONS = {"verify_exp": False, "verify_nbf": False, "require_aud": True, "require_iss": True}
"""The library would compare times with the machine's clock (its `require_exp` switches that on
again): who reads a token compares them with ours.
"""


class ForgedTokenError(Exception):
    """No key of ours signed this for that issuer and audience, or it is no token at all."""


class SigningKeys:
    """Signs under the newest key and reads what any of them signed."""

    def __init__(
        self, newest: str, *, others: Iterable[str] = (), algorithm: str = "HS256"
    ) -> None:
        """`others` verify alone: the keys before the newest, or the one to come, which every
        process has to know before the first one signs with it.
        """
        self.newest = newest
        self._by_id = {key_id(key): key for key in (newest, *others)}
        self._header = {"kid": key_id(newest)}
        self._algorithm = algorithm

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token that says `claims`, under the newest key."""
        return str(jwt.encode(dict(claims), self.newest, self._algorithm, self._header))

    def read(self, token: str, *, issuer: str, audience: str) -> dict[str, Any]:
        """What `token` says, whatever its time. Raises `ForgedTokenError`."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._candidates(token),
                algorithms=[self._algorithm],
                audience=audience,
                issuer=issuer,
                options=_OPTIONS,
            )
        # A forged header of nothing but brackets is deeper than the JSON reader goes.
        except (JOSEError, RecursionError) as error:
            raise ForgedTokenError from error
        return claims

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        """A key for something else from each key, the newest first."""
        keys = self._by_id.values()
        return tuple(hashlib.sha256(f"{purpose}:{key}".encode()).digest() for key in keys)

    def _candidates(self, token: str) -> list[str]:
        """The key that the token names, every one where it names none; a strange name opens none.
        Raises `JOSEError`.
        """
        header = jwt.get_unverified_header(token)
        if "kid" not in header:
            return list(self._by_id.values())
        named = header["kid"]
        key = self._by_id.get(named) if isinstance(named, str) else None
        return [] if key is None else [key]


def key_id(key: str) -> str:
    """A name for `key` that tells nothing of it: part of what it makes of a fixed word."""
    return hmac.digest(key.encode(), b"kid", "sha256").hex()[:KEY_ID_LENGTH]


def load_signing_keys(settings: Settings) -> SigningKeys:
    """The key that signs, and those that are verified with beside it."""
    others = [key.get_secret_value() for key in settings.jwt_verify_keys]
    newest = load_signing_key(settings)
    return SigningKeys(newest, others=others, algorithm=settings.jwt_algorithm)


def load_signing_key(settings: Settings) -> str:
    """The configured key, or one that is made once and kept in `DATA_DIR/jwt-secret` (mode 0600).

    The second happens in development only: production refuses to start without a configured key
    (`app.core.config`). Kept, so that sign-ins and links outlive a restart.
    """
    if settings.jwt_secret_key is not None:
        return settings.jwt_secret_key.get_secret_value()
    return _kept_key(settings.data_dir / KEY_FILE)


def erasure_key(settings: Settings, signing_key: str) -> str:
    """What the addresses of erased patients are hashed with: a key of its own where one is set, so
    that the other can be changed and they are still recognised.
    """
    given = settings.erasure_key
    return given.get_secret_value() if given is not None else signing_key


def _kept_key(path: Path) -> str:
    """The key in `path`. Of several processes that start at once, one makes it.

    The file appears complete or not at all: it is written under another name and linked.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(KEY_BYTES))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
