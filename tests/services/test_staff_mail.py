"""What people of the practice write in Gmail itself, past this service."""

import pytest

from app.demo.gmail.mailbox import FakeMessage, HandWritten, IncomingReply
from app.models.campaign import Campaign, CampaignStatus
from app.models.interaction import DeliveryStatus, Direction, Interaction, MessageClass
from app.models.patient import Patient
from app.models.records import InboundState
from app.services.mailbox_mail import OWN_LETTER
from app.services.staff_mail import ACTOR, NO_CONVERSATION, REASON, TO_SOMEBODY_ELSE
from tests.gmail_desk import Desk
from tests.gmail_parts import MAILBOX, make_sync

S = CampaignStatus

pytestmark = pytest.mark.mongo

WORDS = "Hello Maria, Dr Ruiz can see you on Friday at ten. Shall I note that?"
QUOTED = f"{WORDS}\n\nOn Mon, Nov 23, 2026, Maria wrote:\n> Yes please!\n"


def write(desk: Desk, patient: Patient, campaign: Campaign, **given: object) -> FakeMessage:
    """Somebody at the front desk answers in the thread, in Gmail's own window."""
    fields = {"to": patient.email, "text": QUOTED, "thread_id": campaign.channel.thread_id, **given}
    return desk.mailbox.write(HandWritten(**fields))  # type: ignore[arg-type]


async def work(desk: Desk) -> None:
    """Gmail notifies, and all of it is worked off."""
    await desk.notify()
    await desk.drain()


async def by_hand(desk: Desk, patient: Patient) -> list[Interaction]:
    """What is recorded as written by hand."""
    return [one for one in await desk.stage.outgoing(patient) if one.by == ACTOR]


async def note_of(desk: Desk, message: FakeMessage) -> str | None:
    """What was noted on its event, which is done."""
    event = await desk.event(f"gmail:{MAILBOX}:{message.id}")
    assert event.state == InboundState.DONE
    return event.note


