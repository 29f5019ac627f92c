"""One visit in the hands of its patient: the link in a letter, instead of an account."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError
from app.db.repositories import Repositories
from app.models.appointment import LIVE_STATUSES, Appointment, AppointmentStatus
from app.models.base import as_object_id
from app.models.schedule import Clinic
from app.services.clinic import ClinicService
from app.services.scheduling.appointments import (
    AppointmentNotFoundError,
    AppointmentService,
    VisitChange,
)
from app.services.scheduling.availability import FreeTime
from app.services.scheduling.localtime import describe
from app.services.scheduling.visit_calendar import VisitCalendar
from app.services.tokens import InvalidLinkError, LinkTokens, TokenPurpose

BY_PATIENT = "patient"


class VisitHasBegunError(ConflictError):
    """The visit's time has come: what was not done in it is for the practice to note."""

    slug = "visit-has-begun"
    title = "This visit has begun"


class VisitMovedError(ConflictError):
    """The visit is at another time than the patient had before their eyes."""

    slug = "visit-moved"
    title = "This visit was moved meanwhile"


class VisitGoneError(NotFoundError):
    """The link is good, and its visit is not in the book any more: the practice removed it."""

    slug = "visit-gone"
    title = "This visit is no longer in the book"


class TooLateToChangeError(ConflictError):
    """The visit is so near that a change needs a person. `phone` is whom to call."""

    slug = "too-late-to-change"
    title = "Too late to change this visit here"


@dataclass(frozen=True, slots=True)
class PatientVisitView:
    """What the patient sees of their visit, and what they can do about it."""

    appointment: Appointment
    clinic: Clinic
    provider_name: str | None
    is_coming: bool
    """Whether it is still ahead and going to happen."""
    changes_until: datetime
    """The last instant at which it could be moved or cancelled here."""
    can_be_changed: bool
    can_be_confirmed: bool
    is_too_late: bool
    """Whether nothing but the minimum notice keeps it from being changed."""
    calendar_url: str


class VisitSelfService:
    """Confirms, moves and cancels the one visit that a token names."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        clinic: ClinicService,
        appointments: AppointmentService,
        calendar: VisitCalendar,
        tokens: LinkTokens,
        clock: Clock,
    ) -> None:
        self._providers = repositories.providers
        self._clinic = clinic
        self._appointments = appointments
        self._calendar = calendar
        self._tokens = tokens
        self._clock = clock

    async def view(self, token: str) -> PatientVisitView:
        """The visit; changes nothing. Raises `InvalidLinkError`, `VisitGoneError`."""
        return await self._view(await self._visit(token), token)

    async def calendar_file(self, token: str) -> bytes:
        """The visit for a calendar program; changes nothing. Raises what `view` raises."""
        return await self._calendar.download(await self._visit(token), token, self._clock.now())

    async def confirm(self, token: str, *, seen: datetime | None = None) -> PatientVisitView:
        """The patient will come; possible until the visit begins. `seen`: the start that they were
        shown, where that is known.

        Raises `VisitHasBegunError`, `VisitMovedError`, `AppointmentTransitionError`.
        """
        visit = _as_seen(await self._ahead(token), seen)
        return await self._view(await self._appointments.confirm(visit.id, by=BY_PATIENT), token)

    async def cancel(self, token: str, *, seen: datetime | None = None) -> PatientVisitView:
        """The patient will not come. Cancelling twice changes nothing. `seen`: see `confirm`.

        Raises `VisitHasBegunError`, `VisitMovedError`, `TooLateToChangeError`,
        `AppointmentTransitionError`.
        """
        visit = _as_seen(await self._in_time(token), seen)
        return await self._view(await self._appointments.cancel(visit.id, by=BY_PATIENT), token)

    async def reschedule(self, token: str, starts_at: datetime) -> PatientVisitView:
        """Another time, under the rules of the booking site.

        Raises `VisitHasBegunError`, `TooLateToChangeError`, and what booking raises.
        """
        visit = await self._in_time(token)
        change = VisitChange(starts_at=starts_at)
        moved = await self._appointments.change(visit.id, change, by=BY_PATIENT, staff=False)
        return await self._view(moved, token)

    async def other_times(self, token: str, first: date, last: date) -> list[FreeTime]:
        """Where `reschedule` can move the visit, on local days from `first` to `last`.

        Raises `InvalidLinkError`, `VisitHasBegunError`, `TooLateToChangeError`.
        """
        return await self._appointments.other_times(await self._in_time(token), first, last)

    async def _visit(self, token: str) -> Appointment:
        ids = self._tokens.read(token, TokenPurpose.MANAGE_APPOINTMENT)
        appointment_id = as_object_id(ids.get("appointment_id", ""))
        try:
            if appointment_id is not None:
                return await self._appointments.get(appointment_id)
        except AppointmentNotFoundError as error:
            raise VisitGoneError(_GONE) from error
        raise InvalidLinkError(_NO_VISIT)

    async def _ahead(self, token: str) -> Appointment:
        visit = await self._visit(token)
        if visit.appointment_date <= self._clock.now():
            message = "This visit has begun or is over. Please call the practice."
            raise VisitHasBegunError(message)
        return visit

    async def _in_time(self, token: str) -> Appointment:
        """The visit, while it may be changed here; one that is not live is others' to refuse."""
        visit = await self._ahead(token)
        clinic = await self._clinic.current()
        until = _changes_until(visit, clinic)
        if visit.status in LIVE_STATUSES and self._clock.now() > until:
            message = (
                f"This visit could be moved or cancelled here until {describe(until, clinic.zone)}."
                f" Please call the practice: {clinic.phone}."
            )
            raise TooLateToChangeError(message, extra={"phone": clinic.phone})
        return visit

    async def _view(self, visit: Appointment, token: str) -> PatientVisitView:
        provider = await self._providers.get(visit.provider_id)
        clinic, now = await self._clinic.current(), self._clock.now()
        until = _changes_until(visit, clinic)
        is_coming = visit.appointment_date > now and visit.status in LIVE_STATUSES
        return PatientVisitView(
            appointment=visit,
            clinic=clinic,
            provider_name=provider.name if provider else None,
            is_coming=is_coming,
            changes_until=until,
            can_be_changed=is_coming and now <= until,
            can_be_confirmed=is_coming and visit.status == AppointmentStatus.BOOKED,
            is_too_late=is_coming and now > until,
            calendar_url=self._calendar.link(token),
        )


def _changes_until(visit: Appointment, clinic: Clinic) -> datetime:
    return visit.appointment_date - timedelta(minutes=clinic.self_service_notice_minutes)


def _as_seen(visit: Appointment, seen: datetime | None) -> Appointment:
    """The visit, unless the practice has moved it since its page was opened."""
    if seen is not None and seen != visit.appointment_date.replace(microsecond=0):
        raise VisitMovedError(_MOVED)
    return visit


_MOVED = "This visit was moved to another time meanwhile. Please look at it again."
_GONE = "This visit is no longer in the book. You can book a new one, or call the practice."
_NO_VISIT = "This link names no visit."
