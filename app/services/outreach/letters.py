"""Letters as text: the templates, and the words that a template cannot choose itself.

What a letter repeats of a patient's own words came through a public form, perhaps about somebody
else's address. So nothing is quoted that a mail program would turn into a link, to a page or to a
number to call.
"""

import functools
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.services.outreach.letter_html import LetterPage

LANGUAGES = ("en", "es")
DEFAULT_LANGUAGE = "en"
QUOTE_LENGTH = 140
NAME_LENGTH = 40

_TEMPLATES = Path(__file__).parent / "templates"
_BLANKS = re.compile(r"\s+")
_LINK_LIKE = re.compile(r"://|www\.|@|\w[.\u3002\uff0e\uff61][^\W\d_]{2,}", re.IGNORECASE)
_NUMBER_LIKE = re.compile(r"\d(?:[^\w,;:!?]{0,3}\d){5,}")
"""Six digits and more in one run, however they are parted: a date is none of our words either."""
_NAME = re.compile(r"[^\W\d_]+(?:['\u2019.-][^\W\d_]*)*")

DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}
MONTHS = {
    "en": (
        *("January", "February", "March", "April", "May", "June", "July"),
        *("August", "September", "October", "November", "December"),
    ),
    "es": (
        *("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio"),
        *("agosto", "septiembre", "octubre", "noviembre", "diciembre"),
    ),
}


@dataclass(frozen=True)
class Letter:
    """A message as the patient reads it: plain text, and the same as HTML.

    `short` is what goes out as a text message. It may be read on a locked screen, so it tells of
    somebody's health no more than the subject does; only an answer repeats what was asked for.
    """

    subject: str
    content: str
    html: str
    short: str


@functools.cache
def _environment() -> Environment:
    """One for the process, so that each text is compiled once."""
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=False,  # noqa: S701 - plain text, never HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


class LetterTemplates:
    """Renders `templates/<language>/<name>.txt`; each has a `subject`, a `short` block, a layout.

    They are the only source of a letter's words: its HTML is made from the text.
    """

    def __init__(self) -> None:
        self._page = LetterPage()
        self._environment = _environment()

    def load(self) -> None:
        """Compile every text now: milliseconds each, that no letter then waits for."""
        for name in self._environment.list_templates(extensions=["txt"]):
            self._environment.get_template(name)

    def render(self, language: str, name: str, values: dict[str, object]) -> Letter:
        """The letter called `name`. The subject is one line whatever the values hold."""
        template = self._environment.get_template(f"{language}/{name}.txt")
        context = template.new_context(values)
        subject = one_line("".join(template.blocks["subject"](context)))
        short = "".join(template.blocks["short"](context))
        content = re.sub(r"\n{3,}", "\n\n", template.render(values)).strip()
        html = self._page.render(language, subject, content, values)
        lines = filter(None, map(one_line, short.splitlines()))
        return Letter(subject=subject, content=f"{content}\n", html=html, short="\n".join(lines))


def one_line(text: str) -> str:
    """`text` with every run of blanks and line breaks as one space."""
    return _BLANKS.sub(" ", text).strip()


def language_of(wanted: str) -> str:
    """The language a patient is written to: theirs where we have it, else English."""
    primary = wanted.casefold().replace("_", "-").split("-")[0]
    return primary if primary in LANGUAGES else DEFAULT_LANGUAGE


def greeting_name(first_name: str) -> str | None:
    """A name a letter can open with; `None` where it is not plainly a name."""
    name = first_name.strip()
    is_name = _NAME.fullmatch(name) and len(name) <= NAME_LENGTH and not _LINK_LIKE.search(name)
    return name if is_name else None


def quotable(text: str | None) -> str | None:
    """A patient's words on one line, cut at a word; `None` where they should not be repeated."""
    line = one_line(text or "").strip("\"'\u201c\u201d")
    if not line or _LINK_LIKE.search(line) or _NUMBER_LIKE.search(line):
        return None
    if len(line) <= QUOTE_LENGTH:
        return line.rstrip(".")
    return line[:QUOTE_LENGTH].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


def local_day(instant: datetime, zone: ZoneInfo, language: str) -> str:
    """The day on the clinic's calendar, in words."""
    local = instant.astimezone(zone)
    weekday, month = DAYS[language][local.weekday()], MONTHS[language][local.month - 1]
    if language == "es":
        return f"{weekday}, {local.day} de {month} de {local.year}"
    return f"{weekday}, {month} {local.day}, {local.year}"


def local_time(instant: datetime, zone: ZoneInfo, language: str) -> str:
    """The time on the clinic's clock with its zone named, for example `2:00 PM EDT`."""
    local = instant.astimezone(zone)
    name = local.tzname() or ""
    offset = local.strftime("%z")
    zone_name = name if name.isalpha() else f"UTC{offset[:3]}:{offset[3:5]}"
    if language == "es":
        return f"{local.hour:02d}:{local.minute:02d} {zone_name}"
    half = "AM" if local.hour < 12 else "PM"  # noqa: PLR2004 - noon
    return f"{local.hour % 12 or 12}:{local.minute:02d} {half} {zone_name}"
