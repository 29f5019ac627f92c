"""The first half of a sweep: who gets a new campaign today, and giving it to them.

Every patient who could be due is looked at in batches, with one query a batch for each kind of
fact, and only as many candidates are kept as the day still allows.
"""

import heapq
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from app.core.clock import Clock
from app.core.config import Settings
from app.db.database import UNAVAILABLE_ERRORS
from app.db.errors import DuplicateValueError
from app.db.indexes import CAMPAIGN_ONE_ACTIVE, CAMPAIGN_ONE_RECALL, CAMPAIGN_QUOTA
from app.db.repositories import Repositories
from app.db.repositories.base import Unreadable
from app.models.base import PyObjectId
from app.models.campaign import (
    Campaign,
    CampaignOrigin,
    CampaignStatus,
    FollowUpDetails,
    StatusChange,
)
from app.models.patient import Patient, PatientType
from app.models.records import SweepCounts
from app.services.clinic import ClinicService
from app.services.outreach.eligibility import NOT_A_WISH, Calendar, Due, PastContact, judge
from app.services.outreach.planner import start_of
from app.services.outreach.reach import Reach
from app.services.outreach.routes import BY_EMAIL, Routes
from app.services.scheduling.localtime import local_day

logger = logging.getLogger(__name__)

BATCH = 500
CREATED_BY = "sweep"
DAILY_LIMIT = "daily_limit"
FAILED = "error"

_COLLISIONS = {
    CAMPAIGN_ONE_ACTIVE: "active_campaign",
    CAMPAIGN_ONE_RECALL: "already_recalled",
}

Check = Callable[[], None]
"""Called between batches; raises where the sweep must stop."""


