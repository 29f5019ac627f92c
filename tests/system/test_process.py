"""How the process starts, is refused, and ends."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.factories import SECRET
from tests.system.service import (
    PATIENCE_SECONDS,
    ROOT,
    Live,
    embedded_record,
    eventually,
    live,
    log_of,
    serve_once,
    stored,
    until_gone,
)

pytestmark = pytest.mark.mongo

STOP_SECONDS = 30.0
"""What orchestrators give; it takes one or two."""
EVENT_SECONDS = 60.0
IDLE_SECONDS = 6.0
"""Longer than the server's own default, which is five."""


class TestRefusedStart:
    async def test_a_second_service_on_one_data_directory(self, tmp_path: Path) -> None:
        async with live(tmp_path, DEMO_DATA="false") as first:
            refused = serve_once(tmp_path, PORT="0")
            assert refused.returncode == 1
            assert (
                f"The data directory {tmp_path} is in use by another running service (process "
                f"{first.process.pid}). Stop that one first, or set DATA_DIR to another directory."
            ) in refused.stderr
            assert "Traceback" not in refused.stdout + refused.stderr
            assert (await first.client.get("/health/ready")).status_code == 200

    def test_a_taken_port(self, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            refused = serve_once(tmp_path, PORT=str(port))
        assert refused.returncode == 1
        assert refused.stderr.strip() == (
            f"Port {port} on 127.0.0.1 cannot be used; another program may hold it. Set PORT to "
            "another one."
        )
        assert not (tmp_path / "db").exists()

    def test_production_with_what_is_meant_for_trial(self, tmp_path: Path) -> None:
        refused = serve_once(
            tmp_path, ENVIRONMENT="production", JWT_SECRET_KEY="short-and-weak", DEMO_DATA="true"
        )
        assert refused.returncode == 1
        assert len(refused.stderr.strip().splitlines()) == 1
        assert refused.stderr.startswith("ENVIRONMENT=production refuses to start: ")
        assert "JWT_SECRET_KEY is missing or weak" in refused.stderr
        assert "MONGO_URI is unset" in refused.stderr
        assert "DEMO_DATA is on" in refused.stderr
        assert "short-and-weak" not in refused.stdout + refused.stderr
        assert not (tmp_path / "db").exists()

    def test_a_database_that_does_not_answer(self, tmp_path: Path) -> None:
        refused = serve_once(
            tmp_path,
            PORT="0",
            JWT_SECRET_KEY=SECRET,
            MONGO_URI="mongodb://someone:canary-secret@127.0.0.1:9/?serverSelectionTimeoutMS=300",
        )
        assert refused.returncode == 1
        assert "Traceback" not in refused.stdout + refused.stderr
        assert "canary-secret" not in refused.stdout + refused.stderr


async def open_stream(service: Live) -> AsyncIterator[str]:
    """An event stream on which a task for a person has come by; it stays open."""
    request = service.client.build_request(
        "GET", "/api/v1/admin/events", headers=service.api.headers
    )
    answer = await service.client.send(request, stream=True)
    lines = answer.aiter_lines()
    await following(lines, "event: ready")
    lead = {
        "patient_name": "Maria Lopez",
        "patient_email": "maria@example.com",
        "initial_inquiry": "Asked about whitening",
    }
    campaign = await service.api.post("/admin/campaigns/recovery", lead, status=201)
    await service.client.patch(
        f"/api/v1/admin/campaigns/{campaign['campaign_id']}/status",
        json={"status": "HANDOFF_REQUIRED"},
        headers=service.api.headers,
    )
    await following(lines, "event: attention")
    return lines


async def following(lines: AsyncIterator[str], wanted: str) -> None:
    """Read on until a line comes."""
    async with asyncio.timeout(EVENT_SECONDS):
        while await anext(lines) != wanted:
            pass


class TestEnd:
    @pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM], ids=["ctrl_c", "terminate"])
    async def test_stops_cleanly_and_in_time(self, tmp_path: Path, wanted: signal.Signals) -> None:
        async with live(tmp_path, DEMO_DATA="false") as service:
            database = embedded_record(tmp_path)
            lines = await open_stream(service)
            assert await service.signal_and_wait(wanted, STOP_SECONDS) == 0
            assert [line async for line in lines if line.startswith("event")] == []
            await until_gone(database["server_pid"], PATIENCE_SECONDS)
        log = log_of(tmp_path)
        assert "Traceback" not in log
        assert "Aborted" not in log
        assert "timeout graceful shutdown exceeded" not in log
        assert not (tmp_path / "embedded.json").exists()

    async def test_takes_the_database_along_when_it_is_killed(self, tmp_path: Path) -> None:
        async with live(tmp_path, DEMO_DATA="false") as service:
            database = embedded_record(tmp_path)
            service.kill()
            await until_gone(database["server_pid"], PATIENCE_SECONDS)
            await until_gone(database["watcher_pid"], PATIENCE_SECONDS)


NOTES = """
import gc, pathlib
freeze, notes = gc.freeze, pathlib.Path(__file__).with_name("kept")
def noted():
    freeze()
    with notes.open("a") as file: print(gc.get_freeze_count(), file=file)
gc.freeze = noted
"""
"""For the service's process: how much is left out of the search for garbage, each time."""
MANY_OBJECTS = 100_000


async def kept_for_good(site: Path) -> None:
    """Wait until what is loaded has been left out twice: at the start, and with the models."""

    async def kept() -> list[int] | None:
        notes = site / "kept"
        counts = [int(line) for line in notes.read_text().split()] if notes.exists() else []
        return counts if len(counts) > 1 else None

    start, warm = await eventually(kept, seconds=PATIENCE_SECONDS, message="It is not left out.")
    assert MANY_OBJECTS < start < warm


class TestIdleConnection:
    async def test_outlives_what_clients_and_load_balancers_keep(self, tmp_path: Path) -> None:
        """Closed at the moment a client uses it again, it would lose that client's request.

        Meanwhile what was loaded is left out of the search for garbage, which would halt it.
        """
        request = b"GET /health/live HTTP/1.1\r\nHost: clinic\r\n\r\n"
        site = tmp_path / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(NOTES)
        path = os.pathsep.join([str(site), str(ROOT)])
        async with live(tmp_path / "data", DEMO_DATA="false", PYTHONPATH=path) as service:
            url = service.client.base_url
            reader, writer = await asyncio.open_connection(url.host, url.port)
            for pause in (IDLE_SECONDS, 0):
                writer.write(request)
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
                await asyncio.sleep(pause)
                await reader.readuntil(b"}")
            writer.close()
            await kept_for_good(site)


class TestStart:
    async def test_finds_what_the_run_before_left_and_sweeps_nothing_by_itself(
        self, tmp_path: Path
    ) -> None:
        async with live(tmp_path, SWEEP_TIME="00:00") as first:
            clinic = await first.api.get("/clinic")
            patients = await first.api.get("/admin/patients", limit=100)
            assert patients["pagination"]["total_items"] == 60
        async with live(tmp_path, SWEEP_TIME="00:00") as second:
            assert await second.api.get("/clinic") == clinic
            assert await second.api.get("/admin/patients", limit=100) == patients
            with stored(tmp_path) as database:
                assert database["sweeps"].count_documents({}) == 0
                assert database["campaigns"].count_documents({}) == 0
