"""The page of one visit, as its patient uses it without script."""

import re
from datetime import UTC, datetime

import httpx
import pytest

from app.models.appointment import Appointment, AppointmentStatus
from app.models.base import new_id
from app.models.schedule import Weekday
from app.services.container import Services
from app.services.scheduling.appointments import VisitChange
from app.services.scheduling.booking import StaffBooking
from app.services.tokens import TokenPurpose
from tests.api.pages.browser import Browser, hold_to_the_headers
from tests.api.pages.conftest import Snapshot
from tests.api.pages.test_book import HOSTILE, only_visit
from tests.api.test_public import BOOK, booking_form, known_patient
from tests.fakes import FrozenClock
from tests.services.scheduling.rfc5545 import hold_to_the_rules

pytestmark = pytest.mark.mongo

STEPS = ("", "/confirm", "/booked", "/cancel", "/move", "/move?at=2026-08-20T14:00:00Z")


@pytest.fixture
async def link(app_client: httpx.AsyncClient, furnished: Services) -> str:
    """The path of the link in the letter about a fresh visit, on 20 August at 09:00."""
    patient = await known_patient(furnished, phone="+12125550142")
    await app_client.post(BOOK, json=booking_form(patient, notes="A secret of mine"))
    page = await furnished.repositories.outbox.deliveries_page(None, page=1, limit=10)
    (letter,) = page.items
    found = re.search(r"http\S+/visit/\S+", letter.content)
    assert found is not None
    return httpx.URL(found[0]).path


async def stored(services: Services) -> tuple[AppointmentStatus, datetime]:
    """How and when the only visit stands."""
    visit = await only_visit(services)
    return visit.status, visit.appointment_date


BOOKED_AT_NINE = (AppointmentStatus.BOOKED, datetime(2026, 8, 20, 13, 0, tzinfo=UTC))


class TestSee:
    async def test_the_link_of_the_letter_shows_the_visit_and_not_the_patient(
        self, browser: Browser, link: str
    ) -> None:
        await browser.open(link)

        for fact in (
            "Thursday, August 20, 2026, 9:00 AM EDT",
            "Local time in New York",
            "Check-up and Cleaning",
            "Dr. Rivera",
            "30 minutes",
            "1 Demo Street",
            "Booked",
        ):
            assert fact in browser.text
        for step in STEPS:
            await browser.open(f"{link}{step}")
            for secret in ("Dana", "Smith", "example.com", "555-0142", "5550142", "A secret"):
                assert secret not in browser.answer.text

    async def test_looking_changes_nothing(
        self, browser: Browser, link: str, snapshot: Snapshot
    ) -> None:
        before = await snapshot()

        for step in STEPS:
            await browser.open(f"{link}{step}")
            assert (await browser.client.head(f"{link}{step}")).status_code == 200

        assert await snapshot() == before

    async def test_may_not_be_kept_framed_indexed_or_told_to_others(
        self, app_client: httpx.AsyncClient, link: str
    ) -> None:
        for step in STEPS:
            hold_to_the_headers((await app_client.get(f"{link}{step}")).headers)
        hold_to_the_headers((await app_client.get("/visit/nothing")).headers)
        hold_to_the_headers((await app_client.post(f"{link}/cancel")).headers)

    @pytest.mark.parametrize("done", ["confirmed", "cancelled", "x", HOSTILE])
    async def test_says_nothing_was_done_that_was_not(
        self, browser: Browser, link: str, done: str
    ) -> None:
        await browser.open(str(httpx.URL(link, params={"done": done})))

        assert browser.text.count("Booked") == 1
        assert not [given for _, given in browser.document.tags if "note" in given.get("class", "")]

    async def test_the_name_of_a_service_or_provider_is_text(
        self, browser: Browser, link: str, furnished: Services
    ) -> None:
        visit = await only_visit(furnished)
        await furnished.repositories.appointments.update_fields(visit.id, {"service_name": HOSTILE})
        await furnished.repositories.providers.update_fields(visit.provider_id, {"name": HOSTILE})
        await furnished.base.clinic.update({"name": HOSTILE, "address": HOSTILE})

        for step in STEPS:
            await browser.open(f"{link}{step}")
            assert HOSTILE in browser.text
            assert "<script" not in browser.answer.text


