"""The life cycle: one test for every row of the table, and one for every row that is missing."""

import asyncio
from itertools import product

import pytest

from app.db.repositories import Repositories
from app.db.repositories.campaigns import CampaignRepository
from app.models.base import PyObjectId
from app.models.campaign import (
    ACTIVE_STATUSES,
    TRANSITIONS,
    Campaign,
    CampaignOrigin,
    CampaignStatus,
    FollowUpDetails,
)
from app.models.decision import Urgency
from app.services.campaigns import CampaignLifecycle, CampaignTransitionError, Moved
from tests.factories import make_campaign
from tests.fakes import FrozenClock

S = CampaignStatus

# The table of the specification, written out here a second time on purpose: a slip in the code's
# table would otherwise be its own proof.
ROWS = {
    (S.ATTEMPTING_RECOVERY, S.RE_ENGAGED),
    (S.ATTEMPTING_RECOVERY, S.RECOVERY_FAILED),
    (S.ATTEMPTING_RECOVERY, S.HANDOFF_REQUIRED),
    (S.ATTEMPTING_RECOVERY, S.RECOVERY_DECLINED),
    (S.ATTEMPTING_RECOVERY, S.BOOKING_INITIATED),
    (S.ATTEMPTING_RECOVERY, S.RECOVERED),
    (S.RE_ENGAGED, S.RECOVERY_FAILED),
    (S.RE_ENGAGED, S.HANDOFF_REQUIRED),
    (S.RE_ENGAGED, S.RECOVERY_DECLINED),
    (S.RE_ENGAGED, S.BOOKING_INITIATED),
    (S.RE_ENGAGED, S.RECOVERED),
    (S.HANDOFF_REQUIRED, S.RECOVERY_FAILED),
    (S.HANDOFF_REQUIRED, S.RECOVERY_DECLINED),
    (S.HANDOFF_REQUIRED, S.RE_ENGAGED),
    (S.HANDOFF_REQUIRED, S.MANUAL_FOLLOWUP_COMPLETE),
    (S.HANDOFF_REQUIRED, S.BOOKING_INITIATED),
    (S.HANDOFF_REQUIRED, S.RECOVERED),
    (S.BOOKING_INITIATED, S.BOOKING_COMPLETED),
    (S.BOOKING_INITIATED, S.RE_ENGAGED),
    (S.BOOKING_INITIATED, S.HANDOFF_REQUIRED),
    (S.BOOKING_INITIATED, S.RECOVERED),
    (S.BOOKING_COMPLETED, S.BOOKING_INITIATED),
    (S.BOOKING_COMPLETED, S.RE_ENGAGED),
    (S.BOOKING_COMPLETED, S.HANDOFF_REQUIRED),
    (S.BOOKING_COMPLETED, S.RECOVERED),
}
ACTIVE = {
    S.ATTEMPTING_RECOVERY,
    S.RE_ENGAGED,
    S.HANDOFF_REQUIRED,
    S.BOOKING_INITIATED,
    S.BOOKING_COMPLETED,
}
MISSING = sorted(set(product(S, S)) - ROWS - {(status, status) for status in S})

pytestmark = pytest.mark.mongo


@pytest.fixture
def lifecycle(repositories: Repositories, clock: FrozenClock) -> CampaignLifecycle:
    return CampaignLifecycle(repositories.campaigns, clock)


async def stored(repositories: Repositories, **given: object) -> Campaign:
    return await repositories.campaigns.insert(make_campaign(**given))


class QuickStaff(CampaignRepository):
    """Somebody resolves an attention right after it was read."""

    def __init__(self, repositories: Repositories) -> None:
        self.__dict__.update(vars(repositories.campaigns))
        self.has_resolved = False

    async def get(self, document_id: PyObjectId) -> Campaign | None:
        found = await super().get(document_id)
        waiting = found.attention if found and found.needs_person else None
        if waiting is not None and not self.has_resolved:
            self.has_resolved = await self.resolve_attention(document_id, waiting)
        return found


class TestTable:
    def test_the_code_has_exactly_the_rows_of_the_specification(self) -> None:
        assert {(a, b) for a, following in TRANSITIONS.items() for b in following} == ROWS

    def test_active_are_exactly_the_statuses_that_lead_on(self) -> None:
        assert ACTIVE_STATUSES == ACTIVE


