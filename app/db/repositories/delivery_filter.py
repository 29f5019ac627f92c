"""What a list of outgoing messages may be narrowed by."""

from dataclasses import dataclass
from typing import Any

from app.models.base import PyObjectId
from app.models.interaction import DeliveryStatus, MessageClass


@dataclass(frozen=True)
class DeliveryFilter:
    """What a list of outgoing messages may be narrowed by."""

    status: DeliveryStatus | None = None
    message_class: MessageClass | None = None
    campaign_id: PyObjectId | None = None

    def to_query(self) -> dict[str, Any]:
        """As the database is asked."""
        query: dict[str, Any] = {"delivery.status": self.status or {"$in": list(DeliveryStatus)}}
        if self.message_class:
            query["delivery.message_class"] = self.message_class
        if self.campaign_id:
            query["campaign_id"] = self.campaign_id
        return query
