"""A schedule from another system into ours: every row a visit, a change of one, or a reason.

Imported visits are facts. They claim provider, chair and patient like any other and collide with
nothing but claims: hours, time off, grid and services are the business of whoever booked them.
"""

import logging
from collections.abc import Sequence
from typing import Any

from app.db.database import UNAVAILABLE_ERRORS
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.models.appointment import Appointment, AppointmentStatus
from app.models.base import PyObjectId
from app.models.imports import Import, ImportLine, ImportRow, RowOutcome
from app.services.imports.conflicts import ScheduleConflicts
from app.services.imports.faults import OVERTAKEN, RowFault, erased
from app.services.imports.merge import compare
from app.services.imports.missing import MissingVisitsSearch
from app.services.imports.processor import BatchResult
from app.services.imports.visit_batch import Task, VisitBatch, VisitBatchReader
from app.services.imports.visit_rows import Practice
from app.services.imports.visit_writes import OvertakenError, VisitWrites
from app.services.patients import PatientDirectory
from app.services.scheduling.effects import AppointmentEffects

logger = logging.getLogger(__name__)

RACE_ATTEMPTS = 5
_A = AppointmentStatus
_NEVER_BOOKED = frozenset({_A.CANCELLED, _A.NO_SHOW})
_CHANGED_HERE = "It was changed here after the file said so; what was changed here stands."
_NOT_TAKEN_OVER = "It was over or cancelled before it ever came into this book."
_FAILED = "This row failed for a reason of ours. Send the file again; if it fails again, tell us."
_COLLIDES = "Somebody else has this time here. It stays an open conflict until it is settled."
_NO_CHAIR = "No chair is in use here that this visit could be in."


