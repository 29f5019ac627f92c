"""Who waits for a time to free up, as staff see it."""

from typing import Annotated

from fastapi import Query, Response, status

from app.api.deps import PageDep, ReadAccess, WaitlistDep, WriteAccess
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.base import PyObjectId
from app.models.waitlist import WaitlistStatus
from app.schemas.paging import Pagination
from app.schemas.waitlist import WaitlistAdd, WaitlistEntryRead, WaitlistPage
from app.services.conversations import staff_actor
from app.services.scheduling.waitlist import WaitlistWish

router = PrefixRouter(prefix="/waitlist", tags=["waitlist"])


@router.get("", summary="List who waits", operation_id="list_waitlist")
async def list_waitlist(
    _user: ReadAccess,
    waitlist: WaitlistDep,
    paging: PageDep,
    entry_status: Annotated[WaitlistStatus | None, Query(alias="status")] = None,
) -> WaitlistPage:
    """Longest waiting first, the order in which times are offered. `held_back` says whom a person
    has to call.
    """
    found = await waitlist.page(entry_status, page=paging.page, limit=paging.limit)
    return WaitlistPage(
        pagination=Pagination.of(found.total_items, paging),
        waitlist=[WaitlistEntryRead.of(one) for one in found.items],
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Put somebody on the waitlist",
    operation_id="add_to_waitlist",
    responses=problems(404, 409),
)
async def add_to_waitlist(
    body: WaitlistAdd, user: WriteAccess, waitlist: WaitlistDep
) -> WaitlistEntryRead:
    """A patient, or a name with an address or a number. 409: they wait for this already."""
    added = await waitlist.add(WaitlistWish(**body.fields()), by=staff_actor(user))
    return WaitlistEntryRead.of(added)


@router.delete(
    "/{waitlist_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    summary="Take somebody off the waitlist",
    operation_id="remove_from_waitlist",
    responses=problems(404),
)
async def remove_from_waitlist(
    waitlist_id: PyObjectId, user: WriteAccess, waitlist: WaitlistDep
) -> Response:
    """For good; the audit log keeps that they were on it. Their offers cannot be taken any more."""
    await waitlist.remove(waitlist_id, by=staff_actor(user))
    return Response(status_code=status.HTTP_204_NO_CONTENT)
