"""Messages go out by the channel a patient prefers, as far as something goes out on it."""

import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.campaign import CampaignStatus, CampaignType
from app.models.interaction import Delivery, DeliveryStatus, Interaction, MessageClass
from app.models.patient import Channel, Patient, PatientType
from app.models.records import SuppressionReason
from app.services.mail.transport import PermanentMailError, SentMail, TransientMailError
from app.services.outreach.routes import BY_EMAIL, Route, Routes
from app.services.outreach.unreachable import NO_WAY
from tests.factories import make_patient
from tests.fakes import NOON, FrozenClock
from tests.services.outreach.parts import Parts, RecordingTransport

EMAIL, SMS, WHATSAPP = Channel.EMAIL, Channel.SMS, Channel.WHATSAPP
M, S = MessageClass, CampaignStatus
ADDRESS, PHONE = "maria.lopez@example.com", "+12125550142"


def patient_of(*preferred: Channel, **given: object) -> Patient:
    """Somebody with a mailbox and a phone."""
    contact = {"email": ADDRESS, "phone": PHONE, "preferred_channel": list(preferred)}
    return make_patient(**{**contact, **given})


class TestTheWays:
    @pytest.mark.parametrize(
        ("preferred", "given", "first", "ways"),
        [
            ([EMAIL], {}, None, [EMAIL]),
            ([SMS], {}, None, [SMS, EMAIL]),
            ([WHATSAPP, SMS], {}, None, [SMS, EMAIL]),
            ([WHATSAPP], {}, None, [EMAIL]),
            ([EMAIL, SMS], {}, None, [EMAIL, SMS]),
            ([EMAIL], {}, SMS, [SMS, EMAIL]),
            ([SMS], {}, EMAIL, [EMAIL, SMS]),
            ([SMS], {}, WHATSAPP, [SMS, EMAIL]),
            ([SMS], {"phone": None}, None, [EMAIL]),
            ([SMS], {"email": None}, None, [SMS]),
            ([EMAIL], {"email": None}, None, []),
            ([], {}, None, [EMAIL]),
        ],
    )
    def test_stand_in_order(
        self,
        preferred: list[Channel],
        given: dict[str, None],
        first: Channel | None,
        ways: list[Channel],
    ) -> None:
        found = Routes({EMAIL, SMS}).of(patient_of(*preferred, **given), first)

        ends = {EMAIL: ADDRESS, SMS: PHONE}
        assert found == [Route(channel, ends[channel]) for channel in ways]

    def test_without_another_transport_there_is_mail(self) -> None:
        assert BY_EMAIL.of(patient_of(SMS, WHATSAPP)) == [Route(EMAIL, ADDRESS)]


@pytest.fixture
def texts() -> RecordingTransport:
    """Where the test's text messages go."""
    return RecordingTransport()


@pytest.fixture
def parts(
    repositories: Repositories,
    settings: Settings,
    clock: FrozenClock,
    transport: RecordingTransport,
    texts: RecordingTransport,
) -> Parts:
    """A replica that can send mail and text messages."""
    return Parts.build(repositories, settings, clock, transport, {SMS: texts})


async def someone(parts: Parts, *preferred: Channel, **given: object) -> Patient:
    """Stored, with a mailbox and a phone."""
    return await parts.repositories.patients.insert(patient_of(*preferred, **given))


async def delivery(parts: Parts, message: Interaction) -> Delivery:
    """How a message stands."""
    found = (await parts.reread(message)).delivery
    assert found is not None
    return found


