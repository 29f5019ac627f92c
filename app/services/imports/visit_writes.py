"""Writing visits of a file into the book: one document each, its claims and its note with it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.core.clock import Clock
from app.db.errors import DuplicateValueError
from app.db.indexes import APPOINTMENT_CLAIMS
from app.db.repositories import Repositories
from app.models.appointment import (
    LIVE_STATUSES,
    Appointment,
    AppointmentEvent,
    AppointmentEventKind,
    AppointmentStatus,
    CreatedFrom,
)
from app.models.base import PyObjectId
from app.models.imports import Import
from app.services.imports.merge import Change
from app.services.imports.visit_batch import TAKES_TIME, Task, VisitBatch
from app.services.imports.visit_rows import VisitRow
from app.services.scheduling.effects import AppointmentEffects
from app.services.scheduling.localtime import day_bounds, local_day, months_later

_A = AppointmentStatus
_Kind = AppointmentEventKind
_KIND_OF = {
    _A.CONFIRMED: _Kind.CONFIRMED,
    _A.COMPLETED: _Kind.COMPLETED,
    _A.CANCELLED: _Kind.CANCELLED,
    _A.NO_SHOW: _Kind.NO_SHOW,
}


class OvertakenError(Exception):
    """Somebody else changed the visit, or took its time, between reading and writing it."""


class VisitWrites:
    """The only way imported visits are written. Raises `OvertakenError` where a race was lost."""

    def __init__(
        self, repositories: Repositories, effects: AppointmentEffects, clock: Clock
    ) -> None:
        self._appointments = repositories.appointments
        self._effects = effects
        self._clock = clock

    def draft(
        self, batch: VisitBatch, task: Task, chair_id: PyObjectId, claims: list[str] | None
    ) -> Appointment:
        """A visit that the book does not have, as it will be stored."""
        row, wanted = task.row, batch.wanted
        kind = _Kind.COMPLETED if row.status == _A.COMPLETED else _Kind.BOOKED
        campaign_id = self._campaign_of(batch, task)
        return Appointment(
            id=task.visit_id,
            patient_id=task.patient.id,
            campaign_id=campaign_id,
            provider_id=row.provider_id,
            chair_id=chair_id,
            service_id=row.service_id,
            service_name=row.service_name,
            appointment_date=row.starts_at,
            duration_minutes=row.duration_minutes,
            status=row.status,
            created_from=CreatedFrom.IMPORT,
            external_id=row.external_id,
            imported=row.said(wanted.id, is_new=True),
            wants_reminders=wanted.options.remind,
            claims=claims,
            completed_at=_completed_at(row, batch.now),
            pending_event=self._event(batch, task, kind, None, campaign_id),
        )

    async def create(self, drafts: Sequence[Appointment]) -> set[PyObjectId]:
        """Store new visits in one trip, each under its own claims; the ids of those refused.

        What follows of the stored ones is `follow_up`.
        """
        return set(await self._appointments.insert_each(drafts))

    async def follow_up(self, visit: Appointment) -> None:
        """What a visit that was just written means for others."""
        if visit.pending_event is not None:
            await self._effects.apply_now(visit)

    async def change(
        self,
        batch: VisitBatch,
        task: Task,
        visit: Appointment,
        place: tuple[PyObjectId, list[str]] | None,
    ) -> Appointment:
        """What the file asks of a visit, in one write that also replaces its claims."""
        row, change = task.row, task.change
        assert change is not None  # noqa: S101 - a visit comes with its change
        fields: dict[str, Any] = {
            "imported": row.said(batch.wanted.id, is_new=False).to_stored(),
            "wants_reminders": batch.wanted.options.remind,
        }
        kind = _kind_of(row, visit, change)
        if change.moves:
            fields |= _place_of(row)
        if place is not None:
            fields["chair_id"], fields["claims"] = place
        if change.status:
            fields["status"] = change.status
        if change.status == _A.COMPLETED:
            fields["completed_at"] = _completed_at(row, batch.now)
        if change.renames:
            fields |= {"service_id": row.service_id, "service_name": row.service_name}
        campaign_id = visit.campaign_id or self._campaign_of(batch, task)
        if campaign_id is not None:
            fields["campaign_id"] = campaign_id
        event = None
        if kind is not None:
            before = None if kind == _Kind.BOOKED else visit.status
            event = self._event(batch, task, kind, before, campaign_id)
        status = change.status or visit.status
        keeps = place is not None or (status in TAKES_TIME and not change.moves)
        return await self._write(visit, fields, event, frees_time=not keeps)

    async def cancel(self, wanted: Import, visit: Appointment) -> bool:
        """A visit that the file no longer names; `False` where somebody changed it meanwhile."""
        imported = visit.imported
        fields: dict[str, Any] = {"status": _A.CANCELLED}
        if imported is not None:
            said = imported.model_copy(update={"status": _A.CANCELLED, "is_new": False})
            fields["imported"] = said.to_stored()
        event = AppointmentEvent(
            kind=_Kind.CANCELLED,
            at=self._clock.now(),
            by=actor(wanted),
            status_before=visit.status,
            is_quiet=not wanted.options.notify,
        )
        try:
            await self._write(visit, fields, event, frees_time=True)
        except OvertakenError:
            return False
        return True

    async def remember(self, batch: VisitBatch, task: Task, visit: Appointment) -> None:
        """What the file says now, of a visit that stays as it is; and whether we may remind."""
        last = visit.imported
        said = task.row.said(
            last.import_id if last else batch.wanted.id, is_new=bool(last and last.is_new)
        )
        fields = {"imported": said.to_stored(), "wants_reminders": batch.wanted.options.remind}
        await self._appointments.update_fields(visit.id, fields)

    async def _write(
        self,
        visit: Appointment,
        fields: dict[str, Any],
        event: AppointmentEvent | None,
        *,
        frees_time: bool,
    ) -> Appointment:
        frees = frees_time and visit.claims is not None
        try:
            done = await self._appointments.change(visit, fields, event, frees_time=frees)
        except DuplicateValueError as error:
            if error.index != APPOINTMENT_CLAIMS:
                raise
            raise OvertakenError from error
        if not done:
            raise OvertakenError
        stored = await self._appointments.get(visit.id) or visit
        await self.follow_up(stored)
        return stored

    def _campaign_of(self, batch: VisitBatch, task: Task) -> PyObjectId | None:
        """Their active campaign, where the visit comes after it began."""
        campaign = batch.campaigns.get(task.patient.id)
        status = batch.status_after(task)
        if campaign is None or status not in TAKES_TIME:
            return None
        return campaign.id if task.row.starts_at >= campaign.created_at else None

    def _event(
        self,
        batch: VisitBatch,
        task: Task,
        kind: AppointmentEventKind,
        before: AppointmentStatus | None,
        campaign_id: PyObjectId | None,
    ) -> AppointmentEvent | None:
        """Nothing where nobody outside the book needs to know."""
        is_quiet = not batch.wanted.options.notify
        if kind != _Kind.COMPLETED and campaign_id is None and is_quiet:
            return None
        due = None
        if kind == _Kind.COMPLETED:
            due = batch.due[task.patient.id] = _due_after(batch, task)
        return AppointmentEvent(
            kind=kind,
            at=self._clock.now(),
            by=actor(batch.wanted),
            status_before=before,
            is_quiet=is_quiet,
            next_follow_up_date=due,
        )


def actor(wanted: Import) -> str:
    """How an import stands in a history."""
    return f"import:{wanted.id}"


def _place_of(row: VisitRow) -> dict[str, Any]:
    chair = {} if row.chair_id is None else {"chair_id": row.chair_id}
    return {
        "appointment_date": row.starts_at,
        "duration_minutes": row.duration_minutes,
        "provider_id": row.provider_id,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        **chair,
    }


def _kind_of(row: VisitRow, visit: Appointment, change: Change) -> AppointmentEventKind | None:
    """What happened to the visit, as its patient and its campaign see it.

    A new time comes before the confirmation that came with it. Another chair, provider or length is
    nothing that a letter is written about.
    """
    kind = _KIND_OF.get(change.status) if change.status else None
    if not change.moves or kind == _Kind.COMPLETED:
        return kind
    if visit.status not in LIVE_STATUSES:
        return _Kind.BOOKED
    return _Kind.MOVED if row.starts_at != visit.appointment_date else kind


def _completed_at(row: VisitRow, now: datetime) -> datetime | None:
    """When it took place, so that the past of another system is not counted as this month's."""
    return min(row.ends_at, now) if row.status == _A.COMPLETED else None


def _due_after(batch: VisitBatch, task: Task) -> datetime | None:
    """The later of what is known and what the treatment makes due.

    Visits come in any order, and one of an unknown treatment does not end a recall.
    """
    known = batch.due.get(task.patient.id, task.patient.next_follow_up_date)
    services = (one for one in batch.practice.services if one.service_id == task.row.service_id)
    months = next((one.recall_interval_months for one in services), None)
    if months is None:
        return known
    zone = batch.practice.clinic.zone
    day = months_later(local_day(task.row.starts_at, zone), months)
    due = day_bounds(day, zone)[0]
    return max(due, known) if known else due
