"""The service as a child process, as somebody would start it by hand."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import httpx

from app.db.embedded import free_port

START_WITHIN_SECONDS = 180.0
STOP_WITHIN_SECONDS = 60.0


class ServiceNotReadyError(Exception):
    """The service did not start, or not in time; the message names its log."""


@contextlib.asynccontextmanager
async def running_service(
    data_dir: Path,
    settings: Mapping[str, str] | None = None,
    *,
    command: Sequence[str] = ("app", "serve"),
) -> AsyncIterator[tuple[str, subprocess.Popen[bytes]]]:
    """`python -m app serve` on `data_dir` as a child process; its address once it is ready.

    `command` is another module of ours that serves the same, with its arguments.
    """
    port = int((settings or {}).get("PORT") or free_port())
    environment = {
        **os.environ,  # noqa: TID251 - handed on to the child, not read
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        **(settings or {}),
    }
    data_dir.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before anything runs
    with (data_dir / "service.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - returns at once, and runs our own modules
            [sys.executable, "-m", *command], env=environment, stdout=log, stderr=log
        )
        try:
            await _until_ready(f"http://127.0.0.1:{port}", process, data_dir)
            yield f"http://127.0.0.1:{port}", process
        finally:
            await asyncio.to_thread(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop; one that does not is killed, so that nothing is left running."""
    process.terminate()
    try:
        process.wait(STOP_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


async def _until_ready(url: str, process: subprocess.Popen[bytes], data_dir: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_SECONDS
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/health/ready")).is_success:
                    return
            await asyncio.sleep(0.05)
    message = f"The service did not become ready; its log is {data_dir / 'service.log'}."
    raise ServiceNotReadyError(message)
