"""Three hundred people want the same three dentists in the same two days."""

import asyncio
import itertools
import random
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from app.core.clock import utc_now
from tests.system.service import Json, Live, live, stored

pytestmark = pytest.mark.mongo

BOOKINGS = 300
PEOPLE = 180
"""Fewer than bookings: some ask for two visits at a time."""
SERVICES = ("checkup_cleaning", "filling", "teeth_whitening", "crown_preparation")
MONDAY, THURSDAY = 0, 3
_AREAS = (312, 718)
"""With 555-01xx they are numbers that nobody has."""
REFUSALS = ("slot-taken", "patient-has-visit")

Span = tuple[datetime, datetime]


class TestConcurrentBookings:
    async def test_never_overlap_and_every_refusal_says_what_is_free(self, tmp_path: Path) -> None:
        async with live(tmp_path, ALLOW_NEW_PATIENT_BOOKING="true") as service:
            with stored(tmp_path) as database:
                database["appointments"].delete_many({})
            wishes = await _wishes(service)
            answers = await asyncio.gather(*(_book(service, wish) for wish in wishes))
            with stored(tmp_path) as database:
                visits = list(database["appointments"].find({}))
        booked = [answer.json()["appointment_id"] for answer in answers if answer.is_success]
        refused = [answer for answer in answers if not answer.is_success]
        assert Counter(answer.status_code for answer in answers) == {
            201: len(booked),
            409: len(refused),
        }
        assert sorted(str(visit["_id"]) for visit in visits) == sorted(booked)
        assert len(booked) >= 20
        assert len(refused) >= 100
        assert overlaps(visits) == []
        assert {_kind_of_refusal(answer) for answer in refused} == set(REFUSALS)


async def _wishes(service: Live) -> list[tuple[str, Json]]:
    """Paths and bodies: half from the booking page, half from the desk, of many lengths."""
    dice = random.Random(20260819)  # noqa: S311 - the same crowd every time
    starts = {name: await _free_starts(service, name) for name in SERVICES}
    return [_wish(number, dice, starts) for number in range(BOOKINGS)]


def _wish(number: int, dice: random.Random, starts: dict[str, list[datetime]]) -> tuple[str, Json]:
    service_id = dice.choice(SERVICES)
    starts_at = dice.choice(starts[service_id])
    person = dice.randrange(PEOPLE)
    body: Json = {
        "name": f"Person Number{person}",
        "email": f"person.{person}@example.com",
        "phone": f"+1 {_AREAS[person // 100]}-555-01{person % 100:02d}",
        "service_id": service_id,
        "appointment_date": starts_at.isoformat(),
    }
    if number % 2:
        return "/api/v1/appointments/book", body
    if starts_at + timedelta(minutes=15) in starts[service_id]:
        body["appointment_date"] = (starts_at + timedelta(minutes=5)).isoformat()
    return "/api/v1/admin/appointments", {**body, "duration_minutes": dice.choice((20, 35, 45))}


async def _free_starts(service: Live, service_id: str) -> list[datetime]:
    zone = ZoneInfo((await service.api.get("/clinic"))["timezone"])
    today = utc_now().astimezone(zone).date()
    found = []
    for weekday in (MONDAY, THURSDAY):
        day = str(_next(weekday, today + timedelta(days=2)))
        answer = await service.api.get(
            "/availability/slots", **{"from": day, "to": day}, service_id=service_id
        )
        found += [datetime.fromisoformat(slot["starts_at"]) for slot in answer["slots"]]
    return found


def _next(weekday: int, after: date) -> date:
    return after + timedelta(days=(weekday - after.weekday()) % 7)


async def _book(service: Live, wish: tuple[str, Json]) -> httpx.Response:
    path, body = wish
    headers = service.api.headers if "/admin/" in path else {}
    return await service.client.post(path, json=body, headers=headers)


def _kind_of_refusal(answer: httpx.Response) -> str:
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == 409
    assert len(problem["alternatives"]) == 3
    return str(problem["type"].rsplit("/problems/")[-1])


def overlaps(visits: list[Json]) -> list[tuple[str, Span, Span]]:
    """Pairs of visits that hold one provider, chair or patient at the same time.

    Looks at times and lengths alone, not at the claims that the service keeps.
    """
    spans: defaultdict[str, list[Span]] = defaultdict(list)
    for visit in visits:
        starts_at = visit["appointment_date"]
        ends_at = starts_at + timedelta(minutes=visit["duration_minutes"])
        before = timedelta(minutes=visit["buffer_before_minutes"])
        after = timedelta(minutes=visit["buffer_after_minutes"])
        spans[f"provider {visit['provider_id']}"].append((starts_at - before, ends_at + after))
        spans[f"chair {visit['chair_id']}"].append((starts_at - before, ends_at + after))
        spans[f"patient {visit['patient_id']}"].append((starts_at, ends_at))
    return [
        (whose, first, second)
        for whose, theirs in spans.items()
        for first, second in itertools.combinations(theirs, 2)
        if first[0] < second[1] and second[0] < first[1]
    ]
