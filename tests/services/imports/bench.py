"""A practice whose own system sends files, and short ways to look at what came of them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.db.database import Database
from app.models.appointment import Appointment
from app.models.base import PyObjectId
from app.models.imports import (
    ConflictState,
    Import,
    ImportKind,
    ImportOptions,
    ImportRow,
    ImportState,
    ScheduleConflict,
)
from app.services.imports.conflicts import ScheduleConflicts
from app.services.imports.intake import ImportIntake, ImportRequest
from app.services.imports.missing import MissingVisitsSearch
from app.services.imports.patients import PatientImporter
from app.services.imports.processor import ImportProcessor, RowImporter
from app.services.imports.visit_batch import VisitBatchReader
from app.services.imports.visit_writes import VisitWrites
from app.services.imports.visits import VisitImporter
from app.services.work import WakeSignal
from tests.services.scheduling.practice import STAFF, Practice

BOOK = ("patients", "appointments", "campaigns", "interactions", "providers", "chairs")
"""What a file may change, beside what imports keep of themselves."""


@dataclass
class ToldStaff:
    """Alerts that remember, and can fail."""

    told: list[int] = field(default_factory=list)
    works: bool = True

    async def schedule_conflicts_opened(self, count: int, key: PyObjectId) -> bool:
        """See `ConflictAlerts`."""
        if self.works:
            self.told.append(count)
        return self.works


@dataclass
class Bench:
    """Sends files and works them off."""

    practice: Practice
    database: Database
    intake: ImportIntake
    processor: ImportProcessor
    conflicts: ScheduleConflicts
    staff: ToldStaff

    async def send(
        self,
        text: str | bytes,
        *,
        kind: ImportKind = ImportKind.APPOINTMENTS,
        dry_run: bool = False,
        **options: Any,
    ) -> Import:
        """Take a file in, and do nothing with it yet."""
        request = ImportRequest(kind, STAFF, dry_run, ImportOptions(**options))
        return await self.intake.submit(request, chunks(text))

    async def run(self, text: str | bytes, **given: Any) -> Import:
        """Take a file in and work it off."""
        sent = await self.send(text, **given)
        while await self.processor.work_off():
            pass
        done = await self.practice.repositories.imports.get(sent.id)
        assert done is not None
        assert done.state == ImportState.DONE, done.error
        return done

    async def rows(self, done: Import) -> list[ImportRow]:
        """What became of each row, in the order of the file."""
        found = await self.practice.repositories.import_rows._find(
            {"import_id": done.id}, sort=[("number", 1)]
        )
        return list(found)

    async def outcomes(self, text: str | bytes, **given: Any) -> list[str]:
        """The outcome of each row, with its reason where there is one."""
        rows = await self.rows(await self.run(text, **given))
        return [f"{row.outcome}:{row.reason}" if row.reason else row.outcome for row in rows]

    async def visit(self, external_id: str) -> Appointment:
        """As it stands in the book."""
        found = await self.practice.repositories.appointments.named([external_id])
        return found[external_id]

    async def open_conflicts(self) -> list[ScheduleConflict]:
        """Those that wait."""
        page = await self.conflicts.page(ConflictState.OPEN, page=1, limit=100)
        return page.items

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All that is stored in the book, to be compared."""
        return {
            name: await self.database.collection(name).find({}, sort=[("_id", 1)]).to_list(None)
            for name in (*BOOK, "schedule_conflicts")
        }


async def chunks(text: str | bytes, size: int = 7_000) -> AsyncIterator[bytes]:
    """As an upload comes in."""
    content = text.encode() if isinstance(text, str) else text
    for start in range(0, len(content), size):
        yield content[start : start + size]


def build_bench(practice: Practice, database: Database) -> Bench:
    """Put the parts together."""
    repositories, clock = practice.repositories, practice.clock
    staff = ToldStaff()
    writes = VisitWrites(repositories, practice.effects, clock)
    conflicts = ScheduleConflicts(repositories, staff, clock)
    visits = VisitImporter(
        repositories=repositories,
        reader=VisitBatchReader(repositories, practice.clinic, clock),
        directory=practice.directory,
        effects=practice.effects,
        writes=writes,
        conflicts=conflicts,
        missing=MissingVisitsSearch(repositories, writes, conflicts, clock),
    )
    patients = PatientImporter(repositories, practice.directory, practice.clinic, clock)
    importers: dict[ImportKind, RowImporter] = {
        ImportKind.APPOINTMENTS: visits,
        ImportKind.PATIENTS: patients,
    }
    return Bench(
        practice=practice,
        database=database,
        intake=ImportIntake(repositories, WakeSignal(), clock),
        processor=ImportProcessor(repositories, importers, clock),
        conflicts=conflicts,
        staff=staff,
    )


FIELDS = ("external_id", "name", "email", "phone", "provider", "chair", "service", "start")
MORE_FIELDS = ("minutes", "status")
A_ROW: Mapping[str, str] = {
    "external_id": "A-1",
    "name": "Maria Lopez",
    "email": "maria.lopez@example.com",
    "phone": "",
    "provider": "Dr. Rivera",
    "chair": "",
    "service": "cleaning",
    "start": "2026-08-24T09:00",
    "minutes": "30",
    "status": "booked",
}


def row(**given: str) -> dict[str, str]:
    """A row that can be taken; a test names what it is about."""
    assert set(given) <= set(A_ROW)
    return {**A_ROW, **given}


def file_of(*rows: Mapping[str, str]) -> str:
    """The file as another system would write it."""
    columns = (*FIELDS, *MORE_FIELDS)
    lines = [",".join(columns), *(",".join(_cell(one[name]) for name in columns) for one in rows)]
    return "\r\n".join(lines) + "\r\n"


def _cell(text: str) -> str:
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & set(',"\r\n') else text


def local(text: str) -> datetime:
    """An instant, from its offset."""
    return datetime.fromisoformat(text)


def many(count: int) -> Sequence[dict[str, str]]:
    """Rows that do not collide: ten minutes each, sixty a day from Monday on."""
    return [
        row(
            external_id=f"M-{number}",
            name=f"Patient Number{number}",
            email=f"patient{number}@example.com",
            start=(_MONDAY_SIX + _a_day(number)).isoformat(timespec="minutes"),
            minutes="10",
        )
        for number in range(count)
    ]


_MONDAY_SIX = datetime(2026, 8, 24, 6, 0)  # noqa: DTZ001 - on the clinic's clock


def _a_day(number: int) -> timedelta:
    return timedelta(days=number // 60, minutes=number % 60 * 10)
