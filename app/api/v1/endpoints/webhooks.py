"""Incoming messages: stored, acknowledged, and then worked on by somebody else."""

from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Header, Request, Response, status

from app.api.deps import PushIntakeDep
from app.api.openapi import problems
from app.schemas.webhooks import PUSH_EXAMPLE, PushBody

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

_REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": PushBody.inline_schema(),
            "example": PUSH_EXAMPLE,
        }
    },
}


@router.post(
    "/gmail",
    summary="Receive a Pub/Sub push",
    operation_id="receive_gmail_push",
    status_code=status.HTTP_200_OK,
    response_class=Response,
    responses={200: {"description": "Stored, now or before.", "content": {}}, **problems(401, 403)},
    openapi_extra={"requestBody": _REQUEST_BODY},
)
async def receive_gmail_push(
    request: Request,
    intake: PushIntakeDep,
    background: BackgroundTasks,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Answers once the event is stored, never before; a second delivery does nothing. What is no
    push (400), not authentic (401, 403) or cannot be stored just now (503) leaves nothing behind.
    """
    await intake.accept(await request.body(), authorization)
    background.add_task(intake.wake_worker)
    return Response(status_code=status.HTTP_200_OK, background=background)
