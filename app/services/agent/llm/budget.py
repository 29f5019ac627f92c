"""The tokens of a day, shared by all processes."""

from dataclasses import dataclass
from typing import Protocol

from app.core.clock import Clock
from app.db.repositories.engine_days import EngineDayRepository


@dataclass(frozen=True, slots=True)
class Reservation:
    """Tokens set aside before a request; a crash leaves them counted as used."""

    day: str
    tokens: int


class Budget(Protocol):
    """Decides whether there is room for a request."""

    async def reserve(self, tokens: int) -> Reservation | None:
        """Room for a request of this size, or `None`."""
        ...

    async def settle(self, reservation: Reservation, used: int) -> None:
        """What the request really used."""
        ...


class TokenBudget:
    """Sets tokens aside before a request and settles afterwards.

    The day is that of UTC: processes in several time zones must mean the same one.
    """

    def __init__(self, days: EngineDayRepository, clock: Clock, tokens_per_day: int) -> None:
        self._days = days
        self._clock = clock
        self._limit = tokens_per_day

    async def reserve(self, tokens: int) -> Reservation | None:
        """Room for a request of this size, or `None` where the day has no more."""
        day = self._clock.now().date().isoformat()
        taken = await self._days.reserve(day, tokens, self._limit)
        return Reservation(day, tokens) if taken else None

    async def settle(self, reservation: Reservation, used: int) -> None:
        """What the request really used."""
        if used != reservation.tokens:
            await self._days.settle(reservation.day, used - reservation.tokens)


class Unmetered:
    """For what an operator asks at a terminal: nothing of the day is taken."""

    async def reserve(self, tokens: int) -> Reservation | None:
        """See `Budget`."""
        return Reservation("", tokens)

    async def settle(self, reservation: Reservation, used: int) -> None:
        """See `Budget`."""
