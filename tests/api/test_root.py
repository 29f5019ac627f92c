"""The service about itself."""

import socket
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI

from app import SERVICE_NAME, __version__
from app.db.database import Database
from app.db.repositories import Repositories
from app.models.records import InboundEvent
from app.services.container import Services
from app.services.health import CHECK_SECONDS, NotReadyError, check_database
from tests.fakes import FrozenClock
from tests.timing import stopwatch

pytestmark = pytest.mark.mongo


class TestAbout:
    async def test_names_the_service_and_its_version(self, app_client: httpx.AsyncClient) -> None:
        answer = await app_client.get("/")

        assert answer.status_code == 200
        assert answer.json() == {"status": "ok", "name": SERVICE_NAME, "version": __version__}


class TestHealth:
    @pytest.mark.parametrize(
        ("path", "more"), [("/health/live", {}), ("/health/ready", {"degraded": []})]
    )
    async def test_is_well_while_the_database_answers(
        self, app_client: httpx.AsyncClient, path: str, more: dict[str, list[str]]
    ) -> None:
        answer = await app_client.get(path)

        assert answer.status_code == 200
        assert answer.json() == {"status": "ok", **more}

    async def test_is_not_ready_while_the_database_does_not_answer(
        self, app: FastAPI, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        gone = Database("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100", "gone")
        app.state.lifespan_state["services"] = replace(
            services, base=replace(services.base, database=gone)
        )

        ready = await app_client.get("/health/ready")
        live = await app_client.get("/health/live")
        gone.close()

        assert ready.status_code == 503
        assert ready.json()["check"] == "database"
        assert ready.json()["type"].endswith("/problems/not-ready")
        assert ready.headers["retry-after"] == "5"
        assert live.status_code == 200

    async def test_does_not_wait_for_a_server_that_hangs(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:  # and never answering
            port = listening.getsockname()[1]
            hanging = Database(f"mongodb://127.0.0.1:{port}/?directConnection=true", "gone")

            async with stopwatch() as watch:
                with pytest.raises(NotReadyError):
                    await check_database(hanging)
                assert watch.seconds < CHECK_SECONDS + 1

            hanging.close()


class TestMetrics:
    async def test_shows_the_queues_as_they_stand(
        self, app_client: httpx.AsyncClient, repositories: Repositories, clock: FrozenClock
    ) -> None:
        await repositories.inbound_events.store(
            InboundEvent(
                id="pubsub:1",
                source="gmail",
                payload={},
                not_before=clock.now(),
                created_at=clock.now(),
                updated_at=clock.now(),
            )
        )
        clock.advance(seconds=90)

        answer = await app_client.get("/metrics")

        assert answer.headers["content-type"].startswith("text/plain")
        assert 'queue_depth{queue="inbound",state="pending"} 1.0' in answer.text
        assert 'queue_oldest_due_age_seconds{queue="inbound"} 90.0' in answer.text
        assert 'queue_oldest_due_age_seconds{queue="outbox"} 0.0' in answer.text
        assert 'queue_depth{queue="audit",state="waiting"} ' in answer.text

    async def test_a_queue_that_was_worked_off_shows_nothing(
        self, app_client: httpx.AsyncClient, services: Services
    ) -> None:
        services.metrics.queue("inbound", {"pending": 7}, 60)

        answer = await app_client.get("/metrics")

        assert 'state="pending"} 7.0' not in answer.text
        assert 'queue_oldest_due_age_seconds{queue="inbound"} 0.0' in answer.text

    async def test_answers_while_the_database_does_not(
        self,
        app: FastAPI,
        app_client: httpx.AsyncClient,
        services: Services,
        clock: FrozenClock,
    ) -> None:
        gone = Database("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100", "gone")
        app.state.lifespan_state["services"] = replace(
            services, base=replace(services.base, repositories=Repositories.over(gone, clock))
        )
        await app_client.get("/")

        answer = await app_client.get("/metrics")
        gone.close()

        assert answer.status_code == 200
        assert 'http_requests_total{method="GET",route="/",status="200"} 1.0' in answer.text
