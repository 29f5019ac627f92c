"""The two ways the mail of the walk goes: a folder and the relay form, or a Gmail of our own."""

import asyncio
import base64
import email
import email.policy
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from app.core.clock import utc_now

Json = dict[str, Any]

_INTERACTION_KEY = re.compile(r"[0-9a-f]{24}")
"""Letters to patients are called after their interaction; alerts to staff are not."""


@dataclass(frozen=True)
class Letter:
    """A message that left for a patient. `key` is its interaction's id."""

    key: str
    to: str
    subject: str
    text: str


class Post(Protocol):
    """Where letters leave to, and how an answer comes back."""

    kind: str

    async def letters(self) -> list[Letter]:
        """Every letter to a patient, in the order they left."""
        ...

    async def answer(self, thread_id: str, address: str, text: str) -> str:
        """The patient answers in a thread; what was done, in a line."""
        ...


class FolderPost:
    """`.eml` files in the outbox, and the relay form of the webhook."""

    kind = ".eml files in the outbox"

    def __init__(self, outbox: Path, service: httpx.AsyncClient) -> None:
        self._outbox = outbox
        self._service = service

    async def letters(self) -> list[Letter]:
        """See `Post`."""
        return await asyncio.to_thread(_letters_in, self._outbox)

    async def answer(self, thread_id: str, address: str, text: str) -> str:
        """See `Post`."""
        body = {
            "thread_id": thread_id,
            "message_id": secrets.token_hex(8),
            "from": address,
            "content": text,
        }
        push = push_body(secrets.token_hex(8), body)
        answer = await self._service.post("/api/v1/webhooks/gmail", json=push)
        answer.raise_for_status()
        return f"POST /webhooks/gmail → {answer.status_code}"


class GmailPost:
    """The fake Gmail's ledger, and mail that comes into its mailbox."""

    kind = "messages in Gmail's sent mail"

    def __init__(self, gmail: httpx.AsyncClient) -> None:
        self._gmail = gmail

    async def letters(self) -> list[Letter]:
        """See `Post`."""
        return [
            Letter(entry["key"], entry["to"], entry["subject"], entry["text"])
            for entry in await self.ledger()
            if _INTERACTION_KEY.fullmatch(entry["key"])
        ]

    async def answer(self, thread_id: str, address: str, text: str) -> str:
        """See `Post`."""
        arrived = await self.arrive({"thread_id": thread_id, "sender": address, "text": text})
        return f"a message came into the mailbox ({arrived['id']}), and Gmail notifies"

    async def arrive(self, mail: Mapping[str, object]) -> Json:
        """Somebody writes (see `IncomingReply`): the message's ids, and the mailbox's cursor."""
        answer = await self._gmail.post("/_fake/reply", json=dict(mail))
        return dict(answer.raise_for_status().json())

    async def ledger(self) -> list[Json]:
        """Everything Gmail accepted for sending."""
        answer = await self._gmail.get("/_fake/ledger")
        return list(answer.raise_for_status().json()["sent"])

    async def break_with(self, **faults: float | None) -> None:
        """From now on this goes wrong (see `Faults`), and nothing else."""
        (await self._gmail.put("/_fake/faults", json=faults)).raise_for_status()

    async def expire_history(self) -> None:
        """Every cursor handed out so far is too old."""
        (await self._gmail.post("/_fake/expire-history")).raise_for_status()


def push_body(message_id: str, content: Mapping[str, str]) -> Json:
    """A Pub/Sub push whose data is the relay form of a reply."""
    data = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
    return {
        "message": {
            "data": data,
            "messageId": message_id,
            "publishTime": utc_now().isoformat(),
        },
        "subscription": "projects/demo/subscriptions/gmail",
    }


def _letters_in(outbox: Path) -> list[Letter]:
    return [_read(path) for path in sorted(outbox.glob("*.eml"), key=_left_at)]


def _left_at(path: Path) -> float:
    return path.stat().st_mtime


def _read(path: Path) -> Letter:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    part = message.get_body(("plain",))
    text = str(part.get_content()) if part else ""
    return Letter(str(message["X-Outbox-Key"]), str(message["To"]), str(message["Subject"]), text)
