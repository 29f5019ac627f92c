"""Campaigns that the desk starts."""

import asyncio

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.campaign import (
    CampaignStatus,
)
from app.models.patient import Consent, PatientStatus, PatientType
from app.models.records import Suppression, SuppressionReason
from app.models.role import StaffRole
from app.services.container import Services
from tests.api.admin.desk import (
    ADMIN,
    DAY,
    LEAD,
    NOBODY,
    letter,
    messages,
    problem,
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


@pytest.fixture
async def headers(headers_for: HeadersFor) -> dict[str, str]:
    """Somebody at the front desk."""
    return await headers_for(StaffRole.FRONT_DESK)


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
        assert "teeth whitening in September" in text_of(letter(services, message))

    async def test_does_not_count_against_the_new_campaigns_of_the_day(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        await app_client.post(RECOVERY, headers=headers, json=LEAD)

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
