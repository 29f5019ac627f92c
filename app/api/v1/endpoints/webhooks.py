"""Incoming messages: stored, acknowledged, and then worked on by somebody else."""

from typing import Annotated, Any

from fastapi import BackgroundTasks, Header, Request, Response, status

from app.api.access import PublicRoute
from app.api.deps import MessageIntakeDep, PushIntakeDep
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.schemas.webhooks import (
    MESSAGE_EXAMPLE,
    PUSH_EXAMPLE,
    IncomingMessage,
    PushBody,
)

router = PrefixRouter(prefix="/webhooks", tags=["webhooks"], route_class=PublicRoute)


def _body(schema: dict[str, Any], example: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _only(values: list[str] | None) -> str | None:
    """The header where it stands once. Of two, somebody before us may have checked the other."""
    return values[0] if values is not None and len(values) == 1 else None


_SIGNATURE = (
    "`t=<unix seconds>,v1=<hex HMAC-SHA256 of '<t>.<body>' under WEBHOOK_SECRET>`, over the body "
    "as it is sent; at most 5 minutes old. Several `v1` may stand there: one must fit."
)
_STORED: dict[int | str, dict[str, Any]] = {
    200: {"description": "Stored, now or before.", "content": {}}
}


@router.post(
    "/gmail",
    summary="Receive a Pub/Sub push",
    operation_id="receive_gmail_push",
    status_code=status.HTTP_200_OK,
    response_class=Response,
    responses={**_STORED, **problems(401, 403)},
    openapi_extra=_body(PushBody.inline_schema(), PUSH_EXAMPLE),
)
async def receive_gmail_push(
    request: Request,
    intake: PushIntakeDep,
    background: BackgroundTasks,
    authorization: Annotated[list[str] | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Answers once the event is stored, never before; a second delivery does nothing. What is no
    push (400), not authentic (401, 403) or cannot be stored just now (503) leaves nothing behind.
    """
    await intake.accept(await request.body(), _only(authorization))
    background.add_task(intake.wake_worker)
    return Response(status_code=status.HTTP_200_OK, background=background)


@router.post(
    "/incoming-message",
    summary="Receive a message from a relay",
    operation_id="receive_message",
    status_code=status.HTTP_200_OK,
    response_class=Response,
    responses={**_STORED, **problems(401)},
    openapi_extra=_body(IncomingMessage.inline_schema(), MESSAGE_EXAMPLE),
)
async def receive_message(
    request: Request,
    intake: MessageIntakeDep,
    background: BackgroundTasks,
    signature: Annotated[str | None, Header(alias="X-Signature", description=_SIGNATURE)] = None,
) -> Response:
    """WhatsApp, SMS, or mail without headers. Answers once the message is stored, never before; a
    second delivery does nothing. What is not signed, or not lately (401), is no message (400) or
    cannot be stored just now (503) leaves nothing behind.
    """
    await intake.accept(await request.body(), signature)
    background.add_task(intake.wake_worker)
    return Response(status_code=status.HTTP_200_OK, background=background)
