"""Providers: who performs what, and when."""

from fastapi import Response, status

from app.api.deps import DryRun, PageDep, ReadAccess, ScheduleSettingsDep, SettingsAccess
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.base import PyObjectId
from app.schemas.paging import Pagination
from app.schemas.schedule import (
    ProviderChanged,
    ProviderCreate,
    ProviderList,
    ProviderRead,
    ProviderUpdate,
)

router = PrefixRouter(prefix="/providers", tags=["schedule settings"])


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


@router.get(
    "/{provider_id}",
    summary="One provider",
    operation_id="get_provider",
    responses=problems(404),
)
async def get_provider(
    provider_id: PyObjectId, _user: ReadAccess, settings: ScheduleSettingsDep
) -> ProviderRead:
    """As it is stored."""
    return ProviderRead.model_validate(await settings.providers.get(provider_id))


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
    *,
    dry_run: DryRun = False,
) -> ProviderChanged:
    """What is left out stays; `null` removes what may be absent. Visits ahead that it no longer
    suits stay in the book and are listed.
    """
    fields = body.model_dump(exclude_unset=True)
    changed = await settings.update_provider(provider_id, fields, dry_run=dry_run)
    return ProviderChanged.of(*changed)


@router.delete(
    "/{provider_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Remove a provider",
    operation_id="delete_provider",
    responses=problems(404, 409),
)
async def delete_provider(
    provider_id: PyObjectId,
    _user: SettingsAccess,
    settings: ScheduleSettingsDep,
    *,
    dry_run: DryRun = False,
) -> Response:
    """One that visits still to come need stays: the 409 names the first of them
    (`appointment_ids`). Move them, or set `active` to false.
    """
    await settings.delete_provider(provider_id, dry_run=dry_run)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
