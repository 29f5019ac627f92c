"""Duplicates of a patient become one."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.models.appointment import Appointment, AppointmentStatus
from app.models.campaign import CampaignStatus, CampaignType
from app.models.merge import PatientMerge
from app.models.patient import Consent, Patient, PatientType, Treatment
from app.models.records import Suppression, SuppressionReason
from app.models.role import StaffRole
from app.models.waitlist import WaitlistEntry
from app.services.container import Services
from app.services.scheduling.claims import claims_for
from tests.api.admin.desk import (
    ADMIN,
    DAY,
    NOBODY,
    make_reply,
    make_visit,
    problem,
    reload,
    stored_campaign,
)
from tests.conftest import HeadersFor
from tests.factories import make_patient
from tests.fakes import NOON, FrozenClock

PATIENTS = f"{ADMIN}/patients"


@pytest.fixture
async def headers(headers_for: HeadersFor) -> dict[str, str]:
    """Somebody at the front desk."""
    return await headers_for(StaffRole.FRONT_DESK)


@pytest.fixture
async def stays(repositories: Repositories) -> Patient:
    """The record that stays: a lead with an address."""
    return await repositories.patients.insert(
        make_patient(name="Maria Lopez", email="maria@example.com", next_follow_up_date=NOON)
    )


@pytest.fixture
async def goes(repositories: Repositories) -> Patient:
    """The duplicate: a patient with a number, who asked for no messages."""
    return await repositories.patients.insert(
        make_patient(
            name="Maria Lopez",
            email="m.lopez@example.com",
            phone="+12125550142",
            patient_type=PatientType.EXISTING,
            next_follow_up_date=NOON + 9 * DAY,
            treatment_history=[Treatment(procedure_name="Exam", procedure_date=NOON - DAY)],
            consent=Consent(opted_out_at=NOON - DAY, reason="opt_out", source="mail"),
        )
    )


def claiming(patient: Patient, start: int, **given: object) -> Appointment:
    """A visit that claims its time, so many hours after now."""
    visit = make_visit(NOON + timedelta(hours=start), patient_id=patient.id, **given)
    place = (visit.provider_id, visit.chair_id, patient.id, visit.appointment_date)
    visit.claims = claims_for(*place, duration_minutes=visit.duration_minutes)
    return visit


def entry(patient: Patient) -> WaitlistEntry:
    """Somebody who waits."""
    return WaitlistEntry(
        service_id="filling",
        patient_id=patient.id,
        name=patient.name,
        name_key=patient.name_key,
        contact=patient.email or "",
        email=patient.email,
        first_day="2026-08-20",
        last_day="2026-08-21",
        expires_at=NOON + 9 * DAY,
        next_offer_at=NOON,
        added_by="patient",
    )


async def merge(
    client: httpx.AsyncClient, headers: dict[str, str], stays: object, goes: object
) -> httpx.Response:
    return await client.post(
        f"{PATIENTS}/{stays}/merge", headers=headers, json={"patient_id": str(goes)}
    )


class TestMerge:
    async def test_everything_belongs_to_the_one_that_stays(  # noqa: PLR0915 - one merge, all it does
        self,
        *,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
        stays: Patient,
        goes: Patient,
    ) -> None:
        recalls = [
            await stored_campaign(
                repositories,
                one,
                campaign_type=CampaignType.RECALL,
                due_date=NOON,
                status=CampaignStatus.RECOVERY_FAILED,
            )
            for one in (stays, goes)
        ]
        tried = await stored_campaign(repositories, stays)
        booked = await stored_campaign(repositories, goes, status=CampaignStatus.BOOKING_INITIATED)
        visit = await repositories.appointments.insert(
            claiming(goes, 24, campaign_id=booked.id, status=AppointmentStatus.BOOKED)
        )
        said = await repositories.interactions.insert(
            make_reply(NOON, patient_id=goes.id, campaign_id=booked.id)
        )
        waits = await repositories.waitlist.insert(entry(goes))
        unsubscribe = services.base.links.unsubscribe_link(goes.id).rsplit("/", 1)[1]

        answer = await merge(app_client, headers, stays.id, goes.id)

        assert answer.status_code == 200, answer.text
        now = await repositories.patients.get(stays.id)
        assert now is not None
        assert (now.email, now.phone) == ("maria@example.com", "+12125550142")
        assert answer.json()["other_contacts"] == now.other_contacts == ["m.lopez@example.com"]
        assert (now.patient_type, now.next_follow_up_date) == (
            PatientType.EXISTING,
            NOON + 9 * DAY,
        )
        assert [one.procedure_name for one in now.treatment_history] == ["Exam"]
        assert (now.consent.opted_out_at, now.consent.source) == (NOON - DAY, "mail")
        assert answer.json()["consent"]["opted_out_at"]
        campaigns = await repositories.campaigns.all_for([stays.id])
        assert {one.id for one in campaigns} == {tried.id, booked.id, *(one.id for one in recalls)}
        assert [one.id for one in campaigns if one.is_active] == [booked.id]
        ended = await reload(repositories, tried)
        assert ended.status == CampaignStatus.MANUAL_FOLLOWUP_COMPLETE
        assert [(step.from_status, step.to_status) for step in ended.history] == [
            (CampaignStatus.ATTEMPTING_RECOVERY, CampaignStatus.HANDOFF_REQUIRED),
            (CampaignStatus.HANDOFF_REQUIRED, CampaignStatus.MANUAL_FOLLOWUP_COMPLETE),
        ]
        moved = await repositories.appointments.get(visit.id)
        assert moved is not None
        assert moved.patient_id == stays.id
        assert (
            moved.claims
            == claiming(stays, 24, provider_id=visit.provider_id, chair_id=visit.chair_id).claims
        )
        for thing in (
            await repositories.interactions.get(said.id),
            await repositories.waitlist.get(waits.id),
        ):
            assert thing is not None
            assert thing.patient_id == stays.id
        gone = problem(
            await app_client.get(f"{PATIENTS}/{goes.id}", headers=headers), 404, "patient-merged"
        )
        assert gone["patient_id"] == str(stays.id)
        for q in ("lopez", "m.lop", "maria@"):
            found = await app_client.get(PATIENTS, headers=headers, params={"q": q})
            assert [one["patient_id"] for one in found.json()["patients"]] == [str(stays.id)], q
        whose = await services.base.consent.patient_of(unsubscribe)
        assert whose is not None
        assert whose.id == stays.id
        (recorded,) = await repositories.audit.about(str(stays.id))
        assert (recorded.action, recorded.details) == ("merge", {"merged_patient_id": str(goes.id)})
        problem(await merge(app_client, headers, stays.id, goes.id), 409, "merge-running")
        problem(await merge(app_client, headers, goes.id, stays.id), 404, "patient-merged")
        problem(await merge(app_client, headers, stays.id, stays.id), 422, "merge-with-itself")
        problem(await merge(app_client, headers, stays.id, NOBODY), 404, "patient-not-found")

    async def test_two_visits_at_one_time_are_for_people_to_settle_first(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        stays: Patient,
        goes: Patient,
    ) -> None:
        other = await repositories.appointments.insert(claiming(stays, 24))
        visit = await repositories.appointments.insert(claiming(goes, 24))

        refused = problem(await merge(app_client, headers, stays.id, goes.id), 409, "merge-overlap")

        assert refused["appointment_ids"] == [str(other.id)]
        assert await repositories.patients.get(goes.id) == goes
        await repositories.appointments.delete(visit.id)
        assert (await merge(app_client, headers, stays.id, goes.id)).status_code == 200

    async def test_a_stop_on_the_other_address_counts_and_a_dead_address_does_not(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        stays: Patient,
    ) -> None:
        for reason, stops in (
            (SuppressionReason.HARD_BOUNCE, False),
            (SuppressionReason.UNSUBSCRIBE_LINK, True),
        ):
            twin = await repositories.patients.insert(make_patient(name="Maria L"))
            assert twin.email is not None
            wish = Suppression(address=twin.email, reason=reason, at=NOON, source="mail")
            await repositories.suppressions.add(wish)

            assert (await merge(app_client, headers, stays.id, twin.id)).status_code == 200

            now = await repositories.patients.get(stays.id)
            assert now is not None
            assert now.has_opted_out is stops

    async def test_ten_other_contacts_are_kept_and_staff_take_them_away(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        old = [f"old{number}@example.com" for number in range(9)]
        stays = await repositories.patients.insert(
            make_patient(email="maria@example.com", phone="+12125550142", other_contacts=old)
        )
        goes = await repositories.patients.insert(
            make_patient(
                email="m.l@example.com",
                phone="+12125550142",
                other_contacts=["maria@example.com", old[3], "+12125550199", "late@example.com"],
            )
        )

        answer = await merge(app_client, headers, stays.id, goes.id)

        assert answer.json()["other_contacts"] == [*old, "m.l@example.com"]
        path = f"{PATIENTS}/{stays.id}"
        for wanted, left in (
            ({"name": "Maria Luz"}, [*old, "m.l@example.com"]),
            ({"other_contacts": ["new@example.com", old[1], "M.L@example.com", old[0]]}, old[:2]),
            ({"other_contacts": ["new@example.com", *old[:2]]}, old[:2]),
            ({"email": old[0].upper()}, old[1:2]),
            ({"other_contacts": None}, []),
        ):
            changed = await app_client.patch(path, headers=headers, json=wanted)
            assert changed.json()["other_contacts"] == left, wanted
        now = await repositories.patients.get(stays.id)
        assert now is not None
        assert now.email == old[0]
        for q, finds in (("old0", 1), ("old1", 0)):
            found = await app_client.get(PATIENTS, headers=headers, params={"q": q})
            assert len(found.json()["patients"]) == finds
        too_many = {"other_contacts": ["a@example.com"] * 11}
        refused = await app_client.patch(path, headers=headers, json=too_many)
        assert refused.status_code == 422

    async def test_of_merges_that_share_a_record_one_wins(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        stays: Patient,
        goes: Patient,
    ) -> None:
        third = await repositories.patients.insert(make_patient())
        pairs = [(stays.id, goes.id), (goes.id, stays.id), (third.id, goes.id)]

        answers = await asyncio.gather(
            *(merge(app_client, headers, one, other) for one, other in pairs)
        )

        statuses = sorted(answer.status_code for answer in answers)
        assert (statuses[0], set(statuses[1:]) <= {404, 409}) == (200, True)
        left = await repositories.patients.get_many([stays.id, goes.id, third.id])
        assert len(left) == 2

    async def test_a_record_that_came_back_can_go_again(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        stays: Patient,
        goes: Patient,
    ) -> None:
        """Files once brought it back; a record that is gone, or is going, does not go twice."""
        await merge(app_client, headers, stays.id, goes.id)
        gone = await merge(app_client, headers, stays.id, goes.id)
        await repositories.patients.insert(
            make_patient(id=goes.id, name="Mary Lopes", email="mary@example.com")
        )

        again = await merge(app_client, headers, stays.id, goes.id)

        problem(gone, 409, "merge-running")
        assert again.status_code == 200
        assert await repositories.patients.get(goes.id) is None
        survivor = await repositories.patients.get(stays.id)
        assert survivor is not None
        assert "mary@example.com" in survivor.other_contacts
        tombstone = await repositories.patient_merges.get(goes.id)
        assert tombstone is not None
        assert (tombstone.survivor_id, tombstone.parties) == (stays.id, None)
        assert tombstone.finished_at is not None


class TestAfterACrash:
    async def test_it_is_taken_up_where_it_was(
        self,
        services: Services,
        repositories: Repositories,
        clock: FrozenClock,
        stays: Patient,
        goes: Patient,
    ) -> None:
        """The record is gone, one campaign was on its way out, nothing has moved yet."""
        kept = await stored_campaign(repositories, stays)
        ending = await stored_campaign(repositories, goes, status=CampaignStatus.HANDOFF_REQUIRED)
        begun = PatientMerge(
            id=goes.id,
            survivor_id=stays.id,
            by="staff:x",
            parties=[stays.id, goes.id],
            taken=goes,
            ending=ending.id,
            again_at=NOON,
            created_at=NOON,
            updated_at=NOON,
        )
        await repositories.patient_merges.begin(begun)
        with pytest.raises(DuplicateValueError):
            await repositories.patient_merges.begin(begun.model_copy(update={"id": kept.id}))
        await repositories.patients.delete(goes.id)
        await repositories.patients.update_fields(stays.id, {"other_contacts": [goes.email]})

        await services.jobs.reconcile()

        now = await repositories.patients.get(stays.id)
        assert now is not None
        assert (now.phone, now.has_opted_out) == (goes.phone, True)
        assert now.other_contacts == [goes.email]  # once, though an earlier run got as far
        assert (await reload(repositories, kept)).is_active
        ended = await reload(repositories, ending)
        assert (ended.patient_id, ended.status) == (
            stays.id,
            CampaignStatus.MANUAL_FOLLOWUP_COMPLETE,
        )
        merged = await repositories.patient_merges.get(goes.id)
        assert merged is not None
        assert (merged.taken, merged.parties, merged.finished_at) == (None, None, NOON)

        late = await repositories.interactions.insert(make_reply(NOON, patient_id=goes.id))
        clock.advance(minutes=2)
        await services.jobs.reconcile()

        arrived = await repositories.interactions.get(late.id)
        assert arrived is not None
        assert arrived.patient_id == stays.id
        assert await repositories.patient_merges.to_take_up(clock.now(), 1) == []

    async def test_one_that_never_began_goes_through_and_an_impossible_one_is_dropped(
        self, services: Services, repositories: Repositories, stays: Patient, goes: Patient
    ) -> None:
        for survivor, absorbed in ((stays.id, goes.id), (kept := make_patient().id, stays.id)):
            await repositories.patient_merges.begin(
                PatientMerge(
                    id=absorbed,
                    survivor_id=survivor,
                    by="staff:x",
                    parties=[survivor, absorbed],
                    again_at=NOON,
                    created_at=NOON,
                    updated_at=NOON,
                )
            )
            await services.jobs.reconcile()

        assert await repositories.patients.get(goes.id) is None
        assert await repositories.patients.get(stays.id) is not None
        assert await repositories.patient_merges.get(stays.id) is None
        assert await repositories.patients.get(kept) is None
