"""Every letter as its reader sees it: in Chromium on a phone, by day and by night, held to axe."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.services.outreach.test_composer import every_letter
from tests.services.outreach.test_letter_html import staff_letter
from tests.system.chromium import CHROMIUM, WCAG, barriers, on_a_phone, overflow, running_chromium

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="No Chromium is installed on this machine."),
    pytest.mark.timeout(900),
]


BEHIND_IT = "html { background: Canvas }"
"""What shows through a letter by day or night; axe takes what nobody painted for white."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with running_chromium() as browser:
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "es"])
async def test_every_letter_is_open_to_everybody(
    chromium: Browser, language: str, scheme: Literal["light", "dark"]
) -> None:
    """Colours, names of links, language, tables that hold the width and are read as none."""
    async with on_a_phone(chromium, "http://127.0.0.1", script=True, scheme=scheme) as page:
        for letter in [*every_letter(language), staff_letter("See you on Friday.")]:
            await page.set_content(letter.html)
            await page.add_style_tag(content=BEHIND_IT)
            assert await barriers(page, WCAG) == [], letter.subject
            assert await overflow(page) <= 0, letter.subject
