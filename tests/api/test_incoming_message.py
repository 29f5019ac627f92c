"""The webhook of relays at the front door: signed, stored once, acknowledged, then worked on."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pymongo.errors import ServerSelectionTimeoutError

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.campaign import Campaign, CampaignChannel
from app.models.interaction import DeliveryStatus, Direction, Interaction
from app.models.patient import Channel, Patient
from app.models.records import InboundEvent, InboundState
from app.services.container import Services
from app.services.message_intake import MessageIntake
from app.services.webhook_signature import SignatureVerifier
from app.services.work import WakeSignal
from tests.conftest import Drain
from tests.factories import make_campaign, make_patient, make_settings
from tests.services.test_webhook_signature import SECRET, signed
from tests.serving import replace_in_agent

pytestmark = pytest.mark.mongo

WEBHOOK = "/api/v1/webhooks/incoming-message"
PHONE = "+12125550142"
CANARY = "canary-7d1f"
MESSAGE = {
    "channel": "sms",
    "thread_id": "sms-1",
    "message_id": "SM1",
    "sender": PHONE,
    "message_content": "Please stop texting me.",
}


@pytest.fixture
def settings(mongo_uri: str, tmp_path: Path, database_name: str) -> Settings:
    """The defaults, with a secret to sign under."""
    return make_settings(
        mongo_uri=mongo_uri, data_dir=tmp_path, database_name=database_name, webhook_secret=SECRET
    )


def body_of(**given: Any) -> bytes:
    """A message, as it is sent."""
    return json.dumps({**MESSAGE, **given}).encode()


async def deliver(
    client: httpx.AsyncClient, body: bytes | None = None, header: str | None = None, **given: Any
) -> httpx.Response:
    """Deliver a message, signed unless a header is given."""
    content = body if body is not None else body_of(**given)
    headers = {"X-Signature": signed(content) if header is None else header}
    return await client.post(WEBHOOK, content=content, headers=headers)


async def stored(services: Services) -> list[InboundEvent]:
    """Every stored event."""
    return await services.repositories.inbound_events._find({})


async def said(repositories: Repositories, direction: Direction) -> list[Interaction]:
    """Every message that went this way."""
    return await repositories.interactions._find({"direction": direction})


async def someone(repositories: Repositories, **given: Any) -> tuple[Patient, Campaign]:
    """A patient whose number is on file, in a campaign."""
    patient = await repositories.patients.insert(make_patient(**{"phone": PHONE, **given}))
    campaign = await repositories.campaigns.insert(make_campaign(patient_id=patient.id))
    return patient, campaign


class TestStored:
    async def test_before_an_empty_200(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        answer = await deliver(app_client)

        assert answer.status_code == 200
        assert answer.content == b""
        [event] = await stored(services)
        assert (event.id, event.state) == ("sms:SM1", InboundState.PENDING)

    async def test_once_however_often_and_wherever_it_is_delivered(
        self, app_client: httpx.AsyncClient, services: Services, drain: Drain
    ) -> None:
        await someone(services.repositories)

        answers = await asyncio.gather(*(deliver(app_client) for _ in range(20)))
        await drain()
        answers.append(await deliver(app_client))
        await drain()

        assert {answer.status_code for answer in answers} == {200}
        assert len(await stored(services)) == 1
        assert len(await said(services.repositories, Direction.INCOMING)) == 1
        assert len(await said(services.repositories, Direction.OUTGOING)) == 1

    async def test_each_channel_counts_its_own_messages(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        for channel in Channel:
            await deliver(app_client, channel=channel)

        ids = {event.id for event in await stored(services)}
        assert ids == {"email:SM1", "whatsapp:SM1", "sms:SM1"}

    async def test_members_we_do_not_know_are_ignored(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        assert (await deliver(app_client, media=[], profile={"name": "x"})).status_code == 200
        assert len(await stored(services)) == 1


class TestRefused:
    @pytest.mark.parametrize(
        "header", ["", "t=1,v1=00", signed(b"another body"), signed(body_of(), at=1)]
    )
    async def test_what_is_not_signed_is_a_401_whatever_it_holds(
        self, app_client: httpx.AsyncClient, services: Services, header: str
    ) -> None:
        for body in (body_of(), b"nonsense"):
            answer = await deliver(app_client, body, header)
            assert answer.status_code == 401
            assert answer.json()["type"].endswith("/problems/signature-not-authentic")
        assert (await app_client.post(WEBHOOK, content=body_of())).status_code == 401
        assert await stored(services) == []

    async def test_everything_is_a_401_where_no_secret_is_set(
        self, app: FastAPI, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        intake = intake_of(services, make_settings())
        replace_in_agent(app, messages=intake)

        for used in ("", SECRET):
            answer = await deliver(app_client, header=signed(body_of(), secret=used))
            assert answer.status_code == 401
        assert await stored(services) == []

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"nonsense",
            b"[]",
            b"null",
            b"\xff",
            b"[" * 100_000,
            *(
                json.dumps({k: v for k, v in MESSAGE.items() if k != name}).encode()
                for name in MESSAGE
            ),
            *(body_of(**{name: 7}) for name in MESSAGE),
            *(body_of(**{name: None}) for name in MESSAGE),
            *(body_of(**{name: "a\ud800"}) for name in MESSAGE),
            *(body_of(**{name: " "}) for name in MESSAGE if name != "message_content"),
            body_of(channel="fax"),
            body_of(channel=CANARY),
            body_of(sender=f"{CANARY}\n+12125550142"),
            body_of(thread_id=CANARY * 100),
            body_of(sender=CANARY * 100),
        ],
        ids=range(35),
    )
    async def test_what_is_no_message_is_a_400_and_leaves_nothing(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        caplog: pytest.LogCaptureFixture,
        body: bytes,
    ) -> None:
        with caplog.at_level(logging.DEBUG, logger="app"):
            answer = await deliver(app_client, body)

        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert CANARY not in answer.text
        assert CANARY not in caplog.text
        assert await stored(services) == []

    async def test_more_than_256_kb_is_a_413(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        answer = await deliver(app_client, message_content="a" * 256 * 1024)

        assert answer.status_code == 413
        assert await stored(services) == []

    async def test_while_it_cannot_be_stored_it_is_a_503(
        self, app: FastAPI, app_client: httpx.AsyncClient, services: Services, settings: Settings
    ) -> None:
        class Unreachable:
            async def store(self, _event: InboundEvent) -> bool:
                message = "no server"
                raise ServerSelectionTimeoutError(message)

        intake = intake_of(services, settings, Unreachable())
        replace_in_agent(app, messages=intake)

        assert (await deliver(app_client)).status_code == 503


def intake_of(services: Services, settings: Settings, events: Any = None) -> MessageIntake:
    """An intake of the test's own."""
    return MessageIntake(
        events=events or services.repositories.inbound_events,
        signatures=SignatureVerifier(settings, services.clock),
        clinic=services.base.clinic,
        clock=services.clock,
        worker=WakeSignal(),
    )


