"""One row of a schedule, read: when, how long, with whom, where, what and how it stands."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Generic, TypeVar

from app.core.errors import UnprocessableError
from app.models.appointment import GENERIC_SERVICE_ID, AppointmentStatus, ImportedVisit
from app.models.base import PyObjectId
from app.models.imports import ImportLine
from app.models.patient import name_key
from app.models.schedule import RASTER_MINUTES, Chair, Clinic, Provider, Service
from app.services.imports.faults import RowFault, unreadable
from app.services.imports.people import Person, lasting_id, read_person
from app.services.scheduling.localtime import to_instant

LONGEST_MINUTES = 480
REACH = timedelta(days=3653)
LONGEST_EXTERNAL_ID = 100
LONGEST_SERVICE_NAME = 120
GENERIC_SERVICE_NAME = "Visit"
_FORMULA = ("=", "+", "-", "@")

_A = AppointmentStatus
_STATUSES: Mapping[str, AppointmentStatus] = MappingProxyType(
    {
        "": _A.BOOKED,
        **dict.fromkeys(
            ("booked", "scheduled", "unconfirmed", "new", "pending", "open"), _A.BOOKED
        ),
        **dict.fromkeys(("proposed", "left message", "not confirmed"), _A.BOOKED),
        **dict.fromkeys(("confirmed", "arrived", "checked in", "here", "ready"), _A.CONFIRMED),
        **dict.fromkeys(("in chair", "seated", "in progress", "in treatment"), _A.CONFIRMED),
        **dict.fromkeys(("completed", "complete", "done", "finished"), _A.COMPLETED),
        **dict.fromkeys(("checked out", "fulfilled", "set complete", "attended"), _A.COMPLETED),
        **dict.fromkeys(("cancelled", "canceled", "deleted", "removed"), _A.CANCELLED),
        **dict.fromkeys(("unscheduled", "unschedlist", "cancelled by patient"), _A.CANCELLED),
        **dict.fromkeys(("no show", "noshow", "missed", "failed", "broken"), _A.NO_SHOW),
        **dict.fromkeys(("did not attend", "dna", "fta", "failed to attend"), _A.NO_SHOW),
    }
)
"""What other systems call a status, without case and punctuation."""

ItemT = TypeVar("ItemT", Provider, Chair)


class Named(Generic[ItemT]):
    """Providers or chairs by id or by name, whatever its case and punctuation; of two of one name
    the one in use.
    """

    def __init__(self, items: Iterable[ItemT]) -> None:
        self.items: list[ItemT] = []
        self._by_key: dict[str, ItemT] = {}
        for one in sorted(items, key=lambda one: not one.active):
            self.add(one)

    def add(self, item: ItemT) -> None:
        """One more, such as is made for a row."""
        self.items.append(item)
        self._by_key.setdefault(name_key(item.name), item)
        self._by_key.setdefault(str(item.id), item)

    def find(self, text: str) -> ItemT | None:
        """Whom a cell means."""
        return (self._by_key.get(text) or self._by_key.get(name_key(text))) if text else None


@dataclass
class Practice:
    """What rows are read against: the practice's rules, people, rooms and services."""

    clinic: Clinic
    providers: Named[Provider]
    chairs: Named[Chair]
    services: Sequence[Service]
    now: datetime
    creates_missing: bool = False
    made_providers: list[Provider] = field(default_factory=list)
    made_chairs: list[Chair] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class VisitRow:
    """What a row says."""

    number: int
    external_id: str
    person: Person
    starts_at: datetime
    duration_minutes: int
    provider_id: PyObjectId
    chair_id: PyObjectId | None
    service_id: str
    service_name: str
    status: AppointmentStatus

    @property
    def ends_at(self) -> datetime:
        """When the visit is over."""
        return self.starts_at + timedelta(minutes=self.duration_minutes)

    def said(self, import_id: PyObjectId, *, is_new: bool) -> ImportedVisit:
        """The row as it is remembered on the visit."""
        return ImportedVisit(
            import_id=import_id,
            is_new=is_new,
            starts_at=self.starts_at,
            duration_minutes=self.duration_minutes,
            provider_id=self.provider_id,
            chair_id=self.chair_id,
            service_id=self.service_id,
            service_name=self.service_name,
            status=self.status,
        )


