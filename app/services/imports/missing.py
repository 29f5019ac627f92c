"""Visits of earlier imports that a file no longer names.

A file speaks for the providers it names, from its first start to its last, and only ahead of now.
"""

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.appointment import Appointment
from app.models.imports import Import, ImportRow, MissingVisits, RowOutcome
from app.services.imports.conflicts import ScheduleConflicts
from app.services.imports.visit_writes import VisitWrites

FEW = 10
"""So many may go missing from any file; of more than that, at most half of what was there."""

_AFTER_EVERY_ROW = 10_000_000
"""They stand in no row: they are listed after all that do."""

_LISTED = "The file no longer names it. It was left as it is."
_CANCELLED = "The file no longer names it. It is cancelled here too."
_TOO_MANY = (
    "The file no longer names it. So many are missing that the file is likely cut short, so "
    "nothing was cancelled."
)


class MissingVisitsSearch:
    """Lists them, and cancels them where the import was told to."""

    def __init__(
        self,
        repositories: Repositories,
        writes: VisitWrites,
        conflicts: ScheduleConflicts,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._writes = writes
        self._conflicts = conflicts
        self._clock = clock

    async def run(self, wanted: Import) -> int:
        """How many are missing. Listed first, then cancelled: after a crash both are repeated."""
        if wanted.span is None:
            return 0
        named = await self._repositories.import_rows.external_ids(wanted.id)
        there = await self._repositories.appointments.imported_live_between(
            max(wanted.span.first, self._clock.now()), wanted.span.last, wanted.span.provider_ids
        )
        missing = [visit for visit in there if visit.external_id not in named]
        is_asked = wanted.options.missing == MissingVisits.CANCEL
        cancels = is_asked and not is_suspicious(len(missing), len(there))
        reason = _reason(is_asked=is_asked, cancels=cancels)
        await self._list(wanted, missing, *reason)
        if cancels and not wanted.dry_run:
            for visit in missing:
                await self._writes.cancel(wanted, visit)
            await self._conflicts.resolve_vanished(wanted, named)
        return await self._repositories.import_rows.count(wanted.id, RowOutcome.MISSING)

    async def _list(
        self, wanted: Import, missing: list[Appointment], reason: str, detail: str
    ) -> None:
        rows = [
            ImportRow(
                id=f"{wanted.id}:missing:{visit.id}",
                import_id=wanted.id,
                number=_AFTER_EVERY_ROW + place,
                external_id=visit.external_id,
                outcome=RowOutcome.MISSING,
                reason=reason,
                detail=detail,
                appointment_id=visit.id,
                patient_id=visit.patient_id,
                created_at=self._clock.now(),
            )
            for place, visit in enumerate(missing)
        ]
        await self._repositories.import_rows.store(rows)


def _reason(*, is_asked: bool, cancels: bool) -> tuple[str, str]:
    if cancels:
        return "cancelled", _CANCELLED
    return ("too_many_missing", _TOO_MANY) if is_asked else ("kept", _LISTED)


def is_suspicious(missing: int, there: int) -> bool:
    """Whether so many are gone that the file, and not the schedule, is likely at fault."""
    return missing > FEW and missing * 2 > there
