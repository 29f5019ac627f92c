"""Google's sign-in as far as Gmail needs it: consent, tokens, keys."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from jose import JWTError, jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.core.clock import Clock
from app.demo.gmail.faults import Faults

Json = dict[str, Any]
TOKEN_SECONDS = 3599
REFRESH_TOKEN = "1//fake-refresh-token"  # noqa: S105 - of a fake
SCOPE = "https://www.googleapis.com/auth/gmail.readonly https://www.googleapis.com/auth/gmail.send"


class SignIn:
    """Hands out access tokens, and knows which are good."""

    def __init__(self, address: str, clock: Clock) -> None:
        self.faults = Faults()
        self.fetched = 0
        self._address = address
        self._clock = clock
        self._tokens: dict[str, datetime] = {}
        self._codes: dict[str, str] = {}

    def is_good(self, authorization: str) -> bool:
        """Whether the header carries a token that lasts."""
        ends = self._tokens.get(authorization.removeprefix("Bearer "))
        return ends is not None and ends > self._clock.now()

    def end_all(self) -> None:
        """Every access token ends now."""
        self._tokens.clear()

    async def consent(self, request: Request) -> Response:
        """The person says yes at once; PKCE's challenge is remembered (RFC 7636)."""
        asked = request.query_params
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked.get("code_challenge", "")
        answer = urlencode({"code": code, "state": asked.get("state", ""), "scope": SCOPE})
        return RedirectResponse(f"{asked['redirect_uri']}?{answer}", status_code=302)

    async def token(self, request: Request) -> Response:
        """Trade a refresh token, a code or a signed assertion for an access token."""
        form = {name: str(value) for name, value in (await request.form()).items()}
        grant = form.get("grant_type")
        if grant == "authorization_code":
            return self._for_code(form)
        if grant == "refresh_token":
            is_good = form.get("refresh_token") == REFRESH_TOKEN
        elif grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            is_good = self._is_delegated(form.get("assertion", ""))
        else:
            return _refused("unsupported_grant_type", f"Invalid grant_type: {grant}")
        if self.faults.revoked or not is_good:
            return _refused("invalid_grant", "Token has been expired or revoked.")
        return JSONResponse(self._issued())

    def _for_code(self, form: Mapping[str, str]) -> Response:
        challenge = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if challenge != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
            return _refused("invalid_grant", "Malformed auth code.")
        return JSONResponse({**self._issued(), "refresh_token": REFRESH_TOKEN})

    def _issued(self) -> Json:
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self.fetched += 1
        self._tokens[token] = self._clock.now() + timedelta(seconds=TOKEN_SECONDS)
        return {
            "access_token": token,
            "expires_in": TOKEN_SECONDS,
            "scope": SCOPE,
            "token_type": "Bearer",
        }

    def _is_delegated(self, assertion: str) -> bool:
        try:
            claims = jwt.get_unverified_claims(assertion)
        except JWTError:
            return False
        return bool(claims.get("sub") == self._address and claims.get("scope") == SCOPE)


def _refused(error: str, description: str) -> JSONResponse:
    return JSONResponse({"error": error, "error_description": description}, status_code=400)
