"""The embedded database: a SecantusDB server as a child process, to try the product and to test it.

SecantusDB is GPL-2.0 and beta: it runs as a process of its own and is never imported, and no
patient's data in earnest belongs in it.

In `DATA_DIR`: `db/` holds the data, `embedded.log` what the server wrote since the last start
(`embedded.log.1`: the start before), `lock` the process id of the service that owns the directory,
`embedded.json` which processes to look for after that service was killed.

The server lives under a watcher (`embedded_watch.py`) that ends it when the service goes, however
it goes. Whatever the order of deaths, the next start finds what is left and replaces it.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from app.db import embedded_watch

logger = logging.getLogger(__name__)

_URI = (
    "mongodb://127.0.0.1:{port}/?directConnection=true&retryWrites=false&w=1&journal=true"
    "&serverSelectionTimeoutMS=5000"
)
# Without journal=true a killed server loses acknowledged writes (549 of 13,287 measured; with it
# none of 7,229). With retryWrites=true an insert takes 15.6 ms after some 10,000 writes, else 0.6.

_CACHE_SIZE = "64M"  # the server's default is 1G, which a practice's data would slowly fill
_PORTS = range(20_000, 32_768)  # below the ports that systems give to outgoing connections
_POLL_SECONDS = 0.02
_STABLE_SECONDS = 2.0
_STALE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 2.0


class DataDirectoryInUseError(Exception):
    """Another process owns this data directory. The message is a sentence for a person."""


class EmbeddedDatabaseStartError(Exception):
    """The server did not come to answer. The message says where its log is."""


class _DirectoryLock:
    """At most one service owns a data directory; the kernel lets go when that service dies."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Own the directory, or raise `DataDirectoryInUseError`."""
        descriptor = os.open(self._data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.read(descriptor, 20).decode().strip() or "unknown"
            os.close(descriptor)
            message = (
                f"The data directory {self._data_dir} is in use by another running service "
                f"(process {owner}). Stop that one first, or set DATA_DIR to another directory."
            )
            raise DataDirectoryInUseError(message) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the directory, where it is owned."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@dataclass(frozen=True)
class _Record:
    """What a later start has to know about a server that may still run."""

    server_pid: int
    watcher_pid: int
    port: int

    @classmethod
    def read(cls, path: Path) -> "_Record | None":
        """The record at `path`; none where there is no readable one."""
        try:
            return cls(**json.loads(path.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Replace the record at `path` in one step."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)))
        fresh.replace(path)


def command_line(pid: int, proc: Path = Path("/proc")) -> str:
    """The command line of a live process; empty for one that is gone or only waits to be reaped."""
    if (proc / "self").exists():
        try:
            return os.fsdecode((proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" "))
        except (FileNotFoundError, ProcessLookupError):
            return ""
    listing = ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(listing, capture_output=True, text=True, check=False).stdout  # noqa: S603


def _end_process(pid: int, storage: Path, port: int, *signals: signal.Signals) -> None:
    """Signal the process if it is one of ours on this storage, and wait until it is gone."""

    def is_ours() -> bool:
        return f" --storage-path {storage} " in command_line(pid)

    for wanted in signals:
        deadline = time.monotonic() + _STALE_SECONDS
        if is_ours():
            logger.warning("ending a stale embedded database process", extra={"pid": pid})
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, wanted)
        while is_ours() and time.monotonic() < deadline:
            embedded_watch.wake_listener(port)
            time.sleep(_POLL_SECONDS)


def _end_recorded(path: Path, storage: Path) -> None:
    """End what the record at `path` names, and forget it. A stranger with the same id is spared."""
    record = _Record.read(path)
    if record is not None:
        _end_process(record.server_pid, storage, record.port, signal.SIGTERM, signal.SIGKILL)
        _end_process(record.watcher_pid, storage, record.port, signal.SIGKILL)
    path.unlink(missing_ok=True)


def free_port() -> int:
    """A port nobody listens on, and that no outgoing connection takes while a server restarts."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _ping(uri: str) -> bool:
    """Whether a server at `uri` answers a command."""
    client: MongoClient[dict[str, Any]]
    try:
        with MongoClient(uri, serverSelectionTimeoutMS=1000) as client:
            client.admin.command("ping")
    except PyMongoError:
        return False
    return True


def _pauses(failures: int) -> Iterator[float]:
    """Seconds to wait before each restart: none before the first, then doubling up to a bound."""
    while True:
        yield min(0.05 * 2 ** min(failures, 10), _LONGEST_PAUSE_SECONDS) if failures else 0.0
        failures += 1


class EmbeddedDatabase:
    """One embedded server for as long as this object is started.

    `start()` and `stop()` belong to one event loop. While it is started, a server that dies is
    started again on the same port and data; `is_running` is false meanwhile. A server that does not
    close its files within `stop_seconds` is killed; what it acknowledged is safe in its journal.
    """

    def __init__(
        self, data_dir: Path, *, start_seconds: float = 20.0, stop_seconds: float = 8.0
    ) -> None:
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._data_dir = data_dir.resolve()
        self._storage = self._data_dir / "db"
        self._record = self._data_dir / "embedded.json"
        self._log = self._data_dir / "embedded.log"
        self._no_settings = self._data_dir / "embedded.toml"
        self._lock = _DirectoryLock(self._data_dir)
        self._port = 0
        self._pid: int | None = None
        self._watcher: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._answers = False

    @property
    def uri(self) -> str:
        """Where clients connect; meaningful once started."""
        return _URI.format(port=self._port)

    @property
    def is_running(self) -> bool:
        """Whether the server answered when it was last started, and has not died since."""
        return self._answers and self._watcher is not None and self._watcher.returncode is None

    @property
    def pid(self) -> int | None:
        """The server's process id; none while it is down."""
        return self._pid if self.is_running else None

    async def start(self) -> str:
        """Start the server and return its URI once it answers.

        Raises `DataDirectoryInUseError` where another service owns the directory, and
        `EmbeddedDatabaseStartError` where the server does not come up in `start_seconds`.
        """
        self._prepare_directory()
        self._lock.acquire()
        async with contextlib.AsyncExitStack() as undo:
            undo.callback(self._lock.release)
            undo.push_async_callback(self._end_watcher)
            self._rotate_log()
            await self._launch_first()
            undo.pop_all()
        self._supervisor = asyncio.create_task(self._supervise(), name="embedded-database")
        return self.uri

    async def stop(self) -> None:
        """Stop the server, let it close its files, and let go of the directory."""
        if self._supervisor is None:
            return
        self._supervisor.cancel()
        await asyncio.wait([self._supervisor])
        self._supervisor = None
        await self._end_watcher()
        await asyncio.to_thread(_end_recorded, self._record, self._storage)
        self._lock.release()

    def _prepare_directory(self) -> None:
        self._storage.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._no_settings.write_text(
            "# Empty, so that the server looks for settings nowhere else\n"
        )

    def _rotate_log(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._log.replace(self._log.with_suffix(".log.1"))

    async def _launch_first(self) -> None:
        """Launch on a free port, on another one where that fails while there is time.

        A server whose service was killed a moment ago may still hold the data without a record.
        """
        deadline = time.monotonic() + self._start_seconds
        for pause in _pauses(0):
            await asyncio.sleep(pause)
            self._port = free_port()
            try:
                await self._launch()
            except EmbeddedDatabaseStartError:
                await self._end_watcher()
                if time.monotonic() > deadline:
                    raise
            else:
                return

    async def _launch(self) -> None:
        """Replace what the record names by a new server, and return once that answers."""
        await asyncio.to_thread(_end_recorded, self._record, self._storage)
        self._watcher = await self._spawn()
        self._pid = await self._read_server_pid(self._watcher)
        _Record(self._pid, self._watcher.pid, self._port).write(self._record)
        await self._wait_for_answer(self._watcher)
        self._answers = True
        logger.info("embedded database answers", extra={"pid": self._pid, "port": self._port})

    async def _spawn(self) -> asyncio.subprocess.Process:
        log = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", embedded_watch.__file__),
                *(str(self._port), str(self._stop_seconds)),
                *self._server_command(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=self._data_dir,
                env={},  # the service's settings, secrets among them, are none of its business
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def _read_server_pid(self, watcher: asyncio.subprocess.Process) -> int:
        line = await watcher.stdout.readline() if watcher.stdout is not None else b""
        if not line:
            raise self._start_error()
        return int(line)

    def _start_error(self) -> EmbeddedDatabaseStartError:
        message = f"The embedded database does not start; its log is {self._log}."
        return EmbeddedDatabaseStartError(message)

    def _server_command(self) -> list[str]:
        return [
            *(sys.executable, "-I", "-m", "secantus"),
            *("--config", str(self._no_settings)),
            *("--storage-path", str(self._storage)),
            *("--host", "127.0.0.1"),
            *("--port", str(self._port)),
            *("--cache-size", _CACHE_SIZE),
            *("--log-level", "WARNING"),
        ]

    async def _wait_for_answer(self, watcher: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + self._start_seconds
        while watcher.returncode is None and time.monotonic() < deadline:
            if await self._accepts() and await asyncio.to_thread(_ping, self.uri):
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise self._start_error()

    async def _accepts(self) -> bool:
        """Whether the port takes connections; much cheaper to repeat than a ping."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        return True

    async def _end_watcher(self) -> None:
        """Close the pipe the watcher reads, which ends the server, and wait for both."""
        self._answers = False
        watcher, self._watcher = self._watcher, None
        if watcher is None:
            return
        if watcher.stdin is not None:
            watcher.stdin.close()
        try:
            await asyncio.wait_for(watcher.wait(), self._stop_seconds + 2)
        except TimeoutError:
            watcher.kill()
            await watcher.wait()

    async def _supervise(self) -> None:
        failures = 0
        while self._watcher is not None:
            since = time.monotonic()
            status = await self._watcher.wait()
            self._answers = False
            logger.error("embedded database died", extra={"pid": self._pid, "status": status})
            failures = failures if time.monotonic() - since < _STABLE_SECONDS else 0
            failures = await self._relaunch(failures)

    async def _relaunch(self, failures: int) -> int:
        """Start the server again, however often it takes; how many restarts in a row there were."""
        for pause in _pauses(failures):
            failures += 1
            await asyncio.sleep(pause)
            try:
                await self._launch()
            except (EmbeddedDatabaseStartError, OSError):
                logger.exception("embedded database does not restart", extra={"tries": failures})
                await self._end_watcher()
            else:
                break
        return failures
