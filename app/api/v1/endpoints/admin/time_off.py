"""Time off of a provider, and closures of the clinic."""

from typing import Annotated

from fastapi import Query, Response, status

from app.api.deps import DryRun, PageDep, ReadAccess, ScheduleSettingsDep, SettingsAccess
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.base import PyObjectId
from app.schemas.paging import Pagination
from app.schemas.schedule import (
    TimeOffChanged,
    TimeOffCreate,
    TimeOffList,
    TimeOffPreview,
    TimeOffRead,
    TimeOffUpdate,
)
from app.schemas.times import QueryDay

router = PrefixRouter(prefix="/time-off", tags=["schedule settings"])

DayQuery = Annotated[QueryDay | None, Query(description="A clinic-local day, inclusive.")]


@router.get("", summary="List time off", operation_id="list_time_off")
async def list_time_off(
    *,
    _user: ReadAccess,
    settings: ScheduleSettingsDep,
    paging: PageDep,
    provider_id: Annotated[
        PyObjectId | None, Query(description="This provider's own, without closures.")
    ] = None,
    start_date: DayQuery = None,
    end_date: DayQuery = None,
) -> TimeOffList:
    """By start; of the days named, whatever touches them."""
    found = await settings.time_off_page(
        provider_id=provider_id,
        start_date=start_date,
        end_date=end_date,
        page=paging.page,
        limit=paging.limit,
    )
    return TimeOffList(
        pagination=Pagination.of(found.total_items, paging),
        time_off=[TimeOffRead.model_validate(one) for one in found.items],
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Add time off",
    operation_id="create_time_off_entry",
    responses={200: {"model": TimeOffPreview, "description": "A dry run."}, **problems(404)},
)
async def create_time_off_entry(
    body: TimeOffCreate,
    _user: SettingsAccess,
    settings: ScheduleSettingsDep,
    response: Response,
    *,
    dry_run: DryRun = False,
) -> TimeOffChanged | TimeOffPreview:
    """Visits already booked in the span stay where they are and are listed. A dry run adds nothing
    and answers 200, without an id. 404: no such provider.
    """
    added = await settings.create_time_off(body.model_dump(), dry_run=dry_run)
    if dry_run:
        response.status_code = status.HTTP_200_OK
        return TimeOffPreview.of(*added)
    return TimeOffChanged.of(*added)


@router.get(
    "/{time_off_id}",
    summary="One time off",
    operation_id="get_time_off_entry",
    responses=problems(404),
)
async def get_time_off_entry(
    time_off_id: PyObjectId, _user: ReadAccess, settings: ScheduleSettingsDep
) -> TimeOffRead:
    """As it is stored."""
    return TimeOffRead.model_validate(await settings.time_off.get(time_off_id))


@router.patch(
    "/{time_off_id}",
    summary="Change time off",
    operation_id="update_time_off_entry",
    responses=problems(404),
)
async def update_time_off_entry(
    time_off_id: PyObjectId,
    body: TimeOffUpdate,
    _user: SettingsAccess,
    settings: ScheduleSettingsDep,
    *,
    dry_run: DryRun = False,
) -> TimeOffChanged:
    """What is left out stays; `null` removes what may be absent. Visits already booked in the span
    stay where they are and are listed.
    """
    fields = body.model_dump(exclude_unset=True)
    changed = await settings.update_time_off(time_off_id, fields, dry_run=dry_run)
    return TimeOffChanged.of(*changed)


@router.delete(
    "/{time_off_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Remove time off",
    operation_id="delete_time_off_entry",
    responses=problems(404),
)
async def delete_time_off_entry(
    time_off_id: PyObjectId, _user: SettingsAccess, settings: ScheduleSettingsDep
) -> Response:
    """The time can be booked again."""
    await settings.delete_time_off(time_off_id)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
