"""The Pub/Sub webhook at the front door: stored once, then acknowledged; else nothing."""

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pymongo.errors import ServerSelectionTimeoutError

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.campaign import CampaignChannel
from app.models.records import InboundEvent, InboundState
from app.services.container import Services
from app.services.push_auth import PushVerifier
from app.services.push_intake import PushIntake
from app.services.work import WakeSignal
from tests.factories import make_campaign, make_patient, make_settings
from tests.fakes import FrozenClock
from tests.services.test_email_processor import CANARY, GMAIL, MALFORMED, RELAY, push
from tests.services.test_push_auth import (
    ACCOUNT,
    AUDIENCE,
    KeyServer,
    key_server,
    make_token,
)
from tests.serving import replace_in_agent

pytestmark = pytest.mark.mongo

WEBHOOK = "/api/v1/webhooks/gmail"
EVENT = "pubsub:projects/p/subscriptions/s:77"

__all__ = ["key_server"]


class CountingSignal(WakeSignal):
    """Counts how often it was told that there is work."""

    def __init__(self) -> None:
        super().__init__()
        self.woken = 0

    def wake(self) -> None:
        """See `Wakeable`."""
        self.woken += 1


def use_intake(
    app: FastAPI,
    services: Services,
    settings: Settings,
    *,
    verifier: PushVerifier | None = None,
    events: Any = None,
) -> CountingSignal:
    """Put an intake of the test's own behind the webhook."""
    signal = CountingSignal()
    intake = PushIntake(
        events=events or services.repositories.inbound_events,
        verifier=verifier,
        settings=settings,
        clock=services.clock,
        worker=signal,
    )
    replace_in_agent(app, intake=intake)
    return signal


async def stored(services: Services) -> list[InboundEvent]:
    """Every stored event."""
    return await services.repositories.inbound_events._find({})


