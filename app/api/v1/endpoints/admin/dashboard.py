"""The dashboard: its first page, figures over time, and the rows behind any figure."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.api.deps import AnalyticsDep, DashboardDep, FigureRowsDep, PageDep, ReadAccess
from app.api.openapi import problems
from app.models.answering import AnsweredBy
from app.models.campaign import CampaignType
from app.schemas.analytics import AnalyticsRead, FigureRowList, FigureRowRead
from app.schemas.dashboard import DashboardStatsRead
from app.schemas.paging import Pagination
from app.services.analytics.rows import Figure, figure_called

router = APIRouter(tags=["dashboard"])

FigureName = Annotated[
    str, Path(max_length=60, examples=["contacted"], json_schema_extra={"enum": list(Figure)})
]


@router.get(
    "/dashboard-stats",
    summary="Key figures, each with its definition",
    operation_id="get_dashboard_stats",
    responses=problems(401, 403),
)
async def get_dashboard_stats(_user: ReadAccess, dashboard: DashboardDep) -> DashboardStatsRead:
    """Counts, conversion rates, recovered value and a twelve-month series, always from completed
    visits. A rate is `RECOVERED` / campaigns of that type that ended in the last 90 days, `null`
    where none ended.
    """
    return DashboardStatsRead.model_validate(await dashboard.stats())


@router.get(
    "/analytics",
    summary="Figures over twelve months, each with its definition",
    operation_id="get_analytics",
    responses=problems(401, 403),
)
async def get_analytics(_user: ReadAccess, analytics: AnalyticsDep) -> AnalyticsRead:
    """How far campaigns came (contacted, replied, booked, completed) by type and month of the first
    message; visits and recovered value by month; how long replies waited for their answer, by agent
    and by person; how long hand-offs wait; how right the agent reads, by staff's corrections.
    """
    return AnalyticsRead.model_validate(await analytics.report())


@router.get(
    "/analytics/{figure}/rows",
    summary="What a figure counts",
    operation_id="list_figure_rows",
    responses=problems(401, 403, 404, 422),
)
async def list_figure_rows(
    *,
    figure: FigureName,
    _user: ReadAccess,
    rows: FigureRowsDep,
    paging: PageDep,
    month: Annotated[
        str | None,
        Query(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="One of the last twelve; else this."),
    ] = None,
    campaign_type: Annotated[CampaignType | None, Query(description="Of the funnel.")] = None,
    by: Annotated[AnsweredBy | None, Query(description="Of answered replies.")] = None,
) -> FigureRowList:
    """The campaigns, visits or messages behind a figure, oldest first: it is their number, the sum
    of `value`, or the share of those with `counts`.
    """
    found = await rows.rows(figure_called(figure), month=month, campaign_type=campaign_type, by=by)
    start = (paging.page - 1) * paging.limit
    return FigureRowList(
        pagination=Pagination.of(len(found), paging),
        rows=[FigureRowRead.model_validate(row) for row in found[start : start + paging.limit]],
    )
