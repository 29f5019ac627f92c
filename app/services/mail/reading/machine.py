"""Mail that no person wrote: bounces, delays, automatic replies, lists, calendar answers, receipts.

A bounce is looked for first: Gmail's reports carry `Auto-Submitted: auto-replied` (RFC 3834) too.
Nothing in this class is ever answered, and none of it is a patient who came back.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.services.agent.guards.automatic import automatic, wording_sign
from app.services.agent.guards.return_date import return_date
from app.services.mail.reading.message import DeliveryReport, Fate, ReadMail
from app.services.mail.reading.new_text import new_text


class MachineKind(StrEnum):
    """What kind of machine wrote."""

    HARD_BOUNCE = "hard_bounce"
    """The address takes no mail: never write to it again."""
    SOFT_BOUNCE = "soft_bounce"
    """This mail did not arrive; the next may."""
    DELAY = "delay"
    """The mail is still on its way."""
    OUT_OF_OFFICE = "out_of_office"
    AUTO_REPLY = "auto_reply"
    MAILING_LIST = "mailing_list"
    CALENDAR = "calendar"
    RECEIPT = "receipt"
    """The mail was delivered, shown or thrown away (RFC 3464, RFC 8098)."""
    COMPLAINT = "complaint"
    """RFC 5965: the reader pressed "spam"."""
    NULL_SENDER = "null_sender"


@dataclass(frozen=True)
class MachineMail:
    """The verdict, what decided it, and what it says of our own mail or of somebody's return."""

    kind: MachineKind
    evidence: str
    recipients: tuple[str, ...] = ()
    status: str | None = None
    original_message_id: str | None = None
    original_key: str | None = None
    returns_on: date | None = None


_SOFT_STATUS = re.compile(r"4\.|5\.2\.[23]$|5\.3\.|5\.7\.")
"""RFC 3463: mailbox full, mail too large, system or policy in the way. The address may be right."""
_GONE = re.compile(
    r"address not found|user unknown|unknown user|no such (?:user|recipient|mailbox|person)|"
    r"does(?: not|n.t) "
    r"exist|wasn.t found|could(?: not|n.t) be found|not found (?:at|in|by)|invalid (?:recipient|"
    r"mailbox)|"
    r"(?:mailbox|account|address|recipient) (?:is )?(?:unavailable|disabled|inactive|unknown|"
    r"not found|"
    r"invalid|does not)|no longer (?:active|valid|in use|accepts)|(?:doesn.t|"
    r"does not) have an? .{0,20}account|"
    r"host (?:unknown|or domain name not found)|domain .{0,40}not found|no se (?:ha )?encontr|"
    r"no existe|"
    r"introuvable|n.existe pas|nicht gefunden|existiert nicht|unbekannt|não (?:foi )?encontrad|"
    r"não existe",
    re.IGNORECASE,
)
_FULL = re.compile(
    r"(?:mailbox|inbox|account|user.?s? mailbox) (?:is )?(?:full|over)|over ?quota|quota exceeded|"
    r"out of storage|too large|try again|temporar|buzón (?:está )?lleno|boîte (?:est )?pleine|"
    r"postfach.{0,20}voll|"
    r"caixa.{0,20}cheia",
    re.IGNORECASE,
)
_CALENDAR_METHODS = frozenset(
    {"REPLY", "COUNTER", "REQUEST", "CANCEL", "REFRESH", "DECLINECOUNTER"}
)
_KINDS = {
    Fate.DELAYED: MachineKind.DELAY,
    Fate.DELIVERED: MachineKind.RECEIPT,
    Fate.COMPLAINED: MachineKind.COMPLAINT,
}
_AUTOREPLY_HEADERS = frozenset({"x-autoreply", "x-autorespond", "x-autoresponder"})
_SPOKEN = frozenset({"automatic_subject", "away_wording"})
_READ_WORDS = 20_000


def classify(mail: ReadMail, today: date) -> MachineMail | None:
    """What machine wrote `mail`; None where a person did.

    `today` is the day it arrived, from which a return date without a year is counted.
    """
    if mail.report is not None:
        return _bounce(mail, mail.report)
    if (mail.report_type or "").casefold() == "disposition-notification":
        return MachineMail(MachineKind.RECEIPT, "report_type")
    if mail.calendar_method in _CALENDAR_METHODS:
        return MachineMail(MachineKind.CALENDAR, "calendar_method")
    return _automatic(mail, today)


def _bounce(mail: ReadMail, report: DeliveryReport) -> MachineMail:
    return MachineMail(
        _bounce_kind(report, mail.text[:_READ_WORDS]),
        "delivery_report",
        recipients=report.recipients,
        status=report.status,
        original_message_id=report.original_message_id,
        original_key=report.original_key,
    )


def _bounce_kind(report: DeliveryReport, words: str) -> MachineKind:
    """In doubt a bounce is soft: it counts, and a wrong address will bounce again."""
    if report.fate in _KINDS:
        return _KINDS[report.fate]
    status = report.status
    is_precise = status is not None and not status.endswith(".0.0")
    if is_precise and status is not None:
        is_hard = status.startswith("5.") and not _SOFT_STATUS.match(status)
    else:
        may_be_gone = status is None or status.startswith("5.")
        is_hard = may_be_gone and bool(_GONE.search(words)) and not _FULL.search(words)
    return MachineKind.HARD_BOUNCE if is_hard else MachineKind.SOFT_BOUNCE


def _automatic(mail: ReadMail, today: date) -> MachineMail | None:
    words = new_text(mail).text[:_READ_WORDS]
    sender = mail.sender.email if mail.sender else ""
    headers = {name: values[0] for name, values in mail.headers.items()}
    headers["content-type"] = mail.content_type
    found = automatic(words, mail.subject, sender, headers)
    if found.bounce:
        return MachineMail(MachineKind.SOFT_BOUNCE, found.evidence or "")
    if not found.automatic:
        return None
    evidence = found.evidence or ""
    if "list-id" in mail.headers or "list-post" in mail.headers:
        return MachineMail(MachineKind.MAILING_LIST, evidence)
    back = return_date(f"{mail.subject}\n{words}", today)
    if back or wording_sign(words, mail.subject) in _SPOKEN:
        return MachineMail(MachineKind.OUT_OF_OFFICE, evidence, returns_on=back)
    return MachineMail(_silent_kind(evidence, mail), evidence)


def _silent_kind(evidence: str, mail: ReadMail) -> MachineKind:
    if not _AUTOREPLY_HEADERS.isdisjoint(mail.headers):
        return MachineKind.AUTO_REPLY
    if evidence in {"precedence", "list_unsubscribe"}:
        return MachineKind.MAILING_LIST
    return MachineKind.NULL_SENDER if evidence == "null_return_path" else MachineKind.AUTO_REPLY
