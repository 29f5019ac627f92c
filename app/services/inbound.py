"""Works off the stored webhook events: each is processed once, retried, or put before a person."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from app.core.clock import Clock
from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories import Repositories
from app.models.decision import Urgency
from app.models.interaction import Direction, Interaction
from app.models.patient import normalise_email
from app.models.records import InboundEvent, InboundState
from app.services.agent.handoff import handoff_summary
from app.services.agent.policy import Reason
from app.services.agent.reactive import ReactivePath
from app.services.agent.replies import Alerts, sender_address
from app.services.campaigns import CampaignLifecycle
from app.services.email_processor import (
    GmailNotification,
    InvalidEnvelopeError,
    RelayMessage,
    message_of,
)
from app.services.mail.reading.new_text import new_text_of
from app.services.matching import MessageMatcher

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=45)
"""After a crash its events wait this long: what was acknowledged is done within a minute."""
MAX_ATTEMPTS = 5
BACKOFF = timedelta(seconds=10)
"""Doubled with every attempt, and up to as much again at random, so that retries spread out."""
BATCH = 50
THREADS_AT_ONCE = 4

NO_MAILBOX = "no mailbox configured"
"""Noted on a Gmail notification that there is no mailbox to resolve with: it asks for nothing."""

OWN_MESSAGE = "sent by the practice itself"
"""Noted on a copy of what we sent: a relay may push a mailbox's sent mail too."""


_random_share = random.SystemRandom().random


