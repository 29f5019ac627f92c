"""Sweeps by hand."""

from typing import Annotated

from fastapi import Path, Response, status

from app.api.deps import PageDep, ReadAccess, SweepForecastDep, SweepsDep, WriteAccess
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.records import SweepStatus
from app.schemas.paging import Pagination
from app.schemas.sweeps import ForecastRead, SweepList, SweepRead, SweepRequest

router = PrefixRouter(prefix="/sweeps", tags=["sweeps"])

ANSWER_WITHIN_SECONDS = 30.0


@router.post(
    "",
    summary="Run a sweep now",
    operation_id="run_sweep",
    responses={
        status.HTTP_202_ACCEPTED: {
            "model": SweepRead,
            "description": "Still running after 30 seconds; ask for it by its id.",
        },
        **problems(401, 403, 409, 422),
    },
)
async def run_sweep(
    body: SweepRequest, user: WriteAccess, sweeps: SweepsDep, response: Response
) -> SweepRead:
    """Runs at once under its own id, as often as asked: 200 with the final counts. While another
    runs: 409 with its id. A dry run lists who would be written to and why, and writes nothing.
    """
    sweep = await sweeps.run_now(str(user.id), body.dry_run, patience_seconds=ANSWER_WITHIN_SECONDS)
    if sweep.status == SweepStatus.RUNNING:
        response.status_code = status.HTTP_202_ACCEPTED
    return SweepRead.of(sweep)


@router.get(
    "",
    summary="List sweeps",
    operation_id="list_sweeps",
    responses=problems(401, 403, 422),
)
async def list_sweeps(_user: ReadAccess, sweeps: SweepsDep, paging: PageDep) -> SweepList:
    """Newest first. Dry runs leave no record."""
    found = await sweeps.page(page=paging.page, limit=paging.limit)
    return SweepList(
        pagination=Pagination.of(found.total_items, paging),
        sweeps=[SweepRead.of(sweep) for sweep in found.items],
    )


@router.get(
    "/forecast",
    summary="Whom the sweeps of the next seven days would write to",
    operation_id="forecast_sweeps",
    responses=problems(401, 403),
)
async def forecast_sweeps(_user: ReadAccess, forecast: SweepForecastDep) -> ForecastRead:
    """How many would be contacted each day, by rule, if nobody answered, booked or opted out until
    then; today is what a sweep would do now. Before the limits a day and a week that the address
    itself has. Nothing is written.
    """
    return ForecastRead.model_validate(await forecast.look_ahead())


@router.get(
    "/{sweep_id}",
    summary="One sweep",
    operation_id="get_sweep",
    responses=problems(401, 403, 404, 422),
)
async def get_sweep(
    sweep_id: Annotated[
        str,
        Path(pattern=r"^([0-9a-f]{24}|auto:\d{4}-\d{2}-\d{2})$", examples=["auto:2026-11-23"]),
    ],
    _user: ReadAccess,
    sweeps: SweepsDep,
) -> SweepRead:
    """A run by hand has an id of its own, the daily one is `auto:` and its local date."""
    return SweepRead.of(await sweeps.get(sweep_id))
