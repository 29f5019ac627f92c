"""Booking: by the patient on the booking site, and by staff.

The visit is stored first, with its claims and the note of its effects in one write; everything
else follows from that note (`AppointmentEffects`), now or after a crash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError, UnprocessableError
from app.db.repositories import Repositories
from app.models.appointment import (
    Appointment,
    AppointmentEvent,
    AppointmentEventKind,
    CreatedFrom,
)
from app.models.base import PyObjectId, as_object_id, new_id
from app.models.campaign import Campaign
from app.models.patient import Channel, Patient, PatientType
from app.models.schedule import Clinic
from app.services.idempotency import Answer, OnceOnly
from app.services.outreach.links import Links
from app.services.patients import PatientDirectory, PatientNotFoundError, refuse_erased
from app.services.scheduling.effects import AppointmentEffects, Known
from app.services.scheduling.engine import Pair
from app.services.scheduling.localtime import to_instant
from app.services.scheduling.lookups import LookupLimit
from app.services.scheduling.newcomers import Newcomers
from app.services.scheduling.placement import Placement, Placing
from app.services.scheduling.schedule_reader import ScheduleReader
from app.services.scheduling.setup import Setup
from app.services.scheduling.timetable import Length
from app.services.tokens import InvalidLinkError, LinkTokens, TokenPurpose

PUBLIC_ROUTE = "POST /appointments/book"
STAFF_ROUTE = "POST /admin/appointments"
BOOKED_MESSAGE = "Appointment booked successfully."
_NOBODY = "We could not find a patient with this e-mail address or phone number."


class CampaignMismatchError(UnprocessableError):
    """The campaign does not exist or is another patient's."""

    slug = "campaign-mismatch"
    title = "This campaign is not the patient's"


@dataclass(frozen=True, slots=True)
class PublicBooking:
    """What the booking form sends. A date without an offset is on the clinic's clock.

    Name and contact can be left out where `booking_token` says who books (`knows`).
    """

    appointment_date: datetime
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    service_id: str | None = None
    service_name: str | None = None
    provider_id: PyObjectId | None = None
    booking_token: str | None = None
    notes: str | None = None
    language: str | None = None
    """In which somebody new is written to."""


@dataclass(frozen=True, slots=True)
class StaffBooking:
    """What staff enter: a patient by id, or by name and contact."""

    appointment_date: datetime
    patient_id: PyObjectId | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    service_id: str | None = None
    service_name: str | None = None
    provider_id: PyObjectId | None = None
    chair_id: PyObjectId | None = None
    duration_minutes: int | None = None
    campaign_id: PyObjectId | None = None
    preferred_channel: list[Channel] | None = None
    notes: str | None = None


@dataclass(frozen=True, slots=True)
class _Guest:
    """For whom a visit is booked: somebody known with their active campaign, or a newcomer, who
    is stored once the visit is certain.
    """

    patient: Patient
    campaign: Campaign | None = None
    is_new: bool = False

    @property
    def campaign_id(self) -> PyObjectId | None:
        """What the visit is linked to."""
        return self.campaign.id if self.campaign else None


@dataclass(frozen=True, slots=True)
class _Entry:
    """How the visit goes into the book."""

    created_from: CreatedFrom
    by: str
    notes: str | None


