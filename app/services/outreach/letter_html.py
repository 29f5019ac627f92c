"""A letter's HTML, made from its finished text, so that the two can never say different things.

The text's own structure is all there is: paragraphs between blank lines, facts on indented lines,
the footer after "-- ". Only what the composer put in becomes a link (its `…_url` values and the
clinic's phone number); whatever else looks like one stays the text that it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOOTER_MARK = "\n-- \n"
LEAST_PHONE_DIGITS = 5
LABELS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "booking_url": {"en": "See the free times", "es": "Ver las horas libres"},
        "manage_url": {"en": "Open your visit", "es": "Abrir su visita"},
        "page_url": {
            "en": "Your place on the waiting list",
            "es": "Su lugar en la lista de espera",
        },
        "unsubscribe_url": {"en": "unsubscribe", "es": "darse de baja"},
    }
)
"""What stands on a button or in a line, where the text has the address itself."""
OTHER_LABEL: Mapping[str, str] = MappingProxyType({"en": "Open the page", "es": "Abrir la página"})

_TEMPLATES = Path(__file__).parent / "templates" / "html"
_environment = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_PARAGRAPHS = re.compile(r"\n{2,}")
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of a line; with an `href` they are a link."""

    text: str
    href: str | None = None


Line = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together. `kind`: `text`, `facts` or `button`."""

    kind: str
    lines: tuple[Line, ...]


class LetterPage:
    """Renders letters as HTML through `templates/html/layout.html`."""

    def __init__(self) -> None:
        self._template = _environment.get_template("layout.html")

    def render(
        self, language: str, subject: str, content: str, values: Mapping[str, object]
    ) -> str:
        """`content` as a page; `values` are those that it was composed of."""
        body, mark, footer = content.rpartition(FOOTER_MARK)
        links = _links(language, values)
        return self._template.render(
            language=language,
            subject=subject,
            clinic_name=values["clinic_name"],
            blocks=blocks_of(body if mark else content, links),
            footer=blocks_of(footer if mark else "", links),
        )


def _links(language: str, values: Mapping[str, object]) -> dict[str, Piece]:
    """What in the text is a link, and how it is shown."""
    links = {
        str(value): Piece(LABELS.get(name, OTHER_LABEL)[language], str(value))
        for name, value in values.items()
        if name.endswith("_url") and value
    }
    phone = str(values.get("clinic_phone", ""))
    digits = re.sub(r"[^+0-9]", "", phone)
    if len(digits) >= LEAST_PHONE_DIGITS:
        links[phone] = Piece(phone, f"tel:{digits}")
    return links


def blocks_of(text: str, links: Mapping[str, Piece]) -> list[Block]:
    """The structure of `text`, in order; every word of it is in one of the blocks."""
    paragraphs = (part for part in _PARAGRAPHS.split(text) if part.strip())
    return [block for part in paragraphs for block in _blocks(part.strip("\n"), links)]


def _blocks(paragraph: str, links: Mapping[str, Piece]) -> list[Block]:
    """One paragraph: neighbouring lines of a kind are one block, a line that is a link a button."""
    found: list[Block] = []
    for text in paragraph.split("\n"):
        kind, line = _kind_of(text, links), _pieces(text.strip(), links)
        if kind != "button" and found and found[-1].kind == kind:
            found[-1] = Block(kind, (*found[-1].lines, line))
        else:
            found.append(Block(kind, (line,)))
    return found


def _kind_of(text: str, links: Mapping[str, Piece]) -> str:
    link = links.get(text.strip())
    if link is not None and link.text != text.strip():
        return "button"
    return "facts" if text.startswith(_INDENT) else "text"


def _pieces(text: str, links: Mapping[str, Piece]) -> Line:
    if not links:
        return (Piece(text),)
    longest_first = sorted(links, key=len, reverse=True)
    either = "|".join(re.escape(one) for one in longest_first)
    parts = re.split(rf"(?<![\w/])({either})(?![\w/])", text)
    return tuple(links[part] if part in links else Piece(part) for part in parts if part)
