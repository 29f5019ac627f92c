"""A light load: raw HTTP/1.1 over kept connections, so that the asker costs less than the asked."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CONNECTIONS = 8


class UnexpectedAnswerError(Exception):
    """An answer with another status than expected; the message holds its beginning."""


def get(path: str, token: str = "") -> bytes:
    """A GET request as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n{_signed(token)}\r\n".encode()


def post(path: str, body: Mapping[str, Any], token: str = "") -> bytes:
    """A POST request with a JSON body as it goes over the wire."""
    return _with_body("POST", path, body, token)


def patch(path: str, body: Mapping[str, Any], token: str = "") -> bytes:
    """A PATCH request with a JSON body as it goes over the wire."""
    return _with_body("PATCH", path, body, token)


def _with_body(method: str, path: str, body: Mapping[str, Any], token: str) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"{_signed(token)}Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _signed(token: str) -> str:
    return f"Authorization: Bearer {token}\r\n" if token else ""


@dataclass(frozen=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        return int(head.split(b" ", 2)[1]), await self.reader.readexactly(length)


class Load:
    """Some connections to one service."""

    def __init__(self, connections: Sequence[_Connection]) -> None:
        self._connections = connections

    async def rate(self, requests: Sequence[bytes], status: int) -> float:
        """Requests a second, shared out among the connections.

        Raises `UnexpectedAnswerError` where one is answered with another status.
        """
        waiting = iter(requests)
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for connection in self._connections:
                group.create_task(_work_off(connection, waiting, status))
        return len(requests) / (time.perf_counter() - started)

    async def one(self, request: bytes, status: int = 200) -> bytes:
        """The body of one answer. Raises `UnexpectedAnswerError`."""
        return await _asked(self._connections[0], request, status)

    async def json(self, request: bytes, status: int = 200) -> Any:  # noqa: ANN401 - as it comes
        """The same, read as JSON."""
        return json.loads(await self.one(request, status))


async def _work_off(connection: _Connection, waiting: Iterator[bytes], status: int) -> None:
    for request in waiting:
        await _asked(connection, request, status)


async def _asked(connection: _Connection, request: bytes, status: int) -> bytes:
    answered, body = await connection.ask(request)
    if answered != status:
        asked = request.split(b"\r\n", 1)[0]
        message = f"{asked!r} was answered with {answered}: {body[:300]!r}"
        raise UnexpectedAnswerError(message)
    return body


@contextlib.asynccontextmanager
async def connected(port: int, connections: int = CONNECTIONS) -> AsyncIterator[Load]:
    """A load on a service of this machine."""
    opened = [
        _Connection(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(connections)
    ]
    try:
        yield Load(opened)
    finally:
        for one in opened:
            one.writer.close()
