"""A message that came in, whichever way, before it is matched and recorded."""

from dataclasses import dataclass
from datetime import datetime

from app.models.base import PyObjectId
from app.models.interaction import Direction, Interaction, MailFacts
from app.models.patient import Channel
from app.models.records import InboundEvent
from app.services.email_processor import MailboxMessage, RelayMessage
from app.services.mail.incoming import IncomingMail
from app.services.mail.reading.new_text import ANALYSED_CHARACTERS, new_text_of

UNREADABLE = "A message came that could not be read. Please open it in the mailbox."


@dataclass(frozen=True)
class Received:
    """One message. `provider_id` is what it is stored once under.

    `answered`, `returned_key` and `tagged` tell which message of ours it is about, where it says
    so: the Message-IDs it refers to, our key in a bounce, the letter that its address names.
    `is_sent`: somebody of the practice wrote it, in the mailbox itself, to `addressed_to`.
    """

    thread_id: str
    provider_id: str
    sender: str
    subject: str | None
    content: str
    raw_content: str
    timestamp: datetime
    answered: tuple[str, ...] = ()
    returned_key: str | None = None
    tagged: PyObjectId | None = None
    facts: MailFacts | None = None
    is_spam: bool = False
    channel: Channel = Channel.EMAIL
    addressed_to: tuple[str, ...] = ()
    is_sent: bool = False

    def as_interaction(self) -> Interaction:
        """As it is recorded."""
        return Interaction(
            direction=Direction.INCOMING,
            channel=self.channel,
            subject=self.subject,
            content=self.content,
            raw_content=self.raw_content,
            sender=self.sender,
            timestamp=self.timestamp,
            thread_id=self.thread_id,
            provider_id=self.provider_id,
            mail=self.facts,
        )


def from_relay(event: InboundEvent, message: RelayMessage, *, unread: bool = False) -> Received:
    """What a relay delivered. The time is when it was stored: a retry must not make it younger."""
    return Received(
        thread_id=message.thread_id,
        provider_id=_relayed_id(message),
        sender=message.sender,
        subject=message.subject,
        content=message.content if unread else _new_words(message),
        raw_content=message.content,
        timestamp=event.created_at,
        channel=message.channel,
    )


def _relayed_id(message: RelayMessage) -> str:
    """Mail comes by more than one road, and is told apart within its thread on all of them."""
    if message.channel is Channel.EMAIL:
        return f"relay:{message.thread_id}:{message.message_id}"
    return f"{message.channel}:{message.message_id}"


def _new_words(message: RelayMessage) -> str:
    """Only mail quotes what it answers; a short message is all its sender's own."""
    if message.channel is Channel.EMAIL:
        return new_text_of(message.content).text
    return message.content.strip()[:ANALYSED_CHARACTERS]


def from_mailbox(
    message: MailboxMessage,
    mail: IncomingMail,
    at: datetime,
    *,
    is_spam: bool,
    tagged: PyObjectId | None = None,
    is_sent: bool = False,
) -> Received:
    """What lay in the mailbox since `at`."""
    return Received(
        thread_id=message.thread_id,
        provider_id=message.event_id,
        sender=mail.sender,
        subject=mail.subject,
        content=mail.new_text,
        raw_content=mail.text,
        timestamp=at,
        answered=mail.answered,
        returned_key=mail.returned_key,
        tagged=tagged,
        facts=mail.facts,
        is_spam=is_spam,
        addressed_to=mail.addressed_to,
        is_sent=is_sent,
    )


def unread_from_mailbox(event: InboundEvent, message: MailboxMessage) -> Received:
    """What could not be read: a person opens it in the mailbox, where it lies under its ids."""
    return Received(
        thread_id=message.thread_id,
        provider_id=message.event_id,
        sender="",
        subject=None,
        content=UNREADABLE,
        raw_content=UNREADABLE,
        timestamp=event.created_at,
    )
