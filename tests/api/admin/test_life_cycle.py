"""A visit's life at the front door: every way to take time, every status, every operation."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.models.appointment import LIVE_STATUSES, AppointmentStatus
from app.models.base import PyObjectId, new_id
from app.models.campaign import CampaignStatus
from app.models.role import StaffRole
from app.models.schedule import Chair
from app.services.container import Services
from tests.api.test_public import BOOK, booking_form, known_patient, problem
from tests.conftest import HeadersFor
from tests.factories import make_campaign

pytestmark = pytest.mark.mongo

PATH = "/api/v1/admin/appointments"
NINE, HALF_PAST, TEN = "2026-08-20T09:00", "2026-08-20T09:30", "2026-08-20T10:00"
A, C = AppointmentStatus, CampaignStatus


@dataclass
class Desk:
    """Staff with a client and the practice behind it."""

    client: httpx.AsyncClient
    headers: dict[str, str]
    services: Services

    async def send(self, method: str, path: str = "", **given: Any) -> httpx.Response:
        """A request about the book, signed in."""
        return await self.client.request(method, f"{PATH}{path}", headers=self.headers, **given)

    async def ask(self, when: str, **given: Any) -> httpx.Response:
        """Book for somebody new."""
        fields = {
            "name": "Noa New",
            "email": f"{new_id()}@example.com",
            "service_id": "cleaning",
            "appointment_date": when,
        }
        return await self.send("POST", json={**fields, **given})

    async def book(self, when: str, **given: Any) -> str:
        """The id of a visit of somebody new."""
        answer = await self.ask(when, **given)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["appointment_id"])

    async def second(self) -> tuple[str, str]:
        """Another provider and another chair, which the blocking visit is with."""
        repositories = self.services.repositories
        (first,) = await repositories.providers.every()
        copy = first.model_copy(update={"id": new_id(), "name": "Dr. Second"})
        provider = await repositories.providers.insert(copy)
        chair = await repositories.chairs.insert(Chair(name="Room 2"))
        return str(provider.id), str(chair.id)


@pytest.fixture
async def desk(app_client: httpx.AsyncClient, furnished: Services, headers_for: HeadersFor) -> Desk:
    """The front desk."""
    return Desk(app_client, await headers_for(StaffRole.FRONT_DESK), furnished)


Attempt = Callable[[], Awaitable[httpx.Response]]
Way = Callable[[Desk], Awaitable[tuple[str, Attempt]]]
"""Blocks a time; the blocking visit's id, and how to ask for its time."""


async def public_booking(desk: Desk) -> tuple[str, Attempt]:
    form = booking_form(await known_patient(desk.services), appointment_date=TEN)
    blocker = await desk.book(TEN)
    return blocker, lambda: desk.client.post(BOOK, json=form)


async def staff_booking(desk: Desk) -> tuple[str, Attempt]:
    blocker = await desk.book(TEN)
    return blocker, lambda: desk.ask(TEN)


async def patients_move(desk: Desk) -> tuple[str, Attempt]:
    form = booking_form(await known_patient(desk.services), appointment_date=NINE)
    link = (await desk.client.post(BOOK, json=form)).json()["manage_url"]
    token = link.rsplit("/", 1)[1]
    blocker = await desk.book(TEN)
    path = f"/api/v1/appointments/manage/{token}/reschedule"
    return blocker, lambda: desk.client.post(path, json={"appointment_date": TEN})


async def staffs_move(desk: Desk) -> tuple[str, Attempt]:
    mine, blocker = await desk.book(NINE), await desk.book(TEN)
    return blocker, lambda: desk.send("PATCH", f"/{mine}", json={"appointment_date": TEN})


async def another_length(desk: Desk) -> tuple[str, Attempt]:
    mine, blocker = await desk.book(HALF_PAST), await desk.book(TEN)
    return blocker, lambda: desk.send("PATCH", f"/{mine}", json={"duration_minutes": 45})


