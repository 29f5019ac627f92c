"""The patients another system has."""

import asyncio
from datetime import UTC, datetime

import pytest

from app.models.imports import ImportKind
from app.models.patient import Patient, PatientStatus, PatientType
from tests.factories import make_patient
from tests.services.imports.bench import Bench

pytestmark = pytest.mark.mongo

P = ImportKind.PATIENTS
HEADINGS = "Patient Name,Email,Mobile,Recall Due,Language,Status,Opt out,Patient type"
MARIA = '"Lopez, Maria",maria@example.com,(212) 555-0142,2026-11-20,Spanish,Active,,'


def file_of(*lines: str) -> str:
    return "\n".join([HEADINGS, *lines])


async def everybody(bench: Bench) -> list[Patient]:
    return await bench.practice.repositories.patients._find({}, sort=[("name_key", 1)])


class TestANewPatient:
    async def test_is_stored_with_what_the_row_says(self, bench: Bench) -> None:
        assert await bench.outcomes(file_of(MARIA), kind=P) == ["created"]

        (patient,) = await everybody(bench)
        assert (patient.name, patient.email) == ("Maria Lopez", "maria@example.com")
        assert (patient.phone, patient.language) == ("+12125550142", "es")
        assert patient.patient_type == PatientType.EXISTING
        assert patient.next_follow_up_date == datetime(2026, 11, 20, 5, 0, tzinfo=UTC)

    async def test_needs_a_contact(self, bench: Bench) -> None:
        assert await bench.outcomes(file_of("Maria Lopez,none,,,,,,"), kind=P) == [
            "refused:no_contact"
        ]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("Maria Lopez,m@example.com,,20/11/2026,,,,", "invalid_next_follow_up_date"),
            ("Maria Lopez,m@example.com,,,Klingon,,,", "invalid_language"),
            ("Maria Lopez,m@example.com,,,,who knows,,", "invalid_status"),
            ("Maria Lopez,m@example.com,,,,,perhaps,", "invalid_opted_out"),
            ("=1+1,m@example.com,,,,,,", "name_is_formula"),
            ("Maria Lopez,m@example.com,,0001-01-01,,,,", "invalid_next_follow_up_date"),
        ],
    )
    async def test_that_cannot_be_read_says_why(self, bench: Bench, line: str, reason: str) -> None:
        assert await bench.outcomes(file_of(line), kind=P) == [f"refused:{reason}"]
        assert await everybody(bench) == []


class TestAKnownPatient:
    async def test_is_left_alone_the_second_time(self, bench: Bench) -> None:
        text = file_of(MARIA, "Jo Park,jo@example.com,,,,,yes,")
        await bench.run(text, kind=P)
        before = await bench.everything()
        bench.practice.clock.advance(hours=1)

        assert await bench.outcomes(text, kind=P) == ["unchanged", "unchanged"]
        assert await bench.everything() == before

    async def test_gets_what_is_new_and_keeps_what_the_row_leaves_empty(self, bench: Bench) -> None:
        await bench.practice.add_patient(
            name="Maria Lopez", email="maria@example.com", language="en"
        )

        text = file_of("Maria Lopez,maria@example.com,(212) 555-0142,,,inactive,,")
        assert await bench.outcomes(text, kind=P) == ["updated"]

        (patient,) = await everybody(bench)
        assert (patient.phone, patient.status) == ("+12125550142", PatientStatus.INACTIVE)
        assert (patient.language, patient.patient_type) == ("en", PatientType.COLD_LEAD)

    async def test_is_known_by_another_address_of_theirs(self, bench: Bench) -> None:
        await bench.practice.add_patient(
            name="Maria Lopez", email="maria@example.com", other_contacts=["old@example.com"]
        )

        text = file_of("Maria Lopez,old@example.com,,,,,,")
        assert await bench.outcomes(text, kind=P) == ["unchanged"]

        (patient,) = await everybody(bench)
        assert patient.email == "maria@example.com"

    async def test_is_due_at_the_later_of_two_dates(self, bench: Bench) -> None:
        await bench.run(file_of(MARIA), kind=P)

        earlier = await bench.outcomes(file_of(MARIA.replace("2026-11-20", "2026-05-20")), kind=P)
        later = await bench.outcomes(file_of(MARIA.replace("2026-11-20", "2027-05-20")), kind=P)

        assert (earlier, later) == (["unchanged"], ["updated"])

    async def test_is_opted_out_and_never_in_again(self, bench: Bench) -> None:
        await bench.run(file_of("Maria Lopez,maria@example.com,,,,,yes,"), kind=P)
        (opted_out,) = await everybody(bench)

        await bench.run(file_of("Maria Lopez,maria@example.com,,,,,no,"), kind=P)

        (patient,) = await everybody(bench)
        assert opted_out.has_opted_out
        assert patient == opted_out

    async def test_of_the_same_name_and_number_twice_in_a_file_is_one(self, bench: Bench) -> None:
        text = file_of("Maria Lopez,,(212) 555-0142,,,,,", '"Lopez, Maria",,212-555-0142,,,,,')

        assert await bench.outcomes(text, kind=P) == ["created", "unchanged"]
        assert len(await everybody(bench)) == 1


