"""What RFC 5545 and RFC 5546 demand of a calendar file with one visit, each rule by its section.

Written from the grammar and not with a calendar library, so that it can disagree with one.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9-]+)"
    r"(?P<params>(?:;[A-Za-z0-9-]+=(?:\"[^\x00-\x08\x0a-\x1f\x7f\"]*\"|[^\x00-\x08\x0a-\x1f\x7f\";:,]*)"
    r"(?:,(?:\"[^\"]*\"|[^\";:,]*))*)*)"
    r":(?P<value>[^\x00-\x08\x0a-\x1f\x7f]*)"
)
_PARAM = re.compile(r";([A-Za-z0-9-]+)=(\"[^\"]*\"|[^\";:,]*)")
_TEXT = re.compile(r"(?:[^\\,;]|\\[\\;,nN])*")
_LOCAL = re.compile(r"\d{8}T\d{6}")
_UTC = re.compile(r"\d{8}T\d{6}Z")
_OFFSET = re.compile(r"[+-]\d{4}(?:\d{2})?")
_TEXT_PROPERTIES = {"SUMMARY", "DESCRIPTION", "LOCATION", "UID", "PRODID", "TZNAME"}
_AT_MOST_ONCE = {
    *("DTSTART", "DTEND", "DTSTAMP", "UID", "SEQUENCE", "SUMMARY", "DESCRIPTION", "LOCATION"),
    *("ORGANIZER", "STATUS", "CLASS", "TRANSP"),
}


@dataclass
class Property:
    """One content line."""

    name: str
    params: dict[str, str]
    value: str


@dataclass
class Component:
    """What stands between BEGIN and END."""

    name: str
    properties: list[Property] = field(default_factory=list)
    inner: list["Component"] = field(default_factory=list)

    def all(self, name: str) -> list[Property]:
        """Every property of that name."""
        return [one for one in self.properties if one.name == name]

    def one(self, name: str) -> Property:
        """The only property of that name."""
        (found,) = self.all(name)
        return found

    def text(self, name: str) -> str:
        """Its value as people read it."""
        return re.sub(r"\\(.)", lambda m: "\n" if m[1] in "nN" else m[1], self.one(name).value)


def read(content: bytes) -> Component:
    """The calendar in `content`; raises `AssertionError` where it breaks a rule of the grammar."""
    # 3.1: content lines end in CRLF, and no other CR or LF stands anywhere.
    assert content.endswith(b"\r\n")
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")
    lines = content[:-2].split(b"\r\n")
    # 3.1: no line is longer than 75 octets, the break not counted; 3.1.4: the text is UTF-8.
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode("utf-8")  # no character is cut in two
    unfolded = content[:-2].decode("utf-8").replace("\r\n ", "").replace("\r\n\t", "")
    return _nested([_property(line) for line in unfolded.split("\r\n")])


def _property(line: str) -> Property:
    found = _LINE.fullmatch(line)  # 3.1: name *(";" param) ":" value, without control characters
    assert found is not None, line
    params = {name.upper(): text.strip('"') for name, text in _PARAM.findall(found["params"])}
    name, value = found["name"].upper(), found["value"]
    if name in _TEXT_PROPERTIES:
        assert _TEXT.fullmatch(value), line  # 3.3.11: "\", ";", "," and line breaks are escaped
    return Property(name, params, value)


def _nested(properties: list[Property]) -> Component:
    root = Component("")
    open_ones = [root]
    for one in properties:
        if one.name == "BEGIN":
            component = Component(one.value)
            open_ones[-1].inner.append(component)
            open_ones.append(component)
        elif one.name == "END":
            assert open_ones.pop().name == one.value  # 3.4, 3.6: every BEGIN has its END
        else:
            open_ones[-1].properties.append(one)
    assert open_ones == [root]
    assert not root.properties
    (calendar,) = root.inner  # 3.4: one calendar object
    return calendar


def hold_to_the_rules(content: bytes) -> Component:
    """The calendar in `content`, held to every rule that concerns a file with one visit."""
    calendar = read(content)
    assert calendar.name == "VCALENDAR"
    assert calendar.one("VERSION").value == "2.0"  # 3.6, 3.7.4
    assert calendar.one("PRODID").value  # 3.6, 3.7.3
    method = calendar.one("METHOD").value  # 3.7.2
    (event,) = [one for one in calendar.inner if one.name == "VEVENT"]
    _event(event)
    _zones(calendar, event)
    _exchange(method, event)
    return calendar


def _event(event: Component) -> None:
    for name in _AT_MOST_ONCE:
        assert len(event.all(name)) <= 1, name  # 3.6.1
    assert event.one("UID").value  # 3.6.1, 3.8.4.7
    assert _UTC.fullmatch(event.one("DTSTAMP").value)  # 3.6.1; 3.8.7.2: in UTC
    start, end = event.one("DTSTART"), event.one("DTEND")
    assert not event.all("DURATION")  # 3.6.1: not both DTEND and DURATION
    assert _is_utc(start) == _is_utc(end)  # 3.8.2.2: the same type as DTSTART
    assert "VALUE" not in start.params
    assert event.one("SEQUENCE").value.isdigit()  # 3.8.7.4
    for name in ("ORGANIZER", "ATTENDEE"):
        for one in event.all(name):
            assert re.fullmatch(r"mailto:[!-~]+@[!-~]+", one.value)  # 3.3.3, 3.8.4.1, 3.8.4.3
    for one in event.all("ATTENDEE"):
        assert one.params.get("RSVP", "FALSE") in {"TRUE", "FALSE"}  # 3.2.17


def _is_utc(one: Property) -> bool:
    """3.3.5: in UTC with a Z and no TZID, or local with a TZID (3.2.19)."""
    if _UTC.fullmatch(one.value):
        assert "TZID" not in one.params
        return True
    assert _LOCAL.fullmatch(one.value)
    assert "TZID" in one.params
    return False


def _zones(calendar: Component, event: Component) -> None:
    used = {one.params["TZID"] for one in event.properties if "TZID" in one.params}
    zones = [one for one in calendar.inner if one.name == "VTIMEZONE"]
    # 3.2.19, 3.6.5: one VTIMEZONE for every TZID that is used
    assert sorted(zone.one("TZID").value for zone in zones) == sorted(used)
    for zone in zones:
        assert zone.inner  # 3.6.5: at least one STANDARD or DAYLIGHT
        for rule in zone.inner:
            assert rule.name in {"STANDARD", "DAYLIGHT"}
            assert _LOCAL.fullmatch(rule.one("DTSTART").value)  # 3.6.5: a local time
            assert _OFFSET.fullmatch(rule.one("TZOFFSETFROM").value)
            assert _OFFSET.fullmatch(rule.one("TZOFFSETTO").value)
        # 3.6.5: the rules say something about the time that is written with them
        onsets = [rule.one("DTSTART").value for rule in zone.inner]
        assert min(onsets) <= event.one("DTSTART").value


def _exchange(method: str, event: Component) -> None:
    """RFC 5546, sections 3.2.1, 3.2.2 and 3.2.5."""
    assert event.one("ORGANIZER").value
    attendees, status = event.all("ATTENDEE"), event.one("STATUS").value
    if method == "PUBLISH":
        assert not attendees
        assert event.one("SUMMARY").value
    elif method == "REQUEST":
        assert attendees
        assert event.one("SUMMARY").value
        assert status in {"TENTATIVE", "CONFIRMED"}
    else:
        assert method == "CANCEL"
        assert status == "CANCELLED"


def local_time(one: Property) -> datetime:
    """What a DTSTART or DTEND shows on its clock."""
    return datetime.strptime(one.value.rstrip("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007 - a wall clock
