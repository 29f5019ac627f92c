"""Who a row is about: on the address by name, else on the number by name, else whom a row of this
name and contact made before, else somebody new.

Other systems write names their own way ("Smith, Dana M."), and families share an address. So a
contact alone names nobody here: the name has to fit, in any order of its words, and may lack some.
Name and contact may have been corrected here since, and the record merged into another one: the id
it was made under still tells who it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

from app.core.addresses import EmailAddress
from app.db.repositories.patients import PatientRepository
from app.models.base import PyObjectId, as_object_id, new_id
from app.models.patient import (
    Patient,
    PatientStatus,
    PatientType,
    name_key,
    normalise_email,
)
from app.services.imports.faults import RowFault
from app.services.patients import InvalidNameError, clean_name
from app.services.phones import InvalidPhoneError, to_e164

_ID_DIGITS = 24
_FEWEST_WORDS = 2
_FORMULA = ("=", "+", "-", "@")
_ADDRESS = TypeAdapter[str](EmailAddress)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as a row names them; contacts that are none are left out and noted."""

    name: str
    key: str
    email: str | None = None
    phone: str | None = None
    notes: tuple[str, ...] = ()
    external_id: str = ""
    """The visit they come to: what they are told apart by where there is no contact."""

    @property
    def contact(self) -> str | None:
        """What they are told apart by, beside the name."""
        return self.email or self.phone

    @property
    def lasting_ids(self) -> list[PyObjectId]:
        """The ids under which rows of this name make somebody: by address, by number, or else by
        the visit, as two people of one name without any contact stay two.
        """
        contacts = [one for one in (self.email, self.phone) if one]
        told_by = contacts or [f"external:{self.external_id}"]
        return [lasting_id("patient", one, self.key) for one in told_by]


def read_person(cells: Mapping[str, str], country: str, *, external_id: str = "") -> Person:
    """Raises `RowFault` for a name that could not stand in a letter."""
    name = _name(cells)
    notes: list[str] = []
    email = _email(cells.get("email"), notes)
    phone = _phone(cells.get("phone"), country, notes)
    return Person(name, name_key(name), email, phone, tuple(notes), external_id)


def _name(cells: Mapping[str, str]) -> str:
    name = cells.get("name") or ""
    if "last_name" in cells and not name:
        name = f"{cells.get('first_name', '')} {cells['last_name']}"
    last, comma, first = name.partition(",")
    if comma and first.strip() and "," not in first:
        name = f"{first} {last}"
    if name.lstrip().startswith(_FORMULA):
        reason, sentence = "name_is_formula", "The name begins like a formula of a spreadsheet."
        raise RowFault(reason, sentence)
    try:
        return clean_name(name)
    except InvalidNameError as error:
        reason = "invalid_name"
        raise RowFault(reason, error.detail) from error


def _email(text: str | None, notes: list[str]) -> str | None:
    if not text:
        return None
    try:
        return normalise_email(_ADDRESS.validate_python(text))
    except ValidationError:
        notes.append("email_left_out")
        return None


def _phone(text: str | None, country: str, notes: list[str]) -> str | None:
    if not text:
        return None
    try:
        return to_e164(text, country)
    except InvalidPhoneError:
        notes.append("phone_left_out")
        return None


def lasting_id(*parts: str) -> PyObjectId:
    """The same id for the same thing, however often and wherever it is made."""
    digest = sha256("\x1f".join(parts).encode()).hexdigest()
    return as_object_id(digest[:_ID_DIGITS]) or new_id()


def is_same_name(one: str, other: str) -> bool:
    """Whether two name keys may be one person's: the same words, or all of the shorter one's."""
    first, second = (set(key.partition("#")[0].split()) for key in (one, other))
    shorter, longer = sorted((first, second), key=len)
    return first == second or (len(shorter) >= _FEWEST_WORDS and shorter <= longer)


class People:
    """The patients that some rows may be about, read at once."""

    def __init__(self, known: Iterable[Patient] = ()) -> None:
        self._by_contact: defaultdict[str, dict[PyObjectId, Patient]] = defaultdict(dict)
        self._by_id: dict[PyObjectId, Patient] = {}
        self._merged: dict[PyObjectId, PyObjectId] = {}
        for one in known:
            self.add(one)

    @classmethod
    async def among(cls, patients: PatientRepository, persons: Iterable[Person]) -> "People":
        """Everybody on the contacts of these rows, and whom such rows made before: a fixed number
        of queries.
        """
        wanted = list(persons)
        emails = {person.email for person in wanted if person.email}
        phones = {person.phone for person in wanted if person.phone}
        people = cls(await patients.with_any_contact(emails, phones))
        strangers = [person for person in wanted if people.find(person) is None]
        ids = (one for person in strangers for one in person.lasting_ids)
        people._remember(await patients.standing_each(ids))
        return people

    def _remember(self, standing: Mapping[PyObjectId, Patient]) -> None:
        """Who stands for an id now. Everybody is there once, or a row would undo another one."""
        for made_as, patient in standing.items():
            if patient.id not in self._by_id:
                self.add(patient)
            self._merged[made_as] = patient.id

    def add(self, patient: Patient) -> None:
        """Somebody who was stored meanwhile, or has another contact now."""
        self._by_id[patient.id] = patient
        for contact in patient.contacts:
            self._by_contact[contact][patient.id] = patient

    def drop(self, patient: Patient) -> None:
        """Somebody who was not stored after all."""
        self._by_id.pop(patient.id, None)
        for on_contact in self._by_contact.values():
            on_contact.pop(patient.id, None)

    def find(self, person: Person) -> Patient | None:
        """The patient, or `None` where the name fits nobody on the contact, or several, and no
        such row made anybody before.
        """
        for contact in (person.email, person.phone):
            on_contact = self._by_contact.get(contact or "", {})
            found = _fitting(on_contact.values(), person)
            if found is not None:
                return found
        ids = (self._merged.get(one, one) for one in person.lasting_ids)
        return next((self._by_id[one] for one in ids if one in self._by_id), None)


def _fitting(candidates: Iterable[Patient], person: Person) -> Patient | None:
    alike = [one for one in candidates if is_same_name(one.name_key, person.key)]
    alike = [one for one in alike if one.status != PatientStatus.DECEASED] or alike
    exact = [one for one in alike if one.name_key.partition("#")[0] == person.key]
    found = exact or alike
    return found[0] if len(found) == 1 else None


def new_patient(person: Person, now: datetime) -> Patient:
    """Somebody the practice treats and we did not know; a row that is done twice makes one."""
    return Patient(
        id=person.lasting_ids[0],
        name=person.name,
        name_key=person.key,
        email=person.email,
        phone=person.phone,
        patient_type=PatientType.EXISTING,
        created_at=now,
        updated_at=now,
    )
