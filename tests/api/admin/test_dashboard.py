"""The dashboard's figures, held to numbers counted by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.appointment import AppointmentStatus
from app.models.campaign import CampaignStatus, CampaignType
from app.models.role import StaffRole
from app.models.schedule import Service
from tests.api.admin.desk import ADMIN, DAY, make_attention, make_visit, stored_campaign
from tests.conftest import HeadersFor
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

STATS = f"{ADMIN}/dashboard-stats"
S = CampaignStatus
RECALL: dict[str, Any] = {"campaign_type": CampaignType.RECALL, "due_date": NOON}


async def stats(app_client: httpx.AsyncClient, headers_for: HeadersFor) -> dict[str, Any]:
    """The figures, for whoever may only read."""
    headers = await headers_for(StaffRole.READ_ONLY)
    answer = await app_client.get(STATS, headers=headers)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


async def book(repositories: Repositories, clock: FrozenClock, at: datetime, **given: Any) -> None:
    """Write a visit into the book at `at`."""
    now = clock.now()
    clock.set(at)
    await repositories.appointments.insert(make_visit(at, **given))
    clock.set(now)


async def price(repositories: Repositories, service_id: str, amount: float | None) -> None:
    """A service at this price."""
    await repositories.services.insert(
        Service(service_id=service_id, name=service_id, duration_minutes=30, price_from=amount)
    )


class TestAnEmptyPractice:
    async def test_has_no_rates_and_nothing_to_show(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor
    ) -> None:
        body = await stats(app_client, headers_for)

        assert set(body["kpis"].values()) == {0}
        assert body["conversion_rates"] == {
            "recovery_rate_percent": None,
            "recall_rate_percent": None,
        }
        assert body["value"] == {
            "recovered_value_month": 0,
            "recovered_value_90_days": 0,
            "recovered_campaigns_month": 0,
            "recovered_campaigns_90_days": 0,
            "currency": "USD",
        }
        months = body["series"]["recovered_by_month"]
        assert [point["month"] for point in (months[0], months[-1])] == ["2025-09", "2026-08"]
        assert [point["recovered"] for point in months] == [0] * 12

    async def test_defines_every_figure(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor
    ) -> None:
        body = await stats(app_client, headers_for)

        figures = {
            name
            for group in ("kpis", "conversion_rates", "value", "series")
            for name in body[group]
        }
        assert figures - {"currency"} == set(body["definitions"])
        for name, definition in body["definitions"].items():
            assert definition["text"]
            assert definition["window"]
            assert definition["numerator"]
            assert bool(definition["denominator"]) == name.endswith("_percent")


class TestCounts:
    async def test_are_exact(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        repositories: Repositories,
    ) -> None:
        for status in (S.ATTEMPTING_RECOVERY, S.BOOKING_COMPLETED, S.RECOVERED):
            await stored_campaign(repositories, status=status)
        await stored_campaign(repositories, status=S.RE_ENGAGED, **RECALL)
        await stored_campaign(
            repositories, status=S.RECOVERY_FAILED, attention=make_attention(NOON)
        )
        await stored_campaign(
            repositories,
            status=S.RECOVERY_DECLINED,
            attention=make_attention(NOON, resolved_at=NOON),
        )

        kpis = (await stats(app_client, headers_for))["kpis"]

        assert kpis == {
            "appointments_booked_month": 0,
            "visits_completed_month": 0,
            "handoffs_requiring_action": 1,
            "active_recovery_campaigns": 2,
            "active_recall_campaigns": 1,
        }

    async def test_a_cancelled_visit_is_none_and_a_no_show_was_one(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        for status in AppointmentStatus:
            completed = NOON if status is AppointmentStatus.COMPLETED else None
            await book(repositories, clock, NOON, status=status, completed_at=completed)

        kpis = (await stats(app_client, headers_for))["kpis"]

        assert (kpis["appointments_booked_month"], kpis["visits_completed_month"]) == (4, 1)

    @pytest.mark.parametrize(
        ("now", "booked"),
        [
            # 1 September begins in New York at 04:00 UTC.
            (datetime(2026, 9, 1, 3, 59, 59, tzinfo=UTC), 2),
            (datetime(2026, 9, 1, 4, 0, tzinfo=UTC), 1),
        ],
    )
    async def test_a_month_is_one_of_the_clinics_calendar(
        self,
        *,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        repositories: Repositories,
        clock: FrozenClock,
        now: datetime,
        booked: int,
    ) -> None:
        # 1 August begins at 04:00 UTC as well.
        for at in (
            datetime(2026, 8, 1, 3, 59, tzinfo=UTC),
            datetime(2026, 8, 1, 4, 0, tzinfo=UTC),
            datetime(2026, 8, 31, 23, 0, tzinfo=UTC),
        ):
            await book(repositories, clock, at, status=AppointmentStatus.COMPLETED, completed_at=at)
        if booked == 1:
            await book(repositories, clock, now, completed_at=now)
        clock.set(now)

        body = await stats(app_client, headers_for)

        assert body["kpis"]["appointments_booked_month"] == booked
        assert body["kpis"]["visits_completed_month"] == booked
        newest = body["series"]["recovered_by_month"][-1]["month"]
        assert newest == ("2026-08" if booked == 2 else "2026-09")


class TestRates:
    async def test_are_recovered_among_those_of_the_type_that_ended_in_90_days(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        repositories: Repositories,
    ) -> None:
        ended = [
            (S.RECOVERED, NOON),
            (S.RECOVERED, NOON - 90 * DAY),
            (S.RECOVERED, NOON - 90 * DAY - timedelta(milliseconds=1)),  # too long ago
            (S.RECOVERY_FAILED, NOON - DAY),
            (S.RECOVERY_DECLINED, NOON - 2 * DAY),
            (S.MANUAL_FOLLOWUP_COMPLETE, NOON - 3 * DAY),
            (S.RECOVERY_FAILED, NOON - 4 * DAY),
            (S.RECOVERY_FAILED, NOON - 5 * DAY),
        ]
        for status, at in ended:
            await stored_campaign(repositories, status=status, ended_at=at)
        await stored_campaign(repositories, status=S.RE_ENGAGED)
        await stored_campaign(repositories, status=S.RECOVERY_FAILED, ended_at=NOON, **RECALL)

        rates = (await stats(app_client, headers_for))["conversion_rates"]

        assert rates == {"recovery_rate_percent": 28.6, "recall_rate_percent": 0.0}


class TestValue:
    async def test_counts_the_completed_visits_of_recovered_campaigns_once(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        await price(repositories, "filling", 120.1)
        await price(repositories, "crown", 900.2)
        await price(repositories, "chat", None)
        won, lost, earlier, old = [
            await stored_campaign(repositories, status=status, ended_at=at)
            for status, at in (
                (S.RECOVERED, NOON),
                (S.RECOVERY_FAILED, NOON),
                (S.RECOVERED, NOON - 40 * DAY),
                (S.RECOVERED, NOON - 100 * DAY),
            )
        ]
        for campaign, service, status in (
            (won, "filling", AppointmentStatus.COMPLETED),
            (won, "chat", AppointmentStatus.COMPLETED),
            (won, "gone", AppointmentStatus.COMPLETED),
            (won, "crown", AppointmentStatus.CANCELLED),
            (won, "crown", AppointmentStatus.BOOKED),
            (lost, "crown", AppointmentStatus.COMPLETED),
            (earlier, "crown", AppointmentStatus.COMPLETED),
            (old, "crown", AppointmentStatus.COMPLETED),
        ):
            await book(
                repositories,
                clock,
                NOON,
                campaign_id=campaign.id,
                service_id=service,
                status=status,
            )
        await book(repositories, clock, NOON, status=AppointmentStatus.COMPLETED)

        body = await stats(app_client, headers_for)

        assert body["value"] == {
            "recovered_value_month": 120.1,
            "recovered_value_90_days": 1020.3,
            "recovered_campaigns_month": 1,
            "recovered_campaigns_90_days": 2,
            "currency": "USD",
        }
        series = {p["month"]: p["recovered"] for p in body["series"]["recovered_by_month"]}
        assert (series["2026-05"], series["2026-07"], series["2026-08"]) == (1, 1, 1)
        assert sum(series.values()) == 3

    async def test_puts_a_campaign_into_the_clinics_month(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        repositories: Repositories,
    ) -> None:
        late_on_july_31 = datetime(2026, 8, 1, 3, 59, tzinfo=UTC)
        await stored_campaign(repositories, status=S.RECOVERED, ended_at=late_on_july_31)

        body = await stats(app_client, headers_for)

        series = {p["month"]: p["recovered"] for p in body["series"]["recovered_by_month"]}
        assert (series["2026-07"], series["2026-08"]) == (1, 0)
        assert body["value"]["recovered_campaigns_month"] == 0
