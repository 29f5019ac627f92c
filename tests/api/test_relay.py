"""Text messages in and out over HTTP: what came by text is answered by text, each once."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.interaction import DeliveryStatus, Direction, MessageClass
from app.models.patient import Channel
from app.models.role import StaffRole
from app.services.container import Services
from app.services.webhook_signature import SignatureVerifier
from tests.conftest import Drain, HeadersFor
from tests.factories import make_campaign, make_patient, make_settings
from tests.fakes import FrozenClock
from tests.services.scheduling.waiting import NINE, Waiting, book
from tests.services.test_webhook_signature import SECRET, signed

pytestmark = pytest.mark.mongo

PHONE = "+12125550142"
RELAY_SECRET = "relay-key-0123456789-abcdefghijklmnop"


@dataclass
class Relay:
    """Listens on this machine, answers 202 with an id of its own, and keeps what it was sent."""

    port: int = 0
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        pairs = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
        headers = {name.lower(): value for name, _, value in pairs}
        body = await reader.readexactly(int(headers["content-length"]))
        self.asked.append((headers, body))
        content = b'{"message_id": "SM-out-1"}'
        writer.write(
            b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(content), content)
        )
        await writer.drain()
        writer.close()


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    relay = Relay()
    server = await asyncio.start_server(relay.answer, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    yield relay
    server.close()
    with contextlib.suppress(asyncio.CancelledError):
        await server.wait_closed()


@pytest.fixture
def settings(mongo_uri: str, tmp_path: Path, database_name: str, relay: Relay) -> Settings:
    """With a relay for text messages."""
    return make_settings(
        mongo_uri=mongo_uri,
        data_dir=tmp_path,
        database_name=database_name,
        webhook_secret=SECRET,
        message_relay_url=f"http://127.0.0.1:{relay.port}/send",
        message_relay_secret=RELAY_SECRET,
    )


async def text_us(client: httpx.AsyncClient, words: str) -> None:
    """A patient writes by text."""
    message = {
        "channel": "sms",
        "thread_id": "sms-1",
        "message_id": "SM-in-1",
        "sender": PHONE,
        "message_content": words,
    }
    body = json.dumps(message).encode()
    url = "/api/v1/webhooks/incoming-message"
    answer = await client.post(url, content=body, headers={"X-Signature": signed(body)})
    assert answer.status_code == 200


class TestAnswerByText:
    async def test_goes_where_the_message_came_from_signed_and_once(
        self,
        app_client: httpx.AsyncClient,
        repositories: Repositories,
        drain: Drain,
        relay: Relay,
        clock: FrozenClock,
    ) -> None:
        patient = await repositories.patients.insert(make_patient(phone=PHONE))
        await repositories.campaigns.insert(make_campaign(patient_id=patient.id))

        await text_us(app_client, "STOP")
        await drain()
        await drain()

        [receipt] = await repositories.interactions._find({"direction": Direction.OUTGOING})
        [(headers, body)] = relay.asked
        sent: dict[str, Any] = json.loads(body)
        assert (sent["channel"], sent["to"], sent["in_reply_to"]) == ("sms", PHONE, "SM-in-1")
        assert sent["text"] == receipt.short
        assert "\n-- \n" in receipt.content, "the letter itself is another"
        assert headers["idempotency-key"] == sent["message_id"] == str(receipt.id)
        verifier = SignatureVerifier(make_settings(webhook_secret=RELAY_SECRET), clock)
        verifier.verify(body, headers["x-signature"])
        assert receipt.channel == Channel.SMS
        assert receipt.delivery is not None
        assert (receipt.delivery.status, receipt.delivery.provider_message_id) == (
            DeliveryStatus.SENT,
            "SM-out-1",
        )

    async def test_staff_can_write_to_somebody_with_a_phone_alone(
        self,
        app_client: httpx.AsyncClient,
        repositories: Repositories,
        drain: Drain,
        relay: Relay,
        headers_for: HeadersFor,
    ) -> None:
        patient = await repositories.patients.insert(
            make_patient(phone=PHONE, email=None, preferred_channel=[Channel.SMS])
        )
        campaign = await repositories.campaigns.insert(make_campaign(patient_id=patient.id))

        url = f"/api/v1/admin/campaigns/{campaign.id}/respond"
        headers = await headers_for(StaffRole.FRONT_DESK)
        answer = await app_client.post(url, json={"message": "Friday at ten?"}, headers=headers)
        await drain()

        assert answer.status_code == 201, answer.text
        [(_, body)] = relay.asked
        assert "Friday at ten?" in json.loads(body)["text"]


class TestVisitsByText:
    async def test_whoever_has_a_phone_alone_hears_of_their_visit_and_of_time_that_freed_up(
        self, services: Services, relay: Relay, clock: FrozenClock
    ) -> None:
        repositories = services.repositories
        waiting = await Waiting.build(services, clock)
        patient = await waiting.patient(
            phone=PHONE, email=None, preferred_channel=[Channel.SMS], name="Sam Doe"
        )
        entry = await waiting.joins(patient, email=None, phone=PHONE)
        visit = await book(services, patient, NINE + timedelta(days=12))
        await waiting.frees()
        await waiting.look()
        clock.set(visit.appointment_date - timedelta(days=7))
        await services.scheduling.reminders.queue_due()

        theirs = await repositories.interactions._find({"patient_id": patient.id})
        kinds = {one.delivery.message_class for one in theirs if one.delivery}
        assert kinds == {
            MessageClass.VISIT_NOTICE,
            MessageClass.WAITLIST_OFFER,
            MessageClass.REMINDER,
        }
        assert (await waiting.entry(entry)).held_back is None
        await waiting.send()
        by_text = [json.loads(body) for _, body in relay.asked]
        assert {one["to"] for one in by_text} == {PHONE}
        assert any("your visit is booked" in one["text"] for one in by_text)
