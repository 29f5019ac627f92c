"""The rows behind every figure the practice is shown.

Whatever is counted can be listed: a figure is the number of its rows, the sum of their values, or
the share of them that counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.core.clock import Clock
from app.core.errors import NotFoundError
from app.db.repositories import Repositories
from app.db.repositories.analytics import Reply, Row, Stage, VisitFigure
from app.models.answering import AnsweredBy
from app.models.base import PyObjectId
from app.models.campaign import ACTIVE_STATUSES, ENDED_STATUSES, CampaignStatus, CampaignType
from app.services.analytics.calendar import Month, just_after, month_called
from app.services.analytics.definitions import RATE_WINDOW
from app.services.analytics.recovered import Recovered, RecoveredCampaigns
from app.services.analytics.responses import AnsweredReply, read_replies
from app.services.clinic import ClinicService


class Figure(StrEnum):
    """A figure whose rows can be listed. Those of a month are of the month that is asked for."""

    APPOINTMENTS_BOOKED_MONTH = "appointments_booked_month"
    VISITS_COMPLETED_MONTH = "visits_completed_month"
    HANDOFFS_REQUIRING_ACTION = "handoffs_requiring_action"
    ACTIVE_RECOVERY_CAMPAIGNS = "active_recovery_campaigns"
    ACTIVE_RECALL_CAMPAIGNS = "active_recall_campaigns"
    RECOVERY_RATE_PERCENT = "recovery_rate_percent"
    RECALL_RATE_PERCENT = "recall_rate_percent"
    RECOVERED_CAMPAIGNS_MONTH = "recovered_campaigns_month"
    RECOVERED_CAMPAIGNS_90_DAYS = "recovered_campaigns_90_days"
    RECOVERED_VALUE_MONTH = "recovered_value_month"
    RECOVERED_VALUE_90_DAYS = "recovered_value_90_days"
    CONTACTED = "contacted"
    REPLIED = "replied"
    BOOKED = "booked"
    COMPLETED = "completed"
    ANSWERED_REPLIES = "answered_replies"
    UNANSWERED_REPLIES = "unanswered_replies"
    AGENT_ACCURACY_PERCENT = "agent_accuracy_percent"
    AGENT_REVIEWED_ACCURACY_PERCENT = "agent_reviewed_accuracy_percent"


class UnknownFigureError(NotFoundError):
    """No figure is called so."""

    slug = "unknown-figure"
    title = "There is no such figure"


def figure_called(name: str) -> Figure:
    """Raises `UnknownFigureError`."""
    try:
        return Figure(name)
    except ValueError as error:
        message = "No figure is called so; the definitions name them."
        raise UnknownFigureError(message) from error


@dataclass(frozen=True)
class FigureRow:
    """One thing behind a figure: a campaign, a visit or a message by its id."""

    id: PyObjectId
    at: datetime
    campaign_id: PyObjectId | None = None
    counts: bool = True
    """Of a share: whether it is one of those that are counted, or of the rest."""
    value: float | None = None
    seconds: int | None = None
    by: AnsweredBy | None = None


_STAGES = {
    Figure.CONTACTED: Stage.CONTACTED,
    Figure.REPLIED: Stage.REPLIED,
    Figure.BOOKED: Stage.BOOKED,
    Figure.COMPLETED: Stage.COMPLETED,
}
_VISITS = {
    Figure.APPOINTMENTS_BOOKED_MONTH: VisitFigure.BOOKED,
    Figure.VISITS_COMPLETED_MONTH: VisitFigure.COMPLETED,
}
_VALUES = frozenset({Figure.RECOVERED_VALUE_MONTH, Figure.RECOVERED_VALUE_90_DAYS})
_LATELY = frozenset({Figure.RECOVERED_CAMPAIGNS_90_DAYS, Figure.RECOVERED_VALUE_90_DAYS})
_RECOVERED = _VALUES | _LATELY | {Figure.RECOVERED_CAMPAIGNS_MONTH}
_CAMPAIGNS = {
    Figure.HANDOFFS_REQUIRING_ACTION: (CampaignType.RECOVERY, False),
    Figure.ACTIVE_RECOVERY_CAMPAIGNS: (CampaignType.RECOVERY, False),
    Figure.ACTIVE_RECALL_CAMPAIGNS: (CampaignType.RECALL, False),
    Figure.RECOVERY_RATE_PERCENT: (CampaignType.RECOVERY, True),
    Figure.RECALL_RATE_PERCENT: (CampaignType.RECALL, True),
}


class FigureRows:
    """Lists them; every query is bounded by an indexed range."""

    def __init__(self, repositories: Repositories, clinic: ClinicService, clock: Clock) -> None:
        self._repositories = repositories
        self._source = repositories.analytics
        self._recovered = RecoveredCampaigns(repositories)
        self._clinic = clinic
        self._clock = clock

    async def rows(
        self,
        figure: Figure,
        *,
        month: str | None = None,
        campaign_type: CampaignType | None = None,
        by: AnsweredBy | None = None,
    ) -> list[FigureRow]:
        """What a figure counts, oldest first. `month` is `YYYY-MM`, else the current one; it, the
        type and `by` matter to the figures that are told apart by them.

        Raises `UnknownMonthError`.
        """
        now = self._clock.now()
        zone = (await self._clinic.current()).zone
        wanted = month_called(month, now, zone)
        if figure in _STAGES:
            types = [campaign_type] if campaign_type else list(CampaignType)
            found = await self._source.stage_rows(
                _STAGES[figure], types, wanted.since, wanted.before
            )
            return [_row(one) for one in found]
        if figure in _VISITS:
            span = (wanted.since, wanted.before)
            return [_row(one) for one in await self._source.visit_rows(_VISITS[figure], *span)]
        if figure in _RECOVERED:
            since, before = _span(figure, wanted, now)
            return _recovered_rows(figure, await self._recovered.between(since, before))
        if figure in _CAMPAIGNS:
            return await self._campaign_rows(figure, now)
        return _reply_rows(figure, *await read_replies(self._source, now), by)

    async def _campaign_rows(self, figure: Figure, now: datetime) -> list[FigureRow]:
        campaigns = self._repositories.campaigns
        if figure is Figure.HANDOFFS_REQUIRING_ACTION:
            found = await campaigns.open_attentions()
            return [
                FigureRow(one.id, one.attention.since, one.id) for one in found if one.attention
            ]
        kind, is_rate = _CAMPAIGNS[figure]
        if not is_rate:
            active = await campaigns.of_type_in(kind, sorted(ACTIVE_STATUSES))
            return [FigureRow(one.id, one.created_at, one.id) for one in active]
        ended = await campaigns.ended_between(
            kind, sorted(ENDED_STATUSES), now - RATE_WINDOW, just_after(now)
        )
        recovered = CampaignStatus.RECOVERED
        return [
            FigureRow(one.id, one.ended_at or one.updated_at, one.id, one.status == recovered)
            for one in ended
        ]


def _row(row: Row) -> FigureRow:
    return FigureRow(row.id, row.at, row.campaign_id)


def _span(figure: Figure, month: Month, now: datetime) -> tuple[datetime, datetime]:
    if figure in _LATELY:
        return now - RATE_WINDOW, just_after(now)
    return month.since, month.before


def _recovered_rows(figure: Figure, recovered: Sequence[Recovered]) -> list[FigureRow]:
    """Of a value the visits it is the sum of, else the campaigns."""
    if figure not in _VALUES:
        return [FigureRow(one.campaign_id, one.at, one.campaign_id) for one in recovered]
    return [
        FigureRow(visit.id, visit.at, visit.campaign_id, value=value)
        for one in recovered
        for visit, value in one.visits
    ]


def _reply_rows(
    figure: Figure,
    answered: Sequence[AnsweredReply],
    read: Sequence[Reply],
    by: AnsweredBy | None,
) -> list[FigureRow]:
    if figure is Figure.UNANSWERED_REPLIES:
        return [_waiting_row(one) for one in answered if one.by is None]
    if figure is Figure.ANSWERED_REPLIES:
        return [_waiting_row(one) for one in answered if one.by and by in {None, one.by}]
    given = figure is Figure.AGENT_REVIEWED_ACCURACY_PERCENT
    return [
        FigureRow(one.id, one.at, one.campaign_id, not one.is_corrected)
        for one in read
        if one.corrected_to is not None or not given
    ]


def _waiting_row(one: AnsweredReply) -> FigureRow:
    reply = one.reply
    return FigureRow(reply.id, reply.at, reply.campaign_id, seconds=one.seconds, by=one.by)