class BookingService:
    """Books visits."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        reader: ScheduleReader,
        placement: Placement,
        directory: PatientDirectory,
        newcomers: Newcomers,
        effects: AppointmentEffects,
        lookups: LookupLimit,
        once: OnceOnly,
        tokens: LinkTokens,
        links: Links,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._appointments = repositories.appointments
        self._reader = reader
        self._placement = placement
        self._directory = directory
        self._newcomers = newcomers
        self._effects = effects
        self._lookups = lookups
        self._once = once
        self._tokens = tokens
        self._links = links
        self._clock = clock

    async def book(
        self, request: PublicBooking, idempotency_key: str | None = None, *, body: Answer
    ) -> Answer:
        """Book for a patient; the answer `{"message", "appointment_id", "manage_url"}`.

        `body` is the validated request as JSON, which the key is bound to. Raises
        `UnknownServiceError`, `UnknownProviderError`, `PatientNotFoundError`, `NotBookableError`,
        `SlotTakenError`, `PatientHasVisitError`, `IdempotencyKeyReusedError` and the errors of
        local times, phones and names. A refused booking stores nothing.
        """
        if idempotency_key is None:
            return await self._book(request, new_id())

        async def make(appointment_id: PyObjectId) -> Answer:
            return await self._book(request, appointment_id)

        return await self._once.answer(
            route=PUBLIC_ROUTE, key=idempotency_key, body=body, find=self._made, make=make
        )

    async def _made(self, appointment_id: PyObjectId) -> Answer | None:
        """The answer of an earlier run of the same request, finished where a crash cut it short."""
        made = await self._appointments.get(appointment_id)
        if made is None:
            return None
        return await self._finish(made)

    async def book_for(
        self, patient: Patient, request: PublicBooking, appointment_id: PyObjectId
    ) -> Answer:
        """Book for a patient whom the caller knows, once under this id: whoever asks again, with
        whatever time, gets the answer of the visit that was made. Raises what `book` raises.
        """
        if made := await self._made(appointment_id):
            return made
        try:
            return await self._book(request, appointment_id, patient)
        except ConflictError:
            # Of two that ran at once the slower one finds its time taken by the faster one.
            if made := await self._made(appointment_id):
                return made
            raise

    async def _book(
        self, request: PublicBooking, appointment_id: PyObjectId, patient: Patient | None = None
    ) -> Answer:
        setup = await self._reader.setup()
        service = setup.service(request.service_id, request.service_name)
        starts_at = to_instant(request.appointment_date, setup.clinic.zone)
        guest = await (self._known(patient) if patient else self._guest(request, setup.clinic))
        placing = Placing(
            appointment_id=appointment_id,
            service=service,
            patient_id=guest.patient.id,
            starts_at=starts_at,
            provider_id=request.provider_id,
        )
        entry = _Entry(CreatedFrom.AI_AGENT_FORM, "booking", request.notes)
        known = Known(setup, guest.patient, guest.campaign)
        return await self._finish(await self._enter(setup, placing, guest, entry), known)

    async def _settled(self, appointment: Appointment, known: Known | None = None) -> Appointment:
        """With everything done that the visit asks for."""
        settled = await self._newcomers.settle(appointment)
        await self._effects.apply_now(settled, known)
        return settled

    async def _finish(self, appointment: Appointment, known: Known | None = None) -> Answer:
        settled = await self._settled(appointment, known)
        return {
            "message": BOOKED_MESSAGE,
            "appointment_id": str(settled.id),
            "manage_url": self._links.manage_link(settled.id),
        }

    async def staff_book(
        self,
        request: StaffBooking,
        *,
        by: str,
        idempotency_key: str | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Appointment:
        """Book for a patient by hand, outside lead time, horizon and grid; `by` is `staff:<id>`.

        A retry under the same key answers the visit of the first try, as it stands by then. A key
        is its user's own. Raises what `book` raises, `CampaignMismatchError`, `ErasedPatientError`,
        and `NotFoundError` where the key's visit has been deleted since.
        """
        if idempotency_key is None:
            return await self._staff_book(request, by, new_id())

        async def make(appointment_id: PyObjectId) -> Answer:
            return _as_answer(await self._staff_book(request, by, appointment_id))

        answer = await self._once.answer(
            route=f"{STAFF_ROUTE}:{by}",
            key=idempotency_key,
            body=body or {},
            find=self._made_by_staff,
            make=make,
        )
        made = await self._appointments.get(PyObjectId(answer["appointment_id"]))
        if made is None:
            message = "The visit that was booked with this Idempotency-Key has been deleted."
            raise NotFoundError(message)
        return made

    async def _made_by_staff(self, appointment_id: PyObjectId) -> Answer | None:
        """As `_made`; the record keeps the id alone."""
        made = await self._appointments.get(appointment_id)
        return None if made is None else _as_answer(await self._settled(made))

    async def _staff_book(
        self, request: StaffBooking, by: str, appointment_id: PyObjectId
    ) -> Appointment:
        setup = await self._reader.setup()
        service = setup.service(request.service_id, request.service_name, online=False)
        guest = await self._guest_of_staff(request)
        placing = Placing(
            appointment_id=appointment_id,
            service=service,
            patient_id=guest.patient.id,
            starts_at=to_instant(request.appointment_date, setup.clinic.zone),
            provider_id=request.provider_id,
            chair_id=request.chair_id,
            staff=True,
            length=Length(request.duration_minutes) if request.duration_minutes else None,
        )
        entry = _Entry(CreatedFrom.MANUAL_ADMIN, by, request.notes)
        known = Known(setup, guest.patient, guest.campaign)
        booked = await self._settled(await self._enter(setup, placing, guest, entry), known)
        return await self._appointments.get(booked.id) or booked

    async def _enter(
        self, setup: Setup, placing: Placing, guest: _Guest, entry: _Entry
    ) -> Appointment:
        """Into the book with the first pair of provider and chair that is free."""

        async def write(pair: Pair, claims: list[str]) -> Appointment:
            return await self._appointments.insert(self._visit(placing, guest, entry, pair, claims))

        return await self._placement.place(placing, write, setup)

    def _visit(
        self, placing: Placing, guest: _Guest, entry: _Entry, pair: Pair, claims: list[str]
    ) -> Appointment:
        event = AppointmentEvent(
            kind=AppointmentEventKind.BOOKED,
            at=self._clock.now(),
            by=entry.by,
            new_patient=guest.patient if guest.is_new else None,
        )
        service = placing.service
        return Appointment(
            id=placing.appointment_id,
            patient_id=guest.patient.id,
            campaign_id=guest.campaign_id,
            provider_id=pair.provider_id,
            chair_id=pair.chair_id,
            service_id=service.service_id,
            service_name=service.name,
            appointment_date=placing.starts_at,
            duration_minutes=placing.minutes(pair),
            duration_by_hand=placing.length_is_given,
            buffer_before_minutes=service.buffer_before_minutes,
            buffer_after_minutes=service.buffer_after_minutes,
            created_from=entry.created_from,
            notes=entry.notes,
            claims=claims,
            pending_event=event,
        )

    # Who comes

    async def _guest(self, request: PublicBooking, clinic: Clinic) -> _Guest:
        """By token, else by contact; a stranger only where the clinic takes new patients online."""
        patient = await self._named_by(request.booking_token)
        if patient is not None:
            return await self._known(patient)
        newcomer = await self._directory.prepare(
            name=request.name or "",
            email=request.email,
            phone=request.phone,
            patient_type=PatientType.COLD_LEAD,
            clinic=clinic,
            language=request.language,
        )
        async with self._lookups.counted(request.email, newcomer.phone):
            patient = await self._directory.find_for_booking(
                email=request.email or "", phone=newcomer.phone, name=newcomer.name
            )
            if patient is None and not clinic.allow_new_patient_booking:
                raise PatientNotFoundError(_NOBODY)
        return await self._known(patient) if patient else _Guest(newcomer, is_new=True)

    async def knows(self, token: str | None) -> bool:
        """Whether a booking token says who books, so that nobody has to be asked."""
        return await self._named_by(token) is not None

    async def _named_by(self, token: str | None) -> Patient | None:
        """The patient a valid booking token names.

        One that does not verify, has run out, is for something else or names somebody who was
        erased says nothing about who books: then the contact decides, as without a token.
        """
        if token is None:
            return None
        try:
            ids = self._tokens.read(token, TokenPurpose.BOOKING)
        except InvalidLinkError:
            return None
        patient_id = as_object_id(ids.get("patient_id", ""))
        patient = await self._repositories.patients.standing(patient_id) if patient_id else None
        return patient if patient and patient.erasure is None else None

    async def _known(self, patient: Patient) -> _Guest:
        """With their one active campaign: also the token's, which is that one or has ended."""
        campaign = await self._repositories.campaigns.active_for(patient.id)
        return _Guest(patient, campaign)

    async def _guest_of_staff(self, request: StaffBooking) -> _Guest:
        guest = await self._chosen_by_staff(request)
        if request.campaign_id is None:
            return guest
        campaign = await self._repositories.campaigns.get(request.campaign_id)
        if campaign is None or campaign.patient_id != guest.patient.id:
            message = "There is no such campaign of this patient."
            raise CampaignMismatchError(message)
        return _Guest(guest.patient, campaign)

    async def _chosen_by_staff(self, request: StaffBooking) -> _Guest:
        if request.patient_id is not None:
            patient = await self._repositories.patients.standing(request.patient_id)
            if patient is None:
                message = "There is no such patient."
                raise PatientNotFoundError(message)
            refuse_erased(patient)
            return await self._known(patient)
        newcomer = await self._directory.prepare(
            name=request.name or "",
            email=request.email,
            phone=request.phone,
            patient_type=PatientType.COLD_LEAD,
            preferred_channel=request.preferred_channel,
        )
        patient = await self._directory.find(newcomer)
        return await self._known(patient) if patient else _Guest(newcomer, is_new=True)


def _as_answer(appointment: Appointment) -> Answer:
    return {"appointment_id": str(appointment.id)}
