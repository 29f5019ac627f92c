"""`Idempotency-Key`: one answer for one key, whatever happens around it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from app.core.errors import AppError, ConflictError, UnavailableError
from app.db.database import Database
from app.db.repositories.records import IdempotencyRepository
from app.models.base import PyObjectId, new_id
from app.models.records import IdempotencyRecord
from app.services.idempotency import Answer, IdempotencyKeyReusedError, OnceOnly
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo

Landing = Callable[[dict[str, Any]], Awaitable[object]]
"""What happens to an insert whose answer never comes."""
RECORDS = "idempotency_keys"
BODY = {"n": 1}


class Shop:
    """Makes things under ids, as the database would."""

    def __init__(self, once: OnceOnly) -> None:
        self.once = once
        self.made: dict[PyObjectId, Answer] = {}
        self.fails: list[Exception] = []
        self.work = self.make

    async def find(self, thing_id: PyObjectId) -> Answer | None:
        return self.made.get(thing_id)

    async def make(self, thing_id: PyObjectId) -> Answer:
        if self.fails:
            raise self.fails.pop(0)
        return self.made.setdefault(thing_id, {"id": str(thing_id)})

    async def ask(self, key: str = "k", body: Mapping[str, Any] = BODY) -> Answer:
        return await self.once.answer(
            route="shop", key=key, body=body, find=self.find, make=self.work
        )


@pytest.fixture
def shop(database: Database, clock: FrozenClock) -> Shop:
    return Shop(OnceOnly(IdempotencyRepository(database, clock), clock))


class LossyCollection:
    """The driver's collection, on a connection that breaks while an insert is on its way."""

    def __init__(self, real: Any, before_break: Landing) -> None:
        self._real = real
        self._before_break = before_break
        self._is_broken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def insert_one(self, document: dict[str, Any]) -> Any:
        if not self._is_broken:
            self._is_broken = True
            await self._before_break(document)
            message = "connection lost"
            raise AutoReconnect(message)
        return await self._real.insert_one(document)


def lossy(database: Database, clock: FrozenClock, before_break: Landing) -> IdempotencyRepository:
    """Records over such a connection."""
    repository = IdempotencyRepository(database, clock)
    collection: Any = LossyCollection(database.collection(RECORDS), before_break)
    repository._collection = collection
    return repository


def record(body_hash: str, clock: FrozenClock) -> IdempotencyRecord:
    return IdempotencyRecord(
        id="shop:k", body_hash=body_hash, resource_id=new_id(), created_at=clock.now()
    )


class TestBegin:
    async def test_answers_the_first_use(self, database: Database, clock: FrozenClock) -> None:
        records = IdempotencyRepository(database, clock)
        first, second = record("a", clock), record("b", clock)

        assert await records.begin(first) == first
        assert await records.begin(second) == first

    async def test_of_many_at_once_answers_one(
        self, database: Database, clock: FrozenClock
    ) -> None:
        records = IdempotencyRepository(database, clock)

        found = await asyncio.gather(*(records.begin(record("a", clock)) for _ in range(20)))

        assert len({one.resource_id for one in found}) == 1

    async def test_that_landed_before_the_connection_broke_is_its_own(
        self, database: Database, clock: FrozenClock
    ) -> None:
        mine = record("a", clock)
        records = lossy(database, clock, database.collection(RECORDS).insert_one)

        assert await records.begin(mine) == mine

    async def test_that_lost_to_another_while_the_connection_broke_answers_that_one(
        self, database: Database, clock: FrozenClock
    ) -> None:
        """A retry that meets its id cannot tell its own record from somebody else's."""
        theirs = record("b", clock)

        async def other(_document: dict[str, Any]) -> None:
            await database.collection(RECORDS).insert_one(theirs.to_stored())

        assert await lossy(database, clock, other).begin(record("a", clock)) == theirs

    async def test_of_a_record_that_expires_meanwhile_is_a_first_use_and_stored(
        self, database: Database, clock: FrozenClock
    ) -> None:
        class Expiring(IdempotencyRepository):
            async def _find_one(self, query: Any, sort: Any = None) -> IdempotencyRecord | None:
                await self._collection.delete_many({})
                return await super()._find_one(query, sort)

        await IdempotencyRepository(database, clock).begin(record("a", clock))
        mine = record("a", clock)

        assert await Expiring(database, clock).begin(mine) == mine
        assert await IdempotencyRepository(database, clock).begin(record("a", clock)) == mine


