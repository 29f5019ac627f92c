"""The indexes: written in what MongoDB understands, created once, and enforced."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError

from app.db.database import Database
from app.db.errors import DuplicateValueError, index_named_in
from app.db.indexes import (
    APPOINTMENT_CLAIMS,
    CAMPAIGN_ONE_ACTIVE,
    CAMPAIGN_ONE_RECALL,
    CAMPAIGN_QUOTA,
    INDEXES,
    INTERACTION_DAY_SLOT,
    INTERACTION_DEDUPE_KEY,
    INTERACTION_PROVIDER_ID,
    PATIENT_EMAIL_NAME,
    SERVICE_ID,
    STAFF_EMAIL,
    WAITLIST_ONE_WAITING,
    ensure_indexes,
)

UNDERSTOOD = {"$exists", "$gt", "$gte", "$lt", "$lte", "$type", "$and", "$in"}
"""Operators a partial filter may use on MongoDB 6.0 (the embedded server takes more)."""


def operators(filter_: object) -> Iterator[tuple[str, object]]:
    if isinstance(filter_, Mapping):
        for name, value in filter_.items():
            if name.startswith("$"):
                yield name, value
            yield from operators(value)
    if isinstance(filter_, list):
        for part in filter_:
            yield from operators(part)


def partial_filters() -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (index.document["name"], index.document["partialFilterExpression"])
        for indexes in INDEXES.values()
        for index in indexes
        if "partialFilterExpression" in index.document
    ]


class TestDefinitions:
    @pytest.mark.parametrize(("name", "filter_"), partial_filters())
    def test_a_partial_filter_uses_only_what_mongodb_understands(
        self, name: str, filter_: Mapping[str, Any]
    ) -> None:
        used = list(operators(filter_))

        assert {operator for operator, _ in used} <= UNDERSTOOD, name
        assert all(value is True for operator, value in used if operator == "$exists"), name

    def test_names_are_unique(self) -> None:
        names = [index.document["name"] for wanted in INDEXES.values() for index in wanted]

        assert len(names) == len(set(names))


@pytest.mark.mongo
class TestEnsure:
    async def test_many_processes_may_do_it_at_once_and_again(self, database: Database) -> None:
        await asyncio.gather(*(ensure_indexes(database) for _ in range(4)))

        for collection, wanted in INDEXES.items():
            there = await database.collection(collection).index_information()
            assert {index.document["name"] for index in wanted} <= set(there)


COLLISIONS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (PATIENT_EMAIL_NAME, "patients", {"email": "a@x", "name_key": "a"}, {"phone": "+1"}),
    (
        CAMPAIGN_ONE_ACTIVE,
        "campaigns",
        {"patient_id": 1, "status": "RE_ENGAGED"},
        {"status": "BOOKING_INITIATED"},
    ),
    (
        CAMPAIGN_ONE_RECALL,
        "campaigns",
        {"patient_id": 1, "due_date": 7, "campaign_type": "RECALL", "status": "RECOVERED"},
        {"status": "RECOVERY_FAILED"},
    ),
    (CAMPAIGN_QUOTA, "campaigns", {"quota_key": "d#1", "patient_id": 1}, {"patient_id": 2}),
    (INTERACTION_PROVIDER_ID, "interactions", {"provider_id": "relay:1"}, {}),
    (INTERACTION_DEDUPE_KEY, "interactions", {"dedupe_key": "campaign:1:attempt:1"}, {}),
    (INTERACTION_DAY_SLOT, "interactions", {"delivery": {"day_slot": "a@x@d"}}, {}),
    (APPOINTMENT_CLAIMS, "appointments", {"claims": ["p:1@1", "c:1@1"]}, {"claims": ["c:1@1"]}),
    (STAFF_EMAIL, "role", {"email": "a@x"}, {}),
    (SERVICE_ID, "services", {"service_id": "a"}, {}),
    (
        WAITLIST_ONE_WAITING,
        "waitlist",
        {"contact": "a@x", "name_key": "a", "service_id": "s", "status": "waiting"},
        {"provider_id": 1},
    ),
]
"""Two documents that must not both exist: the first, and what the second changes of it."""

COMPANIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("patients", {"email": "a@x", "name_key": "a"}, {"name_key": "b"}),
    ("patients", {"name_key": "a"}, {}),
    ("campaigns", {"patient_id": 1, "status": "RECOVERED"}, {"status": "RE_ENGAGED"}),
    ("campaigns", {"patient_id": 1, "status": "RECOVERED"}, {}),
    ("interactions", {"direction": "outgoing"}, {}),
    ("appointments", {"claims": ["p:1@1"]}, {"claims": ["p:1@2", "p:2@1"]}),
    ("appointments", {"status": "cancelled"}, {}),
    ("waitlist", {"contact": "a@x", "status": "left"}, {"status": "waiting"}),
    ("waitlist", {"contact": "a@x", "status": "left"}, {}),
]
"""Two documents that may well both exist."""


@pytest.mark.mongo
class TestUniqueness:
    @pytest.mark.parametrize(("index", "collection", "first", "change"), COLLISIONS)
    async def test_the_second_is_refused_and_the_index_named(
        self,
        database: Database,
        index: str,
        collection: str,
        first: dict[str, Any],
        change: dict[str, Any],
    ) -> None:
        await database.collection(collection).insert_one(dict(first))

        with pytest.raises(DuplicateValueError) as refusal:
            await insert(database, collection, {**first, **change})

        assert refusal.value.index == index

    @pytest.mark.parametrize(("collection", "first", "change"), COMPANIONS)
    async def test_what_does_not_collide_is_taken(
        self,
        database: Database,
        collection: str,
        first: dict[str, Any],
        change: dict[str, Any],
    ) -> None:
        await database.collection(collection).insert_one(dict(first))

        await insert(database, collection, {**first, **change})

        assert await database.collection(collection).count_documents({}) == 2


async def insert(database: Database, collection: str, document: dict[str, Any]) -> None:
    """As a repository does, with its translation of the refusal."""
    try:
        await database.collection(collection).insert_one(document)
    except DuplicateKeyError as error:
        raise DuplicateValueError(index_named_in(error.details, str(error))) from error
