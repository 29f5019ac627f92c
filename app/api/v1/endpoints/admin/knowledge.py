"""The knowledge base: what the agent may answer from."""

from fastapi import APIRouter, Response, status

from app.api.deps import KnowledgeDep, PageDep, ReadAccess, WriteAccess
from app.api.openapi import problems
from app.models.base import PyObjectId
from app.schemas.knowledge import (
    KnowledgeAnswer,
    KnowledgeCreate,
    KnowledgeList,
    KnowledgeQuestion,
    KnowledgeRead,
    KnowledgeSource,
    KnowledgeUpdate,
)
from app.schemas.paging import Pagination

router = APIRouter(prefix="/knowledge", tags=["knowledge"])


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
    body: KnowledgeCreate, _user: WriteAccess, knowledge: KnowledgeDep
) -> KnowledgeRead:
    """The next question can be answered from it."""
    return KnowledgeRead.of(await knowledge.create(body.to_article()))


@router.post(
    "/ask",
    summary="Ask what the agent would answer",
    operation_id="ask_knowledge",
    responses=problems(401, 403, 422),
)
async def ask_knowledge(
    body: KnowledgeQuestion, _user: ReadAccess, knowledge: KnowledgeDep
) -> KnowledgeAnswer:
    """In the words of an article, and from which. Nothing is sent and nothing is kept."""
    answer = await knowledge.ask(body.question)
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
