"""Who is who: patients by contact and name, and the one way a new one is stored.

Families share a mailbox and a phone, so a contact alone names nobody where several share it.
"""

import unicodedata
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NoReturn, Self

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError, UnprocessableError
from app.db.errors import DuplicateValueError
from app.db.indexes import PATIENT_EMAIL_NAME
from app.db.repositories import Repositories
from app.models.base import PyObjectId, new_id
from app.models.decision import Urgency
from app.models.interaction import Direction, Interaction
from app.models.patient import (
    Channel,
    Patient,
    PatientStatus,
    PatientType,
    name_key,
    normalise_email,
)
from app.models.schedule import Clinic
from app.services.campaigns import CampaignLifecycle
from app.services.clinic import ClinicService
from app.services.phones import to_e164
from app.services.scheduling.localtime import local_day

MAX_NAME_LENGTH = 120
_FORBIDDEN_IN_NAMES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class InvalidNameError(UnprocessableError):
    """A name that could not stand in a letter."""

    slug = "invalid-name"
    title = "This is not a name"


class PatientNotFoundError(NotFoundError):
    """No patient, or not this one."""

    slug = "patient-not-found"
    title = "No such patient"


class PatientMergedError(PatientNotFoundError):
    """The record went into another; `patient_id` names that."""

    slug = "patient-merged"
    title = "This patient was merged with another"

    @classmethod
    def into(cls, survivor_id: PyObjectId) -> Self:
        """Pointing at the record that stands."""
        message = "This record was merged into another one of the same person."
        return cls(message, extra={"patient_id": str(survivor_id)})


class DuplicatePatientError(ConflictError):
    """The practice has a patient of this name on this address; `patient_id` names them."""

    slug = "duplicate-patient"
    title = "This patient exists already"


class ErasedPatientError(ConflictError):
    """Nothing is written into what is left of an erased patient, nor booked for them."""

    slug = "patient-erased"
    title = "This patient was erased"


def refuse_erased(patient: Patient) -> None:
    """Raises `ErasedPatientError` also while the erasure is going on."""
    if patient.erasure is not None:
        message = "This patient was erased. Add the person as a new patient, where they came back."
        raise ErasedPatientError(message)


def clean_name(name: str) -> str:
    """The name with single blanks, 1 to 120 characters. Raises `InvalidNameError`.

    Control characters and line breaks could forge a header of a letter; characters that reverse
    the reading direction could make it show another name. One without any letter or digit (blanks
    that cannot be seen, say) names nobody.
    """
    if any(unicodedata.category(c) in _FORBIDDEN_IN_NAMES or c in _BIDI_CONTROLS for c in name):
        message = "A name is one line without control characters."
        raise InvalidNameError(message)
    cleaned = " ".join(name.split())
    if not 1 <= len(cleaned) <= MAX_NAME_LENGTH:
        message = f"A name has 1 to {MAX_NAME_LENGTH} characters."
        raise InvalidNameError(message)
    if not any(character.isalnum() for character in cleaned):
        message = "A name has at least one letter."
        raise InvalidNameError(message)
    return cleaned


_NOBODY = "We could not find a patient with this e-mail address or phone number."
_UNCLEAR = (
    "Somebody tried to book on a contact that several patients share, and the name they gave did "
    "not tell them apart. They may call."
)


