"""A small clinic for the tests of the slot engine: open nine to noon, one provider, one chair."""

from collections.abc import Iterable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from app.models.base import PyObjectId, new_id
from app.models.schedule import Chair, Clinic, Provider, Service, TimeOff, Weekday
from app.services.scheduling.claims import BucketSpan, claims_for
from app.services.scheduling.localtime import resolve_local
from app.services.scheduling.timetable import Timetable

DAY = date(2026, 11, 24)  # a Tuesday
NINE_TO_NOON = [("09:00", "12:00")]
ALL_DAY = [("00:00", "24:00")]

CHANGE_DAYS = (
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Sao_Paulo", date(2018, 2, 17)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("Europe/London", date(2026, 3, 29)),
    ("Europe/London", date(2026, 10, 25)),
    ("America/Havana", date(2026, 11, 1)),
    ("Asia/Kolkata", date(2026, 11, 1)),
    ("America/Phoenix", date(2026, 3, 8)),
)


def clinic(
    zone: str = "America/New_York", *, grid: int = 15, lead: int = 0, horizon: int = 180
) -> Clinic:
    return Clinic(
        name="Clinic",
        phone="+12125550100",
        address="1 Main St",
        timezone=zone,
        country="US",
        currency="USD",
        booking_horizon_days=horizon,
        booking_lead_minutes=lead,
        slot_grid_minutes=grid,
        allow_new_patient_booking=False,
    )


def service(duration: int = 60, *, before: int = 0, after: int = 0) -> Service:
    return Service(
        service_id="check_up",
        name="Check-up",
        duration_minutes=duration,
        buffer_before_minutes=before,
        buffer_after_minutes=after,
    )


def provider(
    hours: list[tuple[str, str]] | None = None,
    *,
    name: str = "Dr Grey",
    service_ids: tuple[str, ...] = ("check_up",),
    first: str | None = None,
    last: str | None = None,
) -> Provider:
    week = dict.fromkeys(Weekday, NINE_TO_NOON if hours is None else hours)
    return Provider(
        name=name,
        service_ids=list(service_ids),
        working_hours=week,
        effective_from=first,
        effective_until=last,
    )


def timetable(
    *providers: Provider,
    at: Clinic | None = None,
    offered: Service | None = None,
    chairs: Iterable[Chair] | None = None,
    time_off: Iterable[TimeOff] = (),
    claims: Iterable[str] = (),
) -> Timetable:
    return Timetable(
        clinic=at or clinic(),
        service=offered or service(),
        providers=providers or (provider(),),
        chairs=(Chair(name="Room 1"),) if chairs is None else tuple(chairs),
        time_off=tuple(time_off),
        busy=busy_from_claims(claims),
    )


def busy_from_claims(claims: Iterable[str]) -> dict[str, list[BucketSpan]]:
    """What stored claims take, read bucket by bucket."""
    busy: dict[str, list[BucketSpan]] = {}
    for claim in claims:
        resource, _, bucket = claim.rpartition("@")
        busy.setdefault(resource, []).append((int(bucket), int(bucket) + 1))
    return busy


def local(clock: str, day: date = DAY, zone: str = "America/New_York") -> datetime:
    return resolve_local(datetime.combine(day, time.fromisoformat(clock)), ZoneInfo(zone))


def visit(
    of: Provider,
    room: Chair,
    start: datetime,
    duration: int = 60,
    patient_id: PyObjectId | None = None,
) -> list[str]:
    return claims_for(of.id, room.id, patient_id or new_id(), start, duration_minutes=duration)
