"""The recurring jobs. Each may run in every replica at once, twice, and late."""

import logging
from collections.abc import Awaitable, Callable

from app.core.clock import Clock
from app.db.database import UNAVAILABLE_ERRORS
from app.services.events import EventLog
from app.services.leases import LeaseLostError
from app.services.mail.gmail.errors import GmailError
from app.services.mail.gmail.sync import MailboxSync
from app.services.mail.gmail.watch import MailboxWatch
from app.services.mailbox_health import MailboxHealth
from app.services.merging import PatientMerging
from app.services.outreach.alerts import StaffAlerts
from app.services.outreach.proactive import ProactivePath
from app.services.outreach.sweep import SweepService
from app.services.retention.office import RetentionOffice
from app.services.scheduling.effects import AppointmentEffects
from app.services.scheduling.reminders import VisitReminders
from app.services.scheduling.unsettled import UnsettledVisits

logger = logging.getLogger(__name__)


class Jobs:
    """What the scheduler calls. A job that fails is logged and comes round again."""

    def __init__(
        self,
        *,
        sweeps: SweepService,
        proactive: ProactivePath,
        effects: AppointmentEffects,
        unsettled: UnsettledVisits,
        alerts: StaffAlerts,
        reminders: VisitReminders,
        merging: PatientMerging,
        events: EventLog,
        retention: RetentionOffice,
        clock: Clock,
        mailbox: MailboxSync | None = None,
        watch: MailboxWatch | None = None,
        mail_health: MailboxHealth | None = None,
    ) -> None:
        """`mailbox` and `watch` are there with Gmail, the second one where it notifies."""
        self._sweeps = sweeps
        self._proactive = proactive
        self._effects = effects
        self._unsettled = unsettled
        self._alerts = alerts
        self._reminders = reminders
        self._merging = merging
        self._events = events
        self._retention = retention
        self._clock = clock
        self._mailbox = mailbox
        self._watch = watch
        self._mail_health = mail_health

    async def daily_sweep(self) -> None:
        """The sweep of today's date, once across all replicas."""
        await self._guarded("daily-sweep", lambda: self._sweeps.run_daily(self._clock.now()))

    async def catch_up_sweep(self) -> None:
        """Make up a sweep day that was missed or cut short."""
        await self._guarded("sweep-catch-up", lambda: self._sweeps.catch_up(self._clock.now()))

    async def reconcile(self) -> None:
        """Finish what a crash cut short between two steps."""
        await self._guarded("reconcile-appointments", self._effects.reconcile)
        await self._guarded("reconcile-merges", self._merging.take_up)
        await self._guarded("reconcile-erasures", self._retention.erasure.take_up)
        await self._guarded("reconcile-events", self._events.reconcile)
        await self._guarded("unsettled-visits", self._unsettled.ask)
        await self._guarded("reconcile-staff-campaigns", self._proactive.reconcile_staff_campaigns)

    async def keep_periods(self) -> None:
        """Remove what has been kept for its time."""
        await self._guarded("retention", self._retention.periods.run)

    async def send_alerts(self) -> None:
        """Tell staff what waits for them."""
        await self._guarded("staff-alerts", self._alerts.send_due)

    async def remind(self) -> None:
        """Queue the reminders of visits that are due."""
        await self._guarded("visit-reminders", self._reminders.queue_due)

    async def poll_mailbox(self) -> None:
        """Look for mail that no notification told of."""
        if self._mailbox is not None:
            await self._guarded("gmail-poll", self._mailbox.poll)
        if self._mail_health is not None:
            await self._guarded("mail-health", self._mail_health.keep)

    async def start_watch(self) -> None:
        """Have Gmail notify, from the start of this process on."""
        if self._watch is not None:
            await self._guarded("gmail-watch-at-start", self._watch.renew)

    async def renew_watch(self) -> None:
        """Have Gmail go on notifying."""
        if self._watch is not None:
            await self._guarded("gmail-watch", self._watch.renew_if_due)

    async def _guarded(self, name: str, job: Callable[[], Awaitable[object]]) -> None:
        try:
            await job()
        except (LeaseLostError, *UNAVAILABLE_ERRORS) as error:
            logger.warning("job put off", extra={"job": name, "error_type": type(error).__name__})
        except GmailError as error:
            logger.warning("job put off", extra={"job": name, "error": str(error)})
        except Exception:
            logger.exception("job failed", extra={"job": name})