class TestMove:
    @pytest.mark.parametrize(("source", "target"), sorted(ROWS))
    async def test_a_row_moves_and_writes_history(
        self,
        repositories: Repositories,
        lifecycle: CampaignLifecycle,
        source: CampaignStatus,
        target: CampaignStatus,
    ) -> None:
        campaign = await stored(repositories, status=source)

        result = await lifecycle.move(campaign, target, by="test")

        assert result.outcome is Moved.MOVED
        after = await repositories.campaigns.get(campaign.id)
        assert after is not None
        assert after.status == target
        step = after.history[-1]
        assert (step.from_status, step.to_status, step.by) == (source, target, "test")
        assert (after.ended_at is not None) == (target not in ACTIVE)

    @pytest.mark.parametrize(("source", "target"), MISSING)
    async def test_a_missing_row_changes_nothing(
        self,
        repositories: Repositories,
        lifecycle: CampaignLifecycle,
        source: CampaignStatus,
        target: CampaignStatus,
    ) -> None:
        campaign = await stored(repositories, status=source)

        result = await lifecycle.move(campaign, target, by="test", fields={"quota_key": "x"})

        assert result.outcome is Moved.REFUSED
        assert await repositories.campaigns.get(campaign.id) == campaign
        with pytest.raises(CampaignTransitionError) as refusal:
            await lifecycle.require(campaign, target, by="test")
        assert refusal.value.status == 409

    @pytest.mark.parametrize("status", list(S))
    async def test_a_move_to_the_same_status_is_no_error_and_no_change(
        self, repositories: Repositories, lifecycle: CampaignLifecycle, status: CampaignStatus
    ) -> None:
        campaign = await stored(repositories, status=status)

        result = await lifecycle.require(campaign, status, by="test")

        assert result.outcome is Moved.ALREADY_THERE
        assert await repositories.campaigns.get(campaign.id) == campaign

    async def test_of_many_moves_at_once_one_is_written(
        self, repositories: Repositories, lifecycle: CampaignLifecycle
    ) -> None:
        campaign = await stored(repositories)

        results = await asyncio.gather(
            *(lifecycle.move(campaign, S.RE_ENGAGED, by=f"worker-{n}") for n in range(20))
        )

        assert [r.outcome for r in results].count(Moved.MOVED) == 1
        after = await repositories.campaigns.get(campaign.id)
        assert after is not None
        assert len(after.history) == 1

    async def test_a_stale_copy_is_judged_by_the_status_that_is_stored(
        self, repositories: Repositories, lifecycle: CampaignLifecycle
    ) -> None:
        stale = await stored(repositories)
        await lifecycle.move(stale, S.RECOVERY_DECLINED, by="first")

        result = await lifecycle.move(stale, S.RE_ENGAGED, by="second")

        assert result.outcome is Moved.REFUSED
        assert result.campaign.status == S.RECOVERY_DECLINED

    @pytest.mark.parametrize(
        "target", [S.HANDOFF_REQUIRED, S.BOOKING_INITIATED, S.RECOVERY_DECLINED, S.RECOVERED]
    )
    async def test_leaving_what_the_machine_follows_up_ends_the_planned_attempt(
        self,
        repositories: Repositories,
        lifecycle: CampaignLifecycle,
        clock: FrozenClock,
        target: CampaignStatus,
    ) -> None:
        planned = FollowUpDetails(max_attempts=4, next_attempt_at=clock.now())
        campaign = await stored(repositories, follow_up_details=planned)

        result = await lifecycle.move(campaign, target, by="test")

        assert result.campaign.follow_up_details.next_attempt_at is None

    async def test_a_handed_off_campaign_is_silent_until_it_is_released(
        self, repositories: Repositories, lifecycle: CampaignLifecycle, clock: FrozenClock
    ) -> None:
        campaign = await stored(repositories)

        handed = await lifecycle.move(campaign, S.HANDOFF_REQUIRED, by="agent")
        released = await lifecycle.move(handed.campaign, S.RE_ENGAGED, by="staff:1")

        assert handed.campaign.agent_silent_since == clock.now()
        assert released.campaign.agent_silent_since is None

    async def test_a_cancelled_visit_is_no_release(
        self, repositories: Repositories, lifecycle: CampaignLifecycle, clock: FrozenClock
    ) -> None:
        campaign = await stored(repositories)
        handed = await lifecycle.move(campaign, S.HANDOFF_REQUIRED, by="agent")
        booked = await lifecycle.move(handed.campaign, S.BOOKING_INITIATED, by="booking")

        cancelled = await lifecycle.move(booked.campaign, S.RE_ENGAGED, by="patient")

        assert cancelled.campaign.agent_silent_since == clock.now()


