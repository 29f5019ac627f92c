"""Letters to look at, in the practice's voice."""

from typing import Any

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.role import StaffRole
from tests.api.admin.desk import ADMIN, NOBODY, problem
from tests.conftest import HeadersFor
from tests.factories import make_patient

pytestmark = pytest.mark.mongo

PREVIEW = f"{ADMIN}/messages/preview"
VOICE = {
    "signature": "Dr. Ana Ruiz",
    "en": {
        "greeting": "Dear",
        "closing_line": "We look forward to seeing you.",
        "sign_off": "Yours,",
        "disclosure": "Nora, our virtual assistant, wrote this.",
    },
    "es": {"greeting": "Buenos días"},
}


@pytest.fixture
async def headers(headers_for: HeadersFor) -> dict[str, str]:
    """Somebody who keeps the settings."""
    return await headers_for(StaffRole.OFFICE_MANAGER)


class TestPreview:
    async def test_shows_each_letter_as_it_would_be_sent_and_keeps_nothing(
        self, app_client: httpx.AsyncClient, headers: dict[str, str], repositories: Repositories
    ) -> None:
        async def show(**body: Any) -> dict[str, str]:
            answer = await app_client.post(PREVIEW, headers=headers, json=body)
            assert answer.status_code == 200, answer.text
            shown: dict[str, str] = answer.json()
            assert shown.keys() == {"subject", "text", "html", "short_text"}
            assert shown["html"].lstrip().lower().startswith("<!doctype html")
            assert shown["short_text"].startswith("Demo Dental")
            return shown

        asked = {"initial_inquiry": "teeth whitening", "patient_name": "Maria Lopez"}
        attempts = [await show(attempt=n, **asked) for n in (1, 2, 3, 4)]
        assert len({one["text"] for one in attempts}) == 4
        assert all("teeth whitening" in one["text"] for one in attempts)
        assert all("Hello Maria," in one["text"] for one in attempts)
        assert len({one["short_text"] for one in attempts}) == 4
        said = " ".join(one["short_text"] for one in attempts)
        assert (said.count("Reply STOP for no more."), said.count("whitening")) == (4, 0)
        recall = await show(campaign_type="RECALL", language="es", last_treatment="Limpieza")
        assert "Hola, Maria:" in recall["text"]
        assert "Limpieza" in recall["text"]
        assert "/book?" in recall["short_text"]
        kinds = ("booking_link", "answer", "closing", "handoff_notice", "emergency")
        letters = [await show(kind=kind) for kind in (*kinds, "opt_out_receipt")]
        assert len({one["subject"] for one in letters}) == 6

        known = await repositories.patients.insert(make_patient(name="Dana Smith", language="es"))
        theirs = await show(patient_id=str(known.id), voice=VOICE)
        assert "Buenos días, Dana:" in theirs["text"]
        assert "Dr. Ana Ruiz" in theirs["text"]
        assert str(known.id) not in theirs["text"]
        assert await repositories.outbox.outreach_to(known.id, 1) == []
        settings = await app_client.get(f"{ADMIN}/clinic", headers=headers)
        assert settings.json()["voice"]["signature"] is None

    async def test_the_voice_that_is_saved_is_in_every_letter_that_it_suits(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        changed = await app_client.patch(f"{ADMIN}/clinic", headers=headers, json={"voice": VOICE})
        assert changed.json()["voice"]["en"]["greeting"] == "Dear"

        async def show(kind: str) -> str:
            answer = await app_client.post(PREVIEW, headers=headers, json={"kind": kind})
            return str(answer.json()["text"])

        first, urgent = await show("outreach"), await show("emergency")
        assert first.startswith("Dear Maria,\n")
        assert "We look forward to seeing you.\n\nYours,\nDr. Ana Ruiz\nDemo Dental" in first
        assert "Nora, our virtual assistant, wrote this. To reach a person, call" in first
        assert "look forward" not in urgent
        assert urgent.startswith("Dear Maria,\n")

    async def test_refuses_what_is_no_letter(
        self, app_client: httpx.AsyncClient, headers: dict[str, str]
    ) -> None:
        wrong: list[dict[str, Any]] = [
            {"kind": "visit_booked"},
            {"attempt": 0},
            {"attempt": 21},
            {"language": "fr"},
            {"campaign_type": "SPAM"},
            {"patient_name": " "},
            {"answer": "x" * 4001},
            {"voice": {"en": {"greeting": "www.example.com"}}},
            {"voice": {"de": {}}},
            {"to": "somebody@example.com"},
        ]
        for body in wrong:
            problem(await app_client.post(PREVIEW, headers=headers, json=body), 422)
        body = {"patient_id": NOBODY}
        problem(await app_client.post(PREVIEW, headers=headers, json=body), 404)
