"""`/waitlist`: waiting for a time to free up, and the link in the letter when one has.

GET changes nothing: mail scanners follow links. What is pressed is a POST that ends in a 303.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends
from pydantic import ValidationError
from starlette.responses import Response

from app.api.deps import ServicesDep
from app.api.limits import BOOKING_LIMIT
from app.api.pages.choosing import TIME_REFUSALS, alternatives_of, as_text, read_instant
from app.api.pages.rendering import FormDep, Page, PageDep, PageRoute
from app.api.routes import PrefixRouter
from app.core.errors import AppError
from app.models.base import as_object_id
from app.schemas.waitlist import WaitlistJoin
from app.services.container import Services
from app.services.scheduling.availability import FreeTime
from app.services.scheduling.waitlist import WaitlistWish

router = PrefixRouter(prefix="/waitlist", route_class=PageRoute, include_in_schema=False)

TYPED = ("name", "email", "phone")
_WISHED = ("service_id", "from", "to")
_FIELD_OF_REFUSAL = {"invalid-name": "name", "invalid-phone": "phone"}
_STATE_REFUSALS = TIME_REFUSALS | {"offer-over", "not-waiting", "not-offered"}


@dataclass(frozen=True)
class WaitlistPages:
    """Joining, and the page of one offer."""

    page: Page
    parts: Services

    async def join(self, form: Mapping[str, str]) -> Response:
        """Onto the list; or the form again with what is wrong with it."""
        sent = {name: form[name] for name in (*_WISHED, *TYPED) if form.get(name, "").strip()}
        try:
            body = WaitlistJoin.model_validate(sent)
            wish = WaitlistWish(**body.fields(), language=self.page.language)
            free = await self.parts.waiting.entries.join(wish)
        except ValidationError as error:
            return self._form(form, [str(single["loc"][0]) for single in error.errors()])
        except AppError as refusal:
            if field := _FIELD_OF_REFUSAL.get(refusal.slug):
                return self._form(form, [field])
            raise
        return self._joined(form, free)

    async def show(self, token: str, notice: str = "", status: int = HTTPStatus.OK) -> Response:
        """The offer with a button for each time that can still be taken."""
        return await self._offer(token, notice, status, ())

    async def accept(self, token: str, at: str) -> Response:
        """Book it, and on to the confirmation; or the offer again with what is left of it."""
        wanted = read_instant(at)
        if wanted is None:
            return await self.show(token, "not-offered", HTTPStatus.UNPROCESSABLE_ENTITY)
        try:
            answer = await self.parts.waiting.answers.accept(token, wanted)
        except AppError as refusal:
            if refusal.slug not in _STATE_REFUSALS:
                raise
            near = alternatives_of(refusal)
            return await self._offer(token, refusal.slug, refusal.status, near)
        visit_id = as_object_id(answer["appointment_id"])
        assert visit_id is not None  # noqa: S101 - the service made it from an id
        visit = self.parts.base.links.visit_token(visit_id)
        return self.page.go(self.page.way(f"visit/{visit}/booked").to())

    async def leave(self, token: str) -> Response:
        """Off the list, and back to the page that says so."""
        await self.parts.waiting.answers.leave(token)
        return self.page.go(self.page.way(f"waitlist/{quote(token, safe='')}").to())

    async def _offer(
        self, token: str, notice: str, status: int, near: Sequence[datetime]
    ) -> Response:
        view = await self.parts.waiting.answers.view(token)
        links, entry, visit = self.parts.base.links, view.entry, view.visit
        patient_id = entry.patient_id
        book = self.page.way(
            "book",
            booking_token=links.booking_token(patient_id) if patient_id else "",
            service_id=entry.service_id,
        )
        here = f"waitlist/{quote(token, safe='')}"
        return self.page.show(
            "waitlist_offer.html",
            status,
            view=view,
            notice=notice,
            times=[(as_text(one), self.page.moment(one)) for one in view.free],
            until=self.page.moment(view.offer.until),
            taken=self.page.moment(visit.appointment_date) if visit else "",
            visit_link=self.page.way(f"visit/{links.visit_token(visit.id)}").to() if visit else "",
            near=[(book.to(at=as_text(one)), self.page.moment(one)) for one in near],
            accept=self.page.way(f"{here}/accept").to(),
            leave=self.page.way(f"{here}/leave").to(),
            book_link=book.to(),
        )

    def _form(self, form: Mapping[str, str], wrong: Sequence[str]) -> Response:
        return self.page.show(
            "waitlist_form.html",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            typed={name: form.get(name, "") for name in TYPED},
            wrong=[name for name in TYPED if name in wrong],
            wait={
                "action": self.page.way("waitlist").to(),
                "hidden": {name: form.get(name, "") for name in (*_WISHED, "booking_token")},
            },
            book_link=self.page.way("book").to(),
        )

    def _joined(self, form: Mapping[str, str], free: Sequence[FreeTime]) -> Response:
        book = self.page.way(
            "book",
            booking_token=form.get("booking_token", ""),
            service_id=form["service_id"],
        )
        return self.page.show(
            "waitlist_joined.html",
            HTTPStatus.CREATED,
            free=[
                (book.to(at=as_text(one.starts_at)), self.page.moment(one.starts_at))
                for one in free
            ],
            book_link=book.to(),
        )


async def waitlist_pages(page: PageDep, parts: ServicesDep) -> WaitlistPages:
    """Joining, and the page of one offer."""
    return WaitlistPages(page, parts)


WaitlistPagesDep = Annotated[WaitlistPages, Depends(waitlist_pages)]


@router.post("", dependencies=[BOOKING_LIMIT])
async def join(pages: WaitlistPagesDep, form: FormDep) -> Response:
    """Wait for a time. Sending the form again changes nothing, so it needs no 303."""
    return await pages.join(form)


@router.api_route("", methods=["GET", "HEAD"])
async def show_way_to_list(pages: WaitlistPagesDep) -> Response:
    """The form for the list stands in a month without free times; here is nothing to see."""
    return pages.page.go(pages.page.way("book").to())


@router.api_route("/{token}/accept", methods=["GET", "HEAD"])
@router.api_route("/{token}/leave", methods=["GET", "HEAD"])
@router.api_route("/{token}", methods=["GET", "HEAD"])
async def show_offer(token: str, pages: WaitlistPagesDep) -> Response:
    """The times that were offered, as far as they are free.

    Also where a browser opens the address of a form once more.
    """
    return await pages.show(token)


@router.post("/{token}/accept")
async def accept(token: str, pages: WaitlistPagesDep, form: FormDep) -> Response:
    """Take a time; 303 to its confirmation."""
    return await pages.accept(token, form.get("at", ""))


@router.post("/{token}/leave")
async def leave(token: str, pages: WaitlistPagesDep) -> Response:
    """No more offers."""
    return await pages.leave(token)
