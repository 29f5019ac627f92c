"""The calendar file, held to the RFCs and read by libraries that did not write it."""

from datetime import UTC, datetime, timedelta, tzinfo
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import vobject
from dateutil import tz
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from app.models.appointment import Appointment, AppointmentStatus, CreatedFrom
from app.models.base import as_object_id, new_id
from app.models.interaction import CalendarMethod as Method
from app.models.schedule import Clinic
from app.services.scheduling.calendar_file import calendar_file
from tests.fakes import NOON
from tests.services.scheduling.rfc5545 import Component, hold_to_the_rules, local_time

ZONES = (
    *("America/New_York", "Europe/Madrid", "Australia/Lord_Howe", "Asia/Kolkata"),
    *("America/Phoenix", "Africa/Casablanca", "Europe/Dublin", "Pacific/Auckland"),
)
HOSTILE = 'Bright; "Dental", Inc.\r\nATTENDEE:mailto:x@example.org\\n\x00\x1b\u2028\x85 ñ 🦷' * 3
MANAGE_URL = "https://api.example/visit/" + "eyJhbGciOi." * 30


def clinic_of(**given: Any) -> Clinic:
    fields: dict[str, Any] = {
        "name": "Bright Dental",
        "phone": "+1 212-555-0100",
        "address": "1 Demo Street, New York, NY 10001",
        "timezone": "America/New_York",
        "country": "US",
        "currency": "USD",
        "booking_horizon_days": 180,
        "booking_lead_minutes": 120,
        "slot_grid_minutes": 15,
        "allow_new_patient_booking": False,
    }
    return Clinic.model_construct(**(fields | given))


def visit_at(starts_at: datetime, **given: Any) -> Appointment:
    fields: dict[str, Any] = {
        "patient_id": new_id(),
        "provider_id": new_id(),
        "chair_id": new_id(),
        "service_id": "root_canal",
        "service_name": "Root canal",
        "appointment_date": starts_at,
        "duration_minutes": 45,
        "created_from": CreatedFrom.MANUAL_ADMIN,
        "notes": "Afraid of needles",
    }
    return Appointment(**(fields | given))


def file_of(visit: Appointment, clinic: Clinic | None = None, **given: Any) -> bytes:
    arguments: dict[str, Any] = {
        "method": Method.REQUEST,
        "organizer": "frontdesk@example.com",
        "attendee": "dana@example.org",
        "manage_url": MANAGE_URL,
        "stamp": NOON,
    }
    return calendar_file(visit, clinic or clinic_of(), "Dr. Rivera", **(arguments | given))


def event_in(content: bytes) -> Component:
    (event,) = [one for one in hold_to_the_rules(content).inner if one.name == "VEVENT"]
    return event


def changes_of(zone: ZoneInfo, year: int) -> list[datetime]:
    """The instants at which the zone's offset changes in a year, to the minute."""
    found = []
    instant = datetime(year, 1, 1, tzinfo=UTC)
    while instant.year == year:
        later = instant + timedelta(minutes=30)
        if later.astimezone(zone).utcoffset() != instant.astimezone(zone).utcoffset():
            found.append(later)
        instant = later
    return found


def as_others_read(content: bytes) -> tuple[datetime, datetime]:
    """Start and end in UTC, as dateutil reads them with the rules that the file itself brings."""
    text = content.decode()
    event = event_in(content)
    zone: tzinfo = UTC
    if "BEGIN:VTIMEZONE" in text:
        rules = text[text.index("BEGIN:VTIMEZONE") : text.index("BEGIN:VEVENT")]
        zone = tz.tzical(StringIO(rules)).get()
    start, end = (
        local_time(event.one(name)).replace(tzinfo=zone).astimezone(UTC)
        for name in ("DTSTART", "DTEND")
    )
    return start, end


class TestValid:
    @pytest.mark.parametrize("method", Method)
    @pytest.mark.parametrize("language", ["en", "es"])
    def test_every_kind_keeps_the_rules(self, method: Method, language: str) -> None:
        visit = visit_at(datetime(2026, 8, 20, 18, 30, tzinfo=UTC))

        content = file_of(visit, method=method, language=language)

        hold_to_the_rules(content)
        assert vobject.readOne(content.decode()).validate(raiseException=True)
        (event,) = Calendar.from_ical(content).events
        assert not event.errors

    @pytest.mark.parametrize("name", [HOSTILE, "\r\n", "END:VEVENT", ",", "🦷" * 120, "a" * 120])
    def test_a_name_is_never_more_than_text(self, name: str) -> None:
        clinic = clinic_of(name=name, address=name, phone=name)

        event = event_in(file_of(visit_at(NOON), clinic))

        assert len(event.all("ATTENDEE")) == 1
        assert event.text("SUMMARY").removeprefix("Appointment at ").split() == _printed(name)
        assert vobject.readOne(file_of(visit_at(NOON), clinic).decode()).vevent.summary.value == (
            event.text("SUMMARY")
        )

    @settings(max_examples=60, deadline=None)
    @given(text=st.text(st.characters(codec="utf-8"), max_size=120))
    def test_any_text_keeps_the_rules(self, text: str) -> None:
        clinic = clinic_of(name=text, address=text, phone=text)

        event = event_in(file_of(visit_at(NOON), clinic))

        assert event.text("SUMMARY").removeprefix("Appointment at ").split() == _printed(text)

    @pytest.mark.parametrize(
        "address", ["josé@ejemplo.example", "a?b=c&d@example.org", '"a b"@example.org', "a,b@x.org"]
    )
    def test_an_address_is_a_uri(self, address: str) -> None:
        hold_to_the_rules(file_of(visit_at(NOON), attendee=address, organizer=address))