class TestStored:
    async def test_a_push_is_stored_before_an_empty_200(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        answer = await app_client.post(WEBHOOK, content=push())

        assert answer.status_code == 200
        assert answer.content == b""
        [event] = await stored(services)
        assert event.id == EVENT
        assert event.state == InboundState.PENDING
        assert event.payload["from"] == RELAY["from"]

    async def test_gmails_form_is_stored_too(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        answer = await app_client.post(WEBHOOK, content=push(GMAIL))

        assert answer.status_code == 200
        [event] = await stored(services)
        assert event.payload["emailAddress"] == GMAIL["emailAddress"]

    async def test_the_worker_is_woken(
        self, app: FastAPI, app_client: httpx.AsyncClient, services: Services, settings: Settings
    ) -> None:
        signal = use_intake(app, services, settings)

        await app_client.post(WEBHOOK, content=push())

        assert signal.woken == 1

    async def test_twenty_deliveries_at_once_lead_to_one_answer(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        patient = await services.repositories.patients.insert(make_patient())
        campaign = make_campaign(
            patient_id=patient.id, channel=CampaignChannel(thread_id=RELAY["thread_id"])
        )
        await services.repositories.campaigns.insert(campaign)
        body = push({**RELAY, "from": patient.email, "content": "Please stop emailing me."})

        answers = await asyncio.gather(*(app_client.post(WEBHOOK, content=body) for _ in range(20)))
        await services.agent.inbound.work_off()
        await services.agent.inbound.settle()

        assert {answer.status_code for answer in answers} == {200}
        assert len(await stored(services)) == 1
        said = await services.repositories.interactions.conversation(campaign.id)
        assert [message.direction.value for message in said] == ["incoming", "outgoing"]


class TestRefused:
    @pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
    async def test_what_is_no_push_is_a_400_and_leaves_nothing(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        caplog: pytest.LogCaptureFixture,
        body: bytes,
    ) -> None:
        with caplog.at_level(logging.DEBUG, logger="app"):
            answer = await app_client.post(WEBHOOK, content=body)

        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        problem = "bad-request" if body == MALFORMED["deep"] else "invalid-envelope"
        assert answer.json()["type"].endswith(f"/problems/{problem}")
        assert CANARY not in answer.text
        assert CANARY not in caplog.text
        assert await stored(services) == []

    async def test_more_than_256_kb_is_a_413(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        body = push({**RELAY, "content": "a" * (256 * 1024)})

        answer = await app_client.post(WEBHOOK, content=body)

        assert answer.status_code == 413
        assert await stored(services) == []

    async def test_while_it_cannot_be_stored_it_is_a_503(
        self, app: FastAPI, app_client: httpx.AsyncClient, services: Services, settings: Settings
    ) -> None:
        class Unreachable:
            async def store(self, _event: InboundEvent) -> bool:
                message = "no server"
                raise ServerSelectionTimeoutError(message)

        signal = use_intake(app, services, settings, events=Unreachable())

        answer = await app_client.post(WEBHOOK, content=push())

        assert answer.status_code == 503
        assert signal.woken == 0

    @pytest.mark.parametrize("data", [RELAY, GMAIL], ids=["relay", "gmail"])
    @pytest.mark.parametrize(
        "given",
        [
            {"environment": "production"},
            {"pubsub_audience": AUDIENCE},
            {"pubsub_service_account": ACCOUNT},
        ],
        ids=["production", "audience alone", "account alone"],
    )
    async def test_unauthenticated_pushes_are_refused_where_it_matters(
        self,
        app: FastAPI,
        app_client: httpx.AsyncClient,
        services: Services,
        data: dict[str, Any],
        given: dict[str, Any],
    ) -> None:
        safe = {"mongo_uri": "mongodb://127.0.0.1", "public_base_url": "https://clinic.example"}
        use_intake(app, services, make_settings(**safe, **given))

        answer = await app_client.post(WEBHOOK, content=push(data))

        assert answer.status_code == 403
        assert await stored(services) == []


class TestAuthenticated:
    @pytest.fixture(autouse=True)
    def _verified(
        self, app: FastAPI, services: Services, settings: Settings, key_server: KeyServer
    ) -> None:
        verifier = key_server.verifier(services.clock)
        use_intake(app, services, settings, verifier=verifier)

    async def test_a_genuine_push_is_stored(
        self, app_client: httpx.AsyncClient, services: Services, clock: FrozenClock
    ) -> None:
        headers = {"Authorization": f"Bearer {make_token(clock)}"}

        answer = await app_client.post(WEBHOOK, content=push(), headers=headers)

        assert answer.status_code == 200
        assert len(await stored(services)) == 1

    @pytest.mark.parametrize("header", [None, "Bearer x.y.z", "Basic abc"])
    async def test_a_forged_one_is_a_401_whatever_it_holds(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        header: str | None,
    ) -> None:
        headers = {"Authorization": header} if header else {}

        for body in (push(), b"nonsense"):
            answer = await app_client.post(WEBHOOK, content=body, headers=headers)
            assert answer.status_code == 401
        assert await stored(services) == []

    @pytest.mark.parametrize(
        ("ours", "status"),
        [("projects/p/subscriptions/s", 200), ("projects/p/subscriptions/S", 403), ("s", 403)],
    )
    async def test_only_the_configured_subscription_counts(
        self,
        *,
        app: FastAPI,
        app_client: httpx.AsyncClient,
        services: Services,
        key_server: KeyServer,
        clock: FrozenClock,
        ours: str,
        status: int,
    ) -> None:
        settings = make_settings(pubsub_subscription=ours)
        use_intake(app, services, settings, verifier=key_server.verifier(services.clock))
        headers = {"Authorization": f"Bearer {make_token(clock)}"}

        answer = await app_client.post(WEBHOOK, content=push(), headers=headers)

        assert answer.status_code == status
        assert len(await stored(services)) == (status == 200)

    @pytest.mark.parametrize("forged_first", [True, False])
    async def test_of_two_tokens_neither_counts(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        clock: FrozenClock,
        forged_first: bool,
    ) -> None:
        both = [f"Bearer {make_token(clock)}", "Bearer x.y.z"]
        headers = [("Authorization", one) for one in (both[::-1] if forged_first else both)]

        answer = await app_client.post(WEBHOOK, content=push(), headers=headers)

        assert answer.status_code == 401
        assert await stored(services) == []


class TestDocument:
    async def test_the_body_is_documented_with_a_true_example(
        self, app_client: httpx.AsyncClient, repositories: Repositories
    ) -> None:
        document = (await app_client.get("/openapi.json")).json()

        operation = document["paths"][WEBHOOK]["post"]
        media = operation["requestBody"]["content"]["application/json"]
        assert media["schema"]["properties"]["message"]["required"] == ["data", "messageId"]
        answer = await app_client.post(WEBHOOK, content=json.dumps(media["example"]))
        assert answer.status_code == 200
