"""One replica at a time."""

import asyncio
from datetime import timedelta

import pytest

from app.db.database import UNAVAILABLE_ERRORS, Database
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.db.repositories.records import CLOCK_SKEW_MARGIN, LeaseRepository
from app.models.records import Lease
from app.services.leases import LeaseLostError, Leases
from tests.fakes import FrozenClock

pytestmark = pytest.mark.mongo

TTL = timedelta(seconds=30)
NAME = "sweep"


class TestAcquire:
    async def test_one_holds_it_and_the_next_is_turned_away(
        self, repositories: Repositories
    ) -> None:
        first = await repositories.leases.acquire(NAME, "a", TTL)

        assert await repositories.leases.acquire(NAME, "b", TTL) is None
        assert first is not None
        assert await repositories.leases.current(NAME) == first

    async def test_of_twenty_at_once_one_gets_it(self, repositories: Repositories) -> None:
        got = await asyncio.gather(
            *(repositories.leases.acquire(NAME, str(n), TTL) for n in range(20))
        )

        assert sum(lease is not None for lease in got) == 1

    async def test_is_taken_over_only_after_it_ran_out_and_the_clocks_may_differ(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        first = await repositories.leases.acquire(NAME, "a", TTL)
        assert first is not None
        clock.set(first.expires_at + CLOCK_SKEW_MARGIN)
        assert await repositories.leases.acquire(NAME, "b", TTL) is None
        clock.advance(milliseconds=1)

        second = await repositories.leases.acquire(NAME, "b", TTL)

        assert second is not None
        assert (second.holder, second.term) == ("b", first.term + 1)
        assert second.expires_at == clock.now() + TTL

    async def test_of_many_who_take_over_one_does(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        await repositories.leases.acquire(NAME, "a", TTL)
        clock.advance(minutes=5)

        got = await asyncio.gather(
            *(repositories.leases.acquire(NAME, f"b{n}", TTL) for n in range(10))
        )

        assert sum(lease is not None for lease in got) == 1

    async def test_names_do_not_hinder_each_other(self, repositories: Repositories) -> None:
        for name in ("sweep", "alerts"):
            assert await repositories.leases.acquire(name, "a", TTL) is not None

    async def test_an_insert_whose_answer_was_lost_does_not_count_the_lease_of_another_as_ours(
        self, repositories: Repositories, database: Database, clock: FrozenClock
    ) -> None:
        class AnswerLost(LeaseRepository):
            """Its insert was sent again after a lost connection and met a document."""

            async def _insert(self, model: Lease) -> bool:
                with pytest.raises(DuplicateValueError):
                    await super()._insert(model)
                return False

        await repositories.leases.acquire(NAME, "a", TTL)

        assert await AnswerLost(database, clock).acquire(NAME, "b", TTL) is None


class TestAStaleTerm:
    @pytest.fixture
    async def stale(self, repositories: Repositories, clock: FrozenClock) -> Lease:
        """A lease that somebody else took over, and not even another: the same process again."""
        lease = await repositories.leases.acquire(NAME, "a", TTL)
        assert lease is not None
        clock.advance(minutes=5)
        assert await repositories.leases.acquire(NAME, "a", TTL) is not None
        return lease

    async def test_cannot_renew(self, repositories: Repositories, stale: Lease) -> None:
        before = await repositories.leases.current(NAME)

        assert not await repositories.leases.renew(stale, TTL * 10)
        assert await repositories.leases.current(NAME) == before

    async def test_cannot_release(self, repositories: Repositories, stale: Lease) -> None:
        before = await repositories.leases.current(NAME)

        assert not await repositories.leases.release(stale)
        assert await repositories.leases.current(NAME) == before


class TestHold:
    async def test_lets_go_at_the_end_so_that_the_next_need_not_wait(
        self, repositories: Repositories
    ) -> None:
        leases = Leases(repositories.leases)
        async with leases.hold(NAME) as held:
            assert held is not None
            async with leases.hold(NAME) as other:
                assert other is None

        async with leases.hold(NAME) as again:
            assert again is not None
            assert again.lease.term == held.lease.term + 1

    async def test_lets_go_where_the_work_fails(self, repositories: Repositories) -> None:
        leases = Leases(repositories.leases)

        async def fail_at_work() -> None:
            async with leases.hold(NAME):
                message = "work"
                raise RuntimeError(message)

        with pytest.raises(RuntimeError, match="work"):
            await fail_at_work()

        async with leases.hold(NAME) as again:
            assert again is not None

    async def test_is_kept_alive_while_the_work_lasts(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        leases = Leases(repositories.leases, ttl=TTL, heartbeat_seconds=0.02)
        async with leases.hold(NAME) as held:
            assert held is not None
            clock.advance(minutes=5)
            for _ in range(200):
                await asyncio.sleep(0.02)
                current = await repositories.leases.current(NAME)
                if current and current.expires_at == clock.now() + TTL:
                    break

            assert await repositories.leases.acquire(NAME, "b", TTL) is None
            held.check()

    async def test_work_learns_that_it_lost_the_lease(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        leases = Leases(repositories.leases, ttl=TTL, heartbeat_seconds=0.02)
        async with leases.hold(NAME) as held:
            assert held is not None
            clock.advance(minutes=5)
            taken = None
            while taken is None:
                clock.advance(minutes=5)
                taken = await repositories.leases.acquire(NAME, "b", TTL)
            for _ in range(200):
                if held.is_lost:
                    break
                await asyncio.sleep(0.02)
            with pytest.raises(LeaseLostError):
                held.check()

        assert await repositories.leases.current(NAME) == taken

    @pytest.mark.parametrize("error", [UNAVAILABLE_ERRORS[0]("gone"), RuntimeError("a bug")])
    async def test_work_that_cannot_renew_must_take_the_lease_for_lost(
        self, database: Database, clock: FrozenClock, error: Exception
    ) -> None:
        class CannotRenew(LeaseRepository):
            """Gives a lease out, and then no renewal gets through."""

            async def renew(self, lease: Lease, ttl: timedelta) -> bool:
                raise error

        leases = Leases(
            CannotRenew(database, clock), ttl=timedelta(seconds=1), heartbeat_seconds=0.02
        )
        async with leases.hold(NAME) as held:
            assert held is not None
            held.check()
            await asyncio.sleep(1.1)

            with pytest.raises(LeaseLostError):
                held.check()
