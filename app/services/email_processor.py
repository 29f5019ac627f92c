"""Reads a Pub/Sub push into something that can be stored, or says why it is none.

The envelope is Google's (`{"message": {"data", "messageId", ...}, "subscription"}`); what `data`
holds is either Gmail's notification or, from a relay or in a trial without Gmail, the message
itself. Everything is checked by hand and strictly: `base64.urlsafe_b64decode("!!")` is `b""`, and
JSON may hold lone surrogates that no database can store. Errors never repeat what was sent.
"""

import base64
import re
from dataclasses import dataclass, replace
from typing import Any

from app.models.patient import Channel
from app.services.envelopes import (
    InvalidEnvelopeError,
    identifier,
    json_object,
    refuse,
    text,
)

MAX_ID_CHARACTERS = 256
MAX_SUBSCRIPTION_CHARACTERS = 512
MAX_ADDRESS_CHARACTERS = 320
"""RFC 5321, section 4.5.3.1: 64 for the local part, 255 for the domain, and the @."""
MAX_SUBJECT_CHARACTERS = 998
"""RFC 5322, section 2.1.1: the longest line of a header."""
MAX_CONTENT_CHARACTERS = 262_144
MAX_STORED_NUMBER = 2**63 - 1
NOTIFICATION_FORM = "gmail"
MAILBOX_FORM = "mailbox"
ASSIGNED_FORM = "assigned"

_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}", re.ASCII)
_DIGITS = re.compile(r"\d{1,20}", re.ASCII)


@dataclass(frozen=True)
class RelayMessage:
    """A message that a relay delivers whole. `sender` is as given, perhaps with a display name."""

    thread_id: str
    message_id: str
    sender: str
    content: str
    subject: str | None = None
    channel: Channel = Channel.EMAIL

    def to_payload(self) -> dict[str, Any]:
        """As it is stored until it is processed."""
        return {
            "form": "relay",
            "thread_id": self.thread_id,
            "message_id": self.message_id,
            "from": self.sender,
            "subject": self.subject,
            "content": self.content,
            "channel": self.channel.value,
        }


@dataclass(frozen=True)
class GmailNotification:
    """Gmail's word that a mailbox changed; what changed has to be asked for."""

    email_address: str
    history_id: int

    def to_payload(self) -> dict[str, Any]:
        """As it is stored until it is processed: the id as a number, to be compared, where the
        database has one as large.
        """
        is_small = self.history_id <= MAX_STORED_NUMBER
        return {
            "form": NOTIFICATION_FORM,
            "emailAddress": self.email_address,
            "historyId": self.history_id if is_small else str(self.history_id),
        }


@dataclass(frozen=True)
class MailboxMessage:
    """A message that lies in a mailbox of ours; what it says has to be fetched.

    `is_sent`: it is known to have left from there, before anybody looked at it.
    """

    mailbox: str
    message_id: str
    thread_id: str
    is_sent: bool = False

    @property
    def event_id(self) -> str:
        """Under which it is stored once, however often it is found."""
        return f"gmail:{self.mailbox}:{self.message_id}"

    def to_payload(self) -> dict[str, Any]:
        """As it is stored until it is processed."""
        return {
            "form": MAILBOX_FORM,
            "mailbox": self.mailbox,
            "message_id": self.message_id,
            "thread_id": self.thread_id,
            "is_sent": self.is_sent,
        }


@dataclass(frozen=True)
class AssignedMessage:
    """A message that is stored here, and that staff say is a certain patient's."""

    interaction_id: str
    settlement_id: str
    thread_id: str

    def to_payload(self) -> dict[str, Any]:
        """As it is stored until it is processed."""
        return {
            "form": ASSIGNED_FORM,
            "interaction_id": self.interaction_id,
            "settlement_id": self.settlement_id,
            "thread_id": self.thread_id,
        }


StoredMessage = RelayMessage | GmailNotification | MailboxMessage | AssignedMessage


@dataclass(frozen=True)
class PushEnvelope:
    """One push: who delivered it under which id, and what it says."""

    message_id: str
    subscription: str
    message: RelayMessage | GmailNotification

    @property
    def event_id(self) -> str:
        """What a second delivery of the same push is recognised by."""
        return f"pubsub:{self.subscription}:{self.message_id}"


