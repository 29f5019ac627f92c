"""Files as other systems write them, and as nobody should."""

import pytest

from app.models.imports import ImportKind, ImportState
from app.services.imports.intake import MAX_BYTES, ImportTooLargeError
from app.services.imports.table import UnreadableFileError
from tests.services.imports.bench import Bench, file_of, row

pytestmark = pytest.mark.mongo

HEADINGS = "external_id,name,email,provider,start,minutes"
LINE = "A-1,Maria Lopez,maria@example.com,Dr. Rivera,2026-08-24T09:00,30"


def plain(*lines: str) -> str:
    return "\n".join([HEADINGS, *lines])


async def stored(bench: Bench) -> dict[str, int]:
    names = ("imports", "import_batches", "import_rows", "patients", "appointments")
    return {name: await bench.database.collection(name).count_documents({}) for name in names}


class TestForms:
    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(plain(LINE), id="plain"),
            pytest.param("\ufeff" + plain(LINE), id="byte-order-mark"),
            pytest.param(plain(LINE).replace(",", ";"), id="semicolons"),
            pytest.param(plain(LINE).replace("\n", "\r\n") + "\r\n\r\n", id="crlf-and-blank-lines"),
            pytest.param(plain(LINE.replace("Maria Lopez", '"Lopez, Maria"')), id="quoted"),
            pytest.param(
                "Appointment ID,Patient Name,E-Mail,Dentist,Start Time,Duration,Insurance\n"
                + LINE
                + ",Acme",
                id="other-headings",
            ),
            pytest.param(
                "AptNum;First Name;Last Name;Email;Provider;Date;Time;End\n"
                "A-1;Maria;Lopez;maria@example.com;Dr. Rivera;2026-08-24;09:00;2026-08-24 09:30",
                id="name-date-and-end-in-parts",
            ),
        ],
    )
    async def test_are_one_and_the_same_file(self, bench: Bench, text: str) -> None:
        assert await bench.outcomes(text) == ["created"]

        visit = await bench.visit("A-1")
        patient = await bench.practice.repositories.patients.get(visit.patient_id)
        assert patient is not None
        assert (patient.name, visit.duration_minutes) == ("Maria Lopez", 30)

    async def test_headings_that_mean_nothing_are_named(self, bench: Bench) -> None:
        text = (
            f"{HEADINGS},Insurance\tplan,E-Mail,=cmd|' /C calc'!A0\n{LINE},Acme,other@example.com,x"
        )

        done = await bench.run(text)

        assert done.ignored_columns == ["Insurance plan", "E-Mail", "=cmd|' /C calc'!A0"]

    async def test_our_own_name_of_a_column_counts_before_what_others_call_it(
        self, bench: Bench
    ) -> None:
        text = f"id,type,Mail,{HEADINGS},service\n7,x,old@example.com,{LINE},cleaning"

        done = await bench.run(text)

        visit = await bench.visit("A-1")
        patient = await bench.practice.repositories.patients.get(visit.patient_id)
        assert patient is not None
        assert (visit.service_id, patient.email) == ("cleaning", "maria@example.com")
        assert done.ignored_columns == ["id", "type", "Mail"]

    @pytest.mark.parametrize(
        ("coding", "name"),
        [("utf-8", "Mar\u00eda \u017delezn\u00e1"), ("cp1252", "Mar\u00eda O\u2019Brien")],
    )
    async def test_of_a_spreadsheet_on_windows_are_read_as_it_wrote_them(
        self, bench: Bench, coding: str, name: str
    ) -> None:
        text = plain(LINE.replace("Maria Lopez", name)).replace(",", ";").replace("\n", "\r\n")

        done = await bench.run(text.encode(coding))

        patient = await bench.practice.repositories.patients.get(
            (await bench.visit("A-1")).patient_id
        )
        assert patient is not None
        assert (patient.name, done.encoding) == (name, coding)

    async def test_with_headings_alone_are_an_import_of_nothing(self, bench: Bench) -> None:
        await bench.run(plain(LINE))

        done = await bench.run(HEADINGS + "\r\n", missing="cancel")

        assert (done.rows, done.counts) == (0, {})
        assert (await bench.visit("A-1")).status == "booked"

    async def test_a_row_that_the_file_ends_within_is_refused(self, bench: Bench) -> None:
        """What is left of it may look whole: three minutes of thirty."""
        columns = HEADINGS + ",status"
        line = LINE + ",booked"
        cut = "\n".join([columns, line, line.replace("A-1", "A-2")[:-8]])

        assert await bench.outcomes(cut) == ["created", "refused:cut_off"]
        assert await bench.outcomes(cut + "\n") == ["unchanged", "conflict:time_taken"]

    async def test_a_last_row_without_a_line_end_is_a_row(self, bench: Bench) -> None:
        assert await bench.outcomes(plain(LINE)) == ["created"]

    async def test_rows_are_numbered_as_a_spreadsheet_does(self, bench: Bench) -> None:
        done = await bench.run(plain(LINE, "", LINE.replace("A-1", "A-2")))

        assert [one.number for one in await bench.rows(done)] == [2, 4]


