"""Allowing access once: the address to open, the way back, and the token at its end."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.core.config import Settings
from app.demo.gmail.google import REFRESH_TOKEN
from app.services.mail.gmail.auth import SCOPES
from app.services.mail.gmail.authorize import authorize
from app.services.mail.gmail.errors import GmailSignInError
from tests.factories import make_settings
from tests.gmail_parts import GMAIL_SETTINGS, MAILBOX, Wired
from tests.serving import serving


@pytest.fixture
async def google(at_gmail: Wired) -> AsyncIterator[Settings]:
    """Settings that lead to a Google of our own."""
    async with serving(at_gmail.fake.application()) as url:
        where = {
            "google_token_url": f"{url}/token",
            "google_authorize_url": f"{url}/o/oauth2/v2/auth",
        }
        yield make_settings(**{**GMAIL_SETTINGS, **where, "gmail_refresh_token": None})


async def started(settings: Settings) -> tuple[asyncio.Task[str], str]:
    """The command under way, and the address it shows."""
    shown: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(authorize(settings, shown.put_nowait))
    return task, await shown.get()


class TestAuthorize:
    async def test_ends_with_the_refresh_token(self, google: Settings) -> None:
        task, url = await started(google)
        async with httpx.AsyncClient(follow_redirects=True) as browser:
            page = await browser.get(url)

        assert await task == REFRESH_TOKEN
        assert "Access was allowed" in page.text

    async def test_asks_for_what_is_needed_with_pkce(self, google: Settings) -> None:
        task, url = await started(google)
        task.cancel()

        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["scope"].split() == list(SCOPES)
        assert asked["code_challenge_method"] == "S256"
        assert (asked["access_type"], asked["login_hint"]) == ("offline", MAILBOX)
        assert asked["redirect_uri"].startswith("http://127.0.0.1:")
        assert "client-secret" not in url

    async def test_another_ones_code_is_not_taken(self, google: Settings) -> None:
        task, url = await started(google)
        asked = parse_qs(urlsplit(url).query)
        back = asked["redirect_uri"][0]
        async with httpx.AsyncClient() as browser:
            for query in ("code=evil&state=guessed", "code=evil", ""):
                page = await browser.get(f"{back}/?{query}")
                assert "not allowed" in page.text
            assert not task.done()
            await browser.get(url, follow_redirects=True)

        assert await task == REFRESH_TOKEN

    async def test_a_refusal_is_a_sentence(self, google: Settings) -> None:
        task, url = await started(google)
        asked = parse_qs(urlsplit(url).query)
        answer = f"error=access_denied&state={asked['state'][0]}"
        async with httpx.AsyncClient() as browser:
            await browser.get(f"{asked['redirect_uri'][0]}/?{answer}")

        with pytest.raises(GmailSignInError, match="did not allow"):
            await task

    async def test_needs_a_client(self, google: Settings) -> None:
        settings = google.model_copy(update={"gmail_client_id": None})

        with pytest.raises(GmailSignInError, match="GMAIL_CLIENT_ID"):
            await authorize(settings, print)
