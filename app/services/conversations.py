"""What staff do in a campaign's conversation: write, take over, release, close, note down."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError, UnprocessableError
from app.db.repositories import Repositories
from app.models.base import PyObjectId, new_id
from app.models.campaign import (
    FOLLOWED_UP_STATUSES,
    STAFF_SETTABLE_STATUSES,
    Campaign,
    CampaignStatus,
)
from app.models.decision import Urgency
from app.models.interaction import Direction, Interaction, MessageClass
from app.models.patient import Channel, Patient, PatientStatus
from app.models.records import SuppressionReason
from app.models.role import StaffMember
from app.services.campaigns import CampaignLifecycle
from app.services.clinic import ClinicService
from app.services.outreach.composer import Composer
from app.services.outreach.outbox import Draft, Outbox
from app.services.outreach.planner import follow_up_after_reply

STAFF_HANDOFF_REASON = "staff_took_over"


class CampaignNotFoundError(NotFoundError):
    """There is no such campaign."""

    slug = "campaign-not-found"
    title = "No such campaign"

    def __init__(self) -> None:
        super().__init__("There is no campaign with this id.")


class StatusNotSettableError(UnprocessableError):
    """Only bookings and visits set this status."""

    slug = "status-not-settable"
    title = "Staff cannot set this status"


class PatientUnreachableError(ConflictError):
    """The practice may not, or cannot, write to this patient."""

    slug = "patient-unreachable"
    title = "This patient cannot be written to"


class KeyReusedError(UnprocessableError):
    """An `Idempotency-Key` came again with another body."""

    slug = "idempotency-key-reused"
    title = "This Idempotency-Key was used for another request"


class NotWaitingError(ConflictError):
    """Nothing waits for a person here, or somebody else has it."""

    slug = "handoff-not-open"
    title = "This hand-off cannot be taken"


@dataclass(frozen=True)
class StaffNote:
    """A message or call that happened elsewhere and is written down by hand."""

    campaign_id: PyObjectId
    direction: Direction
    channel: Channel
    content: str
    timestamp: datetime | None = None


class Conversations:
    """Staff's side of a conversation."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        lifecycle: CampaignLifecycle,
        outbox: Outbox,
        composer: Composer,
        clinic: ClinicService,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._lifecycle = lifecycle
        self._outbox = outbox
        self._composer = composer
        self._clinic = clinic
        self._clock = clock

    async def campaign(self, campaign_id: PyObjectId) -> Campaign:
        """The campaign. Raises `CampaignNotFoundError`."""
        campaign = await self._repositories.campaigns.get(campaign_id)
        if campaign is None:
            raise CampaignNotFoundError
        return campaign

    async def history(self, campaign_id: PyObjectId) -> list[Interaction]:
        """The whole conversation, oldest first. Raises `CampaignNotFoundError`."""
        await self.campaign(campaign_id)
        return await self._repositories.interactions.conversation(campaign_id)

    async def respond(
        self,
        campaign_id: PyObjectId,
        message: str,
        *,
        by: StaffMember,
        new_status: CampaignStatus | None = None,
        idempotency_key: str | None = None,
    ) -> Interaction:
        """Write to the patient in the thread, and move the campaign first where asked to.

        A refused move sends nothing. Without a new status the status stays and a person keeps the
        thread: the agent is silent until somebody releases it.
        Raises `CampaignNotFoundError`, `StatusNotSettableError`, `CampaignTransitionError`,
        `PatientUnreachableError`, `KeyReusedError`.
        """
        campaign = await self.campaign(campaign_id)
        patient = await self._reachable_patient(campaign)
        if new_status is None:
            await self._keep_thread(campaign, by)
        else:
            campaign = await self.set_status(campaign_id, new_status, by=by)
        return await self._queue(campaign, patient, message, by, idempotency_key)

    async def set_status(
        self, campaign_id: PyObjectId, status: CampaignStatus, *, by: StaffMember
    ) -> Campaign:
        """Move a campaign by hand, where the table allows it.

        Raises `CampaignNotFoundError`, `StatusNotSettableError`, `CampaignTransitionError`.
        """
        if status not in STAFF_SETTABLE_STATUSES:
            message = f"{status} is set by bookings and visits alone."
            raise StatusNotSettableError(message)
        campaign = await self.campaign(campaign_id)
        actor = staff_actor(by)
        if status == CampaignStatus.HANDOFF_REQUIRED:
            return await self._take_over(campaign, actor)
        released = status == CampaignStatus.RE_ENGAGED
        fields = await self._release_fields() if released else {}
        result = await self._lifecycle.require(campaign, status, by=actor, fields=fields)
        await self._repositories.campaigns.resolve_attention(campaign_id)
        if released:
            await self._repositories.campaigns.end_agent_silence(campaign_id)
        return await self.campaign(result.campaign.id)

    async def claim(self, campaign_id: PyObjectId, *, by: StaffMember) -> Campaign:
        """Take a hand-off; of two who try, one wins. Claiming one's own again changes nothing.

        Raises `CampaignNotFoundError`, `NotWaitingError`.
        """
        if not await self._repositories.campaigns.claim_attention(campaign_id, by.id):
            campaign = await self.campaign(campaign_id)
            attention = campaign.attention
            if attention is None or attention.resolved_at or attention.claimed_by != by.id:
                message = "Nothing waits here, or a colleague has already taken it."
                raise NotWaitingError(message)
        return await self.campaign(campaign_id)

    async def release(self, campaign_id: PyObjectId, *, by: StaffMember) -> Campaign:
        """Resolve the attention and give the conversation back to the agent.

        Where the campaign is booked or has ended there is no conversation to give back: the
        attention is resolved and the status stays. Raises `CampaignNotFoundError`.
        """
        campaign = await self.campaign(campaign_id)
        if campaign.status in {*FOLLOWED_UP_STATUSES, CampaignStatus.HANDOFF_REQUIRED}:
            return await self.set_status(campaign_id, CampaignStatus.RE_ENGAGED, by=by)
        await self._repositories.campaigns.resolve_attention(campaign_id)
        await self._repositories.campaigns.end_agent_silence(campaign_id)
        return await self.campaign(campaign_id)

    async def note(self, note: StaffNote, *, by: StaffMember) -> Interaction:
        """Write down what was said elsewhere. A patient's words drop outreach that waits.

        Raises `CampaignNotFoundError`.
        """
        campaign = await self.campaign(note.campaign_id)
        at = note.timestamp or self._clock.now()
        interaction = Interaction(
            patient_id=campaign.patient_id,
            campaign_id=campaign.id,
            direction=note.direction,
            channel=note.channel,
            content=note.content,
            timestamp=at,
            by=staff_actor(by),
        )
        await self._repositories.interactions.insert(interaction)
        if note.direction == Direction.INCOMING:
            await self._repositories.campaigns.note_reply(campaign.id, at)
        return interaction

    async def _take_over(self, campaign: Campaign, actor: str) -> Campaign:
        target = CampaignStatus.HANDOFF_REQUIRED
        moved = await self._lifecycle.require(campaign, target, by=actor)
        await self._lifecycle.raise_attention(
            campaign.id,
            reason=STAFF_HANDOFF_REASON,
            summary="Staff took this conversation over.",
            urgency=Urgency.NORMAL,
        )
        return await self.campaign(moved.campaign.id)

    async def _keep_thread(self, campaign: Campaign, by: StaffMember) -> None:
        await self._repositories.campaigns.begin_agent_silence(campaign.id)
        await self._repositories.campaigns.claim_attention(campaign.id, by.id)

    async def _release_fields(self) -> dict[str, datetime]:
        clinic = await self._clinic.current()
        follow_up = follow_up_after_reply(self._clock.now(), clinic.zone)
        return {"follow_up_details.next_attempt_at": follow_up}

    async def _reachable_patient(self, campaign: Campaign) -> Patient:
        patient = await self._repositories.patients.get(campaign.patient_id)
        if patient is None or patient.status != PatientStatus.ACTIVE or patient.email is None:
            message = "The patient is not active or has no e-mail address on file."
            raise PatientUnreachableError(message)
        suppression = await self._repositories.suppressions.for_address(patient.email)
        if suppression and suppression.reason == SuppressionReason.HARD_BOUNCE:
            message = "Mail to the address on file bounced. Please correct the address first."
            raise PatientUnreachableError(message)
        opted_out_at = patient.consent.opted_out_at or (suppression and suppression.at)
        if opted_out_at and not await self._wrote_after(patient, opted_out_at):
            message = "The patient opted out and has not written since."
            raise PatientUnreachableError(message)
        return patient

    async def _wrote_after(self, patient: Patient, instant: datetime) -> bool:
        last = await self._repositories.interactions.last_incoming(patient.id)
        return last is not None and last.timestamp > instant

    async def _queue(
        self,
        campaign: Campaign,
        patient: Patient,
        message: str,
        by: StaffMember,
        idempotency_key: str | None,
    ) -> Interaction:
        letter = self._composer.staff_message(await self._clinic.current(), patient, message)
        draft = Draft(
            patient_id=patient.id,
            campaign_id=campaign.id,
            subject=letter.subject,
            content=letter.content,
            message_class=MessageClass.STAFF,
            dedupe_key=_dedupe_key(campaign.id, by, idempotency_key),
            by=staff_actor(by),
        )
        stored, is_new = await self._outbox.enqueue(draft)
        if not is_new and stored.content != draft.content:
            sentence = "The same Idempotency-Key came with another message before."
            raise KeyReusedError(sentence)
        return stored


def staff_actor(member: StaffMember) -> str:
    """How a member of staff stands in a history: by id, never by name."""
    return f"staff:{member.id}"


def _dedupe_key(campaign_id: PyObjectId, by: StaffMember, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return f"staff:{campaign_id}:{new_id()}"
    digest = hashlib.sha256(idempotency_key.encode()).hexdigest()
    return f"staff:{campaign_id}:{by.id}:{digest}"
