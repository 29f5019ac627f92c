"""Patients at the desk."""

import asyncio
from typing import Any

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.appointment import AppointmentStatus
from app.models.campaign import CampaignStatus
from app.models.interaction import DeliveryStatus, MessageClass
from app.models.patient import Consent, Patient, PatientStatus, PatientType
from app.models.records import Suppression, SuppressionReason
from app.models.role import StaffRole
from app.services.container import Services
from tests.api.admin.desk import (
    ADMIN,
    DAY,
    NOBODY,
    iso,
    make_message,
    make_visit,
    problem,
    reload,
    send_all,
    stored_campaign,
)
from tests.conftest import HeadersFor
from tests.factories import make_patient
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

PATIENTS = f"{ADMIN}/patients"
MARIA = {
    "name": "Maria Lopez",
    "email": "Maria.Lopez+x@Example.com",
    "phone": "(212) 555-0142",
    "patient_type": "EXISTING",
}


@pytest.fixture
async def headers(headers_for: HeadersFor) -> dict[str, str]:
    """Somebody at the front desk."""
    return await headers_for(StaffRole.FRONT_DESK)


async def reread(repositories: Repositories, patient_id: Any) -> Patient:
    """The patient as they are stored now."""
    found = (await repositories.patients.get_many([patient_id])).get(patient_id)
    assert found is not None
    return found


async def only_one(repositories: Repositories) -> Patient:
    """The one patient there is on Maria's address."""
    (patient,) = await repositories.patients.with_email("maria.lopez+x@example.com")
    return patient


