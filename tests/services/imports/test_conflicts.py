"""Visits for which there is no place: listed, held back from everybody, and settled."""

import pytest

from app.core.errors import AppError
from app.models.appointment import Appointment
from app.models.imports import ConflictState
from app.services.imports.conflicts import ConflictSettledError, UnknownConflictError
from tests.services.imports.bench import Bench, file_of, row
from tests.services.scheduling.practice import STAFF, overlaps

pytestmark = pytest.mark.mongo

CLASH = row(start="2026-08-24T09:15", minutes="45")


@pytest.fixture
async def booked(bench: Bench) -> Appointment:
    """Somebody booked online what the other system gave away too: Monday nine to half past."""
    return await bench.practice.book(await bench.practice.add_patient(), "2026-08-24T09:00")


class TestAConflict:
    async def test_names_whom_it_collides_with_and_is_kept(
        self, bench: Bench, booked: Appointment
    ) -> None:
        done = await bench.run(file_of(CLASH))

        (result,) = await bench.rows(done)
        (conflict,) = await bench.open_conflicts()
        assert result.collides_with == conflict.collides_with
        (collision,) = conflict.collides_with
        assert (collision.appointment_id, collision.resources) == (booked.id, ["chair", "provider"])
        assert collision.starts_at == booked.appointment_date
        assert bench.staff.told == [1]

    async def test_makes_no_second_visit(self, bench: Bench, booked: Appointment) -> None:
        await bench.run(file_of(CLASH))

        assert [one.id for one in await bench.practice.every_visit()] == [booked.id]
        assert overlaps(await bench.practice.every_visit()) == []

    async def test_keeps_its_patient_from_being_recalled(
        self, bench: Bench, booked: Appointment
    ) -> None:
        await bench.run(file_of(CLASH))

        (conflict,) = await bench.open_conflicts()
        appointments = bench.practice.repositories.appointments
        now = bench.practice.clock.now()
        ids = [conflict.patient_id]
        assert await appointments.patients_with_live_visit(ids, now) == set(ids)
        await bench.conflicts.dismiss(conflict.id, by=STAFF)
        assert await appointments.patients_with_live_visit(ids, now) == set()

    async def test_keeps_its_time_from_being_offered(
        self, bench: Bench, booked: Appointment
    ) -> None:
        await bench.run(file_of(CLASH))
        await bench.practice.appointments.cancel(booked.id, by="patient")
        patient = await bench.practice.add_patient()

        with pytest.raises(AppError):
            await bench.practice.book(patient, "2026-08-24T09:30")
        (conflict,) = await bench.open_conflicts()
        await bench.conflicts.dismiss(conflict.id, by=STAFF)

        await bench.practice.book(patient, "2026-08-24T09:30")

    async def test_is_told_once_however_often_the_file_comes(
        self, bench: Bench, booked: Appointment
    ) -> None:
        for _ in range(3):
            await bench.run(file_of(CLASH))

        assert bench.staff.told == [1]

    async def test_is_told_by_the_next_import_where_the_mail_did_not_leave(
        self, bench: Bench, booked: Appointment
    ) -> None:
        bench.staff.works = False
        await bench.run(file_of(CLASH))
        bench.staff.works = True

        await bench.run(file_of(CLASH))

        assert bench.staff.told == [1]

    async def test_of_a_visit_that_moved_leaves_it_where_it_is(
        self, bench: Bench, booked: Appointment
    ) -> None:
        await bench.run(file_of(row(start="2026-08-25T09:00")))
        before = await bench.visit("A-1")

        assert await bench.outcomes(file_of(CLASH)) == ["conflict:time_taken"]
        assert await bench.visit("A-1") == before
        assert len(await bench.open_conflicts()) == 1


class TestSettling:
    async def test_the_same_file_takes_the_time_once_it_is_free(
        self, bench: Bench, booked: Appointment
    ) -> None:
        await bench.run(file_of(CLASH))
        await bench.practice.appointments.cancel(booked.id, by="patient")

        assert await bench.outcomes(file_of(CLASH)) == ["created"]

        assert await bench.open_conflicts() == []
        visit = await bench.visit("A-1")
        assert visit.claims

    async def test_cancelled_there_it_is_no_conflict_any_more(
        self, bench: Bench, booked: Appointment
    ) -> None:
        await bench.run(file_of(CLASH))

        await bench.run(file_of({**CLASH, "status": "cancelled"}))

        assert await bench.open_conflicts() == []

    async def test_moved_back_it_is_no_conflict_any_more(
        self, bench: Bench, booked: Appointment
    ) -> None:
        tuesday = file_of(row(start="2026-08-25T09:00"))
        await bench.run(tuesday)
        await bench.run(file_of(CLASH))

        assert await bench.outcomes(tuesday) == ["unchanged"]
        assert await bench.open_conflicts() == []

    async def test_vanished_from_the_file_it_goes_only_where_that_is_asked_for(
        self, bench: Bench, booked: Appointment
    ) -> None:
        around = (
            row(external_id="B", start="2026-08-24T08:00", name="Bo Ray"),
            row(external_id="C", start="2026-08-24T16:00", name="Bo Ray"),
        )
        await bench.run(file_of(CLASH, *around))

        await bench.run(file_of(*around))
        kept = await bench.open_conflicts()
        await bench.run(file_of(*around), missing="cancel")

        assert len(kept) == 1
        assert await bench.open_conflicts() == []

    async def test_dismissed_it_stays_so_until_the_file_says_something_new(
        self, bench: Bench, booked: Appointment
    ) -> None:
        await bench.run(file_of(CLASH))
        (conflict,) = await bench.open_conflicts()
        await bench.conflicts.dismiss(conflict.id, by=STAFF)

        await bench.run(file_of(CLASH))
        silent = await bench.open_conflicts()
        await bench.run(file_of({**CLASH, "start": "2026-08-24T09:10"}))

        assert silent == []
        assert len(await bench.open_conflicts()) == 1

    async def test_long_past_it_is_closed_by_the_next_import(
        self, bench: Bench, booked: Appointment
    ) -> None:
        await bench.run(file_of(CLASH))
        bench.practice.clock.advance(days=20)

        await bench.run(file_of(row(external_id="A-9", start="2026-09-15T09:00")))

        (conflict,) = (await bench.conflicts.page(ConflictState.EXPIRED, page=1, limit=9)).items
        assert conflict.external_id == "A-1"

    async def test_can_be_dismissed_twice_but_not_once_resolved(
        self, bench: Bench, booked: Appointment
    ) -> None:
        await bench.run(file_of(CLASH))
        (conflict,) = await bench.open_conflicts()
        await bench.practice.appointments.cancel(booked.id, by="patient")
        await bench.run(file_of(CLASH))

        with pytest.raises(ConflictSettledError):
            await bench.conflicts.dismiss(conflict.id, by=STAFF)
        with pytest.raises(UnknownConflictError):
            await bench.conflicts.dismiss(conflict.patient_id, by=STAFF)

    async def test_dismissing_twice_is_dismissing(self, bench: Bench, booked: Appointment) -> None:
        await bench.run(file_of(CLASH))
        (conflict,) = await bench.open_conflicts()

        twice = [await bench.conflicts.dismiss(conflict.id, by=STAFF) for _ in range(2)]

        assert {one.state for one in twice} == {ConflictState.DISMISSED}
