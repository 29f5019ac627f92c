"""A visit as a calendar file (RFC 5545), in the form calendars exchange (RFC 5546). Pure.

One visit keeps one UID for good, and its SEQUENCE is the visit's own, which grows with every
change: so a later file replaces the entry of an earlier one, and a cancellation removes it.
Nothing in the file tells anything about somebody's health: families and employers share calendars.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from urllib.parse import quote
from zoneinfo import ZoneInfo

from icalendar import (
    Calendar,
    Event,
    Timezone,
    TimezoneDaylight,
    TimezoneStandard,
    vCalAddress,
)

from app.models.appointment import Appointment
from app.models.interaction import CalendarMethod
from app.models.schedule import Clinic
from app.services.scheduling.localtime import OffsetSpan, offset_spans

PRODUCT_ID = "-//dental-engagement//visits//EN"
UID_HOME = "dental-engagement"
"""What stands behind the visit's id. No host name: the entry must be found again after a move of
the service, and RFC 7986, section 5.3, advises against one."""

_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "summary": "Appointment at {0}",
            "provider": "With: {0}",
            "manage": "To confirm, move or cancel: {0}",
            "cancelled": "This appointment is cancelled.",
            "phone": "Phone: {0}",
        },
        "es": {
            "summary": "Cita en {0}",
            "provider": "Con: {0}",
            "manage": "Para confirmar, cambiar o cancelar: {0}",
            "cancelled": "Esta cita está cancelada.",
            "phone": "Teléfono: {0}",
        },
    }
)
_CONTROL = dict.fromkeys([*range(32), 127], " ")


def calendar_file(
    appointment: Appointment,
    clinic: Clinic,
    provider_name: str | None,
    *,
    method: CalendarMethod,
    organizer: str,
    attendee: str | None,
    manage_url: str,
    stamp: datetime,
    language: str = "en",
) -> bytes:
    """The file, UTF-8 with CRLF. `stamp` is when this version of it came to be.

    `organizer` is the practice's mail address, `attendee` the patient's. One that is only to be
    read (`PUBLISH`) names no attendee (RFC 5546, section 3.2.1).
    """
    calendar = Calendar()
    calendar.add("VERSION", "2.0")
    calendar.add("PRODID", PRODUCT_ID)
    calendar.add("METHOD", method.value)
    start = appointment.appointment_date
    span = (start, start + timedelta(minutes=appointment.duration_minutes))
    zone = _zone_to_name(span, clinic.zone)
    if zone is not None:
        calendar.add_component(_time_zone(zone, span))
    words = _WORDS[language]
    event = _event(appointment, clinic, span, zone, is_cancelled=method is CalendarMethod.CANCEL)
    event.add("SUMMARY", words["summary"].format(_plain(clinic.name)))
    event.add("DTSTAMP", stamp.astimezone(UTC))
    link = None if method is CalendarMethod.CANCEL else manage_url
    event.add("DESCRIPTION", _description(clinic, words, provider_name, link))
    event.add("ORGANIZER", _address(organizer, CN=_plain(clinic.name)))
    if attendee is not None and method is not CalendarMethod.PUBLISH:
        event.add("ATTENDEE", _attendee(attendee))
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _event(
    appointment: Appointment,
    clinic: Clinic,
    span: tuple[datetime, datetime],
    zone: ZoneInfo | None,
    *,
    is_cancelled: bool,
) -> Event:
    event = Event()
    event.add("UID", f"{appointment.id}@{UID_HOME}")
    event.add("SEQUENCE", appointment.sequence)
    event.add("DTSTART", span[0].astimezone(zone or UTC))
    event.add("DTEND", span[1].astimezone(zone or UTC))
    event.add("LOCATION", _plain(f"{clinic.name}, {clinic.address}"))
    event.add("STATUS", "CANCELLED" if is_cancelled else "CONFIRMED")
    event.add("CLASS", "PRIVATE")
    event.add("TRANSP", "TRANSPARENT" if is_cancelled else "OPAQUE")
    return event


def _description(
    clinic: Clinic, words: Mapping[str, str], provider_name: str | None, manage_url: str | None
) -> str:
    """Whom to see, where to change it, whom to call; without a link it is cancelled."""
    first = [] if manage_url else [words["cancelled"]]
    whom = [words["provider"].format(_plain(provider_name))] if provider_name else []
    link = [words["manage"].format(manage_url)] if manage_url else []
    return "\n".join([*first, *whom, *link, words["phone"].format(_plain(clinic.phone))])


def _attendee(address: str) -> vCalAddress:
    """No answer is asked for: the patient confirms through the link, and not by mail."""
    return _address(
        address,
        CUTYPE="INDIVIDUAL",
        ROLE="REQ-PARTICIPANT",
        PARTSTAT="NEEDS-ACTION",
        RSVP="FALSE",
    )


def _address(address: str, **parameters: str) -> vCalAddress:
    """A calendar user is a URI, so what a URI cannot hold is percent-encoded (RFC 6068)."""
    found = vCalAddress(f"mailto:{quote(address, safe='@+')}")
    for name, value in parameters.items():
        found.params[name] = value
    return found


def _plain(text: str) -> str:
    """One line without what the grammar has no place for (RFC 5545, section 3.1, CONTROL).

    U+0085, U+2028 and U+2029 go too: many a reader takes them for the end of a line.
    """
    return " ".join(text.translate(_CONTROL).split())


def _zone_to_name(span: tuple[datetime, datetime], zone: ZoneInfo) -> ZoneInfo | None:
    """The zone, where its wall clock names both ends.

    A time that the clock shows twice means the first one in a file (RFC 5545, section 3.3.5), so a
    visit in the second one is written in UTC, which is always right.
    """
    is_second = any(instant.astimezone(zone).fold for instant in span)
    return None if is_second else zone


def _time_zone(zone: ZoneInfo, span: tuple[datetime, datetime]) -> Timezone:
    """The rules of `zone` for the whole local year, or years, of the visit.

    Written from the changes themselves. A library's own form puts the start of a rule on the wall
    clock after the change; the RFC wants it on the one before (section 3.6.5).
    """
    first, last = (instant.astimezone(zone).year for instant in span)
    since = int(datetime(first, 1, 1, tzinfo=zone).timestamp())
    until = int(datetime(last + 1, 1, 1, tzinfo=zone).timestamp())
    component = Timezone()
    component.add("TZID", zone.key)
    for observance in _observances(zone, offset_spans(zone, since, until)):
        component.add_component(observance)
    return component


def _observances(
    zone: ZoneInfo, spans: list[OffsetSpan]
) -> Iterator[TimezoneStandard | TimezoneDaylight]:
    standard = min(one.offset for one in spans)
    before = spans[0].offset
    for one in spans:
        kind = TimezoneStandard if one.offset == standard else TimezoneDaylight
        onset = datetime.fromtimestamp(one.start + before, UTC).replace(tzinfo=None)
        observance = kind()
        observance.add("DTSTART", onset)
        observance.add("TZNAME", datetime.fromtimestamp(one.start, zone).tzname())
        observance.add("TZOFFSETFROM", timedelta(seconds=before))
        observance.add("TZOFFSETTO", timedelta(seconds=one.offset))
        yield observance
        before = one.offset
