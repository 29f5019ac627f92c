"""The unsubscribe link. GET never changes anything: mail scanners follow links."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse

from app.api.deps import ClinicDep, ConsentDep
from app.api.openapi import problems
from app.services.outreach.pages import unsubscribe_page

router = APIRouter(prefix="/unsubscribe", tags=["public"])

PAGE: dict[str, Any] = {
    "description": "A page for people.",
    "content": {"text/html": {"example": "<!doctype html><title>Unsubscribe</title>"}},
}
Token = Annotated[
    str, Path(max_length=2048, description="The signed token of an unsubscribe link.")
]


@router.get(
    "/{token}",
    operation_id="show_unsubscribe",
    summary="Ask before unsubscribing",
    response_class=HTMLResponse,
    responses={200: PAGE, **problems(404)},
)
async def show(token: Token, consent: ConsentDep, clinic: ClinicDep) -> HTMLResponse:
    """A page with one button. Looking at it changes nothing."""
    patient = await consent.patient_of(token)
    return HTMLResponse(unsubscribe_page(await clinic.current(), patient, is_done=False))


@router.post(
    "/{token}",
    operation_id="unsubscribe",
    summary="Unsubscribe with one click",
    response_class=HTMLResponse,
    responses={200: PAGE, **problems(404)},
)
async def unsubscribe(token: Token, consent: ConsentDep, clinic: ClinicDep) -> HTMLResponse:
    """RFC 8058: no cookie, no redirect, no sign-in, and safe to repeat.

    Nobody on that mailbox gets outreach any more; an active campaign ends as declined. Messages
    about a visit that is booked still come.
    """
    patient = await consent.patient_of(token)
    await consent.unsubscribe(token)
    return HTMLResponse(unsubscribe_page(await clinic.current(), patient, is_done=True))
