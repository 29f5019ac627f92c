"""Reminders of visits: when each leaves, and the job that queues those that are due.

The times are the clinic's (`reminder_minutes_before`). Whether a queued one may still leave is the
send gate's to say, in the step that sends: the visit may be cancelled or moved by then.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.core.clock import Clock
from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories import Repositories
from app.models.appointment import Appointment, ReminderPlan
from app.models.imports import ConflictState
from app.models.interaction import MessageClass
from app.models.schedule import Clinic
from app.services.clinic import ClinicService
from app.services.outreach.composer import Composer
from app.services.outreach.gate import REMINDER_HOURS
from app.services.outreach.links import Links
from app.services.outreach.outbox import Draft, Outbox
from app.services.outreach.routes import Routes

logger = logging.getLogger(__name__)

QUARTER = timedelta(minutes=15)
EVENING = time(20, 45)
"""The last quarter of the reminder hours: what would leave at night leaves then, before it."""
LEAST_GAP = timedelta(hours=3)
"""Of two reminders nearer to each other than this only the one nearer to the visit leaves."""
ON_TIME = timedelta(minutes=15)
BATCH = 200


@dataclass(frozen=True)
class Reminder:
    """One reminder of one visit."""

    leaves_at: datetime
    minutes_before: int
    """The clinic's reminder time it is for; it may leave earlier than that."""


def plan_reminders(
    starts_at: datetime, zone: ZoneInfo, minutes_before: Sequence[int]
) -> list[Reminder]:
    """When the reminders of a visit that starts at `starts_at` leave, earliest first."""
    planned: list[Reminder] = []
    for minutes in sorted(minutes_before):
        leaves_at = leaving_time(starts_at - timedelta(minutes=minutes), zone)
        if not planned or leaves_at + LEAST_GAP <= planned[-1].leaves_at:
            planned.append(Reminder(leaves_at, minutes))
    return planned[::-1]


def leaving_time(due: datetime, zone: ZoneInfo) -> datetime:
    """`due` itself within the reminder hours of `zone`, else the evening before it (UTC)."""
    if REMINDER_HOURS.includes(due, zone):
        return due
    local = due.astimezone(zone)
    evening = datetime.combine(local.date(), EVENING, tzinfo=zone).astimezone(UTC)
    if evening > due:
        day = local.date() - timedelta(days=1)
        evening = datetime.combine(day, EVENING, tzinfo=zone).astimezone(UTC)
    # Where the clock skips that evening, or the whole day, the time before it has to do.
    while evening > due or not REMINDER_HOURS.includes(evening, zone):
        evening -= QUARTER
    return evening


def due_reminder(planned: Sequence[Reminder], visit: Appointment, now: datetime) -> Reminder | None:
    """The one of `planned` (earliest first) to be queued at `now`, if any.

    After an outage it is the newest that is due; the older ones are dropped, and it is too, late as
    it is, where the next one comes soon. What was past already when the visit was booked or moved
    is never sent, nor what newly set reminder times would have sent in the past.
    """
    if visit.appointment_date <= now:
        return None
    due = [one for one in planned if one.leaves_at <= now and _is_outstanding(one, visit, now)]
    if not due:
        return None
    following = next_reminder(planned, now)
    is_late = now - due[-1].leaves_at > ON_TIME
    if is_late and following is not None and following.leaves_at - now < LEAST_GAP:
        return None
    return due[-1]


def next_reminder(planned: Sequence[Reminder], now: datetime) -> Reminder | None:
    """The first of `planned` (earliest first) after `now`."""
    return next((one for one in planned if one.leaves_at > now), None)


def _is_outstanding(reminder: Reminder, visit: Appointment, now: datetime) -> bool:
    """Whether nothing was decided about it yet: a plan says from when on."""
    plan = visit.reminder_plan
    if not plan.is_made:
        return reminder.leaves_at > (visit.start_set_at or visit.created_at)
    return reminder.leaves_at >= (plan.next_at or now)


