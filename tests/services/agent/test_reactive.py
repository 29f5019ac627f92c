"""The reactive path: what a reply leads to, in every status, once, whatever crashes."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.campaign import (
    BookingFunnelStatus,
    Campaign,
    CampaignStatus,
    FollowUpDetails,
)
from app.models.decision import AiAnalysis, Intent, Urgency
from app.models.interaction import (
    Decision,
    Delivery,
    DeliveryStatus,
    Direction,
    Interaction,
    MessageClass,
)
from app.models.patient import Patient
from app.models.records import SuppressionReason
from tests.agent_fakes import ANSWER, Stage
from tests.fakes import FrozenClock

S = CampaignStatus
STRANGER = "somebody.else@example.org"
FOLLOWED = (S.ATTEMPTING_RECOVERY, S.RE_ENGAGED)
BOOKED = (S.BOOKING_INITIATED, S.BOOKING_COMPLETED)
ENDED = (
    S.RECOVERED,
    S.RECOVERY_FAILED,
    S.RECOVERY_DECLINED,
    S.MANUAL_FOLLOWUP_COMPLETE,
)
PERSONS = (S.HANDOFF_REQUIRED, *BOOKED, *ENDED)

pytestmark = pytest.mark.mongo


@pytest.fixture
def stage(repositories: Repositories, settings: Settings, clock: FrozenClock) -> Stage:
    """The reactive path over the test's database."""
    return Stage(repositories, settings, clock)


async def answered(
    stage: Stage, status: CampaignStatus, text: str, **given: object
) -> tuple[Patient, Campaign]:
    """A patient in a campaign in `status` replied with `text`, and the agent has acted."""
    patient = await stage.patient()
    silent = {"agent_silent_since": stage.clock.now()} if status == S.HANDOFF_REQUIRED else {}
    campaign = await stage.campaign(patient, status, **silent)
    await stage.reactive.run(await stage.reply(patient, campaign, text, **given))  # type: ignore[arg-type]
    return patient, await stage.campaign_now(campaign)


async def classes_sent(stage: Stage, patient: Patient) -> list[MessageClass]:
    """What was queued for the patient, by class."""
    sent = await stage.outgoing(patient)
    return [message.delivery.message_class for message in sent if message.delivery]


