"""A database in this process's memory, for what mongomock models faithfully."""

from mongomock_motor import AsyncMongoMockClient

from app.db.database import Database


class MemoryDatabase(Database):
    """No server, no index, no socket: single-document reads and writes only.

    mongomock does not enforce multikey uniqueness, has no sessions and drops partial filters given
    to `create_indexes`: whatever rests on an index is tested over the wire.
    """

    def __init__(self) -> None:
        self._client = AsyncMongoMockClient(tz_aware=True)
        self._database = self._client["memory"]
