"""What a merge makes of two records: when the patient is due again, and which campaign goes on."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.db.repositories import Repositories
from app.models.campaign import Campaign, CampaignStatus
from app.models.merge import PatientMerge
from app.models.patient import Treatment
from app.services.campaigns import CampaignLifecycle, MoveResult
from app.services.merging import PatientMerging
from app.services.merging_campaigns import CampaignHandover
from app.services.retention.erasure import PatientErasure
from tests.factories import make_appointment, make_campaign, make_patient
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

DAY = timedelta(days=1)
EXAM = Treatment(procedure_name="Exam", procedure_date=NOON - DAY)
FILLING = Treatment(procedure_name="Filling", procedure_date=NOON - 2 * DAY)
CLEANING = Treatment(procedure_name="Cleaning", procedure_date=NOON - 200 * DAY)


class BooksMeanwhile(CampaignLifecycle):
    """The patient books just before the first campaign is taken over."""

    def __init__(self, repositories: Repositories, clock: FrozenClock) -> None:
        super().__init__(repositories.campaigns, clock)
        self._repositories = repositories
        self._has_booked = False

    async def move(self, campaign: Campaign, to: CampaignStatus, **given: Any) -> MoveResult:
        """As ever, but for the first time."""
        if not self._has_booked:
            self._has_booked = True
            visit = make_appointment(
                patient_id=campaign.patient_id, campaign_id=campaign.id, appointment_date=NOON + DAY
            )
            await self._repositories.appointments.insert(visit)
            await super().move(campaign, CampaignStatus.BOOKING_INITIATED, by="booking")
        return await super().move(campaign, to, **given)


class BreaksOver(CampaignLifecycle):
    """Fails over one campaign as nobody foresaw."""

    def __init__(self, repositories: Repositories, clock: FrozenClock, broken: Campaign) -> None:
        super().__init__(repositories.campaigns, clock)
        self._broken = broken

    async def move(self, campaign: Campaign, to: CampaignStatus, **given: Any) -> MoveResult:
        """As ever, but for that one."""
        if campaign.id == self._broken.id:
            message = "broken"
            raise RuntimeError(message)
        return await super().move(campaign, to, **given)


class TestMerge:
    @pytest.mark.parametrize(
        ("ours", "our_visits", "theirs", "their_visits", "due"),
        [
            (None, [EXAM], NOON - 90 * DAY, [CLEANING], None),
            (NOON - 90 * DAY, [CLEANING], None, [EXAM], None),
            (NOON - 90 * DAY, [CLEANING], NOON + 180 * DAY, [EXAM], NOON + 180 * DAY),
            (None, [CLEANING], NOON - 90 * DAY, [], NOON - 90 * DAY),
            (NOON - 90 * DAY, [], NOON - 9 * DAY, [CLEANING], NOON - 9 * DAY),
            (NOON - 9 * DAY, [EXAM], NOON - 9 * DAY, [FILLING], NOON - 9 * DAY),
        ],
        ids=[
            "seen since",
            "seen as the other",
            "due by that visit",
            "not seen since",
            "the later",
            "the same",
        ],
    )
    async def test_nobody_is_due_for_what_they_came_for_since(
        self,
        *,
        repositories: Repositories,
        clock: FrozenClock,
        ours: datetime | None,
        our_visits: list[Treatment],
        theirs: datetime | None,
        their_visits: list[Treatment],
        due: datetime | None,
    ) -> None:
        stays = make_patient(next_follow_up_date=ours, treatment_history=our_visits)
        goes = make_patient(next_follow_up_date=theirs, treatment_history=their_visits)
        for patient in (stays, goes):
            await repositories.patients.insert(patient)
        lifecycle = CampaignLifecycle(repositories.campaigns, clock)
        merging = PatientMerging(repositories, CampaignHandover(repositories, lifecycle), clock)

        merged = await merging.merge(stays.id, goes.id, by="staff:x")

        assert merged.next_follow_up_date == due
        assert len(merged.treatment_history) == len(our_visits) + len(their_visits)

    async def test_a_campaign_booked_meanwhile_goes_on_with_its_visit(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        stays, goes = [await repositories.patients.insert(make_patient()) for _ in range(2)]
        ours = make_campaign(patient_id=stays.id, status=CampaignStatus.RE_ENGAGED)
        theirs = make_campaign(patient_id=goes.id)
        for campaign in (ours, theirs):
            await repositories.campaigns.insert(campaign)
        campaigns = CampaignHandover(repositories, BooksMeanwhile(repositories, clock))

        await PatientMerging(repositories, campaigns, clock).merge(stays.id, goes.id, by="staff:x")

        (visit,) = await repositories.appointments.all_for_patient(stays.id)
        active = await repositories.campaigns.active_for(stays.id)
        assert active is not None
        assert (active.id, active.status) == (theirs.id, CampaignStatus.BOOKING_INITIATED)
        assert visit.campaign_id == active.id


class TestTakeUp:
    async def test_one_that_fails_holds_up_no_other_merge_and_no_other_erasure(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        people = [await repositories.patients.insert(make_patient()) for _ in range(6)]
        stays, goes, also_stays, also_goes, unlucky, other = people
        campaigns = [make_campaign(patient_id=one.id) for one in (stays, goes, unlucky)]
        for campaign in campaigns:
            await repositories.campaigns.insert(campaign)
        for kept, gone, minutes in ((stays, goes, 2), (also_stays, also_goes, 1)):
            begun = PatientMerge(
                id=gone.id,
                survivor_id=kept.id,
                by="staff:x",
                parties=[kept.id, gone.id],
                again_at=NOON - timedelta(minutes=minutes),
                created_at=NOON,
                updated_at=NOON,
            )
            await repositories.patient_merges.begin(begun)

        handover = CampaignHandover(repositories, BreaksOver(repositories, clock, campaigns[1]))
        await PatientMerging(repositories, handover, clock).take_up()

        (late,) = await repositories.patient_merges.to_take_up(NOON + timedelta(seconds=59), 9)
        assert late.id == goes.id
        assert late.again_at is not None
        assert late.again_at > NOON
        assert await repositories.patients.get(also_goes.id) is None

        await repositories.patients.begin_erasure(unlucky, "staff:x")
        clock.advance(minutes=1)
        await repositories.patients.begin_erasure(other, "staff:x")
        clock.advance(minutes=1)
        breaks = BreaksOver(repositories, clock, campaigns[2])
        await PatientErasure(repositories, breaks, clock).take_up()

        first, last = await repositories.patients.to_erase(9)
        assert (first.id, last.id) == (other.id, unlucky.id)
        assert first.name == "Erased patient"
        assert last.name == unlucky.name