class InboundProcessor:
    """Claims events by lease and carries each through the reactive path.

    Safe to run in many processes: an event is claimed under a term, and what it does is idempotent
    should a lease run out under a slow worker.
    """

    def __init__(
        self,
        *,
        repositories: Repositories,
        matcher: MessageMatcher,
        reactive: ReactivePath,
        lifecycle: CampaignLifecycle,
        alerts: Alerts,
        clock: Clock,
        own_address: str,
        jitter: Callable[[], float] = _random_share,
    ) -> None:
        """`own_address` is the practice's: what comes from it is no reply."""
        self._repositories = repositories
        self._matcher = matcher
        self._reactive = reactive
        self._lifecycle = lifecycle
        self._alerts = alerts
        self._clock = clock
        self._own_address = normalise_email(own_address)
        self._jitter = jitter
        self._slots = asyncio.Semaphore(THREADS_AT_ONCE)

    async def work_off(self) -> int:
        """Process what is due; how many events were taken.

        Messages of one thread are processed in the order they came in, different threads side by
        side. Raises one of `UNAVAILABLE_ERRORS` where the database went away: what was claimed is
        taken up again when its lease has run out.
        """
        due = await self._repositories.inbound_events.due(self._clock.now(), BATCH)
        threads = _by_thread(due)
        taken = await asyncio.gather(
            *(self._work_thread(events) for events in threads), return_exceptions=True
        )
        for outcome in taken:
            if isinstance(outcome, BaseException):
                raise outcome
        return sum(outcome for outcome in taken if isinstance(outcome, int))

    async def _work_thread(self, events: Sequence[InboundEvent]) -> int:
        async with self._slots:
            return sum([await self._work(event) for event in events])

    async def _work(self, event: InboundEvent) -> int:
        """Claim and process one event: 1 where it was ours to take."""
        lease_until = self._clock.now() + LEASE
        if not await self._repositories.inbound_events.claim(event, lease_until):
            return 0
        attempt, term = event.attempts + 1, event.term + 1
        try:
            if attempt > MAX_ATTEMPTS:  # its worker died, or lost its lease, every time
                await self._bury(event, term, "lease lost")
            else:
                await self._finish(event, term, await self._process(event))
        except UNAVAILABLE_ERRORS:
            raise
        except Exception as error:
            # The loop must survive one bad message; it is tried again, then put before a person.
            logger.exception(
                "inbound event failed", extra={"event_id": event.id, "attempt": attempt}
            )
            await self._failed(event, term, attempt, type(error).__name__)
        return 1

    async def _process(self, event: InboundEvent) -> str | None:
        """Carry one event through; a note where there was nothing to do."""
        message = message_of(event.payload)
        if isinstance(message, GmailNotification):
            return NO_MAILBOX
        if sender_address(message.sender) == self._own_address:
            return OWN_MESSAGE
        await self._reactive.run(await self._record(event))
        return None

    async def _record(self, event: InboundEvent) -> Interaction:
        """The message as an interaction, stored once under the relay's own ids."""
        message = _relay_message(event)
        match = await self._matcher.match(message.thread_id, message.sender)
        incoming = _incoming(event, message, new_text_of(message.content).text)
        incoming.patient_id = match.patient.id if match.patient else None
        incoming.campaign_id = match.campaign.id if match.campaign else None
        return await self._repositories.interactions.record_incoming(incoming)

    async def _failed(self, event: InboundEvent, term: int, attempt: int, error: str) -> None:
        if attempt >= MAX_ATTEMPTS:
            await self._bury(event, term, error)
            return
        wait = BACKOFF * 2 ** (attempt - 1) * (1 + self._jitter())
        fields = {
            "state": InboundState.PENDING,
            "not_before": self._clock.now() + wait,
            "error": error,
        }
        await self._repositories.inbound_events.finish(event.id, term, fields)

    async def _bury(self, event: InboundEvent, term: int, error: str) -> None:
        """Out of retries: a person gets the message before the event is given up."""
        if _is_relay(event):
            await self._ask_for_person(await self._record_anyhow(event))
        fields = {"state": InboundState.DEAD, "error": error}
        await self._repositories.inbound_events.finish(event.id, term, fields)
        logger.error("inbound event is dead", extra={"event_id": event.id, "error_type": error})

    async def _record_anyhow(self, event: InboundEvent) -> Interaction:
        """Record it as usual or, where that is what fails, unread and unmatched."""
        try:
            return await self._record(event)
        except UNAVAILABLE_ERRORS:
            raise
        except Exception:
            # Whatever cannot be read or matched must still reach a person as it came.
            logger.exception("inbound message recorded unread", extra={"event_id": event.id})
            message = _relay_message(event)
            return await self._repositories.interactions.record_incoming(
                _incoming(event, message, message.content)
            )

    async def _ask_for_person(self, interaction: Interaction) -> None:
        """Urgently: nobody, not even a guard, may have read it."""
        patient = campaign = None
        if interaction.campaign_id and interaction.patient_id:
            campaign = await self._repositories.campaigns.get(interaction.campaign_id)
            patient = await self._repositories.patients.get(interaction.patient_id)
        if campaign is None or patient is None:
            await self._repositories.interactions.mark_unmatched(interaction.id)
            await self._alerts.unmatched_arrived(interaction.id, Urgency.URGENT)
            return
        reason = Reason.PROCESSING_FAILED
        await self._lifecycle.raise_attention(
            campaign.id,
            reason=reason,
            summary=handoff_summary(patient, campaign, interaction, reason),
            urgency=Urgency.URGENT,
        )
        await self._alerts.attention_raised(campaign.id, Urgency.URGENT)

    async def _finish(self, event: InboundEvent, term: int, note: str | None) -> None:
        fields: dict[str, Any] = {"state": InboundState.DONE, "done_at": self._clock.now()}
        if note:
            fields["note"] = note
        await self._repositories.inbound_events.finish(event.id, term, fields)


def _by_thread(events: Sequence[InboundEvent]) -> list[list[InboundEvent]]:
    threads: dict[str, list[InboundEvent]] = {}
    for event in sorted(events, key=lambda event: event.created_at):
        threads.setdefault(str(event.payload.get("thread_id", event.id)), []).append(event)
    return list(threads.values())


def _is_relay(event: InboundEvent) -> bool:
    """Whether there is a message to show; what another version stored may be unreadable."""
    try:
        return isinstance(message_of(event.payload), RelayMessage)
    except InvalidEnvelopeError:
        return False


def _relay_message(event: InboundEvent) -> RelayMessage:
    message = message_of(event.payload)
    if not isinstance(message, RelayMessage):
        sentence = "This event carries no message."
        raise TypeError(sentence)
    return message


def _incoming(event: InboundEvent, message: RelayMessage, content: str) -> Interaction:
    """The time is when it was stored: a retry must not make it younger."""
    return Interaction(
        direction=Direction.INCOMING,
        subject=message.subject,
        content=content,
        raw_content=message.content,
        sender=message.sender,
        timestamp=event.created_at,
        thread_id=message.thread_id,
        provider_id=f"relay:{message.thread_id}:{message.message_id}",
    )
