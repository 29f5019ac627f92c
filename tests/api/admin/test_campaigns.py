"""Campaigns at the desk: list, look into, start, answer, move."""

import asyncio
from datetime import timedelta
from itertools import product

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.campaign import (
    ENDED_STATUSES,
    STAFF_SETTABLE_STATUSES,
    TRANSITIONS,
    CampaignStatus,
    CampaignType,
    FollowUpDetails,
)
from app.models.decision import AiAnalysis, Intent, Urgency
from app.models.interaction import DeliveryStatus, MessageClass
from app.models.patient import Consent, PatientStatus, PatientType
from app.models.records import Suppression, SuppressionReason
from app.models.role import StaffRole
from app.services.container import Services
from app.services.outreach.outbox import Draft
from tests.api.admin.desk import (
    ADMIN,
    DAY,
    NOBODY,
    iso,
    letter,
    make_attention,
    make_message,
    make_reply,
    messages,
    problem,
    reload,
    send_all,
    stored_campaign,
)
from tests.conftest import HeadersFor
from tests.factories import make_patient
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

CAMPAIGNS = f"{ADMIN}/campaigns"
RECOVERY = f"{CAMPAIGNS}/recovery"
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


LEAD = {
    "patient_name": "Maria Lopez",
    "patient_email": "Maria.Lopez@Example.com",
    "patient_phone": "(212) 555-0142",
    "initial_inquiry": "Asked about teeth whitening in September",
    "estimated_value": 450,
}


