"""Campaigns at the desk: list, look into, move."""

from datetime import timedelta
from itertools import product

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.campaign import (
    BOOKED_STATUSES,
    ENDED_STATUSES,
    STAFF_SETTABLE_STATUSES,
    TRANSITIONS,
    CampaignStatus,
    CampaignType,
    FollowUpDetails,
)
from app.models.role import StaffRole
from tests.api.admin.desk import (
    ADMIN,
    DAY,
    NOBODY,
    iso,
    make_attention,
    make_message,
    make_reply,
    messages,
    problem,
    reload,
    stored_campaign,
)
from tests.conftest import HeadersFor
from tests.factories import make_patient
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

CAMPAIGNS = f"{ADMIN}/campaigns"
S = CampaignStatus

THREE_DAYS_ON = "2026-08-22T04:00:00Z"
"""The start of the third day after `NOON` in New York."""


@pytest.fixture
async def headers(headers_for: HeadersFor) -> dict[str, str]:
    """Somebody at the front desk."""
    return await headers_for(StaffRole.FRONT_DESK)


class TestList:
    async def test_answers_rows_with_the_patients_name(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        patient = await repositories.patients.insert(make_patient(name="Maria Lopez"))
        campaign = await stored_campaign(repositories, patient, attention=make_attention(NOON))

        answer = await app_client.get(CAMPAIGNS, headers=headers)

        assert answer.json() == {
            "pagination": {"total_items": 1, "total_pages": 1, "current_page": 1},
            "campaigns": [
                {
                    "campaign_id": str(campaign.id),
                    "patient_id": str(patient.id),
                    "patient_name": "Maria Lopez",
                    "campaign_type": "RECOVERY",
                    "status": "ATTEMPTING_RECOVERY",
                    "last_updated": iso(NOON),
                    "attention": {
                        "reason": "question",
                        "urgency": "normal",
                        "summary": "Asks about insurance.",
                        "briefing": None,
                        "since": iso(NOON),
                        "claimed_by": None,
                        "resolved_at": None,
                    },
                }
            ],
        }

    async def test_narrows_by_status_which_may_be_repeated_and_by_type(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        for status in (S.RE_ENGAGED, S.HANDOFF_REQUIRED, S.RECOVERED):
            await stored_campaign(repositories, status=status)
        recall = await stored_campaign(
            repositories, status=S.RE_ENGAGED, campaign_type=CampaignType.RECALL, due_date=NOON
        )

        both = await app_client.get(
            CAMPAIGNS, headers=headers, params={"status": ["RE_ENGAGED", "RECOVERED"]}
        )
        recalls = await app_client.get(
            CAMPAIGNS, headers=headers, params={"status": "RE_ENGAGED", "campaign_type": "RECALL"}
        )

        assert both.json()["pagination"]["total_items"] == 3
        assert {row["status"] for row in both.json()["campaigns"]} == {"RE_ENGAGED", "RECOVERED"}
        assert [row["campaign_id"] for row in recalls.json()["campaigns"]] == [str(recall.id)]

    async def test_pages_and_sorts_by_the_last_change(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        stored = []
        for _ in range(5):
            stored.append(str((await stored_campaign(repositories)).id))
            clock.advance(minutes=1)

        async def ids(**params: str | int) -> list[str]:
            wanted = {"limit": 2, **params}
            answer = await app_client.get(CAMPAIGNS, headers=headers, params=wanted)
            assert answer.json()["pagination"]["total_pages"] == 3
            return [row["campaign_id"] for row in answer.json()["campaigns"]]

        assert [await ids(page=page) for page in (1, 2, 3, 4)] == [
            stored[4:2:-1],
            stored[2:0:-1],
            stored[:1],
            [],
        ]
        assert await ids(sort="last_updated") == stored[:2]

    @pytest.mark.parametrize(
        "params",
        [
            {"page": 0},
            {"limit": 0},
            {"limit": 101},
            {"page": "x"},
            {"status": "LOST"},
            {"campaign_type": "SPAM"},
            {"sort": "name"},
            {"q": ""},
            {"q": "   "},
            {"q": "x" * 101},
            {"q": "a\x00b"},
        ],
    )
    async def test_refuses_what_is_malformed(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], params: dict[str, str | int]
    ) -> None:
        problem(await app_client.get(CAMPAIGNS, headers=headers, params=params), 422)

    @pytest.mark.parametrize(
        ("q", "found"),
        [
            ("lop", True),
            ("maria l", True),
            ("LÓPEZ", True),
            ("maria.lop", True),
            ("(212) 555-0142", True),
            ("+1 212", True),
            ("opez", False),
            (".*", False),
            ("^", False),
            ("(", False),
            ("\\", False),
            ('{"$ne": null}', False),
            ("$where", False),
        ],
    )
    async def test_searches_the_patient_and_reads_nothing_into_the_words(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        q: str,
        found: bool,
    ) -> None:
        maria = make_patient(
            name="María López", email="maria.lopez@example.com", phone="+12125550142"
        )
        await stored_campaign(repositories, await repositories.patients.insert(maria))
        await stored_campaign(repositories)

        answer = await app_client.get(CAMPAIGNS, headers=headers, params={"q": q})

        names = [row["patient_name"] for row in answer.json()["campaigns"]]
        assert names == (["María López"] if found else [])
        assert answer.json()["pagination"]["total_items"] == int(found)


class TestDetail:
    async def test_answers_the_campaign_and_what_was_said(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        campaign = await stored_campaign(repositories)
        later = make_reply(
            NOON + DAY, campaign_id=campaign.id, patient_id=campaign.patient_id, content="Yes"
        )
        earlier = make_message(NOON, campaign_id=campaign.id, patient_id=campaign.patient_id)
        for said in (later, earlier):
            await repositories.interactions.insert(said)

        answer = await app_client.get(f"{CAMPAIGNS}/{campaign.id}", headers=headers)

        body = answer.json()
        assert body["campaign_details"] == {
            "campaign_id": str(campaign.id),
            "patient_id": str(campaign.patient_id),
            "patient_name": "Dana Smith",
            "campaign_type": "RECOVERY",
            "status": "ATTEMPTING_RECOVERY",
            "due_date": None,
            "channel": {"type": "email", "thread_id": None},
            "follow_up_details": {"attempts_made": 0, "max_attempts": 4, "next_attempt_at": None},
            "booking_funnel": {"status": None, "link_url": None, "submitted_at": None},
            "engagement_summary": None,
            "handoff_details": None,
            "attention": None,
            "agent_silent_since": None,
            "created_at": iso(NOON),
            "last_updated": iso(NOON),
            "history": [],
        }
        shown = [(i["direction"], i["delivery_status"]) for i in body["conversation_history"]]
        assert shown == [("outgoing", "pending"), ("incoming", None)]
        assert body["conversation_history"][1]["content"] == "Yes"
        assert body["conversation_history"][1]["timestamp"] == iso(NOON + DAY)

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        problem(await app_client.get(f"{CAMPAIGNS}/{NOBODY}", headers=headers), 404)
        problem(await app_client.get(f"{CAMPAIGNS}/x", headers=headers), 422)


PAIRS = list(product(sorted(CampaignStatus), sorted(STAFF_SETTABLE_STATUSES)))


class TestSetStatus:
    @pytest.mark.parametrize(("leaving", "to"), PAIRS)
    async def test_follows_the_table(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        leaving: CampaignStatus,
        to: CampaignStatus,
    ) -> None:
        campaign = await stored_campaign(repositories, status=leaving)

        answer = await app_client.patch(
            f"{CAMPAIGNS}/{campaign.id}/status", headers=headers, json={"status": to}
        )

        now = await reload(repositories, campaign)
        if to in TRANSITIONS[leaving] and leaving not in BOOKED_STATUSES:
            assert answer.status_code == 200
            assert answer.json()["campaign_details"]["status"] == to == now.status
            (change,) = now.history
            assert (change.from_status, change.to_status) == (leaving, to)
            assert change.by.startswith("staff:")
            assert (now.ended_at == NOON) == (to in ENDED_STATUSES)
        elif to == leaving:
            assert answer.status_code == 200
            assert now.history == []
        else:
            problem(answer, 409, "campaign-transition")
            assert now == campaign

    @pytest.mark.parametrize("to", [S.RE_ENGAGED, S.HANDOFF_REQUIRED])
    async def test_out_of_a_booked_status_only_the_visit_leads(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        to: CampaignStatus,
    ) -> None:
        campaign = await stored_campaign(repositories, status=S.BOOKING_INITIATED)
        path = f"{CAMPAIGNS}/{campaign.id}"
        message = {"message": "We call you.", "new_status": to}

        moved = await app_client.patch(f"{path}/status", headers=headers, json={"status": to})
        written = await app_client.post(f"{path}/respond", headers=headers, json=message)

        for answer in (moved, written):
            refusal = problem(answer, 409, "campaign-transition")
            assert "Cancel its visit" in refusal["detail"]
        now = await reload(repositories, campaign)
        assert (now.attention, now.agent_silent_since, now.history) == (None, None, [])
        assert await messages(repositories, campaign) == []

    @pytest.mark.parametrize("status", sorted(set(CampaignStatus) - STAFF_SETTABLE_STATUSES))
    async def test_bookings_and_visits_alone_set_the_others(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        status: CampaignStatus,
    ) -> None:
        campaign = await stored_campaign(repositories, status=S.RE_ENGAGED)

        answer = await app_client.patch(
            f"{CAMPAIGNS}/{campaign.id}/status", headers=headers, json={"status": status}
        )

        problem(answer, 422, "status-not-settable")
        assert await reload(repositories, campaign) == campaign

    @pytest.mark.parametrize(
        "status",
        [S.RECOVERY_DECLINED, S.RECOVERY_FAILED, S.MANUAL_FOLLOWUP_COMPLETE, S.RE_ENGAGED],
    )
    async def test_closing_or_releasing_resolves_what_waits(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        status: CampaignStatus,
    ) -> None:
        campaign = await stored_campaign(
            repositories, status=S.HANDOFF_REQUIRED, attention=make_attention(NOON - DAY)
        )

        answer = await app_client.patch(
            f"{CAMPAIGNS}/{campaign.id}/status", headers=headers, json={"status": status}
        )

        shown = answer.json()["campaign_details"]["attention"]
        assert shown["resolved_at"] == iso(NOON)
        assert (await app_client.get(f"{ADMIN}/handoffs", headers=headers)).json()["handoffs"] == []

    async def test_releasing_plans_the_follow_up_and_ends_the_silence(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        campaign = await stored_campaign(
            repositories, status=S.HANDOFF_REQUIRED, agent_silent_since=NOON - DAY
        )

        answer = await app_client.patch(
            f"{CAMPAIGNS}/{campaign.id}/status", headers=headers, json={"status": "RE_ENGAGED"}
        )

        details = answer.json()["campaign_details"]
        assert details["follow_up_details"]["next_attempt_at"] == THREE_DAYS_ON
        assert details["agent_silent_since"] is None

    async def test_releasing_a_thread_that_staff_kept_plans_its_follow_up_anew(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        follow_up = FollowUpDetails(
            attempts_made=1, max_attempts=4, next_attempt_at=NOON - timedelta(days=2)
        )
        campaign = await stored_campaign(
            repositories,
            status=S.RE_ENGAGED,
            agent_silent_since=NOON - DAY,
            follow_up_details=follow_up,
        )

        await app_client.patch(
            f"{CAMPAIGNS}/{campaign.id}/status", headers=headers, json={"status": "RE_ENGAGED"}
        )

        now = await reload(repositories, campaign)
        assert now.agent_silent_since is None
        assert now.follow_up_details.next_attempt_at is not None
        assert iso(now.follow_up_details.next_attempt_at) == THREE_DAYS_ON

    async def test_taking_over_asks_for_a_person_and_silences_the_agent(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        campaign = await stored_campaign(repositories, status=S.RE_ENGAGED)

        await app_client.patch(
            f"{CAMPAIGNS}/{campaign.id}/status",
            headers=headers,
            json={"status": "HANDOFF_REQUIRED"},
        )

        now = await reload(repositories, campaign)
        assert now.needs_person
        assert now.agent_silent_since == NOON
        assert now.handoff_details is not None
        assert now.handoff_details.reason == "staff_took_over"

    @pytest.mark.parametrize("body", [{}, {"status": "LOST"}, {"status": None}, {"state": "x"}])
    async def test_refuses_what_is_malformed(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        body: dict[str, object],
    ) -> None:
        campaign = await stored_campaign(repositories)

        answer = await app_client.patch(
            f"{CAMPAIGNS}/{campaign.id}/status", headers=headers, json=body
        )

        problem(answer, 422)
        assert await reload(repositories, campaign) == campaign

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        answer = await app_client.patch(
            f"{CAMPAIGNS}/{NOBODY}/status", headers=headers, json={"status": "RE_ENGAGED"}
        )

        problem(answer, 404, "campaign-not-found")
