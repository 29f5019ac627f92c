"""Waiting for a time, and the page of an offer, without script."""

import pytest

from app.models.waitlist import WaitlistEntry
from app.services.container import Services
from tests.api.pages.browser import Browser, hold_to_the_headers
from tests.api.pages.conftest import Snapshot
from tests.api.test_waitlist import entries
from tests.fakes import FrozenClock
from tests.services.scheduling.waiting import Waiting

pytestmark = pytest.mark.mongo

EMPTY = "/book?service_id=cleaning&month=2026-08"
HOSTILE = "\"'><script>alert(1)</script>{{7*7}}"


@pytest.fixture
async def waiting(services: Services, clock: FrozenClock) -> Waiting:
    return await Waiting.build(services, clock)


@pytest.fixture
async def closed(furnished: Services) -> Services:
    """A practice where nobody works."""
    (provider,) = await furnished.repositories.providers.every()
    await furnished.repositories.providers.update_fields(provider.id, {"working_hours": {}})
    return furnished


@pytest.fixture
async def offered(waiting: Waiting) -> list[WaitlistEntry]:
    """Two people with the same offer."""
    found = [await waiting.joins(), await waiting.joins()]
    await waiting.frees()
    await waiting.look()
    await waiting.send()
    return found


async def page_of(waiting: Waiting, entry: WaitlistEntry) -> str:
    """Where the link in the letter leads."""
    return f"/waitlist/{await waiting.token(entry)}"


class TestJoin:
    async def test_an_empty_month_has_a_form_that_leads_onto_the_list(
        self, browser: Browser, closed: Services
    ) -> None:
        await browser.open(EMPTY)
        assert browser.form.to_type() == {"name", "email", "phone"}

        await browser.press(
            "Tell me when a time frees up", name="Dana Smith", email="dana@example.com"
        )

        assert (browser.status, browser.heading) == (201, "You are on the waiting list")
        (entry,) = await entries(closed)
        assert (entry.first_day, entry.last_day) == ("2026-08-19", "2026-08-31")
        assert entry.service_id == "cleaning"
        hold_to_the_headers(browser.answer.headers)

    async def test_in_spanish_too(self, browser: Browser, closed: Services) -> None:
        await browser.open(f"{EMPTY}&lang=es")

        await browser.press("Avíseme", name="Dana Smith", email="dana@example.com")

        assert browser.heading == "Está en la lista de espera"
        (entry,) = await entries(closed)
        assert entry.language == "es"

    async def test_a_month_with_free_times_has_none(
        self, browser: Browser, furnished: Services
    ) -> None:
        await browser.open(EMPTY)

        assert browser.document.forms == []

    async def test_what_is_wrong_is_said_and_what_was_typed_is_kept(
        self, browser: Browser, closed: Services
    ) -> None:
        await browser.open(EMPTY)

        await browser.press("Tell me", name=HOSTILE, email="nobody", phone="1")

        assert browser.status == 422
        assert "Write an e-mail address" in browser.text
        assert browser.form.fields["name"] == HOSTILE
        assert browser.form.hidden["service_id"] == "cleaning"
        assert await entries(closed) == []
        await browser.press("Tell me", name="Dana", email="dana@example.com", phone="1")
        assert (browser.status, "Write a phone number" in browser.text) == (422, True)
        await browser.press("Tell me", email="dana@example.com", phone="")
        assert browser.status == 201

    async def test_times_that_are_free_already_are_one_click_away(
        self, browser: Browser, closed: Services
    ) -> None:
        await browser.open(EMPTY)
        (provider,) = await closed.repositories.providers.every()
        hours = {"working_hours": {"THU": [("09:00", "09:30")]}}
        await closed.repositories.providers.update_fields(provider.id, hours)

        await browser.press("Tell me", name="Dana Smith", email="dana@example.com")

        assert "These times are free already" in browser.text
        await browser.click("August 20, 2026, 9:00 AM")
        assert browser.heading == "Almost done"

    @pytest.mark.parametrize("form", [{}, {"service_id": HOSTILE}, {"name": "x" * 5000}])
    async def test_a_form_that_is_not_ours_is_refused_with_a_page(
        self, browser: Browser, furnished: Services, form: dict[str, str]
    ) -> None:
        answer = await browser.client.post("/waitlist", data=form)

        assert answer.status_code == 422
        assert "<script" not in answer.text
        assert await entries(furnished) == []

    async def test_the_address_of_the_form_leads_to_booking(
        self, browser: Browser, furnished: Services
    ) -> None:
        await browser.open("/waitlist")

        assert browser.heading == "What would you like to come for?"


