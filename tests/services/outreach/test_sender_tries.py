"""A letter that was tried, may have left, or never gets out: what of it holds, and who hears."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.campaign import CampaignStatus, FollowUpDetails
from app.models.interaction import Delivery, DeliveryStatus, Interaction, MessageClass
from app.models.patient import Channel
from app.models.records import SuppressionReason
from app.services.mail.transport import SentMail, TransientMailError
from app.services.outreach.dropping import ANSWER_WITHHELD
from app.services.outreach.sender import MAX_ATTEMPTS
from tests.fakes import NOON, FrozenClock
from tests.services.outreach.parts import Parts, RecordingTransport

pytestmark = pytest.mark.mongo

M = MessageClass
FAMILY = "family@example.com"
PHONE = "+12025550123"


async def delivery(parts: Parts, message: Interaction) -> Delivery:
    """How a message stands."""
    found = (await parts.reread(message)).delivery
    assert found is not None
    return found


async def letter_to_family(parts: Parts, name: str) -> Interaction:
    """Outreach to one of those who share an address."""
    patient = await parts.patient(name=name, email=FAMILY)
    return await parts.message(patient, M.OUTREACH, await parts.campaign(patient), key=name)


class TestOutOfTries:
    @pytest.fixture
    async def tried(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> Interaction:
        """A letter with one try left, which will fail as well; its sibling waits."""
        message = await letter_to_family(parts, "Ann Lee")
        transport.failures = [TransientMailError("broke") for _ in range(MAX_ATTEMPTS)]
        for _ in range(MAX_ATTEMPTS - 1):
            await parts.drain()
            clock.advance(minutes=31)
        return message

    async def test_what_had_left_counts_as_sent(
        self, parts: Parts, transport: RecordingTransport, tried: Interaction
    ) -> None:
        transport.known[str(tried.id)] = SentMail("<x@example.com>", "thread-1")

        await parts.drain()

        state = await delivery(parts, tried)
        assert (state.status, state.provider_message_id) == ("sent", "<x@example.com>")
        assert state.day_slot is not None

    async def test_where_nobody_can_tell_just_now_it_may_have_left(
        self, parts: Parts, transport: RecordingTransport, tried: Interaction
    ) -> None:
        transport.look_up_failure = TransientMailError("away")
        await letter_to_family(parts, "Ben Lee")

        await parts.drain()

        state = await delivery(parts, tried)
        assert (state.status, state.error) == (DeliveryStatus.UNKNOWN, "broke")
        assert transport.sent == []


class TestAnotherAddressSince:
    @pytest.fixture
    async def tried(self, parts: Parts, transport: RecordingTransport) -> Interaction:
        """A letter to the family's address; its patient has one of their own by now."""
        message = await letter_to_family(parts, "Ann Lee")
        transport.failures = [TransientMailError("broke")]
        await parts.drain()
        assert message.patient_id is not None
        own = {"email": "ann@example.com"}
        await parts.repositories.patients.update_fields(message.patient_id, own)
        return message

    async def test_what_had_left_for_the_old_one_is_that_ones_letter_of_the_day(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport, tried: Interaction
    ) -> None:
        transport.known[str(tried.id)] = SentMail("<x@example.com>", "thread-1")
        clock.advance(minutes=1)
        await parts.drain()
        await letter_to_family(parts, "Ben Lee")
        await parts.drain()

        state = await delivery(parts, tried)
        assert (state.status, state.sent_to) == (DeliveryStatus.SENT, None)
        assert transport.sent == []

    async def test_what_had_not_goes_to_the_new_one(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport, tried: Interaction
    ) -> None:
        clock.advance(minutes=1)
        await parts.drain()
        sibling = await letter_to_family(parts, "Ben Lee")
        await parts.drain()

        assert [(mail.key, mail.to) for mail in transport.sent] == [
            (str(tried.id), "ann@example.com"),
            (str(sibling.id), FAMILY),
        ]


