"""How often something may happen, counted in the database: one count for all processes.

A moving window, so that nobody gets twice the limit around a full minute. What is counted (an
address, an account, a contact) is stored as a keyed hash.
"""

import hashlib
import hmac
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from app.core.clock import Clock
from app.core.config import Settings
from app.core.errors import AppError
from app.db.database import UNAVAILABLE_ERRORS, within
from app.db.repositories.rate_limits import RateLimitRepository

logger = logging.getLogger(__name__)

COUNTING_SECONDS = 1.0
"""How long a patient's request may wait to be counted."""
_TRIES = 3


class TooManyRequestsError(AppError):
    """More often than the rule allows; `Retry-After` says when there is room again."""

    status = 429
    slug = "too-many-requests"
    title = "Too many requests"


@dataclass(frozen=True, slots=True)
class Rule:
    """So many within so long."""

    name: str
    most: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class Rules:
    """Every rule there is, by the settings."""

    login_by_client: Rule
    login_by_account: Rule
    login_by_account_and_day: Rule
    booking: Rule
    lookup: Rule
    availability: Rule
    refresh: Rule

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the operator set them."""
        quarter, five, minute = (timedelta(minutes=length) for length in (15, 5, 1))
        by_account, a_day = settings.login_failures_per_account, settings.login_failures_per_day
        return cls(
            login_by_client=Rule("login-client", settings.login_failures_per_client, quarter),
            login_by_account=Rule("login-account", by_account, five),
            login_by_account_and_day=Rule("login-day", a_day, timedelta(days=1)),
            booking=Rule("booking", settings.bookings_per_minute, minute),
            lookup=Rule("lookup", settings.failed_lookups_per_minute, minute),
            availability=Rule("availability", settings.availability_per_minute, minute),
            refresh=Rule("refresh", settings.refreshes_per_minute, minute),
        )

    def of_account(self, subject: str) -> "tuple[Counted, ...]":
        """What every guess at a password or a code counts under: for minutes and for a day."""
        return (self.login_by_account, subject), (self.login_by_account_and_day, subject)


Counted = tuple[Rule, str]
"""A rule and whom it counts."""


class RateLimiter:
    """Counts, and refuses what is too much. With `RATE_LIMITS=off` it does neither."""

    def __init__(
        self, windows: RateLimitRepository, settings: Settings, key: str, clock: Clock
    ) -> None:
        self._windows = windows
        self._is_on = settings.rate_limits == "on"
        self._key = hashlib.sha256(b"rate-limits:" + key.encode()).digest()
        self._clock = clock
        self.rules = Rules.of(settings)

    async def take(self, rule: Rule, subject: str) -> None:
        """Count one more. Raises `TooManyRequestsError`, and what the database raises."""
        if not self._is_on:
            return
        key = self._name(rule.name, subject)
        full_until = self._clock.now()
        for _ in range(_TRIES):
            if await self._windows.take(key, rule.most, rule.window):
                return
            stands = await self._windows.get(key)
            frees_at = stands.frees_at(rule.most, rule.window) if stands else None
            # Two that make the same window at once meet each other's id: there is room after all.
            if frees_at is not None and frees_at > full_until:
                full_until = frees_at
                break
        raise _refusal(full_until - self._clock.now())

    async def take_each(self, counted: Iterable[Counted]) -> None:
        """`take` by several rules, in their order. Raises what it raises."""
        for rule, subject in counted:
            await self.take(rule, subject)

    async def admit(self, rule: Rule, subject: str) -> None:
        """`take` for what patients ask: where the count itself does not answer in time they are
        let in, because the limit is there to keep the service answering. Raises
        `TooManyRequestsError`.
        """
        try:
            async with within(COUNTING_SECONDS):
                await self.take(rule, subject)
        except UNAVAILABLE_ERRORS:
            logger.warning("let in without being counted", extra={"rule": rule.name})

    async def give_back(self, counted: Iterable[Counted]) -> None:
        """What was counted was none after all."""
        for rule, subject in counted if self._is_on else ():
            await self._windows.give_back(self._name(rule.name, subject))

    async def forget(self, counted: Iterable[Counted]) -> None:
        """Count from nothing again."""
        if self._is_on:
            await self._windows.forget(self._name(rule.name, who) for rule, who in counted)

    async def remember(self, what: str, subject: str, until: datetime) -> None:
        """Note that something is true of `subject` until then."""
        if self._is_on:
            await self._windows.remember(self._name(what, subject), until)

    async def remembers(self, what: str, subject: str) -> bool:
        """Whether that was noted and still is true."""
        return self._is_on and await self._windows.remembers(self._name(what, subject))

    def _name(self, what: str, subject: str) -> str:
        hashed = hmac.digest(self._key, f"{what}:{subject}".encode(), "sha256")
        return f"{what}:{hashed.hex()}"


def _refusal(wait: timedelta) -> TooManyRequestsError:
    seconds = max(1, math.ceil(wait.total_seconds()))
    message = f"That was too often. Please try again in {_in_words(seconds)}."
    return TooManyRequestsError(message, headers={"Retry-After": str(seconds)})


def _in_words(seconds: int) -> str:
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{math.ceil(seconds / length)} {unit}"
    return f"{seconds} second" + ("s" if seconds > 1 else "")
