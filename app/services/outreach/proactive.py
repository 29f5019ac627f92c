"""The proactive path: the practice writes first, attempt by attempt (agent.md)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.core.clock import Clock
from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.campaign import FOLLOWED_UP_STATUSES, Attention, Campaign, CampaignStatus
from app.models.interaction import DeliveryStatus, Interaction, MessageClass
from app.models.patient import Patient
from app.models.schedule import Clinic
from app.services.campaigns import CampaignLifecycle
from app.services.clinic import ClinicService
from app.services.outreach.composer import Composer
from app.services.outreach.outbox import Draft, Outbox
from app.services.outreach.planner import days_after, next_attempt_after
from app.services.outreach.reach import Obstacle, Reach
from app.services.outreach.routes import BY_EMAIL, Routes
from app.services.outreach.unreachable import UnreachablePatients

logger = logging.getLogger(__name__)

MOVED_BY = "sweep"
RECONCILE_BATCH = 100
AGENT_SILENT = "agent_silent"
FOLLOW_UP_DUE = "follow_up_due"
FOLLOW_UP_DUE_SUMMARY = (
    "A follow-up is due in a conversation that a person keeps. Write to the patient, close the "
    "campaign, or release it to the agent."
)


class AttemptResult(StrEnum):
    """What became of a campaign whose next attempt was due."""

    QUEUED = "queued"
    FAILED = "recovery_failed"
    DECLINED = "recovery_declined"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class AttemptOutcome:
    """The result, and for everything but a queued message its reason."""

    result: AttemptResult
    reason: str = ""


@dataclass(frozen=True)
class CampaignFacts:
    """What an attempt depends on, read for many campaigns at once."""

    clinic: Clinic
    patients: Mapping[PyObjectId, Patient]
    reach: Reach = field(default_factory=Reach)
    waiting: Mapping[PyObjectId, Interaction] = field(default_factory=dict)


class ProactivePath:
    """Queues the next message of a campaign, or ends it."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        lifecycle: CampaignLifecycle,
        outbox: Outbox,
        composer: Composer,
        clinic: ClinicService,
        settings: Settings,
        clock: Clock,
        routes: Routes = BY_EMAIL,
    ) -> None:
        self._repositories = repositories
        self._lifecycle = lifecycle
        self._outbox = outbox
        self._composer = composer
        self._clinic = clinic
        self._settings = settings
        self._clock = clock
        self._routes = routes
        self._unreachable = UnreachablePatients(repositories, clinic, clock)

    async def advance(self, campaign: Campaign, now: datetime) -> AttemptOutcome:
        """Do the next step of one campaign, due or not. Safe to repeat and to race with itself."""
        return await self.advance_knowing(campaign, await self.facts([campaign], now), now)

    async def facts(self, campaigns: Sequence[Campaign], now: datetime) -> CampaignFacts:
        """What the next step of these campaigns depends on: a handful of queries for all."""
        repositories = self._repositories
        patients = await repositories.patients.get_many(c.patient_id for c in campaigns)
        return CampaignFacts(
            clinic=await self._clinic.current(),
            patients=patients,
            reach=await Reach.read(repositories, list(patients.values()), now, self._routes),
            waiting=await repositories.outbox.waiting_outreach(c.id for c in campaigns),
        )

    async def advance_knowing(
        self, campaign: Campaign, facts: CampaignFacts, now: datetime
    ) -> AttemptOutcome:
        """`advance` with facts that were read for a whole batch.

        The message is queued first and then counted: a crash between the two is finished by the
        next call, which finds the message under its dedupe key.
        """
        outcome = self.judge(campaign, facts)
        match outcome.result:
            case AttemptResult.QUEUED:
                await self._queue(campaign, facts, now)
            case AttemptResult.FAILED:
                if outcome.reason == Obstacle.NO_ADDRESS:  # first: a crash after it repeats it
                    await self._unreachable.ask_for_a_person(campaign.patient_id)
                outcome = await self._end(campaign, CampaignStatus.RECOVERY_FAILED, outcome)
            case AttemptResult.DECLINED:
                outcome = await self._end(campaign, CampaignStatus.RECOVERY_DECLINED, outcome)
            case AttemptResult.SKIPPED:
                await self._remind_staff(campaign, outcome, now)
        return outcome

    def judge(self, campaign: Campaign, facts: CampaignFacts) -> AttemptOutcome:
        """What the next step of a campaign is. Decides, and changes nothing."""
        patient = facts.patients.get(campaign.patient_id)
        if reason := _reason_to_leave_alone(campaign):
            return AttemptOutcome(AttemptResult.SKIPPED, reason)
        if patient is None:
            return AttemptOutcome(AttemptResult.FAILED, "no_patient")
        if obstacle := facts.reach.obstacle(patient):
            declined = obstacle is Obstacle.OPTED_OUT
            result = AttemptResult.DECLINED if declined else AttemptResult.FAILED
            return AttemptOutcome(result, obstacle)
        if facts.reach.has_visit(patient):
            return AttemptOutcome(AttemptResult.SKIPPED, "visit_booked")
        return _attempt_or_end(campaign, facts.waiting.get(campaign.id))

    async def reconcile_staff_campaigns(self) -> int:
        """Queue the first message of staff's campaigns where a crash came before it.

        Returns how many were queued. One that cannot be written to just now is looked at again on
        the next day, so that it does not keep the others from their turn.
        """
        now = self._clock.now()
        repository = self._repositories.campaigns
        forgotten = await repository.staff_started_and_unwritten(now, RECONCILE_BATCH)
        return sum([await self._reconcile(campaign, now) for campaign in forgotten])

    async def _reconcile(self, campaign: Campaign, now: datetime) -> int:
        try:
            outcome = await self.advance(campaign, now)
            if outcome.result is AttemptResult.SKIPPED:
                clinic = await self._clinic.current()
                await self._repositories.campaigns.plan_next_attempt(
                    campaign.id, {campaign.status}, days_after(now, 1, clinic.zone)
                )
        except Exception:  # one bad campaign must not keep the others from being written to
            logger.exception("staff campaign failed", extra={"campaign_id": str(campaign.id)})
            return 0
        return int(outcome.result is AttemptResult.QUEUED)

    async def _queue(self, campaign: Campaign, facts: CampaignFacts, now: datetime) -> None:
        attempt = campaign.follow_up_details.attempts_made + 1
        patient = facts.patients[campaign.patient_id]
        letter = self._composer.outreach(facts.clinic, patient, campaign, attempt)
        message, _ = await self._outbox.enqueue(
            Draft(
                patient_id=patient.id,
                campaign_id=campaign.id,
                subject=letter.subject,
                content=letter.content,
                html=letter.html,
                short=letter.short,
                message_class=MessageClass.OUTREACH,
                dedupe_key=attempt_key(campaign.id, attempt),
                attempt=attempt,
            )
        )
        if not await self._count(campaign, attempt, facts.clinic, now):
            await self._withdraw_if_uncounted(campaign, message)
        await self._give_back_if_dropped(message, facts.clinic, now)

    async def _remind_staff(
        self, campaign: Campaign, outcome: AttemptOutcome, now: datetime
    ) -> None:
        """Where a person keeps the thread the machine says nothing; so that nobody forgets the
        patient, staff are asked to.
        """
        if outcome.reason != AGENT_SILENT:
            return
        attention = Attention(reason=FOLLOW_UP_DUE, summary=FOLLOW_UP_DUE_SUMMARY, since=now)
        await self._repositories.campaigns.open_attention(campaign.id, attention)

    async def _count(self, campaign: Campaign, attempt: int, clinic: Clinic, now: datetime) -> bool:
        made = campaign.follow_up_details.model_copy(
            update={
                "attempts_made": attempt,
                "first_attempt_at": campaign.follow_up_details.first_attempt_at or now,
                "last_attempt_at": now,
            }
        )
        next_attempt_at = next_attempt_after(
            campaign.status,
            made,
            interval_days=self._settings.attempt_interval_days,
            now=now,
            zone=clinic.zone,
        )
        fields = {
            "first_attempt_at": made.first_attempt_at,
            "last_attempt_at": made.last_attempt_at,
            "next_attempt_at": next_attempt_at,
        }
        return await self._repositories.campaigns.count_attempt(
            campaign, attempts_made=attempt, fields=fields
        )

    async def _withdraw_if_uncounted(self, campaign: Campaign, message: Interaction) -> None:
        """The campaign moved on while its message was being queued: a reply came, say.

        Only one that was never tried: what may have left is looked up by the sender, which the
        gate tells to drop it.
        """
        current = await self._repositories.campaigns.get(campaign.id) or campaign
        if current.follow_up_details.attempts_made >= (message.attempt or 0):
            return  # another worker counted it
        await self._repositories.outbox.suppress(
            message,
            status=DeliveryStatus.PENDING,
            term=0,
            reason="campaign_moved_on",
            dedupe_key=dropped_key(message),
        )

    async def _give_back_if_dropped(
        self, queued: Interaction, clinic: Clinic, now: datetime
    ) -> None:
        """The sender may drop a message before it was counted; it could not give it back then."""
        message = await self._repositories.interactions.get(queued.id)
        dropped = message and message.delivery
        if dropped and dropped.status == DeliveryStatus.SUPPRESSED and queued.campaign_id:
            await self._repositories.campaigns.give_back_attempt(
                queued.campaign_id,
                attempt=queued.attempt or 0,
                next_attempt_at=days_after(now, 1, clinic.zone),
            )

    async def _end(
        self, campaign: Campaign, status: CampaignStatus, outcome: AttemptOutcome
    ) -> AttemptOutcome:
        moved = await self._lifecycle.move(
            campaign, status, by=MOVED_BY, only_from=FOLLOWED_UP_STATUSES
        )
        if moved.is_refused:
            return AttemptOutcome(AttemptResult.SKIPPED, "moved_on")
        return outcome


def attempt_key(campaign_id: PyObjectId, attempt: int) -> str:
    """The dedupe key of a campaign's nth message."""
    return f"campaign:{campaign_id}:attempt:{attempt}"


def dropped_key(message: Interaction) -> str:
    """What a dropped message is called from then on: its own key is free for another try."""
    return f"{message.dedupe_key}:dropped:{message.id}"


def _reason_to_leave_alone(campaign: Campaign) -> str | None:
    if campaign.status not in FOLLOWED_UP_STATUSES:
        return "not_followed_up"
    if campaign.agent_silent_since is not None:
        return AGENT_SILENT
    return None


def _attempt_or_end(campaign: Campaign, waiting: Interaction | None) -> AttemptOutcome:
    made = campaign.follow_up_details.attempts_made
    if waiting is not None and (waiting.attempt or 0) <= made:
        return AttemptOutcome(AttemptResult.SKIPPED, "message_waiting")
    if made >= campaign.follow_up_details.max_attempts:
        return AttemptOutcome(AttemptResult.FAILED, "out_of_attempts")
    return AttemptOutcome(AttemptResult.QUEUED)
