"""Figures over time: the funnel, the months, how long patients wait, how right the agent reads."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.db.repositories.analytics import Reply, Stage, VisitFigure
from app.models.answering import AnsweredBy
from app.models.campaign import Campaign, CampaignType
from app.models.decision import Urgency
from app.services.analytics.calendar import Month, last_months, month_at
from app.services.analytics.definitions import ANALYTICS_DEFINITIONS, Definition
from app.services.analytics.recovered import RecoveredCampaigns, total_value
from app.services.analytics.responses import ResponseTime, read_replies, response_time
from app.services.clinic import ClinicService

_SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class FunnelPoint:
    """How far the campaigns of one type came that were begun in one month."""

    month: str
    campaign_type: CampaignType
    contacted: int
    replied: int
    booked: int
    completed: int


@dataclass(frozen=True)
class MonthFigures:
    """One month's figures."""

    month: str
    appointments_booked_month: int
    visits_completed_month: int
    recovered_campaigns_month: int
    recovered_value_month: float


@dataclass(frozen=True)
class HandoffAge:
    """How long the open attentions wait, in hours; `None` where none is open."""

    open: int
    urgent: int
    unclaimed: int
    oldest_hours: float | None
    median_hours: float | None


@dataclass(frozen=True)
class AgentAccuracy:
    """What staff's corrections say of the agent. A rate without a denominator is `None`."""

    read: int
    corrected: int
    reviewed: int
    agent_accuracy_percent: float | None
    agent_reviewed_accuracy_percent: float | None


@dataclass(frozen=True)
class AnalyticsReport:
    """Figures over time, and how the practice and its agent answer."""

    funnel: list[FunnelPoint]
    series: list[MonthFigures]
    response_times: list[ResponseTime]
    unanswered_replies: int
    handoff_age: HandoffAge
    agent: AgentAccuracy
    currency: str
    definitions: Mapping[str, Definition]


class Analytics:
    """Computes the report; every query is bounded by an indexed range."""

    def __init__(self, repositories: Repositories, clinic: ClinicService, clock: Clock) -> None:
        self._repositories = repositories
        self._source = repositories.analytics
        self._recovered = RecoveredCampaigns(repositories)
        self._clinic = clinic
        self._clock = clock

    async def report(self) -> AnalyticsReport:
        """The figures as they stand now."""
        clinic, now = await self._clinic.current(), self._clock.now()
        months = last_months(now, clinic.zone)
        zone = clinic.zone.key
        funnel, series, (answered, read), waiting = await asyncio.gather(
            self._funnel(months, zone),
            self._series(months, zone),
            read_replies(self._source, now),
            self._repositories.campaigns.open_attentions(),
        )
        return AnalyticsReport(
            funnel=funnel,
            series=series,
            response_times=[response_time(by, answered) for by in AnsweredBy],
            unanswered_replies=sum(one.by is None for one in answered),
            handoff_age=_age(waiting, now),
            agent=_accuracy(read),
            currency=clinic.currency,
            definitions=ANALYTICS_DEFINITIONS,
        )

    async def _funnel(self, months: Sequence[Month], zone: str) -> list[FunnelPoint]:
        span = (months[0].since, months[-1].before)
        counted = await self._source.count_stages(*span, zone)
        found = {(month_at(at, months), kind): counts for (at, kind), counts in counted.items()}
        return [
            FunnelPoint(
                month.name,
                kind,
                *(found.get((month.name, kind), {}).get(stage, 0) for stage in Stage),
            )
            for month in months
            for kind in CampaignType
        ]

    async def _series(self, months: Sequence[Month], zone: str) -> list[MonthFigures]:
        span = (months[0].since, months[-1].before)
        booked, completed, recovered = await asyncio.gather(
            self._source.count_visits(VisitFigure.BOOKED, *span, zone),
            self._source.count_visits(VisitFigure.COMPLETED, *span, zone),
            self._recovered.between(*span),
        )
        by_month = [
            {month_at(at, months): n for at, n in counts.items()} for counts in (booked, completed)
        ]
        points = []
        for month in months:
            theirs = [one for one in recovered if month.since <= one.at < month.before]
            booked_then, completed_then = (counted.get(month.name, 0) for counted in by_month)
            value = total_value(theirs)
            points.append(MonthFigures(month.name, booked_then, completed_then, len(theirs), value))
        return points


def _age(waiting: Sequence[Campaign], now: datetime) -> HandoffAge:
    open_now = [one.attention for one in waiting if one.attention is not None]
    hours = sorted((now - one.since).total_seconds() / _SECONDS_AN_HOUR for one in open_now)
    return HandoffAge(
        open=len(open_now),
        urgent=sum(one.urgency == Urgency.URGENT for one in open_now),
        unclaimed=sum(one.claimed_by is None for one in open_now),
        oldest_hours=round(hours[-1], 1) if hours else None,
        median_hours=round(median(hours), 1) if hours else None,
    )


def _accuracy(read: Sequence[Reply]) -> AgentAccuracy:
    corrected = sum(reply.is_corrected for reply in read)
    reviewed = sum(reply.corrected_to is not None for reply in read)
    return AgentAccuracy(
        read=len(read),
        corrected=corrected,
        reviewed=reviewed,
        agent_accuracy_percent=percent(len(read) - corrected, len(read)),
        agent_reviewed_accuracy_percent=percent(reviewed - corrected, reviewed),
    )


def percent(part: int, whole: int) -> float | None:
    """With one decimal; of nothing there is no share."""
    return round(100 * part / whole, 1) if whole else None
