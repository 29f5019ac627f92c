"""From a notification to an answered reply, through the mailbox."""

import asyncio
from datetime import date, timedelta
from typing import NoReturn

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.demo.gmail.mailbox import FakeMessage, IncomingReply
from app.models.campaign import CampaignStatus
from app.models.decision import Intent
from app.models.records import InboundState
from app.services.inbound import MAX_ATTEMPTS, NO_MAILBOX, OWN_MESSAGE, SPAM
from app.services.leases import Leases
from app.services.mail.gmail.sync import LEASE
from app.services.mailbox_mail import ALREADY_READ, ANOTHER_MAILBOX, GONE, NO_LETTER
from app.services.received import UNREADABLE
from tests.agent_fakes import Stage
from tests.gmail_desk import Desk
from tests.gmail_parts import MAILBOX, Wired, make_mailbox_mail, make_sync

S = CampaignStatus

pytestmark = pytest.mark.mongo

BOUNCE = """From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>
To: frontdesk@example.com
Subject: Delivery Status Notification (Failure)
Auto-Submitted: auto-replied
X-Failed-Recipients: {address}
Content-Type: multipart/report; boundary="b"; report-type=delivery-status

--b
Content-Type: text/plain

Your message wasn't delivered because the address couldn't be found.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; googlemail.com

Final-Recipient: rfc822; {address}
Action: failed
Status: {status}

--b
Content-Type: message/rfc822

Subject: Your visit
Message-ID: <CA+returned@mail.gmail.com>
X-Outbox-Key: {key}

Hello
--b--
"""


def event_id(message: FakeMessage) -> str:
    """Under which it is stored once."""
    return f"gmail:{MAILBOX}:{message.id}"


