"""Signed tokens in links: ids only, one purpose each, with an end.

The service's keys sign them (`app.services.signing_key`); a purpose is the token's audience, so
that a token for one thing opens nothing else, and none of them is a sign-in.
"""

from datetime import timedelta
from enum import StrEnum

from app.core.clock import Clock
from app.core.errors import AppError
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

    def issue(self, purpose: TokenPurpose, **ids: str) -> str:
        """A token that carries `ids` for `purpose` until its lifetime ends."""
        now = self._clock.now()
        claims = {
            **ids,
            "iss": ISSUER,
            "aud": purpose.value,
            "iat": int(now.timestamp()),
            "exp": int((now + LIFETIMES[purpose]).timestamp()),
        }
        return self._keys.sign(claims)

    def read(self, token: str, purpose: TokenPurpose) -> dict[str, str]:
        """The ids in `token`. Raises `InvalidLinkError`, which tells a forger nothing."""
        try:
            claims = self._keys.read(token, issuer=ISSUER, audience=purpose.value)
        except ForgedTokenError as error:
            raise InvalidLinkError(_SENTENCE) from error
        if int(claims.get("exp", 0)) <= self._clock.now().timestamp():
            raise InvalidLinkError(_SENTENCE)
        return {name: value for name, value in claims.items() if isinstance(value, str)}


_SENTENCE = "This link is not valid, or no longer. Please ask the practice for a new one."
