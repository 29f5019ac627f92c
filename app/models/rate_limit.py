"""What is kept to limit how often something happens."""

from datetime import datetime, timedelta

from pydantic import Field

from app.models.base import StoredModel, UtcDatetime


class RateWindow(StoredModel):
    """When one subject last did what a rule counts, newest first."""

    id: str = Field(alias="_id")
    entries: list[UtcDatetime] = Field(default_factory=list)
    expires_at: UtcDatetime

    def frees_at(self, most: int, window: timedelta) -> datetime | None:
        """When there is room for one more; `None` where there was room from the start."""
        return self.entries[most - 1] + window if len(self.entries) >= most else None