class TestWhoWrote:
    @pytest.mark.parametrize(
        ("channel", "sender"),
        [
            ("sms", PHONE),
            ("sms", "(212) 555-0142"),
            ("sms", "tel:+1-212-555-0142"),
            ("whatsapp", "12125550142"),
            ("whatsapp", "whatsapp:+12125550142"),
            ("whatsapp", "2125550142"),
        ],
    )
    async def test_is_the_patient_with_this_number(
        self,
        app_client: httpx.AsyncClient,
        repositories: Repositories,
        drain: Drain,
        channel: str,
        sender: str,
    ) -> None:
        patient, campaign = await someone(repositories)
        await someone(repositories, phone="+12125550143")

        await deliver(app_client, channel=channel, sender=sender)
        await drain()

        [reply] = await said(repositories, Direction.INCOMING)
        assert (reply.patient_id, reply.campaign_id) == (patient.id, campaign.id)
        assert (reply.channel, reply.sender, reply.unmatched) == (channel, PHONE, None)
        [receipt] = await said(repositories, Direction.OUTGOING)
        assert receipt.delivery is not None
        assert (receipt.delivery.message_class, receipt.delivery.status) == (
            "opt_out_receipt",
            "sent",
        )

    async def test_on_the_email_channel_goes_by_the_address(
        self, app_client: httpx.AsyncClient, repositories: Repositories, drain: Drain
    ) -> None:
        patient, campaign = await someone(repositories)

        await deliver(app_client, channel="email", sender=f"Dana <{patient.email}>")
        await drain()

        [reply] = await said(repositories, Direction.INCOMING)
        assert (reply.campaign_id, reply.provider_id) == (campaign.id, "relay:sms-1:SM1")

    @pytest.mark.parametrize("sender", ["+12125550199", "72404", "CLINIC", "patient@example.com"])
    async def test_a_stranger_waits_for_staff_unanswered(
        self, app_client: httpx.AsyncClient, repositories: Repositories, drain: Drain, sender: str
    ) -> None:
        await someone(repositories, email="patient@example.com")

        await deliver(app_client, sender=sender, message_content="I would like to come in.")
        await drain()

        [reply] = await said(repositories, Direction.INCOMING)
        assert (reply.patient_id, reply.unmatched) == (None, True)
        assert await said(repositories, Direction.OUTGOING) == []

    async def test_a_stranger_in_a_patients_thread_gets_no_answer(
        self, app_client: httpx.AsyncClient, repositories: Repositories, drain: Drain
    ) -> None:
        patient = await repositories.patients.insert(make_patient(phone=PHONE))
        campaign = make_campaign(patient_id=patient.id, channel=CampaignChannel(thread_id="sms-1"))
        await repositories.campaigns.insert(campaign)

        await deliver(app_client, sender="+12125550199", message_content="Yes, book me in.")
        await drain()

        kept = await repositories.campaigns.get(campaign.id)
        assert kept is not None
        assert kept.attention is not None
        assert kept.attention.reason == "unverified_sender"
        assert await said(repositories, Direction.OUTGOING) == []

    async def test_two_on_one_number_are_told_apart_by_a_campaign_or_by_staff(
        self, app_client: httpx.AsyncClient, repositories: Repositories, drain: Drain
    ) -> None:
        _, campaign = await someone(repositories)
        other = await repositories.patients.insert(make_patient(phone=PHONE))

        await deliver(app_client, message_content="Yes, I would like to come in.")
        await drain()
        await repositories.campaigns.insert(make_campaign(patient_id=other.id))
        await deliver(app_client, message_id="SM2", thread_id="sms-2", message_content="And me?")
        await drain()

        replies = {r.provider_id: r for r in await said(repositories, Direction.INCOMING)}
        assert replies["sms:SM1"].campaign_id == campaign.id
        assert replies["sms:SM2"].unmatched is True


