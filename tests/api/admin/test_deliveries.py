"""Outgoing messages by state, and incoming ones that matched nobody."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.interaction import DeliveryStatus, MessageClass
from app.models.role import StaffRole
from app.services.container import Services
from tests.api.admin.desk import (
    ADMIN,
    DAY,
    NOBODY,
    iso,
    letter,
    make_message,
    make_reply,
    problem,
    send_all,
    stored_campaign,
)
from tests.conftest import HeadersFor
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

DELIVERIES = f"{ADMIN}/deliveries"
RETRYABLE = {DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN}


@pytest.fixture
async def headers(headers_for: HeadersFor) -> dict[str, str]:
    """Somebody at the front desk."""
    return await headers_for(StaffRole.FRONT_DESK)


class TestList:
    async def test_pages_are_the_same_however_long_ago_they_were_written(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        ages = (200, 0, 8, 1, 100)
        letters = {days: make_message(NOON - days * DAY) for days in ages}
        for one in letters.values():
            await repositories.interactions.insert(one)

        found = []
        for page in range(1, 5):
            query = {"page": page, "limit": 2}
            answer = (await app_client.get(DELIVERIES, headers=headers, params=query)).json()
            assert answer["pagination"]["total_items"] == len(ages)
            found.append([one["interaction_id"] for one in answer["deliveries"]])

        newest_first = [str(letters[days].id) for days in sorted(ages)]
        assert found == [newest_first[:2], newest_first[2:4], newest_first[4:], []]

    async def test_answers_how_each_stands(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        campaign = await stored_campaign(repositories)
        message = make_message(NOON, campaign_id=campaign.id, error="outside_hours")
        await repositories.interactions.insert(message)
        await repositories.interactions.insert(make_reply(NOON, campaign_id=campaign.id))

        answer = await app_client.get(DELIVERIES, headers=headers)

        assert answer.json() == {
            "pagination": {"total_items": 1, "total_pages": 1, "current_page": 1},
            "deliveries": [
                {
                    "interaction_id": str(message.id),
                    "campaign_id": str(campaign.id),
                    "direction": "outgoing",
                    "channel": "email",
                    "subject": "A note from your dentist",
                    "content": "Hello.",
                    "timestamp": iso(NOON),
                    "ai_analysis": None,
                    "delivery_status": "pending",
                    "decision": None,
                    "correction": None,
                    "proposed_times": None,
                    "delivery_error": "outside_hours",
                    "message_class": "outreach",
                    "attempts": 0,
                    "not_before": iso(NOON),
                    "sent_at": None,
                }
            ],
        }

    @pytest.mark.parametrize("status", DeliveryStatus)
    async def test_narrows_by_state(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        status: DeliveryStatus,
    ) -> None:
        ids = {}
        for each in DeliveryStatus:
            message = await repositories.interactions.insert(make_message(NOON, status=each))
            ids[each] = str(message.id)

        answer = await app_client.get(DELIVERIES, headers=headers, params={"status": status})

        assert [row["interaction_id"] for row in answer.json()["deliveries"]] == [ids[status]]

    async def test_narrows_by_class_and_campaign(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        campaigns = [await stored_campaign(repositories) for _ in range(2)]
        ids = {}
        for campaign in campaigns:
            for kind in (MessageClass.OUTREACH, MessageClass.STAFF):
                message = make_message(NOON, message_class=kind, campaign_id=campaign.id)
                await repositories.interactions.insert(message)
                ids[campaign.id, kind] = str(message.id)

        async def shown(**params: str) -> set[str]:
            answer = await app_client.get(DELIVERIES, headers=headers, params=params)
            return {row["interaction_id"] for row in answer.json()["deliveries"]}

        one, other = (campaign.id for campaign in campaigns)
        both = {ids[one, MessageClass.STAFF], ids[other, MessageClass.STAFF]}
        assert await shown(message_class="staff") == both
        assert await shown(campaign_id=str(one)) == {
            ids[one, kind] for kind in (MessageClass.OUTREACH, MessageClass.STAFF)
        }
        assert await shown(message_class="staff", campaign_id=str(one), status="pending") == {
            ids[one, MessageClass.STAFF]
        }
        assert await shown(message_class="staff", status="sent") == set()

    async def test_pages_newest_first(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        ids = [
            str((await repositories.interactions.insert(make_message(NOON + n * DAY))).id)
            for n in range(3)
        ]

        first = await app_client.get(DELIVERIES, headers=headers, params={"limit": 2})
        second = await app_client.get(DELIVERIES, headers=headers, params={"limit": 2, "page": 2})

        shown = [
            [row["interaction_id"] for row in answer.json()["deliveries"]]
            for answer in (first, second)
        ]
        assert shown == [[ids[2], ids[1]], [ids[0]]]
        assert first.json()["pagination"]["total_pages"] == 2

    @pytest.mark.parametrize(
        "params", [{"status": "lost"}, {"message_class": "x"}, {"campaign_id": "x"}, {"limit": 0}]
    )
    async def test_refuses_what_is_malformed(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        params: dict[str, str | int],
    ) -> None:
        problem(await app_client.get(DELIVERIES, headers=headers, params=params), 422)


class TestRetry:
    @pytest.mark.parametrize("status", sorted(RETRYABLE))
    async def test_sends_it_again(
        self,
        *,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
        clock: FrozenClock,
        status: DeliveryStatus,
    ) -> None:
        campaign = await stored_campaign(repositories)
        message = make_message(
            NOON,
            campaign_id=campaign.id,
            patient_id=campaign.patient_id,
            status=status,
            error="refused",
            attempts=8,
        )
        await repositories.interactions.insert(message)
        clock.advance(minutes=5)

        answer = await app_client.post(f"{DELIVERIES}/{message.id}/retry", headers=headers)

        body = answer.json()
        assert answer.status_code == 200
        assert (body["delivery_status"], body["delivery_error"]) == ("pending", None)
        assert (body["attempts"], body["not_before"]) == (0, iso(NOON + timedelta(minutes=5)))
        await send_all(services)
        kept = await repositories.interactions.get(message.id)
        assert kept is not None
        assert kept.delivery is not None
        assert (kept.delivery.status, kept.delivery.sent_at) == ("sent", clock.now())
        assert letter(services, message)["Subject"] == "A note from your dentist"

    @pytest.mark.parametrize("status", sorted(set(DeliveryStatus) - RETRYABLE))
    async def test_leaves_every_other_state_alone(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        status: DeliveryStatus,
    ) -> None:
        message = await repositories.interactions.insert(make_message(NOON, status=status))

        answer = await app_client.post(f"{DELIVERIES}/{message.id}/retry", headers=headers)

        problem(answer, 409, "delivery-not-retryable")
        assert await repositories.interactions.get(message.id) == message

    async def test_of_two_at_once_one_wins(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        message = make_message(NOON, status=DeliveryStatus.FAILED)
        await repositories.interactions.insert(message)

        answers = await asyncio.gather(
            *(app_client.post(f"{DELIVERIES}/{message.id}/retry", headers=headers) for _ in "12")
        )

        assert sorted(answer.status_code for answer in answers) == [200, 409]

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        reply = await repositories.interactions.insert(make_reply(NOON))

        for wrong, status in ((NOBODY, 404), (reply.id, 404), ("x", 422)):
            answer = await app_client.post(f"{DELIVERIES}/{wrong}/retry", headers=headers)
            problem(answer, status)


class TestMarkSent:
    async def test_settles_what_nobody_knew(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        message = make_message(NOON - DAY, status=DeliveryStatus.UNKNOWN, error="lost")
        await repositories.interactions.insert(message)

        answer = await app_client.post(f"{DELIVERIES}/{message.id}/mark-sent", headers=headers)
        again = await app_client.post(f"{DELIVERIES}/{message.id}/mark-sent", headers=headers)

        body = answer.json()
        assert (body["delivery_status"], body["sent_at"]) == ("sent", iso(NOON))
        assert body["delivery_error"] is None
        problem(again, 409, "delivery-fate-known")
        retried = await app_client.post(f"{DELIVERIES}/{message.id}/retry", headers=headers)
        problem(retried, 409, "delivery-not-retryable")

    @pytest.mark.parametrize("status", sorted(set(DeliveryStatus) - {DeliveryStatus.UNKNOWN}))
    async def test_leaves_every_other_state_alone(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        status: DeliveryStatus,
    ) -> None:
        message = await repositories.interactions.insert(make_message(NOON, status=status))

        answer = await app_client.post(f"{DELIVERIES}/{message.id}/mark-sent", headers=headers)

        problem(answer, 409, "delivery-fate-known")
        assert await repositories.interactions.get(message.id) == message

    async def test_of_a_retry_and_a_mark_at_once_one_wins(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        message = make_message(NOON, status=DeliveryStatus.UNKNOWN)
        await repositories.interactions.insert(message)

        answers = await asyncio.gather(
            *(
                app_client.post(f"{DELIVERIES}/{message.id}/{what}", headers=headers)
                for what in ("retry", "mark-sent")
            )
        )

        assert sorted(answer.status_code for answer in answers) == [200, 409]

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        reply = await repositories.interactions.insert(make_reply(NOON))

        for wrong, status in ((NOBODY, 404), (reply.id, 404), ("x", 422)):
            answer = await app_client.post(f"{DELIVERIES}/{wrong}/mark-sent", headers=headers)
            problem(answer, status)


class TestUnmatched:
    async def test_lists_what_matched_nobody_newest_first(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        ids = []
        for day in range(2):
            reply = make_reply(NOON + day * DAY, unmatched=True)
            ids.append(str((await repositories.interactions.insert(reply)).id))
        await repositories.interactions.insert(make_reply(NOON))

        answer = await app_client.get(f"{ADMIN}/unmatched", headers=headers)

        body = answer.json()
        assert [row["interaction_id"] for row in body["unmatched"]] == ids[::-1]
        assert body["pagination"]["total_items"] == 2
        assert body["unmatched"][0]["delivery_status"] is None
        assert (body["unmatched"][0]["sender"], body["unmatched"][0]["patient_id"]) == (None, None)
