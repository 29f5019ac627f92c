"""The knowledge base: what the agent may answer from."""

from fastapi import Response, status

from app.api.deps import (
    AiAgentDep,
    KnowledgeDep,
    PageDep,
    ReadAccess,
    UnansweredDep,
    WriteAccess,
)
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.base import PyObjectId
from app.schemas.knowledge import (
    KnowledgeAnswer,
    KnowledgeCreate,
    KnowledgeList,
    KnowledgeQuestion,
    KnowledgeRead,
    KnowledgeSource,
    KnowledgeUpdate,
    UnansweredDismiss,
    UnansweredExample,
    UnansweredGroup,
    UnansweredList,
)
from app.schemas.paging import Pagination
from app.services.agent.unanswered import QuestionGroup

router = PrefixRouter(prefix="/knowledge", tags=["knowledge"])

MAX_EXAMPLES = 5


@router.get(
    "",
    summary="List articles",
    operation_id="list_knowledge",
    responses=problems(401, 403, 422),
)
async def list_knowledge(
    _user: ReadAccess, knowledge: KnowledgeDep, paging: PageDep
) -> KnowledgeList:
    """By title."""
    found = await knowledge.page(page=paging.page, limit=paging.limit)
    return KnowledgeList(
        pagination=Pagination.of(found.total_items, paging),
        knowledge=[KnowledgeRead.of(article) for article in found.items],
    )


@router.post(
    "",
    summary="Add an article",
    operation_id="create_knowledge",
    status_code=status.HTTP_201_CREATED,
    responses=problems(401, 403, 422),
)
async def create_knowledge(
    body: KnowledgeCreate,
    _user: WriteAccess,
    knowledge: KnowledgeDep,
    unanswered: UnansweredDep,
) -> KnowledgeRead:
    """The next question can be answered from it. `from_unanswered` takes the questions it answers
    off the list of unanswered ones.
    """
    article = await knowledge.create(body.to_article())
    await unanswered.settle(body.from_unanswered)
    return KnowledgeRead.of(article)


@router.get(
    "/unanswered",
    summary="What nobody could answer",
    operation_id="list_unanswered",
    responses=problems(401, 403, 422),
)
async def list_unanswered(
    _user: ReadAccess, unanswered: UnansweredDep, paging: PageDep
) -> UnansweredList:
    """Questions of the last half year that no article answered, in groups that ask the same, asked
    most first; without names, addresses and numbers.
    """
    found = await unanswered.groups()
    first = (paging.page - 1) * paging.limit
    return UnansweredList(
        pagination=Pagination.of(len(found), paging),
        groups=[_group_read(group) for group in found[first : first + paging.limit]],
    )


@router.post(
    "/unanswered/dismiss",
    summary="Take unanswered questions off the list",
    operation_id="dismiss_unanswered",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(401, 403, 422),
)
async def dismiss_unanswered(
    body: UnansweredDismiss, _user: WriteAccess, unanswered: UnansweredDep
) -> Response:
    """They need no article. What is off the list already stays off."""
    await unanswered.settle(body.question_ids)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.post(
    "/ask",
    summary="Ask what the agent would answer",
    operation_id="ask_knowledge",
    responses=problems(401, 403, 422),
)
async def ask_knowledge(
    body: KnowledgeQuestion, _user: ReadAccess, agent: AiAgentDep
) -> KnowledgeAnswer:
    """In the words of an article, and from which. Nothing is sent and nothing is kept."""
    answer = await agent.generate_response(body.question)
    return KnowledgeAnswer(
        found=answer.found,
        answer=answer.text if answer.found else None,
        sources=[KnowledgeSource.model_validate(source) for source in answer.sources],
    )


@router.patch(
    "/{knowledge_id}",
    summary="Change an article",
    operation_id="update_knowledge",
    responses=problems(401, 403, 404, 422),
)
async def update_knowledge(
    knowledge_id: PyObjectId, body: KnowledgeUpdate, _user: WriteAccess, knowledge: KnowledgeDep
) -> KnowledgeRead:
    """Only what is given changes."""
    return KnowledgeRead.of(await knowledge.update(knowledge_id, body.to_fields()))


@router.delete(
    "/{knowledge_id}",
    summary="Remove an article",
    operation_id="delete_knowledge",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(401, 403, 404, 422),
)
async def delete_knowledge(
    knowledge_id: PyObjectId, _user: WriteAccess, knowledge: KnowledgeDep
) -> Response:
    """Nothing is answered from it any more."""
    await knowledge.delete(knowledge_id)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


def _group_read(group: QuestionGroup) -> UnansweredGroup:
    examples = [
        UnansweredExample(
            question_id=one.question_id,
            interaction_id=one.interaction_id,
            question=one.text,
            asked_at=one.asked_at,
        )
        for one in group.questions[:MAX_EXAMPLES]
    ]
    return UnansweredGroup(
        question=examples[0].question,
        count=len(group.questions),
        first_asked_at=group.first_asked_at,
        last_asked_at=group.last_asked_at,
        question_ids=[one.question_id for one in group.questions],
        examples=examples,
    )
