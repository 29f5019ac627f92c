"""How many the sweeps of the next days would write to, by rule, if nobody answered meanwhile.

The rules are those of the sweep itself: who is due on which day, the day's limit, the intervals
between attempts. Nothing is written.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.core.clock import Clock
from app.core.config import Settings
from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories import Repositories
from app.db.repositories.base import Unreadable
from app.models.campaign import Campaign, CampaignStatus, CampaignType, FollowUpDetails
from app.services.clinic import ClinicService
from app.services.outreach.eligibility import Due
from app.services.outreach.planner import next_attempt_after, start_of
from app.services.outreach.proactive import AttemptResult, CampaignFacts, ProactivePath
from app.services.outreach.recruiting import Recruiter
from app.services.scheduling.localtime import local_day

logger = logging.getLogger(__name__)

FORECAST_DAYS = 7
BATCH = 100
MESSAGE_WAITING = "message_waiting"


@dataclass
class ForecastDay:
    """What the sweep of one local day would do."""

    day: date
    recovery_created: int = 0
    recall_created: int = 0
    follow_ups: int = 0
    ending: int = 0
    """Campaigns that are out of attempts and end."""
    waiting: int = 0
    """Who is due and has to wait for the day's limit."""
    by_rule: Counter[str] = field(default_factory=Counter)

    @property
    def contacts(self) -> int:
        """Messages queued, each to one patient."""
        return self.recovery_created + self.recall_created + self.follow_ups


@dataclass(frozen=True)
class Forecast:
    """The next days, today first."""

    outreach_enabled: bool
    days: list[ForecastDay]


class SweepForecast:
    """Looks ahead."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        recruiter: Recruiter,
        proactive: ProactivePath,
        clinic: ClinicService,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._recruiter = recruiter
        self._proactive = proactive
        self._clinic = clinic
        self._settings = settings
        self._clock = clock

    async def look_ahead(self) -> Forecast:
        """Today and the six days after it; today is what a sweep would do now."""
        now, zone = self._clock.now(), (await self._clinic.current()).zone
        today = local_day(now, zone)
        course = _Course(
            [ForecastDay(today + timedelta(days=ahead)) for ahead in range(FORECAST_DAYS)],
            self._settings.attempt_interval_days,
            self._settings.max_attempts,
            zone,
        )
        await self._follow_up(course, now)
        await self._recruit(course, now)
        return Forecast(self._settings.outreach_is_on, course.days)

    async def _follow_up(self, course: "_Course", now: datetime) -> None:
        end = start_of(course.days[-1].day + timedelta(days=1), course.zone)
        async for batch in self._due_before(end):
            for campaign, facts in await self._readable(batch, now):
                place = course.place_of(campaign.follow_up_details.next_attempt_at or now)
                outcome = self._proactive.judge(campaign, facts)
                has_left_by_then = outcome.reason == MESSAGE_WAITING and place > 0
                if outcome.result in _GOES_ON or has_left_by_then:
                    course.follow(campaign.status, campaign.follow_up_details, place)

    async def _readable(
        self, batch: Sequence[Campaign], now: datetime
    ) -> list[tuple[Campaign, CampaignFacts]]:
        """Each with its facts. What cannot be read is left out, as the sweep passes over it."""
        try:
            facts = await self._proactive.facts(batch, now)
        except UNAVAILABLE_ERRORS:
            raise
        except Exception:
            logger.exception("not in the forecast, or one by one", extra={"campaigns": len(batch)})
            if len(batch) == 1:
                return []
            return [pair for one in batch for pair in await self._readable([one], now)]
        return [(campaign, facts) for campaign in batch]

    async def _due_before(self, end: datetime) -> AsyncIterator[list[Campaign]]:
        batch: list[Campaign] = []
        async for campaign in self._repositories.campaigns.stream_due(
            end - timedelta(milliseconds=1)
        ):
            if isinstance(campaign, Unreadable):
                continue
            batch.append(campaign)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _recruit(self, course: "_Course", now: datetime) -> None:
        days = [day.day for day in course.days]
        limit = self._settings.new_campaigns_per_day
        limits = [len(await self._recruiter.quota(now)), *(limit for _ in days[1:])]
        pools = [_Pool(sum(limits)) for _ in days]
        async for place, due in self._recruiter.look_ahead(days, now):
            pools[place].add(due)
        waiting: list[Due] = []
        unseen = 0
        for place, pool in enumerate(pools):
            waiting = sorted([*waiting, *pool.longest_overdue()], key=_due_since)
            unseen += pool.left_out
            for due in waiting[: limits[place]]:
                course.open(due, place)
            waiting = waiting[limits[place] :]
            course.days[place].waiting = len(waiting) + unseen


_GOES_ON = frozenset({AttemptResult.QUEUED, AttemptResult.FAILED})


class _Pool:
    """Who becomes due on a day: those who have waited longest, as many as could get their turn."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: list[Due] = []
        self.left_out = 0

    def add(self, due: Due) -> None:
        """The memory it takes does not grow with the practice."""
        self._kept.append(due)
        if len(self._kept) > 2 * self._room + BATCH:
            self._cut()

    def longest_overdue(self) -> list[Due]:
        """In that order."""
        self._cut()
        return self._kept

    def _cut(self) -> None:
        self._kept.sort(key=_due_since)
        self.left_out += max(0, len(self._kept) - self._room)
        del self._kept[self._room :]


def _due_since(due: Due) -> datetime:
    return due.due_since


@dataclass(frozen=True)
class _Course:
    """The days, and what happens on them."""

    days: list[ForecastDay]
    interval_days: Sequence[int]
    max_attempts: int
    zone: ZoneInfo

    def place_of(self, at: datetime) -> int:
        """Which day something falls on; what is overdue on the first."""
        return max(0, (local_day(at, self.zone) - self.days[0].day).days)

    def open(self, due: Due, place: int) -> None:
        """A new campaign with its first message, and what follows."""
        day = self.days[place]
        if due.campaign_type == CampaignType.RECALL:
            day.recall_created += 1
        else:
            day.recovery_created += 1
        day.by_rule[due.why] += 1
        at = start_of(day.day, self.zone)
        made = FollowUpDetails(
            attempts_made=1, max_attempts=self.max_attempts, first_attempt_at=at, last_attempt_at=at
        )
        self._after(CampaignStatus.ATTEMPTING_RECOVERY, made, at)

    def follow(self, status: CampaignStatus, follow_up: FollowUpDetails, place: int) -> None:
        """The next attempt of a campaign on that day, and those after it."""
        if place >= len(self.days):
            return
        day = self.days[place]
        if follow_up.attempts_made >= follow_up.max_attempts:
            day.ending += 1
            return
        attempt = follow_up.attempts_made + 1
        day.follow_ups += 1
        day.by_rule[f"attempt {attempt} of {follow_up.max_attempts}"] += 1
        at = start_of(day.day, self.zone)
        first = follow_up.first_attempt_at or at
        changed = {"attempts_made": attempt, "first_attempt_at": first, "last_attempt_at": at}
        self._after(status, follow_up.model_copy(update=changed), at)

    def _after(self, status: CampaignStatus, made: FollowUpDetails, at: datetime) -> None:
        following = next_attempt_after(
            status, made, interval_days=self.interval_days, now=at, zone=self.zone
        )
        self.follow(status, made, self.place_of(following))
