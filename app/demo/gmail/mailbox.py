"""A mailbox in memory: messages, threads, a history with gaps, and a ledger of everything sent."""

import email
import email.policy
import random
import re
import secrets
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, parseaddr
from functools import cached_property
from operator import itemgetter
from typing import Any

from app.core.clock import Clock

Json = dict[str, Any]

_FIRST_ID = 0x18C0000000000000
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_PREFIX = re.compile(r"^(?:(?:re|fwd?|aw|sv)\s*:\s*)+", re.IGNORECASE)
_LARGEST_STEP = 17
"""Gmail's history ids grow, and not by one."""


@dataclass
class FakeMessage:
    """A message as the mailbox keeps it."""

    id: str
    thread_id: str
    labels: set[str]
    raw: bytes
    received_at: datetime

    @cached_property
    def parsed(self) -> EmailMessage:
        """With its headers."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def text(self) -> str:
        """What a person reads in it."""
        part = self.parsed.get_body(("plain",))
        return str(part.get_content()) if part else ""

    def header(self, name: str) -> str:
        """One header as a text; empty where it is missing."""
        return " ".join(str(self.parsed.get(name, "")).split())

    @property
    def milliseconds(self) -> int:
        """When it came, as Gmail says it."""
        return int(self.received_at.timestamp() * 1000)


@dataclass(frozen=True)
class IncomingReply:
    """What somebody writes into the mailbox.

    With a `thread_id` it answers the last message we sent there; `authentication` is what the
    receiving server found out about the sender (`pass`, `fail`), or nothing. Without `to` it goes
    where the answered message asked for.
    """

    sender: str
    text: str
    sender_name: str = ""
    thread_id: str | None = None
    subject: str | None = None
    html: str | None = None
    authentication: str | None = "pass"
    headers: dict[str, str] = field(default_factory=dict)
    is_spam: bool = False
    to: str | None = None


@dataclass(frozen=True)
class HandWritten:
    """What somebody of the practice writes in Gmail's own window.

    With a `thread_id` it answers the last message there, from whoever that is. Gmail stores drafts
    on the way; `keeps_id` says whether the last of them becomes the letter, or is replaced by it.
    """

    to: str
    text: str
    thread_id: str | None = None
    subject: str | None = None
    keeps_id: bool = False


class NoSuchThreadError(KeyError):
    """A message names a thread that is not there."""


class HistoryExpiredError(KeyError):
    """The history no longer reaches back that far."""


class FakeMailbox:
    """One account."""

    def __init__(self, address: str, clock: Clock, randomness: random.Random) -> None:
        self.address = address
        self.messages: dict[str, FakeMessage] = {}
        self.history: list[tuple[int, str]] = []
        self.labels_then: dict[int, set[str]] = {}
        self.labelled: set[int] = set()
        self.ledger: list[Json] = []
        self.history_id = 4_711
        self.replaces_message_ids = True
        self._oldest_history_id = 0
        self._by_message_id: dict[str, list[FakeMessage]] = {}
        self._clock = clock
        self._random = randomness
        self._next_id = _FIRST_ID

    def send(self, raw: bytes, thread_id: str | None) -> FakeMessage:
        """Take a message for sending. Raises `NoSuchThreadError`, `ValueError`."""
        message = email.message_from_bytes(raw, policy=email.policy.SMTP)
        if "@" not in parseaddr(str(message.get("To", "")))[1]:
            reason = "Invalid To header"
            raise ValueError(reason)
        if thread_id is not None and not self.thread(thread_id):
            raise NoSuchThreadError(thread_id)
        if self.replaces_message_ids:
            del message["Message-ID"]
            message["Message-ID"] = f"<CA+{secrets.token_urlsafe(24)}@mail.gmail.com>"
        labels = {"SENT"}
        if parseaddr(str(message["To"]))[1].casefold() == self.address.casefold():
            labels |= {"INBOX", "UNREAD"}
        sent = self._store(bytes(message), labels, self._thread_for(message, thread_id))
        self.ledger.append(self._entry(sent))
        return sent

    def deliver(self, raw: bytes, *, is_spam: bool = False) -> FakeMessage:
        """Put a message from outside into the mailbox."""
        message = email.message_from_bytes(raw, policy=email.policy.default)
        labels = {"SPAM", "UNREAD"} if is_spam else {"INBOX", "UNREAD"}
        return self._store(raw, labels, self._thread_for(message, None))

    def reply(self, reply: IncomingReply) -> FakeMessage:
        """Somebody writes. Raises `NoSuchThreadError`."""
        return self.deliver(bytes(self._written(reply)), is_spam=reply.is_spam)

    def write(self, written: HandWritten) -> FakeMessage:
        """Somebody of the practice writes by hand. Raises `NoSuchThreadError`."""
        message = self._by_hand(written)
        thread_id = self._thread_for(message, None)
        draft = self._store(bytes(message), {"DRAFT"}, thread_id)
        if written.keeps_id:
            draft.labels = {"SENT"}
            self._note(draft)
            self.labelled.add(self.history_id)
            return draft
        del self.messages[draft.id]
        return self._store(bytes(message), {"SENT"}, thread_id)

    def thread(self, thread_id: str) -> list[FakeMessage]:
        """Its messages, oldest first."""
        return [one for one in self.messages.values() if one.thread_id == thread_id]

    def since(self, history_id: int) -> list[tuple[int, FakeMessage]]:
        """What was added after `history_id`. Raises `HistoryExpiredError`."""
        if history_id < self._oldest_history_id:
            raise HistoryExpiredError(history_id)
        first = bisect_right(self.history, history_id, key=itemgetter(0))
        return [
            (number, self.messages[message_id])
            for number, message_id in self.history[first:]
            if message_id in self.messages
        ]

    def expire_history(self) -> None:
        """Forget the history: every cursor handed out so far is too old."""
        self._step()
        self._oldest_history_id = self.history_id
        self.history.clear()

    def newest_first(self) -> list[FakeMessage]:
        """Everything."""
        return list(reversed(self.messages.values()))

    def _store(self, raw: bytes, labels: set[str], thread_id: str | None) -> FakeMessage:
        self._next_id += self._random.randint(1, 0xFFFF)
        name = f"{self._next_id:x}"
        stored = FakeMessage(name, thread_id or name, labels, raw, self._clock.now())
        self.messages[name] = stored
        self._by_message_id.setdefault(stored.header("Message-ID"), []).append(stored)
        self._note(stored)
        return stored

    def _note(self, message: FakeMessage) -> None:
        """One more record of the history, with the labels of this moment."""
        self._step()
        self.history.append((self.history_id, message.id))
        self.labels_then[self.history_id] = set(message.labels)

    def _step(self) -> None:
        self.history_id += self._random.randint(1, _LARGEST_STEP)

    def _thread_for(self, message: EmailMessage, asked_for: str | None) -> str | None:
        """Gmail's rule: a reference to a message of the thread, and its subject. A sender has to
        name the thread as well."""
        wanted = " ".join(str(message.get(name, "")) for name in ("In-Reply-To", "References"))
        referred_to = [
            earlier
            for message_id in set(_MESSAGE_ID.findall(wanted))
            for earlier in self._by_message_id.get(message_id, ())
            if earlier.id in self.messages and asked_for in {None, earlier.thread_id}
        ]
        for earlier in sorted(referred_to, key=lambda one: int(one.id, 16), reverse=True):
            if _same_subject(earlier, message):
                return earlier.thread_id
        return None

    def _entry(self, sent: FakeMessage) -> Json:
        to = parseaddr(str(sent.parsed["To"]))[1]
        return {
            "key": sent.header("X-Outbox-Key"),
            "id": sent.id,
            "thread_id": sent.thread_id,
            "to": to,
            "subject": sent.header("Subject"),
            "message_id": sent.header("Message-ID"),
            "in_reply_to": sent.header("In-Reply-To"),
            "text": sent.text,
        }

    def _written(self, reply: IncomingReply) -> EmailMessage:
        message = EmailMessage(policy=email.policy.SMTP)
        if reply.authentication is not None:
            domain = reply.sender.rpartition("@")[2]
            verdict = reply.authentication
            message["Authentication-Results"] = (
                f"mx.google.com; dkim={verdict} header.i=@{domain}; spf={verdict} "
                f"smtp.mailfrom={reply.sender}; dmarc={verdict} header.from={domain}"
            )
        message["From"] = formataddr((reply.sender_name, reply.sender))
        message["To"] = reply.to or self._answers_go_to(reply.thread_id)
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = f"<{secrets.token_hex(12)}@{reply.sender.rpartition('@')[2]}>"
        self._refer(message, reply)
        for name, value in reply.headers.items():
            message[name] = value
        message.set_content(reply.text)
        if reply.html is not None:
            message.add_alternative(reply.html, subtype="html")
        return message

    def _by_hand(self, written: HandWritten) -> EmailMessage:
        message = EmailMessage(policy=email.policy.SMTP)
        message["From"] = self.address
        message["To"] = written.to
        message["Date"] = format_datetime(self._clock.now())
        message["Message-ID"] = f"<CA+{secrets.token_urlsafe(24)}@mail.gmail.com>"
        subject = written.subject
        if written.thread_id is not None:
            earlier = self.thread(written.thread_id)
            if not earlier:
                raise NoSuchThreadError(written.thread_id)
            subject = subject or f"Re: {_PREFIX.sub('', earlier[-1].header('Subject'))}"
            message["In-Reply-To"] = earlier[-1].header("Message-ID")
            message["References"] = " ".join(one.header("Message-ID") for one in earlier)
        message["Subject"] = subject or "Hello"
        message.set_content(written.text)
        return message

    def _answers_go_to(self, thread_id: str | None) -> str:
        sent = [one for one in self.thread(thread_id or "") if "SENT" in one.labels]
        return (sent[-1].header("Reply-To") if sent else "") or self.address

    def _refer(self, message: EmailMessage, reply: IncomingReply) -> None:
        subject = reply.subject
        if reply.thread_id is not None:
            sent = [one for one in self.thread(reply.thread_id) if "SENT" in one.labels]
            if not sent:
                raise NoSuchThreadError(reply.thread_id)
            last = sent[-1]
            subject = subject or f"Re: {_PREFIX.sub('', last.header('Subject'))}"
            message["In-Reply-To"] = last.header("Message-ID")
            references = [last.header("References"), last.header("Message-ID")]
            message["References"] = " ".join(one for one in references if one)
        message["Subject"] = subject or "Hello"


def _same_subject(earlier: FakeMessage, message: EmailMessage) -> bool:
    bare = [
        _PREFIX.sub("", " ".join(str(s).split())).casefold()
        for s in (earlier.header("Subject"), message.get("Subject", ""))
    ]
    return bare[0] == bare[1]
