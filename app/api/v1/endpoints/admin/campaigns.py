"""Campaigns: list, look into, start, answer, move."""

from enum import StrEnum
from typing import Annotated

from fastapi import Header, Query, status

from app.api.deps import (
    CampaignViewsDep,
    ConversationsDep,
    PageDep,
    ReadAccess,
    RecoveryDep,
    WriteAccess,
)
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.base import PyObjectId
from app.models.campaign import CampaignStatus, CampaignType
from app.schemas.campaigns import (
    CampaignDetail,
    CampaignList,
    RecoveryCreate,
    RecoveryCreated,
    StaffResponse,
    StatusUpdate,
)
from app.schemas.interactions import InteractionRead
from app.schemas.paging import Pagination
from app.schemas.text import SearchText
from app.services.recovery import RecoveryRequest

router = PrefixRouter(prefix="/campaigns", tags=["campaigns"])


class CampaignSort(StrEnum):
    """The orders of the list."""

    NEWEST = "-last_updated"
    OLDEST = "last_updated"


@router.get(
    "",
    summary="List campaigns",
    operation_id="list_campaigns",
    responses=problems(401, 403, 422),
)
async def list_campaigns(  # noqa: PLR0917 - one parameter a query parameter
    _user: ReadAccess,
    views: CampaignViewsDep,
    paging: PageDep,
    statuses: Annotated[list[CampaignStatus] | None, Query(alias="status")] = None,
    campaign_type: CampaignType | None = None,
    q: Annotated[SearchText | None, Query(examples=["lop"])] = None,
    sort: CampaignSort = CampaignSort.NEWEST,
) -> CampaignList:
    """One page of campaigns, narrowed by status (repeatable), type, or the patient (`q`: the
    beginning of any word of the name, of the address, or a part of the phone number).
    """
    found = await views.page(
        statuses=statuses or [],
        campaign_type=campaign_type,
        q=q,
        newest_first=sort is CampaignSort.NEWEST,
        page=paging.page,
        limit=paging.limit,
    )
    pagination = Pagination.of(found.total_items, paging, is_lower_bound=found.total_is_lower_bound)
    return CampaignList(pagination=pagination, campaigns=found.rows)


@router.get(
    "/{campaign_id}",
    summary="One campaign with its conversation",
    operation_id="get_campaign",
    responses=problems(401, 403, 404, 422),
)
async def get_campaign(
    campaign_id: PyObjectId, _user: ReadAccess, views: CampaignViewsDep
) -> CampaignDetail:
    """Everything about a campaign, and everything that was said in it, oldest first."""
    return await views.detail(campaign_id)


@router.post(
    "/recovery",
    status_code=status.HTTP_201_CREATED,
    summary="Start a recovery campaign for a lead",
    operation_id="start_recovery_campaign",
    responses=problems(401, 403, 409, 422),
)
async def start_recovery(
    body: RecoveryCreate, user: WriteAccess, recovery: RecoveryDep
) -> RecoveryCreated:
    """Create the lead (or find the patient) and their campaign. Its first message is due at once
    and leaves in the next sending hour, without waiting for the sweep.
    """
    campaign = await recovery.start(
        RecoveryRequest(
            name=body.patient_name,
            email=body.patient_email,
            phone=body.patient_phone,
            initial_inquiry=body.initial_inquiry,
            estimated_value=body.estimated_value,
        ),
        by=user,
    )
    return RecoveryCreated(
        message="Recovery campaign started.",
        patient_id=campaign.patient_id,
        campaign_id=campaign.id,
    )


@router.post(
    "/{campaign_id}/respond",
    status_code=status.HTTP_201_CREATED,
    summary="Write to the patient",
    operation_id="respond_in_campaign",
    responses=problems(401, 403, 404, 409, 422),
)
async def respond(
    campaign_id: PyObjectId,
    body: StaffResponse,
    user: WriteAccess,
    conversations: ConversationsDep,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> InteractionRead:
    """Send a message in the thread. Without `new_status`, or with `HANDOFF_REQUIRED`, a person
    keeps the thread and the agent is silent; `RE_ENGAGED` releases it to the agent. A refused move
    answers 409 and sends nothing. An `Idempotency-Key` makes a retry safe.
    """
    interaction = await conversations.respond(
        campaign_id,
        body.message,
        by=user,
        new_status=body.new_status,
        idempotency_key=idempotency_key,
    )
    return InteractionRead.of(interaction)


@router.patch(
    "/{campaign_id}/status",
    summary="Move a campaign by hand",
    operation_id="set_campaign_status",
    responses=problems(401, 403, 404, 409, 422),
)
async def set_status(
    campaign_id: PyObjectId,
    body: StatusUpdate,
    user: WriteAccess,
    conversations: ConversationsDep,
    views: CampaignViewsDep,
) -> CampaignDetail:
    """Staff set `RE_ENGAGED`, `HANDOFF_REQUIRED`, `MANUAL_FOLLOWUP_COMPLETE`, `RECOVERY_DECLINED`
    and `RECOVERY_FAILED` where the life cycle allows; bookings and visits alone set the others.
    """
    await conversations.set_status(campaign_id, body.status, by=user)
    return await views.detail(campaign_id)
