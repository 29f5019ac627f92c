"""Which recurring job runs when. No logic: the jobs decide through the database whether to work."""

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from app.models.schedule import Clinic
from app.services.container import Services
from app.services.jobs import Jobs

CATCH_UP_SECONDS = 30
"""A sweep that a crash cut short is taken up again soon after its lease has run out."""
RECONCILE_SECONDS = 15
ALERT_SECONDS = 60
REMIND_SECONDS = 60
WATCH_SECONDS = 900
"""A renewal that failed is tried again so soon."""
POLLS_A_PERIOD = 3
RETENTION_HOUR = 3
"""On the clinic's clock, when nobody works."""


def build_scheduler(services: Services, jobs: Jobs, clinic: Clinic) -> AsyncIOScheduler:
    """The alarm clock of this process.

    Every replica has one, with its jobs in memory (a shared job store is not safe between
    schedulers). A missed run is made up once, however late: the sweep itself knows whether its day
    was done.
    """
    scheduler = AsyncIOScheduler(
        timezone=clinic.zone,
        job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
    )
    at = services.settings.sweep_time
    daily = CronTrigger(hour=at.hour, minute=at.minute, timezone=clinic.zone)
    scheduler.add_job(jobs.daily_sweep, daily, id="daily-sweep")
    scheduler.add_job(jobs.catch_up_sweep, id="sweep-catch-up-at-start")
    nightly = CronTrigger(hour=RETENTION_HOUR, minute=30, timezone=clinic.zone)
    scheduler.add_job(jobs.keep_periods, nightly, id="retention")
    for name, job, seconds in (
        ("sweep-catch-up", jobs.catch_up_sweep, CATCH_UP_SECONDS),
        ("reconcile", jobs.reconcile, RECONCILE_SECONDS),
        ("staff-alerts", jobs.send_alerts, ALERT_SECONDS),
        ("visit-reminders", jobs.remind, REMIND_SECONDS),
    ):
        scheduler.add_job(job, IntervalTrigger(seconds=seconds, timezone=clinic.zone), id=name)
    if services.settings.mail_transport == "gmail":
        _add_mailbox_jobs(scheduler, jobs, services.settings.gmail_poll_seconds)
    return scheduler


def _add_mailbox_jobs(scheduler: AsyncIOScheduler, jobs: Jobs, poll_seconds: float) -> None:
    """Asked for more often than they are due: each knows when it last did its work."""
    scheduler.add_job(jobs.start_watch, id="gmail-watch-at-start")
    often = max(1, round(poll_seconds / POLLS_A_PERIOD))
    for name, job, seconds in (
        ("gmail-poll", jobs.poll_mailbox, often),
        ("gmail-watch", jobs.renew_watch, WATCH_SECONDS),
    ):
        scheduler.add_job(job, IntervalTrigger(seconds=seconds), id=name)
