"""Every query that the suite makes the service ask is held to an index.

A listener sees each command on its way to the server and keeps one of every shape. Before the
server stops, it is asked how it would answer each on a database with the real indexes: a query that
reads a whole collection fails the run, unless the collection is one that is read whole on purpose.
"""

import json
from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient, monitoring
from pymongo.collection import Collection
from pymongo.database import Database

from app.db.indexes import INDEXES

Json = dict[str, Any]

READ_WHOLE = {
    "providers": "a practice has a few, and all of them decide about a time",
    "chairs": "as providers",
    "services": "as providers; the list of the booking site",
    "time_off": "its list is the whole collection; spans are asked for by index",
    "clinic": "one document",
    "role": "the practice's staff, asked for at start: is there an administrator?",
    "knowledge": "the agent reads all articles into memory when they change",
    "sweeps": "one document a day",
}
"""Collections that stay small, and why they are read whole."""

ASKED_BY_TESTS = frozenset({'["interactions", {"direction": "?"}]'})
"""What only this suite asks, to see what is stored."""


class QueryShapes(monitoring.CommandListener):
    """Keeps one command of every shape."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[str, Json]] = {}
        self.pages: dict[str, tuple[str, Json]] = {}
        self.is_watching = True

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """See `CommandListener`."""
        name, command = event.command_name, event.command
        if name == "find" and not command.get("filter") and command.get("limit", 0) > 1:
            self._keep_page(command[name], command.get("sort") or {})
        elif name in {"find", "count"}:
            self._keep(command[name], command.get("filter") or command.get("query") or {})
        elif name == "aggregate":
            self._keep_pipeline(command[name], command["pipeline"])
        elif name == "update":
            for update in command.get("updates", ()):
                self._keep(command[name], update["q"])
        elif name == "delete":
            for delete in command.get("deletes", ()):
                self._keep(command[name], delete["q"])

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to see."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to see."""

    def _keep_pipeline(self, collection: object, pipeline: list[Mapping[str, Any]]) -> None:
        first = pipeline[0] if pipeline else {}
        self._keep(collection, first.get("$match", {}))

    def _keep(self, collection: object, query: Mapping[str, Any]) -> None:
        if self.is_watching and collection in INDEXES and query:
            shape = json.dumps([collection, _shape(query)], sort_keys=True)
            self.seen.setdefault(shape, (str(collection), dict(query)))

    def _keep_page(self, collection: object, order: Mapping[str, int]) -> None:
        """A page of everything: nothing narrows it down, so it has to come in an index's order."""
        if self.is_watching and collection in INDEXES:
            shape = json.dumps([collection, "pages", dict(order)])
            self.pages.setdefault(shape, (str(collection), dict(order)))

    def without_index(self, uri: str) -> list[str]:
        """The shapes that the server answers by reading a whole collection."""
        client: MongoClient[Json]
        with MongoClient(uri) as client:
            database: Database[Json] = client["query_plans"]
            for collection, indexes in INDEXES.items():
                database[collection].create_indexes(indexes)
            found = [
                shape
                for shape, (collection, query) in list(self.seen.items())
                if collection not in READ_WHOLE
                and shape not in ASKED_BY_TESTS
                and not _is_indexed(database[collection], query)
            ]
            found += [
                shape
                for shape, (collection, order) in list(self.pages.items())
                if collection not in READ_WHOLE and _is_sorted(database[collection], order)
            ]
            client.drop_database("query_plans")
        return sorted(found)


QUERIES = QueryShapes()
"""The listener of this run."""


def _is_indexed(collection: Collection[Json], query: Mapping[str, Any]) -> bool:
    """Whether an index narrows the query down, by one of the conditions that must all hold.

    The conditions are asked about one by one: the embedded server uses an index for one of them and
    filters by the rest, but explains the whole as a scan.
    """
    for name, condition in query.items():
        if name == "$and" and any(_is_indexed(collection, part) for part in condition):
            return True
        if name == "$or" and all(_is_indexed(collection, part) for part in condition):
            return True
        if not name.startswith("$") and not _reads_all(collection, {name: condition}):
            return True
    return False


def _reads_all(collection: Collection[Json], query: Json) -> bool:
    command = {"find": collection.name, "filter": query}
    answer = collection.database.command({"explain": command, "verbosity": "queryPlanner"})
    return "COLLSCAN" in json.dumps(answer["queryPlanner"]["winningPlan"], default=str)


def _is_sorted(collection: Collection[Json], order: Json) -> bool:
    """Whether the server would read all of it to bring a page of it into order."""
    command = {"find": collection.name, "filter": {}, "sort": order, "limit": 50}
    answer = collection.database.command({"explain": command, "verbosity": "queryPlanner"})
    plan = json.dumps(answer["queryPlanner"]["winningPlan"], default=str)
    return "COLLSCAN" in plan or '"SORT"' in plan


def _shape(value: object) -> object:
    """The fields and operators, without what they are compared with."""
    if isinstance(value, Mapping):
        return {str(name): _shape(part) for name, part in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return [_shape(part) for part in value]
    return "?"
