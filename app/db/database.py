"""The connection. The only module that names Motor.

Motor is past its end of life and PyMongo's own async client is its successor; the owner asks for
Motor, so it stands here alone and a move stays one file.
"""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

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

_CODEC = CodecOptions[dict[str, Any]](tz_aware=True, tzinfo=UTC)

_PRODUCTION_DEFAULTS: Mapping[str, Any] = {
    "w": "majority",
    "journal": True,
    "retryWrites": True,
    "serverSelectionTimeoutMS": 5000,
}
"""For a URI that does not say otherwise: nothing is acknowledged that a failover could undo."""


class Database:
    """One client and one named database on it."""

    def __init__(self, uri: str, name: str) -> None:
        given = {key.lower() for key in parse_qs(urlsplit(uri).query)}
        defaults = {k: v for k, v in _PRODUCTION_DEFAULTS.items() if k.lower() not in given}
        self._client: Client = AsyncIOMotorClient(
            uri, tz_aware=True, tzinfo=UTC, appname="dental-engagement", **defaults
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
