"""Fakes with behaviour, for the ports of the service."""

from datetime import UTC, datetime, timedelta

from app.core.clock import to_milliseconds

NOON = datetime(2026, 8, 19, 16, 0, tzinfo=UTC)
"""A Wednesday, noon in New York."""


class FrozenClock:
    """Stands still until it is moved."""

    def __init__(self, start: datetime = NOON) -> None:
        self._now = to_milliseconds(start)

    def now(self) -> datetime:
        """See `app.core.clock.Clock`."""
        return self._now

    def advance(self, **amount: float) -> datetime:
        """Move by a `timedelta(**amount)`; where it stands then."""
        self._now += timedelta(**amount)
        return self._now

    def set(self, instant: datetime) -> datetime:
        """Move to `instant`."""
        self._now = to_milliseconds(instant)
        return self._now
