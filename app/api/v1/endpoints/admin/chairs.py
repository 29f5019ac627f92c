"""Chairs: where services are done."""

from fastapi import Response, status

from app.api.deps import DryRun, PageDep, ReadAccess, ScheduleSettingsDep, SettingsAccess
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.base import PyObjectId
from app.schemas.paging import Pagination
from app.schemas.schedule import ChairChanged, ChairCreate, ChairList, ChairRead, ChairUpdate

router = PrefixRouter(prefix="/chairs", tags=["schedule settings"])


@router.get("", summary="List chairs", operation_id="list_chairs")
async def list_chairs(
    _user: ReadAccess, settings: ScheduleSettingsDep, paging: PageDep
) -> ChairList:
    """By name."""
    found = await settings.chairs.page(page=paging.page, limit=paging.limit)
    return ChairList(
        pagination=Pagination.of(found.total_items, paging),
        chairs=[ChairRead.model_validate(one) for one in found.items],
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Add a chair",
    operation_id="create_chair",
)
async def create_chair(
    body: ChairCreate, _user: SettingsAccess, settings: ScheduleSettingsDep
) -> ChairRead:
    """Without `service_ids` it serves all services."""
    return ChairRead.model_validate(await settings.chairs.create(body.model_dump()))


@router.get(
    "/{chair_id}",
    summary="One chair",
    operation_id="get_chair",
    responses=problems(404),
)
async def get_chair(
    chair_id: PyObjectId, _user: ReadAccess, settings: ScheduleSettingsDep
) -> ChairRead:
    """As it is stored."""
    return ChairRead.model_validate(await settings.chairs.get(chair_id))


@router.patch(
    "/{chair_id}",
    summary="Change a chair",
    operation_id="update_chair",
    responses=problems(404),
)
async def update_chair(
    chair_id: PyObjectId,
    body: ChairUpdate,
    _user: SettingsAccess,
    settings: ScheduleSettingsDep,
    *,
    dry_run: DryRun = False,
) -> ChairChanged:
    """What is left out stays; `null` removes what may be absent. Visits ahead that it no longer
    suits stay in the book and are listed.
    """
    fields = body.model_dump(exclude_unset=True)
    changed = await settings.update_chair(chair_id, fields, dry_run=dry_run)
    return ChairChanged.of(*changed)


@router.delete(
    "/{chair_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Remove a chair",
    operation_id="delete_chair",
    responses=problems(404, 409),
)
async def delete_chair(
    chair_id: PyObjectId,
    _user: SettingsAccess,
    settings: ScheduleSettingsDep,
    *,
    dry_run: DryRun = False,
) -> Response:
    """One that visits still to come need stays: the 409 names the first of them
    (`appointment_ids`). Move them, or set `active` to false.
    """
    await settings.delete_chair(chair_id, dry_run=dry_run)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
