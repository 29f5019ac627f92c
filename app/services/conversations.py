"""What staff do in a campaign's conversation: write, take over, release, close, note down."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError, UnprocessableError
from app.db.repositories import Repositories
from app.models.base import PyObjectId, new_id
from app.models.campaign import (
    BOOKED_STATUSES,
    FOLLOWED_UP_STATUSES,
    STAFF_SETTABLE_STATUSES,
    TRANSITIONS,
    Attention,
    Campaign,
    CampaignStatus,
    HandoffDetails,
)
from app.models.decision import Intent
from app.models.interaction import Direction, Interaction, MessageClass
from app.models.patient import Channel, Patient, PatientStatus
from app.models.records import UNDELIVERABLE
from app.models.role import StaffMember
from app.services.campaigns import CampaignLifecycle, Moved
from app.services.clinic import ClinicService
from app.services.idempotency import Answer, OnceOnly
from app.services.outreach.composer import Composer
from app.services.outreach.outbox import Draft, Outbox
from app.services.outreach.planner import follow_up_after_reply
from app.services.outreach.routes import BY_EMAIL, Routes, addresses_of, best_of
from app.services.scheduling.localtime import to_instant

STAFF_HANDOFF_REASON = "staff_took_over"
STAFF_HANDOFF_SUMMARY = "Staff took this conversation over."
NEXT_ATTEMPT = "follow_up_details.next_attempt_at"
NO_WORD_OF_THEIRS = (
    Intent.AUTO_REPLY,
    Intent.BOUNCE,
    Intent.UNVERIFIED_SENDER,
    Intent.THIRD_PERSON,
    Intent.OPT_OUT,
)
"""What comes in after an opt-out and takes nothing of it back: not from the patient, or a stop."""
CLOCKS_DIFFER_BY = timedelta(minutes=5)
"""A note's time may lie this far ahead of ours: the desk's clock is not ours."""


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


class NoteFromTheFutureError(UnprocessableError):
    """What was said was said in the past."""

    slug = "note-from-the-future"
    title = "This has not been said yet"


class NotWaitingError(ConflictError):
    """Nothing waits for a person here, or somebody else has it."""

    slug = "handoff-not-open"
    title = "This hand-off cannot be taken"


@dataclass(frozen=True)
class StaffNote:
    """A message or call that happened elsewhere and is written down by hand.

    A `timestamp` without an offset is the clinic's local time; without one it was just now.
    """

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
        once: OnceOnly,
        clock: Clock,
        routes: Routes = BY_EMAIL,
    ) -> None:
        self._repositories = repositories
        self._lifecycle = lifecycle
        self._outbox = outbox
        self._composer = composer
        self._clinic = clinic
        self._once = once
        self._clock = clock
        self._routes = routes

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

        Everything that can refuse comes before the first write: a refusal moves nothing, silences
        nobody and sends nothing. Unless the thread is released to the agent (`RE_ENGAGED`), a
        person keeps it, and the agent is silent until somebody releases it. A retry under the same
        key answers the message of the first try.
        Raises `CampaignNotFoundError`, `StatusNotSettableError`, `CampaignTransitionError`,
        `PatientUnreachableError`, `IdempotencyKeyReusedError`.
        """

        async def say(occasion: PyObjectId) -> Interaction:
            return await self._say(campaign_id, message, by, new_status, occasion)

        if idempotency_key is None:
            return await say(new_id())
        answer = await self._once.answer(
            route=f"respond:{campaign_id}:{by.id}",
            key=idempotency_key,
            body={"message": message, "new_status": new_status},
            find=lambda occasion: self._said(campaign_id, occasion),
            make=lambda occasion: _as_answer(say(occasion)),
        )
        return await self._message(answer)

    async def set_status(
        self, campaign_id: PyObjectId, status: CampaignStatus, *, by: StaffMember
    ) -> Campaign:
        """Move a campaign by hand, where the table allows it.

        Raises `CampaignNotFoundError`, `StatusNotSettableError`, `CampaignTransitionError`.
        """
        _require_settable(status)
        campaign = await self.campaign(campaign_id)
        actor = staff_actor(by)
        if status == CampaignStatus.HANDOFF_REQUIRED:
            return await self._take_over(campaign, actor)
        if status == CampaignStatus.RE_ENGAGED:
            follow_up = await self._follow_up()
            fields = {NEXT_ATTEMPT: follow_up}
            result = await self._lifecycle.require(campaign, status, by=actor, fields=fields)
            return await self._give_back(campaign, result.outcome, follow_up)
        await self._lifecycle.require(campaign, status, by=actor)
        await self._lifecycle.resolve_attention(campaign)
        return await self.campaign(campaign_id)

    async def claim(self, campaign_id: PyObjectId, *, by: StaffMember) -> Campaign:
        """Take a hand-off; of two who try, one wins. Claiming one's own again changes nothing.

        Raises `CampaignNotFoundError`, `NotWaitingError`.
        """
        if not await self._lifecycle.claim_attention(campaign_id, by.id):
            campaign = await self.campaign(campaign_id)
            attention = campaign.attention
            if attention is None or attention.resolved_at or attention.claimed_by != by.id:
                message = "Nothing waits here, or a colleague has already taken it."
                raise NotWaitingError(message)
        return await self.campaign(campaign_id)

    async def release(self, campaign_id: PyObjectId, *, by: StaffMember) -> Campaign:
        """Resolve the attention and give the conversation back to the agent.

        A handed-off campaign becomes `RE_ENGAGED`. In any other status no person held it by its
        status: the attention is resolved, the agent's silence ends, and the status stays.
        Raises `CampaignNotFoundError`.
        """
        campaign = await self.campaign(campaign_id)
        follow_up = await self._follow_up()
        result = await self._lifecycle.move(
            campaign,
            CampaignStatus.RE_ENGAGED,
            by=staff_actor(by),
            fields={NEXT_ATTEMPT: follow_up},
            only_from={CampaignStatus.HANDOFF_REQUIRED},
        )
        return await self._give_back(campaign, result.outcome, follow_up)

    async def note(self, note: StaffNote, *, by: StaffMember) -> Interaction:
        """Write down what was said elsewhere. A patient's words drop outreach that waits.

        Raises `CampaignNotFoundError`, `NoteFromTheFutureError` and the errors of local times.
        """
        campaign = await self.campaign(note.campaign_id)
        at = await self._time_of(note)
        if note.direction == Direction.INCOMING:
            await self._repositories.campaigns.note_reply(campaign.id, at)
        return await self._repositories.interactions.insert(
            Interaction(
                patient_id=campaign.patient_id,
                campaign_id=campaign.id,
                direction=note.direction,
                channel=note.channel,
                content=note.content,
                timestamp=at,
                by=staff_actor(by),
            )
        )

    async def _time_of(self, note: StaffNote) -> datetime:
        now = self._clock.now()
        if note.timestamp is None:
            return now
        at = to_instant(note.timestamp, (await self._clinic.current()).zone)
        if at > now + CLOCKS_DIFFER_BY:
            message = "The time lies in the future. Write down what was said when it was said."
            raise NoteFromTheFutureError(message)
        return at

    async def _say(
        self,
        campaign_id: PyObjectId,
        message: str,
        by: StaffMember,
        new_status: CampaignStatus | None,
        occasion: PyObjectId,
    ) -> Interaction:
        if new_status is not None:
            _require_settable(new_status)
        campaign = await self.campaign(campaign_id)
        patient = await self._reachable_patient(campaign)
        if new_status is not None:
            await self.set_status(campaign_id, new_status, by=by)
        if new_status != CampaignStatus.RE_ENGAGED:
            await self._keep_thread(campaign, by)
        return await self._queue(campaign, patient, message, by, occasion)

    async def _said(self, campaign_id: PyObjectId, occasion: PyObjectId) -> Answer | None:
        key = _dedupe_key(campaign_id, occasion)
        stored = await self._repositories.outbox.with_dedupe_key(key)
        return None if stored is None else {"interaction_id": str(stored.id)}

    async def _message(self, answer: Answer) -> Interaction:
        interaction_id = PyObjectId(answer["interaction_id"])
        stored = await self._repositories.interactions.get(interaction_id)
        if stored is None:
            message = "The message of this Idempotency-Key is gone."
            raise NotFoundError(message)
        return stored

    async def _take_over(self, campaign: Campaign, actor: str) -> Campaign:
        """Into a person's hands. What waits already keeps its reason, summary and age."""
        now = self._clock.now()
        details = HandoffDetails(
            reason=STAFF_HANDOFF_REASON,
            summary=STAFF_HANDOFF_SUMMARY,
            handed_off_at=now,
            requested_by=actor,
        )
        target = CampaignStatus.HANDOFF_REQUIRED
        fields = {"handoff_details": details.to_stored()}
        attention = Attention(reason=STAFF_HANDOFF_REASON, summary=STAFF_HANDOFF_SUMMARY, since=now)
        if target in TRANSITIONS[campaign.status] and campaign.status not in BOOKED_STATUSES:
            # Before the status: a crash between the two leaves something that staff see.
            await self._repositories.campaigns.open_attention(campaign.id, attention)
        await self._lifecycle.require(campaign, target, by=actor, fields=fields)
        await self._repositories.campaigns.open_attention(campaign.id, attention)
        return await self.campaign(campaign.id)

    async def _give_back(self, before: Campaign, outcome: Moved, follow_up: datetime) -> Campaign:
        """To the agent. A campaign that stays where it is still needs its follow-up planned anew:
        while a person kept the thread, the machine's plan stood still.
        """
        campaigns = self._repositories.campaigns
        if outcome is not Moved.MOVED and before.agent_silent_since:
            await campaigns.plan_next_attempt(before.id, FOLLOWED_UP_STATUSES, follow_up)
        await self._lifecycle.resolve_attention(before, released=True)
        await campaigns.end_agent_silence(before.id)
        return await self.campaign(before.id)

    async def _keep_thread(self, campaign: Campaign, by: StaffMember) -> None:
        await self._repositories.campaigns.begin_agent_silence(campaign.id)
        await self._lifecycle.claim_attention(campaign.id, by.id)

    async def _follow_up(self) -> datetime:
        clinic = await self._clinic.current()
        return follow_up_after_reply(self._clock.now(), clinic.zone)

    async def _reachable_patient(self, campaign: Campaign) -> Patient:
        patient = await self._repositories.patients.get(campaign.patient_id)
        ways = self._routes.of(patient) if patient else []
        if patient is None or patient.status != PatientStatus.ACTIVE or not ways:
            message = "The patient is not active or has no e-mail address on file."
            raise PatientUnreachableError(message)
        suppressions = await self._repositories.suppressions.among(addresses_of(ways))
        route = best_of(ways, suppressions)
        suppression = suppressions.get(route.address) if route else None
        if suppression and suppression.reason in UNDELIVERABLE:
            message = "Mail to the address on file bounced. Please correct the address first."
            raise PatientUnreachableError(message)
        wishes = (patient.consent.opted_out_at, suppression.at if suppression else None)
        opt_outs = [at for at in wishes if at is not None]
        if opt_outs and not await self._wrote_after(patient, max(opt_outs)):
            message = "The patient opted out and has not written since."
            raise PatientUnreachableError(message)
        return patient

    async def _wrote_after(self, patient: Patient, instant: datetime) -> bool:
        interactions = self._repositories.interactions
        wrote = await interactions.last_wishes([patient.id], NO_WORD_OF_THEIRS)
        return patient.id in wrote and wrote[patient.id] > instant

    async def _queue(
        self,
        campaign: Campaign,
        patient: Patient,
        message: str,
        by: StaffMember,
        occasion: PyObjectId,
    ) -> Interaction:
        letter = self._composer.staff_message(await self._clinic.current(), patient, message)
        draft = Draft(
            patient_id=patient.id,
            campaign_id=campaign.id,
            subject=letter.subject,
            content=letter.content,
            html=letter.html,
            short=letter.short,
            message_class=MessageClass.STAFF,
            dedupe_key=_dedupe_key(campaign.id, occasion),
            by=staff_actor(by),
        )
        stored, _ = await self._outbox.enqueue(draft)
        return stored


def staff_actor(member: StaffMember) -> str:
    """How a member of staff stands in a history: by id, never by name."""
    return f"staff:{member.id}"


def _dedupe_key(campaign_id: PyObjectId, occasion: PyObjectId) -> str:
    return f"staff:{campaign_id}:{occasion}"


def _require_settable(status: CampaignStatus) -> None:
    if status not in STAFF_SETTABLE_STATUSES:
        message = f"Staff cannot set {status}: it follows from bookings, visits and the sweep."
        raise StatusNotSettableError(message)


async def _as_answer(saying: Awaitable[Interaction]) -> Answer:
    return {"interaction_id": str((await saying).id)}
