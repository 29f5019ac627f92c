"""The link in a visit's letter, at the front door."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

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
from tests.services.scheduling.rfc5545 import hold_to_the_rules

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
    found = await services.repositories.campaigns.page(
        CampaignFilter(), newest_first=True, page=1, limit=2
    )
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
        assert body["can_be_confirmed"] is True
        assert body["changes_until"] == "2026-08-20T11:00:00Z"
        assert httpx.URL(body["calendar_url"]).path == f"{link}/calendar.ics"
        assert "Dana" not in answer.text

    async def test_changes_nothing_however_often(
        self, app_client: httpx.AsyncClient, link: str, furnished: Services
    ) -> None:
        for step in ("", "/calendar.ics", "/confirm", "/cancel", "/reschedule"):
            await app_client.get(f"{link}{step}")
            await app_client.head(f"{link}{step}")

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


class TestNotice:
    """The practice takes changes here until two hours before the visit, at 11:00 UTC."""

    UNTIL = datetime(2026, 8, 20, 11, 0, tzinfo=UTC)
    NEW_TIME: ClassVar = {"appointment_date": "2026-08-21T10:00"}

    @pytest.mark.parametrize(("operation", "body"), [("cancel", None), ("reschedule", NEW_TIME)])
    async def test_a_change_too_late_is_refused_with_the_phone(
        self,
        app_client: httpx.AsyncClient,
        link: str,
        clock: FrozenClock,
        operation: str,
        body: dict[str, str] | None,
    ) -> None:
        clock.set(self.UNTIL + timedelta(milliseconds=1))

        answer = await app_client.post(f"{link}/{operation}", json=body)

        assert problem(answer) == (409, "too-late-to-change")
        assert answer.json()["phone"] == "+1 212-555-0100"
        assert "Thursday 20 August 2026, 07:00 (America/New_York)" in answer.json()["detail"]
        seen = (await app_client.get(link)).json()
        assert (seen["status"], seen["local_time"]) == ("booked", "2026-08-20T09:00")
        assert seen["can_be_changed"] is False

    @pytest.mark.parametrize(("operation", "body"), [("cancel", None), ("reschedule", NEW_TIME)])
    async def test_the_last_instant_is_in_time(
        self,
        app_client: httpx.AsyncClient,
        link: str,
        clock: FrozenClock,
        operation: str,
        body: dict[str, str] | None,
    ) -> None:
        clock.set(self.UNTIL)
        assert (await app_client.get(link)).json()["can_be_changed"] is True

        assert (await app_client.post(f"{link}/{operation}", json=body)).status_code == 200

    async def test_a_visit_can_be_confirmed_until_it_begins(
        self, app_client: httpx.AsyncClient, link: str, clock: FrozenClock
    ) -> None:
        clock.set(datetime(2026, 8, 20, 12, 59, tzinfo=UTC))
        assert (await app_client.get(link)).json()["can_be_confirmed"] is True

        answer = await app_client.post(f"{link}/confirm")

        assert answer.json()["status"] == "confirmed"
        assert answer.json()["can_be_confirmed"] is False

    async def test_cancelling_again_is_never_too_late(
        self, app_client: httpx.AsyncClient, link: str, clock: FrozenClock
    ) -> None:
        await app_client.post(f"{link}/cancel")
        clock.set(self.UNTIL + timedelta(minutes=30))

        answer = await app_client.post(f"{link}/cancel")

        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")

    async def test_the_practice_sets_the_notice(
        self, app_client: httpx.AsyncClient, link: str, furnished: Services
    ) -> None:
        await furnished.base.clinic.update({"self_service_notice_minutes": 2880})

        assert problem(await app_client.post(f"{link}/cancel")) == (409, "too-late-to-change")


class TestCalendar:
    async def test_is_a_file_that_calendars_take(
        self, app_client: httpx.AsyncClient, link: str
    ) -> None:
        answer = await app_client.get(f"{link}/calendar.ics")

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
        assert answer.headers["content-disposition"] == 'attachment; filename="appointment.ics"'
        assert answer.headers["cache-control"] == "no-store"
        calendar = hold_to_the_rules(answer.content)
        assert calendar.one("METHOD").value == "PUBLISH"
        for secret in ("Dana", "Smith", "patient-", "Cleaning"):
            assert secret not in answer.text

    async def test_keeps_the_link_it_was_asked_with(
        self, app_client: httpx.AsyncClient, link: str, clock: FrozenClock
    ) -> None:
        """A link that was looked at does not live longer than it would have."""
        clock.advance(days=300)

        calendar = hold_to_the_rules((await app_client.get(f"{link}/calendar.ics")).content)

        (event,) = [one for one in calendar.inner if one.name == "VEVENT"]
        assert f"/visit/{link.rpartition('/')[2]}" in event.text("DESCRIPTION")

    async def test_follows_every_change_of_the_visit(
        self, app_client: httpx.AsyncClient, link: str
    ) -> None:
        seen = []
        for operation, body in (
            (None, None),
            ("reschedule", {"appointment_date": "2026-08-21T10:30"}),
            ("cancel", None),
        ):
            if operation:
                await app_client.post(f"{link}/{operation}", json=body)
            calendar = hold_to_the_rules((await app_client.get(f"{link}/calendar.ics")).content)
            (event,) = [one for one in calendar.inner if one.name == "VEVENT"]
            seen.append((calendar, event))

        assert len({event.one("UID").value for _, event in seen}) == 1
        sequences = [int(event.one("SEQUENCE").value) for _, event in seen]
        assert sequences == sorted(set(sequences))
        assert [event.one("DTSTART").value for _, event in seen] == [
            "20260820T090000",
            "20260821T103000",
            "20260821T103000",
        ]
        assert seen[-1][0].one("METHOD").value == "CANCEL"
        assert seen[-1][1].one("STATUS").value == "CANCELLED"


class TestReschedule:
    async def test_a_time_that_is_taken_comes_with_three_others(
        self, app_client: httpx.AsyncClient, link: str, furnished: Services
    ) -> None:
        other = booking_form(await known_patient(furnished), appointment_date="2026-08-20T09:30")
        await app_client.post(BOOK, json=other)

        answer = await app_client.post(
            f"{link}/reschedule", json={"appointment_date": "2026-08-20T09:30"}
        )

        assert problem(answer) == (409, "slot-taken")
        assert [one["local_time"] for one in answer.json()["alternatives"]] == [
            "Thursday 20 August 2026, 10:00 (America/New_York)",
            "Thursday 20 August 2026, 10:15 (America/New_York)",
            "Thursday 20 August 2026, 10:30 (America/New_York)",
        ]

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
    @pytest.mark.parametrize(
        "kind",
        ["garbage", "booking", "unsubscribe", "tampered", "expired", "of no visit", "no id"],
    )
    async def test_a_link_that_is_none_is_not_found(
        self,
        app_client: httpx.AsyncClient,
        link: str,
        furnished: Services,
        clock: FrozenClock,
        kind: str,
    ) -> None:
        appointment_id = (await app_client.get(link)).json()["appointment_id"]
        token = self._token(furnished, kind, appointment_id, link.rpartition("/")[2])
        if kind == "expired":
            clock.advance(days=400)

        for method, operation in (
            ("GET", ""),
            ("GET", "/calendar.ics"),
            ("POST", "/confirm"),
            ("POST", "/cancel"),
            ("POST", "/reschedule"),
        ):
            path = f"/api/v1/appointments/manage/{token}{operation}"
            body = {"appointment_date": "2026-08-21T10:00"} if "resch" in operation else None
            answer = await app_client.request(method, path, json=body)
            slug = "visit-gone" if kind == "of no visit" else "invalid-link"
            assert problem(answer) == (404, slug)
            assert token not in answer.text or kind == "garbage"

    def _token(self, services: Services, kind: str, visit: str, good: str) -> str:
        """One that would open the visit, but for `kind`."""
        issue = services.tokens.issue
        head, _, signature = good.rpartition(".")
        made: dict[str, Callable[[], str]] = {
            "booking": lambda: issue(TokenPurpose.BOOKING, appointment_id=visit),
            "unsubscribe": lambda: issue(TokenPurpose.UNSUBSCRIBE, appointment_id=visit),
            "tampered": lambda: f"{head}.{signature[::-1]}",
            "expired": lambda: good,
            "no id": lambda: issue(TokenPurpose.MANAGE_APPOINTMENT, patient_id=visit),
            "of no visit": lambda: issue(
                TokenPurpose.MANAGE_APPOINTMENT, appointment_id=str(new_id())
            ),
            "garbage": lambda: "garbage",
        }
        return made[kind]()

    async def test_a_visits_link_opens_nothing_else(
        self, app_client: httpx.AsyncClient, link: str, furnished: Services
    ) -> None:
        token = link.rpartition("/")[2]

        assert problem(await app_client.post(f"/api/v1/unsubscribe/{token}")) == (
            404,
            "invalid-link",
        )
        headers = {"Authorization": f"Bearer {token}"}
        assert (await app_client.get("/api/v1/users/me", headers=headers)).status_code == 401

    async def test_a_deleted_visit_is_not_found(
        self, app_client: httpx.AsyncClient, link: str, furnished: Services
    ) -> None:
        appointment_id = as_object_id((await app_client.get(link)).json()["appointment_id"])
        assert appointment_id is not None
        await furnished.scheduling.appointments.delete(appointment_id, by="staff:x")

        assert problem(await app_client.get(link)) == (404, "visit-gone")
