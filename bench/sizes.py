"""How much is measured."""

from dataclasses import dataclass
from pathlib import Path

CACHE = Path(".bench")
"""What is built once and kept."""
BOOKINGS_RECORDED = 5
WARM_UP = 24
"""Requests before the first round, of each kind."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rounds: int = 5
    providers: int = 5
    chairs: int = 3
    month: int = 30
    """Days that the engine is asked about."""
    reads: int = 160
    """Reading requests of a round."""
    bookings: int = 48
    """Bookings of a round."""
    days: int = 180
    """How far ahead the book is half full."""
    history: int = 200_000
    """Visits of the past five years."""

    @property
    def guests(self) -> int:
        """Known patients: more than ever book."""
        return 2 * (2 * (self.rounds * self.bookings + WARM_UP) + BOOKINGS_RECORDED)
