"""Working off stored events: once each, in order, retried, and never lost."""

import asyncio
from datetime import timedelta

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.campaign import Campaign, CampaignChannel, CampaignStatus
from app.models.decision import Intent, Urgency
from app.models.interaction import Interaction
from app.models.patient import Patient
from app.models.records import InboundEvent, InboundState
from app.services.email_processor import GmailNotification
from app.services.inbound import (
    LEASE,
    MAX_ATTEMPTS,
    NO_MAILBOX,
    OWN_MESSAGE,
    THREADS_AT_ONCE,
)
from tests.agent_fakes import (
    ANSWER,
    THREAD,
    Countdown,
    CrashedError,
    Stage,
    dying,
    relay,
)
from tests.fakes import FrozenClock

S = CampaignStatus
DAY = timedelta(days=1)

pytestmark = pytest.mark.mongo


@pytest.fixture
def stage(repositories: Repositories, settings: Settings, clock: FrozenClock) -> Stage:
    """The whole inbound path over the test's database."""
    return Stage(repositories, settings, clock)


async def incoming(stage: Stage) -> list[Interaction]:
    """Every recorded reply."""
    return await stage.repositories.interactions._find({"direction": "incoming"})


async def event_now(stage: Stage, event: InboundEvent) -> InboundEvent:
    """The event as it stands."""
    found = await stage.repositories.inbound_events.get(event.id)
    assert found is not None
    return found


class TestOnce:
    async def test_a_reply_is_recorded_answered_and_done(self, stage: Stage) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)
        event = await stage.receive(
            relay(patient, "Yes!\n\nOn Mon, X wrote:\n> Hello", subject="Re")
        )

        assert await stage.work_off() == 1

        [reply] = await incoming(stage)
        assert reply.content == "Yes!"
        assert reply.raw_content
        assert "> Hello" in reply.raw_content
        assert reply.campaign_id == campaign.id
        assert reply.provider_id == f"relay:{THREAD}:m-1"
        assert reply.processed_at
        assert len(await stage.outgoing(patient)) == 1
        assert (await event_now(stage, event)).state == InboundState.DONE
        assert await stage.work_off() == 0

    async def test_the_same_message_under_two_pushes_counts_once(self, stage: Stage) -> None:
        patient = await stage.patient()
        await stage.campaign(patient)
        for number in (1, 2):
            await stage.receive(relay(patient, "Yes!"), event_id=f"pubsub:s:{number}")

        await stage.work_off()

        assert len(await incoming(stage)) == 1
        assert len(await stage.outgoing(patient)) == 1

    async def test_many_workers_at_once_do_it_once(
        self, stage: Stage, repositories: Repositories, settings: Settings, clock: FrozenClock
    ) -> None:
        patient = await stage.patient()
        await stage.campaign(patient)
        for number in range(5):
            await stage.receive(relay(patient, "Yes!"), event_id=f"pubsub:s:{number}")
        workers = [Stage(repositories, settings, clock) for _ in range(8)]

        taken = await asyncio.gather(*(worker.work_off() for worker in workers))

        assert sum(taken) == 5
        assert len(await incoming(stage)) == 1
        assert len(await stage.outgoing(patient)) == 1

    async def test_one_thread_is_processed_in_order(self, stage: Stage, clock: FrozenClock) -> None:
        patient = await stage.patient()
        await stage.campaign(patient)
        for number in range(6):
            message = relay(patient, f"Reply {number}", message_id=f"m-{number}")
            await stage.receive(message, event_id=f"pubsub:s:{number}")
            clock.advance(seconds=1)

        await stage.work_off()

        assert stage.engine.classified == [f"Reply {number}" for number in range(6)]

    async def test_a_slow_reply_holds_up_its_own_thread_alone(self, stage: Stage) -> None:
        patient = await stage.patient()
        stage.engine.waits["Slow"] = asyncio.Event()
        texts = ["Slow", "After it", *map(str, range(THREADS_AT_ONCE + 2))]
        events = [
            await stage.receive(
                relay(patient, text, thread_id=thread, message_id=f"m-{number}"),
                event_id=f"pubsub:s:{number:02}",
            )
            for number, text in enumerate(texts)
            for thread in ("slow" if number < 2 else f"thread-{number}",)
        ]

        assert await stage.inbound.work_off() == len(events)
        late = relay(patient, "Last", thread_id="slow", message_id="m-last")
        await stage.receive(late, event_id="pubsub:s:99")
        for event in events[2:]:
            while (await event_now(stage, event)).state != InboundState.DONE:  # noqa: ASYNC110 - only the database knows
                await asyncio.sleep(0.005)
        assert await stage.inbound.work_off() == 1, "it is taken up, and its thread waits"
        seen_meanwhile = set(stage.engine.classified)
        stage.engine.waits["Slow"].set()
        await stage.inbound.settle()
        await stage.work_off()

        assert seen_meanwhile == {"Slow", *texts[2:]}
        assert [text for text in stage.engine.classified if text not in texts[2:]] == [
            "Slow",
            "After it",
            "Last",
        ]

    async def test_nothing_is_begun_once_it_finishes(self, stage: Stage) -> None:
        patient = await stage.patient()
        stage.engine.waits["Slow"] = asyncio.Event()
        for number, text in enumerate(("Slow", "Next")):
            message = relay(patient, text, message_id=f"m-{number}")
            await stage.receive(message, event_id=f"pubsub:s:{number}")
        await stage.inbound.work_off()

        finishing = asyncio.create_task(stage.inbound.finish(60))
        await asyncio.sleep(0)
        stage.engine.waits["Slow"].set()
        await finishing
        await stage.work_off()

        assert stage.engine.classified == ["Slow"]
        assert len(await incoming(stage)) == 1

    async def test_gmails_notification_is_done_with_a_note(self, stage: Stage) -> None:
        event = InboundEvent(
            id="pubsub:s:9",
            source="pubsub",
            payload=GmailNotification("clinic@example.com", 7).to_payload(),
            not_before=stage.clock.now(),
            created_at=stage.clock.now(),
            updated_at=stage.clock.now(),
        )
        await stage.repositories.inbound_events.store(event)

        await stage.work_off()

        stored = await event_now(stage, event)
        assert stored.state == InboundState.DONE
        assert stored.note == NO_MAILBOX
        assert await incoming(stage) == []

    async def test_a_copy_of_what_we_sent_is_no_reply(
        self, stage: Stage, settings: Settings
    ) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)
        sender = f"The practice <{settings.mail_from.upper()}>"
        event = await stage.receive(relay(patient, "Your check-up is due.", sender=sender))

        await stage.work_off()

        assert (await event_now(stage, event)).note == OWN_MESSAGE
        assert await incoming(stage) == []
        assert await stage.campaign_now(campaign) == campaign


