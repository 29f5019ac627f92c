"""Over HTTP, in six zones: each time that is shown can be booked, and no other."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import httpx
import pytest

from app.models.schedule import Chair, Provider, Service, Weekday
from app.services.container import Services
from tests.api.test_public import BOOK, booking_form, known_patient, problem

pytestmark = pytest.mark.mongo

ZONES = (
    "America/New_York",
    "America/Phoenix",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/London",
)
FIRST = date(2026, 8, 21)
DAYS = [FIRST + timedelta(days=number) for number in range(1000)]
NIGHT_AND_MORNING = [("00:00", "03:00"), ("09:00", "10:00")]
ALL_HOURS = [f"{hour:02d}:00" for hour in range(24)]


def changes_its_offset(day: date, zone: ZoneInfo) -> bool:
    start, end = (datetime.combine(one, time.min, zone) for one in (day, day + timedelta(days=1)))
    return start.utcoffset() != end.utcoffset()


def sampled_days(zone: ZoneInfo) -> list[date]:
    """Twenty, all days of a change of offset among them."""
    changes = [day for day in DAYS if changes_its_offset(day, zone)]
    others = sorted(set(DAYS) - set(changes))
    return sorted(changes + Random(zone.key).sample(others, 20 - len(changes)))  # noqa: S311


async def open_practice(services: Services, admin: httpx.AsyncClient, zone: str) -> None:
    """At night too, where the clocks change; every visit an hour, on the hour."""
    repositories = services.repositories
    await repositories.services.insert(
        Service(service_id="cleaning", name="Cleaning", duration_minutes=60)
    )
    await repositories.providers.insert(
        Provider(
            name="Dr. Rivera",
            service_ids=["cleaning"],
            working_hours=dict.fromkeys(Weekday, NIGHT_AND_MORNING),
        )
    )
    await repositories.chairs.insert(Chair(name="Room 1"))
    rules = {"timezone": zone, "slot_grid_minutes": 60, "booking_horizon_days": 1096}
    assert (await admin.patch("/api/v1/admin/clinic", json=rules)).status_code == 200


async def shown_on(client: httpx.AsyncClient, days: Iterable[date]) -> dict[date, list[str]]:
    """What the booking site shows, month by month."""
    shown: defaultdict[date, list[str]] = defaultdict(list)
    for year, month in sorted({(day.year, day.month) for day in days}):
        asked: dict[str, int | str] = {"year": year, "month": month, "service_id": "cleaning"}
        answer = await client.get("/api/v1/availability", params=asked)
        shown |= {date.fromisoformat(day): times for day, times in answer.json().items()}
    return {day: shown[day] for day in days}


@pytest.mark.parametrize("zone", ZONES)
class TestEverySlotBooks:
    async def test_on_twenty_days(
        self,
        app_client: httpx.AsyncClient,
        services: Services,
        admin_headers: dict[str, str],
        zone: str,
    ) -> None:
        app_client.headers.update(admin_headers)
        await open_practice(services, app_client, zone)
        app_client.headers.pop("Authorization")
        patient = await known_patient(services)
        days = sampled_days(ZoneInfo(zone))

        async def book(day: date, clock: str) -> httpx.Response:
            form = booking_form(patient, appointment_date=f"{day}T{clock}")
            return await app_client.post(BOOK, json=form)

        shown = await shown_on(app_client, days)
        for day, times in shown.items():
            assert times[-1] == "09:00"
            hidden = sorted(set(ALL_HOURS) - set(times))
            odd = Random(f"{zone} {day}").sample(hidden, 1)  # noqa: S311
            night = [clock for clock in ("01:00", "02:00") if clock in hidden]
            for clock in {*odd, *night, "09:30"}:
                assert (await book(day, clock)).status_code == 422
            for clock in times:
                assert (await book(day, clock)).status_code == 201
            assert problem(await book(day, times[-1]))[0] == 409

        assert not any((await shown_on(app_client, days)).values())
