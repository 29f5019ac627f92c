"""Which recurring job runs when."""

from datetime import UTC, datetime, time, timedelta

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from app.core.clock import SystemClock
from app.models.schedule import Clinic
from app.scheduler import build_scheduler
from app.services.container import Services
from app.services.metrics import Metrics
from tests.factories import make_settings
from tests.gmail_parts import GMAIL_SETTINGS

SWEEP_TIME = time(7, 30)


def scheduler_in(zone: str, **given: object) -> AsyncIOScheduler:
    """The alarm clock of a clinic in this zone. Nothing is started, and nothing connected."""
    settings = make_settings(sweep_time=SWEEP_TIME, **given)
    services = Services.build(settings, SystemClock(), Metrics(), "mongodb://127.0.0.1:1/")
    clinic = Clinic(
        name="Clinic",
        phone="+1 212-555-0100",
        address="1 Street",
        timezone=zone,
        country="US",
        currency="USD",
        booking_horizon_days=180,
        booking_lead_minutes=120,
        slot_grid_minutes=15,
        allow_new_patient_booking=False,
    )
    try:
        return build_scheduler(services, services.jobs, clinic)
    finally:
        services.close()


def next_run(scheduler: AsyncIOScheduler, job_id: str, now: datetime) -> datetime:
    """When a job runs next, seen from `now`."""
    found = scheduler.get_job(job_id).trigger.get_next_fire_time(None, now)
    assert isinstance(found, datetime)
    return found.astimezone(UTC)


class TestBuildScheduler:
    def test_has_every_job_and_calls_the_jobs_alone(self) -> None:
        jobs = {job.id: job.func.__name__ for job in scheduler_in("America/New_York").get_jobs()}

        assert jobs == {
            "daily-sweep": "daily_sweep",
            "retention": "keep_periods",
            "sweep-catch-up-at-start": "catch_up_sweep",
            "sweep-catch-up": "catch_up_sweep",
            "reconcile": "reconcile",
            "staff-alerts": "send_alerts",
            "visit-reminders": "remind",
        }

    def test_with_gmail_the_mailbox_is_watched_and_polled(self) -> None:
        given = {**GMAIL_SETTINGS, "gmail_poll_seconds": 300}
        scheduler = scheduler_in("America/New_York", **given)

        jobs = {job.id: job.func.__name__ for job in scheduler.get_jobs() if "gmail" in job.id}
        assert jobs == {
            "gmail-watch-at-start": "start_watch",
            "gmail-watch": "renew_watch",
            "gmail-poll": "poll_mailbox",
        }
        assert scheduler.get_job("gmail-poll").trigger.interval == timedelta(seconds=100)
        assert scheduler.get_job("gmail-watch").trigger.interval == timedelta(minutes=15)

    @pytest.mark.parametrize(
        ("zone", "now", "expected"),
        [
            ("America/New_York", datetime(2026, 1, 10, tzinfo=UTC), "2026-01-10T12:30"),
            ("America/New_York", datetime(2026, 7, 10, tzinfo=UTC), "2026-07-10T11:30"),
            ("Asia/Kolkata", datetime(2026, 7, 10, tzinfo=UTC), "2026-07-10T02:00"),
            ("Asia/Kolkata", datetime(2026, 7, 10, 2, 1, tzinfo=UTC), "2026-07-11T02:00"),
            # The day the clock goes forward, and the one it goes back.
            ("America/New_York", datetime(2026, 3, 8, 5, tzinfo=UTC), "2026-03-08T11:30"),
            ("America/New_York", datetime(2026, 11, 1, 4, tzinfo=UTC), "2026-11-01T12:30"),
        ],
    )
    def test_sweeps_at_the_clinics_hour(self, zone: str, now: datetime, expected: str) -> None:
        found = next_run(scheduler_in(zone), "daily-sweep", now)

        assert found.strftime("%Y-%m-%dT%H:%M") == expected

    @pytest.mark.parametrize(
        ("job_id", "seconds"),
        [("sweep-catch-up", 30), ("reconcile", 15), ("staff-alerts", 60), ("visit-reminders", 60)],
    )
    def test_comes_round_often_for_what_a_crash_cut_short(self, job_id: str, seconds: int) -> None:
        trigger = scheduler_in("America/New_York").get_job(job_id).trigger

        assert trigger.interval == timedelta(seconds=seconds)

    async def test_makes_a_missed_run_up_once_however_late(self) -> None:
        scheduler = scheduler_in("America/New_York")
        scheduler.start(paused=True)
        try:
            jobs = scheduler.get_jobs()
        finally:
            scheduler.shutdown(wait=False)

        assert {job.coalesce for job in jobs} == {True}
        assert {job.misfire_grace_time for job in jobs} == {None}
        assert {job.max_instances for job in jobs} == {1}
