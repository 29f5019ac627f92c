"""The link in a visit's letter, at the front door."""

from typing import Any

import httpx
import pytest

from app.db.repositories.campaigns import CampaignFilter
from app.models.base import as_object_id, new_id
from app.models.campaign import CampaignStatus
from app.services.container import Services
from app.services.tokens import TokenPurpose
from tests.api.test_public import BOOK, booking_form, known_patient, problem
from tests.factories import make_campaign
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo


@pytest.fixture
async def link(app_client: httpx.AsyncClient, furnished: Services) -> str:
    """The path of the manage link of a fresh visit, on 20 August at 09:00, with a campaign."""
    patient = await known_patient(furnished)
    await furnished.repositories.campaigns.insert(make_campaign(patient_id=patient.id))
    answer = await app_client.post(BOOK, json=booking_form(patient))
    return httpx.URL(answer.json()["manage_url"]).path


async def campaign_status(services: Services) -> CampaignStatus:
    """Where the only campaign stands."""
    found = await services.repositories.campaigns.page(CampaignFilter(), sort=[], page=1, limit=2)
    (campaign,) = found.items
    return campaign.status


class TestSee:
    async def test_shows_the_visit_and_not_the_patient(
        self, app_client: httpx.AsyncClient, link: str
    ) -> None:
        answer = await app_client.get(link)

        assert answer.status_code == 200
        body = answer.json()
        assert body["status"] == "booked"
        assert body["local_time"] == "2026-08-20T09:00"
        assert body["provider_name"] == "Dr. Rivera"
        assert body["can_be_changed"] is True
        assert "Dana" not in answer.text

    async def test_changes_nothing_however_often(
        self, app_client: httpx.AsyncClient, link: str, furnished: Services
    ) -> None:
        for path in (link, f"{link}/confirm", f"{link}/cancel", f"{link}/reschedule"):
            await app_client.get(path)
            await app_client.head(path)

        assert (await app_client.get(link)).json()["status"] == "booked"
        assert await campaign_status(furnished) == CampaignStatus.BOOKING_INITIATED


class TestConfirm:
    async def test_confirms_once_and_for_all(
        self, app_client: httpx.AsyncClient, link: str, furnished: Services
    ) -> None:
        first = await app_client.post(f"{link}/confirm")
        again = await app_client.post(f"{link}/confirm")

        assert (first.status_code, first.json()["status"]) == (200, "confirmed")
        assert again.json() == first.json()
        assert await campaign_status(furnished) == CampaignStatus.BOOKING_COMPLETED

    async def test_not_after_a_cancellation(self, app_client: httpx.AsyncClient, link: str) -> None:
        await app_client.post(f"{link}/cancel")

        answer = await app_client.post(f"{link}/confirm")

        assert problem(answer) == (409, "appointment-transition")


class TestCancel:
    async def test_frees_the_time_and_follows_up(
        self, app_client: httpx.AsyncClient, link: str, furnished: Services
    ) -> None:
        answer = await app_client.post(f"{link}/cancel")

        assert answer.json()["status"] == "cancelled"
        assert answer.json()["can_be_changed"] is False
        assert await campaign_status(furnished) == CampaignStatus.RE_ENGAGED
        other = booking_form(await known_patient(furnished))
        assert (await app_client.post(BOOK, json=other)).status_code == 201

    @pytest.mark.parametrize("operation", ["confirm", "cancel", "reschedule"])
    async def test_nothing_once_the_visit_has_begun(
        self, app_client: httpx.AsyncClient, link: str, clock: FrozenClock, operation: str
    ) -> None:
        clock.advance(hours=21)
        body = {"appointment_date": "2026-08-21T10:00"} if operation == "reschedule" else None

        answer = await app_client.post(f"{link}/{operation}", json=body)

        assert problem(answer) == (409, "visit-has-begun")


class TestReschedule:
    async def test_moves_and_frees(
        self, app_client: httpx.AsyncClient, link: str, furnished: Services
    ) -> None:
        await app_client.post(f"{link}/confirm")

        answer = await app_client.post(
            f"{link}/reschedule", json={"appointment_date": "2026-08-21T10:30"}
        )

        assert answer.status_code == 200
        assert answer.json()["local_time"] == "2026-08-21T10:30"
        assert answer.json()["status"] == "booked"
        assert await campaign_status(furnished) == CampaignStatus.BOOKING_INITIATED
        other = booking_form(await known_patient(furnished))
        assert (await app_client.post(BOOK, json=other)).status_code == 201

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"appointment_date": "2026-08-20T10:00"}, (409, "slot-taken")),
            ({"appointment_date": "2026-08-22T10:00"}, (422, "not-bookable")),
            ({"appointment_date": "2026-08-19T13:00"}, (422, "not-bookable")),
            ({}, (422, "validation")),
            ({"appointment_date": "2026-08-21T10:00", "notes": "x"}, (422, "validation")),
        ],
    )
    async def test_refuses_what_the_booking_site_would(
        self,
        app_client: httpx.AsyncClient,
        link: str,
        furnished: Services,
        body: dict[str, Any],
        expected: tuple[int, str],
    ) -> None:
        other = booking_form(await known_patient(furnished), appointment_date="2026-08-20T10:00")
        await app_client.post(BOOK, json=other)

        answer = await app_client.post(f"{link}/reschedule", json=body)

        assert problem(answer) == expected
        assert (await app_client.get(link)).json()["local_time"] == "2026-08-20T09:00"


class TestLink:
    @pytest.mark.parametrize("kind", ["garbage", "foreign", "expired", "of no visit", "no id"])
    async def test_a_link_that_is_none_is_not_found(
        self, app_client: httpx.AsyncClient, furnished: Services, clock: FrozenClock, kind: str
    ) -> None:
        token = self._token(furnished, kind)
        if kind == "expired":
            clock.advance(days=401)

        for method, operation in (("GET", ""), ("POST", "/confirm"), ("POST", "/cancel")):
            path = f"/api/v1/appointments/manage/{token}{operation}"
            answer = await app_client.request(method, path)
            assert problem(answer) == (404, "invalid-link")
            assert token not in answer.text or kind == "garbage"

    def _token(self, services: Services, kind: str) -> str:
        issue = services.tokens.issue
        if kind == "garbage":
            return "garbage"
        if kind == "foreign":
            return issue(TokenPurpose.BOOKING, appointment_id=str(new_id()))
        if kind == "no id":
            return issue(TokenPurpose.MANAGE_APPOINTMENT, appointment_id="all")
        return issue(TokenPurpose.MANAGE_APPOINTMENT, appointment_id=str(new_id()))

    async def test_a_deleted_visit_is_not_found(
        self, app_client: httpx.AsyncClient, link: str, furnished: Services
    ) -> None:
        appointment_id = as_object_id((await app_client.get(link)).json()["appointment_id"])
        assert appointment_id is not None
        await furnished.scheduling.appointments.delete(appointment_id, by="staff:x")

        assert problem(await app_client.get(link)) == (404, "invalid-link")
