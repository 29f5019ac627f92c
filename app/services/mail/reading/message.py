"""A received mail as the product reasons about it. Attachments are named, never carried."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True)
class Limits:
    """How much of a mail is read. Beyond it the mail is cut and `truncated` is set."""

    total_bytes: int = 32_000_000
    """Gmail takes 25 MB of attachments, base64 adds a third."""
    parsed_bytes: int = 8_000_000
    """What is left of it without the bulk of base64."""
    lines: int = 100_000
    """Counted without the bulk of base64, which is cut out beforehand."""
    boundary_lines: int = 4_000
    nesting_marks: int = 48
    """Mentions of `boundary` and `message/rfc822`: the work grows with the depth of nesting."""
    headers: int = 400
    parts: int = 500
    depth: int = 24
    text_characters: int = 262_144
    html_characters: int = 262_144
    addresses: int = 100
    references: int = 100


STANDARD = Limits()


@dataclass(frozen=True)
class Address:
    """One mailbox. `email` is as written; `name` is empty where none was given."""

    email: str
    name: str = ""


@dataclass(frozen=True)
class Attachment:
    """What came along. `size_bytes` is that of the decoded content, rounded up to three bytes."""

    name: str
    media_type: str
    size_bytes: int
    is_inline: bool = False


class Fate(StrEnum):
    """What a delivery report says became of a message."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    COMPLAINED = "complained"
    """RFC 5965: the reader called it spam."""


@dataclass(frozen=True)
class DeliveryReport:
    """What a bounce says: whose mail failed, how, and which message of ours it was."""

    fate: Fate
    recipients: tuple[str, ...]
    status: str | None = None
    """The enhanced status code (RFC 3463), such as 5.1.1."""
    original_message_id: str | None = None
    original_key: str | None = None
    """`X-Outbox-Key` of the returned message."""


@dataclass(frozen=True)
class ReadMail:
    """One mail. Texts are Unicode without control characters; missing things are empty or None."""

    message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    sender: Address | None
    """None where the header names no address, or more than one."""
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    delivered_to: tuple[str, ...]
    subject: str
    date: datetime | None
    """In UTC."""
    text: str
    html: str | None
    attachments: tuple[Attachment, ...]
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lower-case names; values unfolded, as sent, topmost first; only `KEPT_HEADERS`."""
    content_type: str = "text/plain"
    report_type: str | None = None
    calendar_method: str | None = None
    report: DeliveryReport | None = None
    is_truncated: bool = False
    is_broken: bool = False

    def header(self, name: str) -> str | None:
        """The topmost header called `name` (lower case), stripped; None where there is none."""
        values = self.headers.get(name)
        return values[0].strip() if values else None