class TestLed:
    """Where the agent leads: ATTEMPTING_RECOVERY and RE_ENGAGED."""

    @pytest.mark.parametrize("status", FOLLOWED)
    async def test_a_wish_to_come_gets_the_booking_link(
        self, stage: Stage, status: CampaignStatus
    ) -> None:
        patient, campaign = await answered(stage, status, "Yes, I would like to come in.")

        assert campaign.status == S.RE_ENGAGED
        assert campaign.attention is None
        assert campaign.last_reply_at == stage.clock.now()
        assert campaign.booking_funnel.status == BookingFunnelStatus.FORM_SENT
        # Three local days on, at midnight in New York.
        assert campaign.follow_up_details.next_attempt_at == datetime(2026, 8, 22, 4, tzinfo=UTC)
        [letter] = await stage.outgoing(patient)
        assert letter.delivery
        assert letter.delivery.message_class == MessageClass.AGENT_ANSWER
        assert str(campaign.booking_funnel.link_url) in letter.content
        assert letter.in_reply_to == "m-1"

    async def test_outreach_queued_before_a_late_reply_is_taken_up_is_stopped(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)
        reply = await stage.reply(patient, campaign, "Yes, please.")
        clock.advance(hours=1)

        await stage.reactive.run(reply)

        assert (await stage.campaign_now(campaign)).last_reply_at == clock.now()

    async def test_the_summary_names_the_day_at_the_clinic(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        clock.set(datetime(2026, 8, 20, 2, tzinfo=UTC))

        _, campaign = await answered(stage, S.ATTEMPTING_RECOVERY, "Yes, please.")

        assert campaign.engagement_summary
        assert campaign.engagement_summary.startswith("Last reply 2026-08-19")

    @pytest.mark.parametrize("status", FOLLOWED)
    async def test_a_no_is_closed_politely(self, stage: Stage, status: CampaignStatus) -> None:
        stage.engine.intent = Intent.SERVICE_DENIAL

        patient, campaign = await answered(stage, status, "No thanks, not for me.")

        assert campaign.status == S.RECOVERY_DECLINED
        assert campaign.ended_at == stage.clock.now()
        assert campaign.attention is None
        [letter] = await stage.outgoing(patient)
        assert "booking_token" not in letter.content

    @pytest.mark.parametrize("status", FOLLOWED)
    async def test_a_question_is_answered_from_the_knowledge_base(
        self, stage: Stage, status: CampaignStatus
    ) -> None:
        stage.engine.intent, stage.engine.reply = Intent.QUESTION, ANSWER

        patient, campaign = await answered(stage, status, "How long does whitening take?")

        assert campaign.status == S.RE_ENGAGED
        assert campaign.booking_funnel.status == BookingFunnelStatus.FORM_SENT
        [letter] = await stage.outgoing(patient)
        assert ANSWER.text in letter.content
        assert "booking_token" in letter.content

    @pytest.mark.parametrize("status", FOLLOWED)
    async def test_a_question_without_an_answer_goes_to_a_person(
        self, stage: Stage, status: CampaignStatus
    ) -> None:
        stage.engine.intent = Intent.QUESTION

        patient, campaign = await answered(stage, status, "Do you validate parking?")

        assert campaign.status == S.HANDOFF_REQUIRED
        assert campaign.agent_silent_since == stage.clock.now()
        assert campaign.attention
        assert campaign.attention.reason == "question_without_answer"
        assert "Do you validate parking?" in campaign.attention.summary
        assert patient.name in campaign.attention.summary
        assert campaign.handoff_details
        assert await classes_sent(stage, patient) == [MessageClass.HANDOFF_NOTICE]
        unanswered = await stage.repositories.unanswered._find({})
        assert [entry.question for entry in unanswered] == ["Do you validate parking?"]
        assert stage.alerts.told == [(campaign.id, Urgency.NORMAL)]

    @pytest.mark.parametrize(
        ("intent", "confidence", "reason"),
        [
            (Intent.IRRELEVANT_CONFUSED, 0.99, "irrelevant_or_confused"),
            (Intent.BOOKING_REQUEST, 0.30, "low_confidence"),
        ],
    )
    async def test_what_a_machine_should_not_decide_goes_to_a_person(
        self, stage: Stage, intent: Intent, confidence: float, reason: str
    ) -> None:
        stage.engine.intent, stage.engine.confidence = intent, confidence

        patient, campaign = await answered(stage, S.ATTEMPTING_RECOVERY, "Hm, well, whatever.")

        assert campaign.status == S.HANDOFF_REQUIRED
        assert campaign.attention
        assert campaign.attention.reason == reason
        assert await classes_sent(stage, patient) == [MessageClass.HANDOFF_NOTICE]
        assert [step.to_status for step in campaign.history] == [S.RE_ENGAGED, S.HANDOFF_REQUIRED]

    async def test_two_replies_that_lead_to_one_hand_off_get_one_notice(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        stage.engine.intent = Intent.IRRELEVANT_CONFUSED
        patient = await stage.patient()
        campaign = await stage.campaign(patient)
        for number in (1, 2):
            reply = await stage.reply(patient, campaign, f"Odd {number}.", number=number)
            # Both were decided while the agent still led: in two processes, say.
            decision = Decision(action="hand_off", reason="irrelevant_or_confused")
            analysis = AiAnalysis(intent=Intent.IRRELEVANT_CONFUSED, engine="local")
            await stage.repositories.interactions.store_decision(reply.id, analysis, decision)
            clock.advance(minutes=1)
            await stage.reactive.run(await stage.reply_now(reply))

        assert await classes_sent(stage, patient) == [MessageClass.HANDOFF_NOTICE]
        attention = (await stage.campaign_now(campaign)).attention
        assert attention
        assert attention.briefing
        assert (attention.briefing.said, attention.since) == (
            "Odd 2.",
            stage.clock.now() - timedelta(minutes=1),
        )

    async def test_a_wish_with_a_question_gets_one_message_for_both(self, stage: Stage) -> None:
        stage.engine.secondary, stage.engine.reply = (Intent.QUESTION,), ANSWER

        patient, campaign = await answered(
            stage, S.ATTEMPTING_RECOVERY, "Tuesday works. How long does whitening take?"
        )

        assert campaign.status == S.RE_ENGAGED
        [letter] = await stage.outgoing(patient)
        assert ANSWER.text in letter.content
        assert "booking_token" in letter.content

    async def test_a_wish_with_a_question_nobody_can_answer_goes_to_a_person(
        self, stage: Stage
    ) -> None:
        stage.engine.secondary = (Intent.QUESTION,)
        stage.engine.intent_of = {"Do you take Delta Dental?": Intent.QUESTION}

        patient, campaign = await answered(
            stage, S.ATTEMPTING_RECOVERY, "Tuesday works. Do you take Delta Dental?"
        )

        assert campaign.status == S.HANDOFF_REQUIRED
        assert await classes_sent(stage, patient) == [MessageClass.HANDOFF_NOTICE]

    async def test_a_wish_that_only_asks_when_gets_the_link(self, stage: Stage) -> None:
        stage.engine.secondary = (Intent.QUESTION,)

        patient, campaign = await answered(
            stage, S.ATTEMPTING_RECOVERY, "I'd love to come. When do you have room?"
        )

        assert campaign.status == S.RE_ENGAGED
        assert await classes_sent(stage, patient) == [MessageClass.AGENT_ANSWER]

    async def test_a_no_to_one_thing_and_a_yes_to_another_gets_the_link(self, stage: Stage) -> None:
        stage.engine.secondary = (Intent.SERVICE_DENIAL,)

        patient, campaign = await answered(
            stage, S.ATTEMPTING_RECOVERY, "No whitening, but I'd like a cleaning."
        )

        assert campaign.status == S.RE_ENGAGED
        assert await classes_sent(stage, patient) == [MessageClass.AGENT_ANSWER]

    async def test_the_treatment_of_the_campaign_goes_with_the_question(self, stage: Stage) -> None:
        stage.engine.intent, stage.engine.reply = Intent.QUESTION, ANSWER

        await answered(stage, S.ATTEMPTING_RECOVERY, "How much is it?")

        assert stage.engine.asked == [("How much is it?", "whitening")]

    async def test_a_no_with_something_beside_it_goes_to_a_person(self, stage: Stage) -> None:
        stage.engine.intent = Intent.SERVICE_DENIAL
        stage.engine.secondary = (Intent.QUESTION,)

        _patient, campaign = await answered(
            stage, S.RE_ENGAGED, "No whitening for me. What would a check-up cost?"
        )

        assert campaign.status == S.HANDOFF_REQUIRED
        assert campaign.attention
        assert campaign.attention.reason == "several_requests"

    async def test_the_fourth_turn_of_a_day_is_a_persons(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)
        for number in range(1, 5):
            reply = await stage.reply(patient, campaign, "Yes please.", number=number)
            await stage.reactive.run(reply)
            clock.advance(minutes=5)

        campaign = await stage.campaign_now(campaign)
        sent = await classes_sent(stage, patient)
        assert sent == [*[MessageClass.AGENT_ANSWER] * 3, MessageClass.HANDOFF_NOTICE]
        assert campaign.attention
        assert campaign.attention.reason == "too_many_turns"

    async def test_turns_are_counted_by_the_clinics_day(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)
        clock.set(datetime(2026, 8, 20, 3, 50, tzinfo=UTC))  # ten to midnight in New York
        for number in range(1, 4):
            await stage.reactive.run(await stage.reply(patient, campaign, "Yes.", number=number))
        clock.advance(minutes=15)

        await stage.reactive.run(await stage.reply(patient, campaign, "Yes.", number=4))

        assert (await stage.campaign_now(campaign)).status == S.RE_ENGAGED
        assert await classes_sent(stage, patient) == [MessageClass.AGENT_ANSWER] * 4

    @pytest.mark.parametrize("status", FOLLOWED)
    async def test_a_thread_that_a_person_keeps_gets_no_automatic_answer(
        self, stage: Stage, status: CampaignStatus
    ) -> None:
        patient = await stage.patient()
        since = stage.clock.now()
        campaign = await stage.campaign(patient, status, agent_silent_since=since)

        await stage.reactive.run(await stage.reply(patient, campaign, "Yes, please book me."))

        campaign = await stage.campaign_now(campaign)
        assert campaign.status == S.RE_ENGAGED
        assert campaign.agent_silent_since == since
        assert campaign.attention
        assert campaign.attention.reason == "booking_request"
        assert await stage.outgoing(patient) == []


class TestKeptByPersons:
    """Booked, handed off and ended: the status stays, a person is asked."""

    @pytest.mark.parametrize("status", PERSONS)
    @pytest.mark.parametrize(
        ("intent", "reason"),
        [
            (Intent.BOOKING_REQUEST, "booking_request"),
            (Intent.SERVICE_DENIAL, "declined"),
            (Intent.QUESTION, "question"),
        ],
    )
    async def test_a_reply_raises_attention_and_nothing_else(
        self, stage: Stage, status: CampaignStatus, intent: Intent, reason: str
    ) -> None:
        stage.engine.intent, stage.engine.reply = intent, ANSWER

        patient, campaign = await answered(stage, status, "About my visit: can we talk?")

        assert campaign.status == status
        assert campaign.history == []
        assert campaign.attention
        assert campaign.attention.reason == reason
        assert campaign.attention.urgency == Urgency.NORMAL
        assert campaign.booking_funnel.status is None
        assert await stage.outgoing(patient) == []

    @pytest.mark.parametrize("status", PERSONS)
    async def test_an_emergency_is_urgent_and_gets_the_fixed_text(
        self, stage: Stage, status: CampaignStatus
    ) -> None:
        patient, campaign = await answered(
            stage, status, "My face is swollen and I have trouble breathing."
        )

        assert campaign.status == status
        assert campaign.attention
        assert campaign.attention.urgency == Urgency.URGENT
        assert campaign.attention.reason == "emergency"
        assert await classes_sent(stage, patient) == [MessageClass.EMERGENCY_TEXT]
        assert stage.alerts.told == [(campaign.id, Urgency.URGENT)]


class TestEmergency:
    @pytest.mark.parametrize("status", FOLLOWED)
    async def test_it_is_handed_off_urgently_with_the_fixed_text(
        self, stage: Stage, status: CampaignStatus
    ) -> None:
        patient, campaign = await answered(
            stage, status, "My face is swollen and I have trouble breathing."
        )

        assert campaign.status == S.HANDOFF_REQUIRED
        assert campaign.attention
        assert campaign.attention.urgency == Urgency.URGENT
        [letter] = await stage.outgoing(patient)
        assert letter.delivery
        assert letter.delivery.message_class == MessageClass.EMERGENCY_TEXT
        assert "212-555-0100" in letter.content
        assert "booking_token" not in letter.content
        assert stage.alerts.told == [(campaign.id, Urgency.URGENT)]
        assert stage.engine.classified == []

    async def test_it_does_not_wait_for_the_engine(self, stage: Stage) -> None:
        stage.engine.error = RuntimeError("no model")

        _patient, campaign = await answered(
            stage, S.ATTEMPTING_RECOVERY, "I cannot breathe, my throat is swelling."
        )

        assert campaign.attention
        assert campaign.attention.urgency == Urgency.URGENT

    async def test_an_opt_out_in_the_same_message_is_honoured_too(self, stage: Stage) -> None:
        patient, campaign = await answered(
            stage,
            S.ATTEMPTING_RECOVERY,
            "My face is swollen and I can't breathe. And stop sending me emails.",
        )

        assert campaign.attention
        assert campaign.attention.urgency == Urgency.URGENT
        assert await classes_sent(stage, patient) == [MessageClass.EMERGENCY_TEXT]
        assert await stage.repositories.suppressions.for_address(patient.email or "")


class TestOptOut:
    @pytest.mark.parametrize("status", [*FOLLOWED, S.HANDOFF_REQUIRED])
    async def test_it_ends_the_campaign_with_one_receipt(
        self, stage: Stage, status: CampaignStatus
    ) -> None:
        patient, campaign = await answered(stage, status, "Please stop emailing me.")

        assert campaign.status == S.RECOVERY_DECLINED
        assert await classes_sent(stage, patient) == [MessageClass.OPT_OUT_RECEIPT]
        suppression = await stage.repositories.suppressions.for_address(patient.email or "")
        assert suppression
        assert suppression.reason == SuppressionReason.OPT_OUT
        stored = await stage.repositories.patients.get(patient.id)
        assert stored
        assert stored.has_opted_out
        assert campaign.needs_person == (status == S.HANDOFF_REQUIRED)

    @pytest.mark.parametrize("status", [*BOOKED, *ENDED])
    async def test_it_is_honoured_where_the_status_stays(
        self, stage: Stage, status: CampaignStatus
    ) -> None:
        patient, campaign = await answered(stage, status, "Please stop emailing me.")

        assert campaign.status == status
        assert await classes_sent(stage, patient) == [MessageClass.OPT_OUT_RECEIPT]
        assert await stage.repositories.suppressions.for_address(patient.email or "")
        assert campaign.needs_person == (status in BOOKED)

    async def test_a_second_one_gets_no_second_receipt(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)
        await stage.reactive.run(await stage.reply(patient, campaign, "STOP"))
        clock.advance(days=2)

        await stage.reactive.run(await stage.reply(patient, campaign, "STOP", number=2))

        assert await classes_sent(stage, patient) == [MessageClass.OPT_OUT_RECEIPT]

    async def test_it_does_not_wait_for_the_engine(self, stage: Stage) -> None:
        stage.engine.error = RuntimeError("no model")

        patient, campaign = await answered(stage, S.ATTEMPTING_RECOVERY, "Unsubscribe me please")

        assert campaign.status == S.RECOVERY_DECLINED
        assert await classes_sent(stage, patient) == [MessageClass.OPT_OUT_RECEIPT]

    async def test_the_active_campaign_ends_when_an_old_thread_is_answered(
        self, stage: Stage
    ) -> None:
        patient = await stage.patient()
        old = await stage.campaign(patient, S.RECOVERY_FAILED)
        active = await stage.campaign(patient, S.ATTEMPTING_RECOVERY, channel={"thread_id": "t2"})

        await stage.reactive.run(await stage.reply(patient, old, "STOP"))

        assert (await stage.campaign_now(active)).status == S.RECOVERY_DECLINED


class TestStrangers:
    @pytest.mark.parametrize("status", list(CampaignStatus))
    async def test_an_unknown_sender_is_a_persons_and_learns_nothing(
        self, stage: Stage, status: CampaignStatus
    ) -> None:
        patient, campaign = await answered(stage, status, "Yes, book it.", sender=STRANGER)

        assert campaign.status == (S.HANDOFF_REQUIRED if status in FOLLOWED else status)
        assert S.RE_ENGAGED not in [step.to_status for step in campaign.history]
        assert campaign.last_reply_at is None
        assert campaign.attention
        assert campaign.attention.reason == "unverified_sender"
        assert await stage.outgoing(patient) == []
        assert campaign.attention.urgency == Urgency.NORMAL

    async def test_a_stranger_in_a_danger_that_the_engine_alone_sees_is_urgent(
        self, stage: Stage
    ) -> None:
        """A patient who writes from another address, say."""
        words = "The side of my face looks like a balloon this morning"
        stage.engine.intent_of[words] = Intent.EMERGENCY
        stage.engine.confidence = 0.3

        patient, campaign = await answered(stage, S.ATTEMPTING_RECOVERY, words, sender=STRANGER)

        assert campaign.attention
        assert campaign.attention.reason == "unverified_sender"
        assert campaign.attention.urgency == Urgency.URGENT
        assert stage.alerts.told == [(campaign.id, Urgency.URGENT)]
        assert await stage.outgoing(patient) == []

    async def test_a_stranger_in_danger_is_urgent(self, stage: Stage) -> None:
        _patient, campaign = await answered(
            stage, S.ATTEMPTING_RECOVERY, "My throat is swelling, I can't breathe", sender=STRANGER
        )

        assert campaign.attention
        assert campaign.attention.urgency == Urgency.URGENT

    async def test_a_stranger_who_says_stop_stops_their_own_address(self, stage: Stage) -> None:
        patient, _campaign = await answered(
            stage, S.ATTEMPTING_RECOVERY, "Stop emailing me", sender=STRANGER
        )

        suppressions = stage.repositories.suppressions
        assert await suppressions.for_address(STRANGER)
        assert await suppressions.for_address(patient.email or "") is None

    @pytest.mark.parametrize(
        "text", ["My wife Dana passed away in May.", "This is Dana's husband."]
    )
    async def test_a_third_person_gets_no_automatic_word(self, stage: Stage, text: str) -> None:
        patient, campaign = await answered(stage, S.ATTEMPTING_RECOVERY, text)

        assert campaign.status == S.HANDOFF_REQUIRED
        assert campaign.attention
        assert campaign.attention.reason == "third_person"
        assert await stage.outgoing(patient) == []

    async def test_a_death_with_a_request_to_stop_gets_no_receipt(self, stage: Stage) -> None:
        patient, campaign = await answered(
            stage, S.ATTEMPTING_RECOVERY, "Dana passed away in May. Please stop sending emails."
        )

        assert await stage.outgoing(patient) == []
        assert campaign.attention
        assert campaign.attention.reason == "third_person"
        assert await stage.repositories.suppressions.for_address(patient.email or "")


class TestMachines:
    @pytest.mark.parametrize("status", list(CampaignStatus))
    async def test_an_automatic_reply_changes_nothing(
        self, stage: Stage, status: CampaignStatus
    ) -> None:
        patient, campaign = await answered(
            stage, status, "I am out of the office.", subject="Automatic reply: Your visit"
        )

        assert campaign.status == status
        assert campaign.last_reply_at is None
        assert campaign.attention is None
        assert await stage.outgoing(patient) == []

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (
                "I am out of the office until September 3, 2026.",
                datetime(2026, 9, 3, 4, tzinfo=UTC),
            ),
            # Sixty days at most.
            (
                "I am out of the office until January 15, 2027.",
                datetime(2026, 10, 18, 4, tzinfo=UTC),
            ),
        ],
    )
    async def test_an_out_of_office_postpones_the_next_attempt(
        self, stage: Stage, text: str, expected: datetime
    ) -> None:
        patient = await stage.patient()
        planned = FollowUpDetails(
            max_attempts=4, next_attempt_at=datetime(2026, 8, 22, 4, tzinfo=UTC)
        )
        campaign = await stage.campaign(patient, follow_up_details=planned)

        reply = await stage.reply(patient, campaign, text, subject="Automatic reply")
        await stage.reactive.run(reply)

        campaign = await stage.campaign_now(campaign)
        assert campaign.follow_up_details.next_attempt_at == expected

    @pytest.mark.parametrize("status", list(CampaignStatus))
    async def test_a_bounce_stops_the_address(self, stage: Stage, status: CampaignStatus) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient, status)
        sent = await stage.repositories.interactions.insert(sent_message(patient, campaign))
        stage_now = stage.clock.now()

        bounce = await stage.reply(
            patient,
            campaign,
            "550 5.1.1 The email account that you tried to reach does not exist.",
            sender="mailer-daemon@googlemail.com",
            subject="Delivery Status Notification (Failure)",
            at=stage_now,
        )
        await stage.reactive.run(bounce)

        campaign = await stage.campaign_now(campaign)
        assert campaign.status == (S.RECOVERY_FAILED if status in FOLLOWED else status)
        assert campaign.needs_person == (status not in FOLLOWED)
        suppression = await stage.repositories.suppressions.for_address(patient.email or "")
        assert suppression
        assert suppression.reason == SuppressionReason.HARD_BOUNCE
        delivery = (await stage.repositories.interactions.get(sent.id)).delivery  # type: ignore[union-attr]
        assert delivery
        assert delivery.status == DeliveryStatus.BOUNCED

    async def test_a_delay_is_no_bounce(self, stage: Stage) -> None:
        patient, campaign = await answered(
            stage,
            S.ATTEMPTING_RECOVERY,
            "There was a temporary problem. 4.2.2 Gmail will retry for 46 more hours.",
            sender="mailer-daemon@googlemail.com",
            subject="Delivery Status Notification (Delay)",
        )

        assert campaign.status == S.ATTEMPTING_RECOVERY
        assert await stage.repositories.suppressions.for_address(patient.email or "") is None


