"""The one place that reads the wall clock.

Everything else takes a `Clock` or a `now`, so that a test can stand at any instant and never
sleeps. Instants are aware UTC and cut to milliseconds, which is what BSON stores: a value compared
with its stored copy is then equal to it.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


def to_milliseconds(instant: datetime) -> datetime:
    """The same instant in UTC without what BSON would drop (below one millisecond)."""
    utc = instant.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def utc_now() -> datetime:
    """The current instant, aware, in UTC, at millisecond precision."""
    return to_milliseconds(datetime.now(UTC))


def unix_now() -> float:
    """The same as seconds since 1970, as log records have it."""
    return time.time()


class Clock(Protocol):
    """Tells the time. Injected wherever a rule depends on it."""

    def now(self) -> datetime:
        """The current instant, aware UTC, at millisecond precision."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See `utc_now`."""
        return utc_now()
