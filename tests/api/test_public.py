"""The booking site's operations, at the front door."""

import asyncio
from typing import Any

import httpx
import pytest

from app.models.base import as_object_id
from app.models.campaign import CampaignStatus
from app.models.patient import Patient
from app.models.schedule import Chair, Service
from app.services.container import Services
from tests.factories import make_campaign, make_patient

pytestmark = pytest.mark.mongo

BOOK = "/api/v1/appointments/book"
NINE = "2026-08-20T09:00"


async def known_patient(services: Services, **given: Any) -> Patient:
    """Somebody the practice knows."""
    return await services.repositories.patients.insert(make_patient(**given))


def booking_form(patient: Patient, **given: Any) -> dict[str, Any]:
    """What the booking form sends for them."""
    fields = {
        "name": patient.name,
        "email": patient.email,
        "phone": "+1 212-555-0199",
        "appointment_date": NINE,
        "service_id": "cleaning",
    }
    return {**fields, **given}


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and kind of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


class TestClinic:
    async def test_says_who_and_under_which_rules(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        answer = await app_client.get("/api/v1/clinic")

        assert answer.status_code == 200
        assert answer.json() == {
            "name": "Demo Dental Practice",
            "phone": "+1 212-555-0100",
            "address": "1 Demo Street, New York, NY 10001",
            "timezone": "America/New_York",
            "currency": "USD",
            "booking_rules": {
                "horizon_days": 180,
                "lead_minutes": 120,
                "slot_grid_minutes": 15,
                "allow_new_patient_booking": False,
            },
        }


class TestServices:
    async def test_lists_what_patients_can_book(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        hidden = {"duration_minutes": 30, "service_id": "x", "name": "X"}
        services = furnished.repositories.services
        await services.insert(Service(**{**hidden, "bookable_online": False}))  # type: ignore[arg-type]
        await services.insert(Service(**{**hidden, "service_id": "y", "active": False}))  # type: ignore[arg-type]

        answer = await app_client.get("/api/v1/services")

        assert answer.json() == {
            "services": [
                {
                    "service_id": "cleaning",
                    "name": "Check-up and Cleaning",
                    "duration_minutes": 30,
                },
                {"service_id": "whitening", "name": "Teeth Whitening", "duration_minutes": 60},
            ]
        }


class TestAvailability:
    async def test_answers_local_days_and_times(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        query: dict[str, Any] = {"month": 8, "year": 2026, "service_id": "cleaning"}

        answer = await app_client.get("/api/v1/availability", params=query)

        assert answer.status_code == 200
        assert answer.json()["2026-08-20"][:2] == ["09:00", "09:15"]
        assert "2026-08-22" not in answer.json()

    async def test_a_booked_time_is_gone_at_once(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        query: dict[str, Any] = {"month": 8, "year": 2026, "service_id": "cleaning"}
        patient = await known_patient(furnished)
        await app_client.post(BOOK, json=booking_form(patient))

        answer = await app_client.get("/api/v1/availability", params=query)

        assert answer.json()["2026-08-20"][0] == "09:30"

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"service_id": "surgery"}, (404, "service-not-found")),
            ({"provider_id": "66f2a1b4c3d2e1f0a9b8c7d6"}, (404, "provider-not-found")),
            ({"provider_id": "nobody"}, (422, "validation")),
            ({"month": 13}, (422, "validation")),
            ({"service_id": "NOT A SLUG"}, (422, "validation")),
        ],
    )
    async def test_refuses_what_is_unknown_or_malformed(
        self,
        app_client: httpx.AsyncClient,
        furnished: Services,
        change: dict[str, Any],
        expected: tuple[int, str],
    ) -> None:
        query: dict[str, Any] = {"month": 8, "year": 2026, "service_id": "cleaning"}

        answer = await app_client.get("/api/v1/availability", params={**query, **change})

        assert problem(answer) == expected


