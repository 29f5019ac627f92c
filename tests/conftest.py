"""What every test can ask for. One embedded server and one database a session."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import hypothesis
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from pymongo import monitoring

from app.core.config import Settings
from app.db.database import Database
from app.db.embedded import free_port
from app.db.repositories import Repositories
from app.main import create_app
from app.models.role import StaffRole
from app.services.container import Services
from tests.databases import WRITTEN_TO, SharedDatabase, create_indexes, drop
from tests.factories import make_settings, make_staff
from tests.fakes import FrozenClock
from tests.plans import QUERIES

pytest_plugins = ["tests.canary"]

# How long an example takes says how busy the machine is, not whether the promise holds.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")

monitoring.register(QUERIES)
monitoring.register(WRITTEN_TO)

EMBEDDED_OPTIONS = (
    "directConnection=true&retryWrites=false&w=1&serverSelectionTimeoutMS=30000&timeoutMS=60000"
)
START_SECONDS = 120
PATIENCE_SECONDS = 60
"""For an application to start and to end: of a busy machine, five are not much."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for the server talks to it: nobody has to remember the mark."""
    for item in items:
        if "mongo_uri" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.mongo)


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server the suite runs on: `TEST_MONGO_URI`, or an embedded one of its own."""
    if given := os.environ.get("TEST_MONGO_URI"):  # noqa: TID251 - the suite's own switch
        yield given
        return
    port = free_port()
    folder = tmp_path_factory.mktemp("mongo")
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            _server_command(port, folder / "data"), stdout=log, stderr=log, cwd=folder
        )
    try:
        _wait_until_open(port)
        uri = f"mongodb://127.0.0.1:{port}/?{EMBEDDED_OPTIONS}"
        yield uri
        found = QUERIES.without_index(uri)
        assert not found, "These queries read whole collections:\n" + "\n".join(found)
    finally:
        server.terminate()
        server.wait(timeout=60)


def _server_command(port: int, data: Path) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(port), "--storage-path", str(data)]
    return [sys.executable, "-m", "secantus", *where, "--cache-size", "128M"]


def _wait_until_open(port: int) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while True:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > give_up_at:
            message = "The embedded server did not start."
            raise RuntimeError(message)
        time.sleep(0.05)


@pytest.fixture
def clock() -> FrozenClock:
    """Noon in New York, on a Wednesday, until a test moves it."""
    return FrozenClock()


@pytest.fixture(scope="session")
def shared_database(mongo_uri: str) -> Iterator[SharedDatabase]:
    """The database that the tests of this process lend to each other."""
    shared = SharedDatabase()
    yield shared
    shared.discard(mongo_uri)


@pytest.fixture
def database_name(shared_database: SharedDatabase) -> str:
    """For settings of a test's own: without it they get a database of their own, which is slow."""
    return shared_database.name


@pytest.fixture
def settings(mongo_uri: str, tmp_path: Path, database_name: str) -> Settings:
    """The defaults, on an empty database; no environment and no `.env`."""
    return make_settings(mongo_uri=mongo_uri, data_dir=tmp_path, database_name=database_name)


@pytest.fixture
async def database(
    settings: Settings, shared_database: SharedDatabase, request: pytest.FixtureRequest
) -> AsyncIterator[Database]:
    """An empty database with every index. Nothing in it expires."""
    assert settings.mongo_uri is not None
    database = Database(settings.mongo_uri.get_secret_value(), settings.database_name)
    try:
        if settings.database_name == shared_database.name:
            async with shared_database.lent(database, request.node.nodeid):
                yield database
        else:
            await create_indexes(database)
            yield database
            await drop(database)
    finally:
        database.close()


@pytest.fixture
def repositories(database: Database, clock: FrozenClock) -> Repositories:
    """Every repository over the test's database."""
    return Repositories.over(database, clock)


@pytest.fixture
async def app(settings: Settings, clock: FrozenClock, database: Database) -> AsyncIterator[FastAPI]:
    """The running application, its background loops off.

    Somebody can sign in already: making a first administrator at each start would hash a password.
    """
    await Repositories.over(database, clock).staff.insert(make_staff())
    app = create_app(settings, clock=clock, background=False)
    async with LifespanManager(app, PATIENCE_SECONDS, PATIENCE_SECONDS) as manager:
        app.state.with_lifespan = manager.app
        app.state.lifespan_state = manager._state
        yield app


@pytest.fixture
def services(app: FastAPI) -> Services:
    """The services the application runs on."""
    found = app.state.lifespan_state["services"]
    assert isinstance(found, Services)
    return found


@pytest.fixture
async def app_client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client at the front door."""
    transport = httpx.ASGITransport(app.state.with_lifespan, client=("127.0.0.1", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


Drain = Callable[[], Awaitable[None]]


@pytest.fixture
def drain(services: Services) -> Drain:
    """Does what the background loops would: incoming messages, then outgoing, until none is due."""

    async def work_off() -> None:
        inbound, sender = services.agent.inbound, services.outreach.sender
        while await inbound.work_off() + await inbound.settle() + await sender.work_off():
            pass

    return work_off


HeadersFor = Callable[[StaffRole], Awaitable[dict[str, str]]]


@pytest.fixture
def headers_for(services: Services) -> HeadersFor:
    """Signs a new member of staff with a role in: the request headers."""

    async def sign_in(role: StaffRole) -> dict[str, str]:
        member = await services.repositories.staff.insert(make_staff(role=role))
        pair = await services.sessions.open(member)
        return {"Authorization": f"Bearer {pair.access_token}"}

    return sign_in


@pytest.fixture
async def admin_headers(headers_for: HeadersFor) -> dict[str, str]:
    """The request headers of an administrator."""
    return await headers_for(StaffRole.ADMIN)
