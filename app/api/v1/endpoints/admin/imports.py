"""Files of the practice's own system, and what they left."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, status

from app.api.deps import (
    ImportDeskDep,
    ImportIntakeDep,
    PageDep,
    ReadAccess,
    ScheduleConflictsDep,
    WriteAccess,
)
from app.api.openapi import problems
from app.api.uploads import csv_body, uploaded
from app.models.base import PyObjectId
from app.models.imports import (
    ConflictState,
    ImportKind,
    ImportOptions,
    MissingVisits,
    RowOutcome,
)
from app.schemas.imports import (
    ConflictList,
    ConflictRead,
    ImportList,
    ImportRead,
    ImportReportRead,
    ImportRowRead,
)
from app.schemas.paging import Pagination
from app.services.conversations import staff_actor
from app.services.imports.intake import ImportRequest

router = APIRouter(tags=["imports"])

_APPOINTMENTS = (
    "external_id,name,email,phone,provider,chair,service,start,minutes,status\n"
    "A-10017,Maria Lopez,maria.lopez@example.com,,Dr. Rivera,Room 1,cleaning,"
    "2026-11-24T09:00,30,booked\n"
)
_PATIENTS = (
    "name,email,phone,language,next_follow_up_date\n"
    "Maria Lopez,maria.lopez@example.com,(212) 555-0142,es,2026-11-20\n"
)
DryRun = Annotated[bool, Query(description="Only tell what would be done; nothing is changed.")]


@router.post(
    "/appointments/import",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Import the practice's schedule",
    operation_id="import_appointments",
    responses=problems(400, 413, 415),
    openapi_extra=csv_body(_APPOINTMENTS),
)
async def import_appointments(
    *,
    request: Request,
    user: WriteAccess,
    intake: ImportIntakeDep,
    dry_run: DryRun = False,
    missing: Annotated[
        MissingVisits, Query(description="What happens to visits the file no longer names.")
    ] = MissingVisits.KEEP,
    notify: Annotated[bool, Query(description="Send our letters about what changed.")] = False,
    remind: Annotated[bool, Query(description="Send our reminders of these visits.")] = False,
    create_missing: Annotated[
        bool, Query(description="Make unknown providers and chairs, without hours or services.")
    ] = False,
) -> ImportRead:
    """CSV up to 20 MB, as the body or as a file in a form. Visits are matched by `external_id`, so
    the same file can be sent every night: what is unchanged is left alone, what was changed here
    stays until the file says something new, and what has no place is listed as a conflict.
    """
    options = ImportOptions(
        missing=missing, notify=notify, remind=remind, create_missing=create_missing
    )
    wanted = ImportRequest(ImportKind.APPOINTMENTS, staff_actor(user), dry_run, options)
    return ImportRead.of(await intake.submit(wanted, uploaded(request)))


@router.post(
    "/patients/import",
    status_code=status.HTTP_202_ACCEPTED,
    summary="Import the practice's patients",
    operation_id="import_patients",
    responses=problems(400, 413, 415),
    openapi_extra=csv_body(_PATIENTS),
)
async def import_patients(
    *, request: Request, user: WriteAccess, intake: ImportIntakeDep, dry_run: DryRun = False
) -> ImportRead:
    """CSV up to 20 MB, as the body or as a file in a form. Patients are matched by address or
    number and name; an empty cell changes nothing, and nobody is opted in again.
    """
    wanted = ImportRequest(ImportKind.PATIENTS, staff_actor(user), dry_run)
    return ImportRead.of(await intake.submit(wanted, uploaded(request)))


@router.get("/imports", summary="List imports", operation_id="list_imports")
async def list_imports(_user: ReadAccess, desk: ImportDeskDep, paging: PageDep) -> ImportList:
    """Newest first."""
    found = await desk.page(page=paging.page, limit=paging.limit)
    return ImportList(
        pagination=Pagination.of(found.total_items, paging),
        imports=[ImportRead.of(one) for one in found.items],
    )


@router.get(
    "/imports/{import_id}",
    summary="One import and its rows",
    operation_id="get_import",
    responses=problems(404),
)
async def get_import(
    import_id: PyObjectId,
    _user: ReadAccess,
    desk: ImportDeskDep,
    paging: PageDep,
    outcome: RowOutcome | None = None,
) -> ImportReportRead:
    """How far it is, and what became of each row. Rows are kept for 30 days."""
    found = await desk.report(import_id, outcome, page=paging.page, limit=paging.limit)
    return ImportReportRead(
        **dict(ImportRead.of(found.wanted)),
        pagination=Pagination.of(found.rows.total_items, paging),
        results=[ImportRowRead.of(row) for row in found.rows.items],
    )


@router.get(
    "/schedule/conflicts",
    summary="Imported visits without a place",
    operation_id="list_schedule_conflicts",
)
async def list_schedule_conflicts(
    _user: ReadAccess,
    conflicts: ScheduleConflictsDep,
    paging: PageDep,
    state: ConflictState = ConflictState.OPEN,
) -> ConflictList:
    """By the time they are about. An open one keeps its time from being offered, and its patient
    from being recalled, until a later import finds the time free or somebody dismisses it.
    """
    found = await conflicts.page(state, page=paging.page, limit=paging.limit)
    return ConflictList(
        pagination=Pagination.of(found.total_items, paging),
        conflicts=[ConflictRead.of(one) for one in found.items],
    )


@router.post(
    "/schedule/conflicts/{conflict_id}/dismiss",
    summary="Dismiss a conflict",
    operation_id="dismiss_schedule_conflict",
    responses=problems(404, 409),
)
async def dismiss_schedule_conflict(
    conflict_id: PyObjectId, user: WriteAccess, conflicts: ScheduleConflictsDep
) -> ConflictRead:
    """Somebody has seen to it. The same row of a later file does not open it again."""
    return ConflictRead.of(await conflicts.dismiss(conflict_id, by=staff_actor(user)))
