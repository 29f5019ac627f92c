"""One visit in the hands of its patient: the link in a letter, instead of an account."""

from dataclasses import dataclass
from datetime import date, datetime

from app.core.clock import Clock
from app.core.errors import ConflictError
from app.db.repositories import Repositories
from app.models.appointment import LIVE_STATUSES, Appointment
from app.models.base import as_object_id
from app.models.schedule import Clinic
from app.services.clinic import ClinicService
from app.services.scheduling.appointments import (
    AppointmentNotFoundError,
    AppointmentService,
    VisitChange,
)
from app.services.scheduling.availability import FreeTime
from app.services.tokens import InvalidLinkError, LinkTokens, TokenPurpose

BY_PATIENT = "patient"


class VisitHasBegunError(ConflictError):
    """The visit's time has come: what was not done in it is for the practice to note."""

    slug = "visit-has-begun"
    title = "This visit has begun"


@dataclass(frozen=True, slots=True)
class PatientVisitView:
    """What the patient sees of their visit."""

    appointment: Appointment
    clinic: Clinic
    provider_name: str | None
    can_be_changed: bool


class VisitSelfService:
    """Confirms, moves and cancels the one visit that a token names."""

    def __init__(
        self,
        repositories: Repositories,
        clinic: ClinicService,
        appointments: AppointmentService,
        tokens: LinkTokens,
        clock: Clock,
    ) -> None:
        self._providers = repositories.providers
        self._clinic = clinic
        self._appointments = appointments
        self._tokens = tokens
        self._clock = clock

    async def view(self, token: str) -> PatientVisitView:
        """The visit; changes nothing. Raises `InvalidLinkError`, also for one that is deleted."""
        return await self._view(await self._visit(token))

    async def confirm(self, token: str) -> PatientVisitView:
        """The patient will come. Raises `VisitHasBegunError`, `AppointmentTransitionError`."""
        visit = await self._ahead(token)
        return await self._view(await self._appointments.confirm(visit.id, by=BY_PATIENT))

    async def cancel(self, token: str) -> PatientVisitView:
        """The patient will not come. Raises `VisitHasBegunError`, `AppointmentTransitionError`."""
        visit = await self._ahead(token)
        return await self._view(await self._appointments.cancel(visit.id, by=BY_PATIENT))

    async def reschedule(self, token: str, starts_at: datetime) -> PatientVisitView:
        """Another time, under the rules of the booking site. Raises what booking raises."""
        visit = await self._ahead(token)
        change = VisitChange(starts_at=starts_at)
        moved = await self._appointments.change(visit.id, change, by=BY_PATIENT, staff=False)
        return await self._view(moved)

    async def other_times(self, token: str, first: date, last: date) -> list[FreeTime]:
        """Where `reschedule` can move the visit, on local days from `first` to `last`.

        Raises `InvalidLinkError`, `VisitHasBegunError`.
        """
        return await self._appointments.other_times(await self._ahead(token), first, last)

    async def _visit(self, token: str) -> Appointment:
        ids = self._tokens.read(token, TokenPurpose.MANAGE_APPOINTMENT)
        appointment_id = as_object_id(ids.get("appointment_id", ""))
        try:
            if appointment_id is not None:
                return await self._appointments.get(appointment_id)
        except AppointmentNotFoundError as error:
            raise InvalidLinkError(_GONE) from error
        raise InvalidLinkError(_GONE)

    async def _ahead(self, token: str) -> Appointment:
        visit = await self._visit(token)
        if visit.appointment_date <= self._clock.now():
            message = "This visit has begun or is over. Please call the practice."
            raise VisitHasBegunError(message)
        return visit

    async def _view(self, visit: Appointment) -> PatientVisitView:
        provider = await self._providers.get(visit.provider_id)
        is_ahead = visit.appointment_date > self._clock.now()
        return PatientVisitView(
            appointment=visit,
            clinic=await self._clinic.current(),
            provider_name=provider.name if provider else None,
            can_be_changed=is_ahead and visit.status in LIVE_STATUSES,
        )


_GONE = "This appointment is no longer in the book. Please call the practice."
