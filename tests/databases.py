"""One database for the tests of a process: emptied after each, as making it anew costs far more."""

import contextlib
from collections.abc import AsyncIterator, Iterable

from pymongo import IndexModel, MongoClient, monitoring

from app.db.database import Database, within
from app.db.indexes import INDEXES
from tests.factories import make_settings

DROP_SECONDS = 60
INSERTING = frozenset({"insert", "update", "findAndModify"})
READING = frozenset(
    {"aggregate", "count", "distinct", "explain", "find", "getMore", "killCursors", "dbStats"}
    | {"hello", "ping", "listIndexes", "listCollections", "delete", "endSessions", "ismaster"}
)


class WrittenTo(monitoring.CommandListener):
    """Notes, by database, which collections may have got documents and which is another since."""

    def __init__(self) -> None:
        self.collections: dict[str, set[str]] = {}
        self.altered: set[str] = set()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """See `CommandListener`. What is neither known to read nor to insert may alter anything."""
        name = event.command_name
        if name in INSERTING:
            self.collections.setdefault(event.database_name, set()).add(event.command[name])
        elif name not in READING:
            self.altered.add(event.database_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to see."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to see."""


WRITTEN_TO = WrittenTo()
"""The listener of this run."""


def without_expiry(indexes: Iterable[IndexModel]) -> list[IndexModel]:
    """The same, but nothing expires.

    The server removes by its own clock what has expired, and the tests' clock stands in the past:
    documents would vanish in the middle of a test.
    """
    found = []
    for index in indexes:
        options = dict(index.document)
        options.pop("expireAfterSeconds", None)
        found.append(IndexModel(list(options.pop("key").items()), **options))
    return found


async def create_indexes(database: Database) -> None:
    """Every index, under its own name: the application finds none missing."""
    for collection, indexes in INDEXES.items():
        await database.collection(collection).create_indexes(without_expiry(indexes))


async def drop(database: Database) -> None:
    """Remove the whole database, on a machine that is busy too."""
    async with within(DROP_SECONDS):
        await database.drop()


class SharedDatabase:
    """The name under which tests share a database, one after the other."""

    def __init__(self) -> None:
        self.name = make_settings().database_name
        self._is_made = False
        self._last_user = ""

    @contextlib.asynccontextmanager
    async def lent(self, database: Database, user: str) -> AsyncIterator[None]:
        """For the test called `user`: empty and with every index. Emptied when the block ends."""
        if self._is_made:
            await self._check_empty(database)
        else:
            await self._make(database)
        self._last_user = user
        yield
        await self._empty(database)

    async def _make(self, database: Database) -> None:
        # A test that borrows nothing may have left the service's indexes, which expire things.
        await drop(database)
        await create_indexes(database)
        WRITTEN_TO.altered.discard(self.name)
        self._is_made = True

    async def _check_empty(self, database: Database) -> None:
        """Nothing may be left of the test before, nor come late from it."""
        found = await database._database.command("dbStats")
        if found["objects"]:
            await self._start_over(database)
            message = f"{self._last_user} left {found['objects']} documents behind."
            raise AssertionError(message)

    async def _empty(self, database: Database) -> None:
        if self.name in WRITTEN_TO.altered:
            await self._start_over(database)
            return
        for collection in WRITTEN_TO.collections.pop(self.name, ()):
            await database.collection(collection).delete_many({})

    async def _start_over(self, database: Database) -> None:
        """Under another name: what may still be on its way to the old one finds nobody there."""
        await drop(database)
        self.name, self._is_made = make_settings().database_name, False

    def discard(self, uri: str) -> None:
        """Remove it from a server that outlives this run."""
        client: MongoClient[dict[str, object]]
        with MongoClient(uri) as client:
            client.drop_database(self.name)
