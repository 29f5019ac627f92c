"""The dashboard's figures: from completed visits, never from hopes.

Every figure is a scalar; what it means stands beside it as a definition with its window, numerator
and denominator. A rate without a denominator is `None`, because 0 % would claim a failure.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.campaign import (
    ACTIVE_STATUSES,
    ENDED_STATUSES,
    CampaignStatus,
    CampaignType,
)
from app.services.analytics.calendar import Month, just_after, last_months, month_at
from app.services.analytics.definitions import DEFINITIONS, RATE_WINDOW, Definition
from app.services.analytics.recovered import Recovered, RecoveredCampaigns, total_value
from app.services.clinic import ClinicService


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


class Dashboard:
    """Computes the figures; every query is bounded by an indexed range."""

    def __init__(self, repositories: Repositories, clinic: ClinicService, clock: Clock) -> None:
        self._repositories = repositories
        self._clinic = clinic
        self._clock = clock
        self._recovered = RecoveredCampaigns(repositories)

    async def stats(self) -> DashboardStats:
        """The figures as they stand now."""
        clinic = await self._clinic.current()
        now = self._clock.now()
        months = last_months(now, clinic.zone)
        kpis, recovery, recall, recovered = await asyncio.gather(
            self._kpis(months[-1].since, now),
            self._rate(CampaignType.RECOVERY, now),
            self._rate(CampaignType.RECALL, now),
            self._recovered.between(months[0].since, just_after(now)),
        )
        return DashboardStats(
            kpis=kpis,
            conversion_rates=ConversionRates(recovery, recall),
            value=_value(recovered, months[-1].since, now, clinic.currency),
            series=Series(_series(recovered, months)),
            definitions=DEFINITIONS,
        )

    async def _kpis(self, month_start: datetime, now: datetime) -> Kpis:
        campaigns, appointments = self._repositories.campaigns, self._repositories.appointments
        end = just_after(now)
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
            campaign_type, now - RATE_WINDOW, just_after(now)
        )
        total = sum(ended.get(status, 0) for status in ENDED_STATUSES)
        if not total:
            return None
        return round(100 * ended.get(CampaignStatus.RECOVERED, 0) / total, 1)


def _value(
    recovered: Sequence[Recovered], month_start: datetime, now: datetime, currency: str
) -> RecoveredValue:
    in_month = [one for one in recovered if one.at >= month_start]
    in_window = [one for one in recovered if one.at >= now - RATE_WINDOW]
    return RecoveredValue(
        recovered_value_month=total_value(in_month),
        recovered_value_90_days=total_value(in_window),
        recovered_campaigns_month=len(in_month),
        recovered_campaigns_90_days=len(in_window),
        currency=currency,
    )


def _series(recovered: Sequence[Recovered], months: Sequence[Month]) -> list[MonthPoint]:
    counts = Counter(month_at(one.at, months) for one in recovered)
    return [MonthPoint(month.name, counts.get(month.name, 0)) for month in months]
