"""Whether the service can do its work, and how its queues stand."""

import asyncio
import logging
from datetime import datetime

from app.core.errors import UnavailableError
from app.db.database import UNAVAILABLE_ERRORS, Database
from app.db.repositories import Repositories
from app.services.mail.gmail.watch import WARN_BEFORE, is_ending
from app.services.metrics import Metrics

logger = logging.getLogger(__name__)

CHECK_SECONDS = 2.0
"""Longer than any healthy answer, shorter than what asks (probes give up after some seconds)."""


WATCH_ENDING = "Gmail's notifications end within 48 hours: their renewal fails, see the log."
WATCH_ENDED = "Gmail's notifications have ended: replies are found by polling alone."


class NotReadyError(UnavailableError):
    """A check failed; `check` names it."""

    slug = "not-ready"
    title = "Not ready"


async def check_database(database: Database) -> None:
    """Raise `NotReadyError` unless the database answers within `CHECK_SECONDS`."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await database.ping()
    except (TimeoutError, *UNAVAILABLE_ERRORS) as error:
        message = "The database does not answer."
        headers = {"Retry-After": "5"}
        raise NotReadyError(message, extra={"check": "database"}, headers=headers) from error


async def measure_queues(repositories: Repositories, now: datetime, metrics: Metrics) -> None:
    """Bring the figures of the queues up to date.

    While the database does not answer they stay as they were: figures are wanted most just then.
    """
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await _measure(repositories, now, metrics)
    except (TimeoutError, *UNAVAILABLE_ERRORS) as error:
        logger.warning("queues not measured", extra={"error_type": type(error).__name__})


async def _measure(repositories: Repositories, now: datetime, metrics: Metrics) -> None:
    outgoing = await repositories.interactions.count_by_delivery_status()
    incoming = await repositories.inbound_events.count_by_state()
    next_out = await repositories.interactions.next_due_at()
    next_in = await repositories.inbound_events.next_due_at()
    metrics.queue("outbox", {s.value: n for s, n in outgoing.items()}, _age(next_out, now))
    metrics.queue("inbound", {s.value: n for s, n in incoming.items()}, _age(next_in, now))
    await _measure_mailbox(repositories, metrics)


async def _measure_mailbox(repositories: Repositories, metrics: Metrics) -> None:
    mailbox = await repositories.mailboxes.latest()
    if mailbox is not None:
        metrics.mailbox(mailbox.synced_at, mailbox.watch_expires_at)


async def degraded(repositories: Repositories, now: datetime) -> list[str]:
    """What works less well than it should, in sentences; nothing of it keeps requests away."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            mailbox = await repositories.mailboxes.latest()
    except (TimeoutError, *UNAVAILABLE_ERRORS):
        return []
    if mailbox is None or not is_ending(mailbox, now + WARN_BEFORE):
        return []
    has_ended = is_ending(mailbox, now)
    return [WATCH_ENDED if has_ended else WATCH_ENDING]


def _age(due_at: datetime | None, now: datetime) -> float:
    return max(0.0, (now - due_at).total_seconds()) if due_at else 0.0
