"""What a visit means for the campaign it is linked to.

Moves are conditional, and may be made twice and late.
"""

import logging
from collections.abc import Mapping
from typing import Any

from app.db.repositories import Repositories
from app.models.appointment import (
    LIVE_STATUSES,
    Appointment,
    AppointmentEvent,
    AppointmentEventKind,
    AppointmentStatus,
    CreatedFrom,
)
from app.models.campaign import (
    BOOKED_STATUSES,
    BookingFunnelStatus,
    Campaign,
    CampaignStatus,
    HandoffDetails,
)
from app.models.decision import Urgency
from app.services.campaigns import CampaignLifecycle, Moved
from app.services.clinic import ClinicService
from app.services.outreach.planner import follow_up_after_reply

logger = logging.getLogger(__name__)

_NO_SHOW_SUMMARY = "The patient did not come to a visit. Please call and offer a new one."

_Kind = AppointmentEventKind
_LOSSES = frozenset({_Kind.CANCELLED, _Kind.DELETED, _Kind.NO_SHOW})
"""What may leave a campaign without a visit."""


class VisitCampaigns:
    """Moves the campaigns of visits."""

    def __init__(
        self, repositories: Repositories, lifecycle: CampaignLifecycle, clinic: ClinicService
    ) -> None:
        self._appointments = repositories.appointments
        self._campaigns = repositories.campaigns
        self._lifecycle = lifecycle
        self._clinic = clinic

    async def reach(
        self, appointment: Appointment, event: AppointmentEvent, known: Campaign | None = None
    ) -> None:
        """Move the campaign as `event` asks; `known` where it was read a moment ago."""
        campaign = await self._campaign_of(appointment, known)
        if event.kind == _Kind.COMPLETED:
            campaign = await self._ended_by(appointment, campaign)
        if campaign is None:
            return
        if event.kind == _Kind.BOOKED:
            await self._campaign_booked(campaign, appointment, event)
            await self._follow_confirmed(campaign, appointment, event)
        elif event.kind == _Kind.CONFIRMED:
            await self._move(campaign, CampaignStatus.BOOKING_COMPLETED, event)
        elif event.kind == _Kind.MOVED:
            await self._move(campaign, CampaignStatus.BOOKING_INITIATED, event)
            await self._follow_confirmed(campaign, appointment, event)
        elif event.kind == _Kind.COMPLETED:
            await self._move(campaign, CampaignStatus.RECOVERED, event)
        elif event.kind in _LOSSES and campaign.status in BOOKED_STATUSES:
            await self._campaign_lost_visit(campaign, appointment, event)

    async def _ended_by(self, visit: Appointment, linked: Campaign | None) -> Campaign | None:
        """Which campaign a completed visit ends: its own, else, where that has ended or there is
        none, the patient's active one that had begun by then, as in an import. Whoever was seen
        must not be asked any more why they do not come.
        """
        if linked is not None and (linked.is_active or linked.status == CampaignStatus.RECOVERED):
            return linked
        active = await self._campaigns.active_for(visit.patient_id)
        if active is None or active.created_at > visit.appointment_date:
            return linked
        await self._appointments.update_fields(visit.id, {"campaign_id": active.id})
        return active

    async def catch_up(self, overtaken: Appointment, event: AppointmentEvent) -> None:
        """The visit was changed again while `event` was worked on.

        What the newer change meant may have been done before, and undone by this late move: a
        campaign that counts as booked without a visit would be looked after by nobody.
        """
        campaign = await self._campaign_of(overtaken, None)
        if campaign is None or campaign.status not in BOOKED_STATUSES:
            return
        current = await self._appointments.get(overtaken.id)
        if current is not None and current.status == AppointmentStatus.CONFIRMED:
            await self._move(campaign, CampaignStatus.BOOKING_COMPLETED, event)
        elif current is None or current.status not in LIVE_STATUSES:
            is_missed = current is not None and current.status == AppointmentStatus.NO_SHOW
            loss = event.model_copy(
                update={"kind": _Kind.NO_SHOW if is_missed else _Kind.CANCELLED}
            )
            await self._campaign_lost_visit(campaign, overtaken, loss)

    async def _campaign_of(
        self, appointment: Appointment, known: Campaign | None
    ) -> Campaign | None:
        if appointment.campaign_id is None:
            return None
        if known is not None and known.id == appointment.campaign_id:
            return known
        return await self._campaigns.get(appointment.campaign_id)

    async def _campaign_booked(
        self, campaign: Campaign, appointment: Appointment, event: AppointmentEvent
    ) -> None:
        """The funnel in the same write as the status, or by itself where that stays."""
        funnel: dict[str, Any] = {}
        if appointment.created_from == CreatedFrom.AI_AGENT_FORM and campaign.is_active:
            funnel = {
                "booking_funnel.status": BookingFunnelStatus.FORM_SUBMITTED,
                "booking_funnel.submitted_at": event.at,
            }
        moved = await self._move(campaign, CampaignStatus.BOOKING_INITIATED, event, funnel)
        if funnel and not moved:
            await self._campaigns.update_fields(campaign.id, funnel)

    async def _follow_confirmed(
        self, campaign: Campaign, appointment: Appointment, event: AppointmentEvent
    ) -> None:
        """An imported visit may come, or be moved, and be confirmed all at once."""
        if appointment.status != AppointmentStatus.CONFIRMED:
            return
        current = await self._campaigns.get(campaign.id)
        if current is not None:
            await self._move(current, CampaignStatus.BOOKING_COMPLETED, event)

    async def _campaign_lost_visit(
        self, campaign: Campaign, appointment: Appointment, event: AppointmentEvent
    ) -> None:
        """Cancelled, deleted or no-show: only the last live visit takes the campaign with it."""
        if await self._appointments.live_for_campaign(campaign.id, other_than=appointment.id):
            return
        if event.kind == _Kind.NO_SHOW:
            await self._ask_for_person(campaign, event)
            return
        clinic = await self._clinic.current()
        next_at = follow_up_after_reply(event.at, clinic.zone)
        await self._lifecycle.move(
            campaign,
            CampaignStatus.RE_ENGAGED,
            by=event.by,
            fields={"follow_up_details.next_attempt_at": next_at},
            only_from=BOOKED_STATUSES,
        )

    async def _ask_for_person(self, campaign: Campaign, event: AppointmentEvent) -> None:
        """Attention first: seen by staff even where a crash keeps the status from moving."""
        await self._lifecycle.raise_attention(
            campaign.id, reason="no_show", summary=_NO_SHOW_SUMMARY, urgency=Urgency.NORMAL
        )
        details = HandoffDetails(
            reason="no_show",
            summary=_NO_SHOW_SUMMARY,
            handed_off_at=event.at,
            requested_by=event.by,
        )
        await self._lifecycle.move(
            campaign,
            CampaignStatus.HANDOFF_REQUIRED,
            by=event.by,
            fields={"handoff_details": details.to_stored()},
            only_from=BOOKED_STATUSES,
        )

    async def _move(
        self,
        campaign: Campaign,
        to: CampaignStatus,
        event: AppointmentEvent,
        fields: Mapping[str, Any] | None = None,
    ) -> bool:
        """Whether it moved. Where the table does not allow it, the campaign stays as it is."""
        result = await self._lifecycle.move(
            campaign, to, by=event.by, fields=fields, reads_back=False
        )
        if result.is_refused:
            logger.info(
                "a visit changed and its campaign stays",
                extra={"campaign_id": str(campaign.id), "status": result.campaign.status},
            )
        return result.outcome is Moved.MOVED
