"""Services: what can be booked, and how long it takes."""

from fastapi import APIRouter, Response, status

from app.api.deps import PageDep, ReadAccess, ScheduleSettingsDep, SettingsAccess
from app.api.openapi import problems
from app.models.schedule import ServiceSlug
from app.schemas.paging import Pagination
from app.schemas.schedule import ServiceCreate, ServiceList, ServiceRead, ServiceUpdate

router = APIRouter(prefix="/services", tags=["schedule settings"])


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
) -> ServiceRead:
    """What is left out stays; `null` removes what may be absent."""
    fields = body.model_dump(exclude_unset=True)
    return ServiceRead.model_validate(await settings.update_service(service_id, fields))


@router.delete(
    "/{service_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Remove a service",
    operation_id="delete_service",
    responses=problems(404, 409),
)
async def delete_service(
    service_id: ServiceSlug, _user: SettingsAccess, settings: ScheduleSettingsDep
) -> Response:
    """One that visits still to come need stays (409): set `active` to false instead."""
    await settings.delete_service(service_id)
    return Response(status_code=status.HTTP_204_NO_CONTENT)
