"""All patients as a file that the import reads back."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from zoneinfo import ZoneInfo

from app.db.repositories import Repositories
from app.db.repositories.base import Unreadable
from app.models.patient import Patient
from app.services.clinic import ClinicService
from app.services.imports.cells import harmless
from app.services.scheduling.localtime import local_day

ROWS_AT_ONCE = 200


def _amount(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _columns(zone: ZoneInfo) -> Mapping[str, Callable[[Patient], str]]:
    """The columns of the import, in its own words."""

    def due(patient: Patient) -> str:
        at = patient.next_follow_up_date
        return local_day(at, zone).isoformat() if at else ""

    return MappingProxyType(
        {
            "patient_id": lambda patient: str(patient.id),
            "name": lambda patient: patient.name,
            "email": lambda patient: patient.email or "",
            "phone": lambda patient: patient.phone or "",
            "patient_type": lambda patient: patient.patient_type.value,
            "status": lambda patient: patient.status.value,
            "language": lambda patient: patient.language,
            "next_follow_up_date": due,
            "initial_inquiry": lambda patient: patient.initial_inquiry or "",
            "estimated_value": lambda patient: _amount(patient.estimated_value),
            "opted_out": lambda patient: "yes" if patient.has_opted_out else "no",
        }
    )


class PatientExport:
    """Writes patients as CSV (RFC 4180, UTF-8), a few at a time, whatever the practice's size."""

    def __init__(self, repositories: Repositories, clinic: ClinicService) -> None:
        self._repositories = repositories
        self._clinic = clinic

    async def start(self) -> AsyncIterator[bytes]:
        """The parts of the file; whose data is in them is recorded as they are read."""
        return self._parts((await self._clinic.current()).zone)

    async def _parts(self, zone: ZoneInfo) -> AsyncIterator[bytes]:
        columns = _columns(zone)
        yield _lines([list(columns)])
        rows: list[list[str]] = []
        async for patient in self._repositories.patients.stream_all():
            if isinstance(patient, Unreadable):
                continue  # what nobody can read cannot be written
            rows.append([harmless(cell(patient)) for cell in columns.values()])
            if len(rows) == ROWS_AT_ONCE:
                yield _lines(rows)
                rows = []
        yield _lines(rows)


def _lines(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
