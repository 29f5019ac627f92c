"""How many messages the sender works on at once, and how long one waits for its next
try, and what is said of one that gets none.
"""

import random
from datetime import timedelta

from app.models.interaction import DeliveryStatus

CONCURRENCY = 4
MAX_ATTEMPTS = 8
FIRST_BACKOFF = timedelta(seconds=30)
LONGEST_BACKOFF = timedelta(hours=1)
GIVEN_UP = {
    DeliveryStatus.FAILED: "A message to the patient could not be delivered.",
    DeliveryStatus.UNKNOWN: "It is not certain whether a message to the patient left.",
}
"""What staff are told of a message that is not tried again."""


def backoff(tries: int) -> timedelta:
    """How long to wait after so many tries: doubling from 30 s to an hour, with jitter."""
    doublings = min(tries - 1, MAX_ATTEMPTS)
    longest = min(FIRST_BACKOFF * 2.0**doublings, LONGEST_BACKOFF)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