class TestConfirm:
    async def test_one_press_confirms(
        self, browser: Browser, link: str, furnished: Services
    ) -> None:
        await browser.open(link)

        await browser.press("Yes, I am coming")

        assert browser.answer.request.method == "GET"
        assert "Thank you. We expect you." in browser.text
        assert "Confirmed: you are coming" in browser.text
        assert (await stored(furnished))[0] == AppointmentStatus.CONFIRMED
        assert not browser.document.forms

    async def test_twice_is_as_once(self, browser: Browser, link: str, furnished: Services) -> None:
        await browser.open(link)
        await browser.send("Yes, I am coming")

        await browser.press("Yes, I am coming")

        assert browser.status == 200
        assert (await stored(furnished))[0] == AppointmentStatus.CONFIRMED

    async def test_a_visit_that_was_cancelled_meanwhile_stays_so(
        self, browser: Browser, link: str, furnished: Services
    ) -> None:
        await browser.open(link)
        visit = await only_visit(furnished)
        await furnished.scheduling.appointments.cancel(visit.id, by="staff:x")

        await browser.press("Yes, I am coming")

        assert browser.status == 409
        assert "cannot be changed in that way" in browser.text
        assert "Cancelled" in browser.text
        assert (await stored(furnished))[0] == AppointmentStatus.CANCELLED


class TestCancel:
    async def test_takes_a_second_press(
        self, browser: Browser, link: str, furnished: Services
    ) -> None:
        await browser.open(link)
        await browser.click("Cancel this visit")
        assert browser.heading == "Cancel this visit?"
        assert await stored(furnished) == BOOKED_AT_NINE

        await browser.press("Yes, cancel it")

        assert browser.answer.request.method == "GET"
        assert "Your visit has been cancelled." in browser.text
        assert (await stored(furnished))[0] == AppointmentStatus.CANCELLED
        await browser.click("Book a new visit")
        assert browser.heading == "What would you like to come for?"

    async def test_can_be_thought_better_of(
        self, browser: Browser, link: str, furnished: Services
    ) -> None:
        await browser.open(f"{link}/cancel")

        await browser.click("No, keep it")

        assert browser.heading == "Your visit"
        assert await stored(furnished) == BOOKED_AT_NINE

    async def test_once_cancelled_nothing_is_left_to_press(
        self, browser: Browser, link: str
    ) -> None:
        await browser.open(f"{link}/cancel")
        await browser.press("Yes, cancel it")

        for step in STEPS:
            await browser.open(f"{link}{step}")
            assert browser.heading == "Your visit"
            assert not browser.document.forms


class TestMove:
    async def test_to_another_day_and_time(
        self, browser: Browser, link: str, furnished: Services
    ) -> None:
        await browser.open(link)
        await browser.click("Move this visit")
        await browser.click("day=2026-08-21")
        await browser.click("10:30 AM")
        assert "Friday, August 21, 2026, 10:30 AM EDT" in browser.text
        assert await stored(furnished) == BOOKED_AT_NINE

        await browser.press("Yes, move it")

        assert "Your visit has been moved." in browser.text
        assert "Friday, August 21, 2026, 10:30 AM EDT" in browser.text
        assert await stored(furnished) == (
            AppointmentStatus.BOOKED,
            datetime(2026, 8, 21, 14, 30, tzinfo=UTC),
        )

    async def test_its_own_time_is_in_nobodys_way_and_not_offered(
        self, browser: Browser, link: str
    ) -> None:
        await browser.open(f"{link}/move?day=2026-08-20")

        times = [text for href, text in browser.document.links if "at=" in href]
        assert times[0] == "9:15 AM"

    async def test_what_the_patient_has_elsewhere_is_not_offered(
        self, browser: Browser, link: str, furnished: Services
    ) -> None:
        visit = await only_visit(furnished)
        (provider,) = await furnished.repositories.providers.every()
        second = provider.model_copy(update={"id": new_id(), "name": "Dr. Second"})
        await furnished.repositories.providers.insert(second)
        (chair,) = await furnished.repositories.chairs.every()
        await furnished.repositories.chairs.insert(
            chair.model_copy(update={"id": new_id(), "name": "Room 2"})
        )
        await furnished.scheduling.booking.staff_book(
            StaffBooking(
                appointment_date=datetime(2026, 8, 20, 14, 0, tzinfo=UTC),
                patient_id=visit.patient_id,
                service_id="cleaning",
            ),
            by="staff:x",
        )

        await browser.open(f"{link}/move?day=2026-08-20")

        times = [text for href, text in browser.document.links if "at=" in href]
        assert times[:3] == ["9:15 AM", "9:30 AM", "10:30 AM"]

    async def test_a_service_that_left_the_site_can_still_be_moved(
        self, browser: Browser, link: str, furnished: Services
    ) -> None:
        for service in await furnished.repositories.services.every():
            await furnished.repositories.services.update_fields(
                service.id, {"bookable_online": False}
            )

        await browser.open(f"{link}/move?at=2026-08-20T14:00:00Z")
        await browser.press("Yes, move it")

        assert "10:00 AM EDT" in browser.text

    async def test_a_time_that_somebody_else_took_gives_three_others_one_press_away(
        self, browser: Browser, app_client: httpx.AsyncClient, link: str, furnished: Services
    ) -> None:
        await browser.open(f"{link}/move?at=2026-08-20T14:00:00Z")
        other = await known_patient(furnished, name="Pat Quick")
        form = booking_form(other, appointment_date="2026-08-20T10:00")
        assert (await app_client.post(BOOK, json=form)).status_code == 201

        await browser.press("Yes, move it")
        assert browser.status == 409
        assert browser.heading == "Somebody else has just booked this time"
        assert len(browser.form.buttons) == 3
        await browser.press("9:30 AM")

        assert "Your visit has been moved." in browser.text
        assert "9:30 AM EDT" in browser.text

    async def test_a_time_outside_the_rules_gives_others(
        self, browser: Browser, link: str, furnished: Services
    ) -> None:
        await browser.open(f"{link}/move?at=2026-08-21T14:00:00Z")
        for provider in await furnished.repositories.providers.every():
            hours = {Weekday.THU: [["09:00", "12:00"]]}
            await furnished.repositories.providers.update_fields(
                provider.id, {"working_hours": hours}
            )

        await browser.press("Yes, move it")

        assert browser.status == 422
        assert browser.heading == "This time cannot be booked"
        assert [button.text for button in browser.form.buttons] == [
            "Thursday, August 20, 2026, 11:00 AM EDT",
            "Thursday, August 20, 2026, 11:15 AM EDT",
            "Thursday, August 20, 2026, 11:30 AM EDT",
        ]
        assert await stored(furnished) == BOOKED_AT_NINE

    @pytest.mark.parametrize("at", ["", HOSTILE, "2026-08-20", "9999-99-99T00:00:00Z"])
    async def test_what_is_no_time_starts_again(
        self, app_client: httpx.AsyncClient, link: str, furnished: Services, at: str
    ) -> None:
        answer = await app_client.post(f"{link}/move", data={"at": at}, follow_redirects=True)

        assert answer.status_code == 200
        assert "Which day suits you?" in answer.text
        assert await stored(furnished) == BOOKED_AT_NINE