class VisitReminders:
    """Puts reminders into the outbox, each once. Any number of replicas may do it at once."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        clinic: ClinicService,
        composer: Composer,
        links: Links,
        outbox: Outbox,
        routes: Routes,
        clock: Clock,
    ) -> None:
        self._appointments = repositories.appointments
        self._patients = repositories.patients
        self._conflicts = repositories.schedule_conflicts
        self._clinic = clinic
        self._composer = composer
        self._links = links
        self._outbox = outbox
        self._routes = routes
        self._clock = clock
        self._planned_by: str | None = None

    async def queue_due(self) -> int:
        """Queue what is due; how many reminders are new.

        One query on an index that answers only visits with something to decide: each keeps when
        its next reminder leaves, and a new or moved one is to be planned at once.
        """
        now, clinic = self._clock.now(), await self._clinic.current()
        visits = {one.id: one for one in await self._appointments.to_remind(now, BATCH)}
        for one in await self._planned_otherwise(now, _rules(clinic)):
            visits.setdefault(one.id, one)
        return sum([await self._remind_or_log(one, clinic, now) for one in visits.values()])

    async def _planned_otherwise(self, now: datetime, rules: str) -> list[Appointment]:
        """What has to be planned anew: looked for at the start and when the clinic's times change.

        What escapes is found when its old plan falls due.
        """
        if self._planned_by == rules:
            return []
        found = await self._appointments.planned_otherwise(now, rules, BATCH)
        if len(found) < BATCH:
            self._planned_by = rules
        return found

    async def _remind_or_log(self, visit: Appointment, clinic: Clinic, now: datetime) -> bool:
        try:
            return await self._remind(visit, clinic, now)
        except UNAVAILABLE_ERRORS:
            raise
        except Exception:  # one bad visit must not keep the others' reminders
            logger.exception("visit not reminded of", extra={"appointment_id": str(visit.id)})
            return False

    async def _remind(self, visit: Appointment, clinic: Clinic, now: datetime) -> bool:
        """The plan is noted last: after a crash the same reminder is queued again, under its key.

        A visit of somebody who is not stored yet waits until they are.
        """
        if visit.pending_event is not None and visit.pending_event.new_patient is not None:
            return False
        planned = plan_reminders(
            visit.appointment_date, clinic.zone, clinic.reminder_minutes_before
        )
        due, following = due_reminder(planned, visit, now), next_reminder(planned, now)
        is_new = False
        if due is not None and visit.wants_reminders and not await self._is_elsewhere(visit):
            is_new = await self._enqueue(visit, clinic, due)
        next_at = following.leaves_at if following else None
        plan = ReminderPlan(rules=_rules(clinic), next_at=next_at)
        await self._appointments.set_reminder_plan(visit, plan)
        return is_new

    async def _is_elsewhere(self, visit: Appointment) -> bool:
        """Whether the practice's own system has it at a time for which our book has no place yet:
        a reminder would name the wrong one.
        """
        if visit.external_id is None:
            return False
        named = await self._conflicts.named([visit.external_id])
        return any(
            one.state == ConflictState.OPEN and one.appointment_date != visit.appointment_date
            for one in named.values()
        )

    async def _enqueue(self, visit: Appointment, clinic: Clinic, reminder: Reminder) -> bool:
        patient = await self._patients.standing(visit.patient_id)
        if patient is None or not self._routes.of(patient):
            return False
        page = self._links.visit_page(visit.id)
        letter = self._composer.visit_reminder(clinic, patient, visit, page, self._clock.now())
        draft = Draft(
            patient_id=patient.id,
            subject=letter.subject,
            content=letter.content,
            html=letter.html,
            short=letter.short,
            message_class=MessageClass.REMINDER,
            dedupe_key=_dedupe_key(visit, reminder),
            campaign_id=visit.campaign_id,
            appointment_id=visit.id,
            visit_starts_at=visit.appointment_date,
        )
        _, is_new = await self._outbox.enqueue(draft)
        return is_new


def _dedupe_key(visit: Appointment, reminder: Reminder) -> str:
    """By the start and not by the sequence: a visit that is confirmed is no other occasion."""
    start = visit.appointment_date.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"appointment:{visit.id}:reminder:{reminder.minutes_before}:{start}"


def _rules(clinic: Clinic) -> str:
    return f"{clinic.timezone}:{','.join(map(str, clinic.reminder_minutes_before))}"
