"""Everything that some rows of a schedule are decided by, read at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.appointment import Appointment, AppointmentStatus
from app.models.base import PyObjectId, new_id
from app.models.campaign import Campaign
from app.models.imports import Import, ImportLine, ImportRow, ScheduleConflict
from app.models.patient import Patient
from app.services.clinic import ClinicService
from app.services.imports.faults import RowFault, erased
from app.services.imports.holdings import Holdings, Wanted, spans_of
from app.services.imports.merge import Change, compare
from app.services.imports.people import People, Person, is_same_name, new_patient
from app.services.imports.visit_rows import Named, Practice, VisitRow, read_row

TAKES_TIME = frozenset(
    {AppointmentStatus.BOOKED, AppointmentStatus.CONFIRMED, AppointmentStatus.COMPLETED}
)


@dataclass
class Task:
    """A row that can be read, with the visit it is about and what is to be done."""

    row: VisitRow
    visit_id: PyObjectId
    patient: Patient
    visit: Appointment | None = None
    change: Change | None = None
    races: int = 0
    """How often somebody else was faster."""
    is_overtaken: bool = False
    """Whether what was read of it is no longer how it stands."""

    def lose_race(self) -> None:
        """Somebody else was faster: it has to be looked at again."""
        self.races += 1
        self.is_overtaken = True


@dataclass
class VisitBatch:
    """The rows and what is known about them."""

    wanted: Import
    practice: Practice
    tasks: list[Task]
    faults: list[tuple[ImportLine, RowFault]]
    campaigns: dict[PyObjectId, Campaign]
    conflicts: dict[str, ScheduleConflict]
    holdings: Holdings
    unknown: set[PyObjectId] = field(default_factory=set)
    """Patients that are not stored yet."""
    due: dict[PyObjectId, datetime | None] = field(default_factory=dict)
    """When patients are due again after the visits of this batch that are over."""
    drafts: list[tuple[Task, Appointment]] = field(default_factory=list)
    """New visits that have a place and are to be stored together."""
    rows: list[ImportRow] = field(default_factory=list)
    """What became of those that are done."""

    @property
    def now(self) -> datetime:
        """When this batch is worked on."""
        return self.practice.now

    def status_after(self, task: Task) -> AppointmentStatus:
        """Where the visit stands once the row is done."""
        if task.visit is None or task.change is None:
            return task.row.status
        return task.change.status or task.visit.status

    def needs_place(self, task: Task) -> bool:
        """Whether it must claim time that it does not hold. Time that is over nobody can book."""
        if self.status_after(task) not in TAKES_TIME or task.row.ends_at <= self.now:
            return False
        return task.visit is None or (task.change is not None and task.change.moves)

    def place(self, task: Task) -> Wanted:
        """Where it goes: in the chair it is in before any other, where the file names none."""
        row = task.row
        return Wanted(
            appointment_id=task.visit_id,
            patient_id=task.patient.id,
            provider_id=row.provider_id,
            chair_ids=(row.chair_id,) if row.chair_id else self._chairs(task),
            starts_at=row.starts_at,
            duration_minutes=row.duration_minutes,
        )

    def _chairs(self, task: Task) -> tuple[PyObjectId, ...]:
        present = task.visit.chair_id if task.visit else None
        chairs = self.practice.chairs.items
        fitting = [one for one in chairs if one.active and _serves(one.service_ids, task.row)]
        ordered = sorted(fitting, key=lambda one: (one.id != present, one.name, one.id))
        return tuple(one.id for one in ordered)


def _serves(service_ids: Sequence[str] | None, row: VisitRow) -> bool:
    return service_ids is None or row.service_id in service_ids


class VisitBatchReader:
    """Reads batches: a fixed number of queries each, however many rows."""

    def __init__(self, repositories: Repositories, clinic: ClinicService, clock: Clock) -> None:
        self._repositories = repositories
        self._clinic = clinic
        self._clock = clock

    async def practice(self, wanted: Import) -> Practice:
        """The practice as it is now."""
        repositories = self._repositories
        return Practice(
            clinic=await self._clinic.current(),
            providers=Named(await repositories.providers.every()),
            chairs=Named(await repositories.chairs.every()),
            services=await repositories.services.every(),
            now=self._clock.now(),
            creates_missing=wanted.options.create_missing,
        )

    async def read(self, wanted: Import, lines: Sequence[ImportLine]) -> VisitBatch:
        """What the rows ask for, and everything known about it."""
        practice = await self.practice(wanted)
        rows: list[tuple[ImportLine, VisitRow]] = []
        faults: list[tuple[ImportLine, RowFault]] = []
        for line in lines:
            try:
                rows.append((line, read_row(line, practice)))
            except RowFault as fault:
                faults.append((line, fault))
        batch = VisitBatch(wanted, practice, [], faults, {}, {}, Holdings(()))
        await self._look_up(batch, rows)
        return batch

    async def _look_up(self, batch: VisitBatch, rows: list[tuple[ImportLine, VisitRow]]) -> None:
        repositories = self._repositories
        external_ids = [row.external_id for _, row in rows]
        visits = await repositories.appointments.named(external_ids)
        batch.conflicts = await repositories.schedule_conflicts.named(external_ids)
        owners = await repositories.patients.get_many(one.patient_id for one in visits.values())
        owner_of = {name: owners.get(visit.patient_id) for name, visit in visits.items()}
        unclear = [
            one.person for _, one in rows if not _fits(one.person, owner_of.get(one.external_id))
        ]
        people = await People.among(repositories.patients, unclear)
        for line, row in rows:
            try:
                visit = visits.get(row.external_id)
                batch.tasks.append(_task(batch, row, visit, people, owners))
            except RowFault as fault:
                batch.faults.append((line, fault))
        ids = {task.patient.id for task in batch.tasks} - batch.unknown
        batch.campaigns = await repositories.campaigns.active_among(ids)
        batch.holdings = await self._holdings(batch)

    async def _holdings(self, batch: VisitBatch) -> Holdings:
        holdings = Holdings(())
        places = [batch.place(task) for task in batch.tasks if batch.needs_place(task)]
        for since, before in spans_of(places):
            holdings.add(await self._repositories.appointments.claiming_between(since, before))
            if batch.wanted.dry_run:
                rows = self._repositories.import_rows
                holdings.plan(await rows.planned_between(batch.wanted.id, since, before))
        return holdings


def _task(
    batch: VisitBatch,
    row: VisitRow,
    visit: Appointment | None,
    people: People,
    owners: dict[PyObjectId, Patient],
) -> Task:
    if visit is not None:
        owner = owners.get(visit.patient_id)
        if owner is None:
            reason, sentence = "patient_gone", "The patient of this visit is no longer here."
            raise RowFault(reason, sentence)
        _require_same_person(row, owner, people)
        return Task(row, visit.id, owner, visit=visit, change=compare(row, visit))
    patient = people.find(row.person)
    if patient is None:
        patient = new_patient(row.person, batch.now)
        people.add(patient)
        batch.unknown.add(patient.id)
    if patient.erasure is not None:
        raise erased()
    return Task(row, new_id(), owners.setdefault(patient.id, patient))


def _require_same_person(row: VisitRow, owner: Patient, people: People) -> None:
    """An id that another system gave away twice must not show one patient's visit to another."""
    if owner.erasure is not None:
        raise erased()
    if _fits(row.person, owner):
        return
    found = people.find(row.person)  # name and contact of the owner may have been corrected here
    if found is None or found.id != owner.id:
        reason = "other_patient"
        sentence = "This external_id belongs to a visit of another patient here."
        raise RowFault(reason, sentence)


def _fits(person: Person, owner: Patient | None) -> bool:
    """By any contact that is theirs, or by the name."""
    if owner is None:
        return False
    by_contact = any(one in owner.contacts for one in (person.email, person.phone))
    return by_contact or is_same_name(person.key, owner.name_key)