class TestStartRecovery:
    async def test_creates_the_lead_and_queues_the_first_message_at_once(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
    ) -> None:
        answer = await app_client.post(RECOVERY, headers=headers, json=LEAD)

        assert answer.status_code == 201
        (patient,) = await repositories.patients.with_email("maria.lopez@example.com")
        campaign = await repositories.campaigns.active_for(patient.id)
        assert campaign is not None
        assert answer.json() == {
            "message": "Recovery campaign started.",
            "patient_id": str(patient.id),
            "campaign_id": str(campaign.id),
        }
        assert (patient.patient_type, patient.phone) == (PatientType.COLD_LEAD, "+12125550142")
        assert (patient.initial_inquiry, patient.estimated_value) == (LEAD["initial_inquiry"], 450)
        assert (campaign.campaign_type, campaign.status) == ("RECOVERY", S.ATTEMPTING_RECOVERY)
        assert campaign.follow_up_details.attempts_made == 1
        (message,) = await messages(repositories, campaign)
        assert (message.attempt, message.dedupe_key) == (1, f"campaign:{campaign.id}:attempt:1")
        await send_all(services)
        assert "teeth whitening in September" in letter(services, message).get_content()

    async def test_does_not_count_against_the_new_campaigns_of_the_day(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        await app_client.post(RECOVERY, headers=headers, json=LEAD)

        assert await repositories.campaigns.count_created_by_sweep(clock.now() - DAY) == 0
        assert await repositories.campaigns.quota_keys_between("", "z") == set()

    async def test_takes_the_patient_on_that_address_and_refers_to_what_they_ask_for_now(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
    ) -> None:
        known = await repositories.patients.insert(
            make_patient(
                name="Maria Lopez",
                email="maria.lopez@example.com",
                patient_type=PatientType.EXISTING,
                initial_inquiry="Asked about a crown",
                estimated_value=1000,
            )
        )
        without_value = {k: v for k, v in LEAD.items() if k != "estimated_value"}

        answer = await app_client.post(RECOVERY, headers=headers, json=without_value)

        assert answer.json()["patient_id"] == str(known.id)
        patient = await repositories.patients.get(known.id)
        assert patient is not None
        assert patient.initial_inquiry == LEAD["initial_inquiry"]
        assert (patient.estimated_value, patient.patient_type) == (1000, PatientType.EXISTING)
        campaign = await repositories.campaigns.active_for(known.id)
        assert campaign is not None
        (message,) = await messages(repositories, campaign)
        assert "teeth whitening" in message.content

    async def test_answers_the_campaign_that_is_active_already_and_changes_nothing(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        known = make_patient(
            name="Maria Lopez", email="maria.lopez@example.com", initial_inquiry="A crown"
        )
        active = await stored_campaign(repositories, await repositories.patients.insert(known))

        refused = problem(
            await app_client.post(RECOVERY, headers=headers, json=LEAD), 409, "campaign-active"
        )

        assert refused["campaign_id"] == str(active.id)
        patient = await repositories.patients.get(known.id)
        assert patient is not None
        assert patient.initial_inquiry == "A crown"
        assert await messages(repositories, active) == []

    async def test_twenty_at_once_make_one_patient_and_one_campaign(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        answers = await asyncio.gather(
            *(app_client.post(RECOVERY, headers=headers, json=LEAD) for _ in range(20))
        )

        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [201] + [409] * 19
        (patient,) = await repositories.patients.with_email("maria.lopez@example.com")
        (campaign,) = await repositories.campaigns.all_for([patient.id])
        named = {answer.json()["campaign_id"] for answer in answers}
        assert named == {str(campaign.id)}
        assert len(await messages(repositories, campaign)) == 1

    @pytest.mark.parametrize(
        "known",
        [
            {"consent": Consent(opted_out_at=NOON - DAY)},
            {"status": PatientStatus.INACTIVE},
            {"status": PatientStatus.DECEASED},
        ],
    )
    async def test_writes_to_nobody_who_is_not_to_be_written_to(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        known: dict[str, object],
    ) -> None:
        person = make_patient(name="Maria Lopez", email="maria.lopez@example.com", **known)
        await repositories.patients.insert(person)

        answer = await app_client.post(RECOVERY, headers=headers, json=LEAD)

        problem(answer, 409, "patient-unreachable")
        patient = await repositories.patients.get(person.id)
        assert patient is not None
        assert patient.initial_inquiry == person.initial_inquiry
        assert await repositories.campaigns.active_for(person.id) is None

    @pytest.mark.parametrize("reason", SuppressionReason)
    async def test_leaves_no_patient_behind_where_the_address_is_suppressed(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        reason: SuppressionReason,
    ) -> None:
        await repositories.suppressions.add(
            Suppression(address="maria.lopez@example.com", reason=reason, at=NOON, source="test")
        )

        answer = await app_client.post(RECOVERY, headers=headers, json=LEAD)

        problem(answer, 409, "patient-unreachable")
        assert await repositories.patients.is_empty()

    async def test_a_lead_who_declined_is_written_to_when_staff_say_so(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        known = make_patient(name="Maria Lopez", email="maria.lopez@example.com")
        await repositories.patients.insert(known)
        await stored_campaign(repositories, known, status=S.RECOVERY_DECLINED, ended_at=NOON)

        answer = await app_client.post(RECOVERY, headers=headers, json=LEAD)

        assert answer.status_code == 201
        active = await repositories.campaigns.active_for(known.id)
        assert active is not None
        assert answer.json()["campaign_id"] == str(active.id)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"patient_name": ""},
            {"patient_name": "Maria\r\nBcc: all@example.com"},
            {"patient_name": "x" * 121},
            {"patient_email": "nobody"},
            {"patient_email": "a@example.com\nBcc: b@example.com"},
            {"patient_phone": "call me"},
            {"initial_inquiry": " "},
            {"initial_inquiry": "x" * 1001},
            {"estimated_value": -1},
            {"estimated_value": 0.001},
            {"status": "RECOVERED"},
            {"patient_id": NOBODY},
        ],
    )
    async def test_refuses_what_is_malformed_and_stores_nothing(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        wrong: dict[str, object],
    ) -> None:
        answer = await app_client.post(RECOVERY, headers=headers, json=LEAD | wrong)

        problem(answer, 422)
        assert await repositories.patients.is_empty()


class TestRespond:
    async def test_writes_to_the_patient_and_keeps_the_thread(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
    ) -> None:
        campaign = await stored_campaign(repositories, status=S.RE_ENGAGED)

        answer = await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond", headers=headers, json={"message": "Tuesday?"}
        )

        assert answer.status_code == 201
        body = answer.json()
        assert (body["direction"], body["delivery_status"]) == ("outgoing", "pending")
        assert "Tuesday?" in body["content"]
        now = await reload(repositories, campaign)
        assert (now.status, now.agent_silent_since) == (S.RE_ENGAGED, NOON)
        (message,) = await messages(repositories, campaign)
        assert str(message.id) == body["interaction_id"]
        await send_all(services)
        assert "Tuesday?" in letter(services, message).get_content()

    async def test_silences_the_agent_and_outreach_that_wait(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
    ) -> None:
        campaign = await stored_campaign(repositories, status=S.RE_ENGAGED)
        waiting = []
        for message_class in (MessageClass.OUTREACH, MessageClass.AGENT_ANSWER):
            draft = Draft(
                patient_id=campaign.patient_id,
                campaign_id=campaign.id,
                subject="s",
                content="c",
                message_class=message_class,
                dedupe_key=f"test:{message_class}",
            )
            waiting.append((await services.base.outbox.enqueue(draft))[0])

        await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond", headers=headers, json={"message": "Hello"}
        )
        await send_all(services)

        said = {message.id: message.delivery for message in await messages(repositories, campaign)}
        for message in waiting:
            delivery = said.pop(message.id)
            assert delivery is not None
            assert (delivery.status, delivery.error) == ("suppressed", "agent_silent")
        assert [d and d.status for d in said.values()] == [DeliveryStatus.SENT]

    async def test_goes_into_the_thread(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
    ) -> None:
        await app_client.post(RECOVERY, headers=headers, json=LEAD)
        await send_all(services)
        (patient,) = await repositories.patients.with_email("maria.lopez@example.com")
        campaign = await repositories.campaigns.active_for(patient.id)
        assert campaign is not None
        (first,) = await messages(repositories, campaign)

        await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond", headers=headers, json={"message": "Hello"}
        )
        await send_all(services)

        _, second = await messages(repositories, campaign)
        opening, mail = letter(services, first), letter(services, second)
        assert mail["To"].addresses[0].addr_spec == "maria.lopez@example.com"
        assert mail["Subject"] == f"Re: {opening['Subject']}"
        assert mail["In-Reply-To"] == opening["Message-ID"]
        assert opening["Message-ID"] in mail["References"]

    async def test_hands_off_to_whoever_writes(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
    ) -> None:
        campaign = await stored_campaign(repositories, status=S.RE_ENGAGED)

        answer = await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond",
            headers=headers,
            json={"message": "I will look into it.", "new_status": "HANDOFF_REQUIRED"},
        )

        assert answer.status_code == 201
        now = await reload(repositories, campaign)
        assert (now.status, now.agent_silent_since) == (S.HANDOFF_REQUIRED, NOON)
        assert now.attention is not None
        assert now.handoff_details is not None
        assert now.attention.claimed_by is not None
        assert now.handoff_details.requested_by == f"staff:{now.attention.claimed_by}"
        assert now.history[-1].by == f"staff:{now.attention.claimed_by}"

    @pytest.mark.parametrize("urgency", Urgency)
    async def test_does_not_talk_over_what_waits_already(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        urgency: Urgency,
    ) -> None:
        campaign = await stored_campaign(
            repositories,
            status=S.HANDOFF_REQUIRED,
            agent_silent_since=NOON - DAY,
            attention=make_attention(NOON - DAY, urgency=urgency, summary="Pain since 2"),
        )

        await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond",
            headers=headers,
            json={"message": "Please call us.", "new_status": "HANDOFF_REQUIRED"},
        )

        attention = (await reload(repositories, campaign)).attention
        assert attention is not None
        assert (attention.summary, attention.since) == ("Pain since 2", NOON - DAY)
        assert (attention.resolved_at, attention.claimed_at) == (None, NOON)

    async def test_releases_the_thread_to_the_agent(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
    ) -> None:
        campaign = await stored_campaign(
            repositories,
            status=S.HANDOFF_REQUIRED,
            agent_silent_since=NOON - DAY,
            attention=make_attention(NOON - DAY),
        )

        await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond",
            headers=headers,
            json={"message": "Yes, we do.", "new_status": "RE_ENGAGED"},
        )

        now = await reload(repositories, campaign)
        assert (now.status, now.agent_silent_since) == (S.RE_ENGAGED, None)
        assert not now.needs_person
        planned = now.follow_up_details.next_attempt_at
        assert planned is not None
        assert iso(planned) == THREE_DAYS_ON
        assert len(await messages(repositories, campaign)) == 1

    @pytest.mark.parametrize("status", sorted(ENDED_STATUSES | {S.BOOKING_INITIATED}))
    async def test_a_refused_move_sends_nothing_and_silences_nobody(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        status: CampaignStatus,
    ) -> None:
        waiting = make_attention(NOON - DAY)
        campaign = await stored_campaign(repositories, status=status, attention=waiting)

        answer = await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond",
            headers=headers,
            json={"message": "Hello", "new_status": "MANUAL_FOLLOWUP_COMPLETE"},
        )

        if status is S.MANUAL_FOLLOWUP_COMPLETE:
            assert answer.status_code == 201, "a move to the same status is a no-op"
            return
        problem(answer, 409, "campaign-transition")
        assert await messages(repositories, campaign) == []
        assert await reload(repositories, campaign) == campaign

    @pytest.mark.parametrize("status", sorted(set(CampaignStatus) - STAFF_SETTABLE_STATUSES))
    async def test_staff_cannot_set_what_bookings_and_visits_set(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        status: CampaignStatus,
    ) -> None:
        campaign = await stored_campaign(repositories)

        answer = await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond",
            headers=headers,
            json={"message": "Hello", "new_status": status},
        )

        problem(answer, 422, "status-not-settable")
        assert await messages(repositories, campaign) == []
        assert await reload(repositories, campaign) == campaign

    @pytest.mark.parametrize("by_address", [True, False])
    async def test_an_opt_out_holds_until_the_patient_writes_again(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
        by_address: bool,
    ) -> None:
        patient = make_patient()
        if by_address:
            await repositories.suppressions.add(
                Suppression(
                    address=patient.email or "",
                    reason=SuppressionReason.OPT_OUT,
                    at=NOON,
                    source="test",
                )
            )
        else:
            patient.consent = Consent(opted_out_at=NOON)
        await repositories.patients.insert(patient)
        campaign = await stored_campaign(repositories, patient, status=S.HANDOFF_REQUIRED)
        await repositories.interactions.insert(
            make_reply(NOON, patient_id=patient.id, content="STOP")
        )
        path = f"{CAMPAIGNS}/{campaign.id}/respond"

        refused = await app_client.post(path, headers=headers, json={"message": "Hello"})

        problem(refused, 409, "patient-unreachable")
        assert (await reload(repositories, campaign)).agent_silent_since is None
        clock.advance(minutes=1)
        await repositories.interactions.insert(make_reply(clock.now(), patient_id=patient.id))
        answer = await app_client.post(path, headers=headers, json={"message": "Hello"})
        assert answer.status_code == 201

    @pytest.mark.parametrize("intent", [Intent.AUTO_REPLY, Intent.OPT_OUT])
    async def test_an_automatic_reply_or_a_second_stop_takes_no_opt_out_back(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        intent: Intent,
    ) -> None:
        patient = make_patient(consent=Consent(opted_out_at=NOON - DAY))
        await repositories.patients.insert(patient)
        campaign = await stored_campaign(repositories, patient)
        analysis = AiAnalysis(intent=intent, engine="guard")
        await repositories.interactions.insert(
            make_reply(NOON, patient_id=patient.id, ai_analysis=analysis)
        )

        answer = await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond", headers=headers, json={"message": "Hello"}
        )

        problem(answer, 409, "patient-unreachable")

    async def test_counts_from_the_later_of_two_opt_outs(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        patient = make_patient(consent=Consent(opted_out_at=NOON - 3 * DAY))
        await repositories.patients.insert(patient)
        await repositories.suppressions.add(
            Suppression(
                address=patient.email or "", reason=SuppressionReason.OPT_OUT, at=NOON, source="t"
            )
        )
        await repositories.interactions.insert(make_reply(NOON - DAY, patient_id=patient.id))
        campaign = await stored_campaign(repositories, patient)

        answer = await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond", headers=headers, json={"message": "Hello"}
        )

        problem(answer, 409, "patient-unreachable")

    @pytest.mark.parametrize(
        "given", [{"status": PatientStatus.INACTIVE}, {"email": None, "phone": "+12125550142"}]
    )
    async def test_writes_to_nobody_who_cannot_be_reached(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        given: dict[str, object],
    ) -> None:
        patient = await repositories.patients.insert(make_patient(**given))
        campaign = await stored_campaign(repositories, patient)

        answer = await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond",
            headers=headers,
            json={"message": "Hello", "new_status": "RE_ENGAGED"},
        )

        problem(answer, 409, "patient-unreachable")
        assert await reload(repositories, campaign) == campaign

    async def test_writes_to_no_dead_address(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        patient = await repositories.patients.insert(make_patient())
        await repositories.suppressions.add(
            Suppression(
                address=patient.email or "",
                reason=SuppressionReason.HARD_BOUNCE,
                at=NOON,
                source="test",
            )
        )
        campaign = await stored_campaign(repositories, patient)

        answer = await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond", headers=headers, json={"message": "Hello"}
        )

        problem(answer, 409, "patient-unreachable")

    async def test_a_retry_under_the_same_key_sends_one_message(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        campaign = await stored_campaign(repositories, status=S.HANDOFF_REQUIRED)
        once = headers | {"Idempotency-Key": "k1"}
        body = {"message": "Hello", "new_status": "MANUAL_FOLLOWUP_COMPLETE"}
        path = f"{CAMPAIGNS}/{campaign.id}/respond"

        first = await app_client.post(path, headers=once, json=body)
        clock.advance(minutes=1)
        second = await app_client.post(path, headers=once, json=body)

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert len(await messages(repositories, campaign)) == 1

    async def test_ten_at_once_under_the_same_key_send_one_message(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        campaign = await stored_campaign(repositories, status=S.HANDOFF_REQUIRED)
        once = headers | {"Idempotency-Key": "k1"}
        path = f"{CAMPAIGNS}/{campaign.id}/respond"

        answers = await asyncio.gather(
            *(app_client.post(path, headers=once, json={"message": "Hello"}) for _ in range(10))
        )

        (message,) = await messages(repositories, campaign)
        assert {answer.json()["interaction_id"] for answer in answers} == {str(message.id)}

    @pytest.mark.parametrize(
        "other", [{"message": "Bye"}, {"message": "Hello", "new_status": "HANDOFF_REQUIRED"}]
    )
    async def test_a_key_belongs_to_one_body(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        other: dict[str, str],
    ) -> None:
        campaign = await stored_campaign(repositories, status=S.RE_ENGAGED)
        once = headers | {"Idempotency-Key": "k1"}
        path = f"{CAMPAIGNS}/{campaign.id}/respond"
        await app_client.post(path, headers=once, json={"message": "Hello"})
        before = await reload(repositories, campaign)

        answer = await app_client.post(path, headers=once, json=other)

        problem(answer, 422, "idempotency-key-reused")
        assert await reload(repositories, campaign) == before
        assert len(await messages(repositories, campaign)) == 1

    async def test_keys_of_two_people_and_of_two_campaigns_are_different_keys(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        headers_for: HeadersFor,
        repositories: Repositories,
    ) -> None:
        one, two = [await stored_campaign(repositories) for _ in range(2)]
        colleague = await headers_for(StaffRole.ADMIN)
        for who, campaign in ((headers, one), (headers, two), (colleague, one)):
            answer = await app_client.post(
                f"{CAMPAIGNS}/{campaign.id}/respond",
                headers=who | {"Idempotency-Key": "k1"},
                json={"message": f"Hello {campaign.id}"},
            )
            assert answer.status_code == 201

        assert len(await messages(repositories, one)) == 2
        assert len(await messages(repositories, two)) == 1

    @pytest.mark.parametrize(
        "body", [{}, {"message": " "}, {"message": "x" * 10_001}, {"message": "a", "by": "b"}]
    )
    async def test_refuses_what_is_malformed(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        body: dict[str, str],
    ) -> None:
        campaign = await stored_campaign(repositories)

        answer = await app_client.post(
            f"{CAMPAIGNS}/{campaign.id}/respond", headers=headers, json=body
        )

        problem(answer, 422)
        assert await messages(repositories, campaign) == []

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        answer = await app_client.post(
            f"{CAMPAIGNS}/{NOBODY}/respond", headers=headers, json={"message": "Hello"}
        )

        problem(answer, 404, "campaign-not-found")


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
        if to in TRANSITIONS[leaving]:
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
