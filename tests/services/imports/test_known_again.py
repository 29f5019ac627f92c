"""Whom an earlier file made, after they were corrected, merged or erased here."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from app.models.appointment import AppointmentStatus
from app.models.base import PyObjectId
from app.models.imports import ImportKind
from app.models.merge import PatientMerge
from app.models.patient import Patient, PatientStatus, name_key
from app.services.imports.patients import PatientImporter
from app.services.imports.processor import LEASE
from app.services.imports.visits import VisitImporter
from app.services.merging import PatientMerging
from app.services.merging_campaigns import CampaignHandover
from app.services.patients import PatientDirectory
from app.services.retention.erasure import PatientErasure
from tests.fakes import NOON
from tests.services.imports.bench import Bench, row
from tests.services.imports.bench import file_of as schedule_of
from tests.services.imports.test_patients import P, everybody, file_of

pytestmark = pytest.mark.mongo

JON = "Jon Smyth,jon@example.com,(212) 555-0142,2026-06-01,,{},{},"
CORRECTED: Mapping[str, str] = {"name": "John Smith", "name_key": name_key("John Smith")}


async def correct(bench: Bench, patient: Patient, **fields: object) -> None:
    """As staff do."""
    await bench.practice.repositories.patients.change(patient.id, fields, unset=())


async def merge(bench: Bench, stays: Patient, goes: Patient) -> None:
    """As staff do."""
    practice = bench.practice
    handover = CampaignHandover(practice.repositories, practice.lifecycle)
    merging = PatientMerging(practice.repositories, handover, practice.clock)
    await merging.merge(stays.id, goes.id, by="staff:x")


async def erase(bench: Bench, patient: Patient) -> None:
    """As an administrator does."""
    practice = bench.practice
    erasure = PatientErasure(practice.repositories, practice.lifecycle, practice.clock)
    await erasure.erase(patient.id, by="staff:x")


class SlowDirectory(PatientDirectory):
    """Something happens, once, right before it stores."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def store_or_find_each(self, patients: Sequence[Patient]) -> dict[PyObjectId, Patient]:
        """See `PatientDirectory`."""
        happening, self.meanwhile = self.meanwhile, None
        if happening is not None:
            await happening()
        return await super().store_or_find_each(patients)


def before_storing(
    bench: Bench, meanwhile: Callable[[], Awaitable[object]], kind: ImportKind = P
) -> None:
    """Do this between reading and storing."""
    practice = bench.practice
    directory = SlowDirectory(
        practice.repositories, practice.clinic, practice.lifecycle, practice.clock
    )
    directory.meanwhile = meanwhile
    importer = bench.processor._importers[kind]
    assert isinstance(importer, PatientImporter | VisitImporter)
    importer._directory = directory