class TestHandOff:
    async def test_raises_attention_and_moves(
        self, repositories: Repositories, lifecycle: CampaignLifecycle, clock: FrozenClock
    ) -> None:
        campaign = await stored(repositories, status=S.RE_ENGAGED)

        result = await lifecycle.hand_off(
            campaign, reason="question", summary="Asks a lot.", by="agent", urgency=Urgency.NORMAL
        )

        after = result.campaign
        assert after.status == S.HANDOFF_REQUIRED
        assert after.attention is not None
        assert (after.attention.reason, after.attention.since) == ("question", clock.now())
        assert after.handoff_details is not None
        assert after.handoff_details.summary == "Asks a lot."

    @pytest.mark.parametrize("status", sorted(set(S) - {S.ATTEMPTING_RECOVERY, S.RE_ENGAGED}))
    async def test_elsewhere_only_the_attention_is_raised(
        self, repositories: Repositories, lifecycle: CampaignLifecycle, status: CampaignStatus
    ) -> None:
        campaign = await stored(repositories, status=status)

        await lifecycle.hand_off(
            campaign, reason="reply", summary="Wrote.", by="agent", urgency=Urgency.URGENT
        )

        after = await repositories.campaigns.get(campaign.id)
        assert after is not None
        assert after.status == status
        assert after.needs_person
        assert after.history == []


class TestAttention:
    async def test_an_urgent_one_replaces_a_normal_one_and_not_the_other_way(
        self, repositories: Repositories, lifecycle: CampaignLifecycle
    ) -> None:
        campaign = await stored(repositories)
        for urgency, summary in ((Urgency.NORMAL, "a"), (Urgency.URGENT, "b")):
            await lifecycle.raise_attention(
                campaign.id, reason="x", summary=summary, urgency=urgency
            )
        await lifecycle.raise_attention(
            campaign.id, reason="y", summary="c", urgency=Urgency.NORMAL
        )

        after = await repositories.campaigns.get(campaign.id)

        assert after is not None
        assert after.attention is not None
        assert after.attention.urgency == Urgency.URGENT
        assert after.attention.summary == "b"

    async def test_one_that_is_resolved_meanwhile_is_raised_again(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        campaign = await stored(repositories)
        quick = QuickStaff(repositories)
        lifecycle = CampaignLifecycle(quick, clock)
        for summary in ("first", "second"):
            await lifecycle.raise_attention(
                campaign.id, reason="x", summary=summary, urgency=Urgency.NORMAL
            )

        after = await repositories.campaigns.get(campaign.id)

        assert quick.has_resolved
        assert after is not None
        assert after.needs_person
        assert after.attention is not None
        assert after.attention.summary == "second"

    async def test_of_two_who_claim_one_wins(self, repositories: Repositories) -> None:
        campaign = await stored(repositories)
        lifecycle = CampaignLifecycle(repositories.campaigns, FrozenClock())
        await lifecycle.raise_attention(
            campaign.id, reason="x", summary="s", urgency=Urgency.NORMAL
        )
        people = [make_campaign().id, make_campaign().id]

        won = await asyncio.gather(
            *(repositories.campaigns.claim_attention(campaign.id, person) for person in people)
        )

        assert sorted(won) == [False, True]


class TestOneActiveCampaign:
    async def test_a_second_active_one_of_a_patient_is_refused_by_the_database(
        self, repositories: Repositories
    ) -> None:
        first = await stored(repositories)

        results = await asyncio.gather(
            *(
                repositories.campaigns.insert(
                    make_campaign(patient_id=first.patient_id, origin=CampaignOrigin.SWEEP)
                )
                for _ in range(10)
            ),
            return_exceptions=True,
        )

        assert all(isinstance(result, Exception) for result in results)
        assert len(await repositories.campaigns.all_for([first.patient_id])) == 1

    async def test_an_ended_one_makes_room(
        self, repositories: Repositories, lifecycle: CampaignLifecycle
    ) -> None:
        first = await stored(repositories)
        await lifecycle.move(first, S.RECOVERY_FAILED, by="sweep")

        second = await stored(repositories, patient_id=first.patient_id)

        active = await repositories.campaigns.active_for(first.patient_id)
        assert active is not None
        assert active.id == second.id
