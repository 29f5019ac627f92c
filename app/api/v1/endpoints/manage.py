"""The link in a visit's letter: its patient sees, confirms, moves or cancels it.

GET changes nothing: mail scanners follow links.
"""

from typing import Annotated, Any

from fastapi import Path
from starlette.responses import Response

from app.api.access import PublicRoute
from app.api.deps import VisitSelfServiceDep
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.schemas.public import ManagedVisit, VisitReschedule
from app.services.mail.mime import CALENDAR_FILE_NAME
from app.services.scheduling.self_service import PatientVisitView

router = PrefixRouter(
    prefix="/appointments/manage/{token}", tags=["manage"], route_class=PublicRoute
)

CALENDAR: dict[str, Any] = {
    "description": "The visit as an iCalendar file (RFC 5545).",
    "content": {
        "text/calendar": {
            "schema": {"type": "string"},
            "example": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:PUBLISH\r\n...",
        }
    },
}
Token = Annotated[str, Path(max_length=2000, description="From the visit's letter.")]


def _answer(view: PatientVisitView) -> ManagedVisit:
    return ManagedVisit.of(
        view.appointment,
        view.clinic,
        provider_name=view.provider_name,
        can_be_changed=view.can_be_changed,
        can_be_confirmed=view.can_be_confirmed,
        changes_until=view.changes_until,
        calendar_url=view.calendar_url,
    )


@router.get(
    "",
    summary="See a visit",
    operation_id="get_managed_visit",
    responses=problems(404),
)
async def get_managed_visit(token: Token, visits: VisitSelfServiceDep) -> ManagedVisit:
    """When, where, with whom, and what can be done about it. Changes nothing."""
    return _answer(await visits.view(token))


@router.get(
    "/calendar.ics",
    summary="Get a visit as a calendar file",
    operation_id="get_managed_visit_calendar",
    response_class=Response,
    responses={200: CALENDAR, **problems(404)},
)
async def get_managed_visit_calendar(token: Token, visits: VisitSelfServiceDep) -> Response:
    """For any calendar program; opened again after a change it replaces the older entry.

    A cancelled visit is a cancellation (`METHOD:CANCEL`), which removes it. Changes nothing.
    """
    return Response(
        await visits.calendar_file(token),
        media_type="text/calendar",
        headers={
            "Content-Disposition": f'attachment; filename="{CALENDAR_FILE_NAME}"',
            "Cache-Control": "no-store",
        },
    )


@router.post(
    "/confirm",
    summary="Confirm a visit",
    operation_id="confirm_managed_visit",
    responses=problems(404, 409),
)
async def confirm_managed_visit(token: Token, visits: VisitSelfServiceDep) -> ManagedVisit:
    """The patient will come; until it begins. Confirming twice changes nothing."""
    return _answer(await visits.confirm(token))


@router.post(
    "/cancel",
    summary="Cancel a visit",
    operation_id="cancel_managed_visit",
    responses=problems(404, 409),
)
async def cancel_managed_visit(token: Token, visits: VisitSelfServiceDep) -> ManagedVisit:
    """The patient will not come; the time is free for others. Cancelling twice changes nothing.

    Nearer to the visit than the practice's notice it is refused (`too-late-to-change`) with the
    `phone` to call.
    """
    return _answer(await visits.cancel(token))


@router.post(
    "/reschedule",
    summary="Move a visit",
    operation_id="reschedule_managed_visit",
    responses=problems(404, 409),
)
async def reschedule_managed_visit(
    token: Token, body: VisitReschedule, visits: VisitSelfServiceDep
) -> ManagedVisit:
    """To any time the booking site offers; the old time is free in the same instant.

    Where somebody has the time, the refusal (`slot-taken`) holds the three nearest `alternatives`.
    Nearer to the visit than the practice's notice it is `too-late-to-change`, with the `phone`.
    """
    return _answer(await visits.reschedule(token, body.appointment_date))
