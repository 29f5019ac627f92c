"""The campaigns of a record that goes, in a merge of two patients."""

from datetime import timedelta

from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.campaign import BOOKED_STATUSES, Campaign, CampaignStatus
from app.models.merge import PatientMerge
from app.services.campaigns import CampaignLifecycle

RACE_ATTEMPTS = 20
_S = CampaignStatus
_NEARER_TO_A_VISIT = (
    _S.ATTEMPTING_RECOVERY,
    _S.RE_ENGAGED,
    _S.HANDOFF_REQUIRED,
    _S.BOOKING_INITIATED,
    _S.BOOKING_COMPLETED,
)
_NOT_BOOKED = frozenset(CampaignStatus) - BOOKED_STATUSES
_ONE_STEP = timedelta(milliseconds=1)


class CampaignHandover:
    """Gives all of them to the patient that stays, of whose active campaigns one remains."""

    def __init__(self, repositories: Repositories, lifecycle: CampaignLifecycle) -> None:
        self._repositories = repositories
        self._campaigns = repositories.campaigns
        self._lifecycle = lifecycle

    async def hand_over(self, merge: PatientMerge) -> None:
        """May run twice. One that the sweep or staff started meanwhile is settled as well."""
        await self._end_chosen(merge)
        for campaign in await self._campaigns.all_for([merge.id]):
            await self._hand(merge, campaign)

    async def _hand(self, merge: PatientMerge, campaign: Campaign) -> None:
        due = campaign.due_date
        for _ in range(RACE_ATTEMPTS):
            try:
                await self._campaigns.hand_to(campaign.id, merge, due)
            except DuplicateValueError:
                if not await self._settle_active(merge):
                    # Both had a recall for this day: one a day stays the rule for new ones.
                    due = due + _ONE_STEP if due else due
            else:
                return
        message = "A campaign could not be handed over."
        raise RuntimeError(message)

    async def _settle_active(self, merge: PatientMerge) -> bool:
        """Choose the one of two active campaigns that ends, and end it; whether there were two.

        The one nearer to a visit remains, of two as near that of the patient that stays.
        """
        found = await self._campaigns.active_among([merge.survivor_id, merge.id])
        ours, theirs = found.get(merge.survivor_id), found.get(merge.id)
        if ours is None or theirs is None:
            return False
        ending = ours if _nearness(theirs) > _nearness(ours) else theirs
        kept = theirs if ending is ours else ours
        await self._repositories.patient_merges.note(merge, {"ending": ending.id})
        await self._end(ending, kept.id, merge.by)
        return True

    async def _end_chosen(self, merge: PatientMerge) -> None:
        """After a crash the choice that was made stands: the other may look less far by now."""
        if merge.ending is None:
            return
        campaign = await self._campaigns.get(merge.ending)
        if campaign is None or not campaign.is_active:
            return
        found = await self._campaigns.active_among([merge.survivor_id, merge.id])
        others = [one for one in found.values() if one.id != campaign.id]
        if others:
            await self._end(campaign, others[0].id, merge.by)

    async def _end(self, campaign: Campaign, kept_id: PyObjectId, by: str) -> None:
        """As if staff had taken it over and cleared it; its visits go on in the other campaign.

        One in which somebody books meanwhile goes on: the choice is made anew.
        """
        relink = self._repositories.appointments.relink
        await relink(campaign.id, kept_id)
        if campaign.status in BOOKED_STATUSES:
            campaign = (await self._lifecycle.move(campaign, _S.RE_ENGAGED, by=by)).campaign
        for status in (_S.HANDOFF_REQUIRED, _S.MANUAL_FOLLOWUP_COMPLETE):
            moved = await self._lifecycle.move(campaign, status, by=by, only_from=_NOT_BOOKED)
            if moved.is_refused:
                return
            campaign = moved.campaign
        await relink(campaign.id, kept_id)


def _nearness(campaign: Campaign) -> int:
    return _NEARER_TO_A_VISIT.index(campaign.status)
