"""The recurring jobs: each may run in every replica at once, twice, and late."""

import asyncio
import logging
from datetime import timedelta

import pytest

from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories import Repositories
from app.models.campaign import CampaignOrigin, FollowUpDetails
from app.models.decision import Urgency
from app.models.records import SweepStatus
from app.services import jobs as jobs_module
from app.services.container import Services
from app.services.jobs import Jobs
from app.services.outreach.alerts import StaffAlerts
from tests.api.admin.desk import make_attention, messages, stored_campaign
from tests.factories import make_patient
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo


class TestDailySweep:
    async def test_of_many_replicas_one_sweeps_the_day(
        self, services: Services, repositories: Repositories
    ) -> None:
        await repositories.patients.insert(make_patient())

        await asyncio.gather(*(services.jobs.daily_sweep() for _ in range(5)))
        await services.jobs.daily_sweep()

        sweep = await repositories.sweeps.get("auto:2026-08-19")
        assert sweep is not None
        assert (sweep.status, sweep.counts.recovery_created) == (SweepStatus.COMPLETED, 1)
        assert (await repositories.sweeps.page(page=1, limit=10)).total_items == 1


class TestCatchUp:
    async def test_a_database_that_never_swept_has_missed_nothing(
        self, services: Services, repositories: Repositories
    ) -> None:
        await services.jobs.catch_up_sweep()

        assert await repositories.sweeps.latest() is None

    async def test_makes_up_a_day_that_was_missed(
        self, services: Services, repositories: Repositories, clock: FrozenClock
    ) -> None:
        await services.jobs.daily_sweep()
        clock.advance(days=3)

        await services.jobs.catch_up_sweep()
        await services.jobs.catch_up_sweep()

        sweep = await repositories.sweeps.get("auto:2026-08-22")
        assert sweep is not None
        assert (await repositories.sweeps.page(page=1, limit=10)).total_items == 2


class TestReconcile:
    async def test_queues_what_a_crash_kept_from_being_queued_once(
        self, services: Services, repositories: Repositories
    ) -> None:
        campaign = await stored_campaign(
            repositories,
            origin=CampaignOrigin.STAFF,
            follow_up_details=FollowUpDetails(max_attempts=4, next_attempt_at=NOON),
        )

        await asyncio.gather(*(services.jobs.reconcile() for _ in range(3)))
        await services.jobs.reconcile()

        (message,) = await messages(repositories, campaign)
        assert message.attempt == 1
        now = await repositories.campaigns.get(campaign.id)
        assert now is not None
        assert now.follow_up_details.attempts_made == 1


class TestSendAlerts:
    async def test_says_nothing_where_nobody_is_to_be_told(
        self, services: Services, repositories: Repositories
    ) -> None:
        urgent = make_attention(NOON - timedelta(days=1), urgency=Urgency.URGENT)
        await stored_campaign(repositories, attention=urgent)

        await services.jobs.send_alerts()

        assert not (services.settings.data_dir / "outbox-staff").exists()


class FailingAlerts(StaffAlerts):
    """Always in trouble."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.calls = 0

    async def send_due(self) -> int:
        """See `StaffAlerts`."""
        self.calls += 1
        raise self._error


class TestAFailingJob:
    @pytest.mark.parametrize(
        ("error", "message", "with_traceback"),
        [
            (UNAVAILABLE_ERRORS[0]("gone"), "job put off", False),
            (ValueError("Maria Lopez"), "job failed", True),
        ],
    )
    async def test_is_logged_and_comes_round_again(
        self,
        *,
        services: Services,
        caplog: pytest.LogCaptureFixture,
        error: Exception,
        message: str,
        with_traceback: bool,
    ) -> None:
        alerts = FailingAlerts(error)
        jobs = Jobs(
            sweeps=services.outreach.sweeps,
            proactive=services.outreach.proactive,
            effects=services.scheduling.effects,
            unsettled=services.scheduling.unsettled,
            alerts=alerts,
            reminders=services.scheduling.reminders,
            merging=services.desk.merging,
            events=services.base.event_log,
            retention=services.retention,
            clock=services.clock,
        )

        with caplog.at_level(logging.WARNING):
            await jobs.send_alerts()
            await jobs.send_alerts()

        records = [r for r in caplog.records if r.name == jobs_module.__name__]
        assert [r.getMessage() for r in records] == [message] * 2
        assert bool(records[0].exc_info) == with_traceback
        assert alerts.calls == 2
