"""What goes wrong, and how often."""

import random

from pydantic import BaseModel, ConfigDict, Field


class Faults(BaseModel):
    """Rates are between 0 and 1. Everything off by default."""

    model_config = ConfigDict(extra="forbid")

    fail_rate: float = Field(default=0, ge=0, le=1)
    """Answers 503 and does nothing."""
    fail_after_rate: float = Field(default=0, ge=0, le=1)
    """Does what was asked for, and answers 500."""
    rate_limit_rate: float = Field(default=0, ge=0, le=1)
    """Answers 429."""
    retry_after_seconds: int | None = Field(default=None, ge=0, le=3600)
    """What a 429 says in `Retry-After`."""
    delay_seconds: float = Field(default=0, ge=0, le=60)
    """Waits before it does anything."""
    answer_delay_seconds: float = Field(default=0, ge=0, le=60)
    """Waits when all is done, before it answers a sending."""
    drop_push_rate: float = Field(default=0, ge=0, le=1)
    """Notifications that never come."""
    push_delay_seconds: float = Field(default=0, ge=0, le=60)
    page_size: int = Field(default=500, ge=1, le=500)
    """The most entries a page of a list holds."""
    replace_message_id: bool = True
    """Puts a Message-ID of its own in place of the sender's, as Gmail often does."""
    revoked: bool = False
    """Refuses the refresh token (`invalid_grant`)."""


class Chance:
    """Rolls the dice."""

    def __init__(self, randomness: random.Random) -> None:
        self._random = randomness

    def hits(self, rate: float) -> bool:
        """Whether something that happens at this rate happens now."""
        return self._random.random() < rate