class TestAnswer:
    async def test_of_the_first_run_is_everybodys(self, shop: Shop) -> None:
        answers = await asyncio.gather(*(shop.ask() for _ in range(20)))

        assert all(one == answers[0] for one in answers)
        assert len(shop.made) == 1

    async def test_stays_when_what_was_made_is_gone(self, shop: Shop) -> None:
        first = await shop.ask()
        shop.made.clear()

        assert await shop.ask() == first
        assert shop.made == {}

    async def test_of_another_body_is_refused_and_makes_nothing(self, shop: Shop) -> None:
        await shop.ask()

        with pytest.raises(IdempotencyKeyReusedError) as refused:
            await shop.ask(body={"n": 2})

        assert (refused.value.status, len(shop.made)) == (422, 1)

    async def test_of_another_body_is_refused_while_the_first_is_under_way_too(
        self, shop: Shop
    ) -> None:
        under_way, goes_on = asyncio.Event(), asyncio.Event()

        async def slow(thing_id: PyObjectId) -> Answer:
            under_way.set()
            await goes_on.wait()
            return await shop.make(thing_id)

        shop.work = slow
        first = asyncio.create_task(shop.ask())
        await under_way.wait()

        with pytest.raises(IdempotencyKeyReusedError):
            await shop.ask(body={"n": 2})

        goes_on.set()
        await first
        assert len(shop.made) == 1

    async def test_does_not_depend_on_the_order_of_fields(self, shop: Shop) -> None:
        first = await shop.ask(body={"a": 1, "b": 2})

        assert await shop.ask(body={"b": 2, "a": 1}) == first

    async def test_after_a_crash_before_anything_was_made_is_made_under_the_same_id(
        self, shop: Shop, database: Database
    ) -> None:
        shop.fails = [KeyboardInterruptOfAProcess()]
        with pytest.raises(KeyboardInterruptOfAProcess):
            await shop.ask()
        (kept,) = await database.collection(RECORDS).find({}).to_list(None)

        answer = await shop.ask()

        assert answer == {"id": str(kept["resource_id"])}

    async def test_after_a_crash_before_it_was_kept_is_that_of_what_was_made(
        self, shop: Shop, database: Database
    ) -> None:
        first = await shop.ask()
        await database.collection(RECORDS).update_one(
            {}, {"$unset": {"response_status": "", "response_body": ""}}
        )
        shop.fails = [KeyboardInterruptOfAProcess()]

        assert await shop.ask() == first

    async def test_is_a_new_one_once_the_record_has_expired(
        self, shop: Shop, database: Database
    ) -> None:
        first = await shop.ask()
        await database.collection(RECORDS).delete_many({})

        second = await shop.ask(body={"n": 2})

        assert second != first

    async def test_a_record_that_expires_while_it_is_worked_on_changes_no_answer(
        self, shop: Shop, database: Database
    ) -> None:
        async def expiring(thing_id: PyObjectId) -> Answer:
            await database.collection(RECORDS).delete_many({})
            return await shop.make(thing_id)

        shop.work = expiring
        first = await shop.ask()
        shop.work = shop.make

        assert await shop.ask() == first
        assert len(shop.made) == 1


class TestRefusal:
    async def test_is_replayed(self, shop: Shop) -> None:
        shop.fails = [TakenError("taken", extra={"alternatives": [1]})]
        with pytest.raises(TakenError):
            await shop.ask()

        with pytest.raises(AppError) as again:
            await shop.ask()

        refusal = again.value
        assert (refusal.status, refusal.slug, refusal.detail) == (409, "taken", "taken")
        assert refusal.extra == {"alternatives": [1]}
        assert shop.made == {}

    async def test_about_us_is_not_kept(self, shop: Shop) -> None:
        shop.fails = [UnavailableError("later")]
        with pytest.raises(UnavailableError):
            await shop.ask()

        assert await shop.ask() == next(iter(shop.made.values()))

    async def test_of_another_body_is_still_another_request(self, shop: Shop) -> None:
        shop.fails = [TakenError("taken")]
        with pytest.raises(TakenError):
            await shop.ask()

        with pytest.raises(IdempotencyKeyReusedError):
            await shop.ask(body={"n": 2})

    async def test_caused_by_a_run_of_the_same_request_is_its_answer(self, shop: Shop) -> None:
        """The faster run has the time that the slower one is refused."""

        async def slower(thing_id: PyObjectId) -> Answer:
            await shop.make(thing_id)
            message = "taken"
            raise TakenError(message)

        shop.work = slower

        assert await shop.ask() == next(iter(shop.made.values()))


class TakenError(ConflictError):
    """Somebody was faster."""

    slug = "taken"
    title = "Taken"


class KeyboardInterruptOfAProcess(Exception):  # noqa: N818 - what a test calls a kill
    """The process ends here."""
