"""Patients as staff keep them: create, change, look at everything about one."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.core.clock import Clock
from app.core.errors import UnprocessableError
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.db.repositories.base import Page
from app.db.repositories.patients import PatientFilter
from app.models.appointment import Appointment
from app.models.base import PyObjectId
from app.models.campaign import Campaign
from app.models.patient import Patient, Treatment, name_key, normalise_email
from app.services.clinic import ClinicService
from app.services.patients import (
    DuplicatePatientError,
    PatientDirectory,
    PatientMergedError,
    PatientNotFoundError,
    clean_name,
    refuse_erased,
)
from app.services.scheduling.localtime import day_bounds, local_day, to_instant

NOBODY = "There is no patient with this id."
_NO_CONTACT = "Give an e-mail address or a phone number."


class UnreachablePatientError(UnprocessableError):
    """A patient needs an e-mail address or a phone number."""

    slug = "patient-without-contact"
    title = "A patient needs a way to be reached"


@dataclass(frozen=True)
class PatientFile:
    """Everything about one patient."""

    patient: Patient
    campaigns: list[Campaign]
    appointments: list[Appointment]


async def stored_patient(repositories: Repositories, patient_id: PyObjectId) -> Patient:
    """The patient. Raises `PatientNotFoundError`, for one who was merged with a pointer on."""
    patient = await repositories.patients.get(patient_id)
    if patient is not None:
        return patient
    merge = await repositories.patient_merges.get(patient_id)
    if merge is not None:
        raise PatientMergedError.into(merge.survivor_id)
    raise PatientNotFoundError(NOBODY)


async def ids_of(repositories: Repositories, patient_id: PyObjectId) -> list[PyObjectId]:
    """Under which ids a patient is known: the record's, and those of records that were merged into
    it and are not there again.
    """
    absorbed = await repositories.patient_merges.absorbed_into(patient_id)
    back = await repositories.patients.get_many(absorbed)
    return [patient_id, *(one for one in absorbed if one not in back)]


class PatientRecords:
    """Staff's view of patients."""

    def __init__(
        self,
        repositories: Repositories,
        directory: PatientDirectory,
        clinic: ClinicService,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._directory = directory
        self._clinic = clinic
        self._clock = clock

    async def page(self, wanted: PatientFilter, *, page: int, limit: int) -> Page[Patient]:
        """One page, by name."""
        return await self._repositories.patients.page(wanted, page=page, limit=limit)

    async def get(self, patient_id: PyObjectId) -> Patient:
        """The patient. Raises `PatientNotFoundError`, for one who was merged with a pointer on."""
        return await stored_patient(self._repositories, patient_id)

    async def file(self, patient_id: PyObjectId) -> PatientFile:
        """One patient with their campaigns and visits, newest first."""
        patient, campaigns, visits = await asyncio.gather(
            self.get(patient_id),
            self._repositories.campaigns.all_for([patient_id]),
            self._repositories.appointments.all_for_patient(patient_id),
        )
        return PatientFile(patient, campaigns, visits)

    async def create(self, fields: Mapping[str, Any], *, allow_duplicate: bool) -> Patient:
        """Store a new patient.

        Raises `UnreachablePatientError`, `DuplicatePatientError`, `InvalidNameError`,
        `InvalidPhoneError`.
        """
        _require_contact(fields.get("email"), fields.get("phone"))
        patient = await self._directory.prepare(**await self._with_instants(fields))
        return await self._directory.create(patient, allow_duplicate=allow_duplicate)

    async def update(self, patient_id: PyObjectId, fields: Mapping[str, Any]) -> Patient:
        """Change what is given; `None` removes what may be absent.

        Raises what `create` raises, and `PatientNotFoundError`.
        """
        patient = await self.get(patient_id)
        refuse_erased(patient)
        stored = await self._stored_form(patient, fields)
        changed = {name: value for name, value in stored.items() if value is not None}
        removed = [name for name, value in stored.items() if value is None]
        try:
            done = await self._repositories.patients.change(patient_id, changed, unset=removed)
        except DuplicateValueError as error:
            message = "Another patient of this name has this e-mail address."
            raise DuplicatePatientError(message) from error
        now = await self.get(patient_id)
        if not done:
            refuse_erased(now)  # while this was on its way
            raise UnreachablePatientError(_NO_CONTACT)
        return now

    async def _stored_form(self, patient: Patient, fields: Mapping[str, Any]) -> dict[str, Any]:
        stored = await self._with_instants(fields)
        if stored.get("name"):
            stored["name"] = clean_name(stored["name"])
            stored["name_key"] = _key_kept(patient, stored["name"])
        if stored.get("email"):
            stored["email"] = normalise_email(stored["email"])
        if stored.get("phone"):
            stored["phone"] = await self._directory.read_phone(stored["phone"])
        if history := stored.get("treatment_history"):
            stored["treatment_history"] = [treatment.to_stored() for treatment in history]
        others = _other_contacts_left(patient, stored)
        stored.pop("other_contacts", None)
        return stored if others == patient.other_contacts else stored | {"other_contacts": others}

    async def _with_instants(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Days become the instants at which they start on the clinic's clock."""
        zone = (await self._clinic.current()).zone
        resolved = dict(fields)
        if due := resolved.get("next_follow_up_date"):
            resolved["next_follow_up_date"] = start_of_day(due, zone)
        if history := resolved.get("treatment_history"):
            resolved["treatment_history"] = [_treatment(item, zone) for item in history]
        return resolved


def _treatment(item: Mapping[str, Any], zone: ZoneInfo) -> Treatment:
    days = ("procedure_date", "next_follow_up_date")
    instants = {name: start_of_day(item[name], zone) for name in days if item.get(name)}
    return Treatment.model_validate({**item, **instants})


def _other_contacts_left(patient: Patient, stored: Mapping[str, Any]) -> list[str]:
    """Staff may take some away and add none; what is on file from now on is no other contact."""
    kept = stored.get("other_contacts", patient.other_contacts) or ()
    on_file = (stored.get("email"), stored.get("phone"))
    return [one for one in patient.other_contacts if one in kept and one not in on_file]


def _key_kept(patient: Patient, name: str) -> str:
    """A namesake who was told apart on the same mailbox stays so, however the name is spelt."""
    key, mark, _ = patient.name_key.partition("#")
    return patient.name_key if mark and name_key(name) == key else name_key(name)


def start_of_day(value: date | datetime, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which the day starts on the clinic's clock; a time's day counts.

    A time without an offset is the clinic's. Raises the errors of local times.
    """
    if isinstance(value, datetime):
        value = local_day(to_instant(value, zone), zone)
    return day_bounds(value, zone)[0]


def _require_contact(email: object, phone: object) -> None:
    if not email and not phone:
        raise UnreachablePatientError(_NO_CONTACT)