class TestCorrected:
    @pytest.mark.parametrize("contact", ["jon@example.com,", ",(212) 555-0142"])
    async def test_name_and_contact_are_still_known_by_those_of_the_file(
        self, bench: Bench, contact: str
    ) -> None:
        await bench.run(file_of(f"Jon Smyth,{contact},2026-06-01,,,,"), kind=P)
        (jon,) = await everybody(bench)
        await correct(bench, jon, **CORRECTED, email="new@example.com", phone="+12125550199")
        text = file_of(JON.format("deceased", "yes"))

        told = [await bench.outcomes(text, kind=P, dry_run=dry) for dry in (True, False, False)]

        assert told == [["updated"], ["updated"], ["unchanged"]]
        (after,) = await everybody(bench)
        assert (after.id, after.name, after.email) == (jon.id, "John Smith", "new@example.com")
        assert (after.status, after.has_opted_out) == (PatientStatus.DECEASED, True)

    async def test_while_the_file_is_worked_off_nothing_is_thrown_away(self, bench: Bench) -> None:
        """Whoever has the id that a row would make is not told as created."""

        async def other_worker() -> None:
            corrected = jon.model_copy(update=CORRECTED)
            await bench.practice.repositories.patients.insert(corrected)

        await bench.run(file_of(JON.format("", "")), kind=P)
        (jon,) = await everybody(bench)
        await bench.practice.repositories.patients.delete(jon.id)
        before_storing(bench, other_worker)

        told = await bench.outcomes(
            file_of(JON.format("deceased", "yes"), "Jo Park,jo@example.com,,,,,,"), kind=P
        )

        assert told == ["updated", "created"]
        after = await bench.practice.repositories.patients.get(jon.id)
        assert after is not None
        assert (after.name, after.has_opted_out) == ("John Smith", True)
        assert after.status == PatientStatus.DECEASED

    async def test_after_a_crash_they_are_still_told_as_created(self, bench: Bench) -> None:
        sent = await bench.send(file_of(JON.format("", "")), kind=P)
        now = bench.practice.clock.now()
        imports = bench.practice.repositories.imports
        await imports.claim(sent, now=now, lease_until=now + LEASE)
        batch = await bench.practice.repositories.import_batches.numbered(sent.id, 0)
        assert batch is not None
        await bench.processor._importers[P].run(sent, batch.lines)  # and killed then
        (jon,) = await everybody(bench)
        await correct(bench, jon, **CORRECTED, email="new@example.com", phone="+12125550199")
        bench.practice.clock.set(now + LEASE)

        while await bench.processor.work_off():
            pass

        (told,) = await bench.rows(sent)
        assert (told.outcome, told.patient_id) == ("created", jon.id)

    async def test_a_visit_of_theirs_still_changes_and_nobody_elses_does(
        self, bench: Bench
    ) -> None:
        visits = [row(), row(external_id="A-2", name="Jo Park", email="", start="2026-08-25T09:00")]
        await bench.run(schedule_of(*visits))
        for one in await everybody(bench):
            await correct(bench, one, **CORRECTED, email=f"new-{one.id}@example.com")
        stranger = row(external_id="A-2", name="Al Ray", email="", start="2026-08-25T11:00")
        cancelled = [{**one, "status": "cancelled"} for one in visits]

        refused = await bench.outcomes(schedule_of({**stranger, "status": "cancelled"}))
        told = await bench.outcomes(schedule_of(*cancelled))

        assert (refused, told) == (["refused:other_patient"], ["updated", "updated"])
        assert len(await everybody(bench)) == 2


class TestMerged:
    async def test_a_record_never_comes_back_and_its_opt_out_stands(self, bench: Bench) -> None:
        """Also where the record that stands does not have its contact any more."""
        names = ("Maria Lopez", "Mary Lopes")
        text = file_of(
            *(f"{name},{name[:4]}@example.com,,2026-06-01,,,," for name in names),
        )
        await bench.run(text, kind=P)
        maria, mary = await everybody(bench)
        repositories = bench.practice.repositories
        await repositories.patients.record_opt_out(mary.id, at=NOON, reason="opt_out", source="x")
        await merge(bench, maria, mary)
        new_visit = schedule_of(row(name="Mary Lopes", email="mary@example.com"))

        with_contact = await bench.outcomes(text, kind=P)
        await repositories.patients.change(maria.id, {"other_contacts": []}, unset=())
        without = await bench.outcomes(text, kind=P)

        assert (with_contact, without) == (["unchanged", "unchanged"],) * 2
        assert await bench.outcomes(new_visit) == ["created"]
        (after,) = await everybody(bench)
        assert (after.id, after.has_opted_out) == (maria.id, True)
        assert (await bench.visit("A-1")).patient_id == maria.id

    async def test_a_record_is_found_through_merges_that_still_run(self, bench: Bench) -> None:
        await bench.run(file_of(JON.format("", "")), kind=P)
        (jon,) = await everybody(bench)
        repositories = bench.practice.repositories
        last = await bench.practice.add_patient(name="John Smith", email="new@example.com")
        between = await bench.practice.add_patient(name="Jo Smith", email="j@example.com")
        for goes, stays in ((jon, between), (between, last)):
            running = PatientMerge(
                id=goes.id, survivor_id=stays.id, by="x", created_at=NOON, updated_at=NOON
            )
            await repositories.patient_merges._insert(running)
            await repositories.patients.delete(goes.id)

        assert await bench.outcomes(file_of(JON.format("", "yes")), kind=P) == ["updated"]

        (after,) = await everybody(bench)
        assert (after.id, after.has_opted_out) == (last.id, True)

    async def test_visits_go_on_changing_with_the_file(self, bench: Bench) -> None:
        stays = await bench.practice.add_patient(name="Maria Garcia", email="maria@example.com")
        goes = await bench.practice.add_patient(name="Maria Lopez", email="maria.lopez@example.com")
        await bench.run(schedule_of(row()))
        await merge(bench, stays, goes)

        moved = await bench.outcomes(schedule_of(row(start="2026-08-24T14:00")))
        at_two = await bench.visit("A-1")
        cancelled = await bench.outcomes(schedule_of(row(status="cancelled")))

        assert (moved, cancelled) == (["updated"], ["updated"])
        assert (at_two.patient_id, at_two.appointment_date.hour) == (stays.id, 18)
        assert (await bench.visit("A-1")).status == AppointmentStatus.CANCELLED


