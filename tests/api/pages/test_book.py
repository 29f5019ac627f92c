"""The booking page, as a patient without script walks through it."""

import asyncio
import base64
import hashlib
import html
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NoReturn
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI, Request
from pymongo.errors import ServerSelectionTimeoutError
from starlette.middleware.base import RequestResponseEndpoint
from starlette.responses import Response

from app.api.pages.rendering import preferred_language
from app.api.pages.router import router
from app.api.pages.words import WORDS
from app.models.appointment import Appointment, AppointmentStatus
from app.models.campaign import CampaignStatus
from app.models.patient import Patient
from app.models.schedule import Service
from app.services.container import Services
from app.services.scheduling.localtime import resolve_local
from app.services.tokens import TokenPurpose
from tests.api.pages.browser import Browser, hold_to_the_headers
from tests.api.pages.conftest import Snapshot
from tests.api.test_public import BOOK, booking_form, known_patient
from tests.factories import make_campaign, make_patient
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo

DETAILS = "/book?service_id=cleaning&at=2026-08-20T13:00:00Z"
"""The form for 20 August at 09:00 in New York."""
HOSTILE = "\"'><script>alert(1)</script>{{7*7}}&amp;"


async def every_visit(services: Services) -> list[Appointment]:
    """The whole book."""
    return await services.repositories.appointments._find({})


async def only_visit(services: Services) -> Appointment:
    """The only visit in the book."""
    (visit,) = await every_visit(services)
    return visit


def who(patient: Patient, **given: str) -> dict[str, str]:
    """What they type."""
    assert patient.email is not None
    typed = {"name": patient.name, "email": patient.email, "phone": "212 555 0199"}
    return {**typed, **given}


async def booking_link(services: Services, patient: Patient) -> str:
    """The path and query of the link in a letter to them, with a campaign."""
    campaign = await services.repositories.campaigns.insert(make_campaign(patient_id=patient.id))
    url = httpx.URL(services.base.links.booking_link(patient.id, campaign.id))
    return url.raw_path.decode()


