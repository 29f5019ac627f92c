"""Signed tokens in links: ids only, one purpose each, with an end.

The signature is the service's JWT key; a purpose is the token's audience, so that a token for one
thing opens nothing else, and none of them is a sign-in.
"""

from datetime import timedelta
from enum import StrEnum

from jose import jwt
from jose.exceptions import JOSEError

from app.core.clock import Clock
from app.core.errors import AppError

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

    def __init__(self, key: str, algorithm: str, clock: Clock) -> None:
        self._key = key
        self._algorithm = algorithm
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
        return str(jwt.encode(claims, self._key, algorithm=self._algorithm))

    def read(self, token: str, purpose: TokenPurpose) -> dict[str, str]:
        """The ids in `token`. Raises `InvalidLinkError`, with no reason a forger could learn from.

        The end is compared with our clock and not the library's, which reads the machine's.
        """
        # Requiring `exp` would switch the machine's clock on again.
        options = {"verify_exp": False, "require_aud": True, "require_iss": True}
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                audience=purpose.value,
                issuer=ISSUER,
                options=options,
            )
        # A forged header of nothing but brackets is deeper than the JSON reader goes.
        except (JOSEError, RecursionError) as error:
            raise InvalidLinkError(_SENTENCE) from error
        if int(claims.get("exp", 0)) <= self._clock.now().timestamp():
            raise InvalidLinkError(_SENTENCE)
        return {name: value for name, value in claims.items() if isinstance(value, str)}


_SENTENCE = "This link is not valid, or no longer. Please ask the practice for a new one."
