"""What the booking site asks: no signing in."""

from typing import Annotated

from fastapi import APIRouter, Query, status

from app.api.access import PublicRoute
from app.api.deps import (
    AcceptLanguage,
    AvailabilityDep,
    BookingDep,
    ClinicDep,
    IdempotencyKey,
    ScheduleReaderDep,
)
from app.api.limits import AVAILABILITY_LIMIT, BOOKING_LIMIT
from app.api.openapi import problems
from app.api.pages.rendering import preferred_language
from app.models.base import PyObjectId
from app.models.schedule import ServiceSlug
from app.schemas.public import (
    BookingCreate,
    BookingCreated,
    ClinicRead,
    FreeSlot,
    FreeSlots,
    OfferedServices,
)
from app.services.scheduling.booking import PublicBooking

router = APIRouter(tags=["public"], route_class=PublicRoute)

Edge = Annotated[str, Query(min_length=10, max_length=40)]


@router.get("/clinic", summary="The practice", operation_id="get_clinic")
async def get_clinic(clinic: ClinicDep) -> ClinicRead:
    """Name, contact, time zone, currency and the rules of booking."""
    return ClinicRead.of(await clinic.current())


@router.get(
    "/services",
    summary="What can be booked online",
    operation_id="list_offered_services",
    response_model_exclude_none=True,
)
async def list_offered_services(reader: ScheduleReaderDep) -> OfferedServices:
    """By name. What only staff book is left out."""
    return OfferedServices.of(await reader.online_services())


@router.get(
    "/availability",
    summary="Free times of a month",
    operation_id="get_availability",
    responses={
        200: {
            "description": "Local days with their free start times.",
            "content": {"application/json": {"example": {"2026-08-20": ["09:00", "10:00"]}}},
        },
        **problems(404, 429),
    },
    dependencies=[AVAILABILITY_LIMIT],
)
async def get_availability(
    availability: AvailabilityDep,
    month: Annotated[int, Query(ge=1, le=12, examples=[8])],
    year: Annotated[int, Query(ge=1970, le=2200, examples=[2026])],
    service_id: Annotated[ServiceSlug, Query()],
    provider_id: Annotated[PyObjectId | None, Query()] = None,
) -> dict[str, list[str]]:
    """Clinic-local start times that can be booked now; only days that have some."""
    return await availability.month(year, month, service_id, provider_id)


@router.get(
    "/availability/slots",
    summary="Free times as instants",
    operation_id="list_free_slots",
    responses=problems(404, 429),
    dependencies=[AVAILABILITY_LIMIT],
)
async def list_free_slots(
    *,
    availability: AvailabilityDep,
    clinic: ClinicDep,
    since: Annotated[Edge, Query(alias="from", examples=["2026-08-20"])],
    until: Annotated[Edge, Query(alias="to", examples=["2026-08-27"])],
    service_id: Annotated[ServiceSlug, Query()],
    provider_id: Annotated[PyObjectId | None, Query()] = None,
) -> FreeSlots:
    """At most 62 days, with the providers free at each. `from` and `to` are local days, the last
    one inclusive, or times, the last one exclusive.
    """
    slots = await availability.between(since, until, service_id, provider_id)
    zone = (await clinic.current()).timezone
    return FreeSlots(timezone=zone, slots=[FreeSlot.model_validate(slot) for slot in slots])


@router.post(
    "/appointments/book",
    status_code=status.HTTP_201_CREATED,
    summary="Book a visit",
    operation_id="book_appointment",
    responses=problems(404, 409, 429),
    dependencies=[BOOKING_LIMIT],
)
async def book_appointment(
    body: BookingCreate,
    booking: BookingDep,
    idempotency_key: IdempotencyKey = None,
    accept_language: AcceptLanguage = "en",
) -> BookingCreated:
    """The patient is found by e-mail, else by phone; a valid `booking_token` outranks both. A 409
    names three free times near the one that was taken. Somebody new is written to in the language
    preferred here.
    """
    request = PublicBooking(**body.model_dump(), language=preferred_language(accept_language))
    answer = await booking.book(request, idempotency_key, body=body.model_dump(mode="json"))
    return BookingCreated.model_validate(answer)
