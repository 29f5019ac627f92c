"""A received mail as the rest of the service takes it, with all that its headers tell."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from app.models.interaction import MailFacts
from app.services.mail.reading.authentication import authentication
from app.services.mail.reading.machine import MachineMail, classify
from app.services.mail.reading.message import Address, ReadMail
from app.services.mail.reading.new_text import new_text
from app.services.mail.reading.parse import read_mail

RECEIVER = "mx.google.com"
"""Who stamps `Authentication-Results` on the mail that a Gmail mailbox gets."""
MAX_ANSWERED = 50
MAX_ADDRESSED = 100
MAX_BOUNCED = 20


@dataclass(frozen=True)
class IncomingMail:
    """One mail. `new_text` is what its sender newly wrote, `text` everything.

    `answered` are the Message-IDs it refers to, the nearest first. `returned_key` is our own key of
    the message that a bounce returns. `addressed_to` is every address it was written or brought to.
    `own_key` is our key on the message itself: we sent it.
    """

    sender: str
    subject: str
    text: str
    new_text: str
    answered: tuple[str, ...]
    facts: MailFacts
    returned_key: str | None = None
    addressed_to: tuple[str, ...] = ()
    own_key: str | None = None


Read = Callable[[bytes, date], IncomingMail]


def read_incoming(raw: bytes, today: date) -> IncomingMail:
    """The mail in `raw`, any bytes at all; `today` is the day it came. CPU work, never raises."""
    mail = read_mail(raw)
    machine = classify(mail, today)
    return IncomingMail(
        sender=_spelled(mail.sender) if mail.sender else "",
        subject=mail.subject,
        text=mail.text,
        new_text=new_text(mail).text,
        answered=_answered(mail, machine),
        facts=_facts(mail, machine),
        returned_key=machine.original_key if machine else None,
        addressed_to=_addressed_to(mail),
        own_key=mail.header("x-outbox-key"),
    )


def _facts(mail: ReadMail, machine: MachineMail | None) -> MailFacts:
    verdicts = authentication(mail.headers.get("authentication-results", ()), RECEIVER)
    facts = MailFacts(
        message_id=mail.message_id, is_forged=verdicts.is_forged, is_cut=mail.is_truncated
    )
    if machine is not None:
        facts.machine = machine.kind
        facts.evidence = machine.evidence
        facts.returns_on = machine.returns_on.isoformat() if machine.returns_on else None
        facts.bounced = list(machine.recipients[:MAX_BOUNCED])
    return facts


def _answered(mail: ReadMail, machine: MachineMail | None) -> tuple[str, ...]:
    returned = machine.original_message_id if machine else None
    named = (returned, mail.in_reply_to, *reversed(mail.references))
    return tuple(dict.fromkeys(one for one in named if one))[:MAX_ANSWERED]


def _addressed_to(mail: ReadMail) -> tuple[str, ...]:
    written = (address.email for address in (*mail.to, *mail.cc))
    return tuple(dict.fromkeys((*mail.delivered_to, *written)))[:MAX_ADDRESSED]


def _spelled(sender: Address) -> str:
    name = sender.name.replace("\\", "").replace('"', "")
    return f'"{name}" <{sender.email}>' if name else sender.email
