"""Whether a webhook's body was signed by somebody who knows `WEBHOOK_SECRET`, and lately.

`X-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`. The time is part of what is
signed, so an old delivery cannot be played back under a new one. A sender that changes its secret
signs with both for a while: any one `v1` that fits is enough.
"""

import hmac
import re
from datetime import datetime

from app.core.clock import Clock
from app.core.config import Settings
from app.core.errors import UnauthenticatedError

OLDEST_SECONDS = 300
"""How far the time may lie from ours, either way: clocks differ, and replays come later."""

_TIME = re.compile(r"\d{1,12}", re.ASCII)
_MAX_HEADER = 4_096


class SignatureNotAuthenticError(UnauthenticatedError):
    """No signature, or none that holds. The sentence tells a forger nothing."""

    slug = "signature-not-authentic"
    title = "This message is not authenticated"

    def __init__(self) -> None:
        super().__init__("The message carries no valid and recent X-Signature.")


def sign(body: bytes, secret: bytes, now: datetime) -> str:
    """The header of a body that leaves at `now`, as `SignatureVerifier` takes it."""
    signed_at = int(now.timestamp())
    return f"t={signed_at},v1={_digest(body, secret, str(signed_at))}"


def _digest(body: bytes, secret: bytes, signed_at: str) -> str:
    return hmac.digest(secret, f"{signed_at}.".encode() + body, "sha256").hex()


class SignatureVerifier:
    """Verifies signatures. Without a secret none is valid: nothing is ever taken on trust."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        secret = settings.webhook_secret
        self._secret = secret.get_secret_value().encode() if secret else b""
        self._clock = clock

    def verify(self, body: bytes, header: str | None) -> None:
        """Pass what was signed as it arrived. Raises `SignatureNotAuthenticError`."""
        signed_at, given = _parts(header or "")
        if not self._secret or signed_at is None or not self._is_recent(signed_at):
            raise SignatureNotAuthenticError
        expected = _digest(body, self._secret, signed_at)
        matches = [hmac.compare_digest(expected.encode(), one.encode()) for one in given]
        if not any(matches):
            raise SignatureNotAuthenticError

    def _is_recent(self, signed_at: str) -> bool:
        return abs(self._clock.now().timestamp() - int(signed_at)) <= OLDEST_SECONDS


def _parts(header: str) -> tuple[str | None, list[str]]:
    """The one time, as it was written, and every `v1`; schemes we do not know are passed over."""
    if len(header) > _MAX_HEADER:
        return None, []
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    hashes = [value.casefold() for name, _, value in pairs if name == "v1"]
    is_one_time = len(times) == 1 and _TIME.fullmatch(times[0]) is not None
    return (times[0] if is_one_time else None), hashes
