"""Providers: who performs what, and when."""

from fastapi import APIRouter, Response, status

from app.api.deps import PageDep, ReadAccess, ScheduleSettingsDep, SettingsAccess
from app.api.openapi import problems
from app.models.base import PyObjectId
from app.schemas.paging import Pagination
from app.schemas.schedule import ProviderCreate, ProviderList, ProviderRead, ProviderUpdate

router = APIRouter(prefix="/providers", tags=["schedule settings"])


@router.get("", summary="List providers", operation_id="list_providers")
async def list_providers(
    _user: ReadAccess, settings: ScheduleSettingsDep, paging: PageDep
) -> ProviderList:
    """By name."""
    found = await settings.providers.page(page=paging.page, limit=paging.limit)
    return ProviderList(
        pagination=Pagination.of(found.total_items, paging),
        providers=[ProviderRead.model_validate(one) for one in found.items],
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Add a provider",
    operation_id="create_provider",
)
async def create_provider(
    body: ProviderCreate, _user: SettingsAccess, settings: ScheduleSettingsDep
) -> ProviderRead:
    """They can be booked at once, for the services named."""
    return ProviderRead.model_validate(await settings.providers.create(body.model_dump()))


@router.patch(
    "/{provider_id}",
    summary="Change a provider",
    operation_id="update_provider",
    responses=problems(404),
)
async def update_provider(
    provider_id: PyObjectId,
    body: ProviderUpdate,
    _user: SettingsAccess,
    settings: ScheduleSettingsDep,
) -> ProviderRead:
    """What is left out stays; `null` removes what may be absent."""
    fields = body.model_dump(exclude_unset=True)
    return ProviderRead.model_validate(await settings.providers.update(provider_id, fields))


@router.delete(
    "/{provider_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Remove a provider",
    operation_id="delete_provider",
    responses=problems(404, 409),
)
async def delete_provider(
    provider_id: PyObjectId, _user: SettingsAccess, settings: ScheduleSettingsDep
) -> Response:
    """One that visits still to come need stays (409): set `active` to false instead."""
    await settings.delete_provider(provider_id)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
