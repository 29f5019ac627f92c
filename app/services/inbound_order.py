"""In which order stored events are worked off: what has to wait for what, and what goes as one."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from app.models.records import InboundEvent, InboundState
from app.services.email_processor import NOTIFICATION_FORM

Piece = tuple[InboundEvent, ...]
"""What is worked off as one: an event, or a mailbox's notifications, what tells most first."""


def in_lines(events: Sequence[InboundEvent]) -> Mapping[str, list[Piece]]:
    """The pieces of each line, in their order. One line's pieces wait for each other."""
    lines: dict[str, list[InboundEvent]] = {}
    for event in sorted(events, key=_turn_of):
        lines.setdefault(_line_of(event), []).append(event)
    return {line: list(_pieces(waiting)) for line, waiting in lines.items()}


def is_told(piece: Piece) -> bool:
    """Whether these are notifications of one mailbox."""
    return _only_tells(piece[0])


def told_of(event: InboundEvent) -> int:
    """Up to where a notification says that the mailbox's history goes."""
    return int(event.payload["historyId"])


def _pieces(events: Sequence[InboundEvent]) -> Iterable[Piece]:
    told = [event for event in events if _only_tells(event)]
    if told:
        yield tuple(sorted(told, key=told_of, reverse=True))
    yield from ((event,) for event in events if event not in told)


def _only_tells(event: InboundEvent) -> bool:
    """Whether it is a notification that nobody has begun with."""
    is_told = event.payload.get("form") == NOTIFICATION_FORM
    return is_told and event.state is InboundState.PENDING


def _turn_of(event: InboundEvent) -> tuple[bool, datetime, str]:
    """As they came; but what staff wrote comes first: then nobody answers what they answered."""
    return event.payload.get("is_sent") is not True, event.created_at, event.id


def _line_of(event: InboundEvent) -> str:
    """What one event after the other is worked off of: a thread, or a mailbox's notifications."""
    payload = event.payload
    return str(payload.get("thread_id") or payload.get("emailAddress") or event.id)