@pytest.mark.mongo
class TestSending:
    async def test_takes_what_is_preferred_and_says_so(
        self, parts: Parts, transport: RecordingTransport, texts: RecordingTransport
    ) -> None:
        patient = await someone(parts, SMS)
        campaign = await parts.campaign(patient)
        message = await parts.message(patient, M.OUTREACH, campaign)

        await parts.drain()

        [text] = texts.sent
        assert transport.sent == []
        assert (text.channel, text.to, text.in_reply_to) == (SMS, PHONE, None)
        sent = await parts.reread(message)
        assert sent.channel == SMS
        assert sent.delivery is not None
        assert (sent.delivery.status, sent.delivery.sent_to) == (DeliveryStatus.SENT, PHONE)
        assert (sent.delivery.day_slot or "").startswith(f"{PHONE}@")
        now = await parts.reread_campaign(campaign)
        assert (now.channel.type, now.channel.thread_id) == (SMS, text.thread_id)

    async def test_passes_over_what_nothing_goes_out_on(
        self, parts: Parts, transport: RecordingTransport, texts: RecordingTransport
    ) -> None:
        first = await someone(parts, WHATSAPP, SMS)
        other = await someone(parts, WHATSAPP, email="other@example.com")
        messages = [await parts.message(one, M.STAFF, key=str(one.id)) for one in (first, other)]

        await parts.drain()

        assert [mail.to for mail in texts.sent] == [PHONE]
        assert [mail.to for mail in transport.sent] == ["other@example.com"]
        channels = [(await parts.reread(message)).channel for message in messages]
        assert channels == [SMS, EMAIL]

    async def test_answers_where_somebody_wrote(
        self, parts: Parts, transport: RecordingTransport, texts: RecordingTransport
    ) -> None:
        by_text = await someone(parts, EMAIL)
        by_mail = await someone(parts, SMS, email="other@example.com")
        await parts.message(by_text, M.AGENT_ANSWER, key="a", answers_on=SMS, in_reply_to="SM-7")
        await parts.message(
            by_mail, M.AGENT_ANSWER, key="b", answers_on=EMAIL, in_reply_to="<m@x.example>"
        )

        await parts.drain()

        assert [(mail.to, mail.in_reply_to) for mail in texts.sent] == [(PHONE, "SM-7")]
        assert [(mail.to, mail.in_reply_to) for mail in transport.sent] == [
            ("other@example.com", "<m@x.example>")
        ]

    async def test_whoever_has_no_way_left_becomes_a_task(
        self, parts: Parts, transport: RecordingTransport, texts: RecordingTransport
    ) -> None:
        patient = await someone(parts, EMAIL, email=None)
        campaign = await parts.campaign(patient)
        message = await parts.message(patient, M.STAFF, campaign)

        await parts.drain()

        assert (transport.sent, texts.sent) == ([], [])
        assert (await delivery(parts, message)).error == "no_address"
        attention = (await parts.reread_campaign(campaign)).attention
        assert attention is not None
        assert attention.reason == NO_WAY

    async def test_a_conversation_on_two_channels_keeps_two_threads(
        self, parts: Parts, transport: RecordingTransport, texts: RecordingTransport
    ) -> None:
        patient = await someone(parts, SMS)
        campaign = await parts.campaign(patient)
        texts.known = {}
        for number, channel in enumerate([SMS, EMAIL, EMAIL, SMS]):
            parts.clock.advance(minutes=1)  # type: ignore[attr-defined]
            await parts.message(
                patient, M.AGENT_ANSWER, campaign, key=f"k{number}", answers_on=channel
            )
            await parts.drain()

        first, second = transport.sent
        assert (first.subject, first.references) == ("A word", ())
        assert second.subject == "Re: A word"
        assert second.references == (f"<{first.key}@example.com>",)
        assert {mail.thread_id for mail in texts.sent} == {f"t-{campaign.id}"}


@pytest.mark.mongo
class TestDeadAndUnwanted:
    async def test_a_dead_number_leads_on_to_mail(
        self, parts: Parts, transport: RecordingTransport, texts: RecordingTransport
    ) -> None:
        patient = await someone(parts, SMS)
        texts.failures = [PermanentMailError("gone", recipient_refused=True)]
        await parts.message(patient, M.STAFF, key="a")
        await parts.drain()
        suppression = await parts.repositories.suppressions.for_address(PHONE)
        assert suppression is not None
        assert (suppression.reason, suppression.source) == (
            SuppressionReason.HARD_BOUNCE,
            "relay_refusal",
        )

        await parts.message(patient, M.STAFF, key="b")
        await parts.drain()

        assert [mail.to for mail in transport.sent] == [ADDRESS]

    async def test_a_stop_leads_nowhere_else(
        self, parts: Parts, transport: RecordingTransport, texts: RecordingTransport
    ) -> None:
        """Somebody else on the same number said stop: no way round over their mailbox."""
        patient = await someone(parts, SMS)
        other = await someone(parts, SMS, email="other@example.com")
        await parts.consent.opt_out(
            other,
            reason=SuppressionReason.OPT_OUT,
            source="test",
            whole_mailbox=False,
            heard_from=PHONE,
        )
        message = await parts.message(patient, M.OUTREACH, await parts.campaign(patient))

        await parts.drain()

        assert (transport.sent, texts.sent) == ([], [])
        assert (await delivery(parts, message)).error == "opted_out"

    async def test_one_a_day_holds_for_a_number(
        self, parts: Parts, texts: RecordingTransport
    ) -> None:
        """A family shares it."""
        for name in ("Ana", "Ben"):
            one = await someone(parts, SMS, name=name, email=f"{name}@example.com".lower())
            campaign = await parts.campaign(one)
            await parts.message(one, M.OUTREACH, campaign, key=name)

        await parts.drain()

        assert len(texts.sent) == 1


