"""Files of the practice's own system, through the front door."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.db.database import Database
from app.models.role import StaffRole
from app.models.schedule import Chair, Provider
from app.services.container import Services
from tests.api.admin.desk import ADMIN, NOBODY, problem
from tests.conftest import HeadersFor

pytestmark = pytest.mark.mongo

URL = f"{ADMIN}/appointments/import"
CSV = {"Content-Type": "text/csv"}
FILE = (
    "external_id,name,email,provider,start,minutes,insurance\n"
    "A-1,Maria Lopez,maria@example.com,Dr. Rivera,2026-08-24T09:00,30,Acme\n"
    "A-2,Jo Park,jo@example.com,Dr. Rivera,2026-08-24T09:15,30,Acme\n"
    "A-3,Al Ray,al@example.com,Dr. Nobody,2026-08-24T10:00,30,Acme\n"
)


@pytest.fixture
async def desk(headers_for: HeadersFor, services: Services) -> dict[str, str]:
    """Somebody at the front desk of a practice with one provider and one chair."""
    await services.repositories.providers.insert(Provider(name="Dr. Rivera"))
    await services.repositories.chairs.insert(Chair(name="Room 1"))
    return await headers_for(StaffRole.FRONT_DESK)


async def work_off(services: Services) -> None:
    while await services.imports.processor.work_off():
        pass


class TestImport:
    async def test_is_accepted_worked_off_and_reported(
        self, app_client: httpx.AsyncClient, desk: dict[str, str], services: Services
    ) -> None:
        accepted = await app_client.post(URL, content=FILE, headers={**desk, **CSV})
        await work_off(services)

        body = accepted.json()
        assert (accepted.status_code, body["state"], body["rows"]) == (202, "queued", 3)
        assert body["ignored_columns"] == ["insurance"]
        report = f"{ADMIN}/imports/{body['import_id']}"
        done = (await app_client.get(report, headers=desk)).json()
        assert (done["state"], done["rows_done"]) == ("done", 3)
        assert done["counts"] == {"created": 1, "conflict": 1, "refused": 1}
        assert [one["row"] for one in done["results"]] == [2, 3, 4]
        refused = (await app_client.get(f"{report}?outcome=refused", headers=desk)).json()
        assert refused["pagination"]["total_items"] == 1
        assert refused["results"][0]["reason"] == "unknown_provider"
        listed = (await app_client.get(f"{ADMIN}/imports", headers=desk)).json()
        assert [one["import_id"] for one in listed["imports"]] == [body["import_id"]]

    async def test_comes_as_a_form_too(
        self, app_client: httpx.AsyncClient, desk: dict[str, str], services: Services
    ) -> None:
        files = {"file": ("schedule.csv", FILE.encode(), "text/csv")}
        accepted = await app_client.post(f"{URL}?dry_run=true", files=files, headers=desk)
        await work_off(services)

        assert (accepted.status_code, accepted.json()["dry_run"]) == (202, True)
        assert await services.repositories.appointments._find({}) == []

    async def test_of_patients(
        self, app_client: httpx.AsyncClient, desk: dict[str, str], services: Services
    ) -> None:
        text = "name,email\nMaria Lopez,maria@example.com\n"
        accepted = await app_client.post(
            f"{ADMIN}/patients/import", content=text, headers={**desk, **CSV}
        )
        await work_off(services)

        assert accepted.status_code == 202
        assert len(await services.repositories.patients.with_email("maria@example.com")) == 1

    @pytest.mark.parametrize(
        ("content", "kind", "status", "slug"),
        [
            (b"", "text/csv", 422, "import-unreadable"),
            (b"\xff\xfe", "text/csv", 422, "import-unreadable"),
            (b"name=x", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
            (b"{}", "application/json", 415, "unsupported-media-type"),
            (b"--x\r\n", "multipart/form-data; boundary=x", 422, "no-file"),
            (b"junk", "multipart/form-data", 400, None),
        ],
    )
    async def test_of_something_else_is_refused(
        self,
        *,
        app_client: httpx.AsyncClient,
        desk: dict[str, str],
        content: bytes,
        kind: str,
        status: int,
        slug: str | None,
    ) -> None:
        headers = {**desk, "Content-Type": kind}

        problem(await app_client.post(URL, content=content, headers=headers), status, slug)

    async def test_above_20_mb_is_refused_and_leaves_nothing(
        self, app_client: httpx.AsyncClient, desk: dict[str, str], database: Database
    ) -> None:
        async def endless() -> object:
            for _ in range(21 * 16):
                yield b"x" * 65_536

        answer = await app_client.post(URL, content=endless(), headers={**desk, **CSV})  # type: ignore[arg-type]

        problem(answer, 413)
        assert await database.collection("imports").count_documents({}) == 0

    async def test_whose_upload_breaks_off_leaves_nothing(
        self, app: FastAPI, desk: dict[str, str], database: Database
    ) -> None:
        """The rows that came are whole, and still nothing of them is taken."""
        headers = {**desk, **CSV}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": URL,
            "raw_path": URL.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("testserver", 80),
        }
        coming = iter(
            [
                {"type": "http.request", "body": FILE.encode(), "more_body": True},
                {"type": "http.disconnect"},
            ]
        )
        sent: list[Any] = []

        async def receive() -> Any:
            return next(coming, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            sent.append(message)

        await app.state.with_lifespan(scope, receive, send)

        assert sent[0]["status"] == 400
        for name in ("imports", "import_batches", "appointments"):
            assert await database.collection(name).count_documents({}) == 0

    async def test_one_that_nobody_sent_is_not_found(
        self, app_client: httpx.AsyncClient, desk: dict[str, str]
    ) -> None:
        problem(await app_client.get(f"{ADMIN}/imports/{NOBODY}", headers=desk), 404)


class TestConflicts:
    async def test_are_listed_and_dismissed(
        self, app_client: httpx.AsyncClient, desk: dict[str, str], services: Services
    ) -> None:
        await app_client.post(URL, content=FILE, headers={**desk, **CSV})
        await work_off(services)
        url = f"{ADMIN}/schedule/conflicts"

        (listed,) = (await app_client.get(url, headers=desk)).json()["conflicts"]
        dismiss = f"{url}/{listed['conflict_id']}/dismiss"
        dismissed = await app_client.post(dismiss, headers=desk)

        assert (listed["external_id"], listed["state"]) == ("A-2", "open")
        assert listed["collides_with"][0]["resources"] == ["chair", "provider"]
        assert (dismissed.status_code, dismissed.json()["state"]) == (200, "dismissed")
        assert (await app_client.get(url, headers=desk)).json()["conflicts"] == []

    async def test_that_are_none_are_not_found(
        self, app_client: httpx.AsyncClient, desk: dict[str, str]
    ) -> None:
        url = f"{ADMIN}/schedule/conflicts/{NOBODY}/dismiss"

        problem(await app_client.post(url, headers=desk), 404, "schedule-conflict-not-found")
