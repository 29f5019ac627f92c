"""Services: what can be booked, and how long it takes."""

from fastapi import Response, status

from app.api.deps import DryRun, PageDep, ReadAccess, ScheduleSettingsDep, SettingsAccess
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.schedule import ServiceSlug
from app.schemas.paging import Pagination
from app.schemas.schedule import (
    ServiceChanged,
    ServiceCreate,
    ServiceList,
    ServiceRead,
    ServiceUpdate,
)

router = PrefixRouter(prefix="/services", tags=["schedule settings"])


@router.get("", summary="List services", operation_id="list_services")
async def list_services(
    _user: ReadAccess, settings: ScheduleSettingsDep, paging: PageDep
) -> ServiceList:
    """By name, those that only staff book included."""
    found = await settings.service_page(page=paging.page, limit=paging.limit)
    return ServiceList(
        pagination=Pagination.of(found.total_items, paging),
        services=[ServiceRead.model_validate(one) for one in found.items],
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Add a service",
    operation_id="create_service",
    responses=problems(409),
)
async def create_service(
    body: ServiceCreate, _user: SettingsAccess, settings: ScheduleSettingsDep
) -> ServiceRead:
    """`service_id` is what clients call it, for good."""
    return ServiceRead.model_validate(await settings.create_service(body.model_dump()))


@router.get(
    "/{service_id}",
    summary="One service",
    operation_id="get_service",
    responses=problems(404),
)
async def get_service(
    service_id: ServiceSlug, _user: ReadAccess, settings: ScheduleSettingsDep
) -> ServiceRead:
    """As it is stored."""
    return ServiceRead.model_validate(await settings.service(service_id))


@router.patch(
    "/{service_id}",
    summary="Change a service",
    operation_id="update_service",
    responses=problems(404),
)
async def update_service(
    service_id: ServiceSlug,
    body: ServiceUpdate,
    _user: SettingsAccess,
    settings: ScheduleSettingsDep,
    *,
    dry_run: DryRun = False,
) -> ServiceChanged:
    """What is left out stays; `null` removes what may be absent. Visits ahead that it no longer
    suits stay in the book and are listed.
    """
    fields = body.model_dump(exclude_unset=True)
    changed = await settings.update_service(service_id, fields, dry_run=dry_run)
    return ServiceChanged.of(*changed)


@router.delete(
    "/{service_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Remove a service",
    operation_id="delete_service",
    responses=problems(404, 409),
)
async def delete_service(
    service_id: ServiceSlug,
    _user: SettingsAccess,
    settings: ScheduleSettingsDep,
    *,
    dry_run: DryRun = False,
) -> Response:
    """One that visits still to come need stays: the 409 names the first of them
    (`appointment_ids`). Move them, or set `active` to false.
    """
    await settings.delete_service(service_id, dry_run=dry_run)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