class TestOffer:
    async def test_a_press_books_and_the_late_one_sees_what_else_is_free(
        self, browser: Browser, waiting: Waiting, offered: list[WaitlistEntry]
    ) -> None:
        late = await page_of(waiting, offered[1])
        seen = await browser.open(late)
        assert seen.heading == "A time has freed up"
        held = (browser.answer, browser.document)
        await browser.open(await page_of(waiting, offered[0]))
        assert "Thursday, August 20, 2026, 9:00 AM EDT" in browser.text

        await browser.press("August 20")

        assert browser.heading == "Your visit is booked"
        browser.answer, browser.document = held
        await browser.press("August 20")
        assert (browser.status, browser.heading) == (409, "These times are taken")
        assert "You keep your place" in browser.text
        near = [text for href, text in browser.document.links if "at=" in href]
        assert len(near) == 3
        await browser.click("at=")
        assert browser.heading == "Almost done"
        assert browser.form.to_type() == {"notes"}

    async def test_who_took_it_finds_their_visit(
        self, browser: Browser, waiting: Waiting, offered: list[WaitlistEntry]
    ) -> None:
        link = await page_of(waiting, offered[0])
        await browser.open(link)
        await browser.press("August 20")

        await browser.open(link)

        assert browser.heading == "You have your visit"
        assert browser.document.forms == []
        await browser.click("See, move or cancel")
        assert browser.heading == "Your visit"

    @pytest.mark.parametrize("ends", ["cancel", "delete"])
    async def test_after_its_visit_was_cancelled_says_so_and_offers_the_booking_page(
        self, browser: Browser, waiting: Waiting, offered: list[WaitlistEntry], ends: str
    ) -> None:
        link = await page_of(waiting, offered[0])
        await browser.open(link)
        await browser.press("9:00")
        appointments = waiting.services.scheduling.appointments
        await getattr(appointments, ends)(offered[0].visit_id, by="staff:x")

        for path in (link, f"{link}/accept"):
            await browser.open(path)
            assert browser.heading == "This visit is no longer booked"
            assert "You have your visit" not in browser.text
            assert browser.document.forms == []
        await browser.open(f"{link}?lang=es")
        assert browser.heading == "Esta cita ya no está reservada"
        await browser.click("Elegir otro día u otra hora")
        assert browser.status == 200

    async def test_looking_changes_nothing(
        self,
        browser: Browser,
        waiting: Waiting,
        offered: list[WaitlistEntry],
        snapshot: Snapshot,
    ) -> None:
        link = await page_of(waiting, offered[0])
        before = await snapshot()

        for path in (link, f"{link}?lang=es", f"{link}/accept", f"{link}/leave"):
            await browser.open(path)
            assert browser.status == 200
        await browser.client.head(link)

        assert await snapshot() == before

    async def test_leaving_takes_a_press(
        self, browser: Browser, waiting: Waiting, offered: list[WaitlistEntry]
    ) -> None:
        await browser.open(await page_of(waiting, offered[0]))

        await browser.press("Take me off the waiting list")

        assert browser.heading == "You are not on the waiting list"
        assert browser.document.forms == []
        assert (await waiting.entry(offered[0])).status == "left"

    async def test_a_time_that_was_not_offered_cannot_be_pressed(
        self, browser: Browser, waiting: Waiting, offered: list[WaitlistEntry]
    ) -> None:
        link = await page_of(waiting, offered[0])

        for at in ("2026-08-21T13:00:00Z", "nonsense", ""):
            answer = await browser.client.post(f"{link}/accept", data={"at": at})
            assert answer.status_code == 422
            assert "one of the times that this offer names" in answer.text

    async def test_a_link_that_is_not_valid_gets_a_page(
        self, browser: Browser, services: Services
    ) -> None:
        await browser.open("/waitlist/garbage")

        assert browser.status == 404
        assert "not valid" in browser.text
        hold_to_the_headers(browser.answer.headers)
