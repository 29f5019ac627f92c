"""What a bounce or a complaint says of the patient's address, and whether it can be believed.

Anybody can write one. It counts only where it names a letter that we really sent to that address:
our key or the letter's Message-ID in it, or the letter's own thread.
"""

import re
from enum import StrEnum

from app.models.interaction import Interaction, MailFacts
from app.models.patient import Patient, normalise_email
from app.services.agent.guards.sender import is_same_address
from app.services.mail.reading.machine import MachineKind


class Returned(StrEnum):
    """What becomes of the address."""

    HARD = "hard"
    SOFT = "soft"
    COMPLAINT = "complaint"
    UNPROVEN = "unproven"
    """It would matter if it were true: a person looks at it."""
    NOTHING = "nothing"
    """Another address, a letter still on its way, or no bounce at all."""


_MATTERS: dict[str, Returned] = {
    MachineKind.HARD_BOUNCE: Returned.HARD,
    MachineKind.SOFT_BOUNCE: Returned.SOFT,
    MachineKind.COMPLAINT: Returned.COMPLAINT,
}

# RFC 3463: class 4 is a persistent transient failure, class 5 a permanent one.
_TRANSIENT = re.compile(
    r"(?<![\d.])4\.\d{1,3}\.\d{1,3}(?![\d.])|\bdelay(?:ed)?\b|\bstill being\b", re.I
)
_PERMANENT = re.compile(r"(?<![\d.])5\.\d{1,3}\.\d{1,3}(?![\d.])")


def what_returned(interaction: Interaction, patient_email: str | None) -> Returned:
    """What a machine's report comes to. Asked of every message: most are no report."""
    if interaction.mail is None:
        return _by_words(interaction)
    found = _MATTERS.get(interaction.mail.machine or "", Returned.NOTHING)
    is_somebodys = interaction.patient_id is not None
    if is_somebodys and not _may_be_about(interaction.mail, patient_email):
        return Returned.NOTHING
    if interaction.mail.letter_id is not None or found is Returned.NOTHING:
        return found
    return Returned.NOTHING if found is Returned.SOFT else Returned.UNPROVEN


def is_own_word(interaction: Interaction, patient: Patient | None) -> bool:
    """Whether a person wrote it from the patient's own address: mail reaches them there."""
    mail = interaction.mail
    if mail is not None and (mail.machine is not None or mail.is_forged):
        return False
    email = patient.email if patient else None
    return is_same_address(interaction.sender or "", email)


def _may_be_about(mail: MailFacts, patient_email: str | None) -> bool:
    """A report on another address (of a redirection, or one they had before) is not theirs."""
    named = {normalise_email(address) for address in mail.bounced}
    was_sent_there = mail.letter_to is None or mail.letter_to == patient_email
    return was_sent_there and (not named or patient_email in named)


def _by_words(interaction: Interaction) -> Returned:
    """A relay hands on nothing but words, and vouches for them. In doubt the address is dead: it
    must not be written to again.
    """
    text = f"{interaction.subject or ''}\n{interaction.raw_content or interaction.content}"
    is_hard = _PERMANENT.search(text) is not None or _TRANSIENT.search(text) is None
    return Returned.HARD if is_hard else Returned.NOTHING
