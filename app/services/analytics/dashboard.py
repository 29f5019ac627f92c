"""The dashboard's figures: from completed visits, never from hopes.

Every figure is a scalar; what it means stands beside it as a definition with its window, numerator
and denominator. A rate without a denominator is `None`, because 0 % would claim a failure.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.campaign import (
    ACTIVE_STATUSES,
    ENDED_STATUSES,
    CampaignStatus,
    CampaignType,
)
from app.services.clinic import ClinicService
from app.services.scheduling.localtime import day_bounds, local_day

RATE_WINDOW = timedelta(days=90)
SERIES_MONTHS = 12


@dataclass(frozen=True)
class Definition:
    """What a figure means."""

    text: str
    window: str
    numerator: str
    denominator: str | None = None


@dataclass(frozen=True)
class Kpis:
    """Counts."""

    appointments_booked_month: int
    visits_completed_month: int
    handoffs_requiring_action: int
    active_recovery_campaigns: int
    active_recall_campaigns: int


@dataclass(frozen=True)
class ConversionRates:
    """Percentages with one decimal, or `None` where nothing has ended yet."""

    recovery_rate_percent: float | None
    recall_rate_percent: float | None


@dataclass(frozen=True)
class RecoveredValue:
    """What completed visits of recovered patients brought, at the services' listed prices."""

    recovered_value_month: float
    recovered_value_90_days: float
    recovered_campaigns_month: int
    recovered_campaigns_90_days: int
    currency: str


@dataclass(frozen=True)
class MonthPoint:
    """One month of a series; `month` is `YYYY-MM` on the clinic's calendar."""

    month: str
    recovered: int


@dataclass(frozen=True)
class Series:
    """Figures over time, oldest first."""

    recovered_by_month: list[MonthPoint]


@dataclass(frozen=True)
class DashboardStats:
    """Everything the dashboard's first page shows."""

    kpis: Kpis
    conversion_rates: ConversionRates
    value: RecoveredValue
    series: Series
    definitions: Mapping[str, Definition]


_THIS_MONTH = "the clinic's current calendar month"
_NOW = "now"
_LAST_90_DAYS = "the last 90 days"


def _rate_definition(campaign_type: CampaignType) -> Definition:
    return Definition(
        f"The share of {campaign_type} campaigns that ended with a completed visit.",
        _LAST_90_DAYS,
        f"{campaign_type} campaigns that ended as RECOVERED",
        f"{campaign_type} campaigns that ended, in whatever status",
    )


def _value_definition(window: str) -> Definition:
    return Definition(
        "The listed prices (price_from) of the services in completed visits linked to recovered "
        "campaigns, each visit once; a service without a price counts as 0.",
        window,
        "sum of price_from",
    )


DEFINITIONS: Mapping[str, Definition] = MappingProxyType(
    {
        "appointments_booked_month": Definition(
            "Visits written into the book, by patients or staff, and not cancelled since.",
            _THIS_MONTH,
            "appointments created",
        ),
        "visits_completed_month": Definition(
            "Visits staff marked as completed.", _THIS_MONTH, "appointments completed"
        ),
        "handoffs_requiring_action": Definition(
            "Campaigns whose attention nobody has resolved, in any status.",
            _NOW,
            "open attentions",
        ),
        "active_recovery_campaigns": Definition(
            "RECOVERY campaigns that have not ended.", _NOW, "active RECOVERY campaigns"
        ),
        "active_recall_campaigns": Definition(
            "RECALL campaigns that have not ended.", _NOW, "active RECALL campaigns"
        ),
        "recovery_rate_percent": _rate_definition(CampaignType.RECOVERY),
        "recall_rate_percent": _rate_definition(CampaignType.RECALL),
        "recovered_value_month": _value_definition(_THIS_MONTH),
        "recovered_value_90_days": _value_definition(_LAST_90_DAYS),
        "recovered_campaigns_month": Definition(
            "Campaigns that ended as RECOVERED.", _THIS_MONTH, "campaigns"
        ),
        "recovered_campaigns_90_days": Definition(
            "Campaigns that ended as RECOVERED.", _LAST_90_DAYS, "campaigns"
        ),
        "recovered_by_month": Definition(
            "Campaigns that ended as RECOVERED, by the clinic's calendar month.",
            f"the last {SERIES_MONTHS} months",
            "campaigns",
        ),
    }
)


