"""What a message says in words, and what hangs on it.

Each part of a `multipart/mixed` that is text belongs to the body, as Apple Mail writes around its
pictures; of `multipart/alternative` both forms are kept. Attachments are named, not opened:
Outlook's `winmail.dat` (TNEF) too, whose words Outlook sends as text beside it.
"""

import re
from dataclasses import dataclass, field
from email.message import Message
from html import escape

from app.services.mail.reading.charsets import decoded, tidy
from app.services.mail.reading.flowed import unflowed
from app.services.mail.reading.html_text import text_of_html
from app.services.mail.reading.message import Attachment, Limits

_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=\s]")
_HTML = re.compile(r"\s*(?:<!doctype html|<html|<body|<div|<p[ >])", re.IGNORECASE)
CUT_OUT = re.compile(r"!cut=(\d{1,12})!")
"""Stands where `shortened` took base64 out, with the number of bytes."""
_METHOD = re.compile(r"^METHOD:[ \t]*([A-Za-z]{3,20})[ \t]*$", re.MULTILINE)
_SNIFFED_CHARACTERS = 4_096
_MAX_NAME_CHARACTERS = 255
_MAX_SIZED_DEPTH = 10


@dataclass(frozen=True)
class _Piece:
    """One stretch of the body in the forms it came in."""

    text: str | None = None
    html: str | None = None


@dataclass
class Bodies:
    """The words of a message in plain text and, where any part has it, in HTML."""

    text: str = ""
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    calendar_method: str | None = None
    is_truncated: bool = False
    is_broken: bool = False


@dataclass
class _Reader:
    limits: Limits
    attachments: list[Attachment] = field(default_factory=list)
    calendar_method: str | None = None
    parts: int = 0
    is_truncated: bool = False
    is_broken: bool = False

    def pieces(self, part: Message, depth: int = 0) -> list[_Piece]:
        """The body's pieces in `part`, its attachments noted in passing."""
        self.parts += 1
        if self.parts > self.limits.parts or depth > self.limits.depth:
            self.is_truncated = True
            return []
        self.is_broken = self.is_broken or bool(part.defects)
        kind = part.get_content_type()
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            children = [
                piece for child in _children(part) for piece in self.pieces(child, depth + 1)
            ]
            return _merged(children) if kind == "multipart/alternative" else children
        if kind == "text/calendar":
            self.calendar_method = self.calendar_method or self._method(part)
        if _is_body(part, kind):
            return [self._leaf(part, kind)]
        self.attachments.append(_attachment(part, kind))
        return []

    def _leaf(self, part: Message, kind: str) -> _Piece:
        content = self._text(part)
        if kind == "text/html" or (kind != "text/plain" and _HTML.match(content)):
            return _Piece(html=content)
        if str(part.get_param("format", "")).casefold() == "flowed":
            content = unflowed(content, str(part.get_param("delsp", "")).casefold() == "yes")
        return _Piece(text=content)

    def _text(self, part: Message) -> str:
        limit = max(self.limits.text_characters, self.limits.html_characters)
        content = decoded(_content(part), part.get_content_charset())
        self.is_truncated = self.is_truncated or len(content) > limit
        return tidy(content[:limit])

    def _method(self, part: Message) -> str | None:
        said = part.get_param("method", None)
        if isinstance(said, str):
            return said.upper()
        found = _METHOD.search(self._text(part)[:_SNIFFED_CHARACTERS])
        return found[1].upper() if found else None


def read_bodies(message: Message, limits: Limits) -> Bodies:
    """The text, the HTML and the names of the attachments of `message`.

    May raise what the standard library raises on malformed headers.
    """
    reader = _Reader(limits)
    pieces = reader.pieces(message)
    text = "\n\n".join(filter(None, map(_as_text, pieces))) if _has_text(pieces) else ""
    html = "\n".join(map(_as_html, pieces)) if any(piece.html for piece in pieces) else None
    is_cut = len(text) > limits.text_characters or len(html or "") > limits.html_characters
    return Bodies(
        text=text[: limits.text_characters],
        html=html and html[: limits.html_characters],
        attachments=tuple(reader.attachments),
        calendar_method=reader.calendar_method,
        is_truncated=reader.is_truncated or is_cut,
        is_broken=reader.is_broken,
    )


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)]


def _merged(children: list[_Piece]) -> list[_Piece]:
    """The alternatives as one piece: the first in text, all that is in HTML (Apple Mail splits)."""
    texts = [piece.text for piece in children if piece.text]
    htmls = [piece.html for piece in children if piece.html]
    if not texts and not htmls:
        return []
    return [_Piece("\n\n".join(texts) or None, "\n".join(htmls) or None)]


def _is_body(part: Message, kind: str) -> bool:
    if part.get_content_disposition() == "attachment" or part.get_filename():
        return False
    # A multipart that is no list is one whose boundary is missing: its text stands in there.
    return kind in {"text/plain", "text/html"} or (
        kind.startswith("multipart/") and not part.is_multipart()
    )


def _content(part: Message) -> bytes:
    payload = part.get_payload()
    claims_base64 = str(part.get("content-transfer-encoding", "")).strip().casefold() == "base64"
    if (
        claims_base64
        and isinstance(payload, str)
        and _NOT_BASE64.search(payload[:_SNIFFED_CHARACTERS])
    ):
        return payload.encode("utf-8", "surrogateescape")
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _attachment(part: Message, kind: str) -> Attachment:
    name = tidy(part.get_filename() or "").replace("\n", " ").strip()
    return Attachment(
        name=name[:_MAX_NAME_CHARACTERS],
        media_type=kind,
        size_bytes=_size(part),
        is_inline=part.get_content_disposition() == "inline" or "content-id" in part,
    )


def _size(part: Message, depth: int = 0) -> int:
    payload = part.get_payload()
    if isinstance(payload, list):
        children = [child for child in payload if isinstance(child, Message)]
        return sum(_size(child, depth + 1) for child in children) if depth < _MAX_SIZED_DEPTH else 0
    text = payload if isinstance(payload, str) else ""
    encoding = str(part.get("content-transfer-encoding", "")).strip().casefold()
    if encoding != "base64":
        return len(text)
    cut_out = sum(int(length) for length in CUT_OUT.findall(text))
    return (len(text) + cut_out - text.count("\n") - text.count("\r")) * 3 // 4


def _has_text(pieces: list[_Piece]) -> bool:
    return any(piece.text for piece in pieces)


def _as_text(piece: _Piece) -> str:
    return piece.text if piece.text is not None else text_of_html(piece.html or "")


def _as_html(piece: _Piece) -> str:
    if piece.html is not None:
        return piece.html
    return f"<div>{'<br>'.join(escape(piece.text or '').split(chr(10)))}</div>"
