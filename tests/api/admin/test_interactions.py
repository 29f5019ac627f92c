"""Conversations, and what is written down by hand."""

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.campaign import CampaignStatus
from app.models.interaction import DeliveryStatus
from app.models.role import StaffRole
from app.services.container import Services
from tests.api.admin.desk import (
    ADMIN,
    DAY,
    NOBODY,
    iso,
    make_message,
    make_reply,
    messages,
    problem,
    reload,
    send_all,
    stored_campaign,
)
from tests.conftest import HeadersFor
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

INTERACTIONS = f"{ADMIN}/interactions"


@pytest.fixture
async def headers(headers_for: HeadersFor) -> dict[str, str]:
    """Somebody at the front desk."""
    return await headers_for(StaffRole.FRONT_DESK)


class TestConversation:
    async def test_answers_the_whole_of_it_oldest_first(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        campaign, other = [await stored_campaign(repositories) for _ in range(2)]
        for day in (2, 0, 1):
            reply = make_reply(NOON + day * DAY, campaign_id=campaign.id, content=f"day {day}")
            await repositories.interactions.insert(reply)
        await repositories.interactions.insert(make_message(NOON, campaign_id=other.id))

        answer = await app_client.get(f"{INTERACTIONS}/{campaign.id}", headers=headers)

        body = answer.json()
        assert body["pagination"] == {"total_items": 3, "total_pages": 1, "current_page": 1}
        assert [i["content"] for i in body["interactions"]] == ["day 0", "day 1", "day 2"]
        assert body["interactions"][0] == {
            "interaction_id": body["interactions"][0]["interaction_id"],
            "campaign_id": str(campaign.id),
            "direction": "incoming",
            "channel": "email",
            "subject": None,
            "content": "day 0",
            "timestamp": iso(NOON),
            "ai_analysis": None,
            "delivery_status": None,
            "delivery_error": None,
        }

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        problem(await app_client.get(f"{INTERACTIONS}/{NOBODY}", headers=headers), 404)
        problem(await app_client.get(f"{INTERACTIONS}/x", headers=headers), 422)


class TestRecord:
    async def test_keeps_what_was_said_and_sends_nothing(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
    ) -> None:
        campaign = await stored_campaign(repositories)
        body = {
            "campaign_id": str(campaign.id),
            "direction": "outgoing",
            "channel": "sms",
            "content": "Left a message.\nWill try again.",
        }

        answer = await app_client.post(INTERACTIONS, headers=headers, json=body)

        assert answer.status_code == 201
        shown = answer.json()
        assert (shown["timestamp"], shown["delivery_status"]) == (iso(NOON), None)
        (kept,) = await messages(repositories, campaign)
        assert str(kept.id) == shown["interaction_id"]
        assert (kept.direction, kept.channel, kept.delivery) == ("outgoing", "sms", None)
        assert kept.content == "Left a message.\nWill try again."
        assert kept.patient_id == campaign.patient_id
        assert (kept.by or "").startswith("staff:")
        await send_all(services)
        assert not (services.settings.data_dir / "outbox").exists()

    async def test_the_patients_words_drop_outreach_that_waits(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
        clock: FrozenClock,
    ) -> None:
        campaign = await stored_campaign(repositories)
        waiting = make_message(NOON, campaign_id=campaign.id, patient_id=campaign.patient_id)
        await repositories.interactions.insert(waiting)
        clock.advance(minutes=1)
        body = {
            "campaign_id": str(campaign.id),
            "direction": "incoming",
            "content": "Called: has moved away.",
        }

        await app_client.post(INTERACTIONS, headers=headers, json=body)
        await send_all(services)

        kept = await repositories.interactions.get(waiting.id)
        assert kept is not None
        assert kept.delivery is not None
        assert (kept.delivery.status, kept.delivery.error) == (
            DeliveryStatus.SUPPRESSED,
            "patient_replied",
        )
        assert (await reload(repositories, campaign)).status == CampaignStatus.ATTEMPTING_RECOVERY

    @pytest.mark.parametrize(
        ("timestamp", "meant"),
        [
            ("2026-08-18T10:00:00-04:00", "2026-08-18T14:00:00Z"),
            ("2026-08-18T10:00:00", "2026-08-18T14:00:00Z"),
            ("2026-08-18T10:00:00Z", "2026-08-18T10:00:00Z"),
        ],
    )
    async def test_a_time_without_an_offset_is_the_clinics(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        timestamp: str,
        meant: str,
    ) -> None:
        campaign = await stored_campaign(repositories)
        body = {
            "campaign_id": str(campaign.id),
            "direction": "incoming",
            "content": "Called.",
            "timestamp": timestamp,
        }

        answer = await app_client.post(INTERACTIONS, headers=headers, json=body)

        assert answer.json()["timestamp"] == meant
        (kept,) = await messages(repositories, campaign)
        assert iso(kept.timestamp) == meant

    @pytest.mark.parametrize(
        "wrong",
        [
            {"timestamp": "2026-08-20T10:00:00Z"},  # tomorrow
            {"timestamp": "9999-01-01T00:00:00Z"},
            {"timestamp": 1787155200},
            {"timestamp": "yesterday"},
            {"timestamp": "2026-03-08T02:30:00"},  # skipped in New York
            {"timestamp": "2025-11-02T01:30:00"},  # twice in New York
            {"direction": "sideways"},
            {"channel": "fax"},
            {"content": " "},
            {"content": "x" * 10_001},
            {"campaign_id": "x"},
            {"patient_id": NOBODY},
            {"delivery": {"status": "sent"}},
        ],
    )
    async def test_refuses_what_is_malformed_and_keeps_nothing(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        wrong: dict[str, object],
    ) -> None:
        campaign = await stored_campaign(repositories)
        body = {"campaign_id": str(campaign.id), "direction": "incoming", "content": "Called."}

        answer = await app_client.post(INTERACTIONS, headers=headers, json=body | wrong)

        problem(answer, 422)
        assert await messages(repositories, campaign) == []
        assert (await reload(repositories, campaign)).last_reply_at is None

    async def test_knows_no_other_campaign(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        body = {"campaign_id": NOBODY, "direction": "incoming", "content": "Called."}

        problem(await app_client.post(INTERACTIONS, headers=headers, json=body), 404)
