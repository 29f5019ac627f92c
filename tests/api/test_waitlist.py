"""The waitlist at the front door."""

import asyncio
from typing import Any

import httpx
import pytest

from app.models.waitlist import WaitlistEntry, WaitlistStatus
from app.services.container import Services
from app.services.scheduling.waitlist import MAX_ON_CONTACT
from tests.api.test_public import known_patient, problem
from tests.fakes import FrozenClock
from tests.services.scheduling.waiting import NINE, Waiting

pytestmark = pytest.mark.mongo

WAITLIST = "/api/v1/waitlist"
FULL = {"from": "2026-08-22", "to": "2026-08-23"}
"""A weekend: nothing is free."""


IMPOSSIBLE: list[dict[str, Any]] = [
    {"from": "2026-08-24", "to": "2026-08-23"},
    {"to": "2026-08-18", "from": None},
    {"to": "2027-02-16"},
    {"from": "2027-02-16", "to": None},
    {"from": "9999-12-31", "to": None},
    {"to": "9999-12-31"},
    {"phone": "12"},
    {"phone": "not a number"},
    {"name": "\u200b"},
]
MALFORMED: list[dict[str, Any]] = [
    {"times": ["midnight"]},
    {"times": [["10:00", "09:00"]]},
    {"times": [["09:00", "09:01"]]},
    {"times": ["morning"] * 15},
    {"times": [["09:00"] * 1000]},
    {"weekdays": ["MON"] * 8},
    {"weekdays": ["mon"]},
    {"name": "x" * 121},
    {"name": "a\nb"},
    {"email": "x" * 300 + "@example.com"},
    {"email": "nobody"},
    {"service_id": "x" * 65},
    {"service_id": {"$ne": ""}},
    {"provider_id": "1"},
    {"patient_id": "66f2a1b4c3d2e1f0a9b8c7d6"},
    {"status": "booked"},
    {"from": "tomorrow"},
]


def wish(**given: Any) -> dict[str, Any]:
    """What the form sends."""
    person = {"name": "Dana Smith", "email": "dana@example.com"}
    return {"service_id": "cleaning", **person, **FULL, **given}


async def entries(services: Services) -> list[WaitlistEntry]:
    """The whole list."""
    return await services.repositories.waitlist._find({}, sort=[("_id", 1)])


@pytest.fixture
async def waiting(services: Services, clock: FrozenClock) -> Waiting:
    return await Waiting.build(services, clock)


