"""`kill -9` in the middle of an import: after the restart each row is done once."""

from collections import Counter
from pathlib import Path

import pytest

from tests.system.service import (
    PATIENCE_SECONDS,
    Json,
    Live,
    Stored,
    eventually,
    live,
    log_of,
    stored,
)

pytestmark = [pytest.mark.mongo, pytest.mark.timeout(900)]

ROWS = 450
KILLED_AT = 150
LEASE_AND_WORK_SECONDS = 240


def schedule() -> str:
    """Rows of visits from 2031 on, each at a time of its own."""
    lines = ["external_id,name,email,provider,chair,start,minutes"]
    for number in range(ROWS):
        day, place = divmod(number, 20)
        start = f"2031-01-{day + 1:02d}T{8 + place // 2:02d}:{place % 2 * 30:02d}-05:00"
        person = f"Import Patient{number},import.{number}@example.com"
        lines.append(f"K-{number},{person},Dr. Imported,Op 1,{start},30")
    return "\n".join(lines)


async def send(service: Live) -> str:
    """The file, acknowledged: its id."""
    answer = await service.client.post(
        "/api/v1/admin/appointments/import?create_missing=true",
        content=schedule(),
        headers={**service.api.headers, "Content-Type": "text/csv"},
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["import_id"])


def imported(database: Stored) -> int:
    return database["appointments"].count_documents({"created_from": "IMPORT"})


class TestAnImportAcrossAKill:
    async def test_does_each_row_once(self, tmp_path: Path) -> None:
        async with live(tmp_path) as service:
            with stored(tmp_path) as database:
                import_id = await send(service)

                async def reached() -> bool | None:
                    return imported(database) >= KILLED_AT or None

                await eventually(
                    reached, seconds=PATIENCE_SECONDS, message="No import.", every=0.005
                )
            service.kill()  # the driver waits 30 s to take leave of a database that is gone
        async with live(tmp_path) as service:
            with stored(tmp_path) as database:
                before = imported(database)
                done = await _done(service, import_id)
                emails = [
                    one["email"]
                    for one in database["patients"].find({"name": {"$regex": "^Import"}})
                ]
                ids = Counter(
                    one["external_id"]
                    for one in database["appointments"].find({"created_from": "IMPORT"})
                )

        assert KILLED_AT <= before < ROWS
        assert done["counts"] == {"created": ROWS}
        assert ids == {f"K-{number}": 1 for number in range(ROWS)}
        assert (len(emails), len(set(emails))) == (ROWS, ROWS)
        assert "Traceback" not in log_of(tmp_path)
        assert "Import Patient" not in log_of(tmp_path)


async def _done(service: Live, import_id: str) -> Json:
    async def finished() -> Json | None:
        answer = await service.client.get(
            f"/api/v1/admin/imports/{import_id}", headers=service.api.headers
        )
        found: Json = answer.json()
        return found if found["state"] == "done" else None

    return await eventually(
        finished, seconds=LEASE_AND_WORK_SECONDS, message="Not resumed.", every=0.5
    )