class TestReply:
    async def test_is_recorded_answered_and_done(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        message = desk.answer(patient, campaign)
        told = await desk.notify()

        await desk.drain()

        [reply] = await desk.incoming()
        assert (reply.content, reply.campaign_id) == ("Yes please!", campaign.id)
        assert "> Hello" in (reply.raw_content or "")
        assert reply.provider_id == event_id(message)
        assert reply.mail is not None
        assert reply.mail.message_id == message.header("Message-ID")
        [_, answer] = await desk.stage.outgoing(patient)
        assert answer.in_reply_to == message.header("Message-ID")
        for name in (told.id, event_id(message)):
            assert (await desk.event(name)).state == InboundState.DONE
        assert (await desk.event(event_id(message))).raw is None

    async def test_many_notifications_of_it_lead_to_one(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        desk.answer(patient, campaign)
        told = [await desk.notify() for _ in range(10)]

        await desk.drain()

        assert len(await desk.incoming()) == 1
        assert desk.at_gmail.times("history.list") == 2
        notes = [(await desk.event(one.id)).note for one in told]
        assert sorted(map(str, notes)) == ["None", *[ALREADY_READ] * 9]

    async def test_late_ones_are_settled_together(self, desk: Desk) -> None:
        desk.mailbox.reply(IncomingReply("x@example.com", "Hi"))
        await desk.notify()
        await desk.drain()
        looks = desk.at_gmail.times("history.list")
        told = [await desk.notify(history_id=desk.mailbox.history_id - n % 2) for n in range(8)]
        others = [await desk.notify(address="another@example.com") for _ in range(2)]

        await desk.drain()

        late = [await desk.event(one.id) for one in told]
        assert {(one.state, one.note) for one in late} == {(InboundState.DONE, ALREADY_READ)}
        assert {one.term for one in late} == {0}, "none is claimed by itself"
        notes = {(await desk.event(one.id)).note for one in others}
        assert notes == {ANOTHER_MAILBOX}
        assert desk.at_gmail.times("history.list") == looks

    async def test_a_burst_of_them_is_settled_by_one_look(self, desk: Desk) -> None:
        desk.mailbox.reply(IncomingReply("x@example.com", "Hi"))
        told = [await desk.notify() for _ in range(120)]
        ahead = await desk.notify(history_id=desk.mailbox.history_id + 10_000)
        another = await desk.notify(address="another@example.com", history_id=1)
        looks = desk.at_gmail.times("history.list")

        await desk.stage.work_off()

        notes = {(await desk.event(one.id)).note for one in told}
        assert notes == {ALREADY_READ}
        assert (await desk.event(ahead.id)).note is None, "it stood for all"
        assert (await desk.event(another.id)).note == ANOTHER_MAILBOX
        assert desk.at_gmail.times("history.list") == looks + 1

    async def test_two_replicas_record_it_once(
        self, desk: Desk, at_gmail: Wired, repositories: Repositories, settings: Settings
    ) -> None:
        patient, campaign, _ = await desk.written_to()
        desk.answer(patient, campaign)
        await desk.notify()
        other = Stage(
            repositories,
            settings,
            at_gmail.clock,
            mailbox=make_mailbox_mail(at_gmail, repositories, settings),
        )

        for _ in range(4):
            await asyncio.gather(desk.stage.work_off(), other.work_off())

        assert len(await desk.incoming()) == 1
        assert len(await desk.stage.outgoing(patient)) == 2

    async def test_in_a_new_thread_is_known_by_what_it_answers(self, desk: Desk) -> None:
        patient, campaign, letter = await desk.written_to()
        assert letter.delivery is not None
        message = desk.mailbox.reply(
            IncomingReply(
                "somebody@example.com",
                "It is me",
                subject="Another subject",
                headers={"References": f"<a@b> {letter.delivery.provider_message_id}"},
            )
        )
        assert message.thread_id != campaign.channel.thread_id
        await desk.notify()

        await desk.drain()

        [reply] = await desk.incoming()
        assert (reply.patient_id, reply.campaign_id) == (patient.id, campaign.id)

    async def test_a_stranger_is_left_to_staff(self, desk: Desk) -> None:
        desk.mailbox.reply(IncomingReply("stranger@example.com", "Do you sell pianos?"))
        await desk.notify()

        await desk.drain()

        [reply] = await desk.incoming()
        assert (reply.unmatched, reply.patient_id) == (True, None)

    @pytest.mark.parametrize(
        "given", [{"sender": "stranger@example.com"}, {"authentication": "fail"}]
    )
    async def test_whoever_is_not_proven_the_patient_gets_no_answer(
        self, desk: Desk, given: dict[str, str]
    ) -> None:
        patient, campaign, letter = await desk.written_to()
        desk.answer(patient, campaign, **given)
        await desk.notify()

        await desk.drain()

        [reply] = await desk.incoming()
        assert reply.ai_analysis is not None
        assert reply.ai_analysis.intent == Intent.UNVERIFIED_SENDER
        assert [one.id for one in await desk.stage.outgoing(patient)] == [letter.id]
        assert (await desk.stage.campaign_now(campaign)).status == S.HANDOFF_REQUIRED


class TestMachines:
    async def bounce(self, desk: Desk, address: str, key: object, status: str) -> None:
        raw = BOUNCE.format(address=address, key=key, status=status)
        desk.mailbox.deliver(raw.replace("\n", "\r\n").encode())
        await desk.notify()
        await desk.drain()

    async def test_a_hard_bounce_is_known_by_our_key_and_suppresses(self, desk: Desk) -> None:
        patient, campaign, letter = await desk.written_to()

        await self.bounce(desk, patient.email or "", letter.id, "5.1.1")

        assert await desk.stage.repositories.suppressions.for_address(patient.email or "")
        assert (await desk.stage.campaign_now(campaign)).status == S.RECOVERY_FAILED

    async def test_a_soft_bounce_changes_nothing(self, desk: Desk) -> None:
        patient, campaign, letter = await desk.written_to()

        await self.bounce(desk, patient.email or "", letter.id, "4.2.2")

        assert not await desk.stage.repositories.suppressions.for_address(patient.email or "")
        assert (await desk.stage.campaign_now(campaign)).status == S.ATTEMPTING_RECOVERY

    async def test_the_bounce_of_another_address_is_not_theirs(self, desk: Desk) -> None:
        patient, campaign, letter = await desk.written_to()

        await self.bounce(desk, "redirected@example.com", letter.id, "5.1.1")

        assert not await desk.stage.repositories.suppressions.for_address(patient.email or "")
        assert (await desk.stage.campaign_now(campaign)).status == S.ATTEMPTING_RECOVERY

    async def test_an_automatic_reply_is_recorded_and_not_answered(self, desk: Desk) -> None:
        patient, campaign, letter = await desk.written_to()
        desk.answer(patient, campaign, text="Hi", headers={"Auto-Submitted": "auto-replied"})
        await desk.notify()

        await desk.drain()

        [reply] = await desk.incoming()
        assert reply.ai_analysis is not None
        assert reply.ai_analysis.intent == Intent.AUTO_REPLY
        assert [one.id for one in await desk.stage.outgoing(patient)] == [letter.id]


class TestNotOurs:
    async def test_our_own_address_is_no_reply(self, desk: Desk) -> None:
        message = desk.mailbox.reply(IncomingReply(MAILBOX, "A copy"))
        await desk.notify()

        await desk.drain()

        assert (await desk.event(event_id(message))).note == OWN_MESSAGE
        assert await desk.incoming() == []

    async def test_spam_of_strangers_is_nobodys_work(self, desk: Desk) -> None:
        message = desk.mailbox.reply(IncomingReply("x@example.com", "Win!", is_spam=True))
        await desk.notify()

        await desk.drain()

        assert (await desk.event(event_id(message))).note == SPAM
        assert await desk.incoming() == []

    async def test_what_a_patient_writes_is_read_though_gmail_calls_it_spam(
        self, desk: Desk
    ) -> None:
        patient, campaign, _ = await desk.written_to()
        desk.answer(patient, campaign, is_spam=True)
        await desk.notify()

        await desk.drain()

        assert len(await desk.incoming()) == 1

    async def test_a_message_that_was_deleted(self, desk: Desk) -> None:
        message = desk.mailbox.reply(IncomingReply("x@example.com", "Oops"))
        await make_sync(desk.at_gmail, desk.stage.repositories).run()
        del desk.mailbox.messages[message.id]

        await desk.drain()

        assert (await desk.event(event_id(message))).note == GONE

    async def test_a_message_that_was_a_draft_all_along(self, desk: Desk) -> None:
        message = desk.mailbox.reply(IncomingReply("x@example.com", "Oops"))
        await make_sync(desk.at_gmail, desk.stage.repositories).run()
        message.labels.add("DRAFT")

        await desk.drain()

        assert (await desk.event(event_id(message))).note == NO_LETTER

    async def test_another_mailbox(self, desk: Desk) -> None:
        told = await desk.notify(address="else@example.com")

        await desk.drain()

        assert (await desk.event(told.id)).note == ANOTHER_MAILBOX

    async def test_without_gmail_notifications_ask_for_nothing(
        self, desk: Desk, repositories: Repositories, settings: Settings
    ) -> None:
        told = await desk.notify()

        await Stage(repositories, settings, desk.stage.clock).work_off()

        assert (await desk.event(told.id)).note == NO_MAILBOX


class TestTrouble:
    async def test_an_outage_costs_no_try_and_loses_nothing(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        message = desk.answer(patient, campaign)
        await make_sync(desk.at_gmail, desk.stage.repositories).run()
        desk.at_gmail.break_with(fail_rate=1)
        for _ in range(3 * MAX_ATTEMPTS):
            await desk.drain()
            desk.stage.clock.advance(minutes=5)  # type: ignore[attr-defined]
        waiting = await desk.event(event_id(message))
        assert (waiting.state, waiting.attempts) == (InboundState.PENDING, 0)

        desk.at_gmail.break_with()
        await desk.drain()

        assert len(await desk.incoming()) == 1

    async def test_a_rate_limit_says_how_long(self, desk: Desk) -> None:
        desk.mailbox.reply(IncomingReply("x@example.com", "Hi"))
        told = await desk.notify()
        desk.at_gmail.break_with(rate_limit_rate=1, retry_after_seconds=90)

        await desk.drain()

        waiting = await desk.event(told.id)
        assert waiting.not_before == desk.stage.clock.now() + timedelta(seconds=90)

    async def test_a_busy_mailbox_is_asked_again_by_the_notification_that_found_it_so(
        self, desk: Desk, repositories: Repositories
    ) -> None:
        desk.mailbox.reply(IncomingReply("x@example.com", "Hi"))
        told = [await desk.notify() for _ in range(3)]
        async with Leases(repositories.leases).hold(LEASE):
            await desk.drain()
        waiting = [await desk.event(one.id) for one in told]
        assert {(one.state, one.attempts) for one in waiting} == {(InboundState.PENDING, 0)}
        assert sorted(one.term for one in waiting) == [0, 0, 1], "one asked for all of them"

        desk.stage.clock.advance(seconds=2)  # type: ignore[attr-defined]
        await desk.drain()

        assert len(await desk.incoming()) == 1

    async def test_what_was_fetched_is_not_fetched_again(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        desk.stage.engine.error = RuntimeError("broken")
        message = desk.answer(patient, campaign)
        await desk.notify()
        await desk.drain()
        kept = await desk.event(event_id(message))
        assert kept.raw == message.raw
        del desk.mailbox.messages[message.id]

        desk.stage.engine.error = None
        desk.stage.clock.advance(minutes=1)  # type: ignore[attr-defined]
        await desk.drain()

        assert (await desk.event(event_id(message))).state == InboundState.DONE

    async def test_what_cannot_be_read_reaches_a_person(
        self, at_gmail: Wired, repositories: Repositories, settings: Settings
    ) -> None:
        def unreadable(_raw: bytes, _today: date) -> NoReturn:
            raise RecursionError

        mailbox = make_mailbox_mail(at_gmail, repositories, settings, unreadable)
        desk = Desk(
            Stage(repositories, settings, at_gmail.clock, mailbox=mailbox), at_gmail, settings
        )
        message = desk.mailbox.reply(IncomingReply("x@example.com", "Hi"))
        await desk.notify()

        for _ in range(MAX_ATTEMPTS):
            await desk.drain()
            at_gmail.clock.advance(hours=1)

        [reply] = await desk.incoming()
        assert (reply.content, reply.unmatched) == (UNREADABLE, True)
        dead = await desk.event(event_id(message))
        assert (dead.state, dead.raw) == (InboundState.DEAD, message.raw)


class TestCrashes:
    """What every worker died over."""

    async def _claimed_and_forgotten(self, desk: Desk, name: str) -> None:
        for _ in range(MAX_ATTEMPTS):
            event = await desk.event(name)
            lease_until = desk.stage.clock.now() + timedelta(seconds=45)
            assert await desk.events.claim(event, lease_until)
            desk.stage.clock.advance(minutes=2)  # type: ignore[attr-defined]

    async def test_reaches_a_person_as_it_was_written_also_through_an_outage(
        self, desk: Desk
    ) -> None:
        patient, campaign, _ = await desk.written_to()
        message = desk.answer(patient, campaign)
        await make_sync(desk.at_gmail, desk.stage.repositories).run()
        await self._claimed_and_forgotten(desk, event_id(message))
        desk.at_gmail.break_with(fail_rate=1)
        await desk.drain()
        assert (await desk.event(event_id(message))).state == InboundState.PENDING
        assert await desk.incoming() == []

        desk.at_gmail.break_with()
        desk.stage.clock.advance(minutes=1)  # type: ignore[attr-defined]
        await desk.drain()

        [reply] = await desk.incoming()
        assert (reply.content, reply.campaign_id) == ("Yes please!", campaign.id)
        assert (await desk.stage.campaign_now(campaign)).needs_person
        assert (await desk.event(event_id(message))).state == InboundState.DEAD

    async def test_over_what_is_nobodys_work_is_nobodys_work(self, desk: Desk) -> None:
        message = desk.mailbox.reply(IncomingReply("x@example.com", "Hi"))
        await make_sync(desk.at_gmail, desk.stage.repositories).run()
        await self._claimed_and_forgotten(desk, event_id(message))
        del desk.mailbox.messages[message.id]

        await desk.drain()

        assert await desk.incoming() == []
        assert desk.stage.alerts.told == []
        assert (await desk.event(event_id(message))).state == InboundState.DEAD
