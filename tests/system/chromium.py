"""Chromium on a phone's screen, and what every page is held to there."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any, Literal

from playwright.async_api import Browser, Locator, Page, async_playwright, expect

CHROMIUM = shutil.which("chromium")
PHONE_WIDTH = 375
WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
"""Without axe's habits of good web pages, which a letter inside a mail program is not."""
PATIENCE_MILLISECONDS = 60_000
"""For a page that always comes, but not always soon: the machine may be busy."""
SMALLEST_TARGET = 44
"""Pixels that a finger needs (WCAG 2.2, success criterion 2.5.5)."""
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
_SMALL_TARGETS = f"""() => [...document.querySelectorAll('a, button, input, textarea')]
    .filter(one => one.type !== 'hidden' && !one.classList.contains('skip'))
    .map(one => [one.innerText || one.name, one.getBoundingClientRect()])
    .filter(([_, box]) => Math.min(box.width, box.height) < {SMALLEST_TARGET} - 0.5)
    .map(([name, box]) => `${{name}}: ${{box.width}} x ${{box.height}}`)"""
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_HAS_RING = """one => one === document.activeElement
    && getComputedStyle(one).outlineStyle === 'solid'"""


@contextlib.asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """A headless browser with a profile of its own that is thrown away."""
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def on_a_phone(
    browser: Browser,
    base_url: str,
    *,
    script: bool = False,
    scheme: Literal["light", "dark"] = "light",
    language: str = "en-US",
) -> AsyncIterator[Page]:
    """A tab; without `script` the pages could not run any."""
    context = await browser.new_context(
        base_url=base_url,
        viewport={"width": PHONE_WIDTH, "height": 667},
        java_script_enabled=script,
        color_scheme=scheme,
        locale=language,
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def misfits(page: Page) -> list[str]:
    """What does not fit the screen or the finger."""
    found: list[str] = await page.evaluate(_SMALL_TARGETS)
    too_wide = await overflow(page)
    return [*found, f"{too_wide} pixels too wide"] if too_wide > 0 else found


async def overflow(page: Page) -> int:
    """By how many pixels it is wider than the screen."""
    wider: int = await page.evaluate(_OVERFLOW)
    return wider


async def barriers(page: Page, only: tuple[str, ...] = ()) -> list[str]:
    """What axe-core finds, of any weight, by all its rules or those tagged `only`; needs script."""
    await page.evaluate(_AXE)
    options = {"runOnly": list(only)} if only else {}
    found: dict[str, Any] = await page.evaluate("options => axe.run(options)", options)
    return [
        f"{one['impact']} {one['id']}: {node['html']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


async def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until `target` has the focus, and a ring to show it."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await target.evaluate(_HAS_RING):
            return
    message = f"Tab never comes to {target}."
    raise AssertionError(message)
