"""The book: visits as staff see and change them."""

from typing import Annotated

from fastapi import Query, Response, status

from app.api.deps import (
    AppointmentsDep,
    BookingDep,
    ClinicDep,
    IdempotencyKey,
    PageDep,
    ReadAccess,
    WriteAccess,
)
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.appointment import Appointment, AppointmentStatus
from app.models.base import PyObjectId
from app.schemas.appointments import (
    AppointmentCompletion,
    AppointmentCreate,
    AppointmentList,
    AppointmentRead,
    AppointmentUpdate,
)
from app.schemas.paging import Pagination
from app.schemas.times import QueryDay
from app.services.conversations import staff_actor
from app.services.patient_records import start_of_day
from app.services.scheduling.appointments import AppointmentService, VisitChange
from app.services.scheduling.booking import StaffBooking

router = PrefixRouter(prefix="/appointments", tags=["appointments"])

DayQuery = Annotated[QueryDay | None, Query(description="A clinic-local day, inclusive.")]


async def _read(appointment: Appointment, visits: AppointmentService) -> AppointmentRead:
    names = await visits.patient_names([appointment])
    return AppointmentRead.of(appointment, names.get(appointment.patient_id))


@router.get("", summary="List visits", operation_id="list_appointments")
async def list_appointments(
    *,
    _user: ReadAccess,
    visits: AppointmentsDep,
    paging: PageDep,
    start_date: DayQuery = None,
    end_date: DayQuery = None,
    provider_id: PyObjectId | None = None,
    appointment_status: Annotated[AppointmentStatus | None, Query(alias="status")] = None,
) -> AppointmentList:
    """By start."""
    found = await visits.page(
        start_date=start_date,
        end_date=end_date,
        provider_id=provider_id,
        status=appointment_status,
        page=paging.page,
        limit=paging.limit,
    )
    rows = [
        AppointmentRead.of(one, found.patient_names.get(one.patient_id))
        for one in found.appointments
    ]
    return AppointmentList(pagination=Pagination.of(found.total_items, paging), appointments=rows)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Book a visit by hand",
    operation_id="create_appointment",
    responses=problems(404, 409),
)
async def create_appointment(
    body: AppointmentCreate,
    user: WriteAccess,
    booking: BookingDep,
    visits: AppointmentsDep,
    idempotency_key: IdempotencyKey = None,
) -> AppointmentRead:
    """Finds the patient by e-mail or creates one, and links their active campaign. Outside lead
    time, horizon and grid, but within working hours; provider and chair are chosen where none is
    named. A 409 names three free times near the one that was taken. An `Idempotency-Key` makes a
    retry safe.
    """
    fields = body.model_dump(exclude={"preferred_channel"})
    request = StaffBooking(**fields, preferred_channel=body.channels)
    booked = await booking.staff_book(
        request,
        by=staff_actor(user),
        idempotency_key=idempotency_key,
        body=body.model_dump(mode="json"),
    )
    return await _read(booked, visits)


@router.get(
    "/{appointment_id}",
    summary="One visit",
    operation_id="get_appointment",
    responses=problems(404),
)
async def get_appointment(
    appointment_id: PyObjectId, _user: ReadAccess, visits: AppointmentsDep
) -> AppointmentRead:
    """As it stands in the book."""
    return await _read(await visits.get(appointment_id), visits)


@router.patch(
    "/{appointment_id}",
    summary="Move or annotate a visit",
    operation_id="update_appointment",
    responses=problems(404, 409),
)
async def update_appointment(
    appointment_id: PyObjectId, body: AppointmentUpdate, user: WriteAccess, visits: AppointmentsDep
) -> AppointmentRead:
    """Onto its own time too. A visit that starts at another time is unconfirmed again, and its
    patient is told. Another provider or length at the same time keeps the confirmation, and the
    patient is told; another chair is told nobody. A 409 names three free times.
    """
    change = VisitChange(
        starts_at=body.appointment_date,
        provider_id=body.provider_id,
        chair_id=body.chair_id,
        duration_minutes=body.duration_minutes,
        notes=body.notes,
        sets_notes="notes" in body.model_fields_set,
    )
    changed = await visits.change(appointment_id, change, by=staff_actor(user), staff=True)
    return await _read(changed, visits)


@router.delete(
    "/{appointment_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Delete a visit",
    operation_id="delete_appointment",
    responses=problems(404, 409),
)
async def delete_appointment(
    appointment_id: PyObjectId, user: WriteAccess, visits: AppointmentsDep
) -> Response:
    """Out of the book, its time free; the audit log keeps what it was."""
    await visits.delete(appointment_id, by=staff_actor(user))
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.post(
    "/{appointment_id}/confirm",
    summary="Confirm a visit",
    operation_id="confirm_appointment",
    responses=problems(404, 409),
)
async def confirm_appointment(
    appointment_id: PyObjectId, user: WriteAccess, visits: AppointmentsDep
) -> AppointmentRead:
    """The patient will come."""
    return await _read(await visits.confirm(appointment_id, by=staff_actor(user)), visits)


@router.post(
    "/{appointment_id}/complete",
    summary="Complete a visit",
    operation_id="complete_appointment",
    responses=problems(404, 409),
)
async def complete_appointment(
    appointment_id: PyObjectId,
    user: WriteAccess,
    visits: AppointmentsDep,
    clinic: ClinicDep,
    body: AppointmentCompletion | None = None,
) -> AppointmentRead:
    """It took place: the linked campaign is recovered, and the patient is due again on the date
    given, else after the service's recall interval, else not at all. The same once more changes
    nothing; another date for a visit that is completed already is a 409.
    """
    due = body.next_follow_up_date if body else None
    next_due = start_of_day(due, (await clinic.current()).zone) if due else None
    done = await visits.complete(appointment_id, by=staff_actor(user), next_follow_up_date=next_due)
    return await _read(done, visits)


@router.post(
    "/{appointment_id}/cancel",
    summary="Cancel a visit",
    operation_id="cancel_appointment",
    responses=problems(404, 409),
)
async def cancel_appointment(
    appointment_id: PyObjectId, user: WriteAccess, visits: AppointmentsDep
) -> AppointmentRead:
    """Its time is free, and its patient is told."""
    return await _read(await visits.cancel(appointment_id, by=staff_actor(user)), visits)


@router.post(
    "/{appointment_id}/no-show",
    summary="Note a no-show",
    operation_id="mark_appointment_no_show",
    responses=problems(404, 409),
)
async def mark_appointment_no_show(
    appointment_id: PyObjectId, user: WriteAccess, visits: AppointmentsDep
) -> AppointmentRead:
    """The patient did not come: a person follows up."""
    return await _read(await visits.no_show(appointment_id, by=staff_actor(user)), visits)