@pytest.mark.mongo
class TestRaces:
    async def test_a_number_that_changes_under_the_claim_is_asked_about_anew(
        self, parts: Parts, texts: RecordingTransport
    ) -> None:
        patient = await someone(parts, SMS)
        message = await parts.message(patient, M.OUTREACH, await parts.campaign(patient))
        claim = await parts.sender._claim(message)
        assert claim is not None
        await parts.repositories.patients.update_fields(patient.id, {"phone": "+12125550199"})

        await parts.sender._send(claim)
        assert texts.sent == []
        assert (await delivery(parts, message)).status == DeliveryStatus.PENDING
        await parts.drain()

        assert [mail.to for mail in texts.sent] == ["+12125550199"]

    async def test_what_was_tried_by_text_is_not_sent_by_mail_as_well(
        self, parts: Parts, clock: FrozenClock, transport: RecordingTransport
    ) -> None:
        """The relay may have sent it, and knows its key; a mailbox would not."""
        patient = await someone(parts, SMS)
        await parts.message(patient, M.STAFF)
        texts = parts.sender._transports._by_channel[SMS]
        assert isinstance(texts, RecordingTransport)
        texts.failures = [TransientMailError("no answer")]
        await parts.drain()
        await parts.repositories.patients.update_fields(patient.id, {"preferred_channel": [EMAIL]})
        clock.advance(minutes=5)

        await parts.drain()

        assert (len(texts.sent), transport.sent) == (1, [])

    async def test_after_a_crash_the_channel_it_left_on_is_asked(
        self,
        parts: Parts,
        clock: FrozenClock,
        transport: RecordingTransport,
        texts: RecordingTransport,
    ) -> None:
        message = await parts.message(await someone(parts, SMS), M.STAFF)
        assert await parts.sender._claim(message) is not None
        texts.known = {str(message.id): SentMail("SM1", "s-1")}
        clock.advance(minutes=5)

        await parts.drain()

        assert (transport.sent, texts.sent) == ([], [])
        sent = await parts.reread(message)
        assert (sent.channel, sent.thread_id) == (SMS, "s-1")

    async def test_where_that_is_gone_a_person_decides(
        self,
        parts: Parts,
        repositories: Repositories,
        settings: Settings,
        clock: FrozenClock,
        transport: RecordingTransport,
    ) -> None:
        message = await parts.message(await someone(parts, SMS), M.STAFF)
        assert await parts.sender._claim(message) is not None
        clock.advance(minutes=5)

        await Parts.build(repositories, settings, clock, transport).drain()

        assert (await delivery(parts, message)).status == DeliveryStatus.UNKNOWN
        assert transport.sent == []


@pytest.mark.mongo
class TestSweep:
    async def test_somebody_with_a_phone_alone_is_won_back_by_text(
        self, parts: Parts, texts: RecordingTransport
    ) -> None:
        lead = await someone(parts, SMS, email=None, patient_type=PatientType.COLD_LEAD)

        await parts.sweeps.run_now("staff", dry_run=False, patience_seconds=30)
        await parts.drain()

        [text] = texts.sent
        campaign = await parts.repositories.campaigns.active_for(lead.id)
        assert campaign is not None
        assert (text.to, campaign.campaign_type) == (PHONE, CampaignType.RECOVERY)
        assert campaign.status == S.ATTEMPTING_RECOVERY
        assert text.date >= NOON
