"""What `check` says about a configuration before it tries anything."""

import pytest

from app.core.config import Settings
from app.demo.gmail.server import FakeGmail
from app.services.checks import CheckResult, Checks
from tests.factories import make_settings
from tests.gmail_parts import GMAIL_SETTINGS, MAILBOX
from tests.model_server import model_server
from tests.serving import serving


class TestGmail:
    """A line that says whether mail can go through Gmail, tried against a real server."""

    async def _line(self, settings: Settings, mailbox: str, **given: object) -> CheckResult:
        async with serving(FakeGmail(mailbox).application()) as url:
            where = {"gmail_api_base_url": url, "google_token_url": f"{url}/token"}
            chosen = {**settings.model_dump(), **GMAIL_SETTINGS, **where, **given}
            results = Checks(make_settings(**chosen)).run()
            found = [result async for result in results if result.name == "gmail"]
        return found[0]

    async def test_signs_in(self, settings: Settings) -> None:
        result = await self._line(settings, MAILBOX)

        assert (result.ok, result.detail) == (True, "signed in to the mailbox")

    async def test_names_what_polling_replaces(self, settings: Settings) -> None:
        result = await self._line(settings, MAILBOX, gmail_topic=None)

        assert result.ok
        assert "no GMAIL_TOPIC" in result.detail

    async def test_another_mailbox_fails(self, settings: Settings) -> None:
        result = await self._line(settings, "else@example.com")

        assert not result.ok
        assert "another mailbox" in result.detail
        assert "else@example.com" not in result.detail

    async def test_a_refused_token_fails(self, settings: Settings) -> None:
        result = await self._line(settings, MAILBOX, gmail_refresh_token="old")

        assert not result.ok
        assert "gmail-authorize" in result.detail


class TestModel:
    """A line that says whether the configured model answers in the form that is needed."""

    @pytest.mark.parametrize(
        ("model", "ok", "detail"),
        [
            ("honest", True, "honest takes 'Yes, please book me in.' for BOOKING_REQUEST, in"),
            ("refusing", False, "LlmError: refused"),
            ("chatting", False, "LlmError: wrong_schema"),
        ],
    )
    async def test_it_is_asked(self, settings: Settings, model: str, ok: bool, detail: str) -> None:
        with model_server() as url:
            given = {"llm_base_url": f"{url}/v1", "llm_model": model, "llm_api_key": "hunter2"}
            results = Checks(make_settings(**{**settings.model_dump(), **given})).run()
            [result] = [result async for result in results if result.name == "model"]

        assert result.ok is ok
        assert result.detail.startswith(detail)
        assert "hunter2" not in result.detail