class Dashboard:
    """Computes the figures; every query is bounded by an indexed range."""

    def __init__(self, repositories: Repositories, clinic: ClinicService, clock: Clock) -> None:
        self._repositories = repositories
        self._clinic = clinic
        self._clock = clock

    async def stats(self) -> DashboardStats:
        """The figures as they stand now."""
        clinic = await self._clinic.current()
        now = self._clock.now()
        months = _month_starts(local_day(now, clinic.zone), clinic.zone)
        kpis, recovery, recall, value, series = await asyncio.gather(
            self._kpis(months[-1], now),
            self._rate(CampaignType.RECOVERY, now),
            self._rate(CampaignType.RECALL, now),
            self._value(months[-1], now, clinic.currency),
            self._series(months[0], now, clinic.zone),
        )
        return DashboardStats(
            kpis=kpis,
            conversion_rates=ConversionRates(recovery, recall),
            value=value,
            series=Series(series),
            definitions=DEFINITIONS,
        )

    async def _kpis(self, month_start: datetime, now: datetime) -> Kpis:
        campaigns, appointments = self._repositories.campaigns, self._repositories.appointments
        end = _just_after(now)
        booked, completed, waiting, active = await asyncio.gather(
            appointments.count_created_between(month_start, end),
            appointments.count_completed_between(month_start, end),
            campaigns.open_attentions(),
            campaigns.count_by_type(sorted(ACTIVE_STATUSES)),
        )
        return Kpis(
            appointments_booked_month=booked,
            visits_completed_month=completed,
            handoffs_requiring_action=len(waiting),
            active_recovery_campaigns=active.get(CampaignType.RECOVERY, 0),
            active_recall_campaigns=active.get(CampaignType.RECALL, 0),
        )

    async def _rate(self, campaign_type: CampaignType, now: datetime) -> float | None:
        ended = await self._repositories.campaigns.count_ended(
            campaign_type, now - RATE_WINDOW, _just_after(now)
        )
        total = sum(ended.get(status, 0) for status in ENDED_STATUSES)
        if not total:
            return None
        return round(100 * ended.get(CampaignStatus.RECOVERED, 0) / total, 1)

    async def _value(self, month_start: datetime, now: datetime, currency: str) -> RecoveredValue:
        since = min(month_start, now - RATE_WINDOW)
        recovered = await self._repositories.campaigns.recovered_between(since, _just_after(now))
        visits = await self._repositories.appointments.completed_for_campaigns(
            [campaign.id for campaign in recovered]
        )
        prices = {
            service.service_id: service.price_from or 0.0
            for service in await self._repositories.services.every()
        }
        worth: defaultdict[PyObjectId | None, float] = defaultdict(float)
        for visit in visits:
            worth[visit.campaign_id] += prices.get(visit.service_id, 0.0)
        in_month = [c for c in recovered if c.ended_at and c.ended_at >= month_start]
        in_window = [c for c in recovered if c.ended_at and c.ended_at >= now - RATE_WINDOW]
        return RecoveredValue(
            recovered_value_month=round(sum(worth[c.id] for c in in_month), 2),
            recovered_value_90_days=round(sum(worth[c.id] for c in in_window), 2),
            recovered_campaigns_month=len(in_month),
            recovered_campaigns_90_days=len(in_window),
            currency=currency,
        )

    async def _series(self, since: datetime, now: datetime, zone: ZoneInfo) -> list[MonthPoint]:
        recovered = await self._repositories.campaigns.recovered_between(since, _just_after(now))
        counts = Counter(
            f"{local_day(c.ended_at, zone):%Y-%m}" for c in recovered if c.ended_at is not None
        )
        starts = _month_starts(local_day(now, zone), zone)
        names = [f"{local_day(start, zone):%Y-%m}" for start in starts]
        return [MonthPoint(name, counts.get(name, 0)) for name in names]


def _just_after(now: datetime) -> datetime:
    """Half-open windows end here, so that what happened this very millisecond counts."""
    return now + timedelta(milliseconds=1)


def _month_starts(today: date, zone: ZoneInfo) -> list[datetime]:
    """The instants at which the last months began on the clinic's calendar, oldest first."""
    months: list[date] = [today.replace(day=1)]
    while len(months) < SERIES_MONTHS:
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    return [day_bounds(day, zone)[0] for day in reversed(months)]
