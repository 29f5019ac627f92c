"""Changes of visits: the table, the claims, the notes."""

import asyncio
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from app.core.errors import AppError
from app.models.appointment import (
    APPOINTMENT_TRANSITIONS,
    Appointment,
    AppointmentStatus,
)
from app.models.base import new_id
from app.models.schedule import Chair, Provider, Weekday
from app.services.scheduling.appointments import (
    AppointmentNotFoundError,
    AppointmentTransitionError,
    VisitChange,
)
from app.services.scheduling.refusals import (
    NotBookableError,
    PatientHasVisitError,
    SlotTakenError,
)
from tests.services.scheduling.practice import (
    OPEN_DAY,
    STAFF,
    Practice,
    become,
    moment,
    overlaps,
)

pytestmark = pytest.mark.mongo

NINE = "2026-08-20T09:00"
TEN_UTC = datetime(2026, 8, 20, 14, 0, tzinfo=UTC)
A = AppointmentStatus


async def in_status(practice: Practice, status: AppointmentStatus) -> Appointment:
    """A visit that stands there."""
    visit = await practice.book(await practice.add_patient(), NINE)
    return visit if status == A.BOOKED else await become(practice, visit, status)


async def add_slow_provider(practice: Practice, **given: Any) -> Provider:
    """Takes fifty minutes for a cleaning, in a room of their own."""
    fields: dict[str, Any] = {
        "name": "Dr. Stern",
        "service_ids": ["cleaning"],
        "service_durations": {"cleaning": 50},
        "working_hours": dict.fromkeys(list(Weekday)[:5], OPEN_DAY),
    }
    await practice.repositories.chairs.insert(Chair(name="Room 2"))
    return await practice.repositories.providers.insert(Provider(**(fields | given)))


def claimed_minutes(visit: Appointment, provider: Provider) -> int:
    """How long the stored visit keeps its provider."""
    own = [one for one in visit.claims or () if one.startswith(f"p:{provider.id}@")]
    return 5 * len(own)


class TestTransitions:
    """Confirm, complete, cancel, no-show."""

    @pytest.mark.parametrize(
        ("before", "after"), list(product(A, [A.CONFIRMED, A.COMPLETED, A.CANCELLED, A.NO_SHOW]))
    )
    async def test_only_what_the_table_allows(
        self, practice: Practice, before: AppointmentStatus, after: AppointmentStatus
    ) -> None:
        visit = await in_status(practice, before)

        if after == before or after in APPOINTMENT_TRANSITIONS[before]:
            changed = await become(practice, visit, after)
            assert changed.status == after
            assert changed.pending_event is None
            assert changed.sequence == visit.sequence + (after != before)
        else:
            with pytest.raises(AppointmentTransitionError):
                await become(practice, visit, after)
            assert await practice.visit(visit) == visit

    @pytest.mark.parametrize("status", [A.BOOKED, A.CONFIRMED, A.COMPLETED])
    async def test_these_hold_their_time(
        self, practice: Practice, status: AppointmentStatus
    ) -> None:
        await in_status(practice, status)

        with pytest.raises(SlotTakenError):
            await practice.book(await practice.add_patient(), NINE)

    @pytest.mark.parametrize("status", [A.CANCELLED, A.NO_SHOW])
    async def test_these_free_it(self, practice: Practice, status: AppointmentStatus) -> None:
        visit = await in_status(practice, status)

        assert visit.claims is None
        await practice.book(await practice.add_patient(), NINE)

    async def test_an_unknown_visit_is_not_found(self, practice: Practice) -> None:
        with pytest.raises(AppointmentNotFoundError):
            await practice.appointments.confirm(new_id(), by=STAFF)

    async def test_of_two_who_decide_differently_one_wins(self, practice: Practice) -> None:
        visit = await in_status(practice, A.BOOKED)

        answers = await asyncio.gather(
            practice.appointments.complete(visit.id, by=STAFF),
            practice.appointments.cancel(visit.id, by=STAFF),
            return_exceptions=True,
        )

        refused = [one for one in answers if isinstance(one, AppError)]
        assert len(refused) == 1
        stored = await practice.visit(visit)
        assert (stored.claims is None) == (stored.status == A.CANCELLED)


