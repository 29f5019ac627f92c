"""`make pictures`: every letter of an outbox as its reader gets it, to be looked at by a person.

One PNG for each letter and screen (a phone, a wide window, dark), and its plain text beside them.
"""

import asyncio
import email
import email.policy
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser

from tests.system.chromium import running_chromium

Scheme = Literal["light", "dark"]
SCREENS: tuple[tuple[str, int, Scheme], ...] = (
    ("phone", 375, "light"),
    ("wide", 900, "light"),
    ("dark", 375, "dark"),
)


def letters_in(outbox: Path) -> list[tuple[str, EmailMessage]]:
    """Every letter by the name of its file, oldest first."""
    files = sorted(outbox.glob("*.eml"), key=lambda path: path.stat().st_mtime)
    return [(path.stem, read_letter(path.read_bytes())) for path in files]


def read_letter(raw: bytes) -> EmailMessage:
    """A letter as a mail program reads it."""
    return email.message_from_bytes(raw, policy=email.policy.default)


def part_of(letter: EmailMessage, kind: str) -> str:
    """The content of its `plain` or `html` part; empty where it has none."""
    part = letter.get_body((kind,))
    return str(part.get_content()) if part else ""


async def draw(outbox: Path, target: Path) -> int:
    """Draw every letter; how many there were."""
    letters = await asyncio.to_thread(_prepare, outbox, target)
    async with running_chromium() as browser:
        for place, letter in letters:
            for screen in SCREENS:
                await _draw(browser, part_of(letter, "html"), place, screen)
    return len(letters)


def _prepare(outbox: Path, target: Path) -> list[tuple[Path, EmailMessage]]:
    """Write the texts; where each letter's pictures go, and the letter."""
    target.mkdir(parents=True, exist_ok=True)
    letters = letters_in(outbox)
    places = [target / f"{n:03d}-{name}" for n, (name, _) in enumerate(letters, start=1)]
    for place, (_, letter) in zip(places, letters, strict=True):
        head = [f"{one}: {letter[one]}" for one in ("From", "To", "Subject")]
        text = "\n".join([*head, "", part_of(letter, "plain")])
        place.with_suffix(".txt").write_text(text, encoding="utf-8")
    return [(place, letter) for place, (_, letter) in zip(places, letters, strict=True)]


async def _draw(browser: Browser, html: str, place: Path, screen: tuple[str, int, Scheme]) -> None:
    name, width, scheme = screen
    page = await browser.new_page(
        viewport={"width": width, "height": 600}, color_scheme=scheme, java_script_enabled=False
    )
    try:
        await page.set_content(html)
        await page.screenshot(path=f"{place}-{name}.png", full_page=True)
    finally:
        await page.close()


if __name__ == "__main__":
    drawn = asyncio.run(draw(Path(sys.argv[1]), Path(sys.argv[2])))
    print(f"{drawn} letters drawn")  # noqa: T201 - a command's answer