class TestErased:
    async def test_nothing_is_stored_and_nothing_booked(self, bench: Bench) -> None:
        """From the moment on at which the erasure was asked for."""
        await bench.run(schedule_of(row(external_id="A-0", start="2026-08-17T09:00")))
        (maria,) = await everybody(bench)
        patients = file_of("Maria Lopez,maria.lopez@example.com,,2027-06-01,,,yes,")
        visits = schedule_of(
            row(external_id="A-0", start="2026-08-17T10:00"), row(start="2026-08-25T09:00")
        )
        past = await bench.visit("A-0")
        await bench.practice.repositories.appointments.update_fields(
            past.id, {"status": AppointmentStatus.COMPLETED}
        )

        async def told() -> list[list[str]]:
            return [
                await bench.outcomes(text, kind=kind, dry_run=dry)
                for text, kind in ((patients, P), (visits, ImportKind.APPOINTMENTS))
                for dry in (True, False)
            ]

        await bench.practice.repositories.patients.begin_erasure(maria, "staff:x")
        running = await told()
        await erase(bench, maria)
        before = await bench.everything()
        done = await told()
        rows = await bench.rows(await bench.run(visits))

        refused = "refused:patient_erased"
        assert running == done == [[refused], [refused], [refused, refused], [refused, refused]]
        assert await bench.everything() == before
        assert [one.patient_id for one in rows] == [None, None]

    async def test_while_the_file_is_worked_off_nothing_is_written_into_what_is_left(
        self, bench: Bench
    ) -> None:
        al = await bench.practice.add_patient(name="Al Ray", email="al@example.com")
        before_storing(bench, lambda: erase(bench, al))
        text = file_of(
            "Jo Park,jo@example.com,,,,,,",
            "Jo Park,jo@example.com,,,Spanish,,,",
            "Al Ray,al@example.com,(212) 555-0142,,,,yes,",
        )

        assert await bench.outcomes(text, kind=P) == ["created", "updated", "refused:overtaken"]

        left = await bench.practice.repositories.patients.get(al.id)
        assert left is not None
        assert (left.phone, left.has_opted_out) == (None, False)

    async def test_while_the_file_is_worked_off_no_visit_is_booked(self, bench: Bench) -> None:
        async def come_and_go() -> None:
            one = await bench.practice.repositories.patients.insert(maria)
            await bench.practice.repositories.patients.begin_erasure(one, "staff:x")

        await bench.run(schedule_of(row()))
        (maria,) = await everybody(bench)
        for collection in ("patients", "appointments"):
            await bench.database.collection(collection).delete_many({})
        before_storing(bench, come_and_go, ImportKind.APPOINTMENTS)
        other = row(external_id="A-2", name="Jo Park", email="jo@example.com")

        told = await bench.outcomes(schedule_of(row(), other))

        assert told == ["refused:patient_erased", "created"]
        assert [one.external_id for one in await bench.practice.every_visit()] == ["A-2"]
