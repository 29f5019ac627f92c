"""The dashboard's first page."""

from fastapi import APIRouter

from app.api.deps import DashboardDep, ReadAccess
from app.api.openapi import problems
from app.schemas.dashboard import DashboardStatsRead

router = APIRouter(tags=["dashboard"])


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
