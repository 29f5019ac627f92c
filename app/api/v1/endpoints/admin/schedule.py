"""The book by the day."""

from typing import Annotated

from fastapi import Query

from app.api.deps import DayViewsDep, PageDep, ReadAccess, ScheduleSettingsDep
from app.api.routes import PrefixRouter
from app.schemas.day import DaySchedule
from app.schemas.paging import Pagination
from app.schemas.stranded import StrandedList
from app.schemas.times import QueryDay

router = PrefixRouter(prefix="/schedule", tags=["appointments"])


@router.get("", summary="A day by provider and chair", operation_id="get_day_schedule")
async def get_day_schedule(
    _user: ReadAccess,
    days: DayViewsDep,
    day: Annotated[
        QueryDay | None,
        Query(
            alias="date",
            description="A clinic-local day; without one, today.",
            examples=["2026-08-20"],
        ),
    ] = None,
) -> DaySchedule:
    """Hours, absences, visits and free gaps of each provider, the visits in each chair, and
    whether and why the practice is closed. Visits that reach over midnight are in both days.
    """
    return await days.of(day)


@router.get("/stranded", summary="Visits that no longer fit", operation_id="list_stranded_visits")
async def list_stranded_visits(
    _user: ReadAccess, settings: ScheduleSettingsDep, paging: PageDep
) -> StrandedList:
    """Every visit ahead that hours, closures, providers, chairs or services no longer suit, by
    start and with the reason, until somebody moves or cancels it.
    """
    rows, total = await settings.stranded.page(page=paging.page, limit=paging.limit)
    return StrandedList(pagination=Pagination.of(total, paging), stranded_appointments=rows)
