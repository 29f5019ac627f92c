"""The service about itself."""

import asyncio

import httpx
import pytest

from app import SERVICE_NAME, __version__
from app.db.database import Database
from app.db.repositories import Repositories
from app.models.records import InboundEvent
from app.services import health
from app.services.health import NotReadyError, check_database
from app.services.metrics import Metrics
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo


class TestAbout:
    async def test_names_the_service_and_its_version(self, app_client: httpx.AsyncClient) -> None:
        answer = await app_client.get("/")

        assert answer.status_code == 200
        assert answer.json() == {"status": "ok", "name": SERVICE_NAME, "version": __version__}


class TestHealth:
    @pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
    async def test_is_well_while_the_database_answers(
        self, app_client: httpx.AsyncClient, path: str
    ) -> None:
        answer = await app_client.get(path)

        assert answer.status_code == 200
        assert answer.json() == {"status": "ok"}
