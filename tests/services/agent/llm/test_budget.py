"""The tokens of a day: shared by all processes, the database deciding."""

import asyncio

import pytest

from app.db.database import Database
from app.db.repositories import Repositories
from app.services.agent.llm.budget import TokenBudget
from tests.fakes import FrozenClock

LIMIT = 5_000
TODAY = "2026-08-19"

pytestmark = pytest.mark.mongo


class TestTokenBudget:
    async def test_of_many_who_ask_at_once_as_many_get_it_as_it_lasts_for(
        self, database: Database, clock: FrozenClock
    ) -> None:
        processes = [Repositories.over(database, clock).engine_days for _ in range(4)]
        budgets = [TokenBudget(days, clock, LIMIT) for days in processes]

        got = await asyncio.gather(*(budgets[i % 4].reserve(1000) for i in range(24)))

        assert sum(reserved is not None for reserved in got) == 5
        day = await processes[0].get(TODAY)
        assert day
        assert (day.tokens, day.calls) == (5000, 5)

    async def test_what_was_not_used_is_free_again(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        budget = TokenBudget(repositories.engine_days, clock, LIMIT)
        reserved = await budget.reserve(LIMIT)
        assert reserved
        assert await budget.reserve(1) is None

        await budget.settle(reserved, 4000)

        assert await budget.reserve(1000)
        assert await budget.reserve(1) is None

    async def test_what_was_used_beyond_the_estimate_counts(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        budget = TokenBudget(repositories.engine_days, clock, LIMIT)
        reserved = await budget.reserve(1000)
        assert reserved
        await budget.settle(reserved, 4500)

        assert await budget.reserve(1000) is None

    async def test_a_request_larger_than_a_day_begins_no_day(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        assert await TokenBudget(repositories.engine_days, clock, LIMIT).reserve(5001) is None
        assert await repositories.engine_days.get(TODAY) is None

    async def test_a_new_day_has_its_own(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        budget = TokenBudget(repositories.engine_days, clock, LIMIT)
        reserved = await budget.reserve(LIMIT)
        assert reserved
        clock.advance(days=1)

        assert await budget.reserve(LIMIT)
        await budget.settle(reserved, 10)

        assert await budget.reserve(1) is None
