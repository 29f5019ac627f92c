"""What happens to visits once they are in the book.

Every change is one conditional update on the status and the sequence it was read in, carries the
note of its effects with it, and is followed by those effects at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError
from app.db.repositories import Repositories
from app.db.repositories.appointments import AppointmentFilter
from app.models.appointment import (
    APPOINTMENT_TRANSITIONS,
    LIVE_STATUSES,
    Appointment,
    AppointmentEvent,
    AppointmentEventKind,
    AppointmentStatus,
)
from app.models.base import PyObjectId
from app.services.clinic import ClinicService
from app.services.scheduling.availability import FreeTime
from app.services.scheduling.booked import length_of, service_as_booked
from app.services.scheduling.effects import AppointmentEffects
from app.services.scheduling.engine import Pair
from app.services.scheduling.localtime import bounds_of_days, to_instant
from app.services.scheduling.placement import Placement, Placing

RACE_ATTEMPTS = 5
"""Each loser of a race reads a newer state; running out means a storm on one visit."""

_Kind = AppointmentEventKind
_KIND_OF = {
    AppointmentStatus.CONFIRMED: _Kind.CONFIRMED,
    AppointmentStatus.COMPLETED: _Kind.COMPLETED,
    AppointmentStatus.CANCELLED: _Kind.CANCELLED,
    AppointmentStatus.NO_SHOW: _Kind.NO_SHOW,
}
_FREES_TIME = frozenset({AppointmentStatus.CANCELLED, AppointmentStatus.NO_SHOW})


class AppointmentNotFoundError(NotFoundError):
    """No such visit."""

    slug = "appointment-not-found"
    title = "No such appointment"


class AppointmentTransitionError(ConflictError):
    """A visit in this status cannot become that."""

    slug = "appointment-transition"
    title = "This appointment cannot become that"


class AlreadyCompletedError(ConflictError):
    """The visit was completed before, with another follow-up date than the one given now."""

    slug = "already-completed"
    title = "This appointment was completed already"


class AppointmentChangedError(ConflictError):
    """Somebody else keeps changing the visit; the same request may succeed when repeated."""

    slug = "appointment-changed"
    title = "The appointment was changed meanwhile"


class _OvertakenError(Exception):
    """Another change of the visit came between reading and writing it."""


@dataclass(frozen=True, slots=True)
class VisitChange:
    """What to change of a visit; what is left out stays. `starts_at` may be without an offset."""

    starts_at: datetime | None = None
    provider_id: PyObjectId | None = None
    chair_id: PyObjectId | None = None
    duration_minutes: int | None = None
    notes: str | None = None
    sets_notes: bool = False
    """Whether `notes` counts, also as `None`, which removes them."""

    def concerns_time(self) -> bool:
        """Whether more than the notes changes."""
        wanted = (self.starts_at, self.provider_id, self.chair_id, self.duration_minutes)
        return any(value is not None for value in wanted)


@dataclass(frozen=True, slots=True)
class ListedVisits:
    """A page of visits with the names of their patients."""

    appointments: list[Appointment]
    patient_names: dict[PyObjectId, str]
    total_items: int


class AppointmentService:
    """Reads and changes visits. `by` is `staff:<id>` or `patient`."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        clinic: ClinicService,
        placement: Placement,
        effects: AppointmentEffects,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._appointments = repositories.appointments
        self._clinic = clinic
        self._placement = placement
        self._effects = effects
        self._clock = clock

    async def get(self, appointment_id: PyObjectId) -> Appointment:
        """The visit. Raises `AppointmentNotFoundError`, also while it is being deleted."""
        found = await self._appointments.get(appointment_id)
        if found is None or _is_going(found):
            message = "There is no such appointment."
            raise AppointmentNotFoundError(message)
        return found

    async def page(
        self,
        *,
        start_date: date | None,
        end_date: date | None,
        provider_id: PyObjectId | None,
        status: AppointmentStatus | None,
        page: int,
        limit: int,
    ) -> ListedVisits:
        """Visits of the clinic's local days (both inclusive), by start.

        Raises `InvalidSpanError`.
        """
        bounds = bounds_of_days(start_date, end_date, (await self._clinic.current()).zone)
        wanted = AppointmentFilter(
            starts_from=bounds[0],
            starts_before=bounds[1],
            provider_id=provider_id,
            status=status,
        )
        found = await self._appointments.page(wanted, page=page, limit=limit)
        names = await self.patient_names(found.items)
        return ListedVisits(found.items, names, found.total_items)

    async def patient_names(self, appointments: list[Appointment]) -> dict[PyObjectId, str]:
        """The names of these visits' patients, in one query."""
        ids = (one.patient_id for one in appointments)
        patients = await self._repositories.patients.get_many(ids)
        return {patient_id: patient.name for patient_id, patient in patients.items()}

    async def confirm(self, appointment_id: PyObjectId, *, by: str) -> Appointment:
        """The patient will come. Raises `AppointmentTransitionError`."""
        return await self._become(appointment_id, AppointmentStatus.CONFIRMED, by=by)

    async def complete(
        self, appointment_id: PyObjectId, *, by: str, next_follow_up_date: datetime | None = None
    ) -> Appointment:
        """The visit took place, at whatever time.

        The same once more changes nothing. Raises `AppointmentTransitionError`, and
        `AlreadyCompletedError` where it was completed with another `next_follow_up_date`.
        """
        return await self._become(
            appointment_id,
            AppointmentStatus.COMPLETED,
            by=by,
            fields={"completed_at": self._clock.now()},
            next_follow_up_date=next_follow_up_date,
        )

    async def cancel(self, appointment_id: PyObjectId, *, by: str) -> Appointment:
        """The visit does not take place; its time is free. Raises `AppointmentTransitionError`."""
        return await self._become(appointment_id, AppointmentStatus.CANCELLED, by=by)

    async def no_show(self, appointment_id: PyObjectId, *, by: str) -> Appointment:
        """The patient did not come. Raises `AppointmentTransitionError`."""
        return await self._become(appointment_id, AppointmentStatus.NO_SHOW, by=by)

    async def delete(self, appointment_id: PyObjectId, *, by: str) -> None:
        """Take the visit out of the book, in any status; the audit log keeps what it was.

        Its time is free and its event stored in the first write, so a crash leaves a visit that
        nobody sees and the reconciler removes.
        """
        for _ in range(RACE_ATTEMPTS):
            current = await self._ready(appointment_id, ends_it=True)
            fields = {"status": AppointmentStatus.CANCELLED} if _is_live(current) else {}
            event = self._event(_Kind.DELETED, current, by)
            if await self._appointments.change(current, fields, event, frees_time=True):
                await self._effects.apply_now(await self._reload(current))
                return
        raise _too_many_changes()

    async def change(
        self, appointment_id: PyObjectId, change: VisitChange, *, by: str, staff: bool
    ) -> Appointment:
        """Move a visit or change its notes, in one write that also replaces its claims.

        Its own time counts as free. `staff` stay with the provider unless they name one, and book
        outside lead time, horizon and grid; a patient's visit may go to another provider. It then
        lasts as long as that provider takes, unless staff set its length, now or before. A visit
        that starts at another time is unconfirmed again; one that gets another provider or length
        at its time stays confirmed, and the patient is told; of another chair nobody is. Raises
        `AppointmentTransitionError` unless the visit is still to come, and what `Placement.place`
        raises.
        """
        if change.concerns_time():
            await self._move(appointment_id, change, by=by, staff=staff)
        if change.sets_notes:
            await self._set_notes(appointment_id, change.notes)
        return await self.get(appointment_id)

    async def other_times(self, visit: Appointment, first: date, last: date) -> list[FreeTime]:
        """When else the patient could have this visit, on local days from `first` to `last`."""
        zone = (await self._clinic.current()).zone
        placing = await self._placing(visit, VisitChange(), zone, staff=False)
        return await self._placement.free_times(placing, first, last)

    async def _move(
        self, appointment_id: PyObjectId, change: VisitChange, *, by: str, staff: bool
    ) -> None:
        for _ in range(RACE_ATTEMPTS):
            if await self._try_to_move(appointment_id, change, by=by, staff=staff):
                return
        raise _too_many_changes()

    async def _set_notes(self, appointment_id: PyObjectId, notes: str | None) -> None:
        current = await self.get(appointment_id)
        fields = {} if notes is None else {"notes": notes}
        unset = ["notes"] if notes is None else []
        await self._appointments.update_fields(current.id, fields, unset=unset)

    async def _try_to_move(
        self, appointment_id: PyObjectId, change: VisitChange, *, by: str, staff: bool
    ) -> bool:
        """`False` where another change of this visit came first."""
        current = await self._ready(appointment_id)
        if not _is_live(current):
            message = f"A visit that is {current.status} cannot be moved."
            raise AppointmentTransitionError(message)
        zone = (await self._clinic.current()).zone
        placing = await self._placing(current, change, zone, staff=staff)

        async def write(pair: Pair, claims: list[str]) -> Appointment:
            return await self._write_move(current, placing, pair, claims, by)

        try:
            moved = await self._placement.place(placing, write)
        except _OvertakenError:
            return False
        await self._effects.apply_now(moved)
        return True

    async def _write_move(
        self, current: Appointment, placing: Placing, pair: Pair, claims: list[str], by: str
    ) -> Appointment:
        """Time, place and claims in one update. Only a new start unconfirms the visit: the patient
        promised to come at a time. Another chair is nobody's business but the practice's.
        """
        fields: dict[str, Any] = {
            "appointment_date": placing.starts_at,
            "duration_minutes": placing.minutes(pair),
            "duration_by_hand": placing.length_is_given,
            "provider_id": pair.provider_id,
            "chair_id": pair.chair_id,
        }
        if all(getattr(current, name) == value for name, value in fields.items()):
            return current
        kind = _kind_of_move(current, fields)
        event = self._event(kind, current, by) if kind else None
        fields["claims"] = claims
        if kind is _Kind.MOVED:
            fields["status"] = AppointmentStatus.BOOKED
        if not await self._appointments.change(current, fields, event):
            raise _OvertakenError
        return await self._reload(current)

    async def _placing(
        self, current: Appointment, change: VisitChange, zone: ZoneInfo, *, staff: bool
    ) -> Placing:
        starts_at = to_instant(change.starts_at, zone) if change.starts_at else None
        listed = await self._repositories.services.with_service_id(current.service_id)
        return Placing(
            appointment_id=current.id,
            service=service_as_booked(current, listed),
            patient_id=current.patient_id,
            starts_at=starts_at or current.appointment_date,
            provider_id=change.provider_id or (current.provider_id if staff else None),
            chair_id=change.chair_id,
            staff=staff,
            now_with=Pair(current.provider_id, current.chair_id, current.duration_minutes),
            length=length_of(current, change.duration_minutes),
        )

    async def _become(
        self,
        appointment_id: PyObjectId,
        target: AppointmentStatus,
        *,
        by: str,
        fields: Mapping[str, Any] | None = None,
        next_follow_up_date: datetime | None = None,
    ) -> Appointment:
        """One conditional update along the table; where it already stands, nothing happens."""
        for _ in range(RACE_ATTEMPTS):
            ends_it = target == AppointmentStatus.CANCELLED
            current = await self._ready(appointment_id, ends_it=ends_it)
            if current.status == target:
                await self._require_due(current, next_follow_up_date)
                return current
            if target not in APPOINTMENT_TRANSITIONS[current.status]:
                message = f"A visit that is {current.status} cannot become {target}."
                raise AppointmentTransitionError(message)
            event = self._event(_KIND_OF[target], current, by)
            event.next_follow_up_date = next_follow_up_date
            wanted = {"status": target, **(fields or {})}
            frees = target in _FREES_TIME
            if await self._appointments.change(current, wanted, event, frees_time=frees):
                changed = await self._reload(current)
                await self._effects.apply_now(changed)
                return await self._reload(changed)
        raise _too_many_changes()

    async def _require_due(self, visit: Appointment, wanted: datetime | None) -> None:
        """A date given to a visit that is completed already must be one that is stored."""
        patient = await self._repositories.patients.get(visit.patient_id)
        if wanted is None or patient is None:
            return
        from_visit = {
            treatment.next_follow_up_date
            for treatment in patient.treatment_history
            if treatment.procedure_date == visit.appointment_date
        }
        if wanted not in from_visit | {patient.next_follow_up_date}:
            raise AlreadyCompletedError(_OTHER_DATE)

    async def _ready(self, appointment_id: PyObjectId, *, ends_it: bool = False) -> Appointment:
        """The visit with nothing left undone: a change would overwrite an older one's note.

        Where that cannot be done, a visit still to come can be ended (`ends_it`) all the same.
        """
        current = await self.get(appointment_id)
        if current.pending_event is None:
            return current
        await self._effects.finish(current, may_fail=ends_it and _is_live(current))
        return await self.get(appointment_id)

    async def _reload(self, appointment: Appointment) -> Appointment:
        return await self._appointments.get(appointment.id) or appointment

    def _event(self, kind: AppointmentEventKind, current: Appointment, by: str) -> AppointmentEvent:
        return AppointmentEvent(
            kind=kind, at=self._clock.now(), by=by, status_before=current.status
        )


_OTHER_DATE = (
    "This visit was completed already, with another follow-up date. Change the date on the patient."
)


def _kind_of_move(current: Appointment, wanted: Mapping[str, Any]) -> _Kind | None:
    """What of it the patient has to know; `None` where only the chair is another."""
    if wanted["appointment_date"] != current.appointment_date:
        return _Kind.MOVED
    told = ("provider_id", "duration_minutes")
    is_same = all(wanted[name] == getattr(current, name) for name in told)
    return None if is_same else _Kind.REASSIGNED


def _is_live(appointment: Appointment) -> bool:
    return appointment.status in LIVE_STATUSES


def _is_going(appointment: Appointment) -> bool:
    """Whether it is being deleted: stored still, for the reconciler alone."""
    event = appointment.pending_event
    return event is not None and event.kind == _Kind.DELETED


def _too_many_changes() -> AppointmentChangedError:
    message = "Somebody else is changing this appointment. Please look at it and try again."
    return AppointmentChangedError(message)