class TestMatching:
    async def test_an_answer_in_an_old_thread_reaches_the_active_campaign(
        self, stage: Stage
    ) -> None:
        patient = await stage.patient()
        ended = await stage.campaign(patient, S.RECOVERY_FAILED)
        active = await stage.campaign(patient, channel=CampaignChannel(thread_id="newer"))
        await stage.receive(relay(patient, "Yes!"))

        await stage.work_off()

        assert (await stage.campaign_now(active)).status == S.RE_ENGAGED
        assert not (await stage.campaign_now(ended)).needs_person

    async def test_an_unknown_thread_is_matched_by_the_only_patient_of_that_address(
        self, stage: Stage
    ) -> None:
        patient = await stage.patient()
        await stage.campaign(patient, S.RECOVERY_FAILED)
        active = await stage.campaign(patient, channel=CampaignChannel(thread_id="other"))
        sender = f"Dana <{(patient.email or '').upper()}>"
        await stage.receive(relay(patient, "Yes!", thread_id="unheard-of", sender=sender))

        await stage.work_off()

        [reply] = await incoming(stage)
        assert reply.campaign_id == active.id
        assert len(await stage.outgoing(patient)) == 1

    async def test_without_an_active_campaign_the_latest_one_counts(self, stage: Stage) -> None:
        patient = await stage.patient()
        ended = await stage.campaign(patient, S.RECOVERY_DECLINED)
        await stage.receive(relay(patient, "I changed my mind", thread_id="unheard-of"))

        await stage.work_off()

        ended = await stage.campaign_now(ended)
        assert ended.status == S.RECOVERY_DECLINED
        assert ended.needs_person

    async def test_of_a_family_the_one_in_a_campaign_is_meant(self, stage: Stage) -> None:
        parent = await stage.patient(name="Ana Diaz", email="diaz@example.com")
        child = await stage.patient(name="Leo Diaz", email="diaz@example.com")
        await stage.campaign(parent, S.RECOVERY_FAILED)
        campaign = await stage.campaign(child, channel=CampaignChannel(thread_id="other"))
        await stage.receive(relay(parent, "Yes!", thread_id="unheard-of"))

        await stage.work_off()

        [reply] = await incoming(stage)
        assert reply.patient_id == child.id
        assert reply.campaign_id == campaign.id

    async def test_of_a_family_with_two_campaigns_nobody_is_guessed(self, stage: Stage) -> None:
        parent = await stage.patient(name="Ana Diaz", email="diaz@example.com")
        child = await stage.patient(name="Leo Diaz", email="diaz@example.com")
        for patient in (parent, child):
            await stage.campaign(patient, channel=CampaignChannel(thread_id=str(patient.id)))
        await stage.receive(relay(parent, "Yes!", thread_id="unheard-of"))

        await stage.work_off()

        [reply] = await incoming(stage)
        assert reply.unmatched
        assert reply.patient_id is None
        assert await stage.outgoing(parent) == []
        assert await stage.outgoing(child) == []

    async def test_another_contact_of_the_patient_speaks_for_them_and_alone_is_stopped(
        self, stage: Stage
    ) -> None:
        old = "old@example.com"
        patient = await stage.patient(other_contacts=[old])
        campaign = await stage.campaign(patient)
        await stage.receive(relay(patient, "Yes!", sender=f"Dana <{old}>"))
        await stage.work_off()

        assert (await stage.campaign_now(campaign)).status == S.RE_ENGAGED
        stop = relay(patient, "Stop writing to me.", sender=old, message_id="m-2")
        await stage.receive(stop, event_id="pubsub:s:2")
        await stage.work_off()

        now = await stage.repositories.patients.get(patient.id)
        assert now is not None
        assert now.has_opted_out
        assert (await stage.campaign_now(campaign)).status == S.RECOVERY_DECLINED
        stopped = await stage.repositories.suppressions.among(patient.contacts)
        assert list(stopped) == [old]

    async def test_nobody_known_waits_for_staff(self, stage: Stage) -> None:
        stranger = await stage.patient()
        await stage.repositories.patients.delete(stranger.id)
        await stage.receive(relay(stranger, "Do you have room for a new patient?"))

        await stage.work_off()

        [reply] = await incoming(stage)
        assert reply.unmatched
        assert reply.processed_at

    async def test_a_known_thread_with_an_odd_sender_is_not_the_patient(self, stage: Stage) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)
        spoofed = f'"{patient.email}" <evil@example.net>'
        await stage.receive(relay(patient, "Yes!", sender=spoofed))

        await stage.work_off()

        campaign = await stage.campaign_now(campaign)
        assert campaign.status == S.HANDOFF_REQUIRED
        assert campaign.attention
        assert campaign.attention.reason == "unverified_sender"