class TestManyAtOnce:
    async def test_a_later_row_completes_one_that_was_not_stored_yet(self, bench: Bench) -> None:
        text = file_of(
            "Maria Lopez,maria@example.com,,,,,,",
            "Jo Park,jo@example.com,,,,,,",
            MARIA,
            "Al Ray,al@example.com,,,,,yes,",
        )

        assert await bench.outcomes(text, kind=P) == ["created", "created", "updated", "created"]

        stored = {one.name: one for one in await everybody(bench)}
        assert stored["Maria Lopez"].language == "es"
        assert stored["Al Ray"].has_opted_out
        assert stored["Al Ray"].consent.reason == "import"

    async def test_of_two_files_at_once_each_patient_is_stored_once(self, bench: Bench) -> None:
        text = file_of(*(f"Patient Number{n},p{n}@example.com,,,,,," for n in range(120)))
        importer = bench.processor._importers[P]
        sent = [await bench.send(text, kind=P) for _ in range(2)]
        batches = bench.practice.repositories.import_batches
        first = [await batches.numbered(one.id, 0) for one in sent]

        await asyncio.gather(
            *(
                importer.run(one, batch.lines)
                for one, batch in zip(sent, first, strict=True)
                if batch
            )
        )
        while await bench.processor.work_off():
            pass

        assert len(await everybody(bench)) == 120

    async def test_of_two_files_sent_at_once_only_the_first_creates(self, bench: Bench) -> None:
        """Nor does a row that comes again a hundred rows later."""
        lines = [f"Patient Number{n},p{n}@example.com,,,,,," for n in range(101)]
        text = file_of(*lines, lines[0])
        sent = [await bench.send(text, kind=P) for _ in range(2)]
        bench.practice.clock.advance(seconds=1)

        while await bench.processor.work_off():
            bench.practice.clock.advance(seconds=1)

        done = await bench.practice.repositories.imports.get_many(one.id for one in sent)
        counts = [done[one.id].counts for one in sent]
        assert counts == [{"created": 101, "unchanged": 1}, {"unchanged": 102}]

    async def test_two_of_one_name_on_one_address_stay_two(self, bench: Bench) -> None:
        """Which of them a row means, nobody can say: the first is taken, none is added."""
        directory = bench.practice.directory
        for _ in range(2):
            patient = make_patient(name="Maria Lopez", email="maria@example.com")
            await directory.create(patient, allow_duplicate=True)

        assert await bench.outcomes(file_of(MARIA), kind=P) == ["updated"]

        assert len(await everybody(bench)) == 2


class TestDryRun:
    async def test_writes_nothing_and_tells_what_the_run_then_does(self, bench: Bench) -> None:
        await bench.practice.add_patient(name="Maria Lopez", email="maria@example.com")
        text = file_of(MARIA, "Jo Park,jo@example.com,,,,,yes,", "Nobody,,,,,,,")
        before = await bench.everything()

        told = await bench.outcomes(text, kind=P, dry_run=True)
        after = await bench.everything()

        assert after == before
        assert told == ["updated", "created", "refused:no_contact"]
        assert await bench.outcomes(text, kind=P) == told