class TestJoin:
    async def test_stores_the_wish(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        body = wish(phone="212 555 0142", times=["morning", ["13:00", "15:30"]], weekdays=["SAT"])

        answer = await app_client.post(WAITLIST, json=body, headers={"Accept-Language": "es-MX"})

        assert answer.status_code == 201
        assert answer.json()["available_now"] == []
        (entry,) = await entries(furnished)
        assert (entry.email, entry.phone, entry.language) == (
            "dana@example.com",
            "+12125550142",
            "es",
        )
        assert (entry.first_day, entry.last_day) == ("2026-08-22", "2026-08-23")
        assert (entry.times, entry.weekdays) == (["morning", ("13:00", "15:30")], ["SAT"])
        assert (entry.added_by, entry.patient_id, entry.known) == ("form", None, None)

    async def test_answers_the_same_to_everybody(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        patient = await known_patient(furnished)
        known = wish(name=patient.name, email=patient.email)

        answers = [await app_client.post(WAITLIST, json=body) for body in (wish(), known, known)]

        assert {one.status_code for one in answers} == {201}
        assert len({one.text for one in answers}) == 1
        assert len(await entries(furnished)) == 2
        assert (await furnished.repositories.patients.with_email("dana@example.com")) == []

    async def test_the_same_at_once_is_one_entry_and_the_first_wish_stands(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        await app_client.post(WAITLIST, json=wish())

        again = [wish(name=" dana  SMITH ", email="Dana@Example.com", to="2026-09-01")] * 4
        await asyncio.gather(*(app_client.post(WAITLIST, json=body) for body in again))

        (entry,) = await entries(furnished)
        assert entry.last_day == "2026-08-23"

    async def test_who_left_may_come_back(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        await app_client.post(WAITLIST, json=wish())
        (entry,) = await entries(furnished)
        await furnished.repositories.waitlist.close(entry.id, WaitlistStatus.LEFT)

        await app_client.post(WAITLIST, json=wish())

        assert [one.status for one in await entries(furnished)] == ["left", "waiting"]

    async def test_names_what_suits_and_is_free_already(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        thursday = {"from": "2026-08-20", "to": "2026-08-20"}

        answer = await app_client.post(WAITLIST, json=wish(**thursday, times=[["09:00", "10:00"]]))

        assert answer.json()["available_now"] == [
            "2026-08-20T13:00:00Z",
            "2026-08-20T13:15:00Z",
            "2026-08-20T13:30:00Z",
        ]
        everything = await app_client.post(WAITLIST, json=wish(name="Another", **thursday))
        assert len(everything.json()["available_now"]) == 12

    async def test_refuses_a_wish_that_cannot_come_true(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        for wrong in IMPOSSIBLE:
            answer = await app_client.post(WAITLIST, json=wish(**wrong))

            assert problem(answer)[0] == 422, wrong
        assert await entries(furnished) == []

    async def test_refuses_what_is_no_wish(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        for wrong in MALFORMED:
            answer = await app_client.post(WAITLIST, json=wish(**wrong))

            assert problem(answer) == (422, "validation"), wrong
        assert await entries(furnished) == []

    @pytest.mark.parametrize(
        ("times", "loc"),
        [
            (["midnight"], ["body", "times", 0]),
            (["morning", ["9", "10:00"]], ["body", "times", 1, 0]),
            ([["15:00", "10:00"]], ["body", "times", 0]),
            ([["10:00"]], ["body", "times", 0, 1]),
            ([{"a": 1}], ["body", "times", 0]),
            ("morning", ["body", "times"]),
        ],
        ids=["no part", "no time", "backwards", "half", "object", "no list"],
    )
    async def test_says_once_what_is_wrong_with_a_wish_and_where(
        self, *, app_client: httpx.AsyncClient, furnished: Services, times: Any, loc: list[Any]
    ) -> None:
        """In names and places of what was sent, and nothing of ours."""
        answer = await app_client.post(WAITLIST, json=wish(times=times))

        assert [error["loc"] for error in answer.json()["errors"]] == [loc]

    async def test_refuses_a_huge_body(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        answer = await app_client.post(WAITLIST, json=wish(name="x" * 70_000))

        assert answer.status_code == 413

    @pytest.mark.parametrize(
        "unknown",
        [{"service_id": "nothing"}, {"provider_id": "66f2a1b4c3d2e1f0a9b8c7d6"}],
        ids=range(2),
    )
    async def test_knows_no_other_service_or_provider(
        self, app_client: httpx.AsyncClient, furnished: Services, unknown: dict[str, str]
    ) -> None:
        assert (await app_client.post(WAITLIST, json=wish(**unknown))).status_code == 404

    async def test_one_contact_cannot_fill_the_list(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        for number in range(MAX_ON_CONTACT):
            await app_client.post(WAITLIST, json=wish(name=f"Person {number}"))

        answer = await app_client.post(WAITLIST, json=wish(name="One more"))

        assert problem(answer) == (409, "waitlist-full")
        assert len(await entries(furnished)) == MAX_ON_CONTACT


class TestOffer:
    async def test_is_seen_taken_and_left_by_its_link(
        self, app_client: httpx.AsyncClient, waiting: Waiting
    ) -> None:
        first, second = await waiting.joins(), await waiting.joins()
        await waiting.frees()
        await waiting.look()
        links = [f"{WAITLIST}/offers/{await waiting.token(one)}" for one in (first, second)]

        seen = (await app_client.get(links[0])).json()
        taken = await app_client.post(
            f"{links[0]}/accept", json={"appointment_date": "2026-08-20T09:00"}
        )
        late = await app_client.post(
            f"{links[1]}/accept", json={"appointment_date": "2026-08-20T13:00:00Z"}
        )
        left = await app_client.post(f"{links[1]}/leave")

        assert seen["times"] == [
            {"starts_at": "2026-08-20T13:00:00Z", "local_time": "2026-08-20T09:00"}
        ]
        assert (seen["status"], seen["booked_for"]) == ("waiting", None)
        assert taken.status_code == 200
        assert taken.json()["appointment_id"] == str(first.visit_id)
        assert problem(late) == (409, "slot-taken")
        assert len(late.json()["alternatives"]) == 3
        assert (left.json()["status"], left.json()["times"]) == ("left", [])
        after = (await app_client.get(links[0])).json()
        assert (after["status"], after["booked_for"]) == ("booked", "2026-08-20T13:00:00Z")

    async def test_looking_changes_nothing_and_names_nobody(
        self, app_client: httpx.AsyncClient, waiting: Waiting
    ) -> None:
        entry = await waiting.joins()
        await waiting.frees()
        await waiting.look()
        before = await waiting.entry(entry)
        link = f"{WAITLIST}/offers/{await waiting.token(entry)}"

        answers = [await app_client.get(link), await app_client.head(link)]

        assert {one.status_code for one in answers} == {200}
        assert await waiting.entry(entry) == before
        for secret in ("Dana", "Smith", entry.email or "", str(entry.id)):
            assert secret not in answers[0].text

    @pytest.mark.parametrize("step", ["", "/accept", "/leave"])
    async def test_a_forged_link_is_a_404(
        self, app_client: httpx.AsyncClient, services: Services, step: str
    ) -> None:
        body = {"appointment_date": NINE.isoformat()}
        method = "POST" if step else "GET"

        answer = await app_client.request(
            method, f"{WAITLIST}/offers/garbage{step}", json=body if step else None
        )

        assert problem(answer) == (404, "invalid-link")
