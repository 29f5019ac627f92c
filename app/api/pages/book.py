"""`/book`: from the link in a letter to a visit in the book, without script."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import ValidationError
from starlette.responses import Response

from app.api.deps import ServicesDep
from app.api.limits import AVAILABILITY_LIMIT, BOOKING_LIMIT
from app.api.pages.choosing import (
    TIME_REFUSALS,
    Choosing,
    alternatives_of,
    as_text,
    read_instant,
)
from app.api.pages.rendering import FormDep, Page, PageDep, PageRoute, Way
from app.core.addresses import EmailAddress
from app.core.errors import AppError
from app.models.base import PyObjectId, as_object_id
from app.models.proposal import ProposedTimes
from app.models.schedule import Service, ServiceSlug
from app.schemas.base import InputSchema
from app.schemas.public import BookingToken, Notes
from app.schemas.text import PersonName, PhoneText
from app.schemas.times import ClientTime
from app.services.container import Services
from app.services.scheduling.availability import FreeTime
from app.services.scheduling.booking import PublicBooking
from app.services.scheduling.localtime import local_day
from app.services.scheduling.refusals import UnknownServiceError
from app.services.scheduling.schedule_reader import Question
from app.services.scheduling.wanted import as_query, read_query

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
_TYPED = ("name", "email", "phone", "notes")
_CARRIED = ("booking_token", "service_id", *_TYPED)
_FIELD_OF_REFUSAL = {"invalid-name": "name", "invalid-phone": "phone"}
_NOTICES = frozenset({"patient-not-found", "idempotency-key-reused"})
"""Refusals after which the form is shown again."""


class KnownVisitForm(InputSchema):
    """What the form sends where the link says who books."""

    service_id: ServiceSlug
    appointment_date: ClientTime
    booking_token: BookingToken | None = None
    notes: Notes | None = None


class VisitForm(KnownVisitForm):
    """What the form sends otherwise."""

    name: PersonName
    email: EmailAddress
    phone: PhoneText


@dataclass(frozen=True)
class BookingPages:
    """The steps of booking."""

    page: Page
    parts: Services

    async def show(self, query: Mapping[str, str]) -> Response:
        """The step that the address has come to."""
        token, notice = await self._token(query.get("booking_token", ""))
        service = await self._service(query.get("service_id", ""))
        wanted = read_query(query.get("wanted", ""), self._today)
        start = self.page.way("book", booking_token=token, wanted=as_query(wanted))
        if service is None:
            gone = "service_gone" if query.get("service_id") else ""
            return await self._services(start, gone or notice)
        choosing = self._choosing(service, token, start, wanted)
        chosen = await choosing.step(query, notice)
        if isinstance(chosen, Response):
            return chosen
        sent = {"booking_token": token, "service_id": service.service_id}
        return self._details(service, chosen.starts_at, sent, notice=notice)

    async def submit(self, form: Mapping[str, str]) -> Response:
        """Book, and on to the confirmation; or the form again with what is wrong with it."""
        token, notice = await self._token(form.get("booking_token", ""))
        at = read_instant(form.get("alternative") or form.get("at", ""))
        service = await self._service(form.get("service_id", ""))
        if service is None or at is None:
            way = self.page.way("book", booking_token=token)
            gone = "service_gone" if service is None else notice
            return await self._services(way, gone, HTTPStatus.UNPROCESSABLE_ENTITY)
        sent = {**form, "booking_token": token}
        try:
            visit_id = await self._book(sent, at)
        except ValidationError as error:
            wrong = [str(single["loc"][0]) for single in error.errors()]
            return self._details(service, at, sent, wrong=wrong, notice=notice, status=422)
        except AppError as refusal:
            return await self._refused(refusal, service, at, sent)
        visit = self.parts.base.links.visit_token(visit_id)
        return self.page.go(self.page.way(f"visit/{visit}/booked").to())

    async def _book(self, sent: Mapping[str, str], at: datetime) -> PyObjectId:
        """The id of the visit. Raises `ValidationError` and what booking raises."""
        schema = KnownVisitForm if sent["booking_token"] else VisitForm
        fields = {name: sent[name] for name in schema.model_fields if sent.get(name, "").strip()}
        read = schema.model_validate({**fields, "appointment_date": as_text(at)})
        key = sent.get("key", "")
        answer = await self.parts.scheduling.booking.book(
            PublicBooking(**read.model_dump(), language=self.page.language),
            key if _KEY.fullmatch(key) else None,
            body=read.model_dump(mode="json"),
        )
        visit_id = as_object_id(answer["appointment_id"])
        assert visit_id is not None  # noqa: S101 - the service made it from an id
        return visit_id

    async def _refused(
        self, refusal: AppError, service: Service, at: datetime, sent: Mapping[str, str]
    ) -> Response:
        if field := _FIELD_OF_REFUSAL.get(refusal.slug):
            return self._details(service, at, sent, wrong=[field], status=refusal.status)
        if refusal.slug in _NOTICES:
            return self._details(service, at, sent, notice=refusal.slug, status=refusal.status)
        if refusal.slug not in TIME_REFUSALS:
            raise refusal
        near = await self._alternatives(refusal, service, at)
        return self._taken(refusal, service, at, sent, near)

    async def _alternatives(
        self, refusal: AppError, service: Service, at: datetime
    ) -> Sequence[datetime]:
        """Those of the refusal, else the free times nearest to the one asked for."""
        if given := alternatives_of(refusal):
            return given
        availability = self.parts.scheduling.availability
        near = await availability.nearest(Question(service=service), at)
        return [slot.starts_at for slot in near]

    def _taken(
        self,
        refusal: AppError,
        service: Service,
        at: datetime,
        sent: Mapping[str, str],
        alternatives: Sequence[datetime],
    ) -> Response:
        way = self.page.way(
            "book", booking_token=sent["booking_token"], service_id=sent["service_id"]
        )
        return self.page.show(
            "taken.html",
            refusal.status,
            title=self.page.words[refusal.slug],
            summary=service.name,
            asked=self.page.moment(at),
            alternatives=[(as_text(one), self.page.moment(one)) for one in alternatives],
            action=self.page.way("book").to(),
            hidden={"key": new_key(), **{name: sent.get(name, "") for name in _CARRIED}},
            other=way.to(),
        )

    def _details(
        self,
        service: Service,
        at: datetime,
        sent: Mapping[str, str],
        *,
        wrong: Sequence[str] = (),
        notice: str = "",
        status: int = HTTPStatus.OK,
    ) -> Response:
        token = sent["booking_token"]
        chosen = self.page.way("book", booking_token=token, service_id=service.service_id)
        return self.page.show(
            "details.html",
            status,
            service=service,
            moment=self.page.moment(at),
            is_known=bool(token),
            typed={name: sent.get(name, "") for name in _TYPED},
            wrong=[name for name in _TYPED if name in wrong],
            notice=notice,
            action=self.page.way("book").to(),
            hidden={
                "key": new_key(),
                "booking_token": token,
                "service_id": service.service_id,
                "at": as_text(at),
            },
            change_service=self.page.way("book", booking_token=token).to(),
            change_time=chosen.to(day=f"{at.astimezone(self.page.known_clinic.zone):%Y-%m-%d}"),
            without_link=self.page.way("book", service_id=service.service_id).to(at=as_text(at)),
        )

    async def _services(self, way: Way, notice: str, status: int = HTTPStatus.OK) -> Response:
        offered = await self.parts.scheduling.reader.online_services()
        return self.page.show("services.html", status, services=offered, way=way, notice=notice)

    async def _service(self, service_id: str) -> Service | None:
        try:
            return await self.parts.scheduling.reader.service(service_id)
        except UnknownServiceError:
            return None

    async def _token(self, given: str) -> tuple[str, str]:
        """The token if it says who books, else none and the sentence about it."""
        if not given or await self.parts.scheduling.booking.knows(given):
            return given, ""
        return "", "link_expired"

    @property
    def _today(self) -> date:
        return local_day(self.parts.clock.now(), self.page.known_clinic.zone)

    def _choosing(
        self, service: Service, token: str, start: Way, wanted: ProposedTimes | None
    ) -> Choosing:
        async def times(first: date, last: date) -> list[FreeTime]:
            availability = self.parts.scheduling.availability
            return await availability.between(str(first), str(last), service.service_id)

        return Choosing(
            page=self.page,
            way=Way(start.path, {**start.carried, "service_id": service.service_id}),
            back=start.to(),
            summary=service.name,
            times=times,
            wanted=wanted,
            now=self.parts.clock.now(),
            waits_for={"service_id": service.service_id, "booking_token": token},
        )


def new_key() -> str:
    """A key that makes a form count once, however often it is sent."""
    return secrets.token_urlsafe(24)


async def booking_pages(page: PageDep, parts: ServicesDep) -> BookingPages:
    """The steps of booking."""
    return BookingPages(page, parts)


BookingPagesDep = Annotated[BookingPages, Depends(booking_pages)]


@router.api_route("/book", methods=["GET", "HEAD"], dependencies=[AVAILABILITY_LIMIT])
async def show_booking(pages: BookingPagesDep) -> Response:
    """Choose a service, a day and a time, and say who comes. Changes nothing."""
    return await pages.show(pages.page.request.query_params)


@router.post("/book", dependencies=[BOOKING_LIMIT])
async def submit_booking(pages: BookingPagesDep, form: FormDep) -> Response:
    """Book a visit; 303 to its confirmation."""
    return await pages.submit(form)
