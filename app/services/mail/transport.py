"""The port to the outside world's mail: what is handed over, and how it can fail."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from app.models.interaction import CalendarPart
from app.models.patient import Channel


class Audience(StrEnum):
    """Whom a mail is for."""

    PATIENT = "patient"
    STAFF = "staff"


@dataclass(frozen=True)
class OutgoingMail:
    """One message on its way.

    `key` names it once and for all (an interaction's id): a transport that can tell never lets the
    same key out twice. `to` is an address alone, `to_name` what stands before it. `html` says the
    same as `text`; `calendar` is the visit that both are about. `tried_since`: an earlier try, at
    that time at the earliest, may have handed it over without our noting it. `reply_to`: where
    replies go, if not to the sender. On other channels than e-mail `to` is a number, and what only
    mail can carry is left out.
    """

    key: str
    to: str
    sender_name: str
    subject: str
    text: str
    date: datetime
    thread_id: str
    audience: Audience = Audience.PATIENT
    to_name: str | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    is_automatic: bool = True
    unsubscribe_url: str | None = None
    html: str | None = None
    calendar: CalendarPart | None = None
    tried_since: datetime | None = None
    reply_to: str | None = None
    channel: Channel = Channel.EMAIL


@dataclass(frozen=True)
class SentMail:
    """What the transport calls a message that left: its Message-ID, and the thread it runs in."""

    provider_message_id: str
    thread_id: str


class TransientMailError(Exception):
    """It did not leave, as far as is known, and may later. The message carries no patient data.

    `retry_after`: the other side wants to be left alone for so long, whatever the message; waiting
    for that is no try of this one.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentMailError(Exception):
    """It will never leave as it is. `recipient_refused`: the address itself does not exist."""

    def __init__(self, message: str, *, recipient_refused: bool = False) -> None:
        super().__init__(message)
        self.recipient_refused = recipient_refused


class UnknownOutcomeError(Exception):
    """The connection broke after the message was handed over: it may have left."""


class Transport(Protocol):
    """Hands mail over."""

    @property
    def deadline_seconds(self) -> float:
        """The longest one `send` can take."""
        ...

    async def send(self, mail: OutgoingMail) -> SentMail:
        """Hand `mail` over once.

        Raises `TransientMailError`, `PermanentMailError` or `UnknownOutcomeError`.
        """
        ...

    async def look_up(self, key: str, since: datetime) -> SentMail | None:
        """What became of a mail that an earlier process was sending: `None` where it never left.

        It was not handed over before `since`. Raises `UnknownOutcomeError` where this transport
        cannot tell, `TransientMailError` where it cannot just now.
        """
        ...