class TestChange:
    """Moving a visit and its notes."""

    async def test_the_new_time_is_held_and_the_old_one_free(self, practice: Practice) -> None:
        visit = await in_status(practice, A.CONFIRMED)

        moved = await practice.appointments.change(
            visit.id, VisitChange(starts_at=moment("2026-08-20T10:00")), by=STAFF, staff=True
        )

        assert moved.appointment_date == TEN_UTC
        assert moved.status == A.BOOKED
        await practice.book(await practice.add_patient(), NINE)
        with pytest.raises(SlotTakenError):
            await practice.book(await practice.add_patient(), "2026-08-20T10:00")

    async def test_onto_a_part_of_its_own_time(self, practice: Practice) -> None:
        visit = await in_status(practice, A.BOOKED)

        moved = await practice.appointments.change(
            visit.id, VisitChange(starts_at=moment("2026-08-20T09:15")), by=STAFF, staff=True
        )

        assert moved.appointment_date == datetime(2026, 8, 20, 13, 15, tzinfo=UTC)

    async def test_to_where_it_stands_changes_nothing(self, practice: Practice) -> None:
        visit = await in_status(practice, A.CONFIRMED)

        same = await practice.appointments.change(
            visit.id, VisitChange(starts_at=moment(NINE)), by=STAFF, staff=True
        )

        assert same == visit

    async def test_onto_somebody_elses_time_is_refused_and_nothing_is_lost(
        self, practice: Practice
    ) -> None:
        visit = await in_status(practice, A.BOOKED)
        await practice.book(await practice.add_patient(), "2026-08-20T10:00")

        with pytest.raises(SlotTakenError):
            await practice.appointments.change(
                visit.id, VisitChange(starts_at=moment("2026-08-20T09:45")), by=STAFF, staff=True
            )

        assert await practice.visit(visit) == visit

    async def test_onto_the_patients_own_other_visit_is_refused(self, practice: Practice) -> None:
        await practice.repositories.providers.insert(
            Provider(
                name="Dr. Stern",
                service_ids=["cleaning"],
                working_hours=dict.fromkeys(list(Weekday)[:5], OPEN_DAY),
            )
        )
        await practice.repositories.chairs.insert(Chair(name="Room 2"))
        patient = await practice.add_patient()
        visit = await practice.book(patient, NINE)
        await practice.book(patient, "2026-08-20T10:00")
        change = VisitChange(starts_at=moment("2026-08-20T10:15"))

        with pytest.raises(PatientHasVisitError):
            await practice.appointments.change(visit.id, change, by="patient", staff=False)

    async def test_a_patients_visit_may_go_to_another_provider_staffs_stays(
        self, practice: Practice
    ) -> None:
        visit = await in_status(practice, A.BOOKED)
        other = await practice.repositories.providers.insert(
            Provider(
                name="Dr. Stern",
                service_ids=["cleaning"],
                working_hours=dict.fromkeys(list(Weekday)[:5], OPEN_DAY),
            )
        )
        await practice.repositories.chairs.insert(Chair(name="Room 2"))
        await practice.staff_book(
            await practice.add_patient(), "2026-08-20T10:00", provider_id=visit.provider_id
        )
        change = VisitChange(starts_at=moment("2026-08-20T10:00"))

        with pytest.raises(SlotTakenError):
            await practice.appointments.change(visit.id, change, by=STAFF, staff=True)
        moved = await practice.appointments.change(visit.id, change, by="patient", staff=False)

        assert moved.provider_id == other.id

    async def test_with_another_provider_it_takes_that_providers_time(
        self, practice: Practice
    ) -> None:
        visit = await in_status(practice, A.BOOKED)
        slow = await add_slow_provider(practice)
        await practice.staff_book(
            await practice.add_patient(), "2026-08-20T10:00", provider_id=visit.provider_id
        )
        ten = VisitChange(starts_at=moment("2026-08-20T10:00"))

        moved = await practice.appointments.change(visit.id, ten, by="patient", staff=False)

        assert (moved.provider_id, moved.duration_minutes) == (slow.id, 50)
        assert claimed_minutes(moved, slow) == 50
        back = VisitChange(provider_id=visit.provider_id, starts_at=moment(NINE))
        again = await practice.appointments.change(visit.id, back, by=STAFF, staff=True)
        assert (again.provider_id, again.duration_minutes) == (visit.provider_id, 30)

    async def test_with_its_own_provider_it_keeps_the_length_it_was_booked_with(
        self, practice: Practice
    ) -> None:
        visit = await in_status(practice, A.BOOKED)
        providers = practice.repositories.providers
        await providers.update_fields(visit.provider_id, {"service_durations": {"cleaning": 90}})
        change = VisitChange(starts_at=moment("2026-08-20T10:00"))

        moved = await practice.appointments.change(visit.id, change, by="patient", staff=False)

        assert (moved.provider_id, moved.duration_minutes) == (visit.provider_id, 30)

    @pytest.mark.parametrize("when", ["in_the_move", "before", "booked_so"])
    async def test_a_length_that_staff_set_stays_with_another_provider(
        self, practice: Practice, when: str
    ) -> None:
        slow = await add_slow_provider(practice)
        first = (await practice.repositories.providers.every())[0]
        length = 40 if when == "booked_so" else None
        visit = await practice.staff_book(
            await practice.add_patient(), NINE, provider_id=first.id, duration_minutes=length
        )
        change = VisitChange(provider_id=slow.id)
        if when == "before":
            longer = VisitChange(duration_minutes=40)
            await practice.appointments.change(visit.id, longer, by=STAFF, staff=True)
        if when == "in_the_move":
            change = VisitChange(provider_id=slow.id, duration_minutes=40)

        moved = await practice.appointments.change(visit.id, change, by=STAFF, staff=True)

        assert (moved.provider_id, moved.duration_minutes) == (slow.id, 40)
        assert claimed_minutes(moved, slow) == 40

    async def test_a_service_that_left_the_list_keeps_the_visits_length(
        self, practice: Practice
    ) -> None:
        visit = await in_status(practice, A.BOOKED)
        other = await add_slow_provider(practice, service_durations={})
        await practice.repositories.services.delete((await practice.reader.service("cleaning")).id)
        change = VisitChange(provider_id=other.id)

        moved = await practice.appointments.change(visit.id, change, by=STAFF, staff=True)

        assert (moved.provider_id, moved.duration_minutes) == (other.id, 30)

    async def test_a_longer_visit_needs_the_longer_time_and_stays_confirmed(
        self, practice: Practice
    ) -> None:
        visit = await in_status(practice, A.CONFIRMED)
        await practice.book(await practice.add_patient(), "2026-08-20T10:00")

        longer = await practice.appointments.change(
            visit.id, VisitChange(duration_minutes=60), by=STAFF, staff=True
        )
        with pytest.raises(SlotTakenError):
            await practice.appointments.change(
                visit.id, VisitChange(duration_minutes=65), by=STAFF, staff=True
            )

        assert (longer.duration_minutes, longer.status) == (60, A.CONFIRMED)
        with pytest.raises(SlotTakenError):
            await practice.book(await practice.add_patient(), "2026-08-20T09:30")

    async def test_patients_keep_the_rules_of_the_booking_site(self, practice: Practice) -> None:
        visit = await in_status(practice, A.BOOKED)
        off_grid = VisitChange(starts_at=moment("2026-08-20T10:05"))

        with pytest.raises(NotBookableError):
            await practice.appointments.change(visit.id, off_grid, by="patient", staff=False)
        moved = await practice.appointments.change(visit.id, off_grid, by=STAFF, staff=True)

        assert moved.appointment_date == datetime(2026, 8, 20, 14, 5, tzinfo=UTC)

    @pytest.mark.parametrize("status", [A.COMPLETED, A.CANCELLED, A.NO_SHOW])
    async def test_a_visit_that_is_over_is_not_moved_but_annotated(
        self, practice: Practice, status: AppointmentStatus
    ) -> None:
        visit = await in_status(practice, status)
        with pytest.raises(AppointmentTransitionError):
            await practice.appointments.change(
                visit.id, VisitChange(starts_at=moment("2026-08-20T10:00")), by=STAFF, staff=True
            )

        noted = await practice.appointments.change(
            visit.id, VisitChange(notes="Paid.", sets_notes=True), by=STAFF, staff=True
        )
        bare = await practice.appointments.change(
            visit.id, VisitChange(sets_notes=True), by=STAFF, staff=True
        )

        assert (noted.notes, bare.notes) == ("Paid.", None)

    async def test_ten_moves_of_one_visit_at_once_leave_one_whole_visit(
        self, practice: Practice
    ) -> None:
        visit = await in_status(practice, A.BOOKED)
        hours = [f"2026-08-20T{hour}:00" for hour in ("10", "11", "13", "14", "15")] * 2

        await asyncio.gather(
            *(
                practice.appointments.change(
                    visit.id, VisitChange(starts_at=moment(hour)), by=STAFF, staff=True
                )
                for hour in hours
            ),
            return_exceptions=True,
        )

        stored = await practice.visit(visit)
        assert stored.pending_event is None
        others = [
            await practice.book(await practice.add_patient(), hour)
            for hour in (NINE, *sorted(set(hours)))
            if moment(hour).hour + 4 != stored.appointment_date.hour
        ]
        assert len(others) == 5
        assert overlaps(await practice.every_visit()) == []


class TestDelete:
    """Out of the book."""

    @pytest.mark.parametrize("status", list(A))
    async def test_the_time_is_free_and_the_audit_log_keeps_what_it_was(
        self, practice: Practice, status: AppointmentStatus
    ) -> None:
        visit = await in_status(practice, status)

        await practice.appointments.delete(visit.id, by=STAFF)

        assert await practice.every_visit() == []
        await practice.book(await practice.add_patient(), NINE)
        (entry,) = await practice.repositories.audit.about(str(visit.id))
        assert (entry.actor, entry.action, entry.subject) == (STAFF, "delete", "appointment")
        assert entry.details["status"] == status
        assert entry.details["patient_id"] == visit.patient_id
        assert entry.details["appointment_date"] == visit.appointment_date

    async def test_deleting_twice_is_not_found(self, practice: Practice) -> None:
        visit = await in_status(practice, A.BOOKED)
        await practice.appointments.delete(visit.id, by=STAFF)

        with pytest.raises(AppointmentNotFoundError):
            await practice.appointments.delete(visit.id, by=STAFF)