async def another_provider(desk: Desk) -> tuple[str, Attempt]:
    mine = await desk.book(TEN)
    provider, _ = await desk.second()
    blocker = await desk.book(TEN, provider_id=provider)
    return blocker, lambda: desk.send("PATCH", f"/{mine}", json={"provider_id": provider})


async def another_chair(desk: Desk) -> tuple[str, Attempt]:
    mine = await desk.book(TEN)
    provider, chair = await desk.second()
    blocker = await desk.book(TEN, provider_id=provider, chair_id=chair)
    return blocker, lambda: desk.send("PATCH", f"/{mine}", json={"chair_id": chair})


WAYS: list[Way] = [
    public_booking,
    staff_booking,
    patients_move,
    staffs_move,
    another_length,
    another_provider,
    another_chair,
]


class TestEveryWayIn:
    @pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
    @pytest.mark.parametrize("freed_by", ["cancel", "no-show", "delete"])
    async def test_refuses_what_is_taken_with_three_free_times_until_it_is_free(
        self, desk: Desk, way: Way, freed_by: str
    ) -> None:
        blocker, attempt = await way(desk)

        refused = await attempt()
        if freed_by == "delete":
            await desk.send("DELETE", f"/{blocker}")
        else:
            await desk.send("POST", f"/{blocker}/{freed_by}")
        accepted = await attempt()

        assert problem(refused) == (409, "slot-taken")
        alternatives = refused.json()["alternatives"]
        assert len(alternatives) == 3
        for one in alternatives:
            assert set(one) >= {"appointment_date", "date", "time", "provider_ids"}
            assert one["provider_ids"]
        assert accepted.status_code in {200, 201}, accepted.text


OPERATIONS: dict[str, tuple[AppointmentStatus | None, CampaignStatus]] = {
    "confirm": (A.CONFIRMED, C.BOOKING_COMPLETED),
    "complete": (A.COMPLETED, C.RECOVERED),
    "cancel": (A.CANCELLED, C.RE_ENGAGED),
    "no-show": (A.NO_SHOW, C.HANDOFF_REQUIRED),
    "move": (A.BOOKED, C.BOOKING_INITIATED),
    "delete": (None, C.RE_ENGAGED),
}
"""Where each leads a live visit and its campaign."""
LED_TO = {
    A.BOOKED: (None, C.BOOKING_INITIATED),
    **{
        status: (name, where)
        for name, (status, where) in OPERATIONS.items()
        if name not in {"move", "delete"} and status
    },
}


class TestEveryOperationInEveryStatus:
    @pytest.mark.parametrize("status", list(A))
    @pytest.mark.parametrize("operation", list(OPERATIONS))
    async def test_follows_the_table_and_the_campaign_follows_it(
        self, desk: Desk, status: AppointmentStatus, operation: str
    ) -> None:
        repositories = desk.services.repositories
        patient = await known_patient(desk.services)
        campaign = await repositories.campaigns.insert(
            make_campaign(patient_id=patient.id, status=C.RE_ENGAGED)
        )
        visit = await desk.book(NINE, patient_id=str(patient.id), email=None, name=None)
        way_there, led_to = LED_TO[status]
        if way_there:
            await desk.send("POST", f"/{visit}/{way_there}")

        answer = await _operate(desk, visit, operation)

        target, leads_to = OPERATIONS[operation]
        stored = await repositories.appointments.get(PyObjectId(visit))
        followed = await repositories.campaigns.get(campaign.id)
        assert followed is not None
        if status in LIVE_STATUSES:
            assert answer.status_code in {200, 204}
            assert (stored.status if stored else None) == target
            assert followed.status == leads_to
        elif operation == "delete":
            assert (answer.status_code, stored, followed.status) == (204, None, led_to)
        else:
            assert answer.status_code == (200 if target == status else 409)
            assert stored is not None
            assert (stored.status, followed.status) == (status, led_to)


async def _operate(desk: Desk, visit: str, operation: str) -> httpx.Response:
    if operation == "delete":
        return await desk.send("DELETE", f"/{visit}")
    if operation == "move":
        return await desk.send("PATCH", f"/{visit}", json={"appointment_date": TEN})
    return await desk.send("POST", f"/{visit}/{operation}")
