"""docs/import.md: what it promises to the practice is what the code does."""

import re
from pathlib import Path

import pytest

from app.models.imports import ImportKind, RowOutcome
from app.services.imports import patients, table, visit_rows
from app.services.imports.columns import COLUMNS
from app.services.imports.intake import BATCH_ROWS, MAX_BYTES
from tests.services.imports.bench import Bench

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "import.md").read_text()
CODE = "".join(path.read_text() for path in sorted((ROOT / "app/services/imports").glob("*.py")))


def section(title: str) -> str:
    """The text under a heading."""
    return GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table_of(text: str) -> list[list[str]]:
    """The rows of a table, without its two first lines."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]


def words(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def example(name: str) -> tuple[str, list[str]]:
    """An example's file and the outcomes told under it."""
    text, below = GUIDE.split(f"```csv {name}\n")[1].split("```", 1)
    told = [
        row for row in table_of(below.split("\n## ")[0].split("```")[0])[1:] if row[0].isdigit()
    ]
    return text, [":".join(cell for cell in row[1:] if cell) for row in told]


@pytest.mark.mongo
class TestExamples:
    async def test_become_what_is_told_under_them(self, bench: Bench) -> None:
        for name in ("first night", "next night"):
            text, told = example(name)
            assert len(told) == len(text.splitlines()) - 1

            assert await bench.outcomes(text, dry_run=True) == told
            assert await bench.outcomes(text) == told

        assert await bench.open_conflicts() == []


class TestColumns:
    def test_of_the_schedule_are_all_there_with_their_other_names(self) -> None:
        first = section("The schedule's columns").split("\n\n")
        rows = next(table_of(part) for part in first if part.startswith("| column"))[1:]

        named = {words(row[0])[0]: tuple(words(row[3])) for row in rows if words(row[0])}

        assert named == dict(COLUMNS[ImportKind.APPOINTMENTS].names)

    def test_of_patients_are_all_there_with_their_other_names(self) -> None:
        rows = table_of(section("The patients' columns"))[1:]

        named = {words(row[0])[0]: tuple(words(row[2])) for row in rows if words(row[0])}

        own = COLUMNS[ImportKind.PATIENTS].names
        shared = ("name", "first_name", "last_name", "email", "phone")
        assert named == {name: others for name, others in own.items() if name not in shared}

    def test_statuses_are_all_there(self) -> None:
        parts = section("The schedule's columns").split("\n\n")
        rows = next(table_of(part) for part in parts if part.startswith("| status"))[1:]

        said = {
            word: words(row[0])[0] for row in rows if words(row[0]) for word in words(row[1])
        } | {"booked": "booked", "confirmed": "confirmed", "completed": "completed"}
        said |= {"cancelled": "cancelled", "": "booked"}

        assert said == {word: status.value for word, status in visit_rows._STATUSES.items()}

    def test_values_of_patients_are_all_there(self) -> None:
        rows = {words(row[0])[0]: row[1] for row in table_of(section("The patients' columns"))[1:]}

        for column, known in (
            ("patient_type", patients._TYPES),
            ("status", patients._STATUSES),
            ("language", patients._LANGUAGES),
            ("opted_out", patients._YES_OR_NO),
        ):
            assert set(words(rows[column])) == set(known)


class TestOutcomes:
    def test_are_all_explained(self) -> None:
        rows = table_of(section("What becomes of a row").split("\n\n")[0])

        assert {words(row[0])[0] for row in rows[1:]} == {one.value for one in RowOutcome}

    def test_reasons_are_all_explained(self) -> None:
        parts = section("What becomes of a row").split("\n\n")
        rows = next(table_of(part) for part in parts if part.startswith("| reason"))[1:]
        explained = {word for row in rows for word in words(row[0])}

        given = set(re.findall(r'reason(?:, sentence)? = "(\w+)"', CODE))
        given |= set(re.findall(r'RowFault\("(\w+)"', CODE))
        given |= set(re.findall(r'RowOutcome\.\w+, "(\w+)"', CODE))
        given |= set(re.findall(r'return (?:\()?"(\w+)", _[A-Z]', CODE))
        given |= set(re.findall(r'^ {8}"(\w+)": "', CODE, re.MULTILINE))

        assert given - explained == set()
        assert explained - given == {
            # Made of a column's name, or the slug of an error of time.
            "invalid_start",
            "invalid_end",
            "invalid_patient_type",
            "invalid_status",
            "invalid_language",
            "invalid_opted_out",
            "local_time_nonexistent",
            "local_time_ambiguous",
            "time_out_of_range",
            "kept",
            # A constant in the code.
            "cut_off",
        }


class TestLimits:
    def test_are_those_of_the_code(self) -> None:
        assert (
            f"At most {MAX_BYTES // 1024 // 1024} MB, {table.MAX_ROWS:,} rows, "
            f"{table.MAX_COLUMNS} columns, {table.MAX_CELL} characters a cell." in GUIDE
        )
        assert f"1 to {visit_rows.LONGEST_MINUTES};" in GUIDE
        assert f"1 to {visit_rows.LONGEST_EXTERNAL_ID} characters" in GUIDE
        assert BATCH_ROWS == 100
        assert "a hundred rows at a time" in GUIDE
