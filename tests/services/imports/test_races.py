"""What happens between the moment a batch was read and the moment it is written."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from app.models.appointment import AppointmentStatus
from app.models.imports import Import, ImportKind, ImportLine
from app.models.patient import Patient, name_key
from app.models.schedule import Chair, Provider, Weekday
from app.services.imports.visit_batch import VisitBatch, VisitBatchReader
from app.services.imports.visits import VisitImporter
from tests.factories import make_patient
from tests.services.imports.bench import Bench, file_of, many, row
from tests.services.scheduling.practice import OPEN_DAY, become, overlaps

pytestmark = pytest.mark.mongo

Meanwhile = Callable[[], Awaitable[object]]


class SlowReader(VisitBatchReader):
    """Something happens, once, right after it has read."""

    meanwhile: Meanwhile | None = None

    async def read(self, wanted: Import, lines: Sequence[ImportLine]) -> VisitBatch:
        """See `VisitBatchReader`."""
        batch = await super().read(wanted, lines)
        happening, self.meanwhile = self.meanwhile, None
        if happening is not None:
            await happening()
        return batch


def between(bench: Bench, meanwhile: Meanwhile) -> None:
    """Do this between reading and writing."""
    importer = bench.processor._importers[ImportKind.APPOINTMENTS]
    assert isinstance(importer, VisitImporter)
    practice = bench.practice
    reader = SlowReader(practice.repositories, practice.clinic, practice.clock)
    reader.meanwhile = meanwhile
    importer._reader = reader


class TestMeanwhile:
    async def test_a_time_that_somebody_took_is_a_conflict_and_the_others_are_stored(
        self, bench: Bench
    ) -> None:
        patient = await bench.practice.add_patient()
        rows = [row(**{**one, "minutes": "10"}) for one in many(30)]
        between(bench, lambda: bench.practice.staff_book(patient, "2026-08-24T09:00"))

        done = await bench.run(file_of(*rows))

        assert done.counts == {"created": 27, "conflict": 3}
        told = {one.number: one for one in await bench.rows(done)}
        conflicts = [one for one in told.values() if one.outcome == "conflict"]
        assert [one.number for one in conflicts] == [20, 21, 22]
        assert sorted(told) == list(range(2, 32))
        visits = await bench.practice.every_visit()
        assert len(visits) == 28
        assert overlaps(visits) == []
        assert len(await bench.open_conflicts()) == 3

    async def test_a_row_in_the_way_that_was_never_stored_is_in_nobodys_way(
        self, bench: Bench
    ) -> None:
        """A new visit waits, one that moves collides with it, and the new one loses its race."""
        await bench.run(file_of(row()))
        await bench.practice.repositories.chairs.insert(Chair(name="Room 2"))
        other = await bench.practice.repositories.providers.insert(
            Provider(
                name="Dr. Chen",
                service_ids=["cleaning"],
                working_hours=dict.fromkeys(Weekday, OPEN_DAY),
            )
        )
        stranger = await bench.practice.add_patient(name="Jo Park", email="jo@example.com")
        # Jo is elsewhere at eleven by now, so the new row cannot have it.
        between(
            bench,
            lambda: bench.practice.staff_book(
                stranger, "2026-08-24T11:00", provider_id=other.id, service_id="cleaning"
            ),
        )
        new = row(external_id="A-2", name="Jo Park", email="jo@example.com")
        rows = [{**new, "start": "2026-08-24T11:00"}, row(start="2026-08-24T11:00")]

        outcomes = await bench.outcomes(file_of(*rows))

        assert outcomes == ["conflict:time_taken", "updated"]

    async def test_a_visit_that_another_import_made_is_found_unchanged(self, bench: Bench) -> None:
        text = file_of(*many(5))

        async def other_import() -> None:
            sent = await bench.send(text)
            batch = await bench.practice.repositories.import_batches.numbered(sent.id, 0)
            assert batch is not None
            await bench.processor._importers[ImportKind.APPOINTMENTS].run(sent, batch.lines)

        between(bench, other_import)

        await bench.send(text)
        while await bench.processor.work_off():
            pass

        visits = await bench.practice.every_visit()
        assert sorted(one.external_id or "" for one in visits) == [f"M-{n}" for n in range(5)]
        assert {one.sequence for one in visits} == {0}

    async def test_a_patient_who_was_stored_gets_the_visit(self, bench: Bench) -> None:
        async def store() -> Patient:
            return await bench.practice.repositories.patients.insert(
                make_patient(
                    name="Maria Lopez",
                    name_key=name_key("Maria Lopez"),
                    email="maria.lopez@example.com",
                )
            )

        between(bench, store)

        two = (row(), row(external_id="A-2", start="2026-08-24T10:00"))
        assert await bench.outcomes(file_of(*two)) == ["created", "created"]

        (patient,) = await bench.practice.repositories.patients.with_email(
            "maria.lopez@example.com"
        )
        visits = [await bench.visit("A-1"), await bench.visit("A-2")]
        assert {one.patient_id for one in visits} == {patient.id}
        assert all(f"u:{patient.id}@" in " ".join(one.claims or ()) for one in visits)

    async def test_of_a_cancellation_and_a_row_that_says_nothing_new_the_first_stands(
        self, bench: Bench
    ) -> None:
        await bench.run(file_of(row()))
        visit = await bench.visit("A-1")
        between(bench, lambda: become(bench.practice, visit, AppointmentStatus.CANCELLED))

        await bench.run(file_of(row()))

        after = await bench.visit("A-1")
        assert (after.status, after.claims) == (AppointmentStatus.CANCELLED, None)

    async def test_of_a_cancellation_and_a_row_that_moves_the_visit_nothing_is_half_done(
        self, bench: Bench
    ) -> None:
        """The row was written with the visit as it was in mind: it is decided anew."""
        await bench.run(file_of(row()))
        visit = await bench.visit("A-1")
        between(bench, lambda: become(bench.practice, visit, AppointmentStatus.CANCELLED))

        outcomes = await bench.outcomes(file_of(row(start="2026-08-24T11:00")))

        after = await bench.visit("A-1")
        assert (outcomes, after.status) == (["updated"], AppointmentStatus.BOOKED)
        assert after.appointment_date == visit.appointment_date + timedelta(hours=2)
        assert len(after.claims or ()) == 18


class TestTwoFiles:
    async def test_are_worked_off_in_the_order_they_came(self, bench: Bench) -> None:
        """Also where the older one's worker died: else it would undo what the newer one said."""
        older = await bench.send(file_of(row()))
        clock = bench.practice.clock
        lease_until = clock.now() + timedelta(seconds=30)
        await bench.practice.repositories.imports.claim(
            older, now=clock.now(), lease_until=lease_until
        )
        clock.advance(seconds=1)
        await bench.send(file_of(row(start="2026-08-24T11:00")))

        meanwhile = await bench.processor.work_off()
        clock.advance(seconds=30)
        while await bench.processor.work_off():
            pass

        assert meanwhile == 0
        visit = await bench.visit("A-1")
        assert visit.appointment_date.hour == 15

    async def test_of_another_kind_does_not_wait(self, bench: Bench) -> None:
        schedule = await bench.send(file_of(row()))
        clock = bench.practice.clock
        lease_until = clock.now() + timedelta(seconds=30)
        await bench.practice.repositories.imports.claim(
            schedule, now=clock.now(), lease_until=lease_until
        )
        clock.advance(seconds=1)

        await bench.run("name,email\nJo Park,jo@example.com", kind=ImportKind.PATIENTS)

        assert len(await bench.practice.repositories.patients.with_email("jo@example.com")) == 1
