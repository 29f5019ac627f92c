"""Sweeps by hand."""

from datetime import timedelta

import httpx
import pytest

from app.db.database import Database
from app.db.repositories import Repositories
from app.models.base import new_id
from app.models.patient import PatientStatus, PatientType
from app.models.records import Sweep, SweepStatus
from app.models.role import StaffRole
from app.services.container import Services
from tests.api.admin.desk import ADMIN, DAY, NOBODY, iso, problem
from tests.conftest import HeadersFor
from tests.factories import make_patient
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

SWEEPS = f"{ADMIN}/sweeps"


@pytest.fixture
async def headers(headers_for: HeadersFor) -> dict[str, str]:
    """Somebody at the front desk."""
    return await headers_for(StaffRole.FRONT_DESK)


@pytest.fixture
async def _people(repositories: Repositories) -> None:
    """A lead, somebody due since yesterday, somebody due tomorrow, and one who is inactive."""
    existing = {"patient_type": PatientType.EXISTING}
    for person in (
        make_patient(),
        make_patient(**existing, next_follow_up_date=NOON - DAY),
        make_patient(**existing, next_follow_up_date=NOON + DAY),
        make_patient(status=PatientStatus.INACTIVE),
    ):
        await repositories.patients.insert(person)


@pytest.fixture
async def running(repositories: Repositories) -> Sweep:
    """A sweep that another process is at."""
    sweep = Sweep(id=str(new_id()), trigger="manual", started_at=NOON, started_by="x")
    await repositories.sweeps.start(sweep)
    await repositories.leases.acquire("sweep", "another process", timedelta(minutes=1))
    return sweep


async def everything(database: Database) -> dict[str, int]:
    """How many documents there are, by collection; the audit log notes who asked in any case."""
    names = ("patients", "campaigns", "interactions", "sweeps", "leases")
    return {name: await database.collection(name).count_documents({}) for name in names}


@pytest.mark.usefixtures("_people")
class TestForecast:
    async def test_today_is_the_dry_run_and_nothing_is_written(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], database: Database
    ) -> None:
        before = await everything(database)

        answer = await app_client.get(f"{SWEEPS}/forecast", headers=headers)

        assert await everything(database) == before
        body = answer.json()
        rehearsed = await app_client.post(SWEEPS, headers=headers, json={"dry_run": True})
        counts = rehearsed.json()["counts"]
        assert (answer.status_code, body["outreach_enabled"]) == (200, True)
        assert [day["day"][-2:] for day in body["days"]] == [
            "19",
            "20",
            "21",
            "22",
            "23",
            "24",
            "25",
        ]
        today, tomorrow = body["days"][:2]
        assert today["contacts"] == counts["messages_queued"] == 2
        assert today["by_rule"] == {"never contacted": 1, "follow-up date reached": 1}
        assert (tomorrow["recall_created"], tomorrow["contacts"]) == (1, 1)
        assert body["days"][3]["by_rule"] == {"attempt 2 of 4": 2}


@pytest.mark.usefixtures("_people")
class TestRun:
    async def test_runs_at_once_and_answers_the_counts(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
    ) -> None:
        answer = await app_client.post(SWEEPS, headers=headers, json={"dry_run": False})

        body = answer.json()
        assert answer.status_code == 200
        assert (body["status"], body["trigger"], body["dry_run"]) == ("completed", "manual", False)
        assert body["counts"] == {
            "recovery_created": 1,
            "recall_created": 1,
            "messages_queued": 2,
            "recovery_failed": 0,
            "skipped": {},
        }
        assert (body["planned"], body["finished_at"]) == ([], iso(NOON))
        stored = await repositories.sweeps.get(body["sweep_id"])
        assert stored is not None
        assert (stored.status, stored.counts.messages_queued) == (SweepStatus.COMPLETED, 2)
        assert stored.started_by.startswith("staff:")
        assert len(await repositories.campaigns.quota_keys_between("", "z")) == 2

    async def test_runs_as_often_as_asked_and_writes_nobody_twice(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        first = await app_client.post(SWEEPS, headers=headers, json={})
        second = await app_client.post(SWEEPS, headers=headers, json={})

        assert first.json()["sweep_id"] != second.json()["sweep_id"]
        counts = second.json()["counts"]
        assert (counts["recovery_created"], counts["messages_queued"]) == (0, 0)
        page = await repositories.outbox.deliveries_page(None, page=1, limit=10)
        assert page.total_items == 2

    async def test_a_dry_run_lists_who_and_why_and_writes_nothing(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        database: Database,
    ) -> None:
        before = await everything(database)

        answer = await app_client.post(SWEEPS, headers=headers, json={"dry_run": True})

        body = answer.json()
        assert answer.status_code == 200
        assert (body["status"], body["dry_run"]) == ("completed", True)
        assert (body["counts"]["recovery_created"], body["counts"]["recall_created"]) == (1, 1)
        planned = {row["campaign_type"]: row for row in body["planned"]}
        assert planned["RECALL"]["due_since"] == iso(NOON - DAY)
        assert all(row["reason"] for row in planned.values())
        assert await everything(database) == before
        again = await app_client.get(f"{SWEEPS}/{body['sweep_id']}", headers=headers)
        problem(again, 404)

    async def test_while_another_runs_answers_its_id(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        database: Database,
        running: Sweep,
    ) -> None:
        before = await everything(database)

        refused = problem(
            await app_client.post(SWEEPS, headers=headers, json={}), 409, "sweep-running"
        )

        assert refused["sweep_id"] == running.id
        assert await everything(database) == before

    @pytest.mark.parametrize("body", [{"dry_run": "maybe"}, {"dry_run": None}, {"force": True}, []])
    async def test_refuses_what_is_malformed(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        database: Database,
        body: object,
    ) -> None:
        before = await everything(database)

        problem(await app_client.post(SWEEPS, headers=headers, json=body), 422)
        assert await everything(database) == before


class TestRead:
    async def test_lists_newest_first(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        clock: FrozenClock,
    ) -> None:
        ids = []
        for _ in range(3):
            ids.append((await app_client.post(SWEEPS, headers=headers, json={})).json()["sweep_id"])
            clock.advance(minutes=1)

        answer = await app_client.get(SWEEPS, headers=headers, params={"limit": 2})

        assert [sweep["sweep_id"] for sweep in answer.json()["sweeps"]] == ids[:0:-1]
        assert answer.json()["pagination"] == {
            "total_items": 3,
            "total_pages": 2,
            "current_page": 1,
        }

    async def test_shows_the_daily_one_under_its_local_date(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        services: Services,
        clock: FrozenClock,
    ) -> None:
        await services.outreach.sweeps.run_daily(clock.now())

        answer = await app_client.get(f"{SWEEPS}/auto:2026-08-19", headers=headers)

        body = answer.json()
        assert (body["sweep_id"], body["trigger"]) == ("auto:2026-08-19", "daily")

    @pytest.mark.parametrize(
        ("sweep_id", "status"),
        [
            (NOBODY, 404),
            ("auto:2026-01-01", 404),
            ("auto:today", 422),
            ("x", 422),
            (f"{NOBODY}0", 422),
            ('{"$ne": 1}', 422),
        ],
    )
    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], sweep_id: str, status: int
    ) -> None:
        problem(await app_client.get(f"{SWEEPS}/{sweep_id}", headers=headers), status)
