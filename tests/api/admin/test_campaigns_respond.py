"""What the desk writes to patients."""

import asyncio

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.campaign import (
    ENDED_STATUSES,
    STAFF_SETTABLE_STATUSES,
    CampaignStatus,
)
from app.models.decision import AiAnalysis, Intent, Urgency
from app.models.interaction import DeliveryStatus, MessageClass
from app.models.patient import Consent, PatientStatus
from app.models.records import Suppression, SuppressionReason
from app.models.role import StaffRole
from app.services.container import Services
from app.services.outreach.outbox import Draft
from tests.api.admin.desk import (
    ADMIN,
    DAY,
    LEAD,
    NOBODY,
    iso,
    letter,
    make_attention,
    make_reply,
    messages,
    problem,
    reload,
    send_all,
    stored_campaign,
    text_of,
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
        assert "Tuesday?" in text_of(letter(services, message))

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
