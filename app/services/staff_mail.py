"""What people of the practice write to a patient in the mailbox itself, past this service.

It belongs into the conversation, it is no reply, and whoever wrote it has taken the conversation
over: the agent is silent there until somebody releases it (agent.md, after any message from staff).
"""

import logging

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.campaign import (
    FOLLOWED_UP_STATUSES,
    Attention,
    Campaign,
    CampaignStatus,
    HandoffDetails,
)
from app.models.interaction import (
    Delivery,
    DeliveryStatus,
    Direction,
    Interaction,
    MessageClass,
)
from app.models.patient import Patient, normalise_email
from app.services.agent.replies import sender_address
from app.services.campaigns import CampaignLifecycle
from app.services.matching import Match, MessageMatcher
from app.services.received import Received

logger = logging.getLogger(__name__)

ACTOR = "staff:mailbox"
"""Who wrote is not known: a mailbox is many people's."""
REASON = "staff_wrote_by_mail"
SUMMARY = (
    "Somebody of the practice wrote to this patient from the mailbox itself, so a person keeps the "
    "conversation. Release it when the agent may go on."
)
NO_CONVERSATION = "sent from the mailbox, in no patient's conversation"
TO_SOMEBODY_ELSE = "sent from the mailbox, to somebody else than the patient"


class StaffMail:
    """Takes such messages in. May run twice, and late."""

    def __init__(
        self,
        repositories: Repositories,
        matcher: MessageMatcher,
        lifecycle: CampaignLifecycle,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._matcher = matcher
        self._lifecycle = lifecycle
        self._clock = clock

    async def take_in(self, sent: Received) -> str | None:
        """Record it and leave the conversation to people; a note where it is in none.

        It is recorded last, and once recorded it is done with: a second run must not silence the
        agent anew in what was released meanwhile.
        """
        interactions = self._repositories.interactions
        if await interactions.with_provider_id(sent.provider_id):
            return None
        match = await self._matcher.conversation(sent.thread_id, sent.answered)
        if match.patient is None:
            return await self._take_in_beginning(sent)
        if not await self._is_to_patient(sent, match.patient):
            return TO_SOMEBODY_ELSE
        if match.campaign is not None:
            await self._keep(match.campaign)
        await self._record(sent, match.patient, match)
        return None

    async def _take_in_beginning(self, sent: Received) -> str | None:
        """What begins a conversation of its own, with somebody who is in a campaign.

        A family may share the address: then a person has every campaign on it, and the newest
        keeps the words. What goes to several at once, or is sent by a machine, is no word to one
        of them; nor is what goes to somebody without an open campaign.
        """
        addresses = {normalise_email(address) for address in sent.addressed_to}
        is_machines = sent.facts is not None and sent.facts.machine is not None
        if len(addresses) != 1 or is_machines:
            return NO_CONVERSATION
        patients = await self._repositories.patients.with_email(addresses.pop())
        by_id = {patient.id: patient for patient in patients}
        campaigns = await self._repositories.campaigns.all_for(by_id)
        held = [campaign for campaign in campaigns if campaign.is_active]
        for campaign in held:
            await self._keep(campaign)
        if not held:
            return NO_CONVERSATION
        patient = by_id[held[0].patient_id]
        await self._record(sent, patient, Match(patient, held[0]))
        return None

    async def _record(self, sent: Received, patient: Patient, match: Match) -> None:
        interaction = _as_interaction(sent, patient, match)
        await self._repositories.interactions.record_written_elsewhere(interaction)
        logger.info("staff wrote by mail", extra={"patient_id": str(patient.id)})

    async def _is_to_patient(self, sent: Received, patient: Patient) -> bool:
        """To them, or to whoever wrote as them there; a colleague it is forwarded to is neither."""
        said = await self._repositories.interactions.in_thread(sent.thread_id)
        wrote = {sender_address(one.sender or "") for one in said}
        written_to = {one.delivery.sent_to for one in said if one.delivery}
        theirs = ({patient.email} | wrote | written_to) - {None}
        return any(normalise_email(address) in theirs for address in sent.addressed_to)

    async def _keep(self, campaign: Campaign) -> None:
        """Silence first: the send gate reads it. Where the machine would follow up, a person has
        it from now on, and finds it in the list of hand-offs; whoever wrote knows already.
        """
        campaigns, now = self._repositories.campaigns, self._clock.now()
        await campaigns.begin_agent_silence(campaign.id)
        if campaign.status not in FOLLOWED_UP_STATUSES:
            return
        attention = Attention(reason=REASON, summary=SUMMARY, since=now, alerted_at=now)
        await campaigns.open_attention(campaign.id, attention)
        details = HandoffDetails(
            reason=REASON, summary=SUMMARY, handed_off_at=now, requested_by=ACTOR
        )
        await self._lifecycle.move(
            campaign,
            CampaignStatus.HANDOFF_REQUIRED,
            by=ACTOR,
            fields={"handoff_details": details.to_stored()},
            only_from=FOLLOWED_UP_STATUSES,
        )


def _as_interaction(sent: Received, patient: Patient, match: Match) -> Interaction:
    message_id = sent.facts.message_id if sent.facts else None
    return Interaction(
        patient_id=patient.id,
        campaign_id=match.campaign.id if match.campaign else None,
        direction=Direction.OUTGOING,
        subject=sent.subject,
        content=sent.content,
        raw_content=sent.raw_content,
        sender=sent.sender,
        timestamp=sent.timestamp,
        thread_id=sent.thread_id,
        provider_id=sent.provider_id,
        by=ACTOR,
        delivery=Delivery(
            status=DeliveryStatus.SENT,
            message_class=MessageClass.STAFF,
            not_before=sent.timestamp,
            sent_at=sent.timestamp,
            provider_message_id=message_id,
            sent_to=patient.email,
        ),
    )