class Recruiter:
    """Finds who is due, and opens their campaigns."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        clinic: ClinicService,
        settings: Settings,
        clock: Clock,
        routes: Routes = BY_EMAIL,
    ) -> None:
        self._repositories = repositories
        self._clinic = clinic
        self._settings = settings
        self._clock = clock
        self._routes = routes

    async def quota(self, now: datetime) -> "DayQuota":
        """What today still allows, over all sweeps of the day."""
        today = (await self._calendar(now)).today
        slots = quota_slots(today, self._settings.new_campaigns_per_day)
        if not slots:
            return DayQuota([])
        taken = await self._repositories.campaigns.quota_keys_between(slots[0], slots[-1])
        return DayQuota([slot for slot in slots if slot not in taken])

    async def due(
        self, quota: "DayQuota", now: datetime, counts: SweepCounts, check: Check
    ) -> list[Due]:
        """Who gets a campaign today, longest overdue first, and no more than `quota` allows.

        Everybody else is counted in `counts` by the reason they were passed over.
        """
        calendar = await self._calendar(now)
        chosen = _LongestOverdue(len(quota))
        async for batch in self._batches(calendar, counts):
            check()
            for verdict in await self._judge_batch(batch, calendar, now):
                passed_over = chosen.offer(verdict) if isinstance(verdict, Due) else verdict
                if passed_over:
                    counts.skip(passed_over)
        return chosen.in_order()

    async def look_ahead(
        self, days: Sequence[date], now: datetime
    ) -> AsyncIterator[tuple[int, Due]]:
        """Who becomes due on which of these local days (by its place), as things stand `now`."""
        calendars = [replace(await self._calendar(now), today=day) for day in days]
        booked = await self._repositories.appointments.everybody_with_live_visit(now)
        async for batch in self._batches(calendars[-1], SweepCounts()):
            past = await self._readable_past(batch, now, booked)
            for patient in batch:
                if patient.id not in past:
                    continue
                for place, calendar in enumerate(calendars):
                    verdict = judge(patient, past[patient.id], calendar)
                    if isinstance(verdict, Due):
                        yield place, verdict
                        break

    async def look_at(self, patient: Patient, now: datetime) -> "Judged":
        """The verdict on one patient, and what it rests on. Changes nothing."""
        calendar = await self._calendar(now)
        past = (await self._past([patient], now))[patient.id]
        return Judged(judge(patient, past, calendar), past, calendar)

    async def open(self, due: Due, quota: "DayQuota", now: datetime) -> Campaign | str:
        """Create a campaign within the day's quota, or the reason why there is none.

        The database decides: each of the day's slots is a unique key, and so are a patient's one
        active campaign and one recall for a due date. Sweeps that race cannot pass the limit.
        """
        while slot := quota.next_slot:
            try:
                campaign = await self._repositories.campaigns.insert(self._campaign(due, slot, now))
            except DuplicateValueError as error:
                if error.index in _COLLISIONS:
                    return _COLLISIONS[error.index]
                if error.index != CAMPAIGN_QUOTA:
                    raise
                quota.use()
            else:
                quota.use()
                return campaign
        return DAILY_LIMIT

    def _campaign(self, due: Due, slot: str, now: datetime) -> Campaign:
        opening = StatusChange(to_status=CampaignStatus.ATTEMPTING_RECOVERY, at=now, by=CREATED_BY)
        return Campaign(
            patient_id=due.patient.id,
            campaign_type=due.campaign_type,
            origin=CampaignOrigin.SWEEP,
            due_date=due.due_date,
            quota_key=slot,
            follow_up_details=FollowUpDetails(
                max_attempts=self._settings.max_attempts, next_attempt_at=now
            ),
            estimated_value=due.patient.estimated_value,
            history=[opening],
        )

    async def _calendar(self, now: datetime) -> Calendar:
        zone = (await self._clinic.current()).zone
        return Calendar(
            today=local_day(now, zone),
            zone=zone,
            cool_down_days=self._settings.cool_down_days,
            recall_give_up_days=self._settings.recall_give_up_days,
        )

    async def _batches(
        self, calendar: Calendar, counts: SweepCounts
    ) -> AsyncIterator[list[Patient]]:
        tomorrow = start_of(calendar.today + timedelta(days=1), calendar.zone)
        patients = self._repositories.patients
        for stream in (patients.stream_leads(), patients.stream_recalls_due(tomorrow)):
            batch: list[Patient] = []
            async for patient in stream:
                if isinstance(patient, Unreadable):
                    logger.error("unreadable patient", extra={"patient_id": patient.document_id})
                    counts.skip(FAILED)
                    continue
                batch.append(patient)
                if len(batch) == BATCH:
                    yield batch
                    batch = []
            yield batch

    async def _judge_batch(
        self, batch: Sequence[Patient], calendar: Calendar, now: datetime
    ) -> list[Due | str]:
        """A verdict for each. Where the batch holds something broken, one by one."""
        if not batch:
            return []
        try:
            return list(await self._judge_together(batch, calendar, now))
        except UNAVAILABLE_ERRORS:
            raise
        except Exception:
            logger.exception("batch not judged, trying one by one")
            return [await self._judge_alone(patient, calendar, now) for patient in batch]

    async def _judge_alone(self, patient: Patient, calendar: Calendar, now: datetime) -> Due | str:
        try:
            return next(await self._judge_together([patient], calendar, now))
        except UNAVAILABLE_ERRORS:
            raise
        except Exception:  # one bad record must not stop the sweep
            logger.exception("patient not judged", extra={"patient_id": str(patient.id)})
            return FAILED

    async def _judge_together(
        self, batch: Sequence[Patient], calendar: Calendar, now: datetime
    ) -> Iterator[Due | str]:
        past = await self._past(batch, now)
        return (judge(patient, past[patient.id], calendar) for patient in batch)

    async def _readable_past(
        self, batch: Sequence[Patient], now: datetime, booked: set[PyObjectId]
    ) -> dict[PyObjectId, PastContact]:
        """Of whom it can be read: a sweep passes over the others."""
        try:
            return await self._past(batch, now, booked)
        except UNAVAILABLE_ERRORS:
            raise
        except Exception:
            logger.exception("not in the forecast, or one by one", extra={"patients": len(batch)})
            if len(batch) == 1:
                return {}
            alone = [await self._readable_past([one], now, booked) for one in batch]
            return {patient_id: past for found in alone for patient_id, past in found.items()}

    async def _past(
        self, batch: Sequence[Patient], now: datetime, booked: set[PyObjectId] | None = None
    ) -> dict[PyObjectId, PastContact]:
        reach = await Reach.read(self._repositories, batch, now, self._routes, booked)
        campaigns: dict[PyObjectId, list[Campaign]] = {}
        for campaign in await self._repositories.campaigns.all_for(p.id for p in batch):
            campaigns.setdefault(campaign.patient_id, []).append(campaign)
        leads = {p.id for p in batch if p.patient_type == PatientType.COLD_LEAD}
        wishes = await self._wishes({one: campaigns.get(one, ()) for one in leads})
        return {
            patient.id: PastContact(
                campaigns=campaigns.get(patient.id, []),
                obstacle=reach.obstacle(patient),
                has_visit=reach.has_visit(patient),
                last_wish_at=wishes.get(patient.id),
            )
            for patient in batch
        }

    async def _wishes(
        self, campaigns: Mapping[PyObjectId, Sequence[Campaign]]
    ) -> Mapping[PyObjectId, datetime]:
        """When those who once declined, and whom nobody writes to now, last wrote of their own
        accord.
        """
        declined = CampaignStatus.RECOVERY_DECLINED
        ids = [
            patient_id
            for patient_id, theirs in campaigns.items()
            if any(campaign.status == declined for campaign in theirs)
            and not any(campaign.is_active for campaign in theirs)
        ]
        return await self._repositories.interactions.last_wishes(ids, NOT_A_WISH) if ids else {}


@dataclass(frozen=True)
class Judged:
    """Whether a patient is due, and what that was decided from."""

    verdict: Due | str
    past: PastContact
    calendar: Calendar


class DayQuota:
    """The slots of a local day that are still free, as far as this sweep knows."""

    def __init__(self, free: Sequence[str]) -> None:
        self._free = free
        self._used = 0

    def __len__(self) -> int:
        return len(self._free) - self._used

    @property
    def next_slot(self) -> str | None:
        """The slot to try, or `None` where the day is full."""
        return self._free[self._used] if len(self) else None

    def use(self) -> None:
        """The slot is taken, by this sweep or by another."""
        self._used += 1


class _LongestOverdue:
    """Keeps the so many who have waited longest, whatever the order they come in."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._heap: list[tuple[float, int, Due]] = []
        self._seen = 0

    def offer(self, due: Due) -> str | None:
        """Take `due` in; the reason for whoever had to leave for it, itself included."""
        self._seen += 1
        entry = (-due.due_since.timestamp(), -self._seen, due)
        if len(self._heap) < self._room:
            heapq.heappush(self._heap, entry)
            return None
        heapq.heappushpop(self._heap, entry)
        return DAILY_LIMIT

    def in_order(self) -> list[Due]:
        """Longest overdue first."""
        return [due for *_, due in sorted(self._heap, reverse=True)]


def quota_slots(day: date, limit: int) -> list[str]:
    """The keys of a day's new campaigns, `YYYY-MM-DD#NNNNN`. Their order is that of their text."""
    return [f"{day.isoformat()}#{number:05d}" for number in range(1, limit + 1)]
