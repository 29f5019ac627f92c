"""Why one patient was, or was not, contacted: the sweep's own rules, asked for one patient.

Nothing is decided here: eligibility is judged by the recruiter, the next attempt by the proactive
path, and what became of each letter stands in the outbox. This puts them into words with the value
and the instant each went by.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.core.config import Settings
from app.db.repositories import Repositories
from app.db.repositories.appointments import SETTLING_TIME
from app.models.appointment import LIVE_STATUSES
from app.models.base import PyObjectId
from app.models.campaign import Campaign
from app.models.interaction import Interaction
from app.models.patient import Patient
from app.services.outreach.eligibility import Due
from app.services.outreach.proactive import AttemptOutcome, AttemptResult, ProactivePath
from app.services.outreach.recruiting import DAILY_LIMIT, Judged, Recruiter
from app.services.patient_records import PatientRecords

MESSAGES = 50
"""The newest letters that are shown."""

_WORDS = {
    "opted_out": "They, or somebody on their mailbox, asked for no more messages.",
    "bounced": "Mail to their address came back.",
    "no_address": "There is no address or number that something goes out to.",
    "inactive": "Their record is inactive.",
    "deceased": "Their record says that they died.",
    "visit_booked": "They have a visit ahead, or one of the last days that nobody has settled yet.",
    "declined": "They declined, and have not written of their own accord since.",
    "cool_down": "Their last campaign ended too recently (COOL_DOWN_DAYS).",
    "not_due": "Their follow-up date has not come, or they have none.",
    "past_give_up_window": "Their follow-up date passed too long ago (RECALL_GIVE_UP_DAYS).",
    "already_recalled": "They were recalled for this follow-up date before.",
    "active_campaign": "They have a campaign that is still open.",
    "no_patient": "The campaign has no patient any more.",
    "not_followed_up": "In this status a person, or a visit, leads on.",
    "agent_silent": "A person keeps the conversation.",
    "message_waiting": "A message to them still waits to leave.",
    "out_of_attempts": "All attempts were made: the campaign ends.",
    "never contacted": "A lead whom nobody has written to yet.",
    "cool-down over": "A lead, and the time after their last campaign is over.",
    "follow-up date reached": "Their follow-up date has come.",
}


@dataclass(frozen=True)
class Finding:
    """One rule of the sweep: whether it lets the patient through, and what it went by."""

    rule: str
    passed: bool
    value: str
    at: datetime | None
    text: str


@dataclass(frozen=True)
class Explanation:
    """Everything about writing to one patient, as the next sweep would see it at `asked_at`."""

    patient: Patient
    asked_at: datetime
    findings: Sequence[Finding]
    campaigns: Sequence[Campaign] = field(default_factory=list)
    messages: Sequence[Interaction] = field(default_factory=list)

    @property
    def would_be_contacted(self) -> bool:
        """Whether a sweep now would write to them."""
        return all(finding.passed for finding in self.findings)

    @property
    def reason(self) -> str:
        """The first rule that stops it, else what makes them due."""
        stopped = (finding for finding in self.findings if not finding.passed)
        due = (f for f in self.findings if f.rule in {"due", "next_step"})
        return next(stopped, next(due)).text


class ContactExplainer:
    """Asks the sweep's rules about one patient, and changes nothing."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        records: PatientRecords,
        recruiter: Recruiter,
        proactive: ProactivePath,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._records = records
        self._recruiter = recruiter
        self._proactive = proactive
        self._settings = settings
        self._clock = clock

    async def explain(self, patient_id: PyObjectId) -> Explanation:
        """Raises `PatientNotFoundError`."""
        patient, now = await self._records.get(patient_id), self._clock.now()
        campaigns = await self._repositories.campaigns.all_for([patient_id])
        active = next((campaign for campaign in campaigns if campaign.is_active), None)
        findings = (
            await self._about_attempt(active, now)
            if active
            else await self._about_starting(patient, now)
        )
        return Explanation(
            patient=patient,
            asked_at=now,
            findings=[self._switch(), *findings],
            campaigns=campaigns,
            messages=await self._repositories.outbox.outreach_to(patient_id, MESSAGES),
        )

    def _switch(self) -> Finding:
        is_on = self._settings.outreach_is_on
        value = "on" if is_on else "off"
        text = f"Outreach is switched {value} (OUTREACH_ENABLED)."
        return Finding("outreach_enabled", is_on, value, None, text)

    async def _about_attempt(self, campaign: Campaign, now: datetime) -> list[Finding]:
        planned = campaign.follow_up_details.next_attempt_at
        text = "The next attempt is due." if campaign.is_due(now) else "No attempt is due now."
        due = Finding("attempt_due", campaign.is_due(now), campaign.status, planned, text)
        facts = await self._proactive.facts([campaign], now)
        outcome = self._proactive.judge(campaign, facts)
        at = await self._instant_of(outcome.reason, campaign.patient_id, now, [campaign])
        return [due, _next_step(campaign, outcome, at)]

    async def _about_starting(self, patient: Patient, now: datetime) -> list[Finding]:
        judged = await self._recruiter.look_at(patient, now)
        quota = await self._recruiter.quota(now)
        limit = self._settings.new_campaigns_per_day
        free = Finding(
            rule=DAILY_LIMIT,
            passed=len(quota) > 0,
            value=f"{len(quota)} of {limit}",
            at=None,
            text=f"Of today's {limit} new campaigns (NEW_CAMPAIGNS_PER_DAY) {len(quota)} are free; "
            "who has waited longest comes first.",
        )
        return [await self._due(patient, judged, now), free]

    async def _due(self, patient: Patient, judged: Judged, now: datetime) -> Finding:
        verdict = judged.verdict
        if isinstance(verdict, Due):
            return Finding("due", True, verdict.why, verdict.due_since, _WORDS[verdict.why])
        at = await self._instant_of(verdict, patient.id, now, judged.past.campaigns)
        if verdict in {"not_due", "past_give_up_window", "already_recalled"}:
            at = patient.next_follow_up_date
        if verdict == "cool_down" and at is not None:
            at += timedelta(days=judged.calendar.cool_down_days)
        return Finding("due", False, verdict, at, _WORDS.get(verdict, verdict))

    async def _instant_of(
        self, word: str, patient_id: PyObjectId, now: datetime, campaigns: Sequence[Campaign]
    ) -> datetime | None:
        """When that came to be, or comes."""
        match word:
            case "visit_booked":
                return await self._next_visit(patient_id, now)
            case "opted_out":
                return (await self._records.get(patient_id)).consent.opted_out_at
            case "declined" | "cool_down":
                return max((at for c in campaigns if (at := c.ended_at)), default=None)
            case "agent_silent":
                return max((at for c in campaigns if (at := c.agent_silent_since)), default=None)
            case _:
                return None

    async def _next_visit(self, patient_id: PyObjectId, now: datetime) -> datetime | None:
        visits = await self._repositories.appointments.all_for_patient(patient_id)
        ahead = [v.appointment_date for v in visits if v.status in LIVE_STATUSES]
        return min((start for start in ahead if start >= now - SETTLING_TIME), default=None)


def _next_step(campaign: Campaign, outcome: AttemptOutcome, at: datetime | None) -> Finding:
    follow_up = campaign.follow_up_details
    if outcome.result is AttemptResult.QUEUED:
        attempt = f"attempt {follow_up.attempts_made + 1} of {follow_up.max_attempts}"
        text = f"Of their open campaign, {attempt} is next."
        return Finding("next_step", True, attempt, follow_up.next_attempt_at, text)
    text = _WORDS.get(outcome.reason, outcome.reason)
    return Finding("next_step", False, outcome.reason, at, text)
