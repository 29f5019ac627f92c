"""Conversations, and what is written down by hand."""

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.campaign import CampaignStatus
from app.models.decision import AiAnalysis, Evidence, Intent
from app.models.interaction import Decision, DeliveryStatus
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
            "decision": None,
            "correction": None,
            "proposed_times": None,
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


class TestCorrectIntent:
    async def test_a_second_correction_replaces_the_first_which_is_kept(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        campaign = await stored_campaign(repositories)
        analysis = AiAnalysis(
            intent=Intent.QUESTION,
            confidence=0.6,
            engine="local",
            engine_version="0123456789ab",
            evidence=Evidence(probabilities={Intent.QUESTION: 0.6}),
            milliseconds=42,
        )
        decision = Decision(action="hand_off", reason="question_without_answer")
        reply = make_reply(NOON, campaign_id=campaign.id, ai_analysis=analysis, decision=decision)
        await repositories.interactions.insert(reply)

        async def correct(intent: str) -> httpx.Response:
            clock.advance(minutes=1)
            url = f"{INTERACTIONS}/{reply.id}/intent"
            return await app_client.patch(url, headers=headers, json={"intent": intent})

        first = await correct("SERVICE_DENIAL")
        again = await correct("SERVICE_DENIAL")
        second = await correct("OPT_OUT")

        assert [a.status_code for a in (first, again, second)] == [200, 200, 200]
        shown = second.json()
        assert shown["ai_analysis"]["intent"] == "QUESTION"
        assert shown["ai_analysis"]["milliseconds"] == 42
        assert shown["decision"] == {"action": "hand_off", "reason": "question_without_answer"}
        assert (shown["correction"]["intent"], shown["correction"]["said"]) == (
            "OPT_OUT",
            "QUESTION",
        )
        kept = await repositories.interactions.get(reply.id)
        assert kept is not None
        assert [c.intent for c in kept.corrections] == [Intent.SERVICE_DENIAL, Intent.OPT_OUT]
        assert kept.correction == kept.corrections[-1]
        assert {(c.engine, c.engine_version) for c in kept.corrections} == {
            ("local", "0123456789ab")
        }
        assert all(c.by.startswith("staff:") for c in kept.corrections)
        assert kept.corrections[0].at < kept.corrections[1].at
        assert await messages(repositories, campaign) == [kept]
        unchanged = await reload(repositories, campaign)
        assert (unchanged.status, unchanged.updated_at) == (campaign.status, campaign.updated_at)

    async def test_refuses_what_no_agent_read_and_no_intent_of_a_reply(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        unread, ours = make_reply(NOON), make_message(NOON)
        for message in (unread, ours):
            await repositories.interactions.insert(message)

        async def correct(interaction_id: object, body: dict[str, object]) -> httpx.Response:
            url = f"{INTERACTIONS}/{interaction_id}/intent"
            return await app_client.patch(url, headers=headers, json=body)

        for message in (unread, ours):
            answer = await correct(message.id, {"intent": "OPT_OUT"})
            problem(answer, 409, "not-read-by-agent")
        problem(await correct(NOBODY, {"intent": "OPT_OUT"}), 404, "interaction-not-found")
        wrong: list[dict[str, object]] = [
            {"intent": "BOUNCE"},
            {"intent": "maybe"},
            {"intent": None},
            {},
            {"intent": "OPT_OUT", "by": "x"},
        ]
        for body in wrong:
            problem(await correct(unread.id, body), 422)
