"""Who saw or changed which patient's data."""

from typing import Annotated

from fastapi import Depends, Query

from app.api.deps import AdminAccess, AuditLogDep, PageDep
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.db.repositories.audit import AuditFilter
from app.models.base import PyObjectId
from app.schemas.audit import AuditList, AuditRead
from app.schemas.paging import Pagination
from app.schemas.times import ClientTime

router = PrefixRouter(prefix="/audit", tags=["audit"])


async def audit_filter(
    patient_id: PyObjectId | None = None,
    staff_id: PyObjectId | None = None,
    since: Annotated[ClientTime | None, Query()] = None,
    until: Annotated[ClientTime | None, Query()] = None,
) -> AuditFilter:
    """Which entries: whose data, by which member of staff, from when until before when."""
    actor = f"staff:{staff_id}" if staff_id else None
    return AuditFilter(patient_id, actor, since, until)


@router.get(
    "",
    summary="Read the audit log",
    operation_id="list_audit",
    responses=problems(401, 403, 422),
)
async def list_audit(
    _user: AdminAccess,
    log: AuditLogDep,
    paging: PageDep,
    wanted: Annotated[AuditFilter, Depends(audit_filter)],
) -> AuditList:
    """Newest first: by whom, which operation, whose data, when, and how it was answered; never what
    was read or written. Reading the log is recorded too.

    Without `patient_id`, `staff_id` and `since` it shows the last 7 days before `until` (or now).
    """
    found = await log.page(wanted, page=paging.page, limit=paging.limit)
    return AuditList(
        pagination=Pagination.of(
            found.total_items, paging, is_lower_bound=found.total_is_lower_bound
        ),
        audit=[AuditRead.of(entry) for entry in found.items],
    )
