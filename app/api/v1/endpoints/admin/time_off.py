"""Time off of a provider, and closures of the clinic."""

from fastapi import APIRouter, Response, status

from app.api.deps import PageDep, ReadAccess, ScheduleSettingsDep, SettingsAccess
from app.api.openapi import problems
from app.models.base import PyObjectId
from app.schemas.paging import Pagination
from app.schemas.schedule import TimeOffCreate, TimeOffList, TimeOffRead, TimeOffUpdate

router = APIRouter(prefix="/time-off", tags=["schedule settings"])


@router.get("", summary="List time off", operation_id="list_time_off")
async def list_time_off(
    _user: ReadAccess, settings: ScheduleSettingsDep, paging: PageDep
) -> TimeOffList:
    """By start."""
    found = await settings.time_off.page(page=paging.page, limit=paging.limit)
    return TimeOffList(
        pagination=Pagination.of(found.total_items, paging),
        time_off=[TimeOffRead.model_validate(one) for one in found.items],
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Add time off",
    operation_id="create_time_off_entry",
    responses=problems(404),
)
async def create_time_off_entry(
    body: TimeOffCreate, _user: SettingsAccess, settings: ScheduleSettingsDep
) -> TimeOffRead:
    """Visits already booked in the span stay where they are. 404: no such provider."""
    return TimeOffRead.model_validate(await settings.create_time_off(body.model_dump()))


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
) -> TimeOffRead:
    """What is left out stays; `null` removes what may be absent."""
    fields = body.model_dump(exclude_unset=True)
    return TimeOffRead.model_validate(await settings.update_time_off(time_off_id, fields))


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
