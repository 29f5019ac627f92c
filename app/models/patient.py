"""A patient: who they are, how they may be reached, and when they are due."""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from pydantic import Field

from app.models.base import Document, PyObjectId, StoredModel, UtcDatetime

SEARCH_KEYS = "search_keys"
"""The stored field that a search goes by; nobody else reads it."""
FEWEST_DIGITS = 3
"""So much of a phone number names it."""
OTHER_CONTACTS = 10
"""So many of a patient's other addresses and numbers are kept."""


class PatientType(StrEnum):
    """Whether the practice has treated them, or they only ever asked."""

    EXISTING = "EXISTING"
    COLD_LEAD = "COLD_LEAD"


class PatientStatus(StrEnum):
    """Whether the practice still writes to them at all."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    DECEASED = "DECEASED"


class Channel(StrEnum):
    """A way to reach a patient."""

    EMAIL = "email"
    WHATSAPP = "whatsapp"
    SMS = "sms"


class Treatment(StoredModel):
    """One thing that was done. History only: `Patient.next_follow_up_date` decides recalls."""

    procedure_name: str
    procedure_date: UtcDatetime | None = None
    next_recommended_follow_up: str | None = None
    next_follow_up_date: UtcDatetime | None = None


class Consent(StoredModel):
    """Whether the patient wants to be written to, and how we know."""

    opted_out_at: UtcDatetime | None = None
    reason: str | None = None
    opted_in_at: UtcDatetime | None = None
    opted_in_by: str | None = None
    """Who consented, in staff's words: the patient, or somebody who decides for them."""
    source: str | None = None


ERASED_NAME = "Erased patient"


class Erasure(StoredModel):
    """That everything that tells who they are was to be removed, and whether it is.

    `done_at`: nothing of it is left since. `pending_since` is there until what others were still
    writing meanwhile was looked for, too; a crash in between is taken up.
    """

    by: str
    pending_since: UtcDatetime | None = None
    done_at: UtcDatetime | None = None


class Patient(Document):
    """A stored patient.

    Unique by (`email`, `name_key`) where there is an e-mail: families share a mailbox.
    """

    name: str
    name_key: str
    email: str | None = None
    phone: str | None = None
    other_contacts: list[str] = Field(default_factory=list)
    """Addresses and numbers of records that were merged into this one, in the form of `email` and
    `phone`. They tell who writes; nothing is ever sent there.
    """
    patient_type: PatientType
    status: PatientStatus = PatientStatus.ACTIVE
    preferred_channel: list[Channel] = Field(default_factory=lambda: [Channel.EMAIL])
    language: str = "en"
    treatment_history: list[Treatment] = Field(default_factory=list)
    next_follow_up_date: UtcDatetime | None = None
    initial_inquiry: str | None = None
    estimated_value: float | None = None
    consent: Consent = Field(default_factory=Consent)
    erasure: Erasure | None = None

    def to_stored(self) -> dict[str, Any]:
        """See `StoredModel`. What a search goes by is written with it and never read back."""
        return super().to_stored() | {SEARCH_KEYS: search_keys(self.name_key, self.contacts)}

    @property
    def about_patient(self) -> PyObjectId:
        """See `StoredModel.about_patient`."""
        return self.id

    @property
    def contacts(self) -> list[str]:
        """Every address and number that is theirs, those on file first."""
        return [one for one in (self.email, self.phone, *self.other_contacts) if one]

    @property
    def has_opted_out(self) -> bool:
        """Whether staff or the patient recorded an opt-out that still stands."""
        return self.consent.opted_out_at is not None

    @property
    def first_name(self) -> str:
        """What a letter calls them: the first word of the name."""
        return self.name.split()[0] if self.name.split() else self.name


def normalise_email(address: str) -> str:
    """An address as it is compared: NFKC, casefolded, no blanks around. Dots and plus tags stay."""
    return unicodedata.normalize("NFKC", address).strip().casefold()


def name_key(name: str, *, duplicate: str = "") -> str:
    """A name as it is compared: without case, accents, punctuation and extra blanks.

    `duplicate` keeps a true namesake on the same mailbox apart (`allow_duplicate`).
    """
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(mark for mark in decomposed if not unicodedata.combining(mark))
    key = " ".join(re.sub(r"[^\w]+", " ", letters).split()) or name.casefold().strip()
    return f"{key}#{duplicate}" if duplicate else key


def search_keys(key: str, contacts: Iterable[str]) -> list[str]:
    """What a search term may be the beginning of: the name from each of its words on, an address
    as it is and as a name is compared, and a number from each digit that starts enough of them.

    `key` is a name key; of the contacts, addresses are normalised and numbers are in E.164.
    """
    words = key.partition("#")[0].split()
    keys = {" ".join(words[place:]) for place in range(len(words))}
    for contact in contacts:
        keys.add(contact)
        if "@" in contact:
            keys.add(name_key(contact))
        else:
            digits = contact.lstrip("+")
            keys |= {digits[place:] for place in range(len(digits) - FEWEST_DIGITS + 1)}
    return sorted(keys)