class TestWalk:
    async def test_the_link_in_a_letter_leads_to_a_visit(
        self, browser: Browser, furnished: Services
    ) -> None:
        patient = await known_patient(furnished)
        await browser.open(await booking_link(furnished, patient))
        assert browser.heading == "What would you like to come for?"

        await browser.click("Check-up and Cleaning")
        await browser.click("day=2026-08-20")
        await browser.click("9:15 AM")
        await browser.press("Book this visit", notes="Mornings are best.")

        assert browser.heading == "Your visit is booked"
        assert "Thursday, August 20, 2026, 9:15 AM EDT" in browser.text
        assert "Local time in New York" in browser.text
        assert "Check-up and Cleaning" in browser.text
        assert "Dr. Rivera" in browser.text
        visit = await only_visit(furnished)
        assert visit.patient_id == patient.id
        assert visit.appointment_date == datetime(2026, 8, 20, 13, 15, tzinfo=UTC)
        assert visit.notes == "Mornings are best."
        campaign = await furnished.repositories.campaigns.active_for(patient.id)
        assert campaign is not None
        assert campaign.status == CampaignStatus.BOOKING_INITIATED
        await browser.click("See, move or cancel")
        assert browser.heading == "Your visit"

    async def test_wanted_times_that_are_not_free_or_not_readable_leave_every_day(
        self, browser: Browser, furnished: Services
    ) -> None:
        await browser.open("/book?service_id=cleaning&wanted=20260822-20260823")
        assert "Nothing is free at the times you wrote about." in browser.text
        assert any("day=2026-08-20" in href for href in browser.document.hrefs)

        for unreadable in ("tomorrow", "20260822", "20260101-20260102", HOSTILE):
            await browser.open(f"/book?service_id=cleaning&wanted={quote(unreadable)}")
            assert "wrote about" not in browser.text
            assert any("day=2026-08-20" in href for href in browser.document.hrefs)
            assert all("wanted" not in href for href in browser.document.hrefs if "day=" in href)

    async def test_whom_the_link_names_is_not_asked_and_not_shown(
        self, browser: Browser, furnished: Services
    ) -> None:
        patient = await known_patient(furnished, phone="+12125550142")
        link = await booking_link(furnished, patient)
        steps = ["Check-up", "day=2026-08-20", "9:00 AM"]

        await browser.open(link)
        for step in steps:
            for secret in (patient.name, "Dana", "Smith", patient.email, "5550142", "555-0142"):
                assert str(secret) not in browser.answer.text
            assert link.partition("booking_token=")[2] not in browser.text
            await browser.click(step)

        assert browser.form.to_type() == {"notes"}
        assert browser.form.hidden["booking_token"]

    async def test_anybody_whom_the_practice_knows_can_book_without_a_link(
        self, browser: Browser, furnished: Services
    ) -> None:
        patient = await known_patient(furnished)
        await browser.open("/book")
        await browser.click("Teeth Whitening")
        await browser.click("day=2026-08-21")
        await browser.click("10:00 AM")
        assert browser.form.to_type() == {"name", "email", "phone", "notes"}

        await browser.press("Book this visit", **who(patient))

        assert browser.heading == "Your visit is booked"
        visit = await only_visit(furnished)
        assert (visit.patient_id, visit.service_id) == (patient.id, "whitening")

    @pytest.mark.parametrize("kind", ["garbage", "expired", "other purpose", "too long"])
    async def test_a_link_that_is_not_valid_works_as_for_anybody(
        self, browser: Browser, furnished: Services, clock: FrozenClock, kind: str
    ) -> None:
        patient = await known_patient(furnished)
        token = {
            "garbage": HOSTILE,
            "too long": "x" * 5000,
            "expired": furnished.tokens.issue(TokenPurpose.BOOKING, patient_id=str(patient.id)),
            "other purpose": furnished.tokens.issue(
                TokenPurpose.UNSUBSCRIBE, patient_id=str(patient.id)
            ),
        }[kind]
        clock.advance(days=61 if kind == "expired" else 0)

        await browser.open(str(httpx.URL("/book", params={"booking_token": token})))
        assert "Your link is not valid any more." in browser.text
        await browser.click("Check-up and Cleaning")
        await browser.click("day=", number=1)
        await browser.click("10:00 AM")
        await browser.press("Book this visit", **who(patient))

        assert browser.heading == "Your visit is booked"

    async def test_a_link_that_runs_out_on_the_way_asks_who_it_is(
        self, browser: Browser, furnished: Services, clock: FrozenClock
    ) -> None:
        patient = await known_patient(furnished)
        link = await booking_link(furnished, patient)
        clock.advance(days=59, hours=23)
        await browser.open(f"{link}&service_id=cleaning&at=2026-10-22T13:00:00Z")
        clock.advance(hours=2)

        await browser.press("Book this visit", notes="hello")

        assert browser.status == 422
        assert "Your link is not valid any more." in browser.text
        assert browser.form.fields["notes"] == "hello"
        await browser.press("Book this visit", **who(patient))
        assert browser.heading == "Your visit is booked"

    async def test_somebody_else_can_leave_the_link_behind(
        self, browser: Browser, furnished: Services
    ) -> None:
        link = await booking_link(furnished, await known_patient(furnished))
        other = await known_patient(furnished, name="Otto Other")
        await browser.open(f"{link}&service_id=cleaning&at=2026-08-20T13:00:00Z")

        await browser.click("Is this link not yours?")
        await browser.press("Book this visit", **who(other))

        assert (await only_visit(furnished)).patient_id == other.id


