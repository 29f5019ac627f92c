"""The fake Gmail as a child process, and the settings that lead the service to it."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from app.db.embedded import free_port
from app.demo.gmail.google import REFRESH_TOKEN
from app.demo.gmail.push import ACCOUNT, AUDIENCE
from app.demo.process import ServiceNotReadyError

MAILBOX = "frontdesk@example.com"
START_WITHIN_SECONDS = 180.0


def gmail_settings(url: str) -> dict[str, str]:
    """What the service is told to use the Gmail at `url`."""
    return {
        "MAIL_TRANSPORT": "gmail",
        "MAIL_FROM": MAILBOX,
        "GMAIL_MAILBOX": MAILBOX,
        "GMAIL_CLIENT_ID": "demo",
        "GMAIL_CLIENT_SECRET": "demo",
        "GMAIL_REFRESH_TOKEN": REFRESH_TOKEN,
        "GMAIL_TOPIC": "projects/demo/topics/gmail",
        "GMAIL_SENDS_PER_SECOND": "50",
        "GMAIL_API_BASE_URL": url,
        "GOOGLE_TOKEN_URL": f"{url}/token",
        "GOOGLE_JWKS_URL": f"{url}/oauth2/v3/certs",
        "PUBSUB_AUDIENCE": AUDIENCE,
        "PUBSUB_SERVICE_ACCOUNT": ACCOUNT,
    }


@contextlib.asynccontextmanager
async def running_gmail(folder: Path, service_port: int) -> AsyncIterator[httpx.AsyncClient]:
    """A Gmail that pushes to the service on `service_port`, until the block ends; its address is
    the client's `base_url`.
    """
    port = free_port()
    webhook = f"http://127.0.0.1:{service_port}/api/v1/webhooks/gmail"
    command = [sys.executable, "-m", "app.demo.gmail", "--port", str(port), "--webhook", webhook]
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, before anything runs
    with (folder / "gmail.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220, S603 - our own
        try:
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                await _until_up(client, folder)
                yield client
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 10)


async def _until_up(client: httpx.AsyncClient, folder: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if (await client.get("/_fake/health")).is_success:
                return
        await asyncio.sleep(0.05)
    message = f"The fake Gmail did not start; its log is {folder / 'gmail.log'}."
    raise ServiceNotReadyError(message)