class TestAnotherChannelSince:
    async def test_what_may_have_left_is_looked_up_where_it_went(
        self, repositories: Repositories, settings: Settings, clock: FrozenClock
    ) -> None:
        mail, texts = RecordingTransport(), RecordingTransport()
        parts = Parts.build(repositories, settings, clock, mail, {Channel.SMS: texts})
        patient = await parts.patient(phone=PHONE)
        letter = await parts.message(patient, M.OUTREACH, await parts.campaign(patient))
        mail.failures = [TransientMailError("broke")]
        await parts.drain()
        mail.known[str(letter.id)] = SentMail("<x@example.com>", "thread-1")
        mail.look_up_failure = TransientMailError("away")
        await repositories.patients.update_fields(patient.id, {"email": None})
        clock.advance(minutes=1)
        await parts.drain()

        mail.look_up_failure = None
        clock.advance(hours=1)
        await parts.drain()

        assert texts.sent == []
        state = await delivery(parts, letter)
        assert (state.status, state.provider_message_id) == ("sent", "<x@example.com>")

    async def test_also_one_of_before_tries_were_noted(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        letter = await parts.message(await parts.patient(), M.VISIT_NOTICE)
        tried = {"delivery.term": 1, "delivery.attempts": 1}
        await parts.repositories.interactions.update_fields(letter.id, tried)

        await parts.drain()

        assert [mail.tried_since for mail in transport.sent] == [letter.timestamp]


class TestOneADayForTheirOwnSake:
    async def test_what_never_left_keeps_nothing_from_them(
        self, repositories: Repositories, settings: Settings, clock: FrozenClock
    ) -> None:
        mail, texts = RecordingTransport(), RecordingTransport()
        parts = Parts.build(repositories, settings, clock, mail, {Channel.SMS: texts})
        patient = await parts.patient(phone=PHONE)
        first = await parts.message(patient, M.EMERGENCY_TEXT, key="first", answers_on=Channel.SMS)
        texts.failures = [TransientMailError("down")]
        await parts.drain()
        second = await parts.message(
            patient, M.EMERGENCY_TEXT, key="second", answers_on=Channel.EMAIL
        )

        await parts.drain()
        clock.advance(minutes=1)
        await parts.drain()

        assert [one.key for one in mail.sent] == [str(second.id)]
        assert texts.sent == []
        assert (await delivery(parts, first)).error == "already_sent_today"

    async def test_the_second_waits_for_one_in_the_act(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient()
        first = await parts.message(patient, M.EMERGENCY_TEXT, key="first")
        second = await parts.message(patient, M.EMERGENCY_TEXT, key="second")
        claim = await parts.sender._claim(first)
        assert claim is not None

        await parts.drain()
        assert (await delivery(parts, second)).error == "the_other_leaves"
        await parts.sender._try_later(claim, "broke")
        clock.advance(minutes=1)
        await parts.drain()

        assert len(transport.sent) == 1


class TestALeaseThatRanOut:
    async def test_before_the_hand_over_leaves_it_to_whoever_took_over(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        message = await parts.message(await parts.patient(), M.VISIT_NOTICE)
        slow = await parts.sender._claim(message)
        assert slow is not None
        clock.advance(minutes=3)
        await parts.drain()

        await parts.sender._send(slow)

        assert [mail.key for mail in transport.sent] == [str(message.id)]

    async def test_is_renewed_where_nobody_took_over(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        message = await parts.message(await parts.patient(), M.VISIT_NOTICE)
        slow = await parts.sender._claim(message)
        assert slow is not None
        clock.advance(minutes=3)

        await parts.sender._send(slow)
        await parts.drain()

        assert (await delivery(parts, message)).status == DeliveryStatus.SENT
        assert [mail.key for mail in transport.sent] == [str(message.id)]


class TestPutOffAtTheGate:
    async def test_is_no_try(
        self, repositories: Repositories, settings: Settings, clock: FrozenClock
    ) -> None:
        clock.set(datetime(2026, 8, 20, 2, 0, tzinfo=UTC))
        mail, texts = RecordingTransport(), RecordingTransport()
        parts = Parts.build(repositories, settings, clock, mail, {Channel.SMS: texts})
        patient = await parts.patient(phone=PHONE)
        message = await parts.message(patient, M.OUTREACH, await parts.campaign(patient))
        await parts.drain()
        assert (await delivery(parts, message)).tried_at is None
        await repositories.patients.update_fields(
            patient.id, {"preferred_channel": [Channel.SMS.value]}
        )

        clock.set(datetime(2026, 8, 20, 14, 0, tzinfo=UTC))
        await parts.drain()

        assert [one.tried_since for one in texts.sent] == [None]
        assert mail.sent == []


class TestUnreadable:
    async def test_one_that_a_crash_left_does_not_stop_the_queue(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient()
        bad = await parts.message(patient, M.VISIT_NOTICE, key="bad")
        of_tomorrow = {
            "delivery.status": "sending",
            "delivery.message_class": "of_tomorrow",
            "delivery.lease_until": clock.now() - timedelta(hours=1),
        }
        await parts.repositories.interactions.update_fields(bad.id, of_tomorrow)
        good = await parts.message(patient, M.VISIT_NOTICE, key="good")

        await parts.drain()

        assert [mail.key for mail in transport.sent] == [str(good.id)]

    async def test_one_that_waits_does_not_hide_since_when(self, parts: Parts) -> None:
        bad = await parts.message(await parts.patient(), M.VISIT_NOTICE)
        of_tomorrow = {"delivery.message_class": "of_tomorrow"}
        await parts.repositories.interactions.update_fields(bad.id, of_tomorrow)

        assert await parts.repositories.outbox.next_due_at() == NOON


class TestAnAnswerThatMustNotLeave:
    async def test_is_a_persons_task(self, parts: Parts, transport: RecordingTransport) -> None:
        ann = await parts.patient(name="Ann Lee", email=FAMILY)
        ben = await parts.patient(name="Ben Lee", email=FAMILY)
        campaign = await parts.campaign(ben, status=CampaignStatus.RE_ENGAGED)
        await parts.consent.opt_out(ann, reason=SuppressionReason.UNSUBSCRIBE_LINK, source="x")
        answer = await parts.message(ben, M.AGENT_ANSWER, campaign)

        await parts.drain()

        assert transport.sent == []
        assert (await delivery(parts, answer)).status == DeliveryStatus.SUPPRESSED
        now = await parts.reread_campaign(campaign)
        assert now.status == CampaignStatus.HANDOFF_REQUIRED
        assert now.attention is not None
        assert now.attention.reason == ANSWER_WITHHELD


class TestALetterThatLeftLate:
    async def test_is_followed_at_the_planned_distance(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        follow_up = FollowUpDetails(max_attempts=4, next_attempt_at=clock.now())
        await parts.campaign(await parts.patient(), follow_up_details=follow_up)
        pause = TransientMailError("paused", retry_after=timedelta(minutes=15))
        transport.before_send = lambda _mail: transport.failures.append(pause)
        for _ in range(10):
            await parts.sweeps.run_now(None)
            await parts.drain()
            clock.advance(days=1)
        transport.before_send = lambda _mail: None

        days = []
        for day in range(20):
            before = len(transport.sent)
            await parts.sweeps.run_now(None)
            await parts.drain()
            clock.advance(days=1)
            days += [day] * (len(transport.sent) - before)

        assert days == [0, 3, 7, 14]

    async def test_also_where_a_later_one_was_late(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        follow_up = FollowUpDetails(max_attempts=4, next_attempt_at=clock.now())
        await parts.campaign(await parts.patient(), follow_up_details=follow_up)
        pause = TransientMailError("paused", retry_after=timedelta(minutes=15))
        days = []
        for day in range(40):
            transport.failures = [pause] * 20 if 3 <= day < 10 else []
            before = len(transport.sent)
            await parts.sweeps.run_now(None)
            await parts.drain()
            days += [day] * (len(transport.sent) - before)
            clock.advance(days=1)

        assert days == [0, 10, 14, 17]
