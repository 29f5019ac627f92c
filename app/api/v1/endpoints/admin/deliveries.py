"""Outgoing messages by state, and incoming ones nobody could match."""

from typing import Annotated

from fastapi import APIRouter, Query, status

from app.api.deps import DeliveriesDep, PageDep, ReadAccess, UnmatchedDep, WriteAccess
from app.api.openapi import problems
from app.db.repositories.delivery_filter import DeliveryFilter
from app.models.base import PyObjectId
from app.models.interaction import DeliveryStatus, MessageClass
from app.schemas.interactions import (
    DeliveryList,
    DeliveryRead,
    InteractionRead,
    UnmatchedAssign,
    UnmatchedList,
    UnmatchedRead,
)
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
    message_class: MessageClass | None = None,
    campaign_id: PyObjectId | None = None,
) -> DeliveryList:
    """Newest first. A pending one is tried at `not_before`; `delivery_error` says why it waits."""
    wanted = DeliveryFilter(delivery_status, message_class, campaign_id)
    found = await deliveries.page(wanted, page=paging.page, limit=paging.limit)
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


@router.post(
    "/deliveries/{interaction_id}/mark-sent",
    summary="Note that a message of unknown fate left",
    operation_id="mark_delivery_sent",
    responses=problems(401, 403, 404, 409, 422),
)
async def mark_delivery_sent(
    interaction_id: PyObjectId, _user: WriteAccess, deliveries: DeliveriesDep
) -> DeliveryRead:
    """For messages whose fate a crash left unknown, once a person has seen that they arrived."""
    return DeliveryRead.of_delivery(await deliveries.mark_sent(interaction_id))


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
        unmatched=[UnmatchedRead.of_unmatched(interaction) for interaction in found.items],
    )


@router.post(
    "/unmatched/{interaction_id}/assign",
    summary="Say whose message it is",
    operation_id="assign_unmatched",
    responses=problems(401, 403, 404, 409, 422),
)
async def assign_unmatched(
    interaction_id: PyObjectId, body: UnmatchedAssign, user: WriteAccess, unmatched: UnmatchedDep
) -> InteractionRead:
    """It joins the patient's active campaign, else their newest one. Of two who assign, one wins;
    the other is answered 409. Then a person is asked to answer it, or with `read_by_agent` the
    agent does.
    """
    assigned = await unmatched.assign(
        interaction_id, body.patient_id, read_by_agent=body.read_by_agent, by=user
    )
    return InteractionRead.of(assigned)


@router.post(
    "/unmatched/{interaction_id}/dismiss",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Take a message off the list",
    operation_id="dismiss_unmatched",
    responses=problems(401, 403, 404, 409, 422),
)
async def dismiss_unmatched(
    interaction_id: PyObjectId, user: WriteAccess, unmatched: UnmatchedDep
) -> None:
    """It belongs to nobody here (spam, a wrong number). It is kept, and who dismissed it."""
    await unmatched.dismiss(interaction_id, by=user)
