"""Keeps a model server that fails again and again from costing every reply its deadline."""

from datetime import datetime, timedelta

FAILURES = 5
REST = timedelta(seconds=60)


class CircuitBreaker:
    """Open after `FAILURES` in a row; then one call in `REST` tries whether it works again.

    Each process has its own: it learns in seconds what another one knows.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._try_again_at: datetime | None = None

    def allows(self, now: datetime) -> bool:
        """Whether to ask at all. Where the circuit is open, the one that may is the probe."""
        if self._try_again_at is None:
            return True
        if now < self._try_again_at:
            return False
        self._try_again_at = now + REST
        return True

    def succeeded(self) -> None:
        """The server answered as it should."""
        self._failures = 0
        self._try_again_at = None

    def failed(self, now: datetime) -> None:
        """It did not."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._try_again_at = now + REST