class TestSlots:
    async def test_answers_instants_and_who_is_free(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        query = {"from": "2026-08-20", "to": "2026-08-20", "service_id": "cleaning"}
        provider = (await furnished.repositories.providers.every())[0]

        answer = await app_client.get("/api/v1/availability/slots", params=query)

        assert answer.json()["timezone"] == "America/New_York"
        assert answer.json()["slots"][0] == {
            "starts_at": "2026-08-20T13:00:00Z",
            "local_time": "2026-08-20T09:00",
            "providers": [{"provider_id": str(provider.id), "name": "Dr. Rivera"}],
        }

    async def test_refuses_more_than_62_days(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        query = {"from": "2026-08-20", "to": "2026-12-20", "service_id": "cleaning"}

        answer = await app_client.get("/api/v1/availability/slots", params=query)

        assert problem(answer) == (422, "invalid-span")

    async def test_refuses_the_beginning_of_the_calendar(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        first = {"from": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z"}
        query = {**first, "service_id": "cleaning"}

        answer = await app_client.get("/api/v1/availability/slots", params=query)

        assert problem(answer) == (422, "time-out-of-range")


class TestBook:
    async def test_books_and_moves_the_campaign(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        patient = await known_patient(furnished)
        campaign = await furnished.repositories.campaigns.insert(
            make_campaign(patient_id=patient.id)
        )

        answer = await app_client.post(BOOK, json=booking_form(patient))

        assert answer.status_code == 201
        body = answer.json()
        assert set(body) == {"message", "appointment_id", "manage_url"}
        assert body["message"] == "Appointment booked successfully."
        visit_id = as_object_id(body["appointment_id"])
        assert visit_id is not None
        visit = await furnished.repositories.appointments.get(visit_id)
        assert visit is not None
        assert visit.campaign_id == campaign.id
        moved = await furnished.repositories.campaigns.get(campaign.id)
        assert moved is not None
        assert moved.status == CampaignStatus.BOOKING_INITIATED
        view = await app_client.get(httpx.URL(body["manage_url"]).path)
        assert view.json()["appointment_date"] == "2026-08-20T13:00:00Z"

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"email": "nobody@example.com"}, (404, "patient-not-found")),
            ({"service_id": "surgery"}, (404, "service-not-found")),
            ({"provider_id": "66f2a1b4c3d2e1f0a9b8c7d6"}, (404, "provider-not-found")),
            ({"appointment_date": "2026-08-20T09:05"}, (422, "not-bookable")),
            ({"appointment_date": "2026-08-22T09:00"}, (422, "not-bookable")),
            ({"appointment_date": "2020-08-20T09:00"}, (422, "not-bookable")),
            ({"appointment_date": "2027-03-14T02:30"}, (422, "local-time-nonexistent")),
            ({"appointment_date": "2026-11-01T01:30"}, (422, "local-time-ambiguous")),
            ({"phone": "call me"}, (422, "invalid-phone")),
            ({"appointment_date": "soon"}, (422, "validation")),
            ({"appointment_date": 1787230800}, (422, "validation")),
            ({"appointment_date": "0001-01-01T00:00:00Z"}, (422, "validation")),
            ({"service_id": None}, (422, "validation")),
            ({"email": "not an address"}, (422, "validation")),
            ({"name": "Dana\nBcc: x"}, (422, "validation")),
            ({"name": ""}, (422, "validation")),
            ({"status": "completed"}, (422, "validation")),
        ],
    )
    async def test_refuses(
        self,
        app_client: httpx.AsyncClient,
        furnished: Services,
        change: dict[str, Any],
        expected: tuple[int, str],
    ) -> None:
        patient = await known_patient(furnished)

        answer = await app_client.post(BOOK, json=booking_form(patient, **change))

        assert problem(answer) == expected
        assert patient.name not in answer.text
        query: dict[str, Any] = {"month": 8, "year": 2026, "service_id": "cleaning"}
        free = await app_client.get("/api/v1/availability", params=query)
        assert free.json()["2026-08-20"][0] == "09:00"

    async def test_a_taken_slot_names_three_free_ones(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        await app_client.post(BOOK, json=booking_form(await known_patient(furnished)))
        late = booking_form(await known_patient(furnished))

        answer = await app_client.post(BOOK, json=late)

        assert problem(answer) == (409, "slot-taken")
        alternatives = answer.json()["alternatives"]
        assert len(alternatives) == 3
        late["appointment_date"] = alternatives[0]["appointment_date"]
        assert (await app_client.post(BOOK, json=late)).status_code == 201

    async def test_the_patients_own_visit_is_another_problem(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        await furnished.repositories.chairs.insert(Chair(name="Room 2"))
        patient = await known_patient(furnished)
        await app_client.post(BOOK, json=booking_form(patient))

        answer = await app_client.post(BOOK, json=booking_form(patient))

        assert problem(answer) == (409, "patient-has-visit")
        assert len(answer.json()["alternatives"]) == 3

    async def test_twenty_identical_requests_are_one_visit(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        form = booking_form(await known_patient(furnished))
        headers = {"Idempotency-Key": "5f0c1d8e-7a52"}

        answers = await asyncio.gather(
            *(app_client.post(BOOK, json=form, headers=headers) for _ in range(20))
        )

        assert {one.status_code for one in answers} == {201}
        assert len({one.text for one in answers}) == 1

    async def test_a_key_is_bound_to_its_body(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        form = booking_form(await known_patient(furnished))
        headers = {"Idempotency-Key": "5f0c1d8e-7a52"}
        await app_client.post(BOOK, json=form, headers=headers)

        other = await app_client.post(BOOK, json={**form, "notes": "x"}, headers=headers)

        assert problem(other) == (422, "idempotency-key-reused")

    @pytest.mark.parametrize("key", ["", " ", "a b", "k" * 256])
    async def test_a_key_is_visible_ascii(
        self, app_client: httpx.AsyncClient, furnished: Services, key: str
    ) -> None:
        form = booking_form(await known_patient(furnished))

        answer = await app_client.post(BOOK, json=form, headers={"Idempotency-Key": key})

        assert problem(answer) == (422, "validation")

    async def test_a_refusal_is_replayed(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        await app_client.post(BOOK, json=booking_form(await known_patient(furnished)))
        form = booking_form(await known_patient(furnished))
        headers = {"Idempotency-Key": "5f0c1d8e-7a52"}

        first = await app_client.post(BOOK, json=form, headers=headers)
        again = await app_client.post(BOOK, json=form, headers=headers)

        assert problem(again) == problem(first) == (409, "slot-taken")
        assert again.json()["alternatives"] == first.json()["alternatives"]
