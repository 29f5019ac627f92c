"""Incoming messages that matched nobody: whose they are is for staff to say, once."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.base import new_id
from app.models.campaign import CampaignStatus
from app.models.interaction import Direction, Interaction
from app.models.patient import Channel
from app.models.records import InboundState
from app.models.role import StaffRole
from app.services.container import Services
from app.services.unmatched import NOT_ASSIGNED
from tests.api.admin.desk import ADMIN, NOBODY, make_reply, problem, stored_campaign
from tests.conftest import Drain, HeadersFor
from tests.factories import make_patient
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

UNMATCHED = f"{ADMIN}/unmatched"
STOP = "Please stop emailing me."


@pytest.fixture
async def headers(headers_for: HeadersFor) -> dict[str, str]:
    """Somebody at the front desk."""
    return await headers_for(StaffRole.FRONT_DESK)


async def stranger(repositories: Repositories, **given: Any) -> Interaction:
    """A message from an address that nobody has."""
    fields = {
        "sender": "Dana <other@example.com>",
        "unmatched": True,
        "thread_id": "t-x",
        "provider_id": f"relay:t-x:{new_id()}",
        "content": STOP,
    }
    return await repositories.interactions.insert(make_reply(NOON, **(fields | given)))


async def assign(
    client: httpx.AsyncClient, headers: dict[str, str], message: Interaction, **body: Any
) -> httpx.Response:
    """Say whose it is."""
    return await client.post(f"{UNMATCHED}/{message.id}/assign", headers=headers, json=body)


async def reread(repositories: Repositories, message: Interaction) -> Interaction:
    """The message as it is stored now."""
    stored = await repositories.interactions.get(message.id)
    assert stored is not None
    return stored


async def waiting(client: httpx.AsyncClient, headers: dict[str, str]) -> list[dict[str, Any]]:
    """What is on the list."""
    rows: list[dict[str, Any]] = (await client.get(UNMATCHED, headers=headers)).json()["unmatched"]
    return rows


async def outgoing(repositories: Repositories) -> list[str]:
    """The classes of everything queued or sent."""
    found = await repositories.interactions._find({"direction": Direction.OUTGOING})
    return [message.delivery.message_class for message in found if message.delivery]


class TestAssign:
    async def test_joins_the_active_campaign_and_asks_for_a_person(
        self,
        *,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        drain: Drain,
    ) -> None:
        campaign = await stored_campaign(repositories)
        message = await stranger(repositories, content="Can I come on Friday?")

        answer = await assign(app_client, headers, message, patient_id=str(campaign.patient_id))
        await drain()

        assert answer.status_code == 200
        assert answer.json()["campaign_id"] == str(campaign.id)
        assert await waiting(app_client, headers) == []
        [said] = await repositories.interactions.conversation(campaign.id)
        assert said.id == message.id
        kept = await repositories.campaigns.get(campaign.id)
        assert kept is not None
        assert kept.status == CampaignStatus.HANDOFF_REQUIRED
        assert kept.attention is not None
        assert kept.attention.reason == "assigned_by_staff"
        assert "Can I come on Friday?" in kept.attention.summary
        assert await outgoing(repositories) == []

    async def test_with_the_agents_reading_it_is_the_patients_reply(
        self,
        *,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        drain: Drain,
    ) -> None:
        campaign = await stored_campaign(repositories)
        message = await stranger(repositories)
        await drain()

        await assign(
            app_client,
            headers,
            message,
            patient_id=str(campaign.patient_id),
            read_by_agent=True,
        )
        await drain()

        kept = await reread(repositories, message)
        assert kept.ai_analysis is not None
        assert kept.ai_analysis.intent == "OPT_OUT"
        assert await outgoing(repositories) == ["opt_out_receipt"]
        ended = await repositories.campaigns.get(campaign.id)
        assert ended is not None
        assert ended.status == CampaignStatus.RECOVERY_DECLINED

    async def test_an_urgent_one_stays_urgent(
        self,
        *,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
        drain: Drain,
    ) -> None:
        campaign = await stored_campaign(repositories)
        message = await stranger(repositories, content="My face is swollen and I have a fever.")
        await services.agent.agent._reactive.run(message)

        await assign(app_client, headers, message, patient_id=str(campaign.patient_id))
        await drain()

        kept = await repositories.campaigns.get(campaign.id)
        assert kept is not None
        assert kept.attention is not None
        assert kept.attention.urgency == "urgent"

    async def test_without_an_active_campaign_it_joins_the_newest(
        self,
        *,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
        drain: Drain,
    ) -> None:
        old = await stored_campaign(repositories, status=CampaignStatus.RECOVERY_FAILED)
        patient = await repositories.patients.get(old.patient_id)
        clock.advance(minutes=5)
        new = await stored_campaign(repositories, patient, status=CampaignStatus.RECOVERED)
        message = await stranger(repositories)

        await assign(app_client, headers, message, patient_id=str(old.patient_id))
        await drain()

        assert (await reread(repositories, message)).campaign_id == new.id
        kept = await repositories.campaigns.get(new.id)
        assert kept is not None
        assert (kept.status, kept.needs_person) == (CampaignStatus.RECOVERED, True)

    @pytest.mark.parametrize("read_by_agent", [True, False])
    async def test_without_any_campaign_it_is_the_patients_and_off_the_list(
        self,
        *,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        drain: Drain,
        read_by_agent: bool,
    ) -> None:
        patient = await repositories.patients.insert(make_patient())
        message = await stranger(repositories, content="Do you have parking?")

        await assign(
            app_client,
            headers,
            message,
            patient_id=str(patient.id),
            read_by_agent=read_by_agent,
        )
        await drain()

        kept = await reread(repositories, message)
        assert (kept.patient_id, kept.campaign_id, kept.unmatched) == (patient.id, None, False)
        assert await waiting(app_client, headers) == []

    async def test_a_note_of_the_services_own_is_never_read_as_a_reply(
        self,
        *,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        drain: Drain,
    ) -> None:
        campaign = await stored_campaign(repositories)
        message = await stranger(repositories, sender=None)

        await assign(
            app_client,
            headers,
            message,
            patient_id=str(campaign.patient_id),
            read_by_agent=True,
        )
        await drain()

        assert await outgoing(repositories) == []

    async def test_of_many_at_once_one_wins(
        self,
        *,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
        drain: Drain,
    ) -> None:
        campaigns = [await stored_campaign(repositories) for _ in range(5)]
        message = await stranger(repositories)

        answers = await asyncio.gather(
            *(
                assign(
                    app_client,
                    headers,
                    message,
                    patient_id=str(campaign.patient_id),
                    read_by_agent=True,
                )
                for campaign in campaigns
            )
        )
        for _ in range(20):
            await drain()
            clock.advance(seconds=30)

        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]
        [loser, *_] = [answer for answer in answers if answer.status_code == 409]
        problem(loser, 409, "unmatched-settled")
        winner = await reread(repositories, message)
        assert winner.campaign_id in {campaign.id for campaign in campaigns}
        assert await outgoing(repositories) == ["opt_out_receipt"]
        events = await repositories.inbound_events._find({})
        assert {event.state for event in events} == {InboundState.DONE}
        assert sorted(event.note or "" for event in events) == ["", *[NOT_ASSIGNED] * 4]
        assert len(await repositories.audit.about(str(message.id))) == 1

    async def test_is_audited(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        campaign = await stored_campaign(repositories)
        message = await stranger(repositories)

        await assign(app_client, headers, message, patient_id=str(campaign.patient_id))

        [entry] = await repositories.audit.about(str(message.id))
        assert (entry.action, entry.subject) == ("assign", "unmatched_message")
        assert entry.actor.startswith("staff:")
        assert entry.details == {
            "patient_id": str(campaign.patient_id),
            "campaign_id": str(campaign.id),
            "read_by_agent": False,
        }

    async def test_a_crash_after_it_was_decided_loses_nothing(
        self,
        *,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
        drain: Drain,
    ) -> None:
        campaign = await stored_campaign(repositories)
        message = await stranger(repositories)
        await assign(app_client, headers, message, patient_id=str(campaign.patient_id))
        [event] = await repositories.inbound_events._find({})
        assert await repositories.inbound_events.claim(event, clock.now() + timedelta(seconds=45))
        clock.advance(minutes=2)

        await drain()

        kept = await repositories.campaigns.get(campaign.id)
        assert kept is not None
        assert kept.needs_person

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        patient = await repositories.patients.insert(make_patient())
        matched = await repositories.interactions.insert(make_reply(NOON))
        message = await stranger(repositories)

        for wrong, status in ((NOBODY, 404), (matched.id, 404), ("x", 422)):
            answer = await app_client.post(
                f"{UNMATCHED}/{wrong}/assign",
                headers=headers,
                json={"patient_id": str(patient.id)},
            )
            problem(answer, status)
        nobody = await assign(app_client, headers, message, patient_id=NOBODY)
        problem(nobody, 404, "patient-not-found")
        for body in ({}, {"patient_id": "x"}, {"patient_id": NOBODY, "by": "me"}):
            problem(await assign(app_client, headers, message, **body), 422)
        assert (await reread(repositories, message)).unmatched is True
        assert await repositories.inbound_events._find({}) == []

    async def test_needs_the_front_desk(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor, repositories: Repositories
    ) -> None:
        reader = await headers_for(StaffRole.READ_ONLY)
        message = await stranger(repositories)

        problem(await assign(app_client, reader, message, patient_id=NOBODY), 403)
        dismissed = await app_client.post(f"{UNMATCHED}/{message.id}/dismiss", headers=reader)
        problem(dismissed, 403)


class TestDismiss:
    async def test_takes_it_off_the_list_and_keeps_it(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        message = await stranger(repositories, channel=Channel.SMS, sender="+12125550199")
        [row] = await waiting(app_client, headers)
        assert (row["sender"], row["channel"]) == ("+12125550199", "sms")

        answer = await app_client.post(f"{UNMATCHED}/{message.id}/dismiss", headers=headers)

        assert (answer.status_code, answer.content) == (204, b"")
        assert await waiting(app_client, headers) == []
        kept = await reread(repositories, message)
        assert (kept.content, kept.patient_id) == (STOP, None)
        [entry] = await repositories.audit.about(str(message.id))
        assert entry.action == "dismiss"

    async def test_of_it_and_an_assignment_one_wins(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        campaign = await stored_campaign(repositories)
        message = await stranger(repositories)

        answers = await asyncio.gather(
            assign(app_client, headers, message, patient_id=str(campaign.patient_id)),
            app_client.post(f"{UNMATCHED}/{message.id}/dismiss", headers=headers),
        )

        assert sorted(answer.status_code for answer in answers)[1] == 409
        again = await app_client.post(f"{UNMATCHED}/{message.id}/dismiss", headers=headers)
        problem(again, 409, "unmatched-settled")

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        matched = await repositories.interactions.insert(make_reply(NOON))

        for wrong, status in ((NOBODY, 404), (matched.id, 404), ("x", 422)):
            answer = await app_client.post(f"{UNMATCHED}/{wrong}/dismiss", headers=headers)
            problem(answer, status)
