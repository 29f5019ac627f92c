"""Visits of earlier imports that a file no longer names.

A file speaks for the providers it names, from its first start to its last, and only ahead of now.
What counts is where the visit stood in the files before: one that was moved here since, into the
span of a file that never had it, is none that the file could name.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.appointment import LIVE_STATUSES, Appointment
from app.models.base import PyObjectId
from app.models.imports import FileSpan, Import, ImportRow, MissingVisits, RowOutcome
from app.services.imports.conflicts import ScheduleConflicts
from app.services.imports.faults import CUT_OFF
from app.services.imports.processor import LEASE, ClaimLostError
from app.services.imports.visit_writes import VisitWrites

FEW = 10
"""So many may go missing from any file; of more than that, at most half of what was there."""

_AFTER_EVERY_ROW = 10_000_000
"""They stand in no row: they are listed after all that do."""

_PART = 100
"""So many are written before the claim on the import is made longer."""

_LISTED = "The file no longer names it. It was left as it is."
_CANCELLED = "The file no longer names it. It is cancelled here too."
_CUT_OFF = "The file no longer names it. The file was cut off, so nothing was cancelled."
_TOO_MANY = (
    "The file no longer names it. So many are missing that the file is likely cut short, so "
    "nothing was cancelled."
)


@dataclass(frozen=True, slots=True)
class _Gone:
    """What is kept of a visit that is missing: there may be tens of thousands."""

    place: int
    visit_id: PyObjectId
    patient_id: PyObjectId
    external_id: str | None


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
        """How many are missing. Listed first, then cancelled: after a crash both are repeated.

        Raises `ClaimLostError` where another worker has taken the import over.
        """
        if wanted.span is None:
            return 0
        named = await self._repositories.import_rows.external_ids(wanted.id)
        missing, there = await self._gone(wanted, wanted.span, named)
        is_asked = wanted.options.missing == MissingVisits.CANCEL
        was_cut = await self._repositories.import_rows.any_refused(wanted.id, CUT_OFF)
        cancels = is_asked and not was_cut and not is_suspicious(len(missing), there)
        reason = _reason(is_asked=is_asked, cancels=cancels, was_cut=was_cut)
        for some in _in_parts(missing):
            await self._keep(wanted)
            await self._list(wanted, some, *reason)
        if cancels and not wanted.dry_run:
            await self._cancel(wanted, missing)
            await self._conflicts.resolve_vanished(wanted, named)
        return await self._repositories.import_rows.count(wanted.id, RowOutcome.MISSING)

    async def _gone(
        self, wanted: Import, span: FileSpan, named: set[str]
    ) -> tuple[list[_Gone], int]:
        """The visits that the file does not name, and of how many it speaks."""
        found = self._repositories.appointments.stream_imported_live(self._clock.now())
        missing: list[_Gone] = []
        there = 0
        async for visit in found:
            if not _speaks_for(span, visit):
                continue
            there += 1
            if visit.external_id not in named:
                missing.append(_Gone(there, visit.id, visit.patient_id, visit.external_id))
        await self._keep(wanted)
        return missing, there

    async def _keep(self, wanted: Import) -> None:
        """What is missing can be thousands of visits: longer than one lease."""
        if not await self._repositories.imports.keep(wanted, self._clock.now() + LEASE):
            raise ClaimLostError

    async def _cancel(self, wanted: Import, missing: Sequence[_Gone]) -> None:
        """Each as it stands now: one that somebody changed meanwhile is left to the next file."""
        for some in _in_parts(missing):
            await self._keep(wanted)
            visits = await self._repositories.appointments.get_many(one.visit_id for one in some)
            for visit in visits.values():
                if visit.status in LIVE_STATUSES:
                    await self._writes.cancel(wanted, visit)

    async def _list(
        self, wanted: Import, missing: Sequence[_Gone], reason: str, detail: str
    ) -> None:
        rows = [
            ImportRow(
                id=f"{wanted.id}:missing:{one.visit_id}",
                import_id=wanted.id,
                number=_AFTER_EVERY_ROW + one.place,
                external_id=one.external_id,
                outcome=RowOutcome.MISSING,
                reason=reason,
                detail=detail,
                appointment_id=one.visit_id,
                patient_id=one.patient_id,
                created_at=self._clock.now(),
            )
            for one in missing
        ]
        await self._repositories.import_rows.store(rows)


def _speaks_for(span: FileSpan, visit: Appointment) -> bool:
    """Whether the file would name this visit, had nothing become of it in the other system."""
    said = visit.imported
    starts_at = said.starts_at if said else visit.appointment_date
    provider_id = said.provider_id if said else visit.provider_id
    return span.first <= starts_at <= span.last and provider_id in span.provider_ids


def _in_parts(missing: Sequence[_Gone]) -> Iterator[Sequence[_Gone]]:
    for since in range(0, len(missing), _PART):
        yield missing[since : since + _PART]


def _reason(*, is_asked: bool, cancels: bool, was_cut: bool) -> tuple[str, str]:
    if cancels:
        return "cancelled", _CANCELLED
    if is_asked and was_cut:
        return "file_cut_off", _CUT_OFF
    return ("too_many_missing", _TOO_MANY) if is_asked else ("kept", _LISTED)


def is_suspicious(missing: int, there: int) -> bool:
    """Whether so many are gone that the file, and not the schedule, is likely at fault."""
    return missing > FEW and missing * 2 > there