class TestCreate:
    async def test_stores_them_in_one_form(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        body = MARIA | {
            "name": "  Maria   Lopez ",
            "language": "es",
            "preferred_channel": ["sms", "email"],
            "treatment_history": [
                {
                    "procedure_name": "Filling",
                    "procedure_date": "2026-01-10",
                    "next_recommended_follow_up": "in half a year",
                    "next_follow_up_date": "2026-07-10",
                },
                {"procedure_name": "Exam"},
            ],
            "estimated_value": 99.5,
        }

        answer = await app_client.post(PATIENTS, headers=headers, json=body)

        assert answer.status_code == 201
        patient = await only_one(repositories)
        assert answer.json() == {
            "patient_id": str(patient.id),
            "name": "Maria Lopez",
            "email": "maria.lopez+x@example.com",
            "phone": "+12125550142",
            "other_contacts": [],
            "patient_type": "EXISTING",
            "status": "ACTIVE",
            "preferred_channel": ["sms", "email"],
            "language": "es",
            "treatment_history": [
                {
                    "procedure_name": "Filling",
                    "procedure_date": "2026-01-10T05:00:00Z",
                    "next_recommended_follow_up": "in half a year",
                    "next_follow_up_date": "2026-07-10T04:00:00Z",
                },
                {
                    "procedure_name": "Exam",
                    "procedure_date": None,
                    "next_recommended_follow_up": None,
                    "next_follow_up_date": None,
                },
            ],
            "next_follow_up_date": None,
            "initial_inquiry": None,
            "estimated_value": 99.5,
            "consent": dict.fromkeys(
                ("opted_out_at", "reason", "opted_in_at", "opted_in_by", "source")
            ),
            "created_at": iso(NOON),
            "updated_at": iso(NOON),
        }
        assert (patient.name_key, patient.language) == ("maria lopez", "es")

    async def test_one_channel_need_not_be_a_list(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        body = MARIA | {"preferred_channel": "whatsapp"}

        answer = await app_client.post(PATIENTS, headers=headers, json=body)

        assert answer.json()["preferred_channel"] == ["whatsapp"]

    @pytest.mark.parametrize(
        ("given", "starts"),
        [
            ("2026-11-20", "2026-11-20T05:00:00Z"),
            ("2026-07-01", "2026-07-01T04:00:00Z"),  # summer time, and past
            ("2020-02-29", "2020-02-29T05:00:00Z"),
            ("2026-11-01", "2026-11-01T04:00:00Z"),  # the clock goes back that day
            ("2026-03-08", "2026-03-08T05:00:00Z"),  # and forward
            ("2026-11-20T00:00:00Z", "2026-11-19T05:00:00Z"),  # still the 19th in New York
            ("2026-11-20T23:30:00-05:00", "2026-11-20T05:00:00Z"),
            ("2026-11-20T23:30:00", "2026-11-20T05:00:00Z"),
            ("2026-11-21T03:00:00+00:00", "2026-11-20T05:00:00Z"),
        ],
    )
    async def test_a_follow_up_is_a_day_at_the_clinic(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        given: str,
        starts: str,
    ) -> None:
        answer = await app_client.post(
            PATIENTS, headers=headers, json=MARIA | {"next_follow_up_date": given}
        )

        assert answer.json()["next_follow_up_date"] == starts
        due = (await only_one(repositories)).next_follow_up_date
        assert due is not None
        assert iso(due) == starts

    async def test_refuses_a_second_of_the_same_name_on_one_address(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        await app_client.post(PATIENTS, headers=headers, json=MARIA)
        again = MARIA | {"name": "MARÍA LÓPEZ", "email": "maria.lopez+x@example.com"}

        refused = problem(
            await app_client.post(PATIENTS, headers=headers, json=again), 409, "duplicate-patient"
        )

        assert refused["patient_id"] == str((await only_one(repositories)).id)

    async def test_takes_a_true_namesake_and_the_rest_of_the_family(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        for person in (MARIA, MARIA | {"allow_duplicate": True}, MARIA | {"name": "Jon Lopez"}):
            answer = await app_client.post(PATIENTS, headers=headers, json=person)
            assert answer.status_code == 201

        family = await repositories.patients.with_email("maria.lopez+x@example.com")
        names = [patient.name for patient in family]
        assert names == ["Maria Lopez", "Maria Lopez", "Jon Lopez"]

    async def test_of_ten_at_once_one_is_stored(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        answers = await asyncio.gather(
            *(app_client.post(PATIENTS, headers=headers, json=MARIA) for _ in range(10))
        )

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
        await only_one(repositories)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"email": None, "phone": None},
            {"name": " "},
            {"name": "Maria\nBcc: all@example.com"},
            {"name": "Maria\u2028Lopez"},
            {"name": "\u202eaziraM"},
            {"name": "\u200b\u2060"},  # there, and not to be seen
            {"name": "x" * 121},
            {"email": "maria"},
            {"email": "maria@example.com\r\nBcc: all@example.com"},
            {"phone": "12"},
            {"phone": "call me"},
            {"patient_type": "VIP"},
            {"preferred_channel": []},
            {"preferred_channel": ["fax"]},
            {"language": "xx"},
            {"next_follow_up_date": "2026-02-30"},
            {"next_follow_up_date": "9999-12-31"},
            {"next_follow_up_date": "0001-01-01"},
            {"next_follow_up_date": 20261120},
            {"next_follow_up_date": "soon"},
            {"next_follow_up_date": "2026-03-08T02:30:00"},  # skipped in New York
            {"treatment_history": [{"procedure_name": ""}]},
            {"treatment_history": [{"procedure_name": "Exam", "price": 1}]},
            {"estimated_value": -1},
            {"estimated_value": 1.234},
            {"initial_inquiry": "x" * 1001},
            {"_id": NOBODY},
            {"patient_id": NOBODY},
            {"status": "DECEASED"},
            {"consent": {"opted_out_at": None}},
            {"name_key": "x"},
        ],
    )
    async def test_refuses_what_is_malformed_and_stores_nothing(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        wrong: dict[str, object],
    ) -> None:
        answer = await app_client.post(PATIENTS, headers=headers, json=MARIA | wrong)

        problem(answer, 422)
        assert await repositories.patients.is_empty()

    async def test_says_nothing_of_what_was_sent(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        answer = await app_client.post(PATIENTS, headers=headers, json=MARIA | {"phone": "secret"})

        assert "secret" not in answer.text


class TestList:
    @pytest.fixture(autouse=True)
    async def _people(self, repositories: Repositories) -> None:
        """Three people."""
        for person in (
            make_patient(name="Zoë Adams", email="zoe@example.com", phone="+442079460018"),
            make_patient(
                name="Maria Lopez",
                email="m.lopez@example.com",
                phone="+12125550142",
                patient_type=PatientType.EXISTING,
            ),
            make_patient(name="Ann Lopez", status=PatientStatus.INACTIVE),
        ):
            await repositories.patients.insert(person)

    @pytest.mark.parametrize(
        ("params", "names"),
        [
            ({}, ["Ann Lopez", "Maria Lopez", "Zoë Adams"]),
            ({"q": "lopez"}, ["Ann Lopez", "Maria Lopez"]),
            ({"q": "zoe"}, ["Zoë Adams"]),
            ({"q": "M.LOPEZ@"}, ["Maria Lopez"]),
            ({"q": "212-555"}, ["Maria Lopez"]),
            ({"q": "+44 20 7946"}, ["Zoë Adams"]),
            ({"q": "0142"}, ["Maria Lopez"]),
            ({"q": ".*"}, []),
            ({"q": '{"$gt": ""}'}, []),
            ({"patient_type": "EXISTING"}, ["Maria Lopez"]),
            ({"status": "INACTIVE"}, ["Ann Lopez"]),
            ({"status": "ACTIVE", "q": "lopez"}, ["Maria Lopez"]),
            ({"limit": 1, "page": 2}, ["Maria Lopez"]),
            ({"page": 9}, []),
        ],
    )
    async def test_answers_who_was_asked_for_by_name(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        params: dict[str, str | int],
        names: list[str],
    ) -> None:
        answer = await app_client.get(PATIENTS, headers=headers, params=params)

        assert [patient["name"] for patient in answer.json()["patients"]] == names
        assert set(answer.json()["pagination"]) == {"total_items", "total_pages", "current_page"}

    @pytest.mark.parametrize(
        "params", [{"q": " "}, {"status": "x"}, {"limit": 101}, {"page": -1}, {"q": "a\nb"}]
    )
    async def test_refuses_what_is_malformed(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        params: dict[str, str | int],
    ) -> None:
        problem(await app_client.get(PATIENTS, headers=headers, params=params), 422)


class TestListOfMany:
    async def test_a_search_counts_up_to_a_thousand(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        for number in range(1001):
            await repositories.patients.insert(make_patient(name=f"Smith {number:04d}"))

        searched = await app_client.get(PATIENTS, headers=headers, params={"q": "smith"})
        listed = await app_client.get(PATIENTS, headers=headers)

        assert searched.json()["pagination"] == {
            "total_items": 1000,
            "total_pages": 50,
            "current_page": 1,
            "total_is_lower_bound": True,
        }
        assert listed.json()["pagination"] == {
            "total_items": 1001,
            "total_pages": 51,
            "current_page": 1,
        }


class TestPage:
    async def test_shows_campaigns_visits_and_consent(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        patient = await repositories.patients.insert(
            make_patient(consent=Consent(opted_out_at=NOON, reason="opt_out", source="staff:x"))
        )
        campaign = await stored_campaign(repositories, patient, status=CampaignStatus.RECOVERED)
        visit = await repositories.appointments.insert(
            make_visit(
                NOON - DAY,
                patient_id=patient.id,
                campaign_id=campaign.id,
                status=AppointmentStatus.COMPLETED,
            )
        )
        await stored_campaign(repositories)

        answer = await app_client.get(f"{PATIENTS}/{patient.id}", headers=headers)

        body = answer.json()
        assert body["patient"]["patient_id"] == str(patient.id)
        assert body["patient"]["consent"]["opted_out_at"] == iso(NOON)
        assert [row["campaign_id"] for row in body["campaigns"]] == [str(campaign.id)]
        assert body["appointments"] == [
            {
                "appointment_id": str(visit.id),
                "campaign_id": str(campaign.id),
                "service_name": "Filling",
                "appointment_date": iso(NOON - DAY),
                "duration_minutes": 30,
                "status": "completed",
            }
        ]

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        problem(await app_client.get(f"{PATIENTS}/{NOBODY}", headers=headers), 404)
        problem(await app_client.get(f"{PATIENTS}/x", headers=headers), 422)


class TestUpdate:
    @pytest.fixture
    async def patient(self, repositories: Repositories) -> Patient:
        """Somebody with everything."""
        return await repositories.patients.insert(
            make_patient(
                name="Maria Lopez",
                email="maria@example.com",
                phone="+12125550142",
                next_follow_up_date=NOON,
                estimated_value=10,
            )
        )

    async def test_changes_what_is_named_and_nothing_else(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        patient: Patient,
        clock: FrozenClock,
    ) -> None:
        clock.advance(minutes=1)
        body = {"phone": "212 555 0199", "next_follow_up_date": "2027-01-05", "status": "INACTIVE"}

        answer = await app_client.patch(f"{PATIENTS}/{patient.id}", headers=headers, json=body)

        assert answer.status_code == 200
        now = await reread(repositories, patient.id)
        expected = patient.model_copy(
            update={
                "phone": "+12125550199",
                "next_follow_up_date": now.next_follow_up_date,
                "status": PatientStatus.INACTIVE,
                "updated_at": clock.now(),
            }
        )
        assert now == expected
        assert answer.json()["next_follow_up_date"] == "2027-01-05T05:00:00Z"

    async def test_null_removes_what_may_be_absent(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        patient: Patient,
    ) -> None:
        body = {
            "phone": None,
            "next_follow_up_date": None,
            "initial_inquiry": None,
            "estimated_value": None,
            "treatment_history": None,
        }

        answer = await app_client.patch(f"{PATIENTS}/{patient.id}", headers=headers, json=body)

        assert answer.status_code == 200
        now = await reread(repositories, patient.id)
        assert (now.phone, now.next_follow_up_date, now.initial_inquiry) == (None, None, None)
        assert (now.estimated_value, now.treatment_history) == (None, [])

    async def test_a_new_name_is_found_under_its_new_key(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        patient: Patient,
    ) -> None:
        body = {"name": "Maria Núñez", "email": "M.Nunez@Example.com"}

        await app_client.patch(f"{PATIENTS}/{patient.id}", headers=headers, json=body)

        (now,) = await repositories.patients.with_email("m.nunez@example.com")
        assert (now.name, now.name_key) == ("Maria Núñez", "maria nunez")

    async def test_refuses_to_become_somebody_else(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        patient: Patient,
    ) -> None:
        other = await repositories.patients.insert(make_patient(name="Maria Lopez"))

        answer = await app_client.patch(
            f"{PATIENTS}/{patient.id}", headers=headers, json={"email": other.email}
        )

        problem(answer, 409, "duplicate-patient")
        assert await reread(repositories, patient.id) == patient

    async def test_a_namesake_stays_apart_when_the_name_is_written_again(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        await app_client.post(PATIENTS, headers=headers, json=MARIA)
        second = await app_client.post(
            PATIENTS, headers=headers, json=MARIA | {"allow_duplicate": True}
        )
        path = f"{PATIENTS}/{second.json()['patient_id']}"

        answer = await app_client.patch(path, headers=headers, json={"name": "María Lopez"})

        assert answer.status_code == 200
        assert answer.json()["name"] == "María Lopez"

    @pytest.mark.parametrize("body", [{"email": None, "phone": None}])
    async def test_refuses_to_remove_the_last_way_to_reach_them(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        patient: Patient,
        body: dict[str, None],
    ) -> None:
        answer = await app_client.patch(f"{PATIENTS}/{patient.id}", headers=headers, json=body)

        problem(answer, 422, "patient-without-contact")
        assert await reread(repositories, patient.id) == patient

    async def test_of_two_who_remove_one_way_each_one_is_refused(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        patient: Patient,
    ) -> None:
        answers = await asyncio.gather(
            *(
                app_client.patch(f"{PATIENTS}/{patient.id}", headers=headers, json={way: None})
                for way in ("email", "phone")
            )
        )

        assert sorted(answer.status_code for answer in answers) == [200, 422]
        now = await reread(repositories, patient.id)
        assert (now.email is None) != (now.phone is None)

    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"name": None},
            {"patient_type": None},
            {"status": None},
            {"language": None},
            {"preferred_channel": None},
            {"name": "Maria\r\nBcc: x"},
            {"phone": "x"},
            {"email": "x"},
            {"status": "GONE"},
            {"consent": {}},
            {"_id": NOBODY},
            {"name_key": "x"},
            {"created_at": "2020-01-01T00:00:00Z"},
            {"allow_duplicate": True},
            {"$set": {"name": "x"}},
        ],
    )
    async def test_refuses_what_is_malformed_and_changes_nothing(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        patient: Patient,
        wrong: dict[str, object],
    ) -> None:
        answer = await app_client.patch(f"{PATIENTS}/{patient.id}", headers=headers, json=wrong)

        problem(answer, 422)
        assert await reread(repositories, patient.id) == patient

    async def test_knows_no_other(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        answer = await app_client.patch(f"{PATIENTS}/{NOBODY}", headers=headers, json={"name": "X"})

        problem(answer, 404, "patient-not-found")


WISH = {"reason": "asked on the phone"}


class TestConsent:
    async def test_an_opt_out_stops_what_has_not_left(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
    ) -> None:
        campaign = await stored_campaign(repositories)
        waiting = await repositories.interactions.insert(
            make_message(NOON, campaign_id=campaign.id, patient_id=campaign.patient_id)
        )

        answer = await app_client.post(
            f"{PATIENTS}/{campaign.patient_id}/opt-out", headers=headers, json=WISH
        )

        consent = answer.json()["consent"]
        assert (consent["opted_out_at"], consent["reason"]) == (iso(NOON), "opt_out")
        assert consent["source"].startswith("staff:")
        assert consent["source"].endswith("asked on the phone")
        assert (await reload(repositories, campaign)).status == CampaignStatus.RECOVERY_DECLINED
        await send_all(services)
        kept = await repositories.interactions.get(waiting.id)
        assert kept is not None
        assert kept.delivery is not None
        assert (kept.delivery.status, kept.delivery.error) == (
            DeliveryStatus.SUPPRESSED,
            "opted_out",
        )

    async def test_holds_for_one_person_of_a_family(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
    ) -> None:
        one, other = [
            await repositories.patients.insert(make_patient(name=name, email="fam@example.com"))
            for name in ("Ann Lopez", "Ben Lopez")
        ]
        campaign = await stored_campaign(repositories, other)
        waiting = await repositories.interactions.insert(
            make_message(NOON, campaign_id=campaign.id, patient_id=other.id)
        )

        await app_client.post(f"{PATIENTS}/{one.id}/opt-out", headers=headers, json=WISH)
        await send_all(services)

        kept = await repositories.interactions.get(waiting.id)
        assert kept is not None
        assert kept.delivery is not None
        assert kept.delivery.status == DeliveryStatus.SENT

    async def test_an_opt_in_lifts_it_and_records_who_and_when(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        services: Services,
        clock: FrozenClock,
    ) -> None:
        patient = await repositories.patients.insert(
            make_patient(consent=Consent(opted_out_at=NOON - DAY, reason="opt_out"))
        )
        await repositories.suppressions.add(
            Suppression(
                address=patient.email or "",
                reason=SuppressionReason.OPT_OUT,
                at=NOON - DAY,
                source="reply",
            )
        )

        answer = await app_client.post(
            f"{PATIENTS}/{patient.id}/opt-in",
            headers=headers,
            json={"reason": "signed a form", "consented_by": "their mother"},
        )

        consent = answer.json()["consent"]
        assert (consent["opted_out_at"], consent["opted_in_at"]) == (None, iso(NOON))
        assert consent["source"].endswith("signed a form")
        assert consent["opted_in_by"] == "their mother"
        campaign = await stored_campaign(repositories, patient)
        message = make_message(
            clock.now(),
            campaign_id=campaign.id,
            patient_id=patient.id,
            message_class=MessageClass.OUTREACH,
        )
        await repositories.interactions.insert(message)
        await send_all(services)
        kept = await repositories.interactions.get(message.id)
        assert kept is not None
        assert kept.delivery is not None
        assert kept.delivery.status == DeliveryStatus.SENT

    async def test_an_opt_in_does_not_revive_a_dead_address(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        patient = await repositories.patients.insert(make_patient())
        address = patient.email or ""
        await repositories.suppressions.add(
            Suppression(
                address=address, reason=SuppressionReason.HARD_BOUNCE, at=NOON, source="smtp"
            )
        )

        await app_client.post(f"{PATIENTS}/{patient.id}/opt-in", headers=headers, json=WISH)

        assert await repositories.suppressions.for_address(address) is not None

    async def test_twice_is_once(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        clock: FrozenClock,
    ) -> None:
        patient = await repositories.patients.insert(make_patient())
        path = f"{PATIENTS}/{patient.id}/opt-out"
        await app_client.post(path, headers=headers, json=WISH)
        clock.advance(minutes=1)

        answer = await app_client.post(path, headers=headers, json=WISH)

        assert answer.status_code == 200
        assert answer.json()["consent"]["opted_out_at"] == iso(NOON)

    @pytest.mark.parametrize("wish", ["opt-out", "opt-in"])
    async def test_needs_a_reason_and_a_patient(
        self,
        app_client: httpx.AsyncClient,
        headers: dict[str, str],
        repositories: Repositories,
        wish: str,
    ) -> None:
        patient = await repositories.patients.insert(make_patient())

        for body in ({}, {"reason": " "}, {"reason": "x" * 201}, WISH | {"at": "now"}):
            answer = await app_client.post(
                f"{PATIENTS}/{patient.id}/{wish}", headers=headers, json=body
            )
            problem(answer, 422)
        nobody = await app_client.post(f"{PATIENTS}/{NOBODY}/{wish}", headers=headers, json=WISH)
        problem(nobody, 404, "patient-not-found")
        assert (await reread(repositories, patient.id)).consent == Consent()
