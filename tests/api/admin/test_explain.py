"""Why a patient was, or was not, contacted."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.campaign import CampaignStatus, FollowUpDetails
from app.models.interaction import DeliveryStatus
from app.models.patient import Consent, Patient, PatientType
from app.models.role import StaffRole
from app.services.container import Services
from app.services.outreach import explaining, reach
from tests.api.admin.desk import ADMIN, DAY, NOBODY, iso, make_message, make_visit, problem
from tests.conftest import HeadersFor
from tests.factories import make_campaign, make_patient
from tests.fakes import NOON

pytestmark = pytest.mark.mongo

ENDED = NOON - 10 * DAY


async def everybody(repositories: Repositories) -> dict[str, Patient]:
    """One patient for each rule, by the word of the rule that decides about them."""

    async def patient(**given: Any) -> Patient:
        return await repositories.patients.insert(make_patient(**given))

    async def campaign(of: Patient, next_attempt_at: Any = None, **given: Any) -> None:
        details = FollowUpDetails(max_attempts=4, attempts_made=1, next_attempt_at=next_attempt_at)
        made = make_campaign(patient_id=of.id, follow_up_details=details, **given)
        await repositories.campaigns.insert(made)

    known = {"patient_type": PatientType.EXISTING}
    people = {
        "never contacted": await patient(),
        "opted_out": await patient(consent=Consent(opted_out_at=ENDED, reason="asked")),
        "cool_down": await patient(),
        "declined": await patient(),
        "visit_booked": await patient(),
        "follow-up date reached": await patient(**known, next_follow_up_date=NOON - DAY),
        "not_due": await patient(**known, next_follow_up_date=NOON + 2 * DAY),
        "past_give_up_window": await patient(**known, next_follow_up_date=NOON - 300 * DAY),
        "attempt 2 of 4": await patient(),
        "too early": await patient(),
        "agent_silent": await patient(),
        "no_address": await patient(email=None, phone="+12125550142"),
    }
    ended = {"ended_at": ENDED}
    await campaign(people["cool_down"], status=CampaignStatus.RECOVERY_FAILED, **ended)
    await campaign(people["declined"], status=CampaignStatus.RECOVERY_DECLINED, **ended)
    await repositories.appointments.insert(
        make_visit(NOON + 3 * DAY, patient_id=people["visit_booked"].id)
    )
    await campaign(people["attempt 2 of 4"], NOON - timedelta(hours=1))
    await campaign(people["too early"], NOON + DAY)
    await campaign(people["agent_silent"], NOON - DAY, agent_silent_since=ENDED)
    return people


@pytest.fixture
async def headers(headers_for: HeadersFor) -> dict[str, str]:
    """Somebody who only looks."""
    return await headers_for(StaffRole.READ_ONLY)


class TestExplain:
    async def test_says_of_everybody_what_a_sweep_would_do_and_why(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
    ) -> None:
        people = await everybody(repositories)
        sent = make_message(
            NOON - DAY,
            patient_id=people["too early"].id,
            status=DeliveryStatus.SUPPRESSED,
            error="patient_replied",
        )
        await repositories.interactions.insert(sent)

        said = {}
        for word, patient in people.items():
            answer = await app_client.get(f"{ADMIN}/patients/{patient.id}/explain", headers=headers)
            assert answer.status_code == 200
            said[word] = answer.json()

        planned = await services.outreach.sweeps.run_now("x", dry_run=True)
        contacted = {one["patient_id"] for one in said.values() if one["would_be_contacted"]}
        assert contacted == {str(contact.patient_id) for contact in planned.planned}
        assert len(contacted) == 3
        last = {word: {rule["rule"]: rule for rule in one["rules"]} for word, one in said.items()}
        for word in people.keys() - {"attempt 2 of 4", "too early", "agent_silent"}:
            assert last[word]["due"]["value"] == word
        for word in ("attempt 2 of 4", "agent_silent"):
            assert last[word]["next_step"]["value"] == word
        assert last["too early"]["attempt_due"]["at"] == iso(NOON + DAY)
        assert not last["too early"]["attempt_due"]["passed"]
        assert last["opted_out"]["due"]["at"] == iso(ENDED)
        assert last["cool_down"]["due"]["at"] == iso(ENDED + 90 * DAY)
        assert last["visit_booked"]["due"]["at"] == iso(NOON + 3 * DAY)
        assert last["not_due"]["due"]["at"] == iso(NOON + 2 * DAY)
        assert last["not_due"]["daily_limit"]["value"] == "25 of 25"
        assert said["agent_silent"]["reason"] == "A person keeps the conversation."
        (campaign,) = said["declined"]["campaigns"]
        assert (campaign["status"], campaign["ended_at"]) == ("RECOVERY_DECLINED", iso(ENDED))
        (message,) = said["too early"]["messages"]
        assert (message["delivery_status"], message["delivery_error"]) == (
            "suppressed",
            "patient_replied",
        )

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        problem(await app_client.get(f"{ADMIN}/patients/{NOBODY}/explain", headers=headers), 404)
        problem(await app_client.get(f"{ADMIN}/patients/x/explain", headers=headers), 422)


class TestWords:
    def test_every_obstacle_has_its_sentence(self) -> None:
        assert {obstacle.value for obstacle in reach.Obstacle} <= set(explaining._WORDS)