class TestAnswer:
    async def test_goes_by_mail_and_says_so_where_no_texts_go_out(
        self, app_client: httpx.AsyncClient, repositories: Repositories, drain: Drain
    ) -> None:
        await someone(repositories)

        await deliver(app_client, message_content="STOP")
        await drain()

        [receipt] = await said(repositories, Direction.OUTGOING)
        assert receipt.answers_on == Channel.SMS
        assert receipt.channel == Channel.EMAIL
        assert receipt.delivery is not None
        assert receipt.delivery.status == DeliveryStatus.SENT


class TestStop:
    async def test_holds_for_the_patient_and_the_number_not_for_the_mailbox(
        self, app_client: httpx.AsyncClient, repositories: Repositories, drain: Drain
    ) -> None:
        patient, _ = await someone(repositories)

        await deliver(app_client, message_content="STOP")
        await drain()

        kept = await repositories.patients.get(patient.id)
        assert kept is not None
        assert kept.has_opted_out
        assert await repositories.suppressions.for_address(PHONE) is not None
        assert await repositories.suppressions.for_address(patient.email or "") is None

    async def test_by_a_stranger_holds_for_their_number(
        self, app_client: httpx.AsyncClient, repositories: Repositories, drain: Drain
    ) -> None:
        await deliver(app_client, message_content="STOP")
        await drain()

        assert await repositories.suppressions.for_address(PHONE) is not None

    async def test_the_words_are_taken_as_they_came(
        self, app_client: httpx.AsyncClient, repositories: Repositories, drain: Drain
    ) -> None:
        words = "Thanks,\nMaria\n> see above\nOn Mon I wrote:\nstop"

        await deliver(app_client, message_content=words)
        await drain()

        [reply] = await said(repositories, Direction.INCOMING)
        assert reply.content == words


class TestDocument:
    async def test_the_body_is_documented_with_a_true_example(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        document = (await app_client.get("/openapi.json")).json()

        operation = document["paths"][WEBHOOK]["post"]
        media = operation["requestBody"]["content"]["application/json"]
        assert sorted(media["schema"]["required"]) == sorted(MESSAGE)
        answer = await deliver(app_client, json.dumps(media["example"]).encode())
        assert answer.status_code == 200
        assert len(await stored(services)) == 1
