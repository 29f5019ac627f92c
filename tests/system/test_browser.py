"""The pages in a real browser: without script, on a phone, by keyboard, for everybody.

Every address in here is one that a letter or a page names, but for those that have run out.
"""

import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from bson import ObjectId
from playwright.async_api import Browser, Page, expect

from tests.system.chromium import (
    CHROMIUM,
    barriers,
    misfits,
    on_a_phone,
    running_chromium,
    tab_to,
)
from tests.system.practice import (
    UNTAUGHT,
    WITHIN_SECONDS,
    Practice,
    addresses,
    everything,
    fill_the_time,
    is_quiet,
    links,
    offers,
)
from tests.system.service import (
    Json,
    eventually,
    letters,
    live,
    queues_are_empty,
    stored,
)

pytestmark = [
    pytest.mark.mongo,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="No Chromium is installed on this machine."),
    pytest.mark.timeout(900),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def practice(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Practice]:
    data_dir = tmp_path_factory.mktemp("pages")
    async with live(data_dir) as service:
        await service.api.post("/admin/sweeps", {"dry_run": False}, status=200)
        with stored(data_dir) as database:

            async def sent() -> bool | None:
                return queues_are_empty(database) or None

            await eventually(sent, seconds=WITHIN_SECONDS, message="The letters did not leave.")
        untaught = {"service_id": UNTAUGHT, "name": "Night Guard", "duration_minutes": 30}
        await service.api.post("/admin/services", untaught, status=201)
        yield Practice(service, links(service, "book"), links(service, "unsubscribe"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with running_chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(chromium: Browser, practice: Practice) -> AsyncIterator[Page]:
    async with on_a_phone(chromium, practice.url) as page:
        yield page


async def choose(page: Page, service: str = "Check-up and Cleaning") -> None:
    """From the list of services to the form: the first day, its first time."""
    await page.get_by_role("link", name=service).click()
    await page.locator(".month a").first.click()
    await page.locator(".times a").first.click()
    await expect(page.locator("h1")).to_have_text("Almost done")


async def fill(page: Page, who: Json) -> None:
    """Type who comes."""
    for name in ("name", "email", "phone"):
        await page.locator(f"#{name}").fill(who[name])


async def press(page: Page, button: str) -> None:
    """Send a form."""
    await page.get_by_role("button", name=button).click()


async def heading(page: Page, text: str) -> None:
    """Wait for the page with this heading."""
    await expect(page.locator("h1")).to_have_text(text)


class TestBooking:
    async def test_by_the_link_of_a_letter(self, page: Page, practice: Practice) -> None:
        await page.goto(practice.booking_links[0])
        await choose(page)
        await expect(page.locator("#name")).to_have_count(0)

        await page.locator("#notes").fill("Mornings are best.")
        await press(page, "Book this visit")

        await heading(page, "Your visit is booked")
        (visit,) = practice.found("appointments", notes="Mornings are best.")
        (patient,) = practice.found("patients", _id=visit["patient_id"])
        assert any(patient["email"] in str(one["To"]) for one in letters(practice.service.data_dir))

    async def test_by_form(self, page: Page, practice: Practice) -> None:
        patient = await practice.patient()
        await page.goto("/book")
        await choose(page)

        await fill(page, patient)
        await press(page, "Book this visit")

        await heading(page, "Your visit is booked")
        assert practice.found("appointments", patient_id=ObjectId(patient["patient_id"]))

    async def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(
        self, page: Page, practice: Practice
    ) -> None:
        patient = await practice.patient()
        await page.goto("/book")
        await choose(page)
        await fill(page, {**patient, "email": "robin at home", "phone": "12"})
        await page.locator("#notes").fill("By the window")

        await press(page, "Book this visit")

        await expect(page.locator("[role=alert]")).to_be_focused()
        for name, typed in (("email", "robin at home"), ("phone", "12")):
            await expect(page.locator(f"#{name}")).to_have_value(typed)
            await expect(page.locator(f"#{name}")).to_have_attribute("aria-invalid", "true")
            said = page.locator(f".field:has(#{name}) .why")
            await expect(page.locator(f"#{name}")).to_have_accessible_description(
                re.compile(re.escape(await said.inner_text()))
            )
        await expect(page.locator("#name")).not_to_have_attribute("aria-invalid", "true")
        await expect(page.locator("#name")).to_have_value(patient["name"])
        await expect(page.locator("#notes")).to_have_value("By the window")
        await page.get_by_role("link", name="Write an e-mail address").click()
        await expect(page.locator("#email")).to_be_focused()

        await fill(page, patient)
        await press(page, "Book this visit")
        await heading(page, "Your visit is booked")

    async def test_a_time_that_went_meanwhile_gives_others_for_one_click(
        self, page: Page, practice: Practice
    ) -> None:
        patient = await practice.patient()
        await page.goto("/book")
        await choose(page, "Teeth Whitening")
        await fill(page, patient)
        wanted = await page.locator("[name=at]").get_attribute("value")
        assert wanted is not None
        await fill_the_time(practice, "teeth_whitening", wanted)

        await press(page, "Book this visit")
        await heading(page, "Somebody else has just booked this time")
        await expect(page.locator("main button")).to_have_count(3)
        other = await page.locator("main button").first.get_attribute("value")
        await page.locator("main button").first.click()

        await heading(page, "Your visit is booked")
        (visit,) = practice.found("appointments", patient_id=ObjectId(patient["patient_id"]))
        assert visit["appointment_date"] == datetime.fromisoformat(str(other))

    async def test_by_keyboard_alone(self, page: Page, practice: Practice) -> None:
        patient = await practice.patient()
        await page.goto("/book")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        for target in (
            page.get_by_role("link", name="Check-up and Cleaning"),
            page.locator(".month a").last,
            page.locator(".times a").last,
        ):
            await tab_to(page, target)
            await page.keyboard.press("Enter")
            await page.wait_for_load_state()
        await heading(page, "Almost done")
        for name in ("name", "email", "phone"):
            await tab_to(page, page.locator(f"#{name}"))
            await page.keyboard.type(patient[name])
        await tab_to(page, page.get_by_role("button", name="Book this visit"))

        await page.keyboard.press("Enter")

        await heading(page, "Your visit is booked")
        assert practice.found("appointments", patient_id=ObjectId(patient["patient_id"]))


class TestVisit:
    async def test_confirm_move_and_cancel(self, page: Page, practice: Practice) -> None:
        visit_id, path = await practice.visit()
        await page.goto(path)
        await press(page, "Yes, I am coming")
        await expect(page.get_by_role("status")).to_have_text("Thank you. We expect you.")
        assert self._stands(practice, visit_id)["status"] == "confirmed"

        before = self._stands(practice, visit_id)["appointment_date"]
        await page.get_by_role("link", name="Move this visit").click()
        await page.locator(".month a").last.click()
        await page.locator(".times a").last.click()
        await press(page, "Yes, move it")
        await expect(page.get_by_role("status")).to_have_text("Your visit has been moved.")
        assert self._stands(practice, visit_id)["appointment_date"] != before

        await page.get_by_role("link", name="Cancel this visit").click()
        await heading(page, "Cancel this visit?")
        assert self._stands(practice, visit_id)["status"] == "booked"
        await press(page, "Yes, cancel it")
        await expect(page.get_by_role("status")).to_have_text("Your visit has been cancelled.")
        assert self._stands(practice, visit_id)["status"] == "cancelled"

    def _stands(self, practice: Practice, visit_id: str) -> Json:
        (visit,) = practice.found("appointments", _id=ObjectId(visit_id))
        return visit


class TestWaitlist:
    async def test_an_empty_month_leads_onto_the_list(self, page: Page, practice: Practice) -> None:
        patient = await practice.patient()
        await page.goto(f"/book?service_id={UNTAUGHT}")
        await page.locator("#wait-name").fill(patient["name"])
        await press(page, "Tell me when a time frees up")
        await expect(page.locator("[role=alert]")).to_be_focused()
        await expect(page.locator("#wait-name")).to_have_value(patient["name"])

        await page.locator("#wait-email").fill(patient["email"])
        await press(page, "Tell me when a time frees up")

        await heading(page, "You are on the waiting list")
        assert [one["service_id"] for one in practice.found("waitlist", name=patient["name"])] == [
            UNTAUGHT
        ]

    async def test_an_offer_is_taken_with_one_press(self, page: Page, practice: Practice) -> None:
        (link,) = await offers(practice, waiting=1)

        await page.goto(link)
        await page.locator("main form button").first.click()

        await heading(page, "Your visit is booked")
        await page.goto(link)
        await heading(page, "You have your visit")


class TestUnsubscribe:
    async def test_takes_a_press(self, page: Page, practice: Practice) -> None:
        before = len(practice.found("suppressions"))
        await page.goto(practice.unsubscribe_links[0])
        assert len(practice.found("suppressions")) == before

        await page.locator("main button").click()

        await expect(page.locator("main button")).to_have_count(0)
        assert len(practice.found("suppressions")) == before + 1


async def wrong_details(page: Page, at: Callable[[str], str]) -> None:
    """The form with an error at each field."""
    await page.goto(at("details"))
    await page.locator("main form button").click()


async def wrong_wish(page: Page, at: Callable[[str], str]) -> None:
    """The form of the list with errors."""
    await page.goto(at("empty month"))
    await page.locator("main form button").click()


async def taken(page: Page, at: Callable[[str], str]) -> None:
    """Other times in place of one at which nobody works."""
    await page.goto(at("move?"))
    at_night = "one => one.value = one.value.replace(/T.*/, 'T07:00:00Z')"
    await page.locator("[name=at]").evaluate(at_night)
    await page.locator("main form button").click()
    await expect(page.locator("main form button")).to_have_count(3)


async def wrong_password(page: Page, at: Callable[[str], str]) -> None:
    """The form with two passwords that differ."""
    await page.goto(at("password"))
    await page.locator("[name=new]").fill("seven kettles under one moon")
    await page.locator("main form button").click()


SCHEMES: list[tuple[Literal["light", "dark"], str]] = [("light", "en"), ("dark", "es")]


class TestEveryPage:
    @pytest.mark.parametrize(("scheme", "language"), SCHEMES)
    async def test_has_no_barrier_and_fits_a_phone(
        self,
        chromium: Browser,
        practice: Practice,
        scheme: Literal["light", "dark"],
        language: str,
    ) -> None:
        known = await addresses(practice)

        def at(kind: str) -> str:
            joint = "&" if "?" in known[kind] else "?"
            return f"{known[kind]}{joint}lang={language}"

        found: dict[str, list[str]] = {}
        async with on_a_phone(
            chromium, practice.url, script=True, scheme=scheme, language=language
        ) as page:
            for kind in known:
                await page.goto(at(kind))
                found[kind] = [*await barriers(page), *await misfits(page)]
                assert await page.locator("html").get_attribute("lang") == language
            for step in (wrong_details, wrong_wish, taken, wrong_password):
                await step(page, at)
                found[step.__name__] = [*await barriers(page), *await misfits(page)]
        assert {kind: wrong for kind, wrong in found.items() if wrong} == {}

    async def test_following_every_link_changes_nothing(
        self, page: Page, practice: Practice
    ) -> None:
        known = await addresses(practice)
        await eventually(
            lambda: is_quiet(practice), seconds=WITHIN_SECONDS, message="Work never ended."
        )
        before = everything(practice)
        followed: set[str] = set()
        for path in known.values():
            await page.goto(path)
            hrefs = [await one.get_attribute("href") for one in await page.locator("a").all()]
            joined = {str(await page.evaluate("h => new URL(h, location).href", h)) for h in hrefs}
            followed |= {one for one in joined if one.startswith(practice.url)}
        for link in sorted(followed):
            answer = await page.request.get(link)
            assert answer.status in {200, 404}, urlsplit(link).path
        assert len(followed) > len(known)
        assert everything(practice) == before
