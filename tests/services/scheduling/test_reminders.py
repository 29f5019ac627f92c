"""Reminders from the book to the mail: queued once, and stopped by whatever happens meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.appointment import Appointment, AppointmentStatus
from app.models.base import new_id
from app.models.imports import ConflictState, ScheduleConflict
from app.models.interaction import DeliveryStatus, Interaction, MessageClass
from app.models.patient import Consent, Patient, PatientStatus
from app.models.records import SuppressionReason
from app.services.mail.transport import TransientMailError
from app.services.outreach.composer import Composer
from app.services.outreach.outbox import Outbox
from app.services.outreach.routes import BY_EMAIL
from app.services.scheduling.appointments import VisitChange
from app.services.scheduling.reminders import VisitReminders
from app.services.work import WakeSignal
from tests.fakes import FrozenClock
from tests.services.outreach.parts import Parts, RecordingTransport
from tests.services.scheduling.practice import STAFF, Practice, become, moment

pytestmark = pytest.mark.mongo

A, D = AppointmentStatus, DeliveryStatus
IN_A_WEEK = "2026-08-28T14:00"
"""A Friday; it is noon on Wednesday the 19th, and eleven days are more than a week."""


def local(text: str) -> datetime:
    """New York's wall clock in summer, as an instant."""
    return datetime.fromisoformat(f"{text}-04:00").astimezone(UTC)


@pytest.fixture
def transport() -> RecordingTransport:
    """Where the mail goes."""
    return RecordingTransport()


@pytest.fixture
def parts(
    repositories: Repositories,
    settings: Settings,
    clock: FrozenClock,
    transport: RecordingTransport,
) -> Parts:
    """The sender and its gate."""
    return Parts.build(repositories, settings, clock, transport)


def build_reminders(parts: Parts) -> VisitReminders:
    """One replica's job."""
    return VisitReminders(
        repositories=parts.repositories,
        clinic=parts.clinic,
        composer=Composer(parts.links),
        links=parts.links,
        outbox=Outbox(parts.repositories.outbox, parts.clock, WakeSignal()),
        routes=BY_EMAIL,
        clock=parts.clock,
    )


@pytest.fixture
def reminders(parts: Parts) -> VisitReminders:
    """The job."""
    return build_reminders(parts)


@pytest.fixture
async def patient(practice: Practice) -> Patient:
    """Somebody without a campaign."""
    return await practice.add_patient()


@pytest.fixture
async def visit(practice: Practice, patient: Patient) -> Appointment:
    """Their visit, nine days ahead."""
    return await practice.staff_book(patient, IN_A_WEEK)


async def queued(repositories: Repositories) -> list[Interaction]:
    """Every reminder in the outbox, in whatever state."""
    query = {"delivery.message_class": MessageClass.REMINDER}
    return await repositories.interactions._find(query, sort=[("timestamp", 1)])


async def state_of(repositories: Repositories) -> tuple[str, str | None]:
    """Where the one reminder stands, and why."""
    [message] = await queued(repositories)
    assert message.delivery is not None
    return message.delivery.status, message.delivery.error


async def minutes_queued(repositories: Repositories) -> list[tuple[str, str]]:
    """Local time of queueing and reminder time, of every reminder."""
    return [
        (
            f"{one.timestamp - timedelta(hours=4):%d %H:%M}",
            (one.dedupe_key or "").split(":reminder:")[1].split(":")[0],
        )
        for one in await queued(repositories)
    ]


