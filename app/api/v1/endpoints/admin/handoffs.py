"""What waits for a person."""

from app.api.deps import CampaignViewsDep, ConversationsDep, PageDep, ReadAccess, WriteAccess
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.base import PyObjectId
from app.schemas.campaigns import CampaignDetail, HandoffList
from app.schemas.paging import Pagination

router = PrefixRouter(prefix="/handoffs", tags=["hand-offs"])


@router.get(
    "",
    summary="Everything that waits for a person",
    operation_id="list_handoffs",
    responses=problems(401, 403, 422),
)
async def list_handoffs(_user: ReadAccess, views: CampaignViewsDep, paging: PageDep) -> HandoffList:
    """Every unresolved attention, whatever the campaign's status: urgent first, oldest first, with
    its age and whether it is overdue.
    """
    waiting = await views.handoffs(page=paging.page, limit=paging.limit)
    return HandoffList(pagination=Pagination.of(waiting.total_items, paging), handoffs=waiting.rows)


@router.post(
    "/{campaign_id}/claim",
    summary="Take a hand-off",
    operation_id="claim_handoff",
    responses=problems(401, 403, 404, 409, 422),
)
async def claim_handoff(
    campaign_id: PyObjectId,
    user: WriteAccess,
    conversations: ConversationsDep,
    views: CampaignViewsDep,
) -> CampaignDetail:
    """Of two who claim, one wins; the other is answered 409."""
    await conversations.claim(campaign_id, by=user)
    return await views.detail(campaign_id)


@router.post(
    "/{campaign_id}/release",
    summary="Give a conversation back to the agent",
    operation_id="release_handoff",
    responses=problems(401, 403, 404, 409, 422),
)
async def release_handoff(
    campaign_id: PyObjectId,
    user: WriteAccess,
    conversations: ConversationsDep,
    views: CampaignViewsDep,
) -> CampaignDetail:
    """Resolve what waited: a handed-off campaign becomes `RE_ENGAGED`, any other keeps its status,
    and the agent may answer again.
    """
    await conversations.release(campaign_id, by=user)
    return await views.detail(campaign_id)
