"""Conversations, and what is written down by hand."""

from fastapi import status

from app.api.deps import ConversationsDep, CorrectionsDep, ReadAccess, WriteAccess
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.base import PyObjectId
from app.schemas.interactions import (
    ConversationRead,
    IntentUpdate,
    InteractionCreate,
    InteractionRead,
)
from app.schemas.paging import Pagination
from app.services.conversations import StaffNote

router = PrefixRouter(prefix="/interactions", tags=["campaigns"])


@router.get(
    "/{campaign_id}",
    summary="A campaign's whole conversation",
    operation_id="get_conversation",
    responses=problems(401, 403, 404, 422),
)
async def get_conversation(
    campaign_id: PyObjectId, _user: ReadAccess, conversations: ConversationsDep
) -> ConversationRead:
    """Everything that was said in the campaign, oldest first."""
    said = await conversations.history(campaign_id)
    return ConversationRead(
        pagination=Pagination.whole(len(said)),
        interactions=[InteractionRead.of(interaction) for interaction in said],
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Write down what was said elsewhere",
    operation_id="record_interaction",
    responses=problems(401, 403, 404, 422),
)
async def record_interaction(
    body: InteractionCreate, user: WriteAccess, conversations: ConversationsDep
) -> InteractionRead:
    """A record by hand, of a call for example. Nothing is sent; outreach that waits is dropped
    where the patient spoke.
    """
    note = StaffNote(
        campaign_id=body.campaign_id,
        direction=body.direction,
        channel=body.channel,
        content=body.content,
        timestamp=body.timestamp,
    )
    return InteractionRead.of(await conversations.note(note, by=user))


@router.patch(
    "/{interaction_id}/intent",
    summary="Correct what the agent read",
    operation_id="correct_intent",
    responses=problems(401, 403, 404, 409, 422),
)
async def correct_intent(
    interaction_id: PyObjectId, body: IntentUpdate, user: WriteAccess, corrections: CorrectionsDep
) -> InteractionRead:
    """Say what a patient's message wanted. It is kept as labelled data for the next training, with
    who said so, when, and which model had said what; a second correction replaces the first, which
    stays in the record. Nothing else follows: no status, no message, no opt-out. 409 where the
    agent decided nothing about the message.
    """
    return InteractionRead.of(await corrections.correct(interaction_id, body.intent, by=user))
