"""What waits for a person."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from app.db.repositories import Repositories
from app.db.repositories.campaigns import CampaignRepository
from app.models.base import PyObjectId, new_id
from app.models.campaign import ENDED_STATUSES, Briefing, Campaign, CampaignStatus
from app.models.decision import Urgency
from app.models.role import StaffRole
from app.services.container import Services
from app.services.conversations import Conversations
from app.services.idempotency import OnceOnly
from tests.api.admin.desk import (
    ADMIN,
    DAY,
    NOBODY,
    iso,
    make_attention,
    problem,
    reload,
    stored_campaign,
)
from tests.conftest import HeadersFor
from tests.factories import make_staff
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

HANDOFFS = f"{ADMIN}/handoffs"
S = CampaignStatus


@pytest.fixture
async def headers(headers_for: HeadersFor) -> dict[str, str]:
    """Somebody at the front desk."""
    return await headers_for(StaffRole.FRONT_DESK)


class QuickPatient(CampaignRepository):
    """An emergency comes in right after a campaign was read."""

    def __init__(self, repositories: Repositories) -> None:
        self.__dict__.update(vars(repositories.campaigns))
        self.has_written = False

    async def get(self, document_id: PyObjectId) -> Campaign | None:
        found = await super().get(document_id)
        if not self.has_written:
            self.has_written = True
            await self.set_attention(document_id, make_attention(NOON, urgency=Urgency.URGENT))
        return found


class TestList:
    async def test_is_urgent_first_and_oldest_first(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        waiting = {
            "new": make_attention(NOON),
            "old": make_attention(NOON - DAY),
            "urgent": make_attention(NOON, urgency=Urgency.URGENT),
            "urgent and older": make_attention(NOON - timedelta(hours=1), urgency=Urgency.URGENT),
        }
        ids = {
            str((await stored_campaign(repositories, attention=attention)).id): name
            for name, attention in waiting.items()
        }
        await stored_campaign(repositories)

        answer = await app_client.get(HANDOFFS, headers=headers)

        shown = [ids[row["campaign_id"]] for row in answer.json()["handoffs"]]
        assert shown == ["urgent and older", "urgent", "old", "new"]
        assert answer.json()["pagination"] == {
            "total_items": 4,
            "total_pages": 1,
            "current_page": 1,
        }
        assert answer.json()["handoffs"][0]["attention"]["summary"] == "Asks about insurance."

    @pytest.mark.parametrize("status", sorted(CampaignStatus))
    async def test_shows_what_waits_in_every_status(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        status: CampaignStatus,
    ) -> None:
        campaign = await stored_campaign(
            repositories, status=status, attention=make_attention(NOON)
        )

        answer = await app_client.get(HANDOFFS, headers=headers)

        (row,) = answer.json()["handoffs"]
        assert (row["campaign_id"], row["status"]) == (str(campaign.id), status)

    async def test_leaves_out_what_is_resolved(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        attention = make_attention(NOON - DAY, resolved_at=NOON)
        await stored_campaign(repositories, status=S.HANDOFF_REQUIRED, attention=attention)

        answer = await app_client.get(HANDOFFS, headers=headers)

        assert answer.json() == {
            "pagination": {"total_items": 0, "total_pages": 0, "current_page": 1},
            "handoffs": [],
        }

    async def test_says_how_long_each_waits_and_what_is_overdue(
        self,
        app_client: httpx.AsyncClient,
        headers_for: HeadersFor,
        repositories: Repositories,
    ) -> None:
        office = await headers_for(StaffRole.OFFICE_MANAGER)
        reply = new_id()
        briefing = Briefing(
            who="Maria Lopez (lead, recovery)",
            wants="asks a question",
            said="Do you take Delta?",
            open="answer it.",
            suggested_reply="Hello Maria,",
            interaction_id=reply,
        )
        since = NOON - timedelta(minutes=16)
        urgent = make_attention(since, urgency=Urgency.URGENT, briefing=briefing)
        for attention in (urgent, make_attention(since)):
            await stored_campaign(repositories, attention=attention)

        first = await app_client.get(HANDOFFS, headers=office)
        body = {"answer_minutes": 10, "urgent_answer_minutes": 20}
        await app_client.patch(f"{ADMIN}/clinic", headers=office, json=body)
        second = await app_client.get(HANDOFFS, headers=office)

        one, other = first.json()["handoffs"]
        assert (one["age_minutes"], one["is_overdue"]) == (16, True)
        assert one["due_at"] == iso(since + timedelta(minutes=15))
        assert (other["due_at"], other["is_overdue"]) == (iso(since + DAY), False)
        assert one["attention"]["briefing"] == {
            "who": "Maria Lopez (lead, recovery)",
            "contact": None,
            "wants": "asks a question",
            "said": "Do you take Delta?",
            "open": "answer it.",
            "suggested_reply": "Hello Maria,",
            "sources": [],
            "interaction_id": str(reply),
        }
        assert other["attention"]["briefing"] is None
        assert [row["is_overdue"] for row in second.json()["handoffs"]] == [False, True]

    async def test_pages(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        ids = [
            str((await stored_campaign(repositories, attention=make_attention(NOON + n * DAY))).id)
            for n in range(3)
        ]

        answer = await app_client.get(HANDOFFS, headers=headers, params={"page": 2, "limit": 2})

        assert [row["campaign_id"] for row in answer.json()["handoffs"]] == ids[2:]
        assert answer.json()["pagination"] == {
            "total_items": 3,
            "total_pages": 2,
            "current_page": 2,
        }

    @pytest.mark.parametrize("params", [{"page": 0}, {"limit": 101}, {"limit": "all"}])
    async def test_refuses_what_is_malformed(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        params: dict[str, str | int],
    ) -> None:
        problem(await app_client.get(HANDOFFS, headers=headers, params=params), 422)


class TestClaim:
    async def test_of_two_at_once_one_wins(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        headers_for: HeadersFor,
        repositories: Repositories,
    ) -> None:
        campaign = await stored_campaign(repositories, attention=make_attention(NOON - DAY))
        colleague = await headers_for(StaffRole.OFFICE_MANAGER)

        answers = await asyncio.gather(
            *(
                app_client.post(f"{HANDOFFS}/{campaign.id}/claim", headers=who)
                for who in (headers, colleague)
            )
        )

        won, lost = sorted(answers, key=lambda answer: answer.status_code)
        assert won.status_code == 200
        problem(lost, 409, "handoff-not-open")
        attention = (await reload(repositories, campaign)).attention
        assert attention is not None
        assert attention.claimed_at == NOON
        shown = won.json()["campaign_details"]["attention"]
        assert shown["claimed_by"] == str(attention.claimed_by)

    async def test_claiming_ones_own_again_changes_nothing(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        campaign = await stored_campaign(repositories, attention=make_attention(NOON - DAY))
        path = f"{HANDOFFS}/{campaign.id}/claim"
        await app_client.post(path, headers=headers)
        before = await reload(repositories, campaign)
        clock.advance(minutes=1)

        answer = await app_client.post(path, headers=headers)

        assert answer.status_code == 200
        assert await reload(repositories, campaign) == before

    @pytest.mark.parametrize("resolved", [True, False])
    async def test_there_is_nothing_to_claim_where_nothing_waits(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        resolved: bool,
    ) -> None:
        attention = make_attention(NOON - DAY, resolved_at=NOON) if resolved else None
        campaign = await stored_campaign(repositories, attention=attention)

        answer = await app_client.post(f"{HANDOFFS}/{campaign.id}/claim", headers=headers)

        problem(answer, 409, "handoff-not-open")
        assert await reload(repositories, campaign) == campaign

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        problem(await app_client.post(f"{HANDOFFS}/{NOBODY}/claim", headers=headers), 404)
        problem(await app_client.post(f"{HANDOFFS}/x/claim", headers=headers), 422)


class TestRelease:
    async def test_gives_a_handed_off_conversation_back_to_the_agent(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        campaign = await stored_campaign(
            repositories,
            status=S.HANDOFF_REQUIRED,
            agent_silent_since=NOON - DAY,
            attention=make_attention(NOON - DAY),
        )

        answer = await app_client.post(f"{HANDOFFS}/{campaign.id}/release", headers=headers)

        details = answer.json()["campaign_details"]
        assert details["status"] == "RE_ENGAGED"
        assert details["attention"]["resolved_at"] == iso(NOON)
        assert details["agent_silent_since"] is None
        assert details["follow_up_details"]["next_attempt_at"] == "2026-08-22T04:00:00Z"
        now = await reload(repositories, campaign)
        assert (now.status, now.agent_silent_since, now.needs_person) == (S.RE_ENGAGED, None, False)

    @pytest.mark.parametrize("closes", [False, True])
    async def test_leaves_what_came_in_meanwhile(
        self, services: Services, repositories: Repositories, *, closes: bool
    ) -> None:
        campaign = await stored_campaign(
            repositories, status=S.HANDOFF_REQUIRED, attention=make_attention(NOON - DAY)
        )
        base = services.base
        conversations = Conversations(
            repositories=replace(repositories, campaigns=QuickPatient(repositories)),
            lifecycle=base.lifecycle,
            outbox=base.outbox,
            composer=base.composer,
            clinic=base.clinic,
            once=OnceOnly(repositories.idempotency, base.clock),
            clock=base.clock,
        )
        staff = make_staff()

        if closes:
            await conversations.set_status(campaign.id, S.MANUAL_FOLLOWUP_COMPLETE, by=staff)
        else:
            await conversations.release(campaign.id, by=staff)

        waiting = (await reload(repositories, campaign)).attention
        assert waiting is not None
        assert (waiting.urgency, waiting.resolved_at) == (Urgency.URGENT, None)

    @pytest.mark.parametrize(
        "status",
        sorted(ENDED_STATUSES | {S.BOOKING_INITIATED, S.BOOKING_COMPLETED, S.ATTEMPTING_RECOVERY}),
    )
    async def test_resolves_what_waits_where_no_person_held_the_campaign(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        status: CampaignStatus,
    ) -> None:
        campaign = await stored_campaign(
            repositories,
            status=status,
            agent_silent_since=NOON - DAY,
            attention=make_attention(NOON - DAY),
        )

        answer = await app_client.post(f"{HANDOFFS}/{campaign.id}/release", headers=headers)

        assert answer.status_code == 200
        now = await reload(repositories, campaign)
        assert (now.status, now.agent_silent_since, now.needs_person) == (status, None, False)
        followed_up = now.follow_up_details.next_attempt_at is not None
        assert followed_up == (status == S.ATTEMPTING_RECOVERY)

    async def test_releasing_twice_changes_nothing_more(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        campaign = await stored_campaign(
            repositories, status=S.HANDOFF_REQUIRED, attention=make_attention(NOON - DAY)
        )
        path = f"{HANDOFFS}/{campaign.id}/release"
        await app_client.post(path, headers=headers)
        before = await reload(repositories, campaign)
        clock.advance(minutes=5)

        answer = await app_client.post(path, headers=headers)

        assert answer.status_code == 200
        after = await reload(repositories, campaign)
        assert after.model_copy(update={"updated_at": before.updated_at}) == before

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        problem(await app_client.post(f"{HANDOFFS}/{NOBODY}/release", headers=headers), 404)
