"""Waiting for a time to free up: joining, and answering an offer by the link in its letter.

GET changes nothing: mail scanners follow links.
"""

from typing import Annotated

from fastapi import Path, status

from app.api.access import PublicRoute
from app.api.deps import AcceptLanguage, WaitlistAnswersDep, WaitlistDep
from app.api.limits import BOOKING_LIMIT
from app.api.openapi import problems
from app.api.pages.rendering import preferred_language
from app.api.routes import PrefixRouter
from app.schemas.public import BookingCreated
from app.schemas.waitlist import (
    JOINED_MESSAGE,
    OfferAcceptance,
    OfferRead,
    WaitlistJoin,
    WaitlistJoined,
)
from app.services.scheduling.waitlist import WaitlistWish
from app.services.scheduling.waitlist_answers import OfferView

router = PrefixRouter(prefix="/waitlist", tags=["waitlist"], route_class=PublicRoute)

Token = Annotated[str, Path(max_length=2000, description="From the letter with the offer.")]


def _answer(view: OfferView) -> OfferRead:
    return OfferRead.of(
        view.entry,
        view.offer,
        view.clinic,
        service_name=view.service_name,
        free=view.free,
        booked_for=view.visit.appointment_date if view.visit else None,
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Wait for a time to free up",
    operation_id="join_waitlist",
    responses=problems(404, 409, 429),
    dependencies=[BOOKING_LIMIT],
)
async def join_waitlist(
    body: WaitlistJoin, waitlist: WaitlistDep, accept_language: AcceptLanguage = "en"
) -> WaitlistJoined:
    """The answer is the same for everybody, patient or not, also where the same was sent before.
    Letters come in the language of the patient, else in the one preferred here.
    """
    language = preferred_language(accept_language)
    free = await waitlist.join(WaitlistWish(**body.fields(), language=language))
    return WaitlistJoined(message=JOINED_MESSAGE, available_now=[one.starts_at for one in free])


@router.get(
    "/offers/{token}",
    summary="See an offer",
    operation_id="get_waitlist_offer",
    responses=problems(404),
)
async def get_waitlist_offer(token: Token, answers: WaitlistAnswersDep) -> OfferRead:
    """The times that can still be taken. Changes nothing."""
    return _answer(await answers.view(token))


@router.post(
    "/offers/{token}/accept",
    summary="Take an offered time",
    operation_id="accept_waitlist_offer",
    responses=problems(404, 409),
)
async def accept_waitlist_offer(
    token: Token, body: OfferAcceptance, answers: WaitlistAnswersDep
) -> BookingCreated:
    """Books it; who is first has it, and a 409 names three free times near it. Accepting twice
    gets the same answer.
    """
    answer = await answers.accept(token, body.appointment_date)
    return BookingCreated.model_validate(answer)


@router.post(
    "/offers/{token}/leave",
    summary="Leave the waitlist",
    operation_id="leave_waitlist",
    responses=problems(404),
)
async def leave_waitlist(token: Token, answers: WaitlistAnswersDep) -> OfferRead:
    """No more offers. Leaving twice changes nothing, and a visit that was booked stays."""
    return _answer(await answers.leave(token))
