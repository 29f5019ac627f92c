"""Visits whose effects keep failing: tried less and less often, and put before a person."""

import pytest

from app.core.errors import UnavailableError
from app.db.repositories import Repositories
from app.models.appointment import Appointment, AppointmentEventKind, AppointmentStatus
from app.models.campaign import CampaignStatus
from app.models.interaction import Interaction
from app.services.outreach.outbox import Draft, Outbox
from app.services.scheduling.effects import RECONCILE_AFTER
from app.services.scheduling.stuck import ASK_AFTER, LONGEST_WAIT, REASON, waiting_time
from app.services.work import WakeSignal
from tests.services.scheduling.practice import Practice

pytestmark = pytest.mark.mongo

NINE = "2026-08-27T09:00"


class CountingOutbox:
    """An outbox whose storage fails, and that counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def enqueue(self, _draft: Draft) -> None:
        """Fails."""
        self.asked += 1
        message = "disk full"
        raise OSError(message)


async def _fails(*_given: object) -> None:
    message = "disk full"
    raise OSError(message)


@pytest.fixture
def broken(practice: Practice) -> CountingOutbox:
    """No letter can be queued."""
    outbox = CountingOutbox()
    practice.effects._outbox = outbox  # type: ignore[assignment]
    return outbox


@pytest.fixture
async def visit(practice: Practice, broken: CountingOutbox) -> Appointment:
    """A visit whose letter failed with the booking."""
    assert broken.asked == 0
    return await practice.staff_book(await practice.add_patient(), NINE)


async def reconcile_for(practice: Practice, seconds: int) -> None:
    """The job, every 15 seconds for so long."""
    for _ in range(seconds // 15):
        practice.clock.advance(seconds=15)
        await practice.effects.reconcile()


async def notes(repositories: Repositories) -> list[Interaction]:
    """What waits in the unmatched list."""
    return (await repositories.interactions.unmatched_page(page=1, limit=10)).items


class TestWaitingTime:
    def test_doubles_up_to_six_hours(self) -> None:
        seconds = [waiting_time(failures).total_seconds() for failures in (1, 2, 3, 6)]

        assert seconds == [30, 60, 120, 960]
        assert waiting_time(12) == waiting_time(10_000) == LONGEST_WAIT


class TestFailing:
    async def test_is_tried_less_and_less_often(
        self, practice: Practice, broken: CountingOutbox, visit: Appointment
    ) -> None:
        await reconcile_for(practice, 600)

        # With the booking, then after 15, 45, 105, 225 and 465 seconds.
        assert broken.asked == 1 + 5
        event = (await practice.visit(visit)).pending_event
        assert event is not None
        assert event.attempts == 5

    async def test_keeps_no_other_visit_waiting(
        self, practice: Practice, broken: CountingOutbox, visit: Appointment
    ) -> None:
        await reconcile_for(practice, 60)
        asked = broken.asked
        other = await practice.add_patient(name="Robin Doe")
        await practice.staff_book(other, "2026-08-27T10:00")

        practice.clock.advance(seconds=RECONCILE_AFTER.total_seconds() + 1)
        await practice.effects.reconcile()

        assert broken.asked == asked + 2

    async def test_two_replicas_count_it_once(
        self, practice: Practice, broken: CountingOutbox, visit: Appointment
    ) -> None:
        read = await practice.visit(visit)

        await practice.effects._stuck.failed(read)
        await practice.effects._stuck.failed(read)

        event = (await practice.visit(visit)).pending_event
        assert event is not None
        assert event.attempts == 1

    async def test_a_newer_change_is_not_put_off(
        self, practice: Practice, broken: CountingOutbox, visit: Appointment
    ) -> None:
        read = await practice.visit(visit)
        newer = {"sequence": visit.sequence + 1}
        await practice.repositories.appointments.update_fields(visit.id, newer)

        await practice.effects._stuck.failed(read)

        event = (await practice.visit(visit)).pending_event
        assert event is not None
        assert event.attempts == 0

    async def test_an_event_of_an_older_version_is_counted_too(
        self, practice: Practice, broken: CountingOutbox, visit: Appointment
    ) -> None:
        gone = ["pending_event.attempts"]
        await practice.repositories.appointments.update_fields(visit.id, {}, unset=gone)

        await reconcile_for(practice, 15)

        event = (await practice.visit(visit)).pending_event
        assert event is not None
        assert event.attempts == 1

    async def test_is_finished_once_it_can_be(
        self, practice: Practice, broken: CountingOutbox, visit: Appointment
    ) -> None:
        await reconcile_for(practice, 60)
        assert broken.asked > 1
        practice.effects._outbox = _healthy(practice)

        practice.clock.advance(hours=7)
        await practice.effects.reconcile()

        assert (await practice.visit(visit)).pending_event is None
        assert await practice.letters() == [f"appointment:{visit.id}:visit_booked:0"]


@pytest.mark.usefixtures("broken")
class TestTheNextChange:
    async def test_may_be_to_cancel(self, practice: Practice, visit: Appointment) -> None:
        cancelled = await practice.appointments.cancel(visit.id, by="patient")

        assert cancelled.status == AppointmentStatus.CANCELLED
        assert not cancelled.claims

    async def test_may_be_to_delete(self, practice: Practice, visit: Appointment) -> None:
        await practice.appointments.delete(visit.id, by="staff")

        assert not (await practice.visit(visit)).claims

    async def test_waits_where_the_visit_goes_on(
        self, practice: Practice, visit: Appointment
    ) -> None:
        with pytest.raises(UnavailableError, match="nothing was changed"):
            await practice.appointments.confirm(visit.id, by="patient")

        stored = await practice.visit(visit)
        assert stored.status == AppointmentStatus.BOOKED
        assert stored.pending_event is not None
        assert stored.pending_event.kind == AppointmentEventKind.BOOKED

    async def test_never_takes_a_treatment_from_the_patient(
        self, practice: Practice, visit: Appointment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        practice.effects._outbox = _healthy(practice)
        practice.clock.set(visit.appointment_date)
        with monkeypatch.context() as patients:
            patients.setattr(practice.repositories.patients, "record_visit", _fails)
            await practice.appointments.complete(visit.id, by="staff")

            with pytest.raises(UnavailableError):
                await practice.appointments.delete(visit.id, by="staff")

        await practice.appointments.delete(visit.id, by="staff")
        patient = await practice.repositories.patients.get(visit.patient_id)
        assert patient is not None
        assert [one.procedure_date for one in patient.treatment_history] == [visit.appointment_date]


class TestAPersonIsAsked:
    async def test_in_the_campaign_of_the_visit(
        self, practice: Practice, broken: CountingOutbox
    ) -> None:
        patient = await practice.add_patient()
        campaign = await practice.add_campaign(patient, status=CampaignStatus.RE_ENGAGED)
        await practice.staff_book(patient, NINE)

        await reconcile_for(practice, 900)
        assert (await practice.campaign(campaign)).attention is None
        await reconcile_for(practice, 120)

        attention = (await practice.campaign(campaign)).attention
        assert attention is not None
        assert attention.reason == REASON
        assert await notes(practice.repositories) == []

    async def test_once_in_the_unmatched_list_where_there_is_no_campaign(
        self, practice: Practice, broken: CountingOutbox, visit: Appointment
    ) -> None:
        practice.clock.advance(seconds=RECONCILE_AFTER.total_seconds())
        for _ in range(ASK_AFTER + 4):
            practice.clock.advance(hours=7)
            await practice.effects.reconcile()

        [note] = await notes(practice.repositories)
        assert note.appointment_id == visit.id
        assert note.patient_id is None

    async def test_not_where_the_next_try_succeeds(
        self, practice: Practice, broken: CountingOutbox, visit: Appointment
    ) -> None:
        practice.clock.advance(seconds=30)
        await practice.effects.reconcile()
        practice.effects._outbox = _healthy(practice)
        practice.clock.advance(days=1)
        await practice.effects.reconcile()

        assert await notes(practice.repositories) == []
        assert (await practice.visit(visit)).status == AppointmentStatus.BOOKED


def _healthy(practice: Practice) -> Outbox:
    return Outbox(practice.repositories.outbox, practice.clock, WakeSignal())
