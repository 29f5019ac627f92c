"""The connection. The only module that names Motor.

Motor is past its end of life and PyMongo's own async client is its successor; the owner asks for
Motor, so it stands here alone and a move stays one file.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import pymongo
from bson.codec_options import CodecOptions
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo.errors import (
    ConnectionFailure,
    CursorNotFound,
    ExecutionTimeout,
    WaitQueueTimeoutError,
    WTimeoutError,
)

Collection: TypeAlias = AsyncIOMotorCollection[dict[str, Any]]
Client: TypeAlias = AsyncIOMotorClient[dict[str, Any]]

UNAVAILABLE_ERRORS = (
    ConnectionFailure,
    CursorNotFound,
    ExecutionTimeout,
    WaitQueueTimeoutError,
    WTimeoutError,
)
"""What the driver raises while the database does not answer. The same call may succeed later."""

OPERATION_SECONDS = 8.0
"""How long a call may wait for the database, its retries among it.

Pub/Sub takes a push back after 10 s, so that a 503 has to leave before.
"""
_GRACE_SECONDS = 0.5  # the driver's own error says more, so it may come first

_CODEC = CodecOptions[dict[str, Any]](tz_aware=True, tzinfo=UTC)

_PRODUCTION_DEFAULTS: Mapping[str, Any] = {
    "w": "majority",
    "journal": True,
    "retryWrites": True,
    "serverSelectionTimeoutMS": 5000,
    "timeoutMS": int(OPERATION_SECONDS * 1000),
}
"""For a URI that does not say otherwise: nothing is acknowledged that a failover could undo, and a
server that hangs is given up in time.

`timeoutMS` covers the whole call, where `socketTimeoutMS` would start again with each connection
and each retry of the driver's.
"""


@contextlib.asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """All calls made in the block have `seconds` together, in place of `timeoutMS` for each.

    The time they wait for one of Motor's threads (five for each core) counts. Raises one of
    `UNAVAILABLE_ERRORS`; what was sent may still be done.
    """
    try:
        async with asyncio.timeout(seconds + _GRACE_SECONDS):
            with pymongo.timeout(seconds):
                yield
    except TimeoutError as error:
        message = "No thread was free in time to ask the database."
        raise WaitQueueTimeoutError(message) from error


def _defaults_for(uri: str) -> dict[str, Any]:
    given = {key.lower() for key in parse_qs(urlsplit(uri).query)}
    if "sockettimeoutms" in given:  # it would count for nothing beside the other
        given.add("timeoutms")
    return {k: v for k, v in _PRODUCTION_DEFAULTS.items() if k.lower() not in given}


class Database:
    """One client and one named database on it."""

    def __init__(self, uri: str, name: str) -> None:
        self._client: Client = AsyncIOMotorClient(
            uri, tz_aware=True, tzinfo=UTC, appname="dental-engagement", **_defaults_for(uri)
        )
        self._database: AsyncIOMotorDatabase[dict[str, Any]] = self._client.get_database(
            name, codec_options=_CODEC
        )

    def collection(self, name: str) -> Collection:
        """The collection called `name`."""
        return self._database[name]

    async def ping(self) -> None:
        """Ask the server whether it answers; raises one of `UNAVAILABLE_ERRORS` where not."""
        await self._database.command("ping")

    async def drop(self) -> None:
        """Remove the whole database (tests, and the demo on an empty folder)."""
        await self._client.drop_database(self._database.name)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()
