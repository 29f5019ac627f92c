"""What a change of a visit does to its campaign, its patient and the mail."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.db.repositories import Repositories
from app.models.appointment import Appointment, AppointmentEvent, AppointmentStatus, CreatedFrom
from app.models.appointment import AppointmentEventKind as Kind
from app.models.base import new_id
from app.models.campaign import ACTIVE_STATUSES, ENDED_STATUSES, Campaign, CampaignStatus
from app.models.patient import Patient, PatientType
from app.models.schedule import Chair
from app.services.scheduling.appointments import VisitChange
from app.services.scheduling.localtime import months_later
from app.services.scheduling.refusals import PatientHasVisitError
from tests.factories import begin_merge
from tests.services.scheduling.practice import STAFF, Practice, become, form, moment
from tests.services.scheduling.rfc5545 import Component, hold_to_the_rules

pytestmark = pytest.mark.mongo

NINE = "2026-08-20T09:00"
A, C = AppointmentStatus, CampaignStatus


async def booked(practice: Practice, when: str = NINE) -> tuple[Patient, Campaign, Appointment]:
    """A patient whose campaign led to a visit."""
    patient = await practice.add_patient()
    campaign = await practice.add_campaign(patient, status=C.RE_ENGAGED)
    return patient, campaign, await practice.book(patient, when)


async def at(practice: Practice, campaign: Campaign, status: CampaignStatus) -> None:
    """Put the campaign where a test needs it."""
    await practice.repositories.campaigns.update_fields(campaign.id, {"status": status})


class TestCampaign:
    """The campaign follows its visit."""

    @pytest.mark.parametrize(
        ("operation", "expected"),
        [
            (A.CONFIRMED, C.BOOKING_COMPLETED),
            (A.COMPLETED, C.RECOVERED),
            (A.CANCELLED, C.RE_ENGAGED),
            (A.NO_SHOW, C.HANDOFF_REQUIRED),
        ],
    )
    async def test_follows_the_only_visit(
        self, practice: Practice, operation: AppointmentStatus, expected: CampaignStatus
    ) -> None:
        _, campaign, visit = await booked(practice)

        await become(practice, visit, operation)

        moved = await practice.campaign(campaign)
        assert moved.status == expected
        assert moved.history[-1].by == STAFF

    async def test_a_moved_visit_is_unconfirmed_again(self, practice: Practice) -> None:
        _, campaign, visit = await booked(practice)
        await practice.appointments.confirm(visit.id, by=STAFF)

        change = VisitChange(starts_at=moment("2026-08-20T10:00"))
        await practice.appointments.change(visit.id, change, by=STAFF, staff=True)

        assert (await practice.campaign(campaign)).status == C.BOOKING_INITIATED

    async def test_after_a_cancellation_it_is_followed_up_in_three_days(
        self, practice: Practice
    ) -> None:
        _, campaign, visit = await booked(practice)

        await practice.appointments.cancel(visit.id, by="patient")

        follow_up = (await practice.campaign(campaign)).follow_up_details
        assert follow_up.next_attempt_at == datetime(2026, 8, 22, 4, 0, tzinfo=UTC)

    async def test_a_no_show_asks_for_a_person(self, practice: Practice) -> None:
        _, campaign, visit = await booked(practice)

        await practice.appointments.no_show(visit.id, by=STAFF)

        moved = await practice.campaign(campaign)
        assert moved.needs_person
        assert moved.attention is not None
        assert moved.attention.reason == "no_show"
        assert moved.handoff_details is not None
        assert moved.handoff_details.requested_by == STAFF

    async def test_a_deleted_visit_counts_as_cancelled(self, practice: Practice) -> None:
        _, campaign, visit = await booked(practice)

        await practice.appointments.delete(visit.id, by=STAFF)

        assert (await practice.campaign(campaign)).status == C.RE_ENGAGED

    @pytest.mark.parametrize("lost", ["cancel", "no_show", "delete"])
    async def test_stays_while_another_live_visit_is_linked(
        self, practice: Practice, lost: str
    ) -> None:
        patient, campaign, first = await booked(practice)
        second = await practice.book(patient, "2026-08-20T11:00")
        await practice.appointments.confirm(second.id, by=STAFF)

        await getattr(practice.appointments, lost)(first.id, by=STAFF)
        stayed = await practice.campaign(campaign)
        await getattr(practice.appointments, lost)(second.id, by=STAFF)
        moved = await practice.campaign(campaign)

        assert stayed.status == C.BOOKING_COMPLETED
        assert not stayed.needs_person
        assert moved.status == (C.HANDOFF_REQUIRED if lost == "no_show" else C.RE_ENGAGED)

    @pytest.mark.parametrize("status", sorted(ACTIVE_STATUSES))
    async def test_a_completed_visit_recovers_any_active_campaign(
        self, practice: Practice, status: CampaignStatus
    ) -> None:
        _, campaign, visit = await booked(practice)
        await at(practice, campaign, status)

        await practice.appointments.complete(visit.id, by=STAFF)

        recovered = await practice.campaign(campaign)
        assert recovered.status == C.RECOVERED
        assert recovered.ended_at == practice.clock.now()

    @pytest.mark.parametrize("link", ["none", "ended"])
    async def test_a_completed_visit_ends_the_active_one_that_it_was_not_linked_to(
        self, practice: Practice, link: str
    ) -> None:
        """Staff wrote to somebody who had a visit, or booked it from the page of an older one."""
        patient = await practice.add_patient()
        given = {}
        if link == "ended":
            given["campaign_id"] = (
                await practice.add_campaign(patient, status=C.RECOVERY_FAILED)
            ).id
        visit = await practice.staff_book(patient, NINE, **given)
        campaign = await practice.add_campaign(patient)

        await practice.appointments.complete(visit.id, by=STAFF)

        assert (await practice.campaign(campaign)).status == C.RECOVERED
        assert (await practice.visit(visit)).campaign_id == campaign.id

    async def test_a_visit_of_before_a_campaign_is_none_of_its_success(
        self, practice: Practice
    ) -> None:
        patient = await practice.add_patient()
        visit = await practice.staff_book(patient, NINE)
        practice.clock.set(visit.appointment_date + timedelta(days=9))
        campaign = await practice.add_campaign(patient)

        await practice.appointments.complete(visit.id, by=STAFF)

        assert (await practice.campaign(campaign)).status == C.ATTEMPTING_RECOVERY
        assert (await practice.visit(visit)).campaign_id is None

    @pytest.mark.parametrize("status", [C.ATTEMPTING_RECOVERY, C.RE_ENGAGED, C.HANDOFF_REQUIRED])
    @pytest.mark.parametrize("lost", ["cancel", "no_show", "delete"])
    async def test_a_visit_that_falls_away_releases_no_campaign_that_is_elsewhere(
        self, practice: Practice, status: CampaignStatus, lost: str
    ) -> None:
        """A hand-off must not be given back to the machine by a cancellation."""
        _, campaign, visit = await booked(practice)
        await at(practice, campaign, status)

        await getattr(practice.appointments, lost)(visit.id, by=STAFF)

        stayed = await practice.campaign(campaign)
        assert stayed.status == status
        assert not stayed.needs_person

    @pytest.mark.parametrize("status", sorted(ENDED_STATUSES))
    @pytest.mark.parametrize("operation", [A.CONFIRMED, A.COMPLETED, A.CANCELLED, A.NO_SHOW])
    async def test_no_operation_fails_because_the_campaign_ended(
        self, practice: Practice, status: CampaignStatus, operation: AppointmentStatus
    ) -> None:
        _, campaign, visit = await booked(practice)
        await at(practice, campaign, status)

        changed = await become(practice, visit, operation)

        assert changed.status == operation
        assert (await practice.campaign(campaign)).status == status

    async def test_nor_because_the_campaign_is_gone(self, practice: Practice) -> None:
        _, campaign, visit = await booked(practice)
        await practice.repositories.campaigns.delete(campaign.id)

        changed = await practice.appointments.confirm(visit.id, by=STAFF)

        assert changed.status == A.CONFIRMED


class TestPatientRecord:
    """A completed visit makes them a patient of the practice."""

    async def test_due_again_after_the_services_interval(self, practice: Practice) -> None:
        patient, _, visit = await booked(practice, "2026-08-31T09:00")

        await practice.appointments.complete(visit.id, by=STAFF)

        stored = await practice.repositories.patients.get(patient.id)
        assert stored is not None
        assert stored.patient_type == PatientType.EXISTING
        assert stored.next_follow_up_date == datetime(2027, 2, 28, 5, 0, tzinfo=UTC)
        (treatment,) = stored.treatment_history
        assert treatment.procedure_name == "Check-up and Cleaning"
        assert treatment.procedure_date == visit.appointment_date

    async def test_due_on_the_date_given(self, practice: Practice) -> None:
        patient, _, visit = await booked(practice)
        given = datetime(2026, 10, 1, 4, 0, tzinfo=UTC)

        await practice.appointments.complete(visit.id, by=STAFF, next_follow_up_date=given)

        stored = await practice.repositories.patients.get(patient.id)
        assert stored is not None
        assert stored.next_follow_up_date == given

    async def test_never_due_where_nothing_says_when(self, practice: Practice) -> None:
        patient = await practice.add_patient(next_follow_up_date=datetime(2026, 1, 1, tzinfo=UTC))
        visit = await practice.book(patient, NINE, service_id="whitening")

        await practice.appointments.complete(visit.id, by=STAFF)

        stored = await practice.repositories.patients.get(patient.id)
        assert stored is not None
        assert stored.next_follow_up_date is None

    @pytest.mark.parametrize(
        ("day", "months", "later"),
        [
            (date(2026, 8, 31), 6, date(2027, 2, 28)),
            (date(2027, 8, 31), 6, date(2028, 2, 29)),
            (date(2026, 12, 15), 1, date(2027, 1, 15)),
            (date(2026, 1, 31), 24, date(2028, 1, 31)),
        ],
    )
    def test_months_later(self, day: date, months: int, later: date) -> None:
        assert months_later(day, months) == later


class TestLetters:
    """One letter for each change of a visit still ahead."""

    async def test_booked_moved_and_cancelled(self, practice: Practice) -> None:
        _, _, visit = await booked(practice)
        change = VisitChange(starts_at=moment("2026-08-20T10:00"))
        await practice.appointments.change(visit.id, change, by=STAFF, staff=True)
        await practice.appointments.confirm(visit.id, by=STAFF)
        await practice.appointments.cancel(visit.id, by=STAFF)

        assert sorted(await practice.letters()) == [
            f"appointment:{visit.id}:visit_booked:0",
            f"appointment:{visit.id}:visit_cancelled:3",
            f"appointment:{visit.id}:visit_changed:1",
        ]

    @pytest.mark.parametrize("status", [A.BOOKED, A.CONFIRMED])
    async def test_another_provider_or_length_at_the_same_time_is_told_and_unconfirms_nothing(
        self, practice: Practice, status: AppointmentStatus
    ) -> None:
        """The patient promised to come at a time, and it is still that time."""
        _, campaign, visit = await booked(practice)
        if status == A.CONFIRMED:
            await practice.appointments.confirm(visit.id, by=STAFF)
        before = await practice.campaign(campaign)
        (first,) = await practice.repositories.providers.every()
        other = await practice.repositories.providers.insert(
            first.model_copy(update={"id": new_id(), "name": "Dr. Second"})
        )

        for change in (VisitChange(provider_id=other.id), VisitChange(duration_minutes=45)):
            moved = await practice.appointments.change(visit.id, change, by=STAFF, staff=True)

            letter = f"appointment:{visit.id}:visit_updated:{moved.sequence}"
            assert letter in await practice.letters()
            assert moved.status == status
            assert moved.pending_event is None
        assert await practice.campaign(campaign) == before

    async def test_another_chair_is_nobodys_business(self, practice: Practice) -> None:
        _, campaign, visit = await booked(practice)
        confirmed = await practice.appointments.confirm(visit.id, by=STAFF)
        room = await practice.repositories.chairs.insert(Chair(name="Room 2"))
        letters, before = await practice.letters(), await practice.campaign(campaign)

        moved = await practice.appointments.change(
            visit.id, VisitChange(chair_id=room.id), by=STAFF, staff=True
        )

        assert (moved.chair_id, moved.status) == (room.id, A.CONFIRMED)
        assert moved.sequence == confirmed.sequence + 1
        assert await practice.letters() == letters
        assert await practice.campaign(campaign) == before

    async def test_a_letter_carries_the_link_to_the_page_and_the_local_time(
        self, practice: Practice
    ) -> None:
        _, campaign, visit = await booked(practice)

        page = await practice.repositories.outbox.deliveries_page(None, page=1, limit=10)

        (letter,) = page.items
        assert "/visit/" in letter.content
        assert "/api/" not in letter.content
        assert "9:00" in letter.content
        assert (letter.appointment_id, letter.campaign_id) == (visit.id, campaign.id)

    async def test_a_deleted_live_visit_is_told_a_dead_one_not(self, practice: Practice) -> None:
        _, _, live = await booked(practice)
        _, _, dead = await booked(practice, "2026-08-20T10:00")
        await practice.appointments.cancel(dead.id, by=STAFF)

        await practice.appointments.delete(live.id, by=STAFF)
        await practice.appointments.delete(dead.id, by=STAFF)

        told = [key for key in await practice.letters() if "visit_cancelled" in key]
        assert sorted(told) == sorted(
            [
                f"appointment:{live.id}:visit_cancelled:1",
                f"appointment:{dead.id}:visit_cancelled:1",
            ]
        )

    async def test_while_two_records_are_merged_the_one_that_stays_hears_and_is_treated(
        self, practice: Practice
    ) -> None:
        goes = await practice.add_patient(patient_type=PatientType.COLD_LEAD)
        stays = await practice.add_patient(
            patient_type=PatientType.COLD_LEAD, email="stays@example.com"
        )
        seen = await practice.staff_book(goes, NINE)
        off = await practice.staff_book(goes, "2026-08-21T09:00")
        await begin_merge(practice.repositories, goes, stays)

        await practice.appointments.complete(seen.id, by=STAFF)
        await practice.appointments.cancel(off.id, by=STAFF)

        patient = await practice.repositories.patients.get(stays.id)
        assert patient is not None
        assert patient.patient_type == PatientType.EXISTING
        assert len(patient.treatment_history) == 1
        assert f"appointment:{off.id}:visit_cancelled:1" in await practice.letters()

    async def test_nobody_without_an_address_is_written_to(self, practice: Practice) -> None:
        patient = await practice.add_patient(email=None, phone="+12125550142")

        await practice.staff_book(patient, NINE)

        assert await practice.letters() == []


async def crash_after(practice: Practice, visit: Appointment, kind: Kind) -> None:
    """Write a change as the request would, and nothing of what follows from it."""
    status = {
        Kind.CONFIRMED: A.CONFIRMED,
        Kind.COMPLETED: A.COMPLETED,
        Kind.CANCELLED: A.CANCELLED,
        Kind.NO_SHOW: A.NO_SHOW,
        Kind.DELETED: A.CANCELLED,
    }[kind]
    event = AppointmentEvent(
        kind=kind, at=practice.clock.now(), by=STAFF, status_before=visit.status
    )
    assert await practice.repositories.appointments.change(visit, {"status": status}, event)


class TestReconcile:
    """What a crash cut short is finished; what is done is left alone."""

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            (Kind.CONFIRMED, C.BOOKING_COMPLETED),
            (Kind.COMPLETED, C.RECOVERED),
            (Kind.CANCELLED, C.RE_ENGAGED),
            (Kind.NO_SHOW, C.HANDOFF_REQUIRED),
            (Kind.DELETED, C.RE_ENGAGED),
        ],
    )
    async def test_finishes_every_change(
        self, practice: Practice, kind: Kind, expected: CampaignStatus
    ) -> None:
        _, campaign, visit = await booked(practice)
        await crash_after(practice, visit, kind)
        practice.clock.advance(seconds=11)

        assert await practice.effects.reconcile() == 1

        assert (await practice.campaign(campaign)).status == expected
        left = await practice.repositories.appointments.get(visit.id)
        assert (left is None) == (kind == Kind.DELETED)
        assert await practice.effects.reconcile() == 0

    async def test_finishes_a_booking_also_of_somebody_new(
        self, practice: Practice, repositories: Repositories
    ) -> None:
        """The visit is in the book, and the process died before anything else was stored."""
        await practice.change_clinic(allow_new_patient_booking=True)
        newcomer = await practice.directory.prepare(
            name="Noa New", email="noa@example.com", patient_type=PatientType.COLD_LEAD
        )
        visit = await _only_inserted(practice, newcomer)
        practice.clock.advance(seconds=11)

        await practice.effects.reconcile()

        stored = await repositories.patients.get(newcomer.id)
        assert stored is not None
        assert stored.email == "noa@example.com"
        assert (await practice.visit(visit)).pending_event is None
        assert await practice.letters() == [f"appointment:{visit.id}:visit_booked:0"]

    async def test_gives_the_visit_to_whoever_was_stored_meanwhile(
        self, practice: Practice
    ) -> None:
        newcomer = await practice.directory.prepare(
            name="Noa New", email="noa@example.com", patient_type=PatientType.COLD_LEAD
        )
        visit = await _only_inserted(practice, newcomer)
        known = await practice.add_patient(name="Noa New", email="noa@example.com")
        campaign = await practice.add_campaign(known)
        practice.clock.advance(seconds=11)

        await practice.effects.reconcile()

        settled = await practice.visit(visit)
        assert settled.patient_id == known.id
        assert settled.campaign_id == campaign.id
        assert (await practice.campaign(campaign)).status == C.BOOKING_INITIATED

    async def test_removes_a_second_visit_of_theirs_at_that_time(self, practice: Practice) -> None:
        newcomer = await practice.directory.prepare(
            name="Noa New", email="noa@example.com", patient_type=PatientType.COLD_LEAD
        )
        visit = await _only_inserted(practice, newcomer)
        known = await practice.add_patient(name="Noa New", email="noa@example.com")
        held = visit.model_copy(
            update={
                "id": new_id(),
                "patient_id": known.id,
                "claims": [f"u:{known.id}@{claim.rpartition('@')[2]}" for claim in _own(visit)],
                "pending_event": None,
            }
        )
        await practice.repositories.appointments.insert(held)

        with pytest.raises(PatientHasVisitError) as refused:
            await practice.effects.apply(visit)

        assert [one.id for one in await practice.every_visit()] == [held.id]
        taken = f"{visit.appointment_date:%Y-%m-%dT%H:%M:%SZ}"
        named = [one["appointment_date"] for one in refused.value.extra["alternatives"]]
        assert len(named) == 3
        assert taken not in named

    @pytest.mark.parametrize(
        ("newer", "expected"),
        [
            (AppointmentStatus.CANCELLED, C.RE_ENGAGED),
            (AppointmentStatus.NO_SHOW, C.HANDOFF_REQUIRED),
            (AppointmentStatus.CONFIRMED, C.BOOKING_COMPLETED),
            (AppointmentStatus.COMPLETED, C.RECOVERED),
            (None, C.RE_ENGAGED),
        ],
        ids=["cancelled", "no_show", "confirmed", "completed", "deleted"],
    )
    async def test_a_run_that_is_overtaken_does_not_undo_what_came_after(
        self, practice: Practice, newer: AppointmentStatus | None, expected: CampaignStatus
    ) -> None:
        """A slow one still books a campaign whose visit is cancelled by then."""
        _, campaign, visit = await booked(practice)
        event = AppointmentEvent(kind=Kind.BOOKED, at=practice.clock.now(), by="booking")
        slow = visit.model_copy(update={"pending_event": event})
        if newer is None:
            await practice.appointments.delete(visit.id, by=STAFF)
        else:
            await become(practice, visit, newer)

        await practice.effects.apply(slow)

        assert (await practice.campaign(campaign)).status == expected

    async def test_leaves_what_a_request_is_just_doing(self, practice: Practice) -> None:
        _, campaign, visit = await booked(practice)
        await crash_after(practice, visit, Kind.CONFIRMED)
        practice.clock.advance(seconds=5)

        assert await practice.effects.reconcile() == 0
        assert (await practice.campaign(campaign)).status == C.BOOKING_INITIATED

    async def test_a_visit_whose_effects_are_old_news_is_left_alone(
        self, practice: Practice
    ) -> None:
        """Read before, changed meanwhile: the newer change has done everything."""
        _, campaign, visit = await booked(practice)
        event = AppointmentEvent(kind=Kind.BOOKED, at=practice.clock.now(), by="booking")
        stale = visit.model_copy(update={"pending_event": event})
        await practice.appointments.confirm(visit.id, by=STAFF)

        assert await practice.effects._finish(stale) is False
        assert (await practice.campaign(campaign)).status == C.BOOKING_COMPLETED

    @pytest.mark.parametrize("kind", [Kind.COMPLETED, Kind.CANCELLED, Kind.NO_SHOW])
    async def test_twice_is_as_good_as_once(self, practice: Practice, kind: Kind) -> None:
        patient, campaign, visit = await booked(practice)
        await crash_after(practice, visit, kind)
        pending = await practice.visit(visit)

        await practice.effects.apply(pending)
        once = (
            await practice.campaign(campaign),
            await practice.repositories.patients.get(patient.id),
        )
        await practice.effects.apply(pending)

        assert await practice.campaign(campaign) == once[0]
        again = await practice.repositories.patients.get(patient.id)
        assert again is not None
        assert once[1] is not None
        assert again.treatment_history == once[1].treatment_history
        assert len(await practice.letters()) == len(set(await practice.letters()))

    async def test_a_change_first_finishes_the_one_before(self, practice: Practice) -> None:
        """Completed and cut short, then annotated by a colleague: nothing is overwritten."""
        patient, campaign, visit = await booked(practice)
        await crash_after(practice, visit, Kind.COMPLETED)

        await practice.appointments.delete(visit.id, by=STAFF)

        assert (await practice.campaign(campaign)).status == C.RECOVERED
        stored = await practice.repositories.patients.get(patient.id)
        assert stored is not None
        assert len(stored.treatment_history) == 1

    async def test_claims_of_long_ago_are_dropped(self, practice: Practice) -> None:
        _, _, old = await booked(practice)
        await practice.appointments.complete(old.id, by=STAFF)
        practice.clock.set(old.appointment_date + timedelta(days=31))
        new = await practice.book(await practice.add_patient(), "2026-09-22T09:00")

        await practice.effects.reconcile()

        assert (await practice.visit(old)).claims is None
        assert (await practice.visit(new)).claims is not None

    async def test_old_claims_are_looked_for_seldom(self, practice: Practice) -> None:
        _, _, visit = await booked(practice)
        await practice.effects.reconcile()
        long_ago = {"appointment_date": practice.clock.now() - timedelta(days=40)}
        await practice.repositories.appointments.update_fields(visit.id, long_ago)

        practice.clock.advance(hours=5)
        assert await practice.effects.reconcile() == 0
        practice.clock.advance(hours=1)
        assert await practice.effects.reconcile() == 1


def _own(visit: Appointment) -> list[str]:
    return [claim for claim in visit.claims or [] if claim.startswith("u:")]


async def _only_inserted(practice: Practice, newcomer: Patient) -> Appointment:
    """What `BookingService` writes first for somebody new, and nothing after it."""
    donor = await practice.add_patient(email=None, phone="+12125550101")
    visit = await practice.staff_book(donor, NINE)
    await practice.repositories.appointments.delete(visit.id)
    event = AppointmentEvent(
        kind=Kind.BOOKED, at=practice.clock.now(), by="booking", new_patient=newcomer
    )
    claims = [claim.replace(str(donor.id), str(newcomer.id)) for claim in visit.claims or []]
    return await practice.repositories.appointments.insert(
        visit.model_copy(
            update={
                "id": new_id(),
                "patient_id": newcomer.id,
                "claims": claims,
                "pending_event": event,
                "created_from": CreatedFrom.AI_AGENT_FORM,
            }
        )
    )


class TestFaults:
    """What follows a change may fail; the change stands, and is finished later."""

    async def test_a_letter_that_cannot_be_written_does_not_undo_a_booking(
        self, practice: Practice
    ) -> None:
        patient = await practice.add_patient()
        campaign = await practice.add_campaign(patient)
        healthy = practice.effects._outbox
        practice.effects._outbox = _BrokenOutbox()  # type: ignore[assignment]

        answer = await practice.booking.book(form(patient, NINE), body={})
        practice.effects._outbox = healthy
        practice.clock.advance(seconds=11)
        await practice.effects.reconcile()

        assert answer["message"] == "Appointment booked successfully."
        assert (await practice.campaign(campaign)).status == C.BOOKING_INITIATED
        assert len(await practice.letters()) == 1


class _BrokenOutbox:
    """An outbox whose storage fails."""

    async def enqueue(self, draft: object) -> None:
        """Fails."""
        message = "disk full"
        raise OSError(message)


class TestCalendar:
    """What happens to a visit happens to its entry in the patient's calendar."""

    async def test_each_letter_brings_a_newer_version_of_one_entry(
        self, practice: Practice
    ) -> None:
        patient, _, visit = await booked(practice)
        await practice.appointments.confirm(visit.id, by=STAFF)
        change = VisitChange(starts_at=moment("2026-08-21T10:30"))
        await practice.appointments.change(visit.id, change, by=STAFF, staff=True)
        await practice.appointments.cancel(visit.id, by=STAFF)

        files = await calendars(practice)

        assert [method for method, _ in files] == ["REQUEST", "REQUEST", "CANCEL"]
        events = [event for _, event in files]
        assert len({event.one("UID").value for event in events}) == 1
        assert [int(event.one("SEQUENCE").value) for event in events] == [0, 2, 3]
        assert [event.one("DTSTART").value for event in events] == [
            "20260820T090000",
            "20260821T103000",
            "20260821T103000",
        ]
        for event in events:
            assert event.one("ATTENDEE").value == f"mailto:{patient.email}"
            assert event.one("ORGANIZER").value == "mailto:frontdesk@example.com"

    async def test_a_deleted_visit_is_taken_out(self, practice: Practice) -> None:
        _, _, visit = await booked(practice)

        await practice.appointments.delete(visit.id, by=STAFF)

        assert [method for method, _ in await calendars(practice)] == ["REQUEST", "CANCEL"]

    async def test_speaks_the_patients_language(self, practice: Practice) -> None:
        patient = await practice.add_patient(language="es")
        await practice.book(patient, NINE)

        ((_, event),) = await calendars(practice)

        assert event.text("SUMMARY").startswith("Cita en ")


async def calendars(practice: Practice) -> list[tuple[str, Component]]:
    """The method and the visit of every queued letter's file, in the order they were written."""
    page = await practice.repositories.outbox.deliveries_page(None, page=1, limit=100)
    found = []
    for letter in sorted(page.items, key=lambda one: one.id):
        assert letter.calendar is not None
        calendar = hold_to_the_rules(letter.calendar.content.encode())
        method = calendar.one("METHOD").value
        assert method == letter.calendar.method
        (event,) = [one for one in calendar.inner if one.name == "VEVENT"]
        found.append((method, event))
    return found
