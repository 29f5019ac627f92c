"""The unsubscribe link. GET never changes anything: mail scanners follow links."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path
from fastapi.responses import HTMLResponse

from app.api.access import PublicRoute
from app.api.deps import ConsentDep
from app.api.openapi import problems
from app.api.pages.rendering import Page, PageDep
from app.api.routes import PrefixRouter
from app.models.patient import Patient
from app.services.tokens import InvalidLinkError

router = PrefixRouter(prefix="/unsubscribe", tags=["public"], route_class=PublicRoute)

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
async def show(token: Token, page: PageDep, consent: ConsentDep) -> HTMLResponse:
    """A page with one button. Looking at it changes nothing.

    A link that is not valid, or not any more, is a page too for whoever accepts one: a person in
    front of a browser. A program gets the problem document.
    """
    try:
        patient = await consent.patient_of(token)
    except InvalidLinkError as error:
        return _invalid_link(page, error)
    return _answer(page, patient, "unsub")


@router.post(
    "/{token}",
    operation_id="unsubscribe",
    summary="Unsubscribe with one click",
    response_class=HTMLResponse,
    responses={200: PAGE, **NO_LINK},
)
async def unsubscribe(token: Token, page: PageDep, consent: ConsentDep) -> HTMLResponse:
    """RFC 8058: no cookie, no redirect, no sign-in, and safe to repeat.

    Nobody on that mailbox gets outreach any more; an active campaign ends as declined. Messages
    about a visit that is booked still come.
    """
    try:
        patient = await consent.patient_of(token)
    except InvalidLinkError as error:
        return _invalid_link(page, error)
    await consent.unsubscribe(token)
    return _answer(page, patient, "unsub_done")


def _answer(page: Page, patient: Patient | None, step: str) -> HTMLResponse:
    """In the patient's language; nothing else on it is about them."""
    if patient is not None:
        page = page.for_reader(patient.language)
    return page.show("unsubscribe.html", step=step)


def _invalid_link(page: Page, error: InvalidLinkError) -> HTMLResponse:
    """A page for whoever accepts one; raises the error for a program."""
    if "text/html" not in page.request.headers.get("accept", ""):
        raise error
    return page.show("unsubscribe.html", HTTPStatus.NOT_FOUND, step="unsub_invalid")