def sent_message(patient: Patient, campaign: Campaign) -> Interaction:
    """A message of the campaign that left a day ago."""
    now = campaign.created_at
    return Interaction(
        patient_id=patient.id,
        campaign_id=campaign.id,
        direction=Direction.OUTGOING,
        content="Hello",
        timestamp=now,
        dedupe_key=f"campaign:{campaign.id}:attempt:1",
        delivery=Delivery(
            status=DeliveryStatus.SENT,
            message_class=MessageClass.OUTREACH,
            not_before=now,
            sent_at=now,
        ),
    )


class TestOutsideCampaigns:
    async def test_a_known_patient_without_a_campaign_waits_for_staff(self, stage: Stage) -> None:
        patient = await stage.patient()

        reply = await stage.reply(patient, None, "Can I come in?")
        await stage.reactive.run(reply)

        stored = await stage.repositories.interactions.get(reply.id)
        assert stored
        assert stored.unmatched
        assert stored.patient_id == patient.id
        assert stored.processed_at
        assert await stage.outgoing(patient) == []

    async def test_an_opt_out_is_honoured_without_a_campaign(self, stage: Stage) -> None:
        patient = await stage.patient()

        reply = await stage.reply(patient, None, "Stop emailing me")
        await stage.reactive.run(reply)

        assert await classes_sent(stage, patient) == [MessageClass.OPT_OUT_RECEIPT]
        assert await stage.repositories.suppressions.for_address(patient.email or "")
        stored = await stage.repositories.interactions.get(reply.id)
        assert stored
        assert not stored.unmatched

    async def test_an_emergency_gets_the_text_and_a_person_without_a_campaign(
        self, stage: Stage
    ) -> None:
        patient = await stage.patient()

        reply = await stage.reply(patient, None, "My throat is swelling, I can't breathe")
        await stage.reactive.run(reply)

        assert await classes_sent(stage, patient) == [MessageClass.EMERGENCY_TEXT]
        stored = await stage.repositories.interactions.get(reply.id)
        assert stored
        assert stored.unmatched
        assert stage.alerts.told == [(reply.id, Urgency.URGENT)]

    async def test_a_stranger_who_says_stop_is_not_written_to(self, stage: Stage) -> None:
        reply = await stage.reply(None, None, "Stop emailing me", sender=STRANGER)
        await stage.reactive.run(reply)

        assert await stage.repositories.suppressions.for_address(STRANGER)
        stored = await stage.repositories.interactions.get(reply.id)
        assert stored
        assert stored.unmatched


