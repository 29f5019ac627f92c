"""The proactive path: queue, count, end, and finish what a crash cut short."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.models.campaign import Campaign, CampaignOrigin, CampaignStatus, FollowUpDetails
from app.models.interaction import DeliveryStatus, Interaction, MessageClass
from app.models.patient import Consent, Patient
from app.models.records import SuppressionReason
from app.services.outreach.proactive import AttemptOutcome, AttemptResult, attempt_key
from app.services.outreach.unreachable import NO_WAY
from tests.fakes import NOON, FrozenClock
from tests.services.outreach.parts import Parts, RecordingTransport
from tests.services.outreach.test_gate import a_visit

QUEUED = AttemptOutcome(AttemptResult.QUEUED)


def midnight(day: int) -> datetime:
    return datetime(2026, 8, day, 4, 0, tzinfo=UTC)


async def campaign_of(parts: Parts, patient: Patient, made: int = 0, **given: Any) -> Campaign:
    follow_up = FollowUpDetails(max_attempts=4, attempts_made=made, next_attempt_at=NOON)
    return await parts.campaign(patient, follow_up_details=follow_up, **given)


async def queued(parts: Parts, campaign: Campaign) -> list[Interaction]:
    return await parts.repositories.interactions.conversation(campaign.id)


class TestAdvance:
    async def test_queues_the_next_message_and_counts_it(self, parts: Parts) -> None:
        campaign = await campaign_of(parts, await parts.patient())

        outcome = await parts.proactive.advance(campaign, NOON)

        assert outcome == QUEUED
        (message,) = await queued(parts, campaign)
        assert message.delivery is not None
        assert message.delivery.message_class == MessageClass.OUTREACH
        assert (message.attempt, message.dedupe_key) == (1, attempt_key(campaign.id, 1))
        follow_up = (await parts.reread_campaign(campaign)).follow_up_details
        assert follow_up.attempts_made == 1
        assert follow_up.first_attempt_at == follow_up.last_attempt_at == NOON
        assert follow_up.next_attempt_at == midnight(22)

    async def test_each_attempt_says_something_else(self, parts: Parts, clock: FrozenClock) -> None:
        campaign = await campaign_of(parts, await parts.patient())
        for _ in range(4):
            await parts.proactive.advance(await parts.reread_campaign(campaign), clock.now())
            await parts.drain()
            clock.advance(days=7)

        texts = [message.content for message in await queued(parts, campaign)]
        assert len(texts) == len(set(texts)) == 4

    async def test_out_of_attempts_ends_and_sends_nothing(self, parts: Parts) -> None:
        campaign = await campaign_of(parts, await parts.patient(), made=4)

        outcome = await parts.proactive.advance(campaign, NOON)

        assert outcome == AttemptOutcome(AttemptResult.FAILED, "out_of_attempts")
        stored = await parts.reread_campaign(campaign)
        assert stored.status == CampaignStatus.RECOVERY_FAILED
        assert (stored.history[-1].by, stored.ended_at) == ("sweep", NOON)
        assert await queued(parts, campaign) == []

    @pytest.mark.parametrize(
        ("given", "result", "status"),
        [
            ({"email": None}, AttemptResult.FAILED, "RECOVERY_FAILED"),
            ({"status": "INACTIVE"}, AttemptResult.FAILED, "RECOVERY_FAILED"),
            ({"status": "DECEASED"}, AttemptResult.FAILED, "RECOVERY_FAILED"),
            (
                {"consent": Consent(opted_out_at=NOON)},
                AttemptResult.DECLINED,
                "RECOVERY_DECLINED",
            ),
        ],
    )
    async def test_ends_for_somebody_who_cannot_be_written_to(
        self, parts: Parts, given: dict[str, Any], result: AttemptResult, status: str
    ) -> None:
        campaign = await campaign_of(parts, await parts.patient(**given))

        outcome = await parts.proactive.advance(campaign, NOON)

        assert outcome.result is result
        assert (await parts.reread_campaign(campaign)).status == status

    async def test_no_way_to_somebody_is_a_task_for_staff(self, parts: Parts) -> None:
        campaign = await campaign_of(parts, await parts.patient(email=None))
        other = await campaign_of(parts, await parts.patient(status="INACTIVE"))

        for one in (campaign, other):
            await parts.proactive.advance(one, NOON)

        attention = (await parts.reread_campaign(campaign)).attention
        assert attention is not None
        assert (attention.reason, attention.resolved_at) == (NO_WAY, None)
        assert (await parts.reread_campaign(other)).attention is None

    async def test_a_stop_by_one_declines_for_all_on_the_mailbox(self, parts: Parts) -> None:
        mother = await parts.patient(name="Ann Lee", email="family@example.com")
        child = await parts.patient(name="Ben Lee", email="family@example.com")
        campaign = await campaign_of(parts, child)
        await parts.consent.opt_out(mother, reason=SuppressionReason.OPT_OUT, source="test")

        await parts.proactive.advance(campaign, NOON)

        assert (await parts.reread_campaign(campaign)).status == "RECOVERY_DECLINED"

    async def test_a_visit_ahead_leaves_the_campaign_alone(self, parts: Parts) -> None:
        patient = await parts.patient()
        campaign = await campaign_of(parts, patient, made=4)
        await parts.repositories.appointments.insert(a_visit(patient, NOON + timedelta(days=1)))

        outcome = await parts.proactive.advance(campaign, NOON)

        assert outcome == AttemptOutcome(AttemptResult.SKIPPED, "visit_booked")
        assert (await parts.reread_campaign(campaign)).status == "ATTEMPTING_RECOVERY"

    @pytest.mark.parametrize(
        "given",
        [
            {"status": "HANDOFF_REQUIRED"},
            {"status": "BOOKING_INITIATED"},
            {"status": "RECOVERED"},
            {"status": "RE_ENGAGED", "agent_silent_since": NOON},
        ],
    )
    async def test_never_where_a_person_or_a_booking_has_it(
        self, parts: Parts, given: dict[str, Any]
    ) -> None:
        campaign = await campaign_of(parts, await parts.patient(), **given)

        outcome = await parts.proactive.advance(campaign, NOON)

        assert outcome.result is AttemptResult.SKIPPED
        assert await queued(parts, campaign) == []

    async def test_waits_for_a_message_that_has_not_left(
        self, parts: Parts, clock: FrozenClock
    ) -> None:
        campaign = await campaign_of(parts, await parts.patient())
        await parts.proactive.advance(campaign, NOON)

        outcome = await parts.proactive.advance(
            await parts.reread_campaign(campaign), clock.advance(days=9)
        )

        assert outcome == AttemptOutcome(AttemptResult.SKIPPED, "message_waiting")

    async def test_a_crash_between_queueing_and_counting_is_finished(self, parts: Parts) -> None:
        patient = await parts.patient()
        campaign = await campaign_of(parts, patient)
        key = attempt_key(campaign.id, 1)
        await parts.message(patient, MessageClass.OUTREACH, campaign, key=key, attempt=1)

        outcome = await parts.proactive.advance(campaign, NOON)

        assert outcome == QUEUED
        assert len(await queued(parts, campaign)) == 1
        assert (await parts.reread_campaign(campaign)).follow_up_details.attempts_made == 1

    async def test_many_at_once_queue_one_and_count_one(self, parts: Parts) -> None:
        campaign = await campaign_of(parts, await parts.patient())

        await asyncio.gather(*[parts.proactive.advance(campaign, NOON) for _ in range(8)])

        assert len(await queued(parts, campaign)) == 1
        assert (await parts.reread_campaign(campaign)).follow_up_details.attempts_made == 1

    async def test_an_attempt_dropped_at_the_gate_is_made_again_the_next_day(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient()
        campaign = await campaign_of(parts, patient)
        await parts.proactive.advance(campaign, NOON)
        visit = await parts.repositories.appointments.insert(
            a_visit(patient, NOON + timedelta(days=1))
        )
        await parts.drain()
        assert transport.sent == []
        dropped = await parts.reread_campaign(campaign)
        assert dropped.follow_up_details.next_attempt_at == midnight(20)

        await parts.repositories.appointments.delete(visit.id)
        clock.advance(days=1)
        await parts.proactive.advance(dropped, clock.now())
        await parts.drain()

        assert len(transport.sent) == 1
        assert (await parts.reread_campaign(campaign)).follow_up_details.attempts_made == 1

    async def test_what_is_planned_for_somebody_who_replied_is_not_brought_forward(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        campaign = await campaign_of(parts, await parts.patient())
        await parts.proactive.advance(campaign, NOON)
        engaged = {
            "status": CampaignStatus.RE_ENGAGED,
            "last_reply_at": clock.advance(minutes=1),
            "follow_up_details.next_attempt_at": midnight(22),
        }
        await parts.repositories.campaigns.update_fields(campaign.id, engaged)

        await parts.drain()

        assert transport.sent == []
        follow_up = (await parts.reread_campaign(campaign)).follow_up_details
        assert (follow_up.attempts_made, follow_up.next_attempt_at) == (0, midnight(22))

    async def test_a_reply_while_the_message_was_being_queued_takes_it_back(
        self, parts: Parts, transport: RecordingTransport
    ) -> None:
        stale = await campaign_of(parts, await parts.patient())
        await parts.lifecycle.move(stale, CampaignStatus.RE_ENGAGED, by="agent")

        await parts.proactive.advance(stale, NOON)
        await parts.drain()

        assert transport.sent == []
        (message,) = await queued(parts, stale)
        assert message.delivery is not None
        assert message.delivery.status == DeliveryStatus.SUPPRESSED
        assert message.dedupe_key != attempt_key(stale.id, 1)
        assert (await parts.reread_campaign(stale)).follow_up_details.attempts_made == 0

    async def test_one_that_may_have_left_is_not_taken_back(self, parts: Parts) -> None:
        patient = await parts.patient()
        stale = await campaign_of(parts, patient)
        key = attempt_key(stale.id, 1)
        message = await parts.message(patient, MessageClass.OUTREACH, stale, key=key, attempt=1)
        tried = {"delivery.term": 1, "delivery.error": "broke"}
        await parts.repositories.interactions.update_fields(message.id, tried)
        await parts.lifecycle.move(stale, CampaignStatus.RE_ENGAGED, by="agent")

        await parts.proactive.advance(stale, NOON)

        (kept,) = await queued(parts, stale)
        assert kept.delivery is not None
        assert (kept.delivery.status, kept.dedupe_key) == (DeliveryStatus.PENDING, key)

    async def test_where_a_person_keeps_the_thread_staff_are_reminded_once(
        self, parts: Parts, clock: FrozenClock
    ) -> None:
        campaign = await campaign_of(parts, await parts.patient(), agent_silent_since=NOON)

        outcome = await parts.proactive.advance(campaign, NOON)
        await parts.proactive.advance(campaign, clock.advance(days=1))

        assert outcome == AttemptOutcome(AttemptResult.SKIPPED, "agent_silent")
        attention = (await parts.reread_campaign(campaign)).attention
        assert attention is not None
        assert (attention.reason, attention.since) == ("follow_up_due", NOON)

    async def test_a_message_dropped_before_it_was_counted_gives_back_too(
        self, parts: Parts
    ) -> None:
        patient = await parts.patient()
        campaign = await campaign_of(parts, patient)
        key = attempt_key(campaign.id, 1)
        message = await parts.message(patient, MessageClass.OUTREACH, campaign, key=key, attempt=1)
        dropped = {"delivery.status": DeliveryStatus.SUPPRESSED}
        await parts.repositories.interactions.update_fields(message.id, dropped)

        await parts.proactive.advance(campaign, NOON)

        assert (await parts.reread_campaign(campaign)).follow_up_details.attempts_made == 0


class TestReconcileStaffCampaigns:
    async def test_queues_what_a_crash_kept_from_being_queued(self, parts: Parts) -> None:
        campaign = await campaign_of(parts, await parts.patient())

        assert await parts.proactive.reconcile_staff_campaigns() == 1
        assert await parts.proactive.reconcile_staff_campaigns() == 0

        assert len(await queued(parts, campaign)) == 1

    async def test_leaves_the_sweeps_own_to_the_sweep(self, parts: Parts) -> None:
        await campaign_of(parts, await parts.patient(), origin=CampaignOrigin.SWEEP)

        assert await parts.proactive.reconcile_staff_campaigns() == 0

    async def test_one_that_must_wait_is_looked_at_again_the_next_day(self, parts: Parts) -> None:
        patient = await parts.patient()
        campaign = await campaign_of(parts, patient)
        await parts.repositories.appointments.insert(a_visit(patient, NOON + timedelta(days=1)))

        assert await parts.proactive.reconcile_staff_campaigns() == 0

        at = (await parts.reread_campaign(campaign)).follow_up_details.next_attempt_at
        assert at == midnight(20)
