"""Visits of the practice's own system for which our book has no place.

They are listed until a later file finds their time free, or a person dismisses them. Their time is
not offered meanwhile, and their patients count as booked (`AppointmentRepository`).
"""

from collections.abc import Sequence
from typing import Protocol

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError
from app.db.repositories import Repositories
from app.db.repositories.appointments import SETTLING_TIME
from app.db.repositories.base import Page
from app.models.base import PyObjectId
from app.models.imports import Collision, ConflictState, Import, ScheduleConflict
from app.services.imports.people import lasting_id
from app.services.imports.visit_batch import Task, VisitBatch
from app.services.imports.visit_writes import actor

TOLD_AT_ONCE = 1000


class UnknownConflictError(NotFoundError):
    """No such conflict."""

    slug = "schedule-conflict-not-found"
    title = "No such conflict"


class ConflictSettledError(ConflictError):
    """It is settled already."""

    slug = "schedule-conflict-settled"
    title = "This conflict is settled already"


class ConflictAlerts(Protocol):
    """Tells staff."""

    async def schedule_conflicts_opened(self, count: int, key: PyObjectId) -> bool:
        """So many new ones wait; whether somebody was told. `key` names the occasion."""
        ...


class ScheduleConflicts:
    """Opens, lists and settles them."""

    def __init__(self, repositories: Repositories, alerts: ConflictAlerts, clock: Clock) -> None:
        self._conflicts = repositories.schedule_conflicts
        self._alerts = alerts
        self._clock = clock

    async def page(self, state: ConflictState, *, page: int, limit: int) -> Page[ScheduleConflict]:
        """By the time they are about."""
        return await self._conflicts.page(state, page=page, limit=limit)

    async def dismiss(self, conflict_id: PyObjectId, *, by: str) -> ScheduleConflict:
        """A person has seen to it: the time is offered again, the patient may be written to.

        Raises `UnknownConflictError`, `ConflictSettledError`.
        """
        done = await self._conflicts.settle(
            conflict_id, ConflictState.DISMISSED, at=self._clock.now(), by=by
        )
        found = await self._conflicts.get(conflict_id)
        if found is None:
            message = "There is no such conflict."
            raise UnknownConflictError(message)
        if not done and found.state != ConflictState.DISMISSED:
            message = f"This conflict is {found.state} already."
            raise ConflictSettledError(message)
        return found

    async def open(self, batch: VisitBatch, task: Task, collisions: Sequence[Collision]) -> None:
        """Keep what a row found taken. The same again changes nothing, dismissed or open."""
        known = batch.conflicts.get(task.row.external_id)
        found = _conflict(batch, task, collisions)
        if known is not None and _is_same(known, found):
            return
        await self._conflicts.put(found)

    async def resolve(self, batch: VisitBatch, task: Task) -> None:
        """The visit has its place, or needs none."""
        known = batch.conflicts.get(task.row.external_id)
        if known is None or known.state != ConflictState.OPEN or batch.wanted.dry_run:
            return
        await self._settle(known, batch.wanted)

    async def resolve_vanished(self, wanted: Import, named: set[str]) -> None:
        """What the file no longer names, within its span, will not come."""
        if wanted.span is None:
            return
        span = wanted.span
        waiting = await self._conflicts.open_between(span.first, span.last, span.provider_ids)
        for conflict in waiting:
            if conflict.external_id not in named:
                await self._settle(conflict, wanted)

    async def _settle(self, conflict: ScheduleConflict, wanted: Import) -> None:
        now, by = self._clock.now(), actor(wanted)
        await self._conflicts.settle(conflict.id, ConflictState.RESOLVED, at=now, by=by)

    async def tell_staff(self) -> None:
        """Of those that nobody was told of: one message, however many. Past ones are closed.

        Where the message does not leave, the alerts make up for it; the list has them anyway.
        """
        now = self._clock.now()
        await self._conflicts.expire(now - SETTLING_TIME, now)
        untold = await self._conflicts.untold(TOLD_AT_ONCE)
        if untold and await self._alerts.schedule_conflicts_opened(len(untold), untold[-1].id):
            await self._conflicts.mark_told([one.id for one in untold], now)


def _conflict(batch: VisitBatch, task: Task, collisions: Sequence[Collision]) -> ScheduleConflict:
    row = task.row
    return ScheduleConflict(
        id=lasting_id("conflict", row.external_id),
        external_id=row.external_id,
        import_id=batch.wanted.id,
        patient_id=task.patient.id,
        provider_id=row.provider_id,
        chair_id=row.chair_id,
        service_name=row.service_name,
        appointment_date=row.starts_at,
        duration_minutes=row.duration_minutes,
        status=row.status,
        claims=batch.place(task).lasting_claims(),
        collides_with=list(collisions),
    )


_WHAT_COUNTS = (
    "patient_id",
    "provider_id",
    "chair_id",
    "appointment_date",
    "duration_minutes",
    "status",
    "collides_with",
)


def _is_same(known: ScheduleConflict, found: ScheduleConflict) -> bool:
    """Whether it is the one that staff know; one that was resolved and is back, is new."""
    if known.state not in {ConflictState.OPEN, ConflictState.DISMISSED}:
        return False
    return all(getattr(known, name) == getattr(found, name) for name in _WHAT_COUNTS)
