"""What happens, as it happens: server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import StreamingResponse

from app.api.deps import EventHubDep, ReadAccess, SessionCheck
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.models.event import Event
from app.schemas.events import EventRead

router = PrefixRouter(prefix="/events", tags=["events"])

RECONNECT_MILLISECONDS = 3000
READY, RESET = "ready", "reset"
_EXAMPLE = (
    "retry: 3000\nid: 739578000041\nevent: ready\ndata: {}\n\n"
    "id: 739578000042\nevent: reply\n"
    'data: {"kind":"reply","at":"2026-11-23T14:05:00Z",'
    '"campaign_id":"66f2a1b4c3d2e1f0a9b8c7d6","interaction_id":"66f2a1b4c3d2e1f0a9b8c7d7"}\n\n'
)
EVENT_STREAM: dict[str, Any] = {
    "description": "The stream; it goes on until the sign-in ends.",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
}


@router.get(
    "",
    summary="What happens, as server-sent events",
    operation_id="stream_events",
    response_class=StreamingResponse,
    responses=problems(401, 403, 422) | {200: EVENT_STREAM},
)
async def stream_events(
    _user: ReadAccess,
    hub: EventHubDep,
    check: SessionCheck,
    last_event_id: Annotated[
        str | None, Header(pattern=r"^\d{1,16}$", examples=["739578000041"])
    ] = None,
) -> StreamingResponse:
    """New replies (`reply`), tasks for a person (`attention`), that somebody took one on or is done
    with it (`attention_claimed`, `attention_resolved`, `attention_released`: to the agent), letters
    that were given up (`letter_failed`) and changes of visits (`booking`), by their ids. Begins
    with `ready`; with `Last-Event-ID` after that event, or with `reset` where it is too old to go
    on from: then load what is shown anew. A comment every 15 seconds keeps the connection open; the
    stream ends with the sign-in, and whoever reconnects misses nothing for seven days.
    """
    last_seen = int(last_event_id) if last_event_id else None
    start, has_missed = await hub.position(last_seen)
    events = hub.listen(start, check)
    named = {"X-Accel-Buffering": "no"}
    return StreamingResponse(
        _lines(events, start, RESET if has_missed else READY),
        media_type="text/event-stream",
        headers=named,
    )


async def _lines(
    events: AsyncIterator[Event | None], start: int, opening: str
) -> AsyncIterator[str]:
    yield f"retry: {RECONNECT_MILLISECONDS}\nid: {start}\nevent: {opening}\ndata: {{}}\n\n"
    async for event in events:
        if event is None:
            yield ": still here\n\n"
            continue
        data = EventRead.model_validate(event).model_dump_json(exclude_none=True)
        yield f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n"
