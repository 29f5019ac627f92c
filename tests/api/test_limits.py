"""Limits at the front door: who is refused, who never is, and whose address counts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from app.api.limits import client_of
from app.core.config import Settings
from app.services.container import Services
from app.services.passwords import get_password_hash
from app.serving import server_config
from tests.api.test_public import booking_form, known_patient, problem
from tests.factories import make_settings, make_staff
from tests.fakes import FrozenClock
from tests.services.test_email_processor import RELAY, push

pytestmark = pytest.mark.mongo

BOOK = "/api/v1/appointments/book"
MONTH = "/api/v1/availability?month=8&year=2026&service_id=cleaning"
SLOTS = "/api/v1/availability/slots?from=2026-08-20&to=2026-08-21&service_id=cleaning"
PASSWORD = "the quick brown fox"

LIMITS = {
    "rate_limits": "on",
    "bookings_per_minute": 4,
    "failed_lookups_per_minute": 3,
    "availability_per_minute": 5,
    "login_failures_per_account": 3,
    "login_failures_per_client": 6,
    "refreshes_per_minute": 3,
}


@pytest.fixture
def settings(mongo_uri: str, tmp_path: Path, database_name: str) -> Settings:
    """Limits that a test meets."""
    return make_settings(
        mongo_uri=mongo_uri, data_dir=tmp_path, database_name=database_name, **LIMITS
    )


ClientAt = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def client_at(app: FastAPI) -> AsyncIterator[ClientAt]:
    """Makes clients at addresses of their own."""
    made: list[httpx.AsyncClient] = []

    async def make(address: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app.state.with_lifespan, client=(address, 50000))
        made.append(httpx.AsyncClient(transport=transport, base_url="http://testserver"))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


class TestAvailability:
    async def test_is_limited_by_address_and_by_both_its_forms_together(
        self, app_client: httpx.AsyncClient, furnished: Services, client_at: ClientAt
    ) -> None:
        statuses = [
            (await app_client.get(path)).status_code for path in (MONTH, SLOTS, MONTH, SLOTS, MONTH)
        ]
        refused = await app_client.get(MONTH)

        assert statuses == [200] * 5
        assert problem(refused) == (429, "too-many-requests")
        assert refused.headers["retry-after"] == "60"
        assert (await (await client_at("192.0.2.9")).get(MONTH)).status_code == 200

    async def test_opens_again_when_retry_after_is_over(
        self, app_client: httpx.AsyncClient, furnished: Services, clock: FrozenClock
    ) -> None:
        for _ in range(5):
            await app_client.get(MONTH)
        refused = await app_client.get(MONTH)
        assert refused.status_code == 429
        clock.advance(seconds=int(refused.headers["retry-after"]))

        assert (await app_client.get(MONTH)).status_code == 200

    async def test_a_page_says_it_in_words(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        for _ in range(5):
            await app_client.get("/book")

        page = await app_client.get("/book", headers={"Accept-Language": "es"})

        assert page.status_code == 429
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["retry-after"] == "60"
        assert "demasiadas solicitudes" in page.text


class TestBooking:
    async def test_is_limited_by_address_and_books_nothing_beyond(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        patients = [await known_patient(furnished) for _ in range(5)]
        forms = [
            booking_form(patient, appointment_date=f"2026-08-{20 + number}T09:00")
            for number, patient in enumerate(patients)
        ]

        answers = [await app_client.post(BOOK, json=form) for form in forms]

        statuses = [answer.status_code for answer in answers]
        assert statuses[4] == 429
        assert 429 not in statuses[:4]
        visits = await furnished.repositories.appointments.all_for_patient(patients[4].id)
        assert visits == []

    async def test_the_page_and_the_waitlist_count_with_it(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        statuses = [
            (await app_client.post(path, json={})).status_code
            for path in (BOOK, "/api/v1/waitlist", "/book", "/waitlist", BOOK)
        ]

        assert 429 not in statuses[:4]
        assert statuses[4] == 429

    async def test_a_contact_is_looked_up_in_vain_so_often_from_wherever(
        self, furnished: Services, client_at: ClientAt
    ) -> None:
        patient = await known_patient(furnished)
        wrong = booking_form(patient, email="nobody@example.com", phone="+1 212-555-0177")
        answers = [
            await (await client_at(f"192.0.2.{number}")).post(BOOK, json=wrong)
            for number in range(4)
        ]

        assert [answer.status_code for answer in answers] == [404, 404, 404, 429]

    async def test_many_guesses_at_once_are_no_way_round(
        self, furnished: Services, client_at: ClientAt
    ) -> None:
        patient = await known_patient(furnished)
        wrong = booking_form(patient, email="nobody@example.com", phone="+1 212-555-0177")
        clients = [await client_at(f"192.0.2.{number}") for number in range(10)]

        answers = await asyncio.gather(*(client.post(BOOK, json=wrong) for client in clients))

        assert Counter(answer.status_code for answer in answers) == {404: 3, 429: 7}

    async def test_a_contact_that_is_found_is_never_limited_by_it(
        self, furnished: Services, client_at: ClientAt
    ) -> None:
        patient = await known_patient(furnished)
        statuses = []
        for number in range(6):
            client = await client_at(f"192.0.2.{number}")
            form = booking_form(patient, appointment_date=f"2026-08-{20 + number}T09:00")
            statuses.append((await client.post(BOOK, json=form)).status_code)

        assert 429 not in statuses
        assert 404 not in statuses


class TestLogin:
    async def test_answers_429_with_retry_after_and_opens_again(
        self, app_client: httpx.AsyncClient, services: Services, clock: FrozenClock
    ) -> None:
        hashed = get_password_hash(PASSWORD)
        await services.repositories.staff.insert(
            make_staff(email="robin@example.com", hashed_password=hashed)
        )

        async def login(password: str) -> httpx.Response:
            form = {"username": "robin@example.com", "password": password}
            return await app_client.post("/api/v1/auth/login", data=form)

        wrong = [(await login("wrong")).status_code for _ in range(3)]
        refused = await login(PASSWORD)
        clock.advance(minutes=5)

        assert wrong == [401] * 3
        assert problem(refused) == (429, "too-many-requests")
        assert refused.headers["retry-after"] == "300"
        assert (await login(PASSWORD)).status_code == 200

    async def test_unknown_accounts_are_refused_alike(self, app_client: httpx.AsyncClient) -> None:
        form = {"username": "nobody@example.com", "password": PASSWORD}

        statuses = [
            (await app_client.post("/api/v1/auth/login", data=form)).status_code for _ in range(4)
        ]

        assert statuses == [401, 401, 401, 429]


class TestRefresh:
    async def test_is_limited_by_address(
        self, app_client: httpx.AsyncClient, client_at: ClientAt
    ) -> None:
        guess = {"refresh_token": "guess"}
        answers = [await app_client.post("/api/v1/auth/refresh", json=guess) for _ in range(4)]
        elsewhere = await (await client_at("192.0.2.9")).post("/api/v1/auth/refresh", json=guess)

        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert answers[3].headers["retry-after"] == "60"
        assert elsewhere.status_code == 401


class TestNeverLimited:
    async def test_webhooks_take_whatever_comes(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        answers = [
            await app_client.post("/api/v1/webhooks/gmail", content=push(RELAY, messageId=str(n)))
            for n in range(30)
        ]

        assert {answer.status_code for answer in answers} == {200}

    async def test_nor_unsubscribing(self, app_client: httpx.AsyncClient) -> None:
        answers = [await app_client.post("/api/v1/unsubscribe/nonsense") for _ in range(30)]

        assert 429 not in {answer.status_code for answer in answers}


class TestADatabaseThatForgets:
    async def test_a_limit_whose_count_is_gone_lets_in(
        self, app_client: httpx.AsyncClient, furnished: Services
    ) -> None:
        for _ in range(5):
            await app_client.get(MONTH)
        await furnished.database.collection("rate_limits").delete_many({})

        assert (await app_client.get(MONTH)).status_code == 200


class TestClientOf:
    @pytest.mark.parametrize(
        ("host", "counted_as"),
        [
            ("203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("testclient", "testclient"),
        ],
    )
    def test_is_the_address_or_the_network_of_an_ipv6_one(self, host: str, counted_as: str) -> None:
        assert client_of(Request({"type": "http", "client": (host, 1)})) == counted_as

    def test_what_has_no_address_is_counted_together(self) -> None:
        assert client_of(Request({"type": "http", "client": None})) == "unknown"


class TestBehindAProxy:
    @pytest.mark.parametrize(
        ("trusted", "peer", "forwarded", "counted_as"),
        [
            ([], "127.0.0.1", "203.0.113.7", "127.0.0.1"),
            (["10.0.0.1"], "127.0.0.1", "203.0.113.7", "127.0.0.1"),
            (["10.0.0.1"], "10.0.0.1", "203.0.113.7", "203.0.113.7"),
            (["10.0.0.0/8"], "10.1.2.3", "203.0.113.7", "203.0.113.7"),
            (["10.0.0.0/8"], "10.1.2.3", "6.6.6.6, 203.0.113.7, 10.9.9.9", "203.0.113.7"),
            (["10.0.0.0/8"], "192.0.2.1", "6.6.6.6", "192.0.2.1"),
        ],
    )
    async def test_the_address_is_the_proxys_word_only_where_the_proxy_is_trusted(
        self, trusted: list[str], peer: str, forwarded: str, counted_as: str
    ) -> None:
        app = FastAPI()

        @app.get("/")
        async def who(request: Request) -> str:
            return client_of(request)

        config = server_config(app, trusted)
        config.load()
        transport = httpx.ASGITransport(config.loaded_app, client=(peer, 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            answer = await client.get("/", headers={"X-Forwarded-For": forwarded})

        assert answer.json() == counted_as