class TestQueueDue:
    async def test_each_is_queued_at_its_time_once(
        self,
        reminders: VisitReminders,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
    ) -> None:
        while clock.now() < visit.appointment_date + timedelta(days=1):
            await reminders.queue_due()
            clock.advance(hours=1)

        assert await minutes_queued(repositories) == [
            ("21 14:00", "10080"),
            ("26 14:00", "2880"),
            ("28 12:00", "120"),
        ]
        for message in await queued(repositories):
            assert message.appointment_id == visit.id
            assert message.visit_starts_at == visit.appointment_date

    async def test_an_imported_visit_is_reminded_of_only_where_that_was_asked_for(
        self,
        reminders: VisitReminders,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
    ) -> None:
        await repositories.appointments.update_fields(visit.id, {"wants_reminders": False})
        clock.set(visit.appointment_date - timedelta(days=7))
        silent = await reminders.queue_due()
        await repositories.appointments.update_fields(visit.id, {"wants_reminders": True})
        clock.set(visit.appointment_date - timedelta(days=2))

        assert (silent, await reminders.queue_due()) == (0, 1)
        assert [minutes for _, minutes in await minutes_queued(repositories)] == ["2880"]

    async def test_none_while_the_practices_own_system_has_it_at_another_time(
        self,
        reminders: VisitReminders,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
    ) -> None:
        """Moved there to a time that somebody has here: the one in our book is no longer right."""
        await repositories.appointments.update_fields(visit.id, {"external_id": "A-1"})
        conflict = await repositories.schedule_conflicts.insert(
            ScheduleConflict(
                external_id="A-1",
                import_id=new_id(),
                patient_id=visit.patient_id,
                provider_id=visit.provider_id,
                service_name=visit.service_name,
                appointment_date=visit.appointment_date + timedelta(days=1),
                duration_minutes=visit.duration_minutes,
                status=A.BOOKED,
                claims=["p:1@1"],
                collides_with=[],
            )
        )
        clock.set(visit.appointment_date - timedelta(days=7))
        silent = await reminders.queue_due()
        await repositories.schedule_conflicts.settle(
            conflict.id, ConflictState.DISMISSED, at=clock.now(), by=STAFF
        )
        clock.set(visit.appointment_date - timedelta(days=2))

        assert (silent, await reminders.queue_due()) == (0, 1)

    async def test_of_many_replicas_one_queues_it(
        self, parts: Parts, repositories: Repositories, clock: FrozenClock, visit: Appointment
    ) -> None:
        clock.set(visit.appointment_date - timedelta(days=7))

        new = await asyncio.gather(*(build_reminders(parts).queue_due() for _ in range(5)))

        assert sum(new) == 1
        assert len(await queued(repositories)) == 1

    async def test_queues_again_under_its_key_after_a_crash_before_the_note(
        self,
        reminders: VisitReminders,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
    ) -> None:
        clock.set(visit.appointment_date - timedelta(days=7))
        assert await reminders.queue_due() == 1
        due = {"reminder_plan.next_at": clock.now()}
        await repositories.appointments.update_fields(visit.id, due)

        assert await reminders.queue_due() == 0
        assert len(await queued(repositories)) == 1

    async def test_decides_about_each_visit_once_between_two_reminders(
        self,
        reminders: VisitReminders,
        repositories: Repositories,
        clock: FrozenClock,
        practice: Practice,
        visit: Appointment,
    ) -> None:
        clock.set(visit.appointment_date - timedelta(days=7))
        await reminders.queue_due()
        noted = await practice.visit(visit)
        clock.advance(hours=3)

        await reminders.queue_due()

        assert (await practice.visit(visit)).updated_at == noted.updated_at

    async def test_after_an_outage_sends_the_newest_alone(
        self,
        reminders: VisitReminders,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
    ) -> None:
        clock.set(visit.appointment_date - timedelta(days=1))

        await reminders.queue_due()

        assert [minutes for _, minutes in await minutes_queued(repositories)] == ["2880"]

    @pytest.mark.parametrize("hours", [0, 1, 100])
    async def test_never_after_the_visit_began(
        self,
        reminders: VisitReminders,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
        hours: int,
    ) -> None:
        clock.set(visit.appointment_date + timedelta(hours=hours))

        assert await reminders.queue_due() == 0
        assert await queued(repositories) == []

    @pytest.mark.parametrize("status", [A.CANCELLED, A.COMPLETED, A.NO_SHOW])
    async def test_none_for_a_visit_that_is_settled(
        self,
        *,
        reminders: VisitReminders,
        practice: Practice,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
        status: AppointmentStatus,
    ) -> None:
        await become(practice, visit, status)
        clock.set(visit.appointment_date - timedelta(days=7))

        await reminders.queue_due()

        assert await queued(repositories) == []

    async def test_a_confirmation_sends_nothing_again(
        self,
        reminders: VisitReminders,
        practice: Practice,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
    ) -> None:
        clock.set(visit.appointment_date - timedelta(days=7))
        await reminders.queue_due()

        await practice.appointments.confirm(visit.id, by=STAFF)
        await reminders.queue_due()

        assert len(await queued(repositories)) == 1

    async def test_a_moved_visit_gets_its_reminders_anew(
        self,
        reminders: VisitReminders,
        practice: Practice,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
    ) -> None:
        clock.set(visit.appointment_date - timedelta(days=7))
        await reminders.queue_due()
        change = VisitChange(starts_at=moment("2026-08-31T14:00"))
        await practice.appointments.change(visit.id, change, by=STAFF, staff=True)

        await reminders.queue_due()
        assert len(await queued(repositories)) == 1
        clock.set(local("2026-08-24T14:00"))
        await reminders.queue_due()

        assert [minutes for _, minutes in await minutes_queued(repositories)] == ["10080"] * 2

    async def test_another_room_is_no_other_visit(
        self,
        reminders: VisitReminders,
        practice: Practice,
        repositories: Repositories,
        visit: Appointment,
    ) -> None:
        await reminders.queue_due()
        before = await practice.visit(visit)
        change = VisitChange(duration_minutes=60)
        await practice.appointments.change(visit.id, change, by=STAFF, staff=True)

        after = await practice.visit(visit)

        assert after.duration_minutes == 60
        assert (after.start_set_at, after.reminder_plan) == (None, before.reminder_plan)

    async def test_new_reminder_times_hold_from_now_on(
        self,
        reminders: VisitReminders,
        practice: Practice,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
    ) -> None:
        clock.set(visit.appointment_date - timedelta(days=7))
        await reminders.queue_due()
        clock.advance(days=6)
        await practice.change_clinic(reminder_minutes_before=[7_200, 240])

        await reminders.queue_due()
        clock.set(visit.appointment_date - timedelta(minutes=240))
        await reminders.queue_due()

        assert await minutes_queued(repositories) == [("21 14:00", "10080"), ("28 10:00", "240")]

    async def test_a_visit_of_an_older_version_is_planned_too(
        self,
        reminders: VisitReminders,
        practice: Practice,
        repositories: Repositories,
        visit: Appointment,
    ) -> None:
        await repositories.appointments.update_fields(visit.id, {}, unset=["reminder_plan"])

        await reminders.queue_due()

        assert (await practice.visit(visit)).reminder_plan.next_at == local("2026-08-21T14:00")

    async def test_none_where_the_clinic_wants_none(
        self,
        reminders: VisitReminders,
        practice: Practice,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
    ) -> None:
        await practice.change_clinic(reminder_minutes_before=[])
        clock.set(visit.appointment_date - timedelta(days=7))

        assert await reminders.queue_due() == 0

    async def test_one_bad_visit_keeps_no_other_waiting(
        self,
        reminders: VisitReminders,
        practice: Practice,
        repositories: Repositories,
        clock: FrozenClock,
        visit: Appointment,
    ) -> None:
        other = await practice.add_patient(name="Robin Doe")
        bad = await practice.staff_book(other, "2026-08-28T13:00")
        await repositories.appointments.update_fields(bad.id, {"duration_minutes": "long"})
        clock.set(visit.appointment_date - timedelta(days=7))

        await reminders.queue_due()

        assert [one.appointment_id for one in await queued(repositories)] == [visit.id]

    async def test_a_letter_in_the_patients_words_is_stored(
        self,
        reminders: VisitReminders,
        practice: Practice,
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        patient = await practice.add_patient(language="es")
        visit = await practice.staff_book(patient, IN_A_WEEK)
        clock.set(visit.appointment_date - timedelta(days=7))

        await reminders.queue_due()

        [message] = await queued(repositories)
        assert "viernes, 28 de agosto de 2026, 14:00 EDT" in message.content
        assert "/visit/" in message.content


class TestAtSendTime:
    """What happens between queueing and sending is seen in the step that sends."""

    @pytest.fixture
    async def due(
        self, reminders: VisitReminders, clock: FrozenClock, visit: Appointment
    ) -> Appointment:
        """A visit whose reminder waits in the outbox."""
        clock.set(visit.appointment_date - timedelta(days=2))
        await reminders.queue_due()
        return visit

    async def test_leaves_where_nothing_happened(
        self, parts: Parts, due: Appointment, transport: RecordingTransport, patient: Patient
    ) -> None:
        await parts.drain()

        assert [mail.to for mail in transport.sent if "reminder" in mail.subject] == [patient.email]
        assert ("reminder", "sent") in parts.outcomes

    @pytest.mark.parametrize("status", [A.CANCELLED, A.COMPLETED, A.NO_SHOW])
    async def test_is_dropped_where_the_visit_is_settled(
        self, parts: Parts, practice: Practice, due: Appointment, status: AppointmentStatus
    ) -> None:
        await become(practice, due, status)

        await parts.drain()

        assert await state_of(parts.repositories) == (D.SUPPRESSED, "visit_changed")

    async def test_is_dropped_where_the_visit_is_deleted(
        self, parts: Parts, practice: Practice, due: Appointment
    ) -> None:
        await practice.appointments.delete(due.id, by=STAFF)

        await parts.drain()

        assert await practice.repositories.appointments.get(due.id) is None
        assert await state_of(parts.repositories) == (D.SUPPRESSED, "visit_changed")

    async def test_is_dropped_where_the_visit_was_moved(
        self, parts: Parts, practice: Practice, due: Appointment
    ) -> None:
        change = VisitChange(starts_at=moment("2026-08-28T15:00"))
        await practice.appointments.change(due.id, change, by=STAFF, staff=True)

        await parts.drain()

        assert await state_of(parts.repositories) == (D.SUPPRESSED, "visit_changed")

    async def test_leaves_where_the_visit_was_confirmed(
        self, parts: Parts, practice: Practice, due: Appointment
    ) -> None:
        await practice.appointments.confirm(due.id, by=STAFF)

        await parts.drain()

        assert (await state_of(parts.repositories))[0] == D.SENT

    async def test_is_dropped_once_the_visit_began(
        self, parts: Parts, due: Appointment, clock: FrozenClock
    ) -> None:
        clock.set(due.appointment_date)

        await parts.drain()

        assert await state_of(parts.repositories) == (D.SUPPRESSED, "visit_changed")

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"consent": Consent(opted_out_at=local("2026-08-26T14:00"))}, "opted_out"),
            ({"status": PatientStatus.DECEASED}, "deceased"),
            ({"status": PatientStatus.INACTIVE}, "inactive"),
        ],
    )
    async def test_is_dropped_where_the_patient_is_not_to_be_written_to(
        self,
        *,
        parts: Parts,
        patient: Patient,
        due: Appointment,
        fields: dict[str, object],
        reason: str,
    ) -> None:
        stored = patient.model_copy(update=fields).to_stored()
        changed = {name: stored[name] for name in fields}
        await parts.repositories.patients.update_fields(patient.id, changed)

        await parts.drain()

        assert await state_of(parts.repositories) == (D.SUPPRESSED, reason)

    async def test_is_dropped_where_the_address_bounced(
        self, parts: Parts, patient: Patient, due: Appointment
    ) -> None:
        await parts.consent.hard_bounce(patient.email or "", source="test")

        await parts.drain()

        assert await state_of(parts.repositories) == (D.SUPPRESSED, "bounced")

    async def test_a_stop_from_the_mailbox_stops_it(
        self, parts: Parts, patient: Patient, due: Appointment
    ) -> None:
        await parts.consent.opt_out(
            patient, reason=SuppressionReason.OPT_OUT, source="test", by="agent"
        )

        await parts.drain()

        assert await state_of(parts.repositories) == (D.SUPPRESSED, "opted_out")

    async def test_at_three_in_the_morning_it_waits(
        self, parts: Parts, due: Appointment, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        clock.set(local("2026-08-27T03:00"))

        await parts.drain()
        assert (await state_of(parts.repositories))[0] == D.PENDING
        clock.set(local("2026-08-27T07:00"))
        await parts.drain()

        assert (await state_of(parts.repositories))[0] == D.SENT

    async def test_is_dropped_where_waiting_would_pass_the_visit(
        self, parts: Parts, reminders: VisitReminders, clock: FrozenClock, patient: Patient
    ) -> None:
        visit = await parts.visit(patient, appointment_date=local("2026-08-21T07:00"))
        clock.set(local("2026-08-20T20:45"))
        await reminders.queue_due()
        clock.set(local("2026-08-21T03:00"))

        await parts.drain()

        assert visit.patient_id == patient.id
        assert await state_of(parts.repositories) == (D.SUPPRESSED, "too_late")

    async def test_one_that_failed_and_waits_is_asked_about_again(
        self,
        parts: Parts,
        practice: Practice,
        due: Appointment,
        clock: FrozenClock,
        transport: RecordingTransport,
    ) -> None:
        transport.before_send = _fail_once
        await parts.drain()
        assert (await state_of(parts.repositories))[0] == D.PENDING
        transport.before_send = lambda _mail: None
        await practice.appointments.cancel(due.id, by="patient")

        clock.advance(hours=1)
        await parts.drain()

        assert await state_of(parts.repositories) == (D.SUPPRESSED, "visit_changed")


def _fail_once(_mail: object) -> None:
    message = "busy"
    raise TransientMailError(message)
