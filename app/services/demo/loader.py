"""Loads the demo clinic into an empty database.

Every document has an id that follows from what it is, so that loading again, after a crash or in
two processes at once, meets what is there and stores nothing twice.
"""

import contextlib
import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

from app.core.clock import Clock
from app.core.errors import ConflictError
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.db.repositories.base import DocumentRepository, DocumentT
from app.models.base import PyObjectId
from app.models.patient import Consent, Patient, PatientStatus, Treatment
from app.models.records import AuditEntry, KnowledgeArticle
from app.models.schedule import Chair, Provider, Service
from app.services.clinic import ClinicService
from app.services.demo.people import PEOPLE, DemoPatient, Standing
from app.services.patients import PatientDirectory
from app.services.scheduling.availability import AvailabilityService
from app.services.scheduling.booking import BookingService, StaffBooking
from app.services.scheduling.localtime import day_bounds, local_day

MARKER = "demo-clinic"
_STARTED, _FINISHED = "demo.load_started", "demo.load_finished"
_CLINIC = Path(__file__).parent / "clinic.json"
_VISIT_BEFORE_DUE = timedelta(days=182)
_FIRST_VISIT_IN = timedelta(days=5)
_SERVICE_OF = {"Check-up and Cleaning": "checkup_cleaning", "Filling": "filling"}
_STATUS_OF = {
    Standing.INACTIVE: PatientStatus.INACTIVE,
    Standing.DECEASED: PatientStatus.DECEASED,
}


class DemoLoader:
    """Stores the demo clinic. A load that a crash cut short is finished by the next start."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        clinic: ClinicService,
        directory: PatientDirectory,
        availability: AvailabilityService,
        booking: BookingService,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._clinic = clinic
        self._directory = directory
        self._availability = availability
        self._booking = booking
        self._clock = clock

    async def is_loaded(self) -> bool:
        """Whether a load was finished here."""
        return _FINISHED in await self._marks()

    async def load(self) -> bool:
        """Load into an empty database (or finish an earlier load); whether it did.

        A database that holds anything of a practice is left alone.
        """
        marks = await self._marks()
        if _FINISHED in marks or (_STARTED not in marks and not await self._is_empty()):
            return False
        await self._mark(_STARTED)
        await self._load_clinic()
        await self._load_people()
        await self._mark(_FINISHED)
        return True

    async def _is_empty(self) -> bool:
        repositories = self._repositories
        settings = (repositories.providers, repositories.chairs, repositories.services)
        if any([await repository.every() for repository in settings]):
            return False
        return await repositories.patients.is_empty()

    async def _marks(self) -> set[str]:
        return {entry.action for entry in await self._repositories.audit.about(MARKER)}

    async def _mark(self, action: str) -> None:
        entry = AuditEntry(
            actor="system",
            action=action,
            subject="demo",
            subject_id=MARKER,
            at=self._clock.now(),
        )
        await self._repositories.audit.insert(entry)

    async def _load_clinic(self) -> None:
        content = json.loads(_CLINIC.read_text(encoding="utf-8"))
        repositories = self._repositories
        for fields in content["services"]:
            service = Service(id=_id_of("service", fields["service_id"]), **fields)
            await _store(repositories.services, service)
        for fields in content["providers"]:
            provider = Provider(id=_id_of("provider", fields["name"]), **fields)
            await _store(repositories.providers, provider)
        for fields in content["chairs"]:
            await _store(repositories.chairs, Chair(id=_id_of("chair", fields["name"]), **fields))
        for fields in content["knowledge"]:
            article = KnowledgeArticle(id=_id_of("article", fields["title"]), **fields)
            await _store(repositories.knowledge, article)

    async def _load_people(self) -> None:
        for number, person in enumerate(PEOPLE):
            patient = await self._patient(person, number)
            await _store(self._repositories.patients, patient)
            if person.standing is Standing.BOOKED:
                await self._book(patient.id, _SERVICE_OF[person.treatment or ""])

    async def _patient(self, person: DemoPatient, number: int) -> Patient:
        due = await self._due_date(person)
        history = []
        if due and person.treatment:
            done = due - _VISIT_BEFORE_DUE
            history = [Treatment(procedure_name=person.treatment, procedure_date=done)]
        patient = await self._directory.prepare(
            name=person.name,
            email=None if person.standing is Standing.NO_EMAIL else _address(person),
            phone=f"+1212555{100 + number:04d}",
            patient_type=person.patient_type,
            language=person.language,
            initial_inquiry=person.inquiry,
            estimated_value=person.estimated_value,
            next_follow_up_date=due,
            treatment_history=history,
        )
        patient.id = _id_of("patient", person.name)
        patient.status = _STATUS_OF.get(person.standing, PatientStatus.ACTIVE)
        if person.standing is Standing.OPTED_OUT:
            patient.consent = Consent(
                opted_out_at=self._clock.now(), reason="asked at the desk", source="demo"
            )
        return patient

    async def _due_date(self, person: DemoPatient) -> datetime | None:
        if person.due_in_days is None:
            return None
        zone = (await self._clinic.current()).zone
        due = local_day(self._clock.now(), zone) + timedelta(days=person.due_in_days)
        return day_bounds(due, zone)[0]

    async def _book(self, patient_id: PyObjectId, service_id: str) -> None:
        """The first free time a few days ahead, unless an earlier load booked one already."""
        zone = (await self._clinic.current()).zone
        first = local_day(self._clock.now(), zone) + _FIRST_VISIT_IN
        last = first + timedelta(days=21)
        for free in await self._availability.between(str(first), str(last), service_id):
            if await self._repositories.appointments.all_for_patient(patient_id):
                return
            visit = StaffBooking(
                patient_id=patient_id, service_id=service_id, appointment_date=free.starts_at
            )
            # Another process that loads as well may be faster: the next time will do.
            with contextlib.suppress(ConflictError):
                await self._booking.staff_book(visit, by="demo")


def _address(person: DemoPatient) -> str:
    return person.email or f"{person.name.lower().replace(' ', '.')}@example.com"


def _id_of(kind: str, name: str) -> PyObjectId:
    return PyObjectId(hashlib.sha256(f"{MARKER}:{kind}:{name}".encode()).digest()[:12])


async def _store(repository: DocumentRepository[DocumentT], document: DocumentT) -> None:
    """Store it unless an earlier load has."""
    with contextlib.suppress(DuplicateValueError):
        await repository.insert(document)
