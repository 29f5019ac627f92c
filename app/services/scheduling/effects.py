"""What a change of a visit means for its campaign, its patient and the mail.

The change and a note of what happened are one write (`Appointment.pending_event`); what follows is
done here, at once, and again by the reconciler where a crash came between. Everything may run
twice: campaign moves are conditional, letters have a key, and a treatment is noted once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.core.clock import Clock
from app.core.errors import AppError, UnavailableError
from app.db.database import UNAVAILABLE_ERRORS
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.models.appointment import (
    Appointment,
    AppointmentEvent,
    AppointmentEventKind,
)
from app.models.campaign import (
    Campaign,
)
from app.models.interaction import CalendarMethod, MessageClass
from app.models.patient import Patient, Treatment
from app.models.records import AuditEntry
from app.services.campaigns import CampaignLifecycle
from app.services.clinic import ClinicService
from app.services.outreach.composer import Composer
from app.services.outreach.links import Links
from app.services.outreach.outbox import Draft, Outbox
from app.services.outreach.routes import Routes
from app.services.scheduling.localtime import day_bounds, local_day, months_later
from app.services.scheduling.newcomers import Newcomers
from app.services.scheduling.schedule_reader import ScheduleReader
from app.services.scheduling.setup import Setup
from app.services.scheduling.stuck import StuckVisits
from app.services.scheduling.visit_calendar import VisitCalendar
from app.services.scheduling.visit_campaigns import VisitCampaigns
from app.services.work import Wakeable

logger = logging.getLogger(__name__)

RECONCILE_AFTER = timedelta(seconds=10)
"""Younger events belong to the request that wrote them."""
RECONCILE_BATCH = 200
CLAIMS_KEPT = timedelta(days=30)
"""After that nobody can book the time any more, and its claims only make the index bigger."""

CLAIMS_SPAN = timedelta(days=365)
"""What is older was freed by earlier runs, or does no harm: only the index is a little bigger."""
FREE_CLAIMS_EVERY = timedelta(hours=6)

_TRY_LATER = (
    "The last change of this visit is not finished yet, so nothing was changed now. Try again in a "
    "minute."
)

_Kind = AppointmentEventKind
_LETTERS = {
    _Kind.BOOKED: "visit_booked",
    _Kind.MOVED: "visit_changed",
    _Kind.REASSIGNED: "visit_updated",
    _Kind.CANCELLED: "visit_cancelled",
    _Kind.DELETED: "visit_cancelled",
}
_METHODS = {
    "visit_booked": CalendarMethod.REQUEST,
    "visit_changed": CalendarMethod.REQUEST,
    "visit_updated": CalendarMethod.REQUEST,
    "visit_cancelled": CalendarMethod.CANCEL,
}


@dataclass(frozen=True, slots=True)
class Known:
    """What whoever changed a visit had read a moment before, and need not be read again."""

    setup: Setup
    patient: Patient | None = None
    campaign: Campaign | None = None


class AppointmentEffects:
    """Carries changes of visits to everything else they concern.

    Of a patient whose record is just being merged into another one the other hears.
    """

    def __init__(
        self,
        *,
        repositories: Repositories,
        lifecycle: CampaignLifecycle,
        clinic: ClinicService,
        reader: ScheduleReader,
        newcomers: Newcomers,
        composer: Composer,
        links: Links,
        calendar: VisitCalendar,
        outbox: Outbox,
        routes: Routes,
        waitlist: Wakeable,
        clock: Clock,
        announce: Callable[[Appointment], Awaitable[None]] | None = None,
    ) -> None:
        """`waitlist` is woken by whatever frees or takes time, `announce` told of every change."""
        self._repositories = repositories
        self._appointments = repositories.appointments
        self._visit_campaigns = VisitCampaigns(repositories, lifecycle, clinic)
        self._clinic = clinic
        self._reader = reader
        self._newcomers = newcomers
        self._composer = composer
        self._links = links
        self._calendar = calendar
        self._outbox = outbox
        self._routes = routes
        self._waitlist = waitlist
        self._clock = clock
        self._announce = announce
        self._stuck = StuckVisits(repositories, lifecycle, clock)
        self._claims_freed_at = datetime.min.replace(tzinfo=UTC)

    async def apply(self, appointment: Appointment, known: Known | None = None) -> None:
        """Do everything the visit's pending event asks for, then remove the event.

        Campaign, patient and letter wait for nothing of each other.

        Raises `PatientHasVisitError` where the visit turned out to be a second one of somebody who
        was stored meanwhile; it is out of the book then.
        """
        event = appointment.pending_event
        if event is None:
            return
        self._waitlist.wake()
        appointment = await self._newcomers.settle(appointment)
        await _all(
            self._visit_campaigns.reach(appointment, event, known.campaign if known else None),
            self._reach_patient(appointment, event),
            self._notify(appointment, event, known),
            *([self._announce(appointment)] if self._announce else []),
        )
        if event.kind == _Kind.DELETED:
            await self._remove(appointment, event)
        elif not await self._appointments.clear_event(appointment):
            await self._visit_campaigns.catch_up(appointment, event)

    async def apply_now(self, appointment: Appointment, known: Known | None = None) -> None:
        """`apply`, for a request whose change is stored already: that change stands.

        A fault in what follows would make an error of a visit that exists, so it is logged and
        left to the reconciler.
        """
        try:
            await self.apply(appointment, known)
        except Exception:
            logger.exception(
                "effects of a visit are left to the reconciler",
                extra={"appointment_id": str(appointment.id)},
            )

    async def finish(self, appointment: Appointment, *, may_fail: bool) -> None:
        """`apply`, for a request that changes the visit next.

        With `may_fail` a fault is only logged: nobody is kept in a visit by a fault of ours, and
        once it is cancelled, what a booking or a move asked for has no meaning any more. Raises
        `UnavailableError` for a fault otherwise, and what `apply` raises.
        """
        try:
            await self.apply(appointment)
        except (AppError, *UNAVAILABLE_ERRORS):
            raise
        except Exception as fault:
            extra = {"appointment_id": str(appointment.id)}
            logger.exception("effects of an earlier change of a visit failed", extra=extra)
            if not may_fail:
                raise UnavailableError(_TRY_LATER) from fault

    async def reconcile(self) -> int:
        """Finish what a crash cut short, and drop claims on time long past; how much was done."""
        now = self._clock.now()
        waiting = await self._appointments.with_pending_event(
            now, written_before=now - RECONCILE_AFTER, limit=RECONCILE_BATCH
        )
        done = 0
        for appointment in waiting:
            done += await self._finish(appointment)
        return done + await self._free_old_claims(now)

    async def _free_old_claims(self, now: datetime) -> int:
        """Seldom, and of the span that earlier runs have left: history is not walked over."""
        if now < self._claims_freed_at + FREE_CLAIMS_EVERY:
            return 0
        before = now - CLAIMS_KEPT
        freed = await self._appointments.free_claims_between(before - CLAIMS_SPAN, before)
        self._claims_freed_at = now
        return freed

    async def _finish(self, seen: Appointment) -> bool:
        """One visit of the reconciler; another one's fault must not keep it waiting."""
        try:
            current = await self._appointments.get(seen.id)
            # A newer change did its own effects, and these first.
            if current is None or current.sequence != seen.sequence:
                return False
            await self.apply(current)
        except UNAVAILABLE_ERRORS:
            raise
        except AppError as refusal:
            logger.warning(
                "a visit that a crash cut short was refused",
                extra={"appointment_id": str(seen.id), "problem": refusal.slug},
            )
            await self._stuck.failed(seen)
        except Exception:
            logger.exception("effects of a visit failed", extra={"appointment_id": str(seen.id)})
            await self._stuck.failed(seen)
            return False
        return True

    # The patient

    async def _reach_patient(self, appointment: Appointment, event: AppointmentEvent) -> None:
        """After a visit they are a patient of the practice, and due again or not."""
        if event.kind != _Kind.COMPLETED:
            return
        due = event.next_follow_up_date or await self._due_after(appointment)
        treatment = Treatment(
            procedure_name=appointment.service_name,
            procedure_date=appointment.appointment_date,
            next_follow_up_date=due,
        )
        patients = self._repositories.patients
        patient = await patients.standing(appointment.patient_id)
        if patient is not None:
            await patients.record_visit(patient.id, treatment, due)

    async def _due_after(self, appointment: Appointment) -> datetime | None:
        service = await self._repositories.services.with_service_id(appointment.service_id)
        if service is None or service.recall_interval_months is None:
            return None
        zone = (await self._clinic.current()).zone
        day = local_day(appointment.appointment_date, zone)
        return day_bounds(months_later(day, service.recall_interval_months), zone)[0]

    # The mail

    async def _notify(
        self, appointment: Appointment, event: AppointmentEvent, known: Known | None
    ) -> None:
        """One letter for a change of a visit still ahead; a visit in the past needs none."""
        purpose = _LETTERS.get(event.kind)
        is_ahead = appointment.appointment_date > self._clock.now()
        if event.is_quiet or purpose is None or not is_ahead or not event.concerns_live_visit:
            return
        patient = known.patient if known else None
        if patient is None or patient.id != appointment.patient_id:
            patient = await self._repositories.patients.standing(appointment.patient_id)
        if patient is None or not self._routes.of(patient):
            return
        setup = known.setup if known else await self._reader.setup()
        compose = {
            "visit_booked": self._composer.visit_booked,
            "visit_changed": self._composer.visit_changed,
            "visit_updated": self._composer.visit_updated,
            "visit_cancelled": self._composer.visit_cancelled,
        }[purpose]
        manage_url = self._links.visit_page(appointment.id)
        letter = compose(setup.clinic, patient, appointment, manage_url, self._clock.now())
        file = self._calendar.for_letter(
            appointment,
            patient,
            _METHODS[purpose],
            setup=setup,
            manage_url=manage_url,
            stamp=event.at,
        )
        await self._outbox.enqueue(
            Draft(
                patient_id=patient.id,
                subject=letter.subject,
                content=letter.content,
                html=letter.html,
                short=letter.short,
                calendar=file,
                message_class=MessageClass.VISIT_NOTICE,
                dedupe_key=f"appointment:{appointment.id}:{purpose}:{appointment.sequence}",
                campaign_id=appointment.campaign_id,
                appointment_id=appointment.id,
                by=event.by,
            )
        )

    # The end

    async def _remove(self, appointment: Appointment, event: AppointmentEvent) -> None:
        """Keep what it was, then remove it. The entry's id is the visit's: it is written once."""
        what_it_was = {**appointment.to_stored(), "status": event.status_before}
        for machinery in ("_id", "claims", "pending_event", "reminder_plan"):
            what_it_was.pop(machinery, None)
        entry = AuditEntry(
            id=appointment.id,
            actor=event.by,
            action="delete",
            subject="appointment",
            subject_id=str(appointment.id),
            at=event.at,
            details=what_it_was,
        )
        try:
            await self._repositories.audit.insert(entry)
        except DuplicateValueError:
            logger.info("deletion recorded before", extra={"appointment_id": entry.subject_id})
        await self._appointments.delete(appointment.id)


async def _all(*work: Awaitable[None]) -> None:
    """All of it side by side; the first fault is raised once nothing runs on unwatched."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
