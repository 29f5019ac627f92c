"""The unsubscribe link. GET never changes anything: mail scanners follow links."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse

from app.api.deps import ClinicDep, ConsentDep
from app.api.openapi import problems
from app.api.pages.rendering import preferred_language
from app.services.outreach.pages import invalid_link_page, unsubscribe_page
from app.services.tokens import InvalidLinkError

router = APIRouter(prefix="/unsubscribe", tags=["public"])

PAGE: dict[str, Any] = {
    "description": "A page for people.",
    "content": {"text/html": {"example": "<!doctype html><title>Unsubscribe</title>"}},
}
NO_LINK: dict[int | str, dict[str, Any]] = problems(404)
NO_LINK[404]["description"] = "The link is not valid, or not any more; browsers get a page."
NO_LINK[404]["content"]["text/html"] = {
    "example": "<!doctype html><title>This link does not work</title>"
}
Token = Annotated[
    str, Path(max_length=2048, description="The signed token of an unsubscribe link.")
]


@router.get(
    "/{token}",
    operation_id="show_unsubscribe",
    summary="Ask before unsubscribing",
    response_class=HTMLResponse,
    responses={200: PAGE, **NO_LINK},
)
async def show(
    token: Token, request: Request, consent: ConsentDep, clinic: ClinicDep
) -> HTMLResponse:
    """A page with one button. Looking at it changes nothing.

    A link that is not valid, or not any more, is a page too for whoever accepts one: a person in
    front of a browser. A program gets the problem document.
    """
    try:
        patient = await consent.patient_of(token)
    except InvalidLinkError:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        language = preferred_language(request.headers.get("accept-language", ""))
        page = invalid_link_page(await clinic.current(), language)
        return HTMLResponse(page, HTTPStatus.NOT_FOUND)
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
