"""What availability is computed from, at the front door."""

from typing import Any

import httpx
import pytest

from app.models.role import StaffRole
from app.services.container import Services
from tests.api.test_public import BOOK, booking_form, known_patient, problem
from tests.conftest import HeadersFor

pytestmark = pytest.mark.mongo

ADMIN = "/api/v1/admin"
UNKNOWN = "66f2a1b4c3d2e1f0a9b8c7d6"
DAY = "2026-12-31"
HOURS = {"MON": [["09:00", "12:00"], ["13:00", "17:00"]]}
VALID: dict[str, dict[str, Any]] = {
    "providers": {"name": "Dr. Stern", "service_ids": ["cleaning"], "working_hours": HOURS},
    "chairs": {"name": "Room 9"},
    "services": {"service_id": "implant", "name": "Implant", "duration_minutes": 90},
    "time-off": {"starts_at": "2026-12-24T00:00", "ends_at": "2026-12-27T00:00"},
}
KEYS = {
    "providers": ("providers", "provider_id"),
    "chairs": ("chairs", "chair_id"),
    "services": ("services", "service_id"),
    "time-off": ("time_off", "time_off_id"),
}
CHANGES: dict[str, dict[str, Any]] = {
    "providers": {"name": "Dr. Star"},
    "chairs": {"service_ids": []},
    "services": {"price_from": 450.5, "recall_interval_months": 6},
    "time-off": {"reason": "Holidays"},
}


