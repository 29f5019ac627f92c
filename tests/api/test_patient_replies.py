"""What a patient receives for what they wrote, from the webhook to the letter, over HTTP."""

import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.models.interaction import Direction, Interaction
from app.services.container import Services
from tests.api.admin.desk import ADMIN, LEAD, V1
from tests.api.pages.browser import Browser
from tests.conftest import Drain
from tests.services.test_email_processor import push

pytestmark = pytest.mark.mongo


@dataclass
class FrontDoor:
    """The service over HTTP, signed in to, with leads who reply."""

    client: httpx.AsyncClient
    services: Services
    headers: dict[str, str]
    drain: Drain
    leads: int = 0

    async def lead(self, **given: Any) -> str:
        """The id of the campaign of somebody who was just written to."""
        self.leads += 1
        person = {"patient_email": f"lead{self.leads}@example.com", "patient_phone": None}
        created = await self.client.post(
            f"{ADMIN}/campaigns/recovery", json={**LEAD, **person, **given}, headers=self.headers
        )
        assert created.status_code == 201, created.text
        await self.drain()
        return str(created.json()["campaign_id"])

    async def reply(self, campaign_id: str, text: str) -> None:
        """The lead answers in the thread, and the service works it off."""
        found = await self._said(campaign_id)
        first, number = found[0], len(found)
        relayed = {
            "thread_id": first.thread_id,
            "message_id": f"<r-{campaign_id}-{number}@mail.example.com>",
            "from": await self._address(first),
            "content": text,
        }
        pushed = await self.client.post(
            f"{V1}/webhooks/gmail", content=push(relayed, messageId=f"{campaign_id}{number}")
        )
        assert pushed.status_code == 200
        await self.drain()

    async def campaign(self, campaign_id: str) -> dict[str, Any]:
        """As staff see it."""
        answer = await self.client.get(f"{ADMIN}/campaigns/{campaign_id}", headers=self.headers)
        found: dict[str, Any] = answer.json()
        return {**found["campaign_details"], "said": found["conversation_history"]}

    async def received(self, campaign_id: str) -> list[str]:
        """The letters after the first one, as the patient reads them."""
        sent = [m for m in await self._said(campaign_id) if m.direction is Direction.OUTGOING]
        return [message.content for message in sent[1:]]

    async def _said(self, campaign_id: str) -> list[Interaction]:
        found = await self.services.repositories.interactions._find({})
        return [one for one in found if str(one.campaign_id) == campaign_id]

    async def _address(self, message: Interaction) -> str:
        assert message.patient_id is not None
        patient = await self.services.repositories.patients.get(message.patient_id)
        assert patient is not None
        return str(patient.email)


@pytest.fixture
def desk(
    app_client: httpx.AsyncClient,
    furnished: Services,
    admin_headers: dict[str, str],
    drain: Drain,
) -> FrontDoor:
    """A practice with its local engine."""
    return FrontDoor(app_client, furnished, admin_headers, drain)


class TestProposedTimes:
    async def test_the_letter_names_free_times_then_and_its_link_opens_on_them(
        self, desk: FrontDoor
    ) -> None:
        campaign_id = await desk.lead()

        await desk.reply(campaign_id, "Yes, please book me in! Thursday or Friday after 2 works.")

        [letter] = await desk.received(campaign_id)
        assert "these times for Teeth Whitening are free" in letter
        assert "- Thursday, August 20, 2026, 2:00 PM EDT" in letter
        assert "- Friday, August 21, 2026, 2:00 PM EDT" in letter
        assert letter.count("PM EDT") == 3
        link = next(word for word in letter.split() if "wanted=" in word)
        assert link.endswith("&wanted=20260820-20260821.1400-2400")
        seen = await desk.campaign(campaign_id)
        assert seen["booking_funnel"]["link_url"].partition("&")[2] == link.partition("&")[2]
        [reply] = [m for m in seen["said"] if m["direction"] == "incoming"]
        window = {"first": "2026-08-20", "last": "2026-08-21", "since": "14:00", "until": None}
        assert reply["proposed_times"]["windows"] == [{**window, "weekdays": []}]

        browser = Browser(desk.client)
        await browser.open(httpx.URL(link).raw_path.decode())
        await browser.click("Teeth Whitening")
        assert "Free times that go with what you wrote" in browser.text
        first = next(text for href, text in browser.document.links if "at=" in href)
        assert first == "Thursday, August 20, 2026, 2:00 PM EDT"
        await browser.click("day=2026-08-20")
        assert browser.text.index("2:00 PM") < browser.text.index("9:00 AM")
        await browser.click("2:00 PM")
        assert "Thursday, August 20, 2026, 2:00 PM EDT" in browser.text

    async def test_what_is_unclear_names_nothing_opens_all_days_and_staff_see_both(
        self, desk: FrontDoor
    ) -> None:
        campaign_id = await desk.lead()

        await desk.reply(campaign_id, "Yes please, I want to book. I could come 9/10 at 9.")

        [letter] = await desk.received(campaign_id)
        assert "every free time" in letter
        assert "wanted=" not in letter
        assert not re.search(r"September|October", letter)
        [reply] = [
            m for m in (await desk.campaign(campaign_id))["said"] if m["direction"] == "incoming"
        ]
        assert reply["proposed_times"]["is_ambiguous"]
        days = {window["first"] for window in reply["proposed_times"]["windows"]}
        assert days == {"2026-09-10", "2026-10-09"}
