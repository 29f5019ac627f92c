"""Tests that share a database do not see each other."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from app.db.database import Database
from app.db.indexes import INDEXES
from tests.databases import WRITTEN_TO, SharedDatabase


class Turns:
    """Tests that take turns with a database."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self.shared = SharedDatabase()

    @contextlib.asynccontextmanager
    async def turn(self, user: str) -> AsyncIterator[Database]:
        """One test, from its start to its end."""
        database = Database(self._uri, self.shared.name)
        try:
            async with self.shared.lent(database, user):
                yield database
        finally:
            database.close()


@pytest.fixture
async def turns(mongo_uri: str) -> AsyncIterator[Turns]:
    """On a database that nobody else uses."""
    turns = Turns(mongo_uri)
    yield turns
    turns.shared.discard(mongo_uri)


class TestSharedDatabase:
    async def test_is_empty_at_each_start_and_keeps_its_indexes(self, turns: Turns) -> None:
        names = []
        for user in ("first", "second", "third"):
            async with turns.turn(user) as database:
                names.append(turns.shared.name)
                for collection, wanted in INDEXES.items():
                    there = await database.collection(collection).index_information()
                    assert {index.document["name"] for index in wanted} <= set(there)
                    assert await database.collection(collection).count_documents({}) == 0
                    assert not any("expireAfterSeconds" in index for index in there.values())
                await database.collection("patients").insert_one({"_id": 1})
                await database.collection("clinic").update_one(
                    {"_id": 1}, {"$set": {"key": 1}}, upsert=True
                )

        assert len(set(names)) == 1

    async def test_what_was_left_behind_or_came_late_is_noticed_and_gone(
        self, turns: Turns
    ) -> None:
        async with turns.turn("careless") as database:
            await database.collection("patients").insert_one({"_id": 1})
            WRITTEN_TO.collections.pop(turns.shared.name)  # as what another process wrote

        with pytest.raises(AssertionError, match="careless left 1 documents behind"):
            async with turns.turn("next"):
                pass

        async with turns.turn("the one after") as database:
            assert await database.collection("patients").count_documents({}) == 0

    async def test_who_alters_an_index_leaves_the_others_a_whole_database(
        self, turns: Turns
    ) -> None:
        async with turns.turn("careless") as database:
            await database.collection("role").drop_indexes()

        async with turns.turn("next") as database:
            assert "role_email" in await database.collection("role").index_information()
