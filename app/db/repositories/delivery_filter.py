"""What a list of outgoing messages may be narrowed by, and how it is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.models.base import PyObjectId
from app.models.interaction import DeliveryStatus, Direction, MessageClass

_LOOK_BACK = (timedelta(days=7), timedelta(days=90))


@dataclass(frozen=True)
class DeliveryFilter:
    """What a list of outgoing messages may be narrowed by."""

    status: DeliveryStatus | None = None
    message_class: MessageClass | None = None
    campaign_id: PyObjectId | None = None

    def to_stages(self, since: datetime | None = None) -> list[dict[str, Any]]:
        """As the database is asked, of all time or from an instant on: the range of one index,
        and what else there is in a stage of its own. Beside it the embedded server reads far more.
        """
        asked: dict[str, Any] = {
            "campaign_id": self.campaign_id,
            "delivery.status": self.status,
            "delivery.message_class": self.message_class,
            "direction": Direction.OUTGOING,
        }
        conditions = [(name, value) for name, value in asked.items() if value is not None]
        first = dict(conditions[:1]) | ({"timestamp": {"$gte": since}} if since else {})
        return [{"$match": first}, {"$match": {"delivery": {"$exists": True}, **dict(conditions)}}]


def further_back(now: datetime) -> Iterator[datetime | None]:
    """From where on to look for a page of the newest; a page that is full is the right one.

    A server that sorts what it found does not have to find everything there ever was.
    """
    for span in _LOOK_BACK:
        yield now - span
    yield None