class TestFailing:
    async def test_a_failure_is_tried_again_later_and_later(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        patient = await stage.patient()
        await stage.campaign(patient)
        stage.engine.error = RuntimeError("no model")
        event = await stage.receive(relay(patient, "Yes!"))

        for wait in (10, 20, 40):
            await stage.work_off()
            stored = await event_now(stage, event)
            assert stored.state == InboundState.PENDING
            assert stored.error == "RuntimeError"
            assert stored.not_before == clock.now() + timedelta(seconds=wait)
            assert await stage.work_off() == 0
            clock.advance(seconds=wait)
        stage.engine.error = None
        await stage.work_off()

        assert (await event_now(stage, event)).state == InboundState.DONE
        assert len(await stage.outgoing(patient)) == 1

    async def test_out_of_retries_a_person_gets_the_message(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)
        stage.engine.error = RuntimeError("no model")
        event = await stage.receive(relay(patient, "Yes, on Tuesday please."))

        for _ in range(MAX_ATTEMPTS):
            await stage.work_off()
            clock.advance(minutes=10)

        assert (await event_now(stage, event)).state == InboundState.DEAD
        campaign = await stage.campaign_now(campaign)
        assert campaign.attention
        assert campaign.attention.reason == "processing_failed"
        assert campaign.attention.urgency == Urgency.URGENT
        assert "on Tuesday" in campaign.attention.summary
        assert stage.alerts.told == [(campaign.id, Urgency.URGENT)]
        assert await stage.work_off() == 0

    async def test_an_unmatched_message_out_of_retries_waits_in_the_unmatched_list(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        stranger = await stage.patient()
        await stage.repositories.patients.delete(stranger.id)
        stage.engine.error = RuntimeError("no model")
        await stage.receive(relay(stranger, "Hello, I would like to ask something."))

        for _ in range(MAX_ATTEMPTS):
            await stage.work_off()
            clock.advance(minutes=10)

        [reply] = await incoming(stage)
        assert reply.unmatched
        assert stage.alerts.told == [(reply.id, Urgency.URGENT)]

    async def test_a_payload_that_kills_its_worker_every_time_is_buried(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        patient = await stage.patient()
        campaign = await stage.campaign(patient)
        event = await stage.receive(relay(patient, "Yes!"))
        events = stage.repositories.inbound_events
        for _ in range(MAX_ATTEMPTS):  # claimed, and never heard of again
            now = clock.now()
            found = await events.due_between(now - DAY, now) or await events.abandoned(now, 10)
            [due] = found
            assert await events.claim(due, clock.now() + LEASE)
            clock.advance(minutes=2)

        await stage.work_off()

        assert (await event_now(stage, event)).state == InboundState.DEAD
        assert (await stage.campaign_now(campaign)).needs_person

    async def test_one_bad_message_does_not_hold_up_the_others(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        patient = await stage.patient()
        await stage.campaign(patient)
        bad = InboundEvent(
            id="pubsub:s:bad",
            source="pubsub",
            payload={"form": "relay"},
            not_before=stage.clock.now(),
            created_at=stage.clock.now(),
            updated_at=stage.clock.now(),
        )
        await stage.repositories.inbound_events.store(bad)
        good = await stage.receive(relay(patient, "Yes!"))

        assert await stage.work_off() == 2

        assert (await event_now(stage, bad)).state == InboundState.PENDING
        assert (await event_now(stage, good)).state == InboundState.DONE
        for _ in range(MAX_ATTEMPTS):
            clock.advance(minutes=10)
            await stage.work_off()
        assert (await event_now(stage, bad)).state == InboundState.DEAD

    async def test_one_that_cannot_be_read_does_not_either(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        patient = await stage.patient()
        await stage.campaign(patient)
        bad = await stage.receive(relay(patient, "No!"))
        of_tomorrow = {"attempts": "many", "not_before": clock.now() - timedelta(minutes=5)}
        await stage.repositories.inbound_events._update({"_id": bad.id}, {"$set": of_tomorrow})
        message = relay(patient, "Yes!", thread_id="t-2", message_id="m-2")
        good = await stage.receive(message, event_id="good")

        assert await stage.work_off() == 1

        assert (await event_now(stage, good)).state == InboundState.DONE

    async def test_a_database_that_goes_away_leaves_the_event_to_its_lease(
        self, stage: Stage, clock: FrozenClock
    ) -> None:
        patient = await stage.patient()
        await stage.campaign(patient)
        stage.engine.error = ServerSelectionTimeoutError("gone")
        event = await stage.receive(relay(patient, "Yes!"))

        with pytest.raises(ServerSelectionTimeoutError):
            await stage.work_off()

        stored = await event_now(stage, event)
        assert stored.state == InboundState.PROCESSING
        assert await stage.work_off() == 0
        stage.engine.error = None
        clock.advance(seconds=LEASE.total_seconds() + 5)
        assert await stage.work_off() == 1
        assert len(await stage.outgoing(patient)) == 1

    async def test_no_word_of_a_failed_message_is_logged(
        self, stage: Stage, clock: FrozenClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        patient = await stage.patient(name="Quentin Quartz")
        await stage.campaign(patient)
        stage.engine.error = RuntimeError("no model")
        await stage.receive(relay(patient, "Zanzibar marzipan?"))

        for _ in range(MAX_ATTEMPTS):
            await stage.work_off()
            clock.advance(minutes=10)

        logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
        for word in ("Zanzibar", "Quentin", str(patient.email)):
            assert word not in logged


SCENARIOS: dict[str, tuple[str, Intent, dict[str, str]]] = {
    "booking": ("Yes please!", Intent.BOOKING_REQUEST, {}),
    "answer": ("How long does whitening take?", Intent.QUESTION, {}),
    "no answer": ("Do you validate parking?", Intent.QUESTION, {}),
    "denial": ("Not for me, thanks.", Intent.SERVICE_DENIAL, {}),
    "confused": ("Bananas are yellow.", Intent.IRRELEVANT_CONFUSED, {}),
    "opt-out": ("Please stop emailing me.", Intent.OPT_OUT, {}),
    "emergency": ("My throat is swelling and I can't breathe.", Intent.EMERGENCY, {}),
    "stranger": ("Yes please!", Intent.BOOKING_REQUEST, {"sender": "other@example.org"}),
    "bounce": (
        "550 5.1.1 no such user",
        Intent.IRRELEVANT_CONFUSED,
        {"sender": "mailer-daemon@example.net", "subject": "Undelivered Mail"},
    ),
}


async def end_state(stage: Stage, patient: Patient, campaign: Campaign) -> dict[str, object]:
    """Everything a reply changed, without ids and instants that differ from run to run."""
    campaign = await stage.campaign_now(campaign)
    stored = await stage.repositories.patients.get(patient.id)
    assert stored is not None
    suppression = await stage.repositories.suppressions.for_address(patient.email or "")
    replies = [r for r in await incoming(stage) if r.campaign_id == campaign.id]
    ids = [reply.id for reply in replies]
    unanswered = await stage.repositories.unanswered.get_many(ids)
    return {
        "status": campaign.status,
        "steps": [step.to_status for step in campaign.history],
        "attention": campaign.attention and (campaign.attention.reason, campaign.attention.urgency),
        "funnel": campaign.booking_funnel.status,
        "next": campaign.follow_up_details.next_attempt_at,
        "silent": campaign.agent_silent_since is not None,
        "handed_off": campaign.handoff_details is not None,
        "summary": campaign.engagement_summary,
        "outgoing": [
            (m.delivery and m.delivery.message_class, _part_of(m.dedupe_key))
            for m in await stage.outgoing(patient)
        ],
        "opted_out": stored.has_opted_out,
        "suppressed": suppression and suppression.reason,
        "replies": [
            (r.ai_analysis and r.ai_analysis.intent, r.decision and r.decision.action, r.unmatched)
            for r in replies
        ],
        "processed": [r.processed_at is not None for r in replies],
        "unanswered": len(unanswered),
    }


def _part_of(key: str | None) -> str:
    """What a message is for, by its key; when a hand-off began is an instant, and left out."""
    part = (key or "").rsplit(":", 1)[-1]
    return "" if part.isdecimal() else part


class TestCrashes:
    """The process dies around every single write; the next run leads to the same end."""

    @pytest.mark.parametrize("name", SCENARIOS)
    async def test_the_end_is_the_same(
        self,
        name: str,
        repositories: Repositories,
        settings: Settings,
        clock: FrozenClock,
    ) -> None:
        async def run(countdown: Countdown) -> dict[str, object]:
            text, intent, given = SCENARIOS[name]
            clean = Stage(repositories, settings, clock)
            patient = await clean.patient()
            thread = f"t-{patient.id}"
            campaign = await clean.campaign(patient, channel=CampaignChannel(thread_id=thread))
            mortal = Stage(dying(repositories, countdown), settings, clock)
            for stage in (clean, mortal):
                stage.engine.intent = intent
                stage.engine.reply = ANSWER if name == "answer" else stage.engine.reply
            message = relay(patient, text, **{"thread_id": thread, **given})
            event = await clean.receive(message, event_id=f"pubsub:s:{patient.id}")
            if countdown.at:
                with pytest.raises(CrashedError):
                    await mortal.work_off()
                clock.advance(seconds=LEASE.total_seconds() + 5)
                await clean.work_off()
            else:
                await mortal.work_off()
            assert (await event_now(clean, event)).state == InboundState.DONE
            return await end_state(clean, patient, campaign)

        uncrashed = Countdown()
        expected = await run(uncrashed)
        assert uncrashed.seen > 3
        for at in range(1, uncrashed.seen + 1):
            for after in (False, True):
                assert await run(Countdown(at, after)) == expected, f"write {at}, after={after}"
