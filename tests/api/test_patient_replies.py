"""What a patient receives for what they wrote, from the webhook to the letter, over HTTP."""

import re
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from app.models.event import EventKind
from app.models.interaction import DeliveryStatus, Direction, Interaction
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
    last: dict[str, Any] = field(default_factory=dict)

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

    async def teach(self, *articles: tuple[str, str]) -> None:
        """Keep articles in the knowledge base."""
        for title, body in articles:
            article = {"title": title, "body": body}
            await self.client.post(f"{ADMIN}/knowledge", json=article, headers=self.headers)

    async def gets(self, text: str) -> list[str]:
        """What a new lead receives who replies this; `last` is the campaign then."""
        campaign_id = await self.lead()
        await self.reply(campaign_id, text)
        self.last = await self.campaign(campaign_id)
        return await self.received(campaign_id)

    async def reply(self, campaign_id: str, text: str) -> None:
        """The lead answers in the thread, and the service works it off."""
        await self.push(campaign_id, text)
        await self.drain()

    async def push(self, campaign_id: str, text: str) -> None:
        """The lead's answer reaches the webhook."""
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

    async def campaign(self, campaign_id: str) -> dict[str, Any]:
        """As staff see it."""
        answer = await self.client.get(f"{ADMIN}/campaigns/{campaign_id}", headers=self.headers)
        found: dict[str, Any] = answer.json()
        return {**found["campaign_details"], "said": found["conversation_history"]}

    async def received(self, campaign_id: str) -> list[str]:
        """The letters after the first one, as the patient reads them."""
        sent = [m for m in await self._said(campaign_id) if m.direction is Direction.OUTGOING]
        left = [m for m in sent if m.delivery and m.delivery.status == DeliveryStatus.SENT]
        return [message.content for message in left[1:]]

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


ARTICLES = (
    ("Insurance", "We accept Delta Dental and MetLife."),
    ("Teeth whitening", "An in-office whitening costs $350. It takes about one hour."),
)
LINK = "booking_token="


class TestSeveralWishes:
    """Everything in a reply is served, or a person serves it; the more cautious reading leads."""

    async def test_a_wish_to_come_and_a_question_get_the_answer_and_the_link(
        self, desk: FrontDoor
    ) -> None:
        await desk.teach(*ARTICLES)

        [letter] = await desk.gets("Yes, Tuesday works, but do you take Delta Dental?")

        assert "We accept Delta Dental and MetLife." in letter
        assert LINK in letter
        assert "Tuesday, August 25, 2026" in letter

        # Half an answer would look like a whole one.
        start = await desk.services.repositories.events.newest()
        [notice] = await desk.gets("Yes please, book me in! Do you have parking?")
        told = await desk.services.repositories.events.after(start, 10)
        assert [one.kind for one in told] == [EventKind.REPLY, EventKind.ATTENTION]
        assert {str(one.campaign_id) for one in told} == {desk.last["campaign_id"]}
        assert LINK not in notice
        assert desk.last["status"] == "HANDOFF_REQUIRED"
        assert desk.last["attention"]["reason"] == "question_without_answer"

    async def test_a_no_and_a_question_go_to_a_person(self, desk: FrontDoor) -> None:
        await desk.teach(*ARTICLES)

        [notice] = await desk.gets(
            "No thank you, not interested in whitening. How much is a cleaning?"
        )

        assert desk.last["status"] == "HANDOFF_REQUIRED"
        assert desk.last["attention"]["reason"] == "several_requests"
        assert LINK not in notice

    async def test_an_emergency_and_a_stop_outrank_whatever_stands_beside_them(
        self, desk: FrontDoor
    ) -> None:
        [fixed] = await desk.gets(
            "Thank you so much for the reminder, you are all so kind! Tuesday would be lovely. My "
            "face has been swollen since last night and I have a fever."
        )
        assert LINK not in fixed
        assert "emergency" in fixed.lower()
        assert desk.last["attention"]["urgency"] == "urgent"

        [receipt] = await desk.gets(
            "Please stop sending me these emails. I would still like an appointment on Friday."
        )
        assert LINK not in receipt
        assert desk.last["attention"]["reason"] == "opted_out_and_asked"
        assert "Times proposed" not in desk.last["attention"]["summary"]

        both = await desk.gets("Stop emailing me! And my jaw is so swollen I cannot swallow.")
        assert any("emergency" in letter.lower() for letter in both)
        assert desk.last["attention"]["urgency"] == "urgent"
        await desk.drain()
        assert all(LINK not in letter for letter in both)


class TestNegations:
    async def test_no_word_alone_makes_a_yes_or_a_no(self, desk: FrontDoor) -> None:
        for yes in (
            "No problem, book me in.",
            "I can't wait to come in, please send me the link to book!",
            "I know, I know, it has been too long. Please book me in.",
        ):
            [letter] = await desk.gets(yes)
            assert LINK in letter, yes
            assert desk.last["status"] == "RE_ENGAGED", yes

        for no in ("Please do not book me.", "Don't book me in, thanks."):
            [letter] = await desk.gets(no)
            assert LINK not in letter, no
            assert desk.last["booking_funnel"]["link_url"] is None, no

        await desk.gets("I know.")
        assert desk.last["status"] != "RECOVERY_DECLINED"


class TestStaffTakeOver:
    async def test_the_agent_is_silent_from_then_on_also_about_what_was_queued(
        self, desk: FrontDoor
    ) -> None:
        await desk.teach(*ARTICLES)
        campaign_id = await desk.lead()
        await desk.push(campaign_id, "Yes please, book me in.")
        await desk.services.agent.inbound.work_off()
        await desk.services.agent.inbound.settle()
        # The link is queued and has not left; now a person writes.
        answered = await desk.client.post(
            f"{ADMIN}/campaigns/{campaign_id}/respond",
            json={"message": "Hello Maria, this is Ana. Shall I hold Friday at 10?"},
            headers=desk.headers,
        )
        assert answered.status_code == 201, answered.text
        await desk.drain()

        [letter] = await desk.received(campaign_id)
        assert "this is Ana" in letter

        await desk.reply(campaign_id, "Friday is good. Do you take Delta Dental?")
        assert await desk.received(campaign_id) == [letter]
        seen = await desk.campaign(campaign_id)
        assert seen["attention"]["reason"] == "question"
        assert "Times proposed: Fri 2026-08-21" in seen["attention"]["summary"]

        await desk.reply(campaign_id, "My face is badly swollen and I cannot breathe well!")
        assert "emergency" in (await desk.received(campaign_id))[-1].lower()
        assert (await desk.campaign(campaign_id))["attention"]["urgency"] == "urgent"


class TestProposedTimes:
    async def test_the_letter_names_free_times_then_and_its_link_opens_on_them(
        self, desk: FrontDoor
    ) -> None:
        campaign_id = await desk.lead()

        await desk.reply(campaign_id, "Yes, please book me in! Thursday or Friday after 2 works.")

        [letter] = await desk.received(campaign_id)
        assert "these times for Teeth Whitening are free" in letter
        assert "\n  Thursday, August 20, 2026, 2:00 PM EDT\n" in letter
        assert "\n  Friday, August 21, 2026, 2:00 PM EDT\n" in letter
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