class TestThatCannotBeRead:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            pytest.param(b"", "empty", id="nothing"),
            pytest.param(b"\n\n", "empty", id="blank"),
            pytest.param(b"name,email\nA,a@example.com", "missing", id="other-columns"),
            pytest.param(plain(LINE).encode("cp1252") + b"\x81", "UTF-8", id="no-encoding"),
            pytest.param(plain(LINE).encode("utf-16-le") + b"\xe9", "UTF-8", id="no-mark"),
            pytest.param((HEADINGS + ",start\n").encode(), "start twice", id="a-column-twice"),
            pytest.param(b"external_id\nA-1\n", "missing: name", id="one-column"),
            pytest.param(plain(LINE).replace(",", "\t").encode(), "commas", id="tabs"),
            pytest.param(LINE.encode(), "missing: external_id", id="no-headings"),
            pytest.param(
                plain(LINE, 'A-2,"Jo" Park', LINE).encode(), "Row 3 is not CSV", id="half-quoted"
            ),
            pytest.param(
                plain(LINE, 'A-2,"Jo Park', *[LINE] * 50).encode(), "Row 3", id="quote-not-closed"
            ),
            pytest.param(plain(LINE).encode("utf-16"), "UTF-8", id="utf-16"),
            pytest.param(plain('A-1,"Maria').encode(), "quotation", id="open-quote"),
            pytest.param(plain("A-1," + "x" * 1_000_000).encode(), "130,000", id="huge-cell"),
            pytest.param((",".join(["x"] * 100_000)).encode(), "200 columns", id="wide"),
            pytest.param((HEADINGS + "\n" + "A-1\n" * 50_001).encode(), "50000 rows", id="long"),
        ],
    )
    async def test_are_refused_whole_with_a_reason_and_leave_nothing(
        self, bench: Bench, content: bytes, sentence: str
    ) -> None:
        with pytest.raises(UnreadableFileError, match=sentence):
            await bench.send(content)

        assert set((await stored(bench)).values()) == {0}

    async def test_nor_more_than_20_mb(self, bench: Bench) -> None:
        with pytest.raises(ImportTooLargeError):
            await bench.send(b"x" * (MAX_BYTES + 1))

        assert set((await stored(bench)).values()) == {0}

    async def test_a_row_with_more_cells_than_headings_is_its_own_fault(self, bench: Bench) -> None:
        text = plain(LINE + ",30,30", LINE.replace("A-1", "A-2") + ",,")

        assert await bench.outcomes(text) == ["refused:more_cells_than_headings", "created"]


class TestWorkingOff:
    async def test_rows_wait_stored_and_are_gone_afterwards(self, bench: Bench) -> None:
        sent = await bench.send(file_of(row()))
        waiting = await stored(bench)
        await bench.processor.work_off()
        half = await bench.practice.repositories.imports.get(sent.id)
        await bench.processor.work_off()

        assert waiting == {
            "imports": 1,
            "import_batches": 1,
            "import_rows": 0,
            "patients": 0,
            "appointments": 0,
        }
        assert half is not None
        assert (half.state, half.rows_done) == (ImportState.RUNNING, 1)
        assert (await stored(bench))["import_batches"] == 0

    async def test_a_worker_that_died_loses_its_batch_to_another(self, bench: Bench) -> None:
        sent = await bench.send(file_of(row()))
        imports = bench.practice.repositories.imports
        now = bench.practice.clock.now()
        lease_until = bench.practice.clock.advance(seconds=60)
        bench.practice.clock.set(now)
        await imports.claim(sent, now=now, lease_until=lease_until)

        meanwhile = await bench.processor.work_off()
        bench.practice.clock.advance(seconds=61)
        afterwards = [await bench.processor.work_off() for _ in range(3)]

        assert (meanwhile, afterwards) == (0, [1, 1, 0])
        assert (await bench.visit("A-1")).sequence == 0

    async def test_a_batch_done_twice_is_told_as_it_was_the_first_time(self, bench: Bench) -> None:
        sent = await bench.send(file_of(row()))
        batch = await bench.practice.repositories.import_batches.numbered(sent.id, 0)
        assert batch is not None
        importer = bench.processor._importers[ImportKind.APPOINTMENTS]
        await importer.run(sent, batch.lines)  # and killed before anything was noted

        while await bench.processor.work_off():
            pass

        done = await bench.practice.repositories.imports.get(sent.id)
        assert done is not None
        assert done.counts == {"created": 1}

    async def test_an_import_that_fails_every_time_is_given_up(self, bench: Bench) -> None:
        sent = await bench.send(file_of(row()))
        bench.processor._importers = {}
        for _ in range(11):
            await bench.processor.work_off()
            bench.practice.clock.advance(seconds=11)

        found = await bench.practice.repositories.imports.get(sent.id)
        assert found is not None
        assert (found.state, found.error) == (ImportState.FAILED, "The import was given up.")

    async def test_an_upload_that_a_crash_cut_short_is_forgotten(self, bench: Bench) -> None:
        sent = await bench.send(file_of(row()))
        await bench.practice.repositories.imports.update_fields(
            sent.id, {"state": ImportState.RECEIVING}
        )
        bench.practice.clock.advance(hours=2)

        assert await bench.processor.work_off() == 0
        assert set((await stored(bench)).values()) == {0}
