"""The sender: once each, never past the gate, whatever fails and whatever crashes."""

import asyncio
import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from app.core.config import Settings
from app.db.repositories import Repositories
from app.db.repositories.outbox import OutboxRepository
from app.models.campaign import FollowUpDetails
from app.models.interaction import (
    CalendarMethod,
    CalendarPart,
    Delivery,
    DeliveryStatus,
    Interaction,
    MessageClass,
)
from app.models.patient import Channel
from app.models.records import SuppressionReason
from app.services.mail.file import FileTransport
from app.services.mail.transport import (
    OutgoingMail,
    PermanentMailError,
    SentMail,
    TransientMailError,
    UnknownOutcomeError,
)
from app.services.outreach.outbox import Draft
from app.services.outreach.proactive import attempt_key
from app.services.outreach.routes import Route
from app.services.outreach.sender import MAX_ATTEMPTS, backoff
from tests.factories import begin_merge
from tests.fakes import NOON, FrozenClock
from tests.services.outreach.parts import Parts, RecordingTransport

M = MessageClass
EMAIL = Channel.EMAIL
TOMORROWS_OPENING = datetime(2026, 8, 20, 13, 0, tzinfo=UTC)
TOMORROW = datetime(2026, 8, 20, 4, 0, tzinfo=UTC)


class FaultyOutbox(OutboxRepository):
    """Cannot write down what became of a message, for another reason than an outage."""

    def __init__(self, repositories: Repositories) -> None:
        self.__dict__.update(vars(repositories.outbox))
        self.is_broken = True

    async def _update(self, query: Mapping[str, Any], update: Mapping[str, Any]) -> bool:
        if self.is_broken and query.get("delivery.status") == DeliveryStatus.SENDING:
            message = "out of disk space"
            raise OperationFailure(message)
        return await super()._update(query, update)


async def delivery(parts: Parts, message: Interaction) -> Delivery:
    found = (await parts.reread(message)).delivery
    assert found is not None
    return found