class TestChoosing:
    async def test_shows_the_days_and_times_that_the_api_offers(
        self, browser: Browser, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        patient = await known_patient(furnished)
        await app_client.post(BOOK, json=booking_form(patient))
        query: dict[str, Any] = {"month": 8, "year": 2026, "service_id": "cleaning"}
        offered = (await app_client.get("/api/v1/availability", params=query)).json()

        await browser.open("/book?service_id=cleaning")

        days = [href[-10:] for href in browser.document.hrefs if "day=" in href]
        assert days == list(offered)
        zone = (await furnished.base.clinic.current()).zone
        for day in days[:3]:
            await browser.open(f"/book?service_id=cleaning&day={day}")
            steps = [httpx.URL(href).params for href in browser.document.hrefs if "at=" in href]
            expected = [
                resolve_local(datetime.fromisoformat(f"{day}T{time}"), zone)
                for time in offered[day]
            ]
            assert [datetime.fromisoformat(step["at"]) for step in steps] == expected

    async def test_goes_to_other_months_as_far_as_can_be_booked(
        self, browser: Browser, furnished: Services
    ) -> None:
        await browser.open("/book?service_id=cleaning")
        assert "Earlier:" not in browser.text

        shown = []
        while "Later:" in browser.text:
            await browser.click("Later:")
            shown.append("Earlier:" in browser.text)

        assert shown == [True] * 6
        assert "February 2027" in browser.text
        assert "day=2027-02-15" in " ".join(browser.document.hrefs)
        assert "day=2027-02-16" not in " ".join(browser.document.hrefs)

    async def test_starts_with_the_first_month_that_has_a_free_time(
        self, browser: Browser, furnished: Services
    ) -> None:
        await furnished.base.clinic.update({"booking_lead_minutes": 30 * 24 * 60})

        await browser.open("/book?service_id=cleaning")

        assert "September 2026" in browser.text
        days = [href[-10:] for href in browser.document.hrefs if "day=" in href]
        assert days[0] == "2026-09-18"

    async def test_says_so_where_nothing_is_free(
        self, browser: Browser, furnished: Services
    ) -> None:
        for provider in await furnished.repositories.providers.every():
            await furnished.repositories.providers.update_fields(provider.id, {"active": False})

        await browser.open("/book?service_id=cleaning")

        assert "There is no free time in this month. We have found none" in browser.text
        assert "+1 212-555-0100" in browser.text

    async def test_an_empty_month_names_the_next_that_has_times(
        self, browser: Browser, furnished: Services
    ) -> None:
        await furnished.base.clinic.update({"booking_lead_minutes": 30 * 24 * 60})
        await browser.open("/book?service_id=cleaning&month=2026-08")
        assert "There is no free time in this month." in browser.text

        await browser.click("Next free times: September 2026")

        assert "day=2026-09-18" in " ".join(browser.document.hrefs)

    async def test_offers_only_what_can_be_booked_online(
        self, browser: Browser, furnished: Services
    ) -> None:
        fields: dict[str, Any] = {"service_id": "x", "name": "Inside", "duration_minutes": 30}
        hidden = Service(**fields, bookable_online=False)
        await furnished.repositories.services.insert(hidden)

        await browser.open("/book?service_id=x")

        assert "Inside" not in browser.text
        assert "That service cannot be booked online." in browser.text

    async def test_a_time_that_is_gone_leads_to_the_others_of_its_day(
        self, browser: Browser, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        await app_client.post(BOOK, json=booking_form(await known_patient(furnished)))

        await browser.open(DETAILS)

        assert "That time is not free any more." in browser.text
        assert "9:30 AM" in browser.text
        assert not browser.document.forms

    @pytest.mark.parametrize(
        "query",
        [
            "service_id=%00",
            f"service_id={HOSTILE}",
            "service_id=cleaning&month=2026-13",
            "service_id=cleaning&month=0001-01",
            "service_id=cleaning&month=9999-12",
            "service_id=cleaning&day=9999-12-31",
            "service_id=cleaning&day=0001-01-01",
            "service_id=cleaning&day=2026-08-22",
            "service_id=cleaning&at=9999-12-31T23:59:59Z",
            "service_id=cleaning&at=0001-01-01T00:00:00Z",
            "service_id=cleaning&at=2026-02-30T00:00:00Z",
            "service_id=cleaning&at=2026-08-20T13:01:00Z",
            f"service_id=cleaning&at={HOSTILE}&day={HOSTILE}&month={HOSTILE}&lang={HOSTILE}",
        ],
    )
    async def test_an_address_that_somebody_made_up_is_a_page_all_the_same(
        self, browser: Browser, furnished: Services, query: str
    ) -> None:
        await browser.open(f"/book?{query}")

        assert browser.status == 200
        assert not browser.document.forms
        assert "<script" not in browser.answer.text

    async def test_names_the_zone_at_each_time_of_the_day_the_clocks_change(
        self, browser: Browser, furnished: Services, clock: FrozenClock
    ) -> None:
        clock.set(datetime(2026, 10, 30, 12, 0, tzinfo=UTC))
        for provider in await furnished.repositories.providers.every():
            hours = {"SUN": [["00:30", "03:00"]]}
            await furnished.repositories.providers.update_fields(
                provider.id, {"working_hours": hours}
            )

        await browser.open("/book?service_id=cleaning&day=2026-11-01")

        labels = [text for href, text in browser.document.links if "at=" in href]
        assert {"12:30 AM EDT", "2:30 AM EST"} <= set(labels)


class TestSubmit:
    async def test_a_double_click_makes_one_visit(
        self, browser: Browser, furnished: Services
    ) -> None:
        patient = await known_patient(furnished)
        await browser.open(DETAILS)
        typed = who(patient)

        answers = await asyncio.gather(
            *(browser.send("Book this visit", typed, follow=False) for _ in range(5))
        )
        again = await browser.send("Book this visit", typed, follow=False)

        assert {answer.status_code for answer in [*answers, again]} == {303}
        assert len({answer.headers["location"] for answer in [*answers, again]}) == 1
        await only_visit(furnished)

    async def test_every_form_has_a_key_of_its_own(
        self, browser: Browser, furnished: Services
    ) -> None:
        keys = {(await browser.open(DETAILS)).form.hidden["key"] for _ in range(3)}

        assert len(keys) == 3
        assert all(len(key) >= 22 for key in keys)

    async def test_a_form_that_was_sent_with_something_else_in_it_is_shown_again(
        self, browser: Browser, furnished: Services
    ) -> None:
        patient = await known_patient(furnished)
        await browser.open(DETAILS)
        await browser.send("Book this visit", who(patient))

        await browser.press("Book this visit", **who(patient, notes="Another"))

        assert browser.status == 422
        assert "This form was sent before with something else in it." in browser.text
        await only_visit(furnished)

    async def test_says_at_each_field_what_is_wrong_and_keeps_what_was_typed(
        self, browser: Browser, furnished: Services
    ) -> None:
        await browser.open(DETAILS)

        await browser.press("Book this visit", name="", email="nobody", phone="x", notes="Hello")

        assert browser.status == 422
        wrong = {given["id"] for _, given in browser.document.tags if "aria-invalid" in given}
        assert wrong == {"name", "email", "phone"}
        assert [href for href in browser.document.hrefs if href in {"#name", "#email", "#phone"}]
        assert browser.text.count("Write an e-mail address, for example") == 2
        assert browser.form.fields["email"] == "nobody"
        assert browser.form.fields["notes"] == "Hello"
        assert "Error: " in browser.text
        assert not await every_visit(furnished)

    @pytest.mark.parametrize(
        ("field", "text"),
        [("phone", "12345"), ("name", "a\u202eb"), ("name", "x" * 121), ("notes", "x" * 2001)],
    )
    async def test_what_only_the_service_can_tell_stands_at_its_field_too(
        self, browser: Browser, furnished: Services, field: str, text: str
    ) -> None:
        patient = await known_patient(furnished)
        await browser.open(DETAILS)

        await browser.press("Book this visit", **who(patient, **{field: text}))

        assert browser.status == 422
        wrong = {given["id"] for _, given in browser.document.tags if "aria-invalid" in given}
        assert wrong == {field}
        assert browser.form.fields[field] == text

    async def test_whom_the_practice_does_not_know_is_asked_to_call(
        self, browser: Browser, furnished: Services
    ) -> None:
        await browser.open(DETAILS)

        await browser.press(
            "Book this visit", name="Nobody", email="nobody@example.com", phone="212 555 0177"
        )

        assert browser.status == 404
        assert "We could not find you in our records" in browser.text
        assert "call us at +1 212-555-0100" in browser.text
        assert browser.form.fields["email"] == "nobody@example.com"
        assert await furnished.repositories.patients.is_empty()

    async def test_a_time_that_somebody_else_took_gives_three_others_one_press_away(
        self, browser: Browser, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        patient = await known_patient(furnished, name="Pat Late")
        await browser.open(DETAILS)
        await app_client.post(BOOK, json=booking_form(await known_patient(furnished)))

        await browser.press("Book this visit", **who(patient, notes="By the window"))
        assert browser.status == 409
        assert browser.heading == "Somebody else has just booked this time"
        assert [button.text for button in browser.form.buttons] == [
            "Thursday, August 20, 2026, 9:30 AM EDT",
            "Thursday, August 20, 2026, 9:45 AM EDT",
            "Thursday, August 20, 2026, 10:00 AM EDT",
        ]
        await browser.press("9:45 AM")

        assert browser.heading == "Your visit is booked"
        booked = [one for one in await every_visit(furnished) if one.patient_id == patient.id]
        assert [(one.appointment_date, one.notes) for one in booked] == [
            (datetime(2026, 8, 20, 13, 45, tzinfo=UTC), "By the window")
        ]

    async def test_whom_the_link_names_keeps_it_on_the_way_to_another_time(
        self, browser: Browser, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        patient = await known_patient(furnished, name="Pat Late")
        link = await booking_link(furnished, patient)
        await browser.open(f"{link}&service_id=cleaning&at=2026-08-20T13:00:00Z")
        await app_client.post(BOOK, json=booking_form(await known_patient(furnished)))

        await browser.press("Book this visit")
        await browser.press("9:30 AM")

        assert browser.heading == "Your visit is booked"
        assert patient.id in {one.patient_id for one in await every_visit(furnished)}

    async def test_a_time_that_became_too_soon_gives_others(
        self, browser: Browser, furnished: Services, clock: FrozenClock
    ) -> None:
        patient = await known_patient(furnished)
        await browser.open(DETAILS)
        clock.set(datetime(2026, 8, 20, 12, 30, tzinfo=UTC))

        await browser.press("Book this visit", **who(patient))

        assert browser.status == 422
        assert browser.heading == "This time cannot be booked"
        assert len(browser.form.buttons) == 3
        await browser.press("10:30 AM")
        assert browser.heading == "Your visit is booked"

    async def test_a_second_visit_at_the_same_time_is_refused_with_others(
        self, browser: Browser, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        patient = await known_patient(furnished)
        await browser.open(DETAILS)
        await app_client.post(BOOK, json=booking_form(patient))

        await browser.press("Book this visit", **who(patient))

        assert browser.status == 409
        assert browser.heading == "There is a visit at this time already"
        assert len(browser.form.buttons) == 3

    @pytest.mark.parametrize("field", ["name", "email", "phone", "notes"])
    async def test_what_is_typed_is_text_and_never_markup(
        self, browser: Browser, furnished: Services, field: str
    ) -> None:
        await browser.open(DETAILS)
        typed = {"name": "", "email": "a@example.com", "phone": "x", "notes": "n", field: HOSTILE}

        await browser.press("Book this visit", **typed)

        assert browser.status == 422
        assert browser.form.fields[field] == HOSTILE
        assert "<script" not in browser.answer.text
        assert html.escape(HOSTILE, quote=False)[:10] not in browser.text

    async def test_a_taken_time_keeps_hostile_text_as_text(
        self, browser: Browser, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        patient = await known_patient(furnished, name="Pat Late")
        await browser.open(DETAILS)
        await app_client.post(BOOK, json=booking_form(await known_patient(furnished)))

        await browser.press("Book this visit", **who(patient, notes=HOSTILE))
        assert browser.form.hidden["notes"] == HOSTILE
        await browser.press("9:30 AM")

        notes = {one.notes for one in await every_visit(furnished)}
        assert notes == {None, HOSTILE}
        assert "<script" not in browser.answer.text

    @pytest.mark.parametrize(
        "sent",
        [
            {"data": {}},
            {"json": {"service_id": "cleaning"}},
            {"data": {"service_id": "nothing", "at": "2026-08-20T13:00:00Z"}},
            {"data": {"service_id": "cleaning", "at": HOSTILE, "key": HOSTILE}},
            {"content": b"\xff\xfe=%zz&&&=", "headers": {"Content-Type": "text/plain"}},
        ],
    )
    async def test_what_is_no_form_of_ours_starts_again(
        self, app_client: httpx.AsyncClient, furnished: Services, sent: dict[str, Any]
    ) -> None:
        answer = await app_client.post("/book", **sent)

        assert answer.status_code == 422
        assert "What would you like to come for?" in answer.text
        assert "<script" not in answer.text

    async def test_a_body_that_is_too_large_is_refused(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        answer = await app_client.post("/book", data={"notes": "x" * 70_000})

        assert answer.status_code == 413


class TestAddressThatIsNone:
    @pytest.mark.parametrize("path", ["/book/", "/book/x", "/visit", "/visit/", "/visit/x/y/z"])
    async def test_is_a_page_with_a_way_on(
        self, browser: Browser, furnished: Services, path: str
    ) -> None:
        await browser.open(path)

        assert browser.status == 404
        assert "There is no page at this address." in browser.text
        hold_to_the_headers(browser.answer.headers)
        await browser.click("To the booking page")
        assert browser.heading == "What would you like to come for?"

    async def test_keeps_whom_the_link_names(self, browser: Browser, furnished: Services) -> None:
        link = await booking_link(furnished, await known_patient(furnished))
        await browser.open(link.replace("/book?", "/book/?"))
        assert browser.status == 404

        await browser.click("To the booking page")
        await browser.open(f"{browser.answer.url}&service_id=cleaning&at=2026-08-20T13:00:00Z")

        assert browser.form.to_type() == {"notes"}

    async def test_a_body_that_is_no_form_is_refused_with_a_page(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        fields = {f"field{number}": "x" for number in range(50)}

        answer = await app_client.post("/book", data=fields)

        assert answer.status_code == 400
        assert "This did not work" in answer.text


class TestEveryPage:
    PATHS = (
        "/book",
        "/book?service_id=cleaning",
        "/book?service_id=cleaning&day=2026-08-20",
        DETAILS,
    )

    async def test_may_not_be_kept_framed_indexed_or_told_to_others(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        for path in self.PATHS:
            hold_to_the_headers((await app_client.get(path)).headers)
        hold_to_the_headers((await app_client.post("/book")).headers)

    async def test_the_policy_lets_the_stylesheet_in(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        answer = await app_client.get("/book")

        style = answer.text.partition("<style>")[2].partition("</style>")[0]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]

    async def test_looking_changes_nothing(
        self, browser: Browser, furnished: Services, snapshot: Snapshot
    ) -> None:
        link = await booking_link(furnished, await known_patient(furnished))
        await furnished.base.clinic.current()
        before = await snapshot()

        for path in (*self.PATHS, link, f"{link}&service_id=cleaning&at=2026-08-20T13:00:00Z"):
            await browser.open(path)
            head = await browser.client.head(path)
            assert head.status_code == 200

        assert await snapshot() == before

    async def test_the_api_document_does_not_list_them(self, app_client: httpx.AsyncClient) -> None:
        paths = (await app_client.get("/openapi.json")).json()["paths"]

        assert not [path for path in paths if path.startswith(("/book", "/visit"))]


class TestLanguage:
    async def test_speaks_what_the_browser_prefers(
        self, browser: Browser, furnished: Services
    ) -> None:
        await browser.open(DETAILS, language="es-MX,es;q=0.9,en;q=0.8")

        assert browser.document.tags[0] == ("html", {"lang": "es"})
        assert "jueves, 20 de agosto de 2026, 09:00 EDT" in browser.text

    async def test_somebody_new_is_written_to_in_the_language_they_booked_in(
        self, app_client: httpx.AsyncClient, browser: Browser, furnished: Services
    ) -> None:
        await furnished.base.clinic.update({"allow_new_patient_booking": True})
        await browser.open(f"{DETAILS}&lang=es")
        stranger = make_patient(name="Ana Ruiz", email="ana@example.com")
        await browser.press("Reservar esta cita", **who(stranger))
        body = {"name": "Eva Sol", "email": "eva@example.com", "phone": "212 555 0198"}
        wish = {"service_id": "cleaning", "appointment_date": "2026-08-20T15:00:00Z"}
        answer = await app_client.post(
            "/api/v1/appointments/book", json=body | wish, headers={"Accept-Language": "es-MX"}
        )

        assert (browser.heading, answer.status_code) == ("Su cita está reservada", 201)
        for address in ("ana@example.com", "eva@example.com"):
            [patient] = await furnished.repositories.patients.with_email(address)
            assert patient.language == "es"

    async def test_a_chosen_language_stays_to_the_end(
        self, browser: Browser, furnished: Services
    ) -> None:
        patient = await known_patient(furnished)
        await browser.open("/book")
        await browser.click("Español")
        for step in ("Check-up", "day=2026-08-20", "09:00"):
            await browser.click(step)

        await browser.press("Reservar esta cita", **who(patient))

        assert browser.heading == "Su cita está reservada"
        await browser.click("Ver, cambiar o cancelar")
        assert browser.heading == "Su cita"
        await browser.click("English")
        assert browser.heading == "Your visit"

    @pytest.mark.parametrize(
        ("accept", "language"),
        [
            ("", "en"),
            ("es", "es"),
            ("fr-CH, fr;q=0.9", "en"),
            ("fr, es;q=0.3, en;q=0.2", "es"),
            ("en;q=0.2, ES-419;q=0.3", "es"),
            ("es;q=0", "en"),
            ("es;q=1.2.3", "en"),
            ("*", "en"),
        ],
    )
    def test_reads_the_header(self, accept: str, language: str) -> None:
        assert preferred_language(accept) == language

    def test_has_every_sentence_in_both_languages(self) -> None:
        assert set(WORDS["en"]) == set(WORDS["es"])
        for name, sentence in WORDS["en"].items():
            for place in ("{0}", "{1}"):
                assert (place in sentence) == (place in WORDS["es"][name]), name

    def test_has_a_word_for_every_status(self) -> None:
        assert {f"status_{status.value}" for status in AppointmentStatus} <= set(WORDS["en"])


class _SilentClinic:
    """A database that does not answer."""

    async def current(self) -> NoReturn:
        """See `ClinicService`."""
        message = "no server"
        raise ServerSelectionTimeoutError(message)


class TestWithoutDatabase:
    async def test_says_that_nothing_was_changed(self, services: Services) -> None:
        base = SimpleNamespace(clinic=_SilentClinic(), limiter=services.base.limiter)
        app = FastAPI()
        app.include_router(router)

        @app.middleware("http")
        async def without_database(request: Request, proceed: RequestResponseEndpoint) -> Response:
            request.state.services = SimpleNamespace(base=base)
            return await proceed(request)

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            browser = await Browser(client).open("/book")

        assert browser.status == 503
        assert "Nothing has been changed." in browser.text
        assert browser.answer.headers["retry-after"] == "5"