class TestInAConversation:
    @pytest.mark.parametrize("keeps_id", [False, True])
    async def test_is_stored_once_as_what_staff_said(self, desk: Desk, *, keeps_id: bool) -> None:
        patient, campaign, _ = await desk.written_to()
        message = write(desk, patient, campaign, keeps_id=keeps_id)

        await work(desk)
        await work(desk)

        [said] = await by_hand(desk, patient)
        assert said.delivery is not None
        assert (said.direction, said.campaign_id) == (Direction.OUTGOING, campaign.id)
        assert (said.content, said.timestamp) == (WORDS, message.received_at)
        assert "> Yes please!" in (said.raw_content or "")
        assert said.delivery.status == DeliveryStatus.SENT
        assert said.delivery.message_class == MessageClass.STAFF
        assert said.delivery.provider_message_id == message.header("Message-ID")
        assert await desk.incoming() == []

    async def test_leaves_the_conversation_to_people(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        write(desk, patient, campaign)

        await work(desk)

        now = await desk.stage.campaign_now(campaign)
        assert (now.status, now.last_reply_at) == (S.HANDOFF_REQUIRED, None)
        assert now.agent_silent_since is not None
        assert now.attention is not None
        assert (now.attention.reason, now.attention.resolved_at) == (REASON, None)
        assert patient.name not in now.attention.summary
        assert now.history[-1].by == ACTOR

    async def test_silences_the_agent_about_what_comes_next(self, desk: Desk) -> None:
        patient, campaign, letter = await desk.written_to()
        written = write(desk, patient, campaign)
        await work(desk)

        desk.answer(patient, campaign)
        await work(desk)

        said = [one.id for one in await desk.stage.outgoing(patient)]
        [ours] = await by_hand(desk, patient)
        assert said == [letter.id, ours.id]
        assert written.thread_id == campaign.channel.thread_id
        assert (await desk.stage.campaign_now(campaign)).needs_person

    async def test_silences_it_about_what_was_answered_already(self, desk: Desk) -> None:
        """After an outage both are found at once: nobody talks over the person."""
        patient, campaign, _ = await desk.written_to()
        desk.answer(patient, campaign)
        write(desk, patient, campaign)

        await work(desk)

        queued = [one for one in await desk.stage.outgoing(patient) if one.dedupe_key]
        assert queued == []
        assert len(await desk.incoming()) == 1

    @pytest.mark.parametrize("status", [S.BOOKING_INITIATED, S.RECOVERY_FAILED])
    async def test_elsewhere_the_status_stays(self, desk: Desk, status: CampaignStatus) -> None:
        patient, campaign, _ = await desk.written_to(status=status)
        write(desk, patient, campaign)

        await work(desk)

        now = await desk.stage.campaign_now(campaign)
        assert (now.status, now.attention) == (status, None)
        assert now.agent_silent_since is not None

    async def test_what_waits_for_a_person_keeps_its_reason(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        desk.answer(patient, campaign, sender="stranger@example.com")
        await work(desk)
        before = (await desk.stage.campaign_now(campaign)).attention

        write(desk, patient, campaign)
        await work(desk)

        assert (await desk.stage.campaign_now(campaign)).attention == before

    async def test_a_second_run_does_not_undo_a_release(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        message = write(desk, patient, campaign)
        await work(desk)
        await desk.stage.repositories.campaigns.end_agent_silence(campaign.id)

        event_id = f"gmail:{MAILBOX}:{message.id}"
        await desk.events._update({"_id": event_id}, {"$set": {"state": InboundState.PENDING}})
        await desk.drain()

        assert (await desk.stage.campaign_now(campaign)).agent_silent_since is None
        assert len(await by_hand(desk, patient)) == 1

    async def test_under_another_subject_it_is_known_by_what_it_answers(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        message = write(desk, patient, campaign, subject="About Friday")
        assert message.thread_id != campaign.channel.thread_id

        await work(desk)

        [said] = await by_hand(desk, patient)
        assert said.campaign_id == campaign.id

    async def test_in_a_thread_that_the_patient_began(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        began = desk.mailbox.reply(IncomingReply(patient.email or "", "Hi", subject="A question"))
        await work(desk)

        write(desk, patient, campaign, thread_id=began.thread_id)
        await work(desk)

        [said] = await by_hand(desk, patient)
        assert said.campaign_id == campaign.id

    async def test_to_the_address_that_wrote_in_the_thread(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        desk.answer(patient, campaign, sender="maria.at.work@example.com")
        await work(desk)

        write(desk, patient, campaign, to="Maria <Maria.At.Work@example.com>")
        await work(desk)

        assert len(await by_hand(desk, patient)) == 1

    async def test_is_found_though_the_history_is_gone(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        write(desk, patient, campaign)
        desk.mailbox.expire_history()

        await make_sync(desk.at_gmail, desk.stage.repositories).run()
        await desk.drain()

        assert len(await by_hand(desk, patient)) == 1
        assert (await desk.stage.campaign_now(campaign)).status == S.HANDOFF_REQUIRED


class TestOutsideOfOne:
    async def test_what_this_service_sent_is_told_by_its_key(self, desk: Desk) -> None:
        patient, campaign, letter = await desk.written_to()
        [own] = desk.mailbox.messages.values()

        await work(desk)

        assert await note_of(desk, own) == OWN_LETTER
        assert [one.id for one in await desk.stage.outgoing(patient)] == [letter.id]
        assert (await desk.stage.campaign_now(campaign)).agent_silent_since is None

    async def test_so_it_is_where_only_the_whole_mailbox_shows_it(self, desk: Desk) -> None:
        _, campaign, _ = await desk.written_to()
        [own] = desk.mailbox.messages.values()
        desk.mailbox.expire_history()

        await work(desk)

        assert await note_of(desk, own) == OWN_LETTER
        assert (await desk.stage.campaign_now(campaign)).agent_silent_since is None

    async def test_a_colleague_it_is_forwarded_to_is_not_the_patient(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        message = write(desk, patient, campaign, to="dr.ruiz@example.com")

        await work(desk)

        assert await note_of(desk, message) == TO_SOMEBODY_ELSE
        assert await by_hand(desk, patient) == []
        assert (await desk.stage.campaign_now(campaign)).agent_silent_since is None

    @pytest.mark.parametrize(
        ("status", "to"),
        [(S.RECOVERY_FAILED, "{}"), (S.RE_ENGAGED, "{}, office@example.com")],
        ids=["to somebody in no open campaign", "to several at once"],
    )
    async def test_what_begins_a_thread_is_no_word(
        self, desk: Desk, status: CampaignStatus, to: str
    ) -> None:
        patient, campaign, _ = await desk.written_to(status=status)
        addressed = to.format(patient.email)
        message = write(
            desk, patient, campaign, to=addressed, thread_id=None, subject="Office hours"
        )

        await work(desk)

        assert await note_of(desk, message) == NO_CONVERSATION
        assert (await desk.stage.campaign_now(campaign)).agent_silent_since is None
        assert await by_hand(desk, patient) == []
        assert (await desk.event(f"gmail:{MAILBOX}:{message.id}")).raw is None


class TestBeginningOne:
    async def test_leaves_the_open_campaigns_of_that_address_to_people(self, desk: Desk) -> None:
        patient, campaign, _ = await desk.written_to()
        child = await desk.stage.patient(name="Tom Lopez", email=patient.email)
        theirs = await desk.stage.campaign(child, S.BOOKING_INITIATED)
        _, elsewhere, _ = await desk.written_to(email="another@example.com")
        message = write(desk, patient, campaign, thread_id=None, subject="Friday at ten?")
        await work(desk)
        await work(desk)

        held = await desk.stage.campaign_now(campaign)
        assert message.thread_id != campaign.channel.thread_id
        assert (held.status, held.needs_person) == (S.HANDOFF_REQUIRED, True)
        booked = await desk.stage.campaign_now(theirs)
        assert (booked.status, booked.needs_person) == (S.BOOKING_INITIATED, False)
        for one in (held, booked):
            assert one.agent_silent_since is not None
        assert (await desk.stage.campaign_now(elsewhere)).agent_silent_since is None
        said = [*await by_hand(desk, patient), *await by_hand(desk, child)]
        assert [one.content for one in said] == [WORDS]

        desk.answer(patient, campaign, thread_id=message.thread_id)
        await work(desk)

        [reply] = await desk.incoming()
        assert reply.campaign_id == said[0].campaign_id
        queued = [one for one in await desk.stage.outgoing(patient) if one.dedupe_key]
        assert queued == [], "nobody talks over the person"