class Office:
    """The office manager with a client."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    async def send(self, method: str, path: str, **given: Any) -> httpx.Response:
        """A request about settings, signed in."""
        return await self._client.request(method, f"{ADMIN}/{path}", headers=self._headers, **given)


@pytest.fixture
async def office(app_client: httpx.AsyncClient, headers_for: HeadersFor) -> Office:
    """Signed in."""
    return Office(app_client, await headers_for(StaffRole.OFFICE_MANAGER))


@pytest.mark.parametrize("kind", sorted(VALID))
class TestEveryKind:
    async def test_add_list_change_remove(self, office: Office, kind: str) -> None:
        plural, id_name = KEYS[kind]

        created = await office.send("POST", kind, json=VALID[kind])
        assert created.status_code == 201
        path = f"{kind}/{created.json()[id_name]}"
        changed = await office.send("PATCH", path, json=CHANGES[kind])
        listed = (await office.send("GET", kind)).json()
        read = await office.send("GET", path)
        removed = await office.send("DELETE", path)

        stored = {**created.json(), **CHANGES[kind]}
        left_behind = {"stranded_total": 0, "stranded_appointments": []}
        assert changed.json() == {**stored, **left_behind}
        assert listed[plural] == [read.json()]
        assert read.json().items() <= stored.items()
        assert listed["pagination"]["total_items"] == 1
        assert (removed.status_code, removed.content) == (204, b"")
        assert (await office.send("GET", kind)).json()[plural] == []

    async def test_nothing_unknown_or_empty(self, office: Office, kind: str) -> None:
        unknown = "unknown" if kind == "services" else UNKNOWN

        patched = await office.send("PATCH", f"{kind}/{unknown}", json=CHANGES[kind])
        deleted = await office.send("DELETE", f"{kind}/{unknown}")
        read = await office.send("GET", f"{kind}/{unknown}")
        empty = await office.send("PATCH", f"{kind}/{unknown}", json={})
        extra = await office.send("POST", kind, json={**VALID[kind], "_id": UNKNOWN})

        assert problem(patched) == problem(deleted) == problem(read) == (404, "setting-not-found")
        assert problem(empty) == problem(extra) == (422, "validation")

    async def test_only_the_office_changes_everybody_reads(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor, kind: str
    ) -> None:
        path = f"{ADMIN}/{kind}"
        desk = await headers_for(StaffRole.FRONT_DESK)
        reader = await headers_for(StaffRole.READ_ONLY)

        outside = await app_client.get(path)
        reading = await app_client.get(path, headers=reader)
        writing = await app_client.post(path, headers=desk, json=VALID[kind])

        assert problem(outside) == (401, "unauthenticated")
        assert reading.status_code == 200
        assert problem(writing) == (403, "forbidden")


class TestRules:
    @pytest.mark.parametrize(
        ("kind", "change"),
        [
            ("providers", {"working_hours": {"MON": [["12:00", "09:00"]]}}),
            ("providers", {"working_hours": {"MON": [["09:00", "12:00"], ["11:00", "13:00"]]}}),
            ("providers", {"working_hours": {"MON": [["09:02", "12:00"]]}}),
            ("providers", {"working_hours": {"Monday": []}}),
            ("providers", {"hours_periods": [{"working_hours": HOURS}]}),
            ("providers", {"hours_periods": [{"effective_from": "2026-02-30"}]}),
            ("providers", {"hours_periods": [{"effective_from": "2026-02-01", "x": 1}]}),
            ("providers", {"hours_periods": [{"effective_from": "2026-02-01"}] * 51}),
            ("providers", {"service_durations": {"cleaning": 7}}),
            ("providers", {"service_durations": {"No slug": 30}}),
            ("providers", {"service_durations": {f"s{one}": 30 for one in range(201)}}),
            ("services", {"duration_minutes": 7}),
            ("services", {"service_id": "With Blanks"}),
            ("services", {"price_from": 1.005}),
            ("chairs", {"name": ""}),
            # They stand in letters: nothing that could break a line or end a text.
            ("chairs", {"name": "Room\x00"}),
            ("providers", {"name": "Dr. Stern\r\nBcc: all@example.com"}),
            ("services", {"name": "Implant\u2028Bcc: all@example.com"}),
        ],
    )
    async def test_what_makes_no_sense_is_refused(
        self, office: Office, kind: str, change: dict[str, Any]
    ) -> None:
        answer = await office.send("POST", kind, json={**VALID[kind], **change})

        assert problem(answer) == (422, "validation")

    @pytest.mark.parametrize(
        ("kind", "first", "then"),
        [
            (
                "providers",
                {"effective_until": "2026-12-31"},
                {"effective_from": "2027-01-01"},
            ),
            ("providers", {}, {"name": None}),
            ("providers", {}, {"service_durations": {"implant": 60}}),
            ("providers", {"service_durations": {"cleaning": 45}}, {"service_ids": []}),
            ("providers", {}, {"hours_periods": [{"effective_from": "2026-12-01"}] * 2}),
            (
                "providers",
                {},
                {"hours_periods": [{"effective_from": "2027-01-01", "effective_until": DAY}]},
            ),
            ("time-off", {}, {"ends_at": "2026-12-23T00:00"}),
        ],
    )
    async def test_a_change_must_fit_what_stays(
        self, office: Office, kind: str, first: dict[str, Any], then: dict[str, Any]
    ) -> None:
        created = await office.send("POST", kind, json={**VALID[kind], **first})

        answer = await office.send("PATCH", f"{kind}/{created.json()[KEYS[kind][1]]}", json=then)

        assert problem(answer) == (422, "invalid-setting")
        assert "Value error" not in answer.json()["detail"]

    async def test_a_refused_field_is_named(self, office: Office) -> None:
        created = await office.send("POST", "providers", json=VALID["providers"])
        path = f"providers/{created.json()['provider_id']}"

        answer = await office.send("PATCH", path, json={"name": None})

        assert answer.json()["detail"].startswith("name: ")

    async def test_nobody_is_away_who_does_not_work_here(self, office: Office) -> None:
        away = {**VALID["time-off"], "provider_id": UNKNOWN}
        closure = (await office.send("POST", "time-off", json=VALID["time-off"])).json()
        path = f"time-off/{closure['time_off_id']}"

        added = await office.send("POST", "time-off", json=away)
        changed = await office.send("PATCH", path, json={"provider_id": UNKNOWN})

        assert problem(added) == (404, "provider-not-found")
        assert problem(changed) == (404, "provider-not-found")
        (stored,) = (await office.send("GET", "time-off")).json()["time_off"]
        assert stored.items() <= closure.items()

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, ["June", "closed", "July"]),
            ({"provider_id": "theirs"}, ["June", "July"]),
            ({"start_date": "2026-06-30"}, ["closed", "July"]),
            ({"end_date": "2026-06-20"}, ["June", "closed"]),
            ({"start_date": "2026-07-01", "end_date": "2026-07-01"}, ["July"]),
            ({"provider_id": UNKNOWN}, []),
        ],
    )
    async def test_time_off_by_provider_and_days(
        self, office: Office, query: dict[str, str], expected: list[str]
    ) -> None:
        created = await office.send("POST", "providers", json=VALID["providers"])
        theirs = created.json()["provider_id"]
        for reason, starts_at, ends_at, whose in (
            ("July", "2026-07-01T00:00", "2026-07-08T00:00", theirs),
            # Until the midnight that July the 1st starts with: not a part of that day.
            ("closed", "2026-06-20T12:00", "2026-07-01T00:00", None),
            ("June", "2026-06-01T00:00", "2026-06-30T00:00", theirs),
        ):
            off = {"reason": reason, "starts_at": starts_at, "ends_at": ends_at}
            await office.send("POST", "time-off", json={**off, "provider_id": whose})
        if query.get("provider_id") == "theirs":
            query = {**query, "provider_id": theirs}

        answer = await office.send("GET", "time-off", params=query)

        assert [one["reason"] for one in answer.json()["time_off"]] == expected
        assert answer.json()["pagination"]["total_items"] == len(expected)

    async def test_null_removes_what_may_be_absent(self, office: Office) -> None:
        limited = {**VALID["chairs"], "service_ids": ["cleaning"]}
        chair = (await office.send("POST", "chairs", json=limited)).json()

        answer = await office.send(
            "PATCH", f"chairs/{chair['chair_id']}", json={"service_ids": None}
        )

        assert answer.json()["service_ids"] is None

    @pytest.mark.parametrize("kind", ["providers", "chairs"])
    async def test_services_that_there_are_not_are_named(
        self, office: Office, furnished: Services, kind: str
    ) -> None:
        made = (
            await office.send("POST", kind, json={**VALID[kind], "service_ids": ["old"]})
        ).json()
        path = f"{kind}/{made[KEYS[kind][1]]}"

        misspelt = {"service_ids": ["old", "whitenning", "cleaning", "implants"]}
        refused = await office.send("PATCH", path, json=misspelt)
        dry = await office.send("PATCH", f"{path}?dry_run=true", json=misspelt)
        kept = await office.send("PATCH", path, json={"service_ids": ["old", "cleaning"]})

        assert problem(refused) == problem(dry) == (422, "invalid-setting")
        assert refused.json()["detail"] == (
            "service_ids: there is no service implants, whitenning."
        )
        assert kept.json()["service_ids"] == ["old", "cleaning"]

    async def test_a_service_id_is_given_once(self, office: Office) -> None:
        await office.send("POST", "services", json=VALID["services"])

        answer = await office.send("POST", "services", json=VALID["services"])

        assert problem(answer) == (409, "duplicate-service")

    async def test_a_naive_time_is_the_clinics(self, office: Office) -> None:
        created = await office.send("POST", "time-off", json=VALID["time-off"])

        assert created.json()["starts_at"] == "2026-12-24T05:00:00Z"
        assert created.json()["provider_id"] is None

    @pytest.mark.parametrize("kind", ["providers", "chairs", "services"])
    async def test_what_a_visit_needs_stays_until_it_is_over(
        self,
        office: Office,
        app_client: httpx.AsyncClient,
        furnished: Services,
        kind: str,
    ) -> None:
        patient = await known_patient(furnished)
        await app_client.post(BOOK, json=booking_form(patient))
        visit = (await furnished.repositories.appointments.all_for_patient(patient.id))[0]
        path = f"{kind}/{getattr(visit, KEYS[kind][1])}"

        needed = await office.send("DELETE", path)
        await furnished.scheduling.appointments.cancel(visit.id, by="staff:x")
        free = await office.send("DELETE", path)

        assert problem(needed) == (409, "still-needed")
        assert free.status_code == 204


class TestEffect:
    async def test_a_practice_set_up_over_http_takes_bookings(
        self, office: Office, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        await office.send("POST", "services", json=VALID["services"])
        provider = {**VALID["providers"], "service_ids": ["implant"]}
        await office.send("POST", "providers", json=provider)
        await office.send("POST", "chairs", json=VALID["chairs"])
        query: dict[str, Any] = {"year": 2026, "month": 8, "service_id": "implant"}

        free = (await app_client.get("/api/v1/availability", params=query)).json()
        form = booking_form(
            await known_patient(services),
            service_id="implant",
            appointment_date="2026-08-24T13:00",
        )
        booked = await app_client.post(BOOK, json=form)

        assert list(free) == ["2026-08-24", "2026-08-31"]
        assert booked.status_code == 201

    async def test_own_times_and_planned_hours_decide(
        self, office: Office, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        await office.send("POST", "services", json=VALID["services"])
        await office.send("POST", "chairs", json=VALID["chairs"])
        later = {
            "effective_from": "2026-08-25",
            "effective_until": None,
            "working_hours": {"TUE": [["09:00", "12:00"]]},
        }
        own = {
            "service_ids": ["implant"],
            "service_durations": {"implant": 150},
            "hours_periods": [later],
        }
        made = await office.send("POST", "providers", json={**VALID["providers"], **own})
        query: dict[str, Any] = {"year": 2026, "month": 8, "service_id": "implant"}

        free = (await app_client.get("/api/v1/availability", params=query)).json()
        path = f"providers/{made.json()['provider_id']}"
        cleared: dict[str, Any] = {"service_durations": {}, "hours_periods": []}
        changed = await office.send("PATCH", path, json=cleared)
        after = (await app_client.get("/api/v1/availability", params=query)).json()

        assert {name: made.json()[name] for name in own} == own
        assert {name: changed.json()[name] for name in cleared} == cleared
        assert list(free) == ["2026-08-24", "2026-08-25"]
        assert free["2026-08-25"] == ["09:00", "09:15", "09:30"]
        assert list(after) == ["2026-08-24", "2026-08-31"]

    async def test_a_closure_empties_its_days(
        self, office: Office, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        closed = {"starts_at": "2026-08-20T00:00", "ends_at": "2026-08-22T00:00"}
        await office.send("POST", "time-off", json=closed)
        query: dict[str, Any] = {"year": 2026, "month": 8, "service_id": "cleaning"}

        free = (await app_client.get("/api/v1/availability", params=query)).json()

        assert list(free)[:2] == ["2026-08-19", "2026-08-24"]


class TestClinic:
    async def test_the_environment_gives_the_defaults_and_a_change_wins(
        self, office: Office, app_client: httpx.AsyncClient
    ) -> None:
        before = await office.send("GET", "clinic")
        changed = await office.send(
            "PATCH", "clinic", json={"name": "Bright Teeth", "timezone": "Europe/Vienna"}
        )
        public = await app_client.get("/api/v1/clinic")

        assert before.json()["name"] == "Demo Dental Practice"
        assert changed.json() == {
            **before.json(),
            "name": "Bright Teeth",
            "timezone": "Europe/Vienna",
            "stranded_total": 0,
            "stranded_appointments": [],
        }
        assert public.json()["timezone"] == "Europe/Vienna"

    @pytest.mark.parametrize(
        ("change", "kind"),
        [
            ({"timezone": "Mars/Base"}, "validation"),
            ({"timezone": "localtime"}, "validation"),
            ({"slot_grid_minutes": 7}, "validation"),
            ({"country": "usa"}, "validation"),
            ({"key": "other"}, "validation"),
            ({"name": None}, "invalid-setting"),
            ({"phone": None}, "invalid-setting"),
            ({"phone": "call us"}, "invalid-phone"),
            ({"phone": "555-01"}, "invalid-phone"),
            ({"phone": "(212) 555-0142", "country": "FR"}, "invalid-phone"),
            ({}, "validation"),
        ],
    )
    async def test_refuses_what_makes_no_sense(
        self, office: Office, change: dict[str, Any], kind: str
    ) -> None:
        answer = await office.send("PATCH", "clinic", json=change)

        assert problem(answer) == (422, kind)

    async def test_its_phone_number_is_shown_as_it_was_typed(self, office: Office) -> None:
        for phone, country in (("(212) 555-0142", "US"), ("01 42 68 53 00", "FR")):
            change = {"phone": phone, "country": country}
            changed = await office.send("PATCH", "clinic", json=change)

            assert changed.json()["phone"] == phone

    async def test_only_the_office_changes_it(
        self, app_client: httpx.AsyncClient, headers_for: HeadersFor
    ) -> None:
        desk = await headers_for(StaffRole.FRONT_DESK)

        reading = await app_client.get(f"{ADMIN}/clinic", headers=desk)
        writing = await app_client.patch(f"{ADMIN}/clinic", headers=desk, json={"name": "X"})

        assert reading.status_code == 200
        assert problem(writing) == (403, "forbidden")