class PatientDirectory:
    """Finds patients and stores new ones."""

    def __init__(
        self,
        repositories: Repositories,
        clinic: ClinicService,
        lifecycle: CampaignLifecycle,
        clock: Clock,
    ) -> None:
        self._patients = repositories.patients
        self._campaigns = repositories.campaigns
        self._interactions = repositories.interactions
        self._clinic = clinic
        self._lifecycle = lifecycle
        self._clock = clock

    async def find_for_booking(self, *, email: str, phone: str | None, name: str) -> Patient | None:
        """Who books: by e-mail, else by phone, told apart by name where several share it.

        `None` where the practice knows nobody on either. Raises `PatientNotFoundError` where
        several share the contact and the name does not decide; staff are told. `phone` is E.164.
        """
        found, contact = await self._on_contact(email, phone)
        if not found:
            return None
        return _the_one(found, name) or await self._undecidable(found, contact)

    async def identify(
        self, *, email: str | None, phone: str | None, name: str
    ) -> tuple[Patient | None, bool]:
        """Whom a contact and a name mean, as for a booking, and whether anybody has the contact.

        Nobody is told where it stays unclear.
        """
        found, _ = await self._on_contact(email, phone)
        return _the_one(found, name), bool(found)

    async def _on_contact(self, email: str | None, phone: str | None) -> tuple[list[Patient], str]:
        """The patients on the address, else on the number, and which of the two it was."""
        contact = normalise_email(email) if email else ""
        found = await self._having(contact)
        if not found and phone is not None:
            contact = phone
            found = await self._having(phone)
        return [one for one in found if one.status != PatientStatus.DECEASED] or found, contact

    async def _having(self, contact: str) -> list[Patient]:
        """Who has it on file; where nobody has, of whom it is another address or number."""
        if not contact:
            return []
        patients = self._patients
        look_up = patients.with_email if "@" in contact else patients.with_phone
        return await look_up(contact) or await patients.with_other_contact(contact)

    async def _undecidable(self, found: Sequence[Patient], contact: str) -> NoReturn:
        campaigns = await self._campaigns.all_for(one.id for one in found)
        if campaigns:
            await self._lifecycle.raise_attention(
                campaigns[0].id,
                reason="booking_patient_unclear",
                summary=_UNCLEAR,
                urgency=Urgency.NORMAL,
            )
        else:
            await self._note_unclear(contact)
        raise PatientNotFoundError(_NOBODY)

    async def _note_unclear(self, contact: str) -> None:
        """Tell staff in the list of unmatched messages: no campaign can carry their attention.

        However often somebody tries, a contact makes one entry a day of the clinic's.
        """
        now = self._clock.now()
        day = local_day(now, (await self._clinic.current()).zone)
        occasion = sha256(f"{contact}@{day.isoformat()}".encode()).hexdigest()
        await self._interactions.record_incoming(
            Interaction(
                direction=Direction.INCOMING,
                channel=Channel.EMAIL,
                content=_UNCLEAR,
                timestamp=now,
                unmatched=True,
                provider_id=f"booking-unclear:{occasion}",
            )
        )

    async def prepare(
        self,
        *,
        name: str,
        email: str | None = None,
        phone: str | None = None,
        patient_type: PatientType,
        preferred_channel: list[Channel] | None = None,
        clinic: Clinic | None = None,
        **details: Any,  # noqa: ANN401 - fields of Patient, checked by it
    ) -> Patient:
        """A new patient with everything in its stored form, not stored yet.

        `clinic` need not be read again where it was a moment ago. Raises `InvalidNameError` and
        `InvalidPhoneError`.
        """
        cleaned = clean_name(name)
        now = self._clock.now()
        given = {field: value for field, value in details.items() if value is not None}
        if preferred_channel:
            given["preferred_channel"] = preferred_channel
        return Patient(
            name=cleaned,
            name_key=name_key(cleaned),
            email=normalise_email(email) if email else None,
            phone=await self.read_phone(phone, clinic),
            patient_type=patient_type,
            created_at=now,
            updated_at=now,
            **given,
        )

    async def read_phone(self, phone: str | None, clinic: Clinic | None = None) -> str | None:
        """The number in E.164, read with the clinic's country. Raises `InvalidPhoneError`."""
        if phone is None:
            return None
        clinic = clinic or await self._clinic.current()
        return to_e164(phone, clinic.country)

    async def find(self, wanted: Patient) -> Patient | None:
        """Whom staff mean: the only patient on the address (without one: on the number), or the
        one of several who has the name.
        """
        return _the_one(await self._having(wanted.email or wanted.phone or ""), wanted.name)

    async def store_or_find(self, patient: Patient) -> Patient:
        """Store a new patient; where one of this address and name came first, that one.

        Storing the same patient (by id) twice answers the stored one too, or whom that was merged
        into.
        """
        try:
            return await self._patients.insert(patient)
        except DuplicateValueError as error:
            if error.index != PATIENT_EMAIL_NAME:
                return await self._patients.standing(patient.id) or patient
        return await self._namesake(patient)

    async def store_or_find_each(self, patients: Sequence[Patient]) -> dict[PyObjectId, Patient]:
        """`store_or_find` for many at once: who is stored now, by the id that was asked for.

        Of whom this call stored it is the very object that was given.
        """
        refused = await self._patients.insert_each(patients)
        stored = {patient.id: patient for patient in patients}
        for patient in patients:
            if patient.id in refused:
                stored[patient.id] = await self.store_or_find(patient)
        return stored

    async def create(self, patient: Patient, *, allow_duplicate: bool = False) -> Patient:
        """Store a new patient. Raises `DuplicatePatientError` unless a true namesake on the same
        address is meant (`allow_duplicate`).
        """
        try:
            return await self._patients.insert(patient)
        except DuplicateValueError as error:
            if not allow_duplicate:
                stored = await self._namesake(patient)
                message = "A patient of this name has this e-mail address already."
                raise DuplicatePatientError(
                    message, extra={"patient_id": str(stored.id)}
                ) from error
        key = name_key(patient.name, duplicate=str(new_id()))
        return await self._patients.insert(patient.model_copy(update={"name_key": key}))

    async def _namesake(self, patient: Patient) -> Patient:
        on_address = await self._patients.with_email(patient.email) if patient.email else []
        same = (one for one in on_address if one.name_key == patient.name_key)
        return next(same, patient)


def _the_one(found: Sequence[Patient], name: str) -> Patient | None:
    """The only one, or the only one of several with this name."""
    if len(found) > 1:
        key = name_key(name)
        found = [one for one in found if one.name_key.partition("#")[0] == key]
    return found[0] if len(found) == 1 else None
