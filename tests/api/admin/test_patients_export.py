"""All patients as a file, and back."""

import csv
import io

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.patient import Consent, Patient, PatientStatus, PatientType
from app.models.role import StaffRole
from app.services.container import Services
from app.services.imports.cells import as_meant, harmless
from app.services.patient_export import ROWS_AT_ONCE
from tests.api.admin.desk import ADMIN
from tests.conftest import HeadersFor
from tests.factories import make_patient
from tests.fakes import NOON

EXPORT = f"{ADMIN}/patients/export"
KEPT = [
    "name",
    "email",
    "phone",
    "patient_type",
    "status",
    "language",
    "next_follow_up_date",
    "initial_inquiry",
    "estimated_value",
    "has_opted_out",
]


class TestExport:
    async def test_the_import_reads_back_what_it_wrote(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        repositories: Repositories,
        services: Services,
    ) -> None:
        office = await headers_for(StaffRole.OFFICE_MANAGER)
        start_of_day = NOON.replace(hour=4, minute=0)
        people = [
            make_patient(
                name="Zoë O'Neil-Ruiz",
                phone="+12125550142",
                patient_type=PatientType.EXISTING,
                next_follow_up_date=start_of_day,
                language="es",
            ),
            make_patient(
                email=None,
                phone="+442079460018",
                initial_inquiry='=HYPERLINK("http://x")\nand, "more" ' + "x" * 960,
                estimated_value=1234.5,
                consent=Consent(opted_out_at=NOON, reason="opt_out"),
            ),
            make_patient(name="Al Gone", status=PatientStatus.DECEASED, initial_inquiry="'-1"),
            *(make_patient(name=f"Number {number}") for number in range(ROWS_AT_ONCE)),
        ]
        await repositories.patients.insert_each(people)

        answer = await app_client.get(EXPORT, headers=office)

        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.reader(io.StringIO(answer.text, newline="")))
        assert len(rows) == 1 + len(people)
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
        await services.audit.trail.settle()
        trail = await services.database.collection("audit_log").find({}).to_list(None)
        exports = [entry for entry in trail if entry["action"] == "export_patients"]
        read = {patient_id for entry in exports for patient_id in entry["patient_ids"]}
        assert read == {one.id for one in people}
        for one in people:
            await repositories.patients.delete(one.id)

        await app_client.post(
            f"{ADMIN}/patients/import",
            content=answer.content,
            headers={**office, "Content-Type": "text/csv"},
        )
        while await services.imports.processor.work_off():
            pass

        back = [one async for one in repositories.patients.stream_all()]
        assert sorted(map(facts, back)) == sorted(map(facts, people))


def facts(patient: object) -> list[str]:
    """What the file holds of a patient."""
    assert isinstance(patient, Patient)
    return [repr(getattr(patient, name)) for name in KEPT]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\r=x", "'=1", "''+1"])
def test_a_cell_that_would_be_computed_is_text_and_comes_back(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert as_meant(harmless(text)) == text
    assert [as_meant(harmless(plain)) for plain in ("'tis", "'", "a=1", "")] == [
        "'tis",
        "'",
        "a=1",
        "",
    ]
