"""Whether a push really comes from our Pub/Sub subscription (Google's signed OIDC token).

Google's guide "Authentication for push subscriptions": an RS256 JWT in `Authorization: Bearer`,
issued by accounts.google.com for the audience and the service account set on the subscription.
An audience alone proves nothing: anybody can make a subscription with it, so both are checked.
"""

import asyncio
import logging
import math
import re
from datetime import datetime, timedelta
from typing import Any

import httpx
from jose import JWTError, jwt

from app.core.clock import Clock
from app.core.errors import UnauthenticatedError, UnavailableError

logger = logging.getLogger(__name__)

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
ALGORITHM = "RS256"
LEEWAY = timedelta(seconds=30)
FETCH_TIMEOUT_SECONDS = 5.0
REFETCH_AFTER = timedelta(seconds=60)
"""An unknown key is asked for at most this often: made-up key ids must not make us a flood."""
DEFAULT_KEYS_AGE = timedelta(minutes=5)
MAX_KEYS_AGE = timedelta(days=1)

_MAX_AGE = re.compile(r"\bmax-age=(\d{1,9})", re.ASCII)


class PushNotAuthenticError(UnauthenticatedError):
    """No token, or none that verifies. The sentence tells a forger nothing."""

    slug = "push-not-authentic"
    title = "This push is not authenticated"

    def __init__(self) -> None:
        super().__init__("The push carries no valid token of the configured subscription.")


class GoogleKeys:
    """Google's public keys by id, kept as long as their Cache-Control allows."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, dict[str, Any]] = {}
        self._fetched_at: datetime | None = None
        self._expires_at: datetime | None = None
        self._fetching = asyncio.Lock()

    async def get(self, key_id: str) -> dict[str, Any] | None:
        """The key called `key_id`. Raises `UnavailableError` where the keys cannot be fetched."""
        async with self._fetching:
            now = self._clock.now()
            is_stale = self._expires_at is None or self._expires_at <= now
            if is_stale or (key_id not in self._keys and self._may_refetch(now)):
                await self._fetch(now)
        return self._keys.get(key_id)

    def _may_refetch(self, now: datetime) -> bool:
        return self._fetched_at is None or now - self._fetched_at >= REFETCH_AFTER

    async def _fetch(self, now: datetime) -> None:
        try:
            async with httpx.AsyncClient(timeout=FETCH_TIMEOUT_SECONDS) as client:
                answer = await client.get(self._url)
            answer.raise_for_status()
            keys = {key["kid"]: key for key in answer.json()["keys"]}
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            logger.warning("push keys not fetched", extra={"error_type": type(error).__name__})
            message = "The keys that pushes are signed with cannot be fetched just now."
            raise UnavailableError(message) from error
        self._keys = keys
        self._fetched_at = now
        self._expires_at = now + _age_of(answer.headers.get("Cache-Control", ""))


def _age_of(cache_control: str) -> timedelta:
    stated = _MAX_AGE.search(cache_control)
    return min(timedelta(seconds=int(stated[1])), MAX_KEYS_AGE) if stated else DEFAULT_KEYS_AGE


class PushVerifier:
    """Verifies the token of a push for one audience and one service account."""

    def __init__(
        self,
        *,
        audience: str,
        service_account: str,
        clock: Clock,
        keys_url: str,
    ) -> None:
        self._audience = audience
        self._service_account = service_account.casefold()
        self._clock = clock
        self._keys = GoogleKeys(keys_url, clock)

    async def verify(self, authorization: str | None) -> None:
        """Pass a genuine push. Raises `PushNotAuthenticError`, `UnavailableError`."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.casefold() != "bearer" or not token:
            raise PushNotAuthenticError
        key = await self._keys.get(_key_id(token))
        if key is None:
            raise PushNotAuthenticError
        claims = self._claims(token.strip(), key)
        if not self._is_ours(claims):
            raise PushNotAuthenticError

    def _claims(self, token: str, key: dict[str, Any]) -> dict[str, Any]:
        """Signed, issued and meant as expected. The times are left to `_is_ours`: the library
        compares them with the machine's clock (and `require_exp` switches that on again).
        """
        options = {"verify_exp": False, "verify_nbf": False, "require_aud": True}
        try:
            return dict(
                jwt.decode(
                    token,
                    key,
                    algorithms=[ALGORITHM],
                    audience=self._audience,
                    issuer=ISSUERS,
                    options=options,
                )
            )
        except JWTError as error:
            raise PushNotAuthenticError from error

    def _is_ours(self, claims: dict[str, Any]) -> bool:
        return (
            _is_current(claims, self._clock.now())
            and str(claims.get("email", "")).casefold() == self._service_account
            and claims.get("email_verified") is True
        )


def _is_current(claims: dict[str, Any], now: datetime) -> bool:
    """Issued, begun and not ended. Google names no beginning; whoever does is held to it (RFC 7519,
    section 4.1.5).
    """
    issued, begins, ends = (_instant(claims, name) for name in ("iat", "nbf", "exp"))
    latest, earliest = (now + LEEWAY).timestamp(), (now - LEEWAY).timestamp()
    has_begun = "nbf" not in claims or begins <= latest
    return issued <= latest and has_begun and ends > earliest


def _instant(claims: dict[str, Any], name: str) -> float:
    """Seconds since 1970; what is none compares as never."""
    value = claims.get(name)
    return value if isinstance(value, int | float) else math.nan


def _key_id(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token.strip())
    except JWTError as error:
        raise PushNotAuthenticError from error
    key_id = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(key_id, str):
        raise PushNotAuthenticError
    return key_id
