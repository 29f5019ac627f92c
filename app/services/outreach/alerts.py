"""Telling staff that somebody waits for a person: a link and the urgency, no patient data.

`attention.alerted_at` marks what was told of a campaign, `alert_due_at` what is yet to be told of a
message outside campaigns, `emergency_alert_due_at` that somebody took emergency access. What is
urgent is told at once, and what a crash or a dead mail server
left untold by the next `send_due`; the rest goes into one digest at `SWEEP_TIME`.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.core.clock import Clock
from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.campaign import Attention, Campaign
from app.models.decision import Urgency
from app.models.role import StaffMember
from app.services.clinic import ClinicService
from app.services.leases import Leases
from app.services.mail.transport import (
    Audience,
    OutgoingMail,
    PermanentMailError,
    TransientMailError,
    Transport,
    UnknownOutcomeError,
)
from app.services.outreach.links import API_PREFIX
from app.services.scheduling.localtime import local_day

logger = logging.getLogger(__name__)

LEASE = "staff-alerts"
THREAD = "staff-alerts"
UNMATCHED_AT_ONCE = 50
"""Owed alerts of messages outside campaigns that one `send_due` makes up for."""
CONFLICTS_AT_ONCE = 1000
IMPORT_TELLS_WITHIN = timedelta(minutes=30)
"""So long the import that finds conflicts is left to tell of all of them in one mail."""


class StaffAlerts:
    """Writes to `STAFF_ALERT_EMAIL`. Where that is unset, the log and the hand-off list must do."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        transport: Transport,
        clinic: ClinicService,
        leases: Leases,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._campaigns = repositories.campaigns
        self._interactions = repositories.interactions
        self._conflicts = repositories.schedule_conflicts
        self._staff = repositories.staff
        self._transport = transport
        self._clinic = clinic
        self._leases = leases
        self._settings = settings
        self._clock = clock

    async def attention_raised(self, campaign_id: PyObjectId, urgency: Urgency) -> None:
        """Somebody was asked for. Urgent: tell staff now; a failure is left to `send_due`."""
        logger.warning(
            "attention raised", extra={"campaign_id": str(campaign_id), "urgency": urgency}
        )
        if urgency == Urgency.URGENT:
            await self.send_due()

    async def unmatched_arrived(self, interaction_id: PyObjectId, urgency: Urgency) -> None:
        """A message came that belongs to no campaign. It waits in the unmatched list.

        Urgent: tell staff now; a failure is left to `send_due`, until the message is settled.
        """
        logger.warning(
            "unmatched message", extra={"interaction_id": str(interaction_id), "urgency": urgency}
        )
        if urgency == Urgency.URGENT and self._settings.staff_alert_email is not None:
            await self._interactions.owe_alert(interaction_id, self._clock.now())
            await self.send_due()

    async def _tell_unmatched(self, now: datetime) -> int:
        told = 0
        for owed in await self._interactions.owed_alerts(now, UNMATCHED_AT_ONCE):
            if await self._has_left(await self._unmatched_mail(owed.id)):
                await self._interactions.settle_alert(owed.id)
                told += 1
        return told

    async def _has_left(self, mail: OutgoingMail) -> bool:
        """Whether the mail certainly left: twice beats not at all."""
        try:
            await self._transport.send(mail)
        except (TransientMailError, PermanentMailError, UnknownOutcomeError) as error:
            logger.warning("staff alert not sent", extra={"error_type": type(error).__name__})
            return False
        return True

    async def _unmatched_mail(self, interaction_id: PyObjectId) -> OutgoingMail:
        subject = "Urgent: a message that belongs to no campaign waits for a person"
        link = f"{self._settings.base_url}{API_PREFIX}/admin/unmatched"
        return await self._notice(f"urgent-{interaction_id}", subject, f"{subject}.\n\n- {link}\n")

    async def schedule_conflicts_opened(self, count: int, key: PyObjectId) -> bool:
        """So many imported visits have no place in the book; whether staff were told. What did not
        leave is left to `send_due`.

        `key` names the occasion: a repetition is recognisable as one.
        """
        logger.warning("schedule conflicts opened", extra={"conflicts": count})
        if self._settings.staff_alert_email is None:
            return False
        plural = "" if count == 1 else "s"
        subject = f"{count} imported visit{plural} without a place in the book"
        link = f"{self._settings.base_url}{API_PREFIX}/admin/schedule/conflicts"
        return await self._has_left(
            await self._notice(f"conflicts-{key}", subject, f"{subject}.\n\n- {link}\n")
        )

    async def _tell_conflicts(self, now: datetime) -> int:
        """Those whose import could not tell of them: the mail did not leave, or a crash came."""
        owed = await self._conflicts.owed(now, now - IMPORT_TELLS_WITHIN, CONFLICTS_AT_ONCE)
        if not owed or not await self.schedule_conflicts_opened(len(owed), owed[-1].id):
            return 0
        await self._conflicts.mark_told([one.id for one in owed], now)
        return 1

    async def emergency_access_begun(self, staff_id: PyObjectId) -> None:
        """Somebody took more rights than their role has. Tell the others now; a failure is left to
        `send_due`.
        """
        logger.warning("emergency access begun", extra={"staff_id": str(staff_id)})
        if self._settings.staff_alert_email is None:
            return
        async with self._leases.hold(LEASE) as held:
            if held is not None:  # who asked for them waits: for this alone, and not for a digest
                await self._tell_emergencies()

    async def _tell_emergencies(self) -> int:
        told = 0
        for member in await self._staff.owed_emergency_alerts():
            since = member.emergency_alert_due_at
            if since is not None and await self._has_left(
                await self._emergency_mail(member, since)
            ):
                await self._staff.settle_emergency_alert(member.id, since)
                told += 1
        return told

    async def _emergency_mail(self, member: StaffMember, since: datetime) -> OutgoingMail:
        subject = "A member of staff took emergency access"
        link = f"{self._settings.base_url}{API_PREFIX}/admin/audit?staff_id={member.id}"
        text = f"{subject}. Who, why and what was done:\n\n- {link}\n"
        return await self._notice(f"emergency-{member.id}-{int(since.timestamp())}", subject, text)

    async def _notice(self, key: str, subject: str, text: str) -> OutgoingMail:
        return OutgoingMail(
            key=key,
            to=str(self._settings.staff_alert_email),
            sender_name=(await self._clinic.current()).name,
            subject=subject,
            text=text,
            date=self._clock.now(),
            thread_id=THREAD,
            audience=Audience.STAFF,
        )

    async def send_due(self) -> int:
        """Tell staff what they were not told yet; how many mails left.

        One process at a time. A crash between a mail and its mark repeats that one mail: with
        urgent things twice is better than not at all.
        """
        if self._settings.staff_alert_email is None:
            return 0
        async with self._leases.hold(LEASE) as held:
            if held is None:
                return 0
            return await self._send_untold()

    async def _send_untold(self) -> int:
        now = self._clock.now()
        zone = (await self._clinic.current()).zone
        waiting = await self._campaigns.open_attentions()
        untold = [(c, c.attention) for c in waiting if c.attention and not c.attention.alerted_at]
        urgent = [(c, a) for c, a in untold if a.urgency == Urgency.URGENT]
        boundary = self._last_digest_time(now, zone)
        digest = [(c, a) for c, a in untold if a.urgency != Urgency.URGENT and a.since < boundary]
        sent = await self._tell_unmatched(now)
        sent += sum([await self._tell([entry], now, urgent=True) for entry in urgent])
        sent += await self._tell_emergencies() + await self._tell_conflicts(now)
        return sent + (await self._tell(digest, now, urgent=False) if digest else 0)

    def _last_digest_time(self, now: datetime, zone: ZoneInfo) -> datetime:
        """The latest `SWEEP_TIME` that has passed: what is older waits for the digest no more."""
        today = local_day(now, zone)
        at = datetime.combine(today, self._settings.sweep_time, tzinfo=zone)
        if at <= now:
            return at
        yesterday = today - timedelta(days=1)
        return datetime.combine(yesterday, self._settings.sweep_time, tzinfo=zone)

    async def _tell(
        self, entries: Sequence[tuple[Campaign, Attention]], now: datetime, *, urgent: bool
    ) -> int:
        if not await self._has_left(await self._mail(entries, now, urgent=urgent)):
            return 0
        for campaign, attention in entries:
            await self._campaigns.mark_alerted(campaign.id, since=attention.since, at=now)
        return 1

    async def _mail(
        self, entries: Sequence[tuple[Campaign, Attention]], now: datetime, *, urgent: bool
    ) -> OutgoingMail:
        clinic = await self._clinic.current()
        count = len(entries)
        subject = (
            "Urgent: a patient waits for a person"
            if urgent
            else f"Waiting for a person: {count} conversation{'' if count == 1 else 's'}"
        )
        campaign, attention = entries[0]
        instant = attention.since if urgent else now
        kind = f"urgent-{campaign.id}" if urgent else "digest"
        return OutgoingMail(
            key=f"{kind}-{int(instant.timestamp() * 1000)}",
            to=str(self._settings.staff_alert_email),
            sender_name=clinic.name,
            subject=subject,
            text="\n".join([f"{subject}.", "", *map(self._line, entries), ""]),
            date=now,
            thread_id=THREAD,
            audience=Audience.STAFF,
        )

    def _line(self, entry: tuple[Campaign, Attention]) -> str:
        campaign, attention = entry
        since = attention.since.strftime("%Y-%m-%d %H:%M UTC")
        link = f"{self._settings.base_url}{API_PREFIX}/admin/campaigns/{campaign.id}"
        return f"- {attention.urgency}, since {since}: {link}"