class TestSending:
    async def test_sends_to_the_address_on_file_now(
        self, parts: Parts, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient(email="old@example.com")
        message = await parts.message(patient, M.VISIT_NOTICE)
        await parts.repositories.patients.update_fields(patient.id, {"email": "new@example.com"})

        await parts.drain()

        assert [mail.to for mail in transport.sent] == ["new@example.com"]
        state = await delivery(parts, message)
        assert state.status == DeliveryStatus.SENT
        assert state.sent_at == NOON
        assert state.provider_message_id == f"<{message.id}@example.com>"
        assert parts.outcomes == [("visit_notice", "sent")]

    async def test_while_two_records_are_merged_it_goes_to_the_one_that_stays(
        self, parts: Parts, transport: RecordingTransport
    ) -> None:
        """The other is gone already, and what was queued for it has not changed hands yet."""
        goes, stays = await parts.patient(), await parts.patient(email="stays@example.com")
        message = await parts.message(goes, M.VISIT_NOTICE)
        await begin_merge(parts.repositories, goes, stays)

        await parts.drain()

        assert [mail.to for mail in transport.sent] == ["stays@example.com"]
        assert (await delivery(parts, message)).status == DeliveryStatus.SENT

    async def test_notes_the_thread_once_and_replies_in_it(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient()
        campaign = await parts.campaign(patient)
        first = await parts.message(patient, M.AGENT_ANSWER, campaign, key="first")
        await parts.drain()
        clock.advance(minutes=1)
        second = await parts.message(patient, M.AGENT_ANSWER, campaign, key="second")
        await parts.drain()

        opening, reply = transport.sent
        assert (opening.subject, opening.in_reply_to, opening.references) == ("A word", None, ())
        assert reply.subject == "Re: A word"
        assert reply.in_reply_to == f"<{first.id}@example.com>"
        assert reply.references == (f"<{first.id}@example.com>",)
        assert opening.thread_id == reply.thread_id == f"t-{campaign.id}"
        stored = await parts.reread_campaign(campaign)
        assert stored.channel.thread_id == f"t-{campaign.id}"
        assert (await parts.reread(second)).subject == "Re: A word"

    async def test_marks_what_a_machine_wrote_and_lets_outreach_unsubscribe(
        self, parts: Parts, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient()
        campaign = await parts.campaign(patient)
        await parts.message(patient, M.OUTREACH, campaign, key="outreach")
        await parts.drain()
        await parts.message(patient, M.STAFF, campaign, key="staff")
        await parts.drain()

        outreach, by_staff = transport.sent
        assert outreach.is_automatic
        assert outreach.unsubscribe_url == parts.links.unsubscribe_link(patient.id)
        assert not by_staff.is_automatic
        assert by_staff.unsubscribe_url is None

    async def test_redirect_takes_everything(
        self,
        repositories: Repositories,
        settings: Settings,
        clock: FrozenClock,
        transport: RecordingTransport,
    ) -> None:
        trial = settings.model_copy(update={"mail_redirect_to": "trial@example.com"})
        parts = Parts.build(repositories, trial, clock, transport)
        await parts.message(await parts.patient(), M.VISIT_NOTICE)

        await parts.drain()

        assert [(mail.to, mail.to_name) for mail in transport.sent] == [("trial@example.com", None)]

    async def test_a_message_before_its_time_waits(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        later = NOON + timedelta(hours=1)
        await parts.message(await parts.patient(), M.VISIT_NOTICE, not_before=later)

        await parts.drain()
        assert transport.sent == []

        clock.set(later)
        await parts.drain()
        assert len(transport.sent) == 1

    async def test_two_senders_send_fifty_messages_once_each(
        self, parts: Parts, transport: RecordingTransport
    ) -> None:
        other = Parts.build(parts.repositories, parts.settings, parts.clock, transport)
        for number in range(50):
            await parts.message(await parts.patient(), M.VISIT_NOTICE, key=f"n {number}")

        await asyncio.gather(parts.drain(), other.drain(), parts.drain())

        keys = [mail.key for mail in transport.sent]
        assert len(keys) == 50
        assert len(set(keys)) == 50


class TestAtTheGate:
    async def test_a_message_put_off_is_no_attempt_and_keeps_no_slot(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        clock.set(datetime(2026, 8, 20, 2, 0, tzinfo=UTC))
        patient = await parts.patient()
        message = await parts.message(patient, M.OUTREACH, await parts.campaign(patient))

        await parts.drain()

        state = await delivery(parts, message)
        assert state.status == DeliveryStatus.PENDING
        assert state.not_before == TOMORROWS_OPENING
        assert (state.attempts, state.day_slot, state.error) == (0, None, "outside_hours")
        assert transport.sent == []

    async def test_an_opt_out_between_claim_and_hand_over_stops_it(
        self, parts: Parts, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient()
        message = await parts.message(patient, M.AGENT_ANSWER, await parts.campaign(patient))
        claimed = await parts.sender._claim(message)
        assert claimed is not None

        await parts.consent.opt_out(patient, reason=SuppressionReason.OPT_OUT, source="test")
        await parts.sender._send(claimed)

        assert transport.sent == []
        state = await delivery(parts, message)
        assert (state.status, state.error) == (DeliveryStatus.SUPPRESSED, "opted_out")

    async def test_a_dropped_outreach_message_gives_its_attempt_back(self, parts: Parts) -> None:
        patient = await parts.patient()
        follow_up = FollowUpDetails(max_attempts=4, attempts_made=2)
        campaign = await parts.campaign(patient, follow_up_details=follow_up)
        replied = {"last_reply_at": NOON + timedelta(seconds=1), "status": "RE_ENGAGED"}
        key = attempt_key(campaign.id, 2)
        message = await parts.message(patient, M.OUTREACH, campaign, key=key, attempt=2)
        await parts.repositories.campaigns.update_fields(campaign.id, replied)

        await parts.drain()

        stored = await parts.reread(message)
        assert stored.delivery is not None
        assert stored.delivery.status == DeliveryStatus.SUPPRESSED
        assert stored.delivery.error == "patient_replied"
        assert stored.dedupe_key == f"{key}:dropped:{message.id}"
        after = (await parts.reread_campaign(campaign)).follow_up_details
        assert (after.attempts_made, after.next_attempt_at) == (1, TOMORROW)

    async def test_one_outreach_a_day_for_everybody_on_an_address(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        for name in ("Ann Lee", "Ben Lee"):
            patient = await parts.patient(name=name, email="family@example.com")
            await parts.message(patient, M.OUTREACH, await parts.campaign(patient), key=name)

        await asyncio.gather(parts.drain(), parts.drain())
        assert len(transport.sent) == 1

        clock.set(TOMORROWS_OPENING)
        await parts.drain()
        assert len(transport.sent) == 2

    @pytest.mark.parametrize("pause", [None, timedelta(minutes=1)])
    async def test_a_try_that_may_have_got_through_is_the_one_of_the_day(
        self,
        parts: Parts,
        clock: FrozenClock,
        transport: RecordingTransport,
        pause: timedelta | None,
    ) -> None:
        first = await parts.patient(name="Ann Lee", email="family@example.com")
        tried = await parts.message(first, M.OUTREACH, await parts.campaign(first), key="first")
        transport.failures = [TransientMailError("broke", retry_after=pause)]
        await parts.drain()
        second = await parts.patient(name="Ben Lee", email="family@example.com")
        await parts.message(second, M.OUTREACH, await parts.campaign(second), key="second")

        await parts.drain()
        assert transport.sent == []

        clock.advance(minutes=2)
        await parts.drain()
        assert [mail.key for mail in transport.sent] == [str(tried.id)]

    async def test_it_stays_so_while_the_gate_puts_it_off(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient()
        tried = await parts.message(patient, M.OUTREACH, await parts.campaign(patient))
        transport.failures = [TransientMailError("broke")]
        await parts.drain()
        clock.set(datetime(2026, 8, 20, 2, 0, tzinfo=UTC))
        await parts.drain()

        state = await delivery(parts, tried)
        assert state.error == "outside_hours"
        assert state.day_slot is not None

    async def test_never_more_than_the_weekly_cap(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient()
        campaign = await parts.campaign(patient)
        for number in range(10):
            await parts.message(patient, M.OUTREACH, campaign, key=f"n {number}")
        days = []
        for day in range(14):
            before = len(transport.sent)
            clock.set(NOON + timedelta(days=day))
            await parts.drain()
            days.append(len(transport.sent) - before)

        assert days == [1, 1, 1, 0, 0, 0, 0] * 2

    @pytest.mark.parametrize("kind", [M.EMERGENCY_TEXT, M.OPT_OUT_RECEIPT])
    async def test_one_emergency_text_and_one_receipt_a_day(
        self,
        parts: Parts,
        clock: FrozenClock,
        transport: RecordingTransport,
        kind: MessageClass,
    ) -> None:
        patient = await parts.patient()
        await parts.message(patient, kind, key="first")
        second = await parts.message(patient, kind, key="second")
        await asyncio.gather(parts.drain(), parts.drain())
        clock.advance(minutes=1)
        await parts.drain()

        assert len(transport.sent) == 1
        states = {(await delivery(parts, second)).status, DeliveryStatus.SUPPRESSED}
        assert states <= {DeliveryStatus.SENT, DeliveryStatus.SUPPRESSED}

        clock.advance(days=1)
        await parts.message(patient, kind, key="tomorrow")
        await parts.drain()
        assert len(transport.sent) == 2


class TestDroppedAfterATry:
    """A patient may answer a letter whose sending seemed to have failed."""

    @pytest.fixture
    async def tried(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> Interaction:
        """A letter that was tried once, and that nobody may send any more."""
        patient = await parts.patient()
        campaign = await parts.campaign(patient)
        message = await parts.message(patient, M.OUTREACH, campaign, attempt=1)
        transport.failures = [TransientMailError("broke")]
        await parts.drain()
        replied = {"last_reply_at": clock.now() + timedelta(seconds=1), "status": "RE_ENGAGED"}
        await parts.repositories.campaigns.update_fields(campaign.id, replied)
        clock.advance(minutes=1)
        return message

    async def test_what_had_left_counts_as_sent(
        self, parts: Parts, transport: RecordingTransport, tried: Interaction
    ) -> None:
        transport.known[str(tried.id)] = SentMail("<x@example.com>", "thread-1")

        await parts.drain()

        state = await delivery(parts, tried)
        assert (state.status, state.provider_message_id) == ("sent", "<x@example.com>")
        assert transport.sent == []

    async def test_what_had_not_is_dropped(
        self, parts: Parts, transport: RecordingTransport, tried: Interaction
    ) -> None:
        await parts.drain()

        state = await delivery(parts, tried)
        assert (state.status, state.error) == (DeliveryStatus.SUPPRESSED, "patient_replied")
        assert transport.sent == []

    async def test_where_nobody_can_tell_just_now_it_waits(
        self, parts: Parts, transport: RecordingTransport, tried: Interaction
    ) -> None:
        transport.look_up_failure = TransientMailError("away")

        await parts.drain()

        assert (await delivery(parts, tried)).status == DeliveryStatus.PENDING
        assert transport.sent == []

    async def test_where_nobody_can_ever_tell_it_is_dropped(
        self, parts: Parts, transport: RecordingTransport, tried: Interaction
    ) -> None:
        transport.look_up_failure = UnknownOutcomeError("who knows")

        await parts.drain()

        assert (await delivery(parts, tried)).status == DeliveryStatus.SUPPRESSED


class TestFailures:
    async def test_a_passing_failure_is_tried_again_later_and_later(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        transport.failures = [TransientMailError("busy"), TransientMailError("busy")]
        message = await parts.message(await parts.patient(), M.VISIT_NOTICE)

        await parts.drain()
        first = await delivery(parts, message)
        assert (first.status, first.attempts, first.error) == ("pending", 1, "busy")
        assert timedelta(seconds=15) <= first.not_before - NOON <= timedelta(seconds=30)

        clock.advance(hours=1)
        await parts.drain()
        clock.advance(hours=1)
        await parts.drain()
        assert len(transport.sent) == 1
        assert (await delivery(parts, message)).error is None

    async def test_a_second_try_sends_what_was_composed_for_the_first(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient()
        file = CalendarPart(method=CalendarMethod.REQUEST, content="BEGIN:VCALENDAR\r\n")
        draft = Draft(
            patient_id=patient.id,
            subject="A word",
            content="Hello.",
            html="<p>Hello.</p>",
            calendar=file,
            message_class=M.VISIT_NOTICE,
            dedupe_key="the one",
        )
        await parts.outbox.enqueue(draft)
        tried: list[OutgoingMail] = []
        transport.before_send = tried.append
        transport.failures = [TransientMailError("later")]
        await parts.drain()

        clock.advance(hours=1)
        await parts.drain()

        assert [(mail.text, mail.html, mail.calendar) for mail in tried] == [
            ("Hello.", "<p>Hello.</p>", file)
        ] * 2

    async def test_gives_up_after_eight_tries_and_asks_for_a_person(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        transport.failures = [TransientMailError("busy") for _ in range(20)]
        patient = await parts.patient()
        campaign = await parts.campaign(patient)
        message = await parts.message(patient, M.AGENT_ANSWER, campaign)

        for _ in range(20):
            await parts.drain()
            clock.advance(hours=2)

        state = await delivery(parts, message)
        assert (state.status, state.attempts) == (DeliveryStatus.FAILED, MAX_ATTEMPTS)
        attention = (await parts.reread_campaign(campaign)).attention
        assert attention is not None
        assert attention.reason == "delivery_failed"

    async def test_a_dead_address_is_suppressed(
        self, parts: Parts, transport: RecordingTransport
    ) -> None:
        transport.failures = [PermanentMailError("550", recipient_refused=True)]
        patient = await parts.patient()
        campaign = await parts.campaign(patient)
        message = await parts.message(patient, M.OUTREACH, campaign)

        await parts.drain()

        state = await delivery(parts, message)
        assert (state.status, state.day_slot) == (DeliveryStatus.FAILED, None)
        suppression = await parts.repositories.suppressions.for_address(patient.email or "")
        assert suppression is not None
        assert suppression.reason == SuppressionReason.HARD_BOUNCE
        assert (await parts.reread_campaign(campaign)).needs_person

    async def test_a_refused_message_says_nothing_about_the_address(
        self, parts: Parts, transport: RecordingTransport
    ) -> None:
        transport.failures = [PermanentMailError("554")]
        patient = await parts.patient()
        await parts.message(patient, M.VISIT_NOTICE)

        await parts.drain()

        assert await parts.repositories.suppressions.for_address(patient.email or "") is None

    async def test_a_pause_the_other_side_asked_for_is_no_try(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        wait = timedelta(minutes=2)
        transport.failures = [TransientMailError("busy", retry_after=wait) for _ in range(20)]
        message = await parts.message(await parts.patient(), M.VISIT_NOTICE)

        for _ in range(20):
            await parts.drain()
            state = await delivery(parts, message)
            assert (state.attempts, state.error) == (0, "busy")
            assert state.not_before == clock.now() + wait
            clock.advance(minutes=2)
        await parts.drain()

        assert [mail.key for mail in transport.sent] == [str(message.id)]

    async def test_a_second_try_says_since_when_there_may_have_been_a_first(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        seen: list[datetime | None] = []
        transport.before_send = lambda mail: seen.append(mail.tried_since)
        transport.failures = [TransientMailError("broke")]
        await parts.message(await parts.patient(), M.VISIT_NOTICE)

        await parts.drain()
        clock.advance(minutes=1)
        await parts.drain()

        assert seen == [None, NOON]

    async def test_an_unknown_outcome_is_a_persons_and_keeps_the_slot(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        transport.failures = [UnknownOutcomeError("broke")]
        patient = await parts.patient()
        campaign = await parts.campaign(patient)
        message = await parts.message(patient, M.OUTREACH, campaign)

        await parts.drain()
        clock.advance(hours=1)
        await parts.drain()

        state = await delivery(parts, message)
        assert state.status == DeliveryStatus.UNKNOWN
        assert state.day_slot is not None
        assert (await parts.reread_campaign(campaign)).needs_person
        assert transport.sent == []

    async def test_one_broken_message_does_not_hold_up_the_others(
        self, parts: Parts, transport: RecordingTransport
    ) -> None:
        broken = await parts.message(await parts.patient(), M.VISIT_NOTICE, key="broken")
        await parts.message(await parts.patient(), M.VISIT_NOTICE, key="fine")

        def explode(mail: OutgoingMail) -> None:
            if mail.key == str(broken.id):
                raise RuntimeError

        transport.before_send = explode
        await parts.drain()

        assert len(transport.sent) == 1
        state = await delivery(parts, broken)
        assert (state.status, state.error) == (DeliveryStatus.PENDING, "RuntimeError")

    @pytest.mark.parametrize("failure", [None, UnknownOutcomeError("broke")])
    async def test_what_left_or_may_have_is_not_sent_again_where_noting_it_fails(
        self,
        repositories: Repositories,
        settings: Settings,
        clock: FrozenClock,
        transport: RecordingTransport,
        failure: Exception | None,
    ) -> None:
        faulty = FaultyOutbox(repositories)
        forgetful = dataclasses.replace(repositories, outbox=faulty)
        parts = Parts.build(forgetful, settings, clock, transport)
        transport.failures = [failure] if failure else []
        message = await parts.message(await parts.patient(), M.VISIT_NOTICE)

        await parts.drain()
        faulty.is_broken = False
        clock.advance(minutes=10)
        transport.look_up_failure = UnknownOutcomeError("no memory")
        await parts.drain()

        assert [mail.key for mail in transport.sent] == ([] if failure else [str(message.id)])
        assert (await delivery(parts, message)).status == DeliveryStatus.UNKNOWN

    async def test_one_that_cannot_be_claimed_makes_room(
        self, parts: Parts, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient()
        broken = await parts.message(patient, M.EMERGENCY_TEXT, key="broken")
        await parts.repositories.patients.update_fields(patient.id, {"status": "unheard of"})
        await parts.message(await parts.patient(), M.VISIT_NOTICE, key="fine")

        assert await parts.sender.work_off() == 1

        assert len(transport.sent) == 1
        state = await delivery(parts, broken)
        assert (state.status, state.error) == (DeliveryStatus.PENDING, "ValidationError")
        assert state.not_before == NOON + timedelta(hours=1)

    def test_backoff_doubles_to_an_hour(self) -> None:
        for tries, longest in ((1, 30), (2, 60), (5, 480), (8, 3600), (60, 3600)):
            assert longest / 2 <= backoff(tries).total_seconds() <= longest


class TestAfterACrash:
    async def _abandoned(self, parts: Parts, clock: FrozenClock) -> Interaction:
        patient = await parts.patient()
        message = await parts.message(patient, M.VISIT_NOTICE, await parts.campaign(patient))
        assert await parts.sender._claim(message)
        clock.advance(seconds=90)
        return await parts.reread(message)

    async def test_a_transport_that_cannot_tell_just_now_is_asked_again(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        message = await self._abandoned(parts, clock)
        transport.look_up_failure = TransientMailError("away")
        await parts.drain()
        assert (await delivery(parts, message)).status == DeliveryStatus.SENDING

        transport.look_up_failure = None
        clock.advance(seconds=90)
        await parts.drain()

        assert [mail.key for mail in transport.sent] == [str(message.id)]

    async def test_what_left_is_noted_and_not_sent_again(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        message = await self._abandoned(parts, clock)
        transport.known[str(message.id)] = SentMail("<x@example.com>", "t-1")

        await parts.drain()

        assert transport.sent == []
        state = await delivery(parts, message)
        assert (state.status, state.provider_message_id) == ("sent", "<x@example.com>")

    async def test_what_never_left_goes_through_the_gate_again(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        message = await self._abandoned(parts, clock)

        await parts.drain()

        assert [mail.key for mail in transport.sent] == [str(message.id)]

    async def test_where_nobody_can_tell_a_person_decides(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        message = await self._abandoned(parts, clock)
        transport.look_up_failure = UnknownOutcomeError("no memory")

        await parts.drain()

        assert transport.sent == []
        assert (await delivery(parts, message)).status == DeliveryStatus.UNKNOWN

    async def test_a_lease_that_still_runs_is_left_alone(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        message = await parts.message(await parts.patient(), M.VISIT_NOTICE)
        assert await parts.sender._claim(message)
        clock.advance(seconds=44)

        await parts.drain()

        assert transport.sent == []
        assert (await delivery(parts, message)).status == DeliveryStatus.SENDING

    async def test_a_sender_that_lost_its_lease_changes_nothing(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        message = await parts.message(await parts.patient(), M.VISIT_NOTICE)
        stale = await parts.sender._claim(message)
        assert stale is not None
        clock.advance(seconds=90)
        await parts.drain()
        before = await parts.reread(message)

        await parts.sender._try_later(stale, "late")
        await parts.sender._record(stale, SentMail("<late@x>", "late"), "late", None, channel=EMAIL)

        assert await parts.reread(message) == before

    async def test_with_files_a_crash_after_writing_leaves_one_file(
        self,
        repositories: Repositories,
        settings: Settings,
        clock: FrozenClock,
        tmp_path: Path,
    ) -> None:
        files = FileTransport(tmp_path, "frontdesk@example.com")
        parts = Parts.build(repositories, settings, clock, files)
        patient = await parts.patient()
        message = await parts.message(patient, M.OUTREACH, await parts.campaign(patient))
        claim = await parts.sender._claim(message)
        assert claim is not None
        mail = await parts.sender._postmark.address(
            message, patient, None, Route(EMAIL, patient.email or "")
        )
        await files.send(mail)
        clock.advance(seconds=90)

        await parts.drain()
        # The process that was thought dead wakes up and sends what it held.
        await parts.sender._hand_over(claim, mail, None)

        assert [path.name for path in (tmp_path / "outbox").iterdir()] == [f"{message.id}.eml"]
        assert (await delivery(parts, message)).status == DeliveryStatus.SENT


class TestWithoutAPatient:
    async def test_a_message_of_a_patient_who_is_gone_is_dropped(
        self, parts: Parts, transport: RecordingTransport
    ) -> None:
        patient = await parts.patient()
        message = await parts.message(patient, M.VISIT_NOTICE)
        await parts.repositories.patients.delete(patient.id)

        await parts.drain()

        assert transport.sent == []
        assert (await delivery(parts, message)).error == "no_patient"


class TestNoWayOut:
    async def test_becomes_a_task_in_the_campaign(self, parts: Parts) -> None:
        patient = await parts.patient(email=None, phone="+12125550142")
        campaign = await parts.campaign(patient)
        message = await parts.message(patient, MessageClass.AGENT_ANSWER, campaign)

        await parts.drain()

        kept = await parts.reread_campaign(campaign)
        assert kept.attention is not None
        assert kept.attention.reason == "no_way_to_reach"
        delivery = (await parts.reread(message)).delivery
        assert delivery is not None
        assert (delivery.status, delivery.error) == (DeliveryStatus.SUPPRESSED, "no_address")

    async def test_without_a_campaign_is_one_task_a_day_in_the_list(
        self, parts: Parts, clock: FrozenClock
    ) -> None:
        patient = await parts.patient(email=None, phone="+12125550142")
        for number in range(2):
            await parts.message(patient, MessageClass.VISIT_NOTICE, key=f"k{number}")
        await parts.drain()
        clock.advance(days=1)
        await parts.message(patient, MessageClass.VISIT_NOTICE, key="k2")
        await parts.drain()

        listed = await parts.repositories.interactions.unmatched_page(page=1, limit=10)

        assert [note.patient_id for note in listed.items] == [patient.id] * 2
        assert {note.sender for note in listed.items} == {None}
