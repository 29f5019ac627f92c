"""Promises of the embedded database, with real processes and real kills."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from app.db import embedded_watch
from app.db.embedded import (
    DataDirectoryInUseError,
    EmbeddedDatabase,
    EmbeddedDatabaseStartError,
    command_line,
)
from tests.timing import stopwatch

pytestmark = pytest.mark.mongo

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0

SERVICE = """
import asyncio, signal, sys
from pathlib import Path
from app.db.embedded import DataDirectoryInUseError, EmbeddedDatabase

def interrupted():
    print("interrupted", flush=True)

async def serve():
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted)
    database = EmbeddedDatabase(Path(sys.argv[1]))
    try:
        print(await database.start(), flush=True)
    except DataDirectoryInUseError as error:
        sys.exit(str(error))
    await asyncio.sleep(60)

asyncio.run(serve())
"""


@asynccontextmanager
async def started(data_dir: Path, *, stop_seconds: float = 8.0) -> AsyncIterator[EmbeddedDatabase]:
    database = EmbeddedDatabase(data_dir, stop_seconds=stop_seconds)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


@asynccontextmanager
async def service(data_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of its own that owns an embedded database, as the application does."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVICE, str(data_dir)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode().strip()


@contextmanager
def client_of(uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    client: MongoClient[dict[str, Any]]
    with MongoClient(uri) as client:
        yield client


def record(data_dir: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((data_dir / "embedded.json").read_text())
    return found


async def eventually(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the condition holds; a busy machine may take its time."""
    since = time.monotonic()
    while not condition():
        assert time.monotonic() - since < seconds, "did not happen in time"
        await asyncio.sleep(0.01)