class VisitImporter:
    """The `RowImporter` of appointments."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        reader: VisitBatchReader,
        directory: PatientDirectory,
        effects: AppointmentEffects,
        writes: VisitWrites,
        conflicts: ScheduleConflicts,
        missing: MissingVisitsSearch,
    ) -> None:
        self._repositories = repositories
        self._appointments = repositories.appointments
        self._reader = reader
        self._directory = directory
        self._effects = effects
        self._writes = writes
        self._conflicts = conflicts
        self._missing = missing

    async def run(self, wanted: Import, lines: Sequence[ImportLine]) -> BatchResult:
        """See `RowImporter`."""
        batch = await self._reader.read(wanted, lines)
        if not wanted.dry_run:
            await self._make_missing(batch.practice)
        batch.rows += [_refused(batch, line, fault) for line, fault in batch.faults]
        for task in batch.tasks:
            await self._guarded(batch, task)
        await self._store(batch)
        batch.rows.sort(key=lambda row: row.number)
        return BatchResult(batch.rows, _span(batch))

    async def finish(self, wanted: Import, /) -> dict[str, int]:
        """See `RowImporter`."""
        missing = await self._missing.run(wanted)
        if not wanted.dry_run:
            await self._conflicts.tell_staff()
        return {RowOutcome.MISSING.value: missing} if missing else {}

    async def _make_missing(self, practice: Practice) -> None:
        """Providers and chairs under ids that follow from their names: each is made once."""
        for provider in practice.made_providers:
            await _insert_once(self._repositories.providers, provider)
        for chair in practice.made_chairs:
            await _insert_once(self._repositories.chairs, chair)

    async def _guarded(self, batch: VisitBatch, task: Task) -> None:
        """Do a row, or put it among those that are stored together."""
        while task.races < RACE_ATTEMPTS:
            try:
                if task.is_overtaken:
                    await self._look_again(batch, task)
                batch.rows += await self._row(batch, task)
            except RowFault as fault:
                refused = _result(batch, task, RowOutcome.REFUSED, fault.reason, fault.sentence)
                batch.rows.append(refused)
            except UNAVAILABLE_ERRORS:
                raise
            except OvertakenError:
                task.lose_race()
                continue
            except Exception as error:  # noqa: BLE001 - one bad row must not stop the file
                batch.rows.append(_failed(batch, task, error))
            return
        batch.rows.append(_result(batch, task, RowOutcome.REFUSED, "overtaken", OVERTAKEN))

    async def _look_again(self, batch: VisitBatch, task: Task) -> None:
        """A race was lost: read the visit and the holders of its time once more."""
        await self._store(batch)  # what is not stored would not be found
        found = await self._appointments.named([task.row.external_id])
        task.visit = found.get(task.row.external_id)
        if task.visit is not None:
            await self._effects.apply_now(task.visit)
            task.visit = await self._appointments.get(task.visit.id) or task.visit
            task.visit_id = task.visit.id
            task.change = compare(task.row, task.visit)
        since, before = batch.place(task).reach()
        holders = await self._appointments.claiming_between(since, before)
        batch.holdings.refresh(batch.place(task).all_claims(), holders)
        task.is_overtaken = False

    async def _row(self, batch: VisitBatch, task: Task) -> list[ImportRow]:
        """What became of it; nothing yet where it is to be stored with others."""
        if task.patient.erasure is not None:
            raise erased()
        if task.visit is None:
            return await self._new(batch, task)
        return [await self._known(batch, task, task.visit)]

    # A visit that the book does not have

    async def _new(self, batch: VisitBatch, task: Task) -> list[ImportRow]:
        if task.row.status in _NEVER_BOOKED:
            await self._conflicts.resolve(batch, task)
            return [_result(batch, task, RowOutcome.SKIPPED, "never_booked", _NOT_TAKEN_OVER)]
        place = batch.place(task)
        if not place.chair_ids:
            reason = "no_chair"
            raise RowFault(reason, _NO_CHAIR)
        if not batch.needs_place(task):
            return self._create(batch, task, place.chair_ids[0], None)
        chair = await self._free_chair(batch, task)
        if chair is not None:
            return self._create(batch, task, chair, batch.place(task).claims(chair))
        await self._store_patients(batch, [task])
        return [await self._collided(batch, task)]

    async def _free_chair(self, batch: VisitBatch, task: Task) -> PyObjectId | None:
        """Where its time is free. Who is in the way may not be stored yet, and may never be."""
        chair = batch.holdings.free_chair(batch.place(task))
        if chair is None and batch.drafts:
            await self._store(batch)
            chair = batch.holdings.free_chair(batch.place(task))
        return chair

    def _create(
        self, batch: VisitBatch, task: Task, chair_id: PyObjectId, claims: list[str] | None
    ) -> list[ImportRow]:
        if batch.wanted.dry_run:
            batch.holdings.plan(claims or ())
            return [_result(batch, task, RowOutcome.CREATED, claims=claims)]
        draft = self._writes.draft(batch, task, chair_id, claims)
        batch.holdings.add([draft])
        batch.drafts.append((task, draft))
        return []

    async def _store(self, batch: VisitBatch) -> None:
        """Store the new visits that wait. Those that lost a race are looked at again."""
        while batch.drafts:
            drafts, batch.drafts = batch.drafts, []
            await self._store_patients(batch, [task for task, _ in drafts])
            await self._store_drafts(batch, [one for one in drafts if _is_theirs(*one)])
            for task, draft in drafts:
                if not _is_theirs(task, draft):
                    batch.holdings.drop(draft)
                    await self._guarded(batch, task)

    async def _store_drafts(
        self, batch: VisitBatch, drafts: Sequence[tuple[Task, Appointment]]
    ) -> None:
        try:
            refused = await self._writes.create([draft for _, draft in drafts])
        except UNAVAILABLE_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - one bad row must not stop the file
            await self._store_singly(batch, drafts, error)
            return
        for draft in (draft for _, draft in drafts if draft.id in refused):
            batch.holdings.drop(draft)
        for task, draft in drafts:
            if draft.id in refused:
                task.lose_race()
                await self._guarded(batch, task)
            else:
                await self._writes.follow_up(draft)
                await self._conflicts.resolve(batch, task)
                batch.rows.append(_result(batch, task, RowOutcome.CREATED))

    async def _store_singly(
        self, batch: VisitBatch, drafts: Sequence[tuple[Task, Appointment]], error: Exception
    ) -> None:
        if len(drafts) > 1:
            for one in drafts:
                await self._store_drafts(batch, [one])
            return
        for task, draft in drafts:
            batch.holdings.drop(draft)
            batch.rows.append(_failed(batch, task, error))

    async def _store_patients(self, batch: VisitBatch, tasks: Sequence[Task]) -> None:
        if batch.wanted.dry_run:
            return
        unknown = {task.patient.id: task.patient for task in tasks}
        unknown = {key: one for key, one in unknown.items() if key in batch.unknown}
        if not unknown:
            return
        stored = await self._directory.store_or_find_each(list(unknown.values()))
        batch.unknown -= set(unknown)
        for task in batch.tasks:
            task.patient = stored.get(task.patient.id, task.patient)

    # A visit that the book has

    async def _known(self, batch: VisitBatch, task: Task, visit: Appointment) -> ImportRow:
        change = task.change
        if change is None or not change.is_needed:
            return await self._left_alone(batch, task, visit)
        if visit.pending_event is not None and not batch.wanted.dry_run:
            raise OvertakenError  # its effects first: a change would overwrite their note
        place: tuple[PyObjectId, list[str]] | None = None
        if batch.needs_place(task):
            chair = await self._free_chair(batch, task)
            if chair is None:
                return await self._collided(batch, task)
            place = (chair, batch.place(task).claims(chair))
        if batch.wanted.dry_run:
            batch.holdings.plan(place[1] if place else ())
            return _result(batch, task, RowOutcome.UPDATED, claims=place[1] if place else None)
        stored = await self._writes.change(batch, task, visit, place)
        batch.holdings.drop(visit)
        batch.holdings.add([stored])
        await self._conflicts.resolve(batch, task)
        return _result(batch, task, RowOutcome.UPDATED)

    async def _left_alone(self, batch: VisitBatch, task: Task, visit: Appointment) -> ImportRow:
        """Nothing to do; after a crash, what this very import did is still told as done."""
        change, imported = task.change, visit.imported
        is_due = change is not None and (
            change.notes_only or visit.wants_reminders != batch.wanted.options.remind
        )
        if not batch.wanted.dry_run:
            if is_due:
                await self._writes.remember(batch, task, visit)
            await self._conflicts.resolve(batch, task)
        if change is not None and change.stands:
            return _result(batch, task, RowOutcome.SKIPPED, "changed_here", _CHANGED_HERE)
        if imported is not None and imported.import_id == batch.wanted.id:
            did = RowOutcome.CREATED if imported.is_new else RowOutcome.UPDATED
            return _result(batch, task, did)
        return _result(batch, task, RowOutcome.UNCHANGED)

    # A time that somebody has

    async def _collided(self, batch: VisitBatch, task: Task) -> ImportRow:
        collisions = batch.holdings.collisions(batch.place(task))
        row = _result(batch, task, RowOutcome.CONFLICT, "time_taken", _COLLIDES)
        row.collides_with = collisions
        if not batch.wanted.dry_run:
            await self._conflicts.open(batch, task, collisions)
        return row


def _failed(batch: VisitBatch, task: Task, error: Exception) -> ImportRow:
    # The message of an error may quote what the row holds, so it is not logged.
    logger.error(
        "import row failed",
        extra={
            "import_id": str(batch.wanted.id),
            "row": task.row.number,
            "error_type": type(error).__name__,
        },
    )
    return _result(batch, task, RowOutcome.REFUSED, "failed", _FAILED)


def _is_theirs(task: Task, draft: Appointment) -> bool:
    """Not where somebody else had stored the patient meanwhile, or they were erased."""
    return draft.patient_id == task.patient.id and task.patient.erasure is None


async def _insert_once(repository: Any, document: Any) -> None:  # noqa: ANN401 - providers or chairs
    try:
        await repository.insert(document)
    except DuplicateValueError:
        logger.info("made before", extra={"document_id": str(document.id)})


def _refused(batch: VisitBatch, line: ImportLine, fault: RowFault) -> ImportRow:
    return ImportRow(
        id=f"{batch.wanted.id}:{line.number}",
        import_id=batch.wanted.id,
        number=line.number,
        external_id=line.cells.get("external_id"),
        outcome=RowOutcome.REFUSED,
        reason=fault.reason,
        detail=fault.sentence,
        created_at=batch.now,
    )


def _result(
    batch: VisitBatch,
    task: Task,
    outcome: RowOutcome,
    reason: str | None = None,
    detail: str | None = None,
    *,
    claims: list[str] | None = None,
) -> ImportRow:
    is_made = not batch.wanted.dry_run
    has_visit = task.visit is not None or (is_made and outcome == RowOutcome.CREATED)
    return ImportRow(
        id=f"{batch.wanted.id}:{task.row.number}",
        import_id=batch.wanted.id,
        number=task.row.number,
        external_id=task.row.external_id,
        outcome=outcome,
        reason=reason,
        detail=detail,
        notes=list(task.row.person.notes),
        appointment_id=task.visit_id if has_visit else None,
        patient_id=None if task.patient.id in batch.unknown else task.patient.id,
        claims=claims,
        starts_at=task.row.starts_at if claims else None,
        created_at=batch.now,
    )


def _span(batch: VisitBatch) -> dict[str, Any]:
    rows = [task.row for task in batch.tasks]
    if not rows:
        return {}
    return {
        "first": min(row.starts_at for row in rows),
        "last": max(row.starts_at for row in rows),
        "provider_ids": sorted({row.provider_id for row in rows}),
    }
