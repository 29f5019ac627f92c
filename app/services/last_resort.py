"""What cannot be processed reaches a person: the last thing done before an event is given up."""

import logging
from collections.abc import Awaitable, Callable

from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories import Repositories
from app.models.decision import Urgency
from app.models.interaction import Interaction
from app.models.records import InboundEvent
from app.services.agent.handoff import handoff_summary
from app.services.agent.policy import Reason
from app.services.agent.replies import Alerts
from app.services.campaigns import CampaignLifecycle
from app.services.email_processor import (
    AssignedMessage,
    GmailNotification,
    InvalidEnvelopeError,
    MailboxMessage,
    RelayMessage,
    message_of,
)
from app.services.mailbox_mail import NotNowError
from app.services.received import Received, from_relay, unread_from_mailbox
from app.services.unmatched import AssignedMail

logger = logging.getLogger(__name__)

Fetch = Callable[[InboundEvent, RelayMessage | MailboxMessage, int], Awaitable[Received | str]]
"""The message itself, or a note where there is none to act on, under the event's term. Raises
`NotNowError` where it cannot be had just now.
"""
Record = Callable[[Received], Awaitable[Interaction]]
"""Matches a message with whom it is from, and stores it once under its provider's ids."""


class LastResort:
    """Puts the message of an event before a person, however little of it can be read.

    Safe to do twice: the message is stored once, and a campaign waits for a person or does not.
    """

    def __init__(
        self,
        *,
        repositories: Repositories,
        lifecycle: CampaignLifecycle,
        alerts: Alerts,
        assigned: AssignedMail,
        fetch: Fetch,
        record: Record,
    ) -> None:
        """`fetch` and `record` are the usual way, which is tried once more."""
        self._repositories = repositories
        self._lifecycle = lifecycle
        self._alerts = alerts
        self._assigned = assigned
        self._fetch = fetch
        self._record = record

    async def put_before_person(self, event: InboundEvent) -> None:
        """Record the message and ask for a person, urgently; nothing where there is no message.

        Raises `NotNowError` where it cannot be had from the mailbox just now.
        """
        recorded = await self._on_record(event)
        if recorded is not None:
            await self._ask_for_person(recorded)

    async def _on_record(self, event: InboundEvent) -> Interaction | None:
        """The message on record; `None` where there is none to act on. Raises `NotNowError`."""
        message = _message_in(event)
        if isinstance(message, AssignedMessage):
            return await self._assigned.message(message)
        return None if message is None else await self._record_anyhow(event, message)

    async def _record_anyhow(
        self, event: InboundEvent, message: RelayMessage | MailboxMessage
    ) -> Interaction | None:
        """Record it as usual or, where that is what fails, unread and unmatched."""
        try:
            received = await self._fetch(event, message, event.term + 1)
            if isinstance(received, str):
                return None
            if not received.is_sent:
                return await self._record(received)
        except (*UNAVAILABLE_ERRORS, NotNowError):
            raise
        except Exception:
            # Whatever cannot be read or matched must still reach a person as it came.
            logger.exception("inbound message recorded unread", extra={"event_id": event.id})
        unread = (
            from_relay(event, message, unread=True)
            if isinstance(message, RelayMessage)
            else unread_from_mailbox(event, message)
        )
        return await self._repositories.interactions.record_incoming(unread.as_interaction())

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


def _message_in(event: InboundEvent) -> RelayMessage | MailboxMessage | AssignedMessage | None:
    """The message to show; what another version stored may be unreadable."""
    try:
        message = message_of(event.payload)
    except InvalidEnvelopeError:
        return None
    return None if isinstance(message, GmailNotification) else message