class TestRecord:
    async def test_the_analysis_says_who_decided_and_on_what(self, stage: Stage) -> None:
        stage.engine.intent, stage.engine.reply = Intent.QUESTION, ANSWER
        patient = await stage.patient()
        campaign = await stage.campaign(patient)

        reply = await stage.reply(patient, campaign, "How long does whitening take?")
        await stage.reactive.run(reply)

        stored = await stage.repositories.interactions.get(reply.id)
        assert stored
        assert stored.ai_analysis
        assert stored.ai_analysis.intent == Intent.QUESTION
        assert stored.ai_analysis.engine == "scripted"
        assert stored.ai_analysis.confidence == 0.95
        assert stored.ai_analysis.evidence.knowledge_ids == [ANSWER.sources[0].knowledge_id]
        [passage] = stored.ai_analysis.evidence.passages
        assert (passage.title, passage.position, passage.score) == ("Whitening", 3, 0.9)
        assert stored.ai_analysis.milliseconds is not None
        summary = (await stage.campaign_now(campaign)).engagement_summary
        assert summary == (
            "Last reply 2026-08-19: QUESTION (95%), neutral. Replies: 1. Automatic answers: 1."
        )

    async def test_what_was_decided_once_is_not_decided_again(self, stage: Stage) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)
        reply = await stage.reply(patient, campaign, "Yes please.")
        await stage.reactive.run(reply)
        decided = await stage.reply_now(reply)
        stage.engine.intent = Intent.SERVICE_DENIAL

        await stage.reactive.run(decided.model_copy(update={"processed_at": None}))

        assert len(stage.engine.classified) == 1
        assert (await stage.campaign_now(campaign)).status == S.RE_ENGAGED
        assert len(await stage.outgoing(patient)) == 1

    async def test_a_guards_word_carries_no_confidence(self, stage: Stage) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)

        reply = await stage.reply(patient, campaign, "STOP")
        await stage.reactive.run(reply)

        stored = await stage.repositories.interactions.get(reply.id)
        assert stored
        assert stored.ai_analysis
        assert stored.ai_analysis.engine == "guard"
        assert stored.ai_analysis.confidence is None
        assert stored.ai_analysis.evidence.guard == "opt_out"

    async def test_no_word_of_a_patient_is_logged(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        stage.engine.intent = Intent.QUESTION

        patient, _campaign = await answered(stage, S.ATTEMPTING_RECOVERY, "Zanzibar marzipan?")

        logged = "".join(str(record.__dict__) for record in caplog.records)
        assert "Zanzibar" not in logged
        assert patient.name not in logged
        assert str(patient.email) not in logged
