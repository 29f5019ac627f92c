"""Campaigns that staff start for one person who asked and was never won."""

from dataclasses import dataclass
from typing import Any

from app.core.clock import Clock
from app.core.errors import ConflictError
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.models.campaign import (
    Campaign,
    CampaignOrigin,
    CampaignStatus,
    CampaignType,
    FollowUpDetails,
    StatusChange,
)
from app.models.patient import Patient, PatientType
from app.models.role import StaffMember
from app.services.ai_agent import AiAgent
from app.services.conversations import PatientUnreachableError, staff_actor
from app.services.outreach.reach import obstacle_to_outreach
from app.services.outreach.routes import by_email
from app.services.patients import PatientDirectory


@dataclass(frozen=True)
class RecoveryRequest:
    """Who to win back, and what they asked for."""

    name: str
    email: str
    initial_inquiry: str
    phone: str | None = None
    estimated_value: float | None = None


class CampaignActiveError(ConflictError):
    """The patient already has an active campaign; `campaign_id` names it."""

    slug = "campaign-active"
    title = "This patient already has an active campaign"


class RecoveryStarter:
    """Creates the lead, or finds the patient, and starts their campaign."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        patients: PatientDirectory,
        agent: AiAgent,
        max_attempts: int,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._patients = patients
        self._agent = agent
        self._max_attempts = max_attempts
        self._clock = clock

    async def start(self, request: RecoveryRequest, *, by: StaffMember) -> Campaign:
        """Start a campaign that is due at once: its first message is queued before this returns.

        It does not count against `NEW_CAMPAIGNS_PER_DAY`. A refusal leaves no patient behind and
        changes none; a crash before the message is queued is finished by the reconciler.
        Raises `CampaignActiveError`, `PatientUnreachableError` and the errors of a name or phone.
        """
        wanted = await self._patients.prepare(
            name=request.name,
            email=request.email,
            phone=request.phone,
            patient_type=PatientType.COLD_LEAD,
            initial_inquiry=request.initial_inquiry,
            estimated_value=request.estimated_value,
        )
        found = await self._patients.find(wanted)
        await self._require_reachable(found or wanted)
        if found is None:
            patient = await self._patients.store_or_find(wanted)
        else:
            patient = await self._brought_up_to_date(found, request)
        campaign = await self._create(patient, request, by)
        await self._agent.run_proactive(campaign, self._clock.now())
        return campaign

    async def _brought_up_to_date(self, patient: Patient, request: RecoveryRequest) -> Patient:
        """The letter refers to what they asked for now, not to what they once asked for."""
        if active := await self._repositories.campaigns.active_for(patient.id):
            raise _already_active(active)
        fields: dict[str, Any] = {"initial_inquiry": request.initial_inquiry}
        if request.estimated_value is not None:
            fields["estimated_value"] = request.estimated_value
        await self._repositories.patients.update_fields(patient.id, fields)
        return patient

    async def _require_reachable(self, patient: Patient) -> None:
        suppression = await self._repositories.suppressions.for_address(patient.email or "")
        if obstacle_to_outreach(patient, by_email(patient), suppression):
            message = "The patient opted out, is inactive, or mail to them bounced."
            raise PatientUnreachableError(message)

    async def _create(
        self, patient: Patient, request: RecoveryRequest, by: StaffMember
    ) -> Campaign:
        now = self._clock.now()
        opening = StatusChange(
            to_status=CampaignStatus.ATTEMPTING_RECOVERY, at=now, by=staff_actor(by)
        )
        campaign = Campaign(
            patient_id=patient.id,
            campaign_type=CampaignType.RECOVERY,
            origin=CampaignOrigin.STAFF,
            follow_up_details=FollowUpDetails(max_attempts=self._max_attempts, next_attempt_at=now),
            estimated_value=request.estimated_value,
            history=[opening],
        )
        try:
            return await self._repositories.campaigns.insert(campaign)
        except DuplicateValueError as error:
            active = await self._repositories.campaigns.active_for(patient.id)
            raise _already_active(active) from error


def _already_active(campaign: Campaign | None) -> CampaignActiveError:
    """`None`: it ended in the moment between; the next try will go through."""
    extra = {"campaign_id": str(campaign.id)} if campaign else {}
    return CampaignActiveError("This patient already has an active campaign.", extra=extra)
