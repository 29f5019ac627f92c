"""What staff do with messages that matched nobody: say whose they are, or put them away.

Assigning leaves work behind (an answer, or a task for a person), so that work is stored first: an
event of the inbound queue, which waits for the one write that decides the assignment. A crash
between the two loses neither, and of two who assign only the winner's event finds its assignment.
"""

import contextlib
from datetime import timedelta
from typing import Any

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.models.base import PyObjectId, new_id
from app.models.campaign import Campaign
from app.models.decision import Urgency
from app.models.interaction import Direction, Interaction, Settlement
from app.models.records import AuditEntry, InboundEvent
from app.models.role import StaffMember
from app.services.agent.handoff import handoff_summary
from app.services.agent.policy import Reason
from app.services.agent.replies import Alerts
from app.services.ai_agent import AiAgent
from app.services.campaigns import CampaignLifecycle
from app.services.conversations import staff_actor
from app.services.email_processor import AssignedMessage
from app.services.patient_records import NOBODY
from app.services.patients import PatientNotFoundError, refuse_erased
from app.services.work import Wakeable

SOURCE = "staff"
ASSIGN = "assign"
DISMISS = "dismiss"
NOT_ASSIGNED = "the assignment was not made"
"""Noted on an event whose assignment somebody else won, or that a crash came before."""
WAIT_FOR_ASSIGNMENT = timedelta(minutes=2)
"""Longer than any request takes: an assignment that is not there by then will never be."""


class SettledError(ConflictError):
    """Somebody has decided about this message already."""

    slug = "unmatched-settled"
    title = "This message is not on the list any more"


class UnmatchedMessages:
    """The list of incoming messages that a person must place."""

    def __init__(self, repositories: Repositories, clock: Clock, worker: Wakeable) -> None:
        self._repositories = repositories
        self._clock = clock
        self._worker = worker

    async def assign(
        self,
        interaction_id: PyObjectId,
        patient_id: PyObjectId,
        *,
        read_by_agent: bool,
        by: StaffMember,
    ) -> Interaction:
        """Make it a message of this patient, in their active or else their newest campaign.

        Raises `NotFoundError`, `PatientNotFoundError`, `ErasedPatientError`, `SettledError`.
        """
        message = await self._waiting(interaction_id)
        patient = await self._repositories.patients.get(patient_id)
        if patient is None:
            raise PatientNotFoundError(NOBODY)
        refuse_erased(patient)
        campaign = await self._campaign_of(patient_id)
        # What nobody sent is a note of the service's own: there is nothing in it to answer.
        vouched = read_by_agent and message.sender is not None
        settlement = self._settlement(by, read_by_agent=vouched)
        await self._repositories.inbound_events.store(self._event(message, settlement))
        await self._settle(message, settlement, patient_id, campaign.id if campaign else None)
        self._worker.wake()
        return await self._repositories.interactions.get(interaction_id) or message

    async def dismiss(self, interaction_id: PyObjectId, *, by: StaffMember) -> None:
        """Take it off the list. Raises `NotFoundError`, `SettledError`."""
        message = await self._waiting(interaction_id)
        await self._settle(message, self._settlement(by, read_by_agent=False))

    async def _waiting(self, interaction_id: PyObjectId) -> Interaction:
        message = await self._repositories.interactions.get(interaction_id)
        if message is None or message.direction is not Direction.INCOMING:
            raise NotFoundError(_NO_MESSAGE)
        if message.unmatched is None:
            raise NotFoundError(_NO_MESSAGE)
        return message

    async def _campaign_of(self, patient_id: PyObjectId) -> Campaign | None:
        campaigns = self._repositories.campaigns
        return await campaigns.active_for(patient_id) or await campaigns.latest_for(patient_id)

    def _settlement(self, by: StaffMember, *, read_by_agent: bool) -> Settlement:
        now = self._clock.now()
        return Settlement(id=new_id(), by=staff_actor(by), at=now, read_by_agent=read_by_agent)

    async def _settle(
        self,
        message: Interaction,
        settlement: Settlement,
        patient_id: PyObjectId | None = None,
        campaign_id: PyObjectId | None = None,
    ) -> None:
        won = await self._repositories.interactions.settle(
            message.id, settlement, patient_id=patient_id, campaign_id=campaign_id
        )
        if not won:
            message_ = "Somebody has assigned or dismissed this message already."
            raise SettledError(message_)
        settled = message.model_copy(
            update={"settlement": settlement, "patient_id": patient_id, "campaign_id": campaign_id}
        )
        await record(self._repositories, settled)

    def _event(self, message: Interaction, settlement: Settlement) -> InboundEvent:
        now = self._clock.now()
        assigned = AssignedMessage(str(message.id), str(settlement.id), message.thread_id or "")
        return InboundEvent(
            id=f"assigned:{settlement.id}",
            source=SOURCE,
            payload=assigned.to_payload(),
            not_before=now,
            created_at=now,
            updated_at=now,
        )


_NO_MESSAGE = "There is no unmatched message with this id."


class AssignedMail:
    """Carries an assigned message on: to the agent, or to a person. May run twice."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        agent: AiAgent,
        lifecycle: CampaignLifecycle,
        alerts: Alerts,
    ) -> None:
        self._repositories = repositories
        self._agent = agent
        self._lifecycle = lifecycle
        self._alerts = alerts

    async def message(self, assigned: AssignedMessage) -> Interaction | None:
        """The message, once this assignment was made; `None` before, and where another won."""
        found = await self._repositories.interactions.get(PyObjectId(assigned.interaction_id))
        settled = found.settlement if found else None
        is_ours = settled is not None and str(settled.id) == assigned.settlement_id
        return found if is_ours else None

    async def carry_on(self, message: Interaction) -> None:
        """Everything that follows from an assignment."""
        await record(self._repositories, message)
        if message.settlement and message.settlement.read_by_agent:
            await self._agent.run_reactive(message)
            return
        await self._give_to_person(message)

    async def _give_to_person(self, message: Interaction) -> None:
        """Handed off where the table allows: from here on a person keeps the conversation."""
        if message.patient_id is None or message.campaign_id is None:
            return
        patient = await self._repositories.patients.get(message.patient_id)
        campaign = await self._repositories.campaigns.get(message.campaign_id)
        if patient is None or campaign is None:
            return
        urgency = message.ai_analysis.urgency if message.ai_analysis else Urgency.NORMAL
        reason = Reason.ASSIGNED_BY_STAFF
        summary = handoff_summary(patient, campaign, message, reason)
        await self._lifecycle.hand_off(
            campaign, reason=reason, summary=summary, by=_by(message), urgency=urgency
        )
        await self._repositories.campaigns.note_reply(campaign.id, message.timestamp)
        await self._alerts.attention_raised(campaign.id, urgency)


def _by(message: Interaction) -> str:
    return message.settlement.by if message.settlement else SOURCE


async def record(repositories: Repositories, message: Interaction) -> None:
    """Keep who decided what about a message, once: the entry has the settlement's id."""
    settlement = message.settlement
    if settlement is None:
        return
    details: dict[str, Any] = {
        "patient_id": str(message.patient_id) if message.patient_id else None,
        "campaign_id": str(message.campaign_id) if message.campaign_id else None,
        "read_by_agent": settlement.read_by_agent,
    }
    entry = AuditEntry(
        id=settlement.id,
        actor=settlement.by,
        action=ASSIGN if message.patient_id else DISMISS,
        subject="unmatched_message",
        subject_id=str(message.id),
        at=settlement.at,
        details=details,
    )
    with contextlib.suppress(DuplicateValueError):
        await repositories.audit.insert(entry)