class TestNotice:
    """The practice takes changes here until two hours before the visit, at 11:00 UTC."""

    @pytest.mark.parametrize(
        ("language", "sentence"),
        [
            ("en", "Until Thursday, August 20, 2026, 7:00 AM EDT this visit could be moved or"),
            ("es", "cancelar aquí hasta: jueves, 20 de agosto de 2026, 07:00 EDT."),
        ],
    )
    async def test_then_the_phone_stands_in_place_of_the_buttons(
        self, browser: Browser, link: str, clock: FrozenClock, language: str, sentence: str
    ) -> None:
        clock.set(datetime(2026, 8, 20, 11, 1, tzinfo=UTC))

        for step in STEPS[:-1]:
            await browser.open(f"{link}{step}", language=language)
            assert "tel:+12125550100" in browser.document.hrefs
            for dead in ("/cancel", "/move"):
                assert not [href for href in browser.document.hrefs if href.endswith(dead)]
        await browser.open(link, language=language)
        assert sentence in browser.text
        assert [button.text for button in browser.form.buttons] == [
            {"en": "Yes, I am coming", "es": "Sí, voy a ir"}[language]
        ]

    @pytest.mark.parametrize("step", ["cancel", "move"])
    async def test_a_form_that_was_open_is_refused_with_a_sentence(
        self,
        app_client: httpx.AsyncClient,
        link: str,
        furnished: Services,
        clock: FrozenClock,
        step: str,
    ) -> None:
        clock.set(datetime(2026, 8, 20, 11, 1, tzinfo=UTC))

        answer = await app_client.post(f"{link}/{step}", data={"at": "2026-08-21T14:00:00Z"})

        assert answer.status_code == 409
        assert "This visit is too near to be changed here. Please call us." in answer.text
        assert await stored(furnished) == BOOKED_AT_NINE

    async def test_confirming_is_still_possible(
        self, browser: Browser, link: str, furnished: Services, clock: FrozenClock
    ) -> None:
        clock.set(datetime(2026, 8, 20, 12, 59, tzinfo=UTC))
        await browser.open(link)

        await browser.press("Yes, I am coming")

        assert "Thank you. We expect you." in browser.text
        assert (await stored(furnished))[0] == AppointmentStatus.CONFIRMED


class TestCalendar:
    async def test_the_visit_can_be_put_into_a_calendar(self, browser: Browser, link: str) -> None:
        for step in ("", "/booked"):
            await browser.open(f"{link}{step}?lang=es")
            (href,) = [href for href, text in browser.document.links if "calendario" in text]

            answer = await browser.client.get(str(browser.answer.url.join(href)))

            assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
            hold_to_the_rules(answer.content)

    async def test_and_taken_out_again(self, browser: Browser, link: str) -> None:
        await browser.open(f"{link}/cancel")
        await browser.press("Yes, cancel it")
        (href,) = [href for href, text in browser.document.links if "calendar" in text]

        answer = await browser.client.get(str(browser.answer.url.join(href)))

        assert "Remove this visit from your calendar" in browser.text
        assert "METHOD:CANCEL" in answer.text