def parse_push(body: bytes) -> PushEnvelope:
    """The push in `body`. Raises `InvalidEnvelopeError` for anything else."""
    envelope = json_object(body, "The body")
    message = envelope.get("message")
    if not isinstance(message, dict):
        refuse("`message` must be an object.")
    data = text(message, "data", MAX_CONTENT_CHARACTERS * 2)
    return PushEnvelope(
        message_id=identifier(message, "messageId", MAX_ID_CHARACTERS),
        subscription=_subscription(envelope),
        message=_content_of(json_object(_decoded(data), "`message.data`")),
    )


def message_of(payload: dict[str, Any]) -> StoredMessage:
    """The message a stored payload was made from. Raises `InvalidEnvelopeError`.

    A push cannot pass itself off as a message of a mailbox: only what we stored is read here.
    """
    if payload.get("form") == MAILBOX_FORM:
        return MailboxMessage(
            mailbox=identifier(payload, "mailbox", MAX_ADDRESS_CHARACTERS),
            message_id=identifier(payload, "message_id", MAX_ID_CHARACTERS),
            thread_id=identifier(payload, "thread_id", MAX_ID_CHARACTERS),
            is_sent=payload.get("is_sent") is True,
        )
    if payload.get("form") == ASSIGNED_FORM:
        return AssignedMessage(
            interaction_id=identifier(payload, "interaction_id", MAX_ID_CHARACTERS),
            settlement_id=identifier(payload, "settlement_id", MAX_ID_CHARACTERS),
            thread_id=text(payload, "thread_id", MAX_ID_CHARACTERS),
        )
    message = _content_of(payload)
    if isinstance(message, RelayMessage):
        return replace(message, channel=channel_of(payload))
    return message


def channel_of(source: dict[str, Any]) -> Channel:
    """The `channel` that is named, e-mail where none is. Raises `InvalidEnvelopeError`."""
    if "channel" not in source:
        return Channel.EMAIL
    name = identifier(source, "channel", MAX_ID_CHARACTERS)
    if name not in set(Channel):
        refuse(f"`channel` must be one of: {', '.join(Channel)}.")
    return Channel(name)


def _subscription(envelope: dict[str, Any]) -> str:
    """Pub/Sub always names it; a hand-made push may not."""
    if envelope.get("subscription") is None:
        return "-"
    return identifier(envelope, "subscription", MAX_SUBSCRIPTION_CHARACTERS)


def _content_of(data: dict[str, Any]) -> RelayMessage | GmailNotification:
    if "emailAddress" in data or "historyId" in data:
        return GmailNotification(
            email_address=identifier(data, "emailAddress", MAX_ADDRESS_CHARACTERS),
            history_id=_history_id(data),
        )
    subject = data.get("subject")
    return RelayMessage(
        thread_id=identifier(data, "thread_id", MAX_ID_CHARACTERS),
        message_id=identifier(data, "message_id", MAX_ID_CHARACTERS),
        sender=identifier(data, "from", MAX_ADDRESS_CHARACTERS),
        subject=None if subject is None else text(data, "subject", MAX_SUBJECT_CHARACTERS),
        content=text(data, "content", MAX_CONTENT_CHARACTERS),
    )


def _history_id(data: dict[str, Any]) -> int:
    """Gmail's manual shows a string, its pushes carry a number."""
    value = data.get("historyId")
    digits = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(digits, str) or not _DIGITS.fullmatch(digits):
        refuse("`historyId` must be a whole number.")
    return int(digits)


def _decoded(data: str) -> bytes:
    """Strictly decoded base64 or base64url, padded or not."""
    unpadded = data.rstrip("=")
    padded_wrongly = unpadded != data and len(data) % 4 != 0
    if not _BASE64.fullmatch(data) or padded_wrongly or len(unpadded) % 4 == 1:
        refuse("`message.data` is not base64.")
    standard = unpadded.replace("-", "+").replace("_", "/")
    return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)


__all__ = [
    "AssignedMessage",
    "GmailNotification",
    "InvalidEnvelopeError",
    "MailboxMessage",
    "PushEnvelope",
    "RelayMessage",
    "StoredMessage",
    "channel_of",
    "message_of",
    "parse_push",
]
