"""Whether the service can do its work, and how its queues stand."""

import asyncio
import logging
from datetime import datetime, timedelta

from app.core.errors import UnavailableError
from app.db.database import UNAVAILABLE_ERRORS, Database
from app.db.repositories import Repositories
from app.models.mailbox import Mailbox
from app.services.audit.trail import AuditTrail
from app.services.mail.gmail.watch import WARN_BEFORE, is_ending
from app.services.metrics import Metrics

logger = logging.getLogger(__name__)

CHECK_SECONDS = 2.0
"""Longer than any healthy answer, shorter than what asks (probes give up after some seconds)."""


WATCH_ENDING = "Gmail's notifications end within 48 hours: their renewal fails, see the log."
WATCH_ENDED = "Gmail's notifications have ended: replies are found by polling alone."
NOT_READ = "The mailbox was not read for over an hour: replies wait there, see the log."
MODEL_BROKEN = (
    "The agent's model could not be loaded: people get every reply that no guard settles. See the "
    "log, and what `python -m app check` says."
)
NOT_READ_FOR = timedelta(hours=1)
"""However rarely it is looked at, it is looked at far more often."""


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


def measure_audit(trail: AuditTrail, now: datetime, metrics: Metrics) -> None:
    """How far this process's audit log is behind; asks no database."""
    entries, oldest_at = trail.backlog
    metrics.queue("audit", {"waiting": entries}, _age(oldest_at, now))


async def _measure(repositories: Repositories, now: datetime, metrics: Metrics) -> None:
    outgoing = await repositories.outbox.count_by_delivery_status()
    incoming = await repositories.inbound_events.count_by_state()
    next_out = await repositories.outbox.next_due_at()
    next_in = await repositories.inbound_events.next_due_at()
    metrics.queue("outbox", {s.value: n for s, n in outgoing.items()}, _age(next_out, now))
    metrics.queue("inbound", {s.value: n for s, n in incoming.items()}, _age(next_in, now))
    await _measure_mailbox(repositories, metrics)


async def _measure_mailbox(repositories: Repositories, metrics: Metrics) -> None:
    mailbox = await repositories.mailboxes.latest()
    if mailbox is not None:
        metrics.mailbox(
            synced_at=mailbox.synced_at,
            watch_expires_at=mailbox.watch_expires_at,
            notified_at=mailbox.notified_at,
            paused_until=mailbox.paused_until,
        )


async def mailbox_of(repositories: Repositories, address: str | None) -> Mailbox | None:
    """The mailbox in use, once it was read for the first time."""
    return await repositories.mailboxes.with_address(address) if address else None


async def degraded(repositories: Repositories, address: str | None, now: datetime) -> list[str]:
    """What works less well than it should, in sentences; nothing of it keeps requests away.

    `address` is the mailbox in use: one that was given up may stand as it is.
    """
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            mailbox = await mailbox_of(repositories, address)
    except (TimeoutError, *UNAVAILABLE_ERRORS):
        return []
    return [] if mailbox is None else [*_watch(mailbox, now), *_reading(mailbox, now)]


def _watch(mailbox: Mailbox, now: datetime) -> list[str]:
    if not is_ending(mailbox, now + WARN_BEFORE):
        return []
    return [WATCH_ENDED if is_ending(mailbox, now) else WATCH_ENDING]


def _reading(mailbox: Mailbox, now: datetime) -> list[str]:
    return [NOT_READ] if now - mailbox.synced_at > NOT_READ_FOR else []


def _age(due_at: datetime | None, now: datetime) -> float:
    return max(0.0, (now - due_at).total_seconds()) if due_at else 0.0
