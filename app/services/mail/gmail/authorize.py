"""`python -m app gmail-authorize`: a person allows access once, and the refresh token is printed.

Google's flow for installed applications: the browser comes back to a port of this machine (RFC
8252, section 7.3), with PKCE (RFC 7636) and a state, so that nobody else's code is taken.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from app.core.config import Settings
from app.services.mail.gmail.auth import SCOPES, ask_for_token
from app.services.mail.gmail.errors import GmailSignInError

WAIT_SECONDS = 600.0
_LONGEST_REQUEST = 8_192
_DONE = "Access was allowed. You can close this page and go back to the terminal."
_NOT_DONE = "Access was not allowed. Please go back to the terminal."

_NO_CLIENT = (
    "GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET are needed: an OAuth client of the kind "
    "'Desktop app', from the Google Cloud console."
)
_NOT_ALLOWED = "Google did not allow access. Start again, and choose the practice's mailbox."
_NOTHING_LASTING = (
    "Google gave no refresh token. Remove this application's access at "
    "https://myaccount.google.com/permissions and start again."
)
_TOO_LATE = "Nobody allowed access within ten minutes. Start again when you are ready."


async def authorize(settings: Settings, announce: Callable[[str], None]) -> str:
    """The refresh token; `announce` is given the address to open. Raises `GmailSignInError`."""
    if settings.gmail_client_id is None or settings.gmail_client_secret is None:
        raise GmailSignInError(_NO_CLIENT)
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(24)
    async with _Callback(state) as callback:
        announce(_consent_url(settings, callback.url, verifier, state))
        code = await callback.code()
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
        "client_id": settings.gmail_client_id,
        "client_secret": settings.gmail_client_secret.get_secret_value(),
        "redirect_uri": callback.url,
    }
    async with httpx.AsyncClient(timeout=settings.gmail_timeout_seconds) as http:
        answer = await ask_for_token(http, settings.google_token_url, form)
    if not answer.get("refresh_token"):
        raise GmailSignInError(_NOTHING_LASTING)
    return str(answer["refresh_token"])


def _consent_url(settings: Settings, redirect_url: str, verifier: str, state: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "client_id": settings.gmail_client_id,
        "redirect_uri": redirect_url,
        "response_type": "code",
        "scope": " ".join(SCOPES),
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "state": state,
        "access_type": "offline",
        "prompt": "consent",  # without it a second consent brings no refresh token
        "login_hint": settings.gmail_mailbox or "",
    }
    return f"{settings.google_authorize_url}?{urlencode(asked)}"


class _Callback:
    """Waits on a free port of this machine for the browser to come back."""

    def __init__(self, state: str) -> None:
        self._state = state
        self._answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> "_Callback":
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, limit=_LONGEST_REQUEST
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._server is not None:
            self._server.close()

    async def code(self) -> str:
        """What Google sent the browser back with. Raises `GmailSignInError`."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                code = await self._answer
        except TimeoutError as error:
            raise GmailSignInError(_TOO_LATE) from error
        if code is None:
            raise GmailSignInError(_NOT_ALLOWED)
        return code

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = (await reader.readline()).decode("ascii", "replace")
            writer.write(_page(self._take(line)))
            await writer.drain()
        except (OSError, ValueError):  # gone again, or a line too long to be Google's
            return
        finally:
            writer.close()

    def _take(self, line: str) -> str:
        """Read a request's first line; what the browser shows. A stranger's changes nothing."""
        target = line.split(" ")[1] if line.count(" ") > 1 else ""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        if not secrets.compare_digest(asked.get("state", "").encode(), self._state.encode()):
            return _NOT_DONE
        if not self._answer.done():
            self._answer.set_result(asked.get("code"))
        return _DONE if asked.get("code") else _NOT_DONE


def _page(text: str) -> bytes:
    body = f"<!doctype html><title>Gmail</title><p>{text}</p>".encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