def listeners(port: str) -> list[str]:
    """Addresses on which somebody listens at this port, in hexadecimal as Linux lists them."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    lines = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    return [line[1] for line in lines if line[3] == "0A" and line[1].endswith(f":{port}")]


def is_gone(pid: int) -> Callable[[], bool]:
    return lambda: command_line(pid) == ""


def insert_until_stopped(uri: str, stopping: list[bool]) -> list[int]:
    """Numbers whose insert was acknowledged, one after the other, through any outage."""
    acknowledged = []
    with client_of(uri) as client:
        number = 0
        while not stopping:
            number += 1
            with suppress(PyMongoError):
                client["test"]["writes"].insert_one({"_id": number})
                acknowledged.append(number)
    return acknowledged


class TestStart:
    async def test_returns_the_measured_uri_of_a_server_that_answers(self, tmp_path: Path) -> None:
        async with started(tmp_path) as database:
            port = record(tmp_path)["port"]
            assert database.uri == (
                f"mongodb://127.0.0.1:{port}/?directConnection=true&retryWrites=false&w=1"
                "&journal=true&serverSelectionTimeoutMS=5000"
            )
            assert database.is_running
            with client_of(database.uri) as client:
                assert client.admin.command("ping")["ok"] == 1

    async def test_listens_on_loopback_only(self, tmp_path: Path) -> None:
        async with started(tmp_path):
            port = f"{record(tmp_path)['port']:04X}"
            assert listeners(port) == [f"0100007F:{port}"]

    async def test_finds_the_data_of_the_run_before(self, tmp_path: Path) -> None:
        async with started(tmp_path) as database:
            with client_of(database.uri) as client:
                client["test"]["kept"].insert_one({"_id": "a"})
        async with started(tmp_path) as database:
            with client_of(database.uri) as client:
                assert client["test"]["kept"].find_one() == {"_id": "a"}

    async def test_keeps_the_data_from_other_users_of_the_machine(self, tmp_path: Path) -> None:
        async with started(tmp_path):
            assert (tmp_path / "db").stat().st_mode & 0o077 == 0
            assert (tmp_path / "embedded.log").stat().st_mode & 0o077 == 0

    async def test_begins_a_new_log_and_keeps_the_one_before(self, tmp_path: Path) -> None:
        (tmp_path / "embedded.log").write_text("an earlier run")
        async with started(tmp_path):
            assert (tmp_path / "embedded.log").read_text() == ""
            assert (tmp_path / "embedded.log.1").read_text() == "an earlier run"

    async def test_ignores_server_settings_lying_around(self, tmp_path: Path) -> None:
        (tmp_path / "secantusd.toml").write_text("no settings at all")
        async with started(tmp_path) as database:
            assert database.is_running

    async def test_names_the_log_and_lets_go_of_the_directory_when_it_fails(
        self, tmp_path: Path
    ) -> None:
        obstacle = tmp_path / "db" / "WiredTiger"
        obstacle.mkdir(parents=True)
        log = tmp_path / "embedded.log"
        for patience in (1.5, 10, 60):  # on a busy machine it takes longer to fail
            with pytest.raises(EmbeddedDatabaseStartError, match=r"embedded\.log"):
                await EmbeddedDatabase(tmp_path, start_seconds=patience).start()
            if log.read_text():
                break
        assert log.read_text() != ""
        obstacle.rmdir()
        async with started(tmp_path) as database:
            assert database.is_running


class TestOneServicePerDirectory:
    async def test_a_second_start_is_refused_with_a_clear_sentence(self, tmp_path: Path) -> None:
        async with started(tmp_path) as database:
            with pytest.raises(DataDirectoryInUseError) as refusal:
                await EmbeddedDatabase(tmp_path).start()
            assert str(refusal.value) == (
                f"The data directory {tmp_path} is in use by another running service "
                f"(process {os.getpid()}). Stop that one first, or set DATA_DIR to another "
                "directory."
            )
            assert database.is_running

    async def test_another_process_is_refused_too(self, tmp_path: Path) -> None:
        async with started(tmp_path), service(tmp_path) as other:
            _, complaint = await asyncio.wait_for(other.communicate(), PATIENCE_SECONDS)
            assert other.returncode == 1
            assert f"in use by another running service (process {os.getpid()})" in (
                complaint.decode()
            )

    async def test_a_stopped_service_leaves_the_directory_free(self, tmp_path: Path) -> None:
        async with started(tmp_path):
            pass
        async with started(tmp_path) as database:
            assert database.is_running

    async def test_two_directories_do_not_disturb_each_other(self, tmp_path: Path) -> None:
        async with started(tmp_path / "a") as one, started(tmp_path / "b") as other:
            assert one.is_running
            assert other.is_running
            assert one.uri != other.uri


class TestStop:
    async def test_leaves_no_process_and_no_record(self, tmp_path: Path) -> None:
        async with started(tmp_path) as database:
            pids = record(tmp_path)
        await eventually(is_gone(pids["server_pid"]))
        await eventually(is_gone(pids["watcher_pid"]))
        assert not (tmp_path / "embedded.json").exists()
        assert not database.is_running
        assert database.pid is None

    async def test_does_not_wait_for_the_servers_two_seconds(self, tmp_path: Path) -> None:
        async with stopwatch() as watch:
            async with started(tmp_path):
                begun = watch.seconds
            assert watch.seconds - begun < 1.8

    async def test_may_be_called_twice_and_before_start(self, tmp_path: Path) -> None:
        database = EmbeddedDatabase(tmp_path)
        await database.stop()
        await database.start()
        await database.stop()
        await database.stop()
        assert not database.is_running

    async def test_kills_a_server_that_hangs(self, tmp_path: Path) -> None:
        async with started(tmp_path, stop_seconds=0.3):
            pids = record(tmp_path)
            os.kill(pids["server_pid"], signal.SIGSTOP)
        assert is_gone(pids["server_pid"])()

    async def test_kills_a_watcher_that_hangs(self, tmp_path: Path) -> None:
        async with started(tmp_path, stop_seconds=0.3):
            pids = record(tmp_path)
            os.kill(pids["watcher_pid"], signal.SIGSTOP)
        assert is_gone(pids["watcher_pid"])()
        assert is_gone(pids["server_pid"])()


class TestServerDies:
    async def test_comes_back_on_its_port_and_data(self, tmp_path: Path) -> None:
        async with started(tmp_path) as database:
            uri, first = database.uri, record(tmp_path)["server_pid"]
            assert database.pid == first
            with client_of(uri) as client:
                client["test"]["kept"].insert_one({"_id": "a"})
            os.kill(first, signal.SIGKILL)
            await eventually(lambda: not database.is_running)
            await eventually(lambda: database.is_running)
            assert record(tmp_path)["server_pid"] != first
            with client_of(uri) as client:
                assert client["test"]["kept"].find_one() == {"_id": "a"}

    async def test_has_no_process_id_meanwhile(self, tmp_path: Path) -> None:
        async with started(tmp_path) as database:
            os.kill(record(tmp_path)["server_pid"], signal.SIGKILL)
            await eventually(lambda: not database.is_running)
            assert database.pid is None

    async def test_comes_back_when_the_watcher_is_killed(self, tmp_path: Path) -> None:
        async with started(tmp_path) as database:
            before = record(tmp_path)
            os.kill(before["watcher_pid"], signal.SIGKILL)
            await eventually(lambda: not database.is_running)
            await eventually(lambda: database.is_running)
            assert is_gone(before["server_pid"])()
            assert record(tmp_path)["port"] == before["port"]

    async def test_keeps_trying_while_the_restart_fails(self, tmp_path: Path) -> None:
        async with started(tmp_path) as database:
            server = record(tmp_path)["server_pid"]
            os.kill(server, signal.SIGSTOP)
            (tmp_path / "embedded.toml").rename(tmp_path / "elsewhere.toml")
            os.kill(server, signal.SIGKILL)
            await eventually(lambda: "not found" in (tmp_path / "embedded.log").read_text())
            assert not database.is_running
            (tmp_path / "elsewhere.toml").rename(tmp_path / "embedded.toml")
            await eventually(lambda: database.is_running)

    async def test_loses_no_acknowledged_write(self, tmp_path: Path) -> None:
        stopping: list[bool] = []
        async with started(tmp_path) as database:
            writing = asyncio.create_task(
                asyncio.to_thread(insert_until_stopped, database.uri, stopping)
            )
            try:
                for pause in (0.3, 0.7, 0.45):
                    await eventually(lambda: database.is_running)
                    await asyncio.sleep(pause)
                    os.kill(record(tmp_path)["server_pid"], signal.SIGKILL)
                    await eventually(lambda: not database.is_running)
                await eventually(lambda: database.is_running)
                await asyncio.sleep(0.3)
            finally:
                stopping.append(True)
                acknowledged = await writing
            with client_of(database.uri) as client:
                stored = set(client["test"]["writes"].distinct("_id"))
        assert len(acknowledged) > 10
        assert set(acknowledged) - stored == set()


class TestServiceDies:
    async def test_the_database_dies_with_a_killed_service(self, tmp_path: Path) -> None:
        async with service(tmp_path) as parent:
            await line_of(parent)
            pids = record(tmp_path)
            parent.kill()
            await eventually(is_gone(pids["server_pid"]))
            await eventually(is_gone(pids["watcher_pid"]))

    async def test_the_database_dies_when_its_watcher_is_killed_too(self, tmp_path: Path) -> None:
        async with service(tmp_path) as parent:
            await line_of(parent)
            pids = record(tmp_path)
            os.kill(pids["watcher_pid"], signal.SIGKILL)
            parent.kill()
            await eventually(is_gone(pids["server_pid"]))

    async def test_the_next_start_after_a_kill_finds_the_data(self, tmp_path: Path) -> None:
        async with service(tmp_path) as parent:
            with client_of(await line_of(parent)) as client:
                client["test"]["kept"].insert_one({"_id": "a"})
            parent.kill()
            await parent.wait()
        async with started(tmp_path) as database:
            with client_of(database.uri) as client:
                assert client["test"]["kept"].find_one() == {"_id": "a"}

    async def test_a_killed_service_and_a_lost_record_do_not_stop_the_next_start(
        self, tmp_path: Path
    ) -> None:
        async with service(tmp_path) as parent:
            await line_of(parent)
            (tmp_path / "embedded.json").unlink()
            parent.kill()
            await parent.wait()
        async with started(tmp_path) as database:
            assert database.is_running

    async def test_a_stale_server_is_replaced(self, tmp_path: Path) -> None:
        async with service(tmp_path) as parent:
            await line_of(parent)
            stale = record(tmp_path)
            os.kill(stale["watcher_pid"], signal.SIGSTOP)
            parent.kill()
            await parent.wait()
        assert not is_gone(stale["server_pid"])()
        async with started(tmp_path) as database:
            assert is_gone(stale["server_pid"])()
            assert is_gone(stale["watcher_pid"])()
            assert database.pid not in (None, stale["server_pid"])

    async def test_a_stranger_with_the_recorded_process_id_is_spared(self, tmp_path: Path) -> None:
        stranger = await asyncio.create_subprocess_exec("/bin/sleep", "30")
        lines = {"server_pid": stranger.pid, "watcher_pid": stranger.pid, "port": 20000}
        (tmp_path / "embedded.json").write_text(json.dumps(lines))
        async with started(tmp_path):
            assert stranger.returncode is None
        assert stranger.returncode is None
        stranger.kill()
        await stranger.wait()

    @pytest.mark.parametrize("content", ["", "[]", '{"port": 1}'])
    async def test_a_torn_record_does_not_stop_the_start(
        self, tmp_path: Path, content: str
    ) -> None:
        (tmp_path / "embedded.json").write_text(content)
        async with started(tmp_path) as database:
            assert database.is_running


class TestInterrupt:
    async def test_ctrl_c_reaches_the_service_and_not_the_database(self, tmp_path: Path) -> None:
        async with service(tmp_path) as parent:
            uri = await line_of(parent)
            before = record(tmp_path)
            os.killpg(parent.pid, signal.SIGINT)
            assert await line_of(parent) == "interrupted"
            with client_of(uri) as client:
                assert client.admin.command("ping")["ok"] == 1
            assert record(tmp_path) == before
            assert os.getsid(before["server_pid"]) != os.getsid(parent.pid)


class TestCommandLine:
    def test_is_the_same_from_ps_where_there_is_no_proc(self, tmp_path: Path) -> None:
        ours = command_line(os.getpid())
        assert sys.executable in ours or "pytest" in ours
        assert command_line(os.getpid(), proc=tmp_path).split() == ours.split()

    def test_is_empty_for_a_process_that_is_gone(self, tmp_path: Path) -> None:
        assert command_line(2**22 + 1) == ""
        assert command_line(2**22 + 1, proc=tmp_path) == ""


class TestWakeListener:
    def test_opens_one_connection(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(2)
            assert embedded_watch.wake_listener(server.getsockname()[1])
            connection, _ = server.accept()
            assert connection.recv(1) == b""
            connection.close()

    def test_does_not_mind_a_listener_that_is_gone(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        assert not embedded_watch.wake_listener(port)
