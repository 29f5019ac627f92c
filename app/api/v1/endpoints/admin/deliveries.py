"""Outgoing messages by state, and incoming ones nobody could match."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.deps import DeliveriesDep, PageDep, ReadAccess, WriteAccess
from app.api.openapi import problems
from app.models.base import PyObjectId
from app.models.interaction import DeliveryStatus
from app.schemas.interactions import DeliveryList, DeliveryRead, InteractionRead, UnmatchedList
from app.schemas.paging import Pagination

router = APIRouter(tags=["messages"])


@router.get(
    "/deliveries",
    summary="Outgoing messages by state",
    operation_id="list_deliveries",
    responses=problems(401, 403, 422),
)
async def list_deliveries(
    _user: ReadAccess,
    deliveries: DeliveriesDep,
    paging: PageDep,
    delivery_status: Annotated[DeliveryStatus | None, Query(alias="status")] = None,
) -> DeliveryList:
    """Newest first. A pending one is tried at `not_before`; `delivery_error` says why it waits."""
    found = await deliveries.page(delivery_status, page=paging.page, limit=paging.limit)
    return DeliveryList(
        pagination=Pagination.of(found.total_items, paging),
        deliveries=[DeliveryRead.of_delivery(interaction) for interaction in found.items],
    )


@router.post(
    "/deliveries/{interaction_id}/retry",
    summary="Send a failed message again",
    operation_id="retry_delivery",
    responses=problems(401, 403, 404, 409, 422),
)
async def retry_delivery(
    interaction_id: PyObjectId, _user: WriteAccess, deliveries: DeliveriesDep
) -> DeliveryRead:
    """For messages that failed, or whose fate a crash left unknown: a person knows better."""
    return DeliveryRead.of_delivery(await deliveries.retry(interaction_id))


@router.get(
    "/unmatched",
    summary="Incoming messages that matched no campaign",
    operation_id="list_unmatched",
    responses=problems(401, 403, 422),
)
async def list_unmatched(
    _user: ReadAccess, deliveries: DeliveriesDep, paging: PageDep
) -> UnmatchedList:
    """Newest first."""
    found = await deliveries.unmatched(page=paging.page, limit=paging.limit)
    return UnmatchedList(
        pagination=Pagination.of(found.total_items, paging),
        unmatched=[InteractionRead.of(interaction) for interaction in found.items],
    )
