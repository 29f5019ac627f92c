"""Access tokens: where they come from, how long they are kept, and what is said when none comes."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.core.clock import utc_now
from app.services.mail.gmail import Gmail
from app.services.mail.gmail.auth import (
    AccessToken,
    AccessTokens,
    RefreshTokenGrant,
    ServiceAccountGrant,
    read_service_account,
)
from app.services.mail.gmail.errors import GmailSignInError, GmailUnavailableError
from tests.factories import make_settings
from tests.fakes import NOON, FrozenClock
from tests.gmail_parts import GMAIL_SETTINGS, MAILBOX, Wired
from tests.serving import serving

URL = "http://gmail.test/token"


class CountingGrant:
    """Hands out numbered tokens for an hour, slowly."""

    def __init__(self, clock: FrozenClock) -> None:
        self.fetched = 0
        self._clock = clock

    async def fetch(self) -> AccessToken:
        self.fetched += 1
        number = self.fetched
        await asyncio.sleep(0)
        return AccessToken(f"token-{number}", self._clock.now() + timedelta(hours=1))


class TestAccessTokens:
    async def test_one_is_kept_until_shortly_before_its_end(self, clock: FrozenClock) -> None:
        grant = CountingGrant(clock)
        tokens = AccessTokens(grant, clock)

        first = await tokens.get()
        clock.advance(minutes=54)
        still = await tokens.get()
        clock.advance(minutes=2)
        later = await tokens.get()

        assert (first, still, later) == ("token-1", "token-1", "token-2")

    async def test_many_who_ask_at_once_share_one(self, clock: FrozenClock) -> None:
        grant = CountingGrant(clock)
        tokens = AccessTokens(grant, clock)

        got = await asyncio.gather(*(tokens.get() for _ in range(20)))

        assert (set(got), grant.fetched) == ({"token-1"}, 1)

    async def test_a_refused_one_is_forgotten_once(self, clock: FrozenClock) -> None:
        grant = CountingGrant(clock)
        tokens = AccessTokens(grant, clock)
        refused = await tokens.get()

        tokens.forget(refused)
        fresh = await tokens.get()
        tokens.forget(refused)

        assert await tokens.get() == fresh == "token-2"


def refresh_grant(answer: httpx.Response | Exception, clock: FrozenClock) -> RefreshTokenGrant:
    """The grant, with Google answering that."""

    def handle(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return RefreshTokenGrant(
        httpx.AsyncClient(transport=httpx.MockTransport(handle)),
        token_url=URL,
        client_id="client-1",
        client_secret="client-secret",
        refresh_token="1//refresh",
        clock=clock,
    )


class TestRefreshToken:
    async def test_is_traded_for_an_access_token(self, clock: FrozenClock) -> None:
        answer = httpx.Response(200, json={"access_token": "ya29.x", "expires_in": 3599})

        token = await refresh_grant(answer, clock).fetch()

        assert token == AccessToken("ya29.x", NOON + timedelta(seconds=3599))

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            ("invalid_grant", "gmail-authorize"),
            ("invalid_client", "GMAIL_CLIENT_ID"),
            ("access_denied", "access_denied"),
        ],
    )
    async def test_a_refusal_tells_the_operator_what_to_do(
        self, clock: FrozenClock, error: str, words: str
    ) -> None:
        answer = httpx.Response(400, json={"error": error, "error_description": "secret words"})

        with pytest.raises(GmailSignInError, match=words) as raised:
            await refresh_grant(answer, clock).fetch()

        assert "secret words" not in str(raised.value)

    @pytest.mark.parametrize(
        "answer",
        [
            httpx.Response(503, json={"error": "internal_failure"}),
            httpx.Response(200, json={"no": "token"}),
            httpx.Response(200, json=["odd"]),
            httpx.Response(200, text="<html>"),
            httpx.ReadTimeout("slow"),
        ],
        ids=["503", "no-token", "list", "html", "timeout"],
    )
    async def test_no_answer_is_for_later(
        self, clock: FrozenClock, answer: httpx.Response | Exception
    ) -> None:
        with pytest.raises(GmailUnavailableError):
            await refresh_grant(answer, clock).fetch()


def service_account_key() -> dict[str, Any]:
    """What Google's console gives out."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    return {
        "type": "service_account",
        "project_id": "clinic",
        "private_key_id": "k1",
        "private_key": pem,
        "client_email": "engage@clinic.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


class TestServiceAccount:
    """Over a real socket: the library blocks, so it runs in a thread of its own."""

    @pytest.fixture
    async def served(self, at_gmail: Wired) -> AsyncIterator[str]:
        async with serving(at_gmail.fake.application()) as url:
            yield url

    def grant(self, url: str, mailbox: str = MAILBOX) -> ServiceAccountGrant:
        return ServiceAccountGrant(
            service_account_key(), mailbox=mailbox, token_url=f"{url}/token", timeout_seconds=5
        )

    async def test_acts_for_the_mailbox(self, at_gmail: Wired, served: str) -> None:
        token = await self.grant(served).fetch()

        assert at_gmail.fake.sign_in.is_good(f"Bearer {token.value}")
        assert token.expires_at > utc_now() + timedelta(minutes=50)

    async def test_without_delegation_the_operator_is_told(self, served: str) -> None:
        with pytest.raises(GmailSignInError, match="domain-wide delegation"):
            await self.grant(served, "somebody.else@example.com").fetch()

    async def test_no_answer_is_for_later(self) -> None:
        with pytest.raises(GmailUnavailableError):
            await self.grant("http://127.0.0.1:9").fetch()

    def test_a_file_that_is_no_key_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "key.json"
        path.write_text(json.dumps({"type": "service_account"}))

        with pytest.raises(GmailSignInError, match="GMAIL_SERVICE_ACCOUNT_FILE"):
            ServiceAccountGrant(
                read_service_account(path), mailbox=MAILBOX, token_url=URL, timeout_seconds=5
            )

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(GmailSignInError, match="GMAIL_SERVICE_ACCOUNT_FILE"):
            read_service_account(tmp_path / "none.json")


class TestChoice:
    @pytest.mark.parametrize(
        "missing",
        ["gmail_mailbox", "gmail_client_id", "gmail_client_secret", "gmail_refresh_token"],
    )
    async def test_what_is_missing_is_named(self, clock: FrozenClock, missing: str) -> None:
        settings = make_settings(**{**GMAIL_SETTINGS, missing: None})

        with pytest.raises(GmailSignInError, match=missing.upper()):
            Gmail.build(settings, clock)
