"""`/visit/{token}`: one visit in the hands of its patient.

GET changes nothing: mail scanners follow links. What is pressed is a POST that ends in a 303.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends
from starlette.responses import Response

from app.api.deps import ServicesDep, VisitSelfServiceDep
from app.api.pages.choosing import (
    TIME_REFUSALS,
    Choosing,
    alternatives_of,
    as_text,
    read_instant,
)
from app.api.pages.rendering import FormDep, Page, PageDep, PageRoute, Way
from app.api.routes import PrefixRouter
from app.core.clock import Clock
from app.core.errors import AppError
from app.models.appointment import AppointmentStatus
from app.services.scheduling.availability import ALTERNATIVES, FreeTime
from app.services.scheduling.localtime import local_day
from app.services.scheduling.self_service import PatientVisitView, VisitSelfService

router = PrefixRouter(prefix="/visit/{token}", route_class=PageRoute, include_in_schema=False)

_DONE = {
    "confirmed": AppointmentStatus.CONFIRMED,
    "cancelled": AppointmentStatus.CANCELLED,
    "moved": AppointmentStatus.BOOKED,
}
"""What was just done, and how the visit then stands; an old address claims nothing else."""
_STATE_REFUSALS = frozenset(
    {
        "visit-has-begun",
        "visit-moved",
        "too-late-to-change",
        "appointment-transition",
        "appointment-changed",
    }
)
_NEAR = timedelta(days=7)


@dataclass(frozen=True)
class VisitPages:
    """The pages of one visit."""

    page: Page
    visits: VisitSelfService
    clock: Clock
    token: str

    async def show(self, done: str = "") -> Response:
        """The visit, with what can be done about it."""
        view = await self.visits.view(self.token)
        is_so = _DONE.get(done) == view.appointment.status
        return self._visit(view, f"done_{done}" if is_so else "")

    async def booked(self) -> Response:
        """What a booking ends with."""
        view = await self.visits.view(self.token)
        return self._show("booked.html", view)

    async def ask_to_cancel(self) -> Response:
        """The question before a visit is cancelled."""
        view = await self.visits.view(self.token)
        return self._show("cancel.html", view) if view.can_be_changed else self._visit(view, "")

    async def choose(self) -> Response:
        """Another day, another time, and the question whether to move."""
        view = await self.visits.view(self.token)
        if not view.can_be_changed:
            return self._visit(view, "")
        chosen = await self._choosing(view).step(self.page.request.query_params)
        if isinstance(chosen, Response):
            return chosen
        return self._show(
            "move.html", view, at=as_text(chosen.starts_at), then=self.page.moment(chosen.starts_at)
        )

    async def move(self, at: str) -> Response:
        """Move it, if the time is free; else the times near it."""
        wanted = read_instant(at)
        if wanted is None:
            return self.page.go(self._way("/move").to())
        try:
            await self.visits.reschedule(self.token, wanted)
        except AppError as refusal:
            if refusal.slug not in TIME_REFUSALS:
                return await self._refused(refusal)
            near = alternatives_of(refusal) or await self._near(wanted)
            return await self._taken(refusal, wanted, near)
        return self.page.go(self._way().to(done="moved"))

    async def change(self, change: Awaitable[PatientVisitView], done: str) -> Response:
        """Confirm or cancel, and on to the visit."""
        try:
            await change
        except AppError as refusal:
            return await self._refused(refusal)
        return self.page.go(self._way().to(done=done))

    async def _near(self, wanted: datetime) -> list[datetime]:
        """The free times of the days around, nearest first to be kept, then in order."""
        day = local_day(wanted, self.page.known_clinic.zone)
        free = await self.visits.other_times(self.token, day - _NEAR, day + _NEAR)
        starts = sorted((one.starts_at for one in free), key=lambda at: abs(at - wanted))
        return sorted(starts[:ALTERNATIVES])

    async def _taken(
        self, refusal: AppError, wanted: datetime, near: Sequence[datetime]
    ) -> Response:
        view = await self.visits.view(self.token)
        return self.page.show(
            "taken.html",
            refusal.status,
            title=self.page.words[refusal.slug],
            summary=view.appointment.service_name,
            asked=self.page.moment(wanted),
            alternatives=[(as_text(one), self.page.moment(one)) for one in near],
            action=self._way("/move").to(),
            hidden={},
            other=self._way("/move").to(),
        )

    async def _refused(self, refusal: AppError) -> Response:
        if refusal.slug not in _STATE_REFUSALS:
            raise refusal
        return self._visit(await self.visits.view(self.token), refusal.slug, refusal.status)

    def _visit(self, view: PatientVisitView, notice: str, status: int = 200) -> Response:
        return self._show("visit.html", view, status, notice=notice)

    def _show(
        self, template: str, view: PatientVisitView, status: int = 200, **values: object
    ) -> Response:
        return self.page.show(
            template,
            status,
            view=view,
            moment=self.page.moment(view.appointment.appointment_date),
            seen=as_text(view.appointment.appointment_date),
            links={name: self._way(f"/{name}").to() for name in ("confirm", "cancel", "move")},
            visit_link=self._way().to(),
            book_link=self.page.way("book").to(),
            calendar_link=self.page.way(
                self._path("api/v1/appointments/manage", "/calendar.ics")
            ).path,
            until=self.page.moment(view.changes_until),
            **values,
        )

    def _way(self, step: str = "") -> Way:
        return self.page.way(self._path("visit", step))

    def _path(self, before: str, after: str) -> str:
        return f"{before}/{quote(self.token, safe='')}{after}"

    def _choosing(self, view: PatientVisitView) -> Choosing:
        async def times(first: date, last: date) -> list[FreeTime]:
            return await self.visits.other_times(self.token, first, last)

        return Choosing(
            page=self.page,
            way=self._way("/move"),
            back=self._way().to(),
            summary=view.appointment.service_name,
            times=times,
            now=self.clock.now(),
        )


async def visit_pages(
    token: str, page: PageDep, visits: VisitSelfServiceDep, parts: ServicesDep
) -> VisitPages:
    """The pages of the visit that `token` opens."""
    return VisitPages(page, visits, parts.clock, token)


VisitPagesDep = Annotated[VisitPages, Depends(visit_pages)]


@router.api_route("", methods=["GET", "HEAD"])
@router.api_route("/confirm", methods=["GET", "HEAD"])
async def show_visit(pages: VisitPagesDep, done: str = "") -> Response:
    """When, where, with whom and how it stands."""
    return await pages.show(done)


@router.api_route("/booked", methods=["GET", "HEAD"])
async def show_booked(pages: VisitPagesDep) -> Response:
    """The confirmation after booking."""
    return await pages.booked()


@router.api_route("/cancel", methods=["GET", "HEAD"])
async def ask_to_cancel(pages: VisitPagesDep) -> Response:
    """Cancelling takes a second press."""
    return await pages.ask_to_cancel()


@router.api_route("/move", methods=["GET", "HEAD"])
async def choose_time(pages: VisitPagesDep) -> Response:
    """Another day and time."""
    return await pages.choose()


@router.post("/confirm")
async def confirm(pages: VisitPagesDep, form: FormDep) -> Response:
    """The patient comes, at the time that the page showed."""
    seen = read_instant(form.get("seen", ""))
    return await pages.change(pages.visits.confirm(pages.token, seen=seen), "confirmed")


@router.post("/cancel")
async def cancel(pages: VisitPagesDep, form: FormDep) -> Response:
    """The patient does not come, at the time that the page showed."""
    seen = read_instant(form.get("seen", ""))
    return await pages.change(pages.visits.cancel(pages.token, seen=seen), "cancelled")


@router.post("/move")
async def move(pages: VisitPagesDep, form: FormDep) -> Response:
    """To another time."""
    return await pages.move(form.get("alternative") or form.get("at", ""))
