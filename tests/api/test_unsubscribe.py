"""The unsubscribe link, as mail programs and people use it."""

import httpx
import pytest

from app.models.campaign import CampaignStatus
from app.models.patient import Patient
from app.models.records import SuppressionReason
from app.services.container import Services
from app.services.tokens import TokenPurpose
from tests.api.pages.browser import hold_to_the_headers
from tests.factories import make_campaign, make_patient
from tests.fakes import FrozenClock

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
async def patient(services: Services) -> Patient:
    return await services.repositories.patients.insert(make_patient())


@pytest.fixture
def path(services: Services, patient: Patient) -> str:
    token = services.tokens.issue(TokenPurpose.UNSUBSCRIBE, patient_id=str(patient.id))
    return f"/api/v1/unsubscribe/{token}"


async def suppressed(services: Services, patient: Patient) -> SuppressionReason | None:
    found = await services.repositories.suppressions.for_address(patient.email or "")
    return found.reason if found else None


class TestShow:
    async def test_asks_with_one_button_and_changes_nothing(
        self, app_client: httpx.AsyncClient, services: Services, patient: Patient, path: str
    ) -> None:
        page = (await app_client.get(path)).text

        assert page.count("<button") == 1
        assert "We will send you no more" not in page
        assert '<form method="post">' in page
        assert await suppressed(services, patient) is None

    async def test_tells_nobody_whose_link_it_is(
        self, app_client: httpx.AsyncClient, patient: Patient, path: str
    ) -> None:
        page = (await app_client.get(path)).text

        assert patient.name not in page
        assert (patient.email or "") not in page

    async def test_speaks_the_patients_language(
        self, app_client: httpx.AsyncClient, services: Services, patient: Patient, path: str
    ) -> None:
        await services.repositories.patients.update_fields(patient.id, {"language": "es"})

        assert "¿Dejar de recibir estos mensajes?" in (await app_client.get(path)).text

    async def test_a_chosen_language_comes_before_the_patients(
        self, app_client: httpx.AsyncClient, services: Services, patient: Patient, path: str
    ) -> None:
        await services.repositories.patients.update_fields(patient.id, {"language": "es"})

        assert "Stop these messages?" in (await app_client.get(f"{path}?lang=en")).text

    async def test_may_not_be_kept_framed_indexed_or_told_to_others(
        self, app_client: httpx.AsyncClient, path: str
    ) -> None:
        nonsense = "/api/v1/unsubscribe/nonsense"
        for answer in (
            await app_client.get(path),
            await app_client.post(path),
            await app_client.get(nonsense, headers={"Accept": BROWSER}),
        ):
            hold_to_the_headers(answer.headers)


class TestUnsubscribe:
    async def test_one_click_is_enough_and_may_come_twice(
        self, app_client: httpx.AsyncClient, services: Services, patient: Patient, path: str
    ) -> None:
        campaign = await services.repositories.campaigns.insert(
            make_campaign(patient_id=patient.id)
        )

        for _ in range(2):
            answer = await app_client.post(path, data={"List-Unsubscribe": "One-Click"})
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
            assert "location" not in answer.headers

        assert await suppressed(services, patient) == SuppressionReason.UNSUBSCRIBE_LINK
        stored = await services.repositories.patients.get(patient.id)
        assert stored is not None
        assert stored.has_opted_out
        after = await services.repositories.campaigns.get(campaign.id)
        assert after is not None
        assert after.status == CampaignStatus.RECOVERY_DECLINED

    async def test_the_button_sends_no_body(
        self, app_client: httpx.AsyncClient, services: Services, patient: Patient, path: str
    ) -> None:
        assert (await app_client.post(path)).status_code == 200
        assert await suppressed(services, patient) == SuppressionReason.UNSUBSCRIBE_LINK


class TestForgedLink:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_opens_nothing(
        self, app_client: httpx.AsyncClient, services: Services, patient: Patient, method: str
    ) -> None:
        other = services.tokens.issue(TokenPurpose.BOOKING, patient_id=str(patient.id))

        for token in (other, "nonsense"):
            answer = await app_client.request(method, f"/api/v1/unsubscribe/{token}")
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"].endswith("/invalid-link")
        assert await suppressed(services, patient) is None

    @pytest.mark.parametrize(
        ("prefers", "language", "title"),
        [
            ("", "en", "This link does not work"),
            ("es-MX,en;q=0.5", "es", "Este enlace no funciona"),
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_a_person_reads_so_on_a_page_without_a_button(
        self, app_client: httpx.AsyncClient, method: str, prefers: str, language: str, title: str
    ) -> None:
        headers = {"Accept": BROWSER, "Accept-Language": prefers}

        answer = await app_client.request(method, "/api/v1/unsubscribe/nonsense", headers=headers)

        assert answer.status_code == 404
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert f"<h1>{title}</h1>" in answer.text
        assert f'<html lang="{language}">' in answer.text
        assert "+1 212-555-0100" in answer.text
        assert "<button" not in answer.text

    async def test_so_does_one_whose_link_has_run_out(
        self, app_client: httpx.AsyncClient, clock: FrozenClock, path: str
    ) -> None:
        clock.advance(days=401)

        answer = await app_client.get(path, headers={"Accept": BROWSER})

        assert answer.status_code == 404
        assert "<h1>This link does not work</h1>" in answer.text