def read_row(line: ImportLine, practice: Practice) -> VisitRow:
    """Raises `RowFault` where the row cannot be taken."""
    if line.fault:
        raise unreadable(line.fault)
    cells = line.cells
    starts_at = _start(cells, practice)
    service = _service(cells.get("service", ""), practice.services)
    known = service.duration_minutes if service else None
    duration = _duration(cells, starts_at, known, practice)
    provider = _provider(cells.get("provider", ""), practice)
    chair = _chair(cells["chair"], practice) if "chair" in cells else None
    external_id = _external_id(cells)
    return VisitRow(
        number=line.number,
        external_id=external_id,
        person=read_person(cells, practice.clinic.country, external_id=external_id),
        starts_at=starts_at,
        duration_minutes=duration,
        provider_id=provider.id,
        chair_id=chair.id if chair else None,
        service_id=service.service_id if service else GENERIC_SERVICE_ID,
        service_name=service.name if service else _service_name(cells.get("service", "")),
        status=_status(cells.get("status", "")),
    )


def _external_id(cells: Mapping[str, str]) -> str:
    external_id = cells.get("external_id", "")
    if not 1 <= len(external_id) <= LONGEST_EXTERNAL_ID or not external_id.isprintable():
        reason = "external_id"
        sentence = f"external_id is one line of 1 to {LONGEST_EXTERNAL_ID} characters."
        raise RowFault(reason, sentence)
    return external_id


def _start(cells: Mapping[str, str], practice: Practice) -> datetime:
    text = cells.get("start") or f"{cells.get('date', '')} {cells.get('time', '')}"
    starts_at = _instant(text.strip(), practice, "start")
    if not practice.now - REACH <= starts_at <= practice.now + REACH:
        reason, sentence = "start_too_far", "The start is more than ten years away."
        raise RowFault(reason, sentence)
    return starts_at


def _instant(text: str, practice: Practice, column: str) -> datetime:
    try:
        wanted = datetime.fromisoformat(text)
    except ValueError:
        wanted = None
    if wanted is None or not re.search(r"[T ]\d", text):
        reason = f"invalid_{column}"
        sentence = f"{column} is a time such as 2026-08-20T09:00, with or without an offset."
        raise RowFault(reason, sentence)
    try:
        return to_instant(wanted, practice.clinic.zone)
    except UnprocessableError as error:  # skipped or repeated by a change of the clock
        raise RowFault(error.slug.replace("-", "_"), error.detail) from error


def _duration(
    cells: Mapping[str, str], starts_at: datetime, known: int | None, practice: Practice
) -> int:
    """In minutes, widened to the next multiple of five: time is claimed in such steps."""
    minutes = known
    if "minutes" in cells:
        text = re.sub(r"\s*(min|mins|minutes)\.?$", "", cells["minutes"], flags=re.IGNORECASE)
        digits = re.fullmatch(r"(\d{1,5})(\.0+)?", text, re.ASCII)
        minutes = int(digits[1]) if digits else 0
    elif "end" in cells:
        lasting = _instant(cells["end"], practice, "end") - starts_at
        minutes = -(-lasting // timedelta(minutes=1))
    if minutes is None or not 1 <= minutes <= LONGEST_MINUTES:
        reason = "invalid_minutes"
        sentence = f"minutes is a whole number from 1 to {LONGEST_MINUTES}."
        raise RowFault(reason, sentence)
    return -(-minutes // RASTER_MINUTES) * RASTER_MINUTES


def _service(text: str, services: Iterable[Service]) -> Service | None:
    wanted = text.casefold()
    return next((one for one in services if wanted in (one.service_id, one.name.casefold())), None)


def _service_name(text: str) -> str:
    """What a letter calls a treatment that the list of services does not know."""
    shown = " ".join(text.split())[:LONGEST_SERVICE_NAME]
    return GENERIC_SERVICE_NAME if not shown or shown.startswith(_FORMULA) else shown


def _status(text: str) -> AppointmentStatus:
    key = " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())
    if key not in _STATUSES:
        reason = "unknown_status"
        sentence = "status is one of booked, confirmed, completed, cancelled and no_show."
        raise RowFault(reason, sentence)
    return _STATUSES[key]


def _provider(text: str, practice: Practice) -> Provider:
    found = practice.providers.find(text)
    if found is None and practice.creates_missing and _is_name(text):
        found = Provider(id=lasting_id("provider", name_key(text)), name=text)
        practice.providers.add(found)
        practice.made_providers.append(found)
    if found is None:
        reason, sentence = "unknown_provider", "No provider here has this name or id."
        raise RowFault(reason, sentence)
    return found


def _chair(text: str, practice: Practice) -> Chair:
    found = practice.chairs.find(text)
    if found is None and practice.creates_missing and _is_name(text):
        # Equipped for nothing: a chair that nobody looked at is not offered.
        found = Chair(id=lasting_id("chair", name_key(text)), name=text, service_ids=[])
        practice.chairs.add(found)
        practice.made_chairs.append(found)
    if found is None:
        reason, sentence = "unknown_chair", "No chair here has this name or id."
        raise RowFault(reason, sentence)
    return found


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= LONGEST_SERVICE_NAME and not text.startswith(_FORMULA)