def _printed(text: str) -> list[str]:
    return "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in text).split()


class TestTime:
    @pytest.mark.parametrize("zone_name", ZONES)
    def test_others_read_the_instant_around_every_change(self, zone_name: str) -> None:
        zone = ZoneInfo(zone_name)
        clinic = clinic_of(timezone=zone_name)
        changes = [*changes_of(zone, 2026), *changes_of(zone, 2027)]
        middles = [datetime(2026, 1, 15, 15, tzinfo=UTC), datetime(2026, 7, 15, 15, tzinfo=UTC)]
        for middle in [*changes, *middles]:
            for minutes in (-1440, -90, -60, -45, -30, -15, 0, 15, 30, 60, 90, 1440):
                start = middle + timedelta(minutes=minutes)

                content = file_of(visit_at(start), clinic)

                hold_to_the_rules(content)
                assert as_others_read(content) == (start, start + timedelta(minutes=45))

    def test_is_the_clinics_wall_clock_with_its_zone(self) -> None:
        event = event_in(file_of(visit_at(datetime(2026, 8, 20, 18, 30, tzinfo=UTC))))

        start = event.one("DTSTART")
        assert (start.params, start.value) == ({"TZID": "America/New_York"}, "20260820T143000")
        assert event.one("DTEND").value == "20260820T151500"

    def test_rules_begin_on_the_clock_before_the_change(self) -> None:
        """RFC 5545, section 3.6.5: New York went forward at 02:00, not at 03:00."""
        calendar = hold_to_the_rules(file_of(visit_at(datetime(2007, 7, 1, 12, tzinfo=UTC))))

        (zone,) = [one for one in calendar.inner if one.name == "VTIMEZONE"]
        rules = [
            (one.name, one.one("DTSTART").value, one.one("TZOFFSETTO").value) for one in zone.inner
        ]
        assert rules == [
            ("STANDARD", "20070101T000000", "-0500"),
            ("DAYLIGHT", "20070311T020000", "-0400"),
            ("STANDARD", "20071104T020000", "-0500"),
        ]

    def test_an_hour_that_comes_twice_is_written_in_utc_the_second_time(self) -> None:
        first, second = (datetime(2026, 11, 1, hour, 0, tzinfo=UTC) for hour in (5, 6))

        named, plain = (
            event_in(file_of(visit_at(at, duration_minutes=15))) for at in (first, second)
        )

        assert named.one("DTSTART").value == "20261101T010000"
        assert plain.one("DTSTART").value == "20261101T060000Z"

    def test_a_visit_over_new_year_has_the_rules_of_both_years(self) -> None:
        start = datetime(2026, 12, 31, 12, 45, tzinfo=UTC)
        clinic = clinic_of(timezone="Australia/Lord_Howe")

        content = file_of(visit_at(start, duration_minutes=60), clinic)

        assert b"DTSTART:20270404T020000" in content
        assert as_others_read(content)[1] == start + timedelta(hours=1)


class TestExchange:
    def test_a_visit_is_one_entry_for_good_and_newer_ones_win(self) -> None:
        visit = visit_at(NOON, _id=as_object_id("66f2a1b4c3d2e1f0a9b8c7d6"))
        moved = visit.model_copy(update={"sequence": 4, "appointment_date": NOON})
        gone = moved.model_copy(update={"sequence": 5, "status": AppointmentStatus.CANCELLED})

        events = [
            event_in(file_of(visit)),
            event_in(file_of(moved)),
            event_in(file_of(gone, method=Method.CANCEL)),
        ]

        uids = {event.one("UID").value for event in events}
        assert uids == {"66f2a1b4c3d2e1f0a9b8c7d6@dental-engagement"}
        assert [int(event.one("SEQUENCE").value) for event in events] == [0, 4, 5]
        assert [event.one("STATUS").value for event in events] == [
            "CONFIRMED",
            "CONFIRMED",
            "CANCELLED",
        ]

    def test_asks_for_no_answer(self) -> None:
        attendee = event_in(file_of(visit_at(NOON))).one("ATTENDEE")

        assert attendee.params["RSVP"] == "FALSE"
        assert attendee.value == "mailto:dana@example.org"

    def test_one_to_read_names_nobody_but_the_practice(self) -> None:
        content = file_of(visit_at(NOON), method=Method.PUBLISH)

        assert b"dana" not in content
        assert event_in(content).one("ORGANIZER").value == "mailto:frontdesk@example.com"

    @pytest.mark.parametrize("method", Method)
    def test_tells_nothing_about_health(self, method: Method) -> None:
        content = file_of(visit_at(NOON), method=method).lower()

        for detail in (b"root", b"canal", b"needles", b"afraid"):
            assert detail not in content

    def test_says_where_to_change_it_and_whom_to_call(self) -> None:
        english = event_in(file_of(visit_at(NOON))).text("DESCRIPTION")
        spanish = event_in(file_of(visit_at(NOON), language="es")).text("DESCRIPTION")

        assert english.splitlines() == [
            "With: Dr. Rivera",
            f"To confirm, move or cancel: {MANAGE_URL}",
            "Phone: +1 212-555-0100",
        ]
        assert spanish.splitlines()[1] == f"Para confirmar, cambiar o cancelar: {MANAGE_URL}"

    def test_a_cancelled_one_has_nothing_left_to_change(self) -> None:
        event = event_in(file_of(visit_at(NOON), method=Method.CANCEL))

        assert "This appointment is cancelled." in event.text("DESCRIPTION")
        assert MANAGE_URL not in event.text("DESCRIPTION")
