"""The link in a visit's letter: its patient sees, confirms, moves or cancels it.

GET changes nothing: mail scanners follow links.
"""

from typing import Annotated

from fastapi import APIRouter, Path

from app.api.deps import VisitSelfServiceDep
from app.api.openapi import problems
from app.schemas.public import ManagedVisit, VisitReschedule
from app.services.scheduling.self_service import PatientVisitView

router = APIRouter(prefix="/appointments/manage/{token}", tags=["manage"])

Token = Annotated[str, Path(max_length=2000, description="From the visit's letter.")]


def _answer(view: PatientVisitView) -> ManagedVisit:
    return ManagedVisit.of(
        view.appointment,
        view.clinic,
        provider_name=view.provider_name,
        can_be_changed=view.can_be_changed,
    )


@router.get(
    "",
    summary="See a visit",
    operation_id="get_managed_visit",
    responses=problems(404),
)
async def get_managed_visit(token: Token, visits: VisitSelfServiceDep) -> ManagedVisit:
    """When, where and with whom. Changes nothing."""
    return _answer(await visits.view(token))


@router.post(
    "/confirm",
    summary="Confirm a visit",
    operation_id="confirm_managed_visit",
    responses=problems(404, 409),
)
async def confirm_managed_visit(token: Token, visits: VisitSelfServiceDep) -> ManagedVisit:
    """The patient will come. Confirming twice changes nothing."""
    return _answer(await visits.confirm(token))


@router.post(
    "/cancel",
    summary="Cancel a visit",
    operation_id="cancel_managed_visit",
    responses=problems(404, 409),
)
async def cancel_managed_visit(token: Token, visits: VisitSelfServiceDep) -> ManagedVisit:
    """The patient will not come; the time is free for others. Cancelling twice changes nothing."""
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
    """To any time the booking site offers; the old time is free in the same instant."""
    return _answer(await visits.reschedule(token, body.appointment_date))
