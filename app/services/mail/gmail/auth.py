"""Access tokens for the Gmail API.

Two ways to one: the refresh token of a mailbox whose owner allowed it once (RFC 6749, section 6),
or a service account that the domain's administrator lets act for the mailbox (RFC 7523; Google's
"domain-wide delegation").
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, cast

import google.auth.transport
import httpx
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.oauth2 import service_account

from app.core.clock import Clock
from app.services.mail.gmail.errors import GmailSignInError, GmailUnavailableError

SCOPES = (
    "https://www.googleapis.com/auth/gmail.readonly",
    "https://www.googleapis.com/auth/gmail.send",
)
"""The least that sending, watching and reading take."""
RENEW_BEFORE = timedelta(minutes=5)
_SERVER_ERRORS_FROM = 500

_NO_LONGER_VALID = (
    "Google no longer accepts the refresh token (invalid_grant): it was revoked, it expired, or "
    "the account's password changed. Run `python -m app gmail-authorize` and set "
    "GMAIL_REFRESH_TOKEN."
)
_WRONG_CLIENT = (
    "Google does not know the OAuth client (invalid_client). Check GMAIL_CLIENT_ID and "
    "GMAIL_CLIENT_SECRET."
)
_NOT_DELEGATED = (
    "Google does not let the service account act for GMAIL_MAILBOX. Allow its client id the "
    "gmail.readonly and gmail.send scopes under domain-wide delegation."
)


@dataclass(frozen=True)
class AccessToken:
    """What goes into `Authorization`, and when it ends."""

    value: str
    expires_at: datetime


class Grant(Protocol):
    """A way to an access token."""

    async def fetch(self) -> AccessToken:
        """A fresh one. Raises `GmailSignInError`, `GmailUnavailableError`."""
        ...


class AccessTokens:
    """The current access token: kept until shortly before its end, fetched by one at a time."""

    def __init__(self, grant: Grant, clock: Clock) -> None:
        self._grant = grant
        self._clock = clock
        self._current: AccessToken | None = None
        self._fetching = asyncio.Lock()

    async def get(self) -> str:
        """A token that lasts. Raises `GmailSignInError`, `GmailUnavailableError`."""
        async with self._fetching:
            if self._current is None or self._is_ending(self._current):
                self._current = await self._grant.fetch()
            return self._current.value

    def forget(self, value: str) -> None:
        """Gmail refused this one, whatever its end: the next `get` fetches another."""
        if self._current is not None and self._current.value == value:
            self._current = None

    def _is_ending(self, token: AccessToken) -> bool:
        return token.expires_at - RENEW_BEFORE <= self._clock.now()


class RefreshTokenGrant:
    """The refresh token of a mailbox, traded for access tokens."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        token_url: str,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        clock: Clock,
    ) -> None:
        self._http = http
        self._url = token_url
        self._form = {
            "grant_type": "refresh_token",
            "client_id": client_id,
            "client_secret": client_secret,
            "refresh_token": refresh_token,
        }
        self._clock = clock

    async def fetch(self) -> AccessToken:
        """See `Grant`."""
        answer = await ask_for_token(self._http, self._url, self._form)
        lasts = timedelta(seconds=_seconds(answer.get("expires_in")))
        return AccessToken(str(answer["access_token"]), self._clock.now() + lasts)


class ServiceAccountGrant:
    """A service account in the name of the mailbox. The library blocks, so a thread waits."""

    def __init__(
        self, key: Mapping[str, Any], *, mailbox: str, token_url: str, timeout_seconds: float
    ) -> None:
        """`key` is what the key file holds. Raises `GmailSignInError` where it is none."""
        try:
            made = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
                {**key, "token_uri": token_url}, scopes=SCOPES, subject=mailbox
            )
        except (ValueError, GoogleAuthError) as error:
            message = "GMAIL_SERVICE_ACCOUNT_FILE is not the key file of a service account."
            raise GmailSignInError(message) from error
        self._credentials = made
        self._timeout_seconds = timeout_seconds

    async def fetch(self) -> AccessToken:
        """See `Grant`."""
        return await asyncio.to_thread(self._fetch)

    def _fetch(self) -> AccessToken:
        try:
            with httpx.Client(timeout=self._timeout_seconds) as http:
                self._credentials.refresh(_HttpxRequest(http))
        except RefreshError as error:
            if error.retryable:
                raise GmailUnavailableError(_no_answer(error)) from error
            raise GmailSignInError(_NOT_DELEGATED) from error
        except GoogleAuthError as error:
            raise GmailUnavailableError(_no_answer(error)) from error
        ends = self._credentials.expiry  # naive, in UTC, the library's own way
        return AccessToken(str(self._credentials.token), _aware(ends))


class _HttpxRequest(google.auth.transport.Request):
    """The library's own HTTP port over httpx, which is here anyway."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_options: object,
    ) -> google.auth.transport.Response:
        try:
            answer = self._http.request(
                method, url, content=body, headers=headers, timeout=timeout or self._http.timeout
            )
        except httpx.HTTPError as error:
            name = type(error).__name__
            raise TransportError(name) from error  # type: ignore[no-untyped-call]
        return _HttpxResponse(answer)


class _HttpxResponse(google.auth.transport.Response):
    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._answer.headers

    @property
    def data(self) -> bytes:
        return self._answer.content


def read_service_account(path: Path) -> dict[str, Any]:
    """What a key file holds. Raises `GmailSignInError`."""
    try:
        return cast("dict[str, Any]", json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        message = "GMAIL_SERVICE_ACCOUNT_FILE cannot be read."
        raise GmailSignInError(message) from error


async def ask_for_token(
    http: httpx.AsyncClient, url: str, form: Mapping[str, str]
) -> dict[str, Any]:
    """Google's answer to a token request. Raises `GmailSignInError`, `GmailUnavailableError`."""
    try:
        answer = await http.post(url, data=dict(form))
        body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise GmailUnavailableError(_no_answer(error)) from error
    if answer.is_success and isinstance(body, dict) and body.get("access_token"):
        return body
    reason = str(body.get("error", "")) if isinstance(body, dict) else ""
    if answer.status_code >= _SERVER_ERRORS_FROM or not reason:
        message = f"Google's sign-in answered {answer.status_code}."
        raise GmailUnavailableError(message)
    raise GmailSignInError(_sentence_for(reason))


def _sentence_for(reason: str) -> str:
    known = {"invalid_grant": _NO_LONGER_VALID, "invalid_client": _WRONG_CLIENT}
    return known.get(reason, f"Google refused the sign-in ({reason[:60]}).")


def _no_answer(error: Exception) -> str:
    return f"Google's sign-in cannot be reached ({type(error).__name__})."


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _aware(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC)