class TestBegunVisit:
    async def test_is_shown_without_anything_to_press(
        self, browser: Browser, link: str, clock: FrozenClock
    ) -> None:
        clock.set(datetime(2026, 8, 20, 13, 1, tzinfo=UTC))

        for step in STEPS:
            await browser.open(f"{link}{step}")
            assert browser.status == 200
            assert not browser.document.forms

    @pytest.mark.parametrize(
        ("step", "button"), [("", "Yes, I am coming"), ("/cancel", "Yes, cancel it")]
    )
    async def test_a_press_on_a_page_from_before_the_practice_moved_it_only_says_so(
        self, browser: Browser, furnished: Services, link: str, step: str, button: str
    ) -> None:
        await browser.open(f"{link}{step}")
        visit, ten = await only_visit(furnished), datetime(2026, 8, 20, 14, 0, tzinfo=UTC)
        change = VisitChange(starts_at=ten)
        appointments = furnished.scheduling.appointments
        await appointments.change(visit.id, change, by="staff:x", staff=True)

        await browser.press(button)

        assert browser.answer.status_code == 409
        assert "has moved this visit to another time" in browser.text
        assert "Thursday, August 20, 2026, 10:00 AM EDT" in browser.text
        assert await stored(furnished) == (AppointmentStatus.BOOKED, ten)
        await browser.press("Yes, I am coming")
        assert (await stored(furnished))[0] == AppointmentStatus.CONFIRMED

    @pytest.mark.parametrize("step", ["confirm", "cancel", "move"])
    async def test_refuses_every_form_with_a_sentence(
        self,
        app_client: httpx.AsyncClient,
        link: str,
        furnished: Services,
        clock: FrozenClock,
        step: str,
    ) -> None:
        clock.set(datetime(2026, 8, 20, 13, 1, tzinfo=UTC))

        answer = await app_client.post(f"{link}/{step}", data={"at": "2026-08-21T14:00:00Z"})

        assert answer.status_code == 409
        assert "This visit has begun or is over" in answer.text
        assert await stored(furnished) == BOOKED_AT_NINE


class TestLinkThatDoesNotWork:
    @pytest.mark.parametrize("kind", ["garbage", "long", "expired", "other purpose"])
    async def test_is_a_page_with_a_way_on(
        self, browser: Browser, link: str, furnished: Services, clock: FrozenClock, kind: str
    ) -> None:
        visit = await only_visit(furnished)
        token = await _broken(kind, link, visit, furnished)
        clock.advance(days=401 if kind == "expired" else 0)

        for step in STEPS:
            await browser.open(f"/visit/{token}{step}")
            assert browser.status == 404
            assert "This link is not valid, or not any more." in browser.text
            assert "+1 212-555-0100" in browser.text
        for step in ("confirm", "cancel", "move"):
            answer = await browser.client.post(
                f"/visit/{token}/{step}", data={"at": "2026-08-20T14:00:00Z"}
            )
            assert answer.status_code == 404
            assert token not in answer.text
        await browser.click("To the booking page")
        assert browser.heading == "What would you like to come for?"

    @pytest.mark.parametrize(
        ("language", "title", "offer"),
        [
            ("en", "This visit is no longer in our book", "Book a new visit"),
            ("es", "Esta cita ya no está en nuestra agenda", "Reservar otra cita"),
        ],
    )
    async def test_of_a_visit_that_the_practice_removed_says_so_and_offers_another(
        self,
        *,
        browser: Browser,
        link: str,
        furnished: Services,
        language: str,
        title: str,
        offer: str,
    ) -> None:
        visit = await only_visit(furnished)
        await furnished.scheduling.appointments.delete(visit.id, by="staff:x")

        for step in STEPS:
            mark = "&" if "?" in step else "?"
            await browser.open(f"{link}{step}{mark}lang={language}")
            assert (browser.status, browser.heading) == (404, title)
            assert "Error" not in browser.text
        for step in ("confirm", "cancel", "move"):
            answer = await browser.client.post(
                f"{link}/{step}?lang={language}", data={"at": "2026-08-20T14:00:00Z"}
            )
            assert answer.status_code == 404
            assert title in answer.text
        await browser.click(offer)
        assert browser.status == 200


async def _broken(kind: str, link: str, visit: Appointment, services: Services) -> str:
    if kind == "other purpose":
        ids = {"appointment_id": str(visit.id)}
        return services.tokens.issue(TokenPurpose.BOOKING, **ids)
    return {"garbage": "%3Cscript%3E", "long": "x" * 4000}.get(kind, link.rpartition("/")[2])
