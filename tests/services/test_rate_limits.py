"""Limits: how many get through, when there is room again, and what a count that fails means."""

import asyncio
import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest

from app.db.database import UNAVAILABLE_ERRORS, Database
from app.db.repositories import Repositories
from app.services.rate_limits import RateLimiter, Rule, TooManyRequestsError
from tests.factories import SECRET, make_settings
from tests.fakes import FrozenClock
from tests.timing import stopwatch

pytestmark = pytest.mark.mongo

RULE = Rule("test", 5, timedelta(seconds=60))
OTHER = Rule("other", 5, timedelta(seconds=60))


@pytest.fixture
def limiter(repositories: Repositories, clock: FrozenClock) -> RateLimiter:
    """With limits on."""
    return RateLimiter(repositories.rate_limits, make_settings(rate_limits="on"), SECRET, clock)


async def gets_through(limiter: RateLimiter, subject: str = "a", rule: Rule = RULE) -> bool:
    """Whether one more is allowed."""
    try:
        await limiter.take(rule, subject)
    except TooManyRequestsError:
        return False
    return True


class TestTake:
    async def test_lets_so_many_through_and_says_when_the_next_may_come(
        self, limiter: RateLimiter, clock: FrozenClock
    ) -> None:
        assert all([await gets_through(limiter) for _ in range(5)])
        clock.advance(seconds=20.5)

        with pytest.raises(TooManyRequestsError) as refused:
            await limiter.take(RULE, "a")

        assert refused.value.status == 429
        assert refused.value.headers == {"Retry-After": "40"}
        assert refused.value.detail == "That was too often. Please try again in 40 seconds."

    async def test_there_is_room_again_when_it_says_so_and_not_before(
        self, limiter: RateLimiter, clock: FrozenClock
    ) -> None:
        for _ in range(5):
            await limiter.take(RULE, "a")
        clock.advance(seconds=59.999)
        assert not await gets_through(limiter)

        clock.advance(seconds=0.001)
        assert await gets_through(limiter)

    async def test_the_window_moves(self, limiter: RateLimiter, clock: FrozenClock) -> None:
        """Nobody gets twice as many around a full minute."""
        through = []
        for _ in range(36):
            through.append(await gets_through(limiter))
            clock.advance(seconds=5)

        times = [5 * number for number, let_in in enumerate(through) if let_in]
        assert all(
            sum(1 for at in times if start <= at < start + 60) <= 5 for start in range(0, 180, 5)
        )
        assert len(times) == 15

    async def test_a_refusal_does_not_count(self, limiter: RateLimiter, clock: FrozenClock) -> None:
        for _ in range(5):
            await limiter.take(RULE, "a")
        clock.advance(seconds=30)
        for _ in range(20):
            assert not await gets_through(limiter)

        clock.advance(seconds=30)
        assert await gets_through(limiter)

    async def test_everybody_is_counted_apart(self, limiter: RateLimiter) -> None:
        for _ in range(5):
            await limiter.take(RULE, "a")

        assert await gets_through(limiter, "b")
        assert await gets_through(limiter, "a", OTHER)

    async def test_of_many_at_once_in_several_processes_exactly_so_many_get_through(
        self, limiter: RateLimiter, repositories: Repositories, clock: FrozenClock
    ) -> None:
        settings = make_settings(rate_limits="on")
        other = RateLimiter(repositories.rate_limits, settings, SECRET, clock)
        tries = [gets_through(one) for one in (limiter, other) for _ in range(30)]

        assert sum(await asyncio.gather(*tries)) == 5

    async def test_what_is_given_back_was_never_there(self, limiter: RateLimiter) -> None:
        for _ in range(20):
            await limiter.take(RULE, "a")
            await limiter.give_back([(RULE, "a")])

        assert [await gets_through(limiter) for _ in range(6)] == [True] * 5 + [False]

    async def test_what_is_forgotten_counts_from_nothing(self, limiter: RateLimiter) -> None:
        for _ in range(5):
            await limiter.take(RULE, "a")
        await limiter.forget([(RULE, "a"), (OTHER, "nobody")])

        assert await gets_through(limiter)

    async def test_long_waits_are_said_in_words_for_people(
        self, limiter: RateLimiter, clock: FrozenClock
    ) -> None:
        long = Rule("long", 1, timedelta(days=1))
        sentences = []
        await limiter.take(long, "a")
        for minutes in (0, 60 * 22, 118):
            clock.advance(minutes=minutes)
            with pytest.raises(TooManyRequestsError) as refused:
                await limiter.take(long, "a")
            sentences.append(refused.value.detail.removeprefix("That was too often. Please try "))

        assert sentences == ["again in 24 hours.", "again in 2 hours.", "again in 2 minutes."]

    async def test_who_was_counted_cannot_be_read_from_what_is_stored(
        self, limiter: RateLimiter, database: Database
    ) -> None:
        await limiter.take(RULE, "robin@example.com")
        await limiter.remember("familiar", "10.0.0.7", limiter._clock.now())

        stored = await database.collection("rate_limits").find().to_list(None)
        assert len(stored) == 2
        assert "robin" not in str(stored)
        assert "10.0.0.7" not in str(stored)

    async def test_switched_off_it_neither_counts_nor_refuses(
        self, repositories: Repositories, database: Database, clock: FrozenClock
    ) -> None:
        settings = make_settings(rate_limits="off")
        limiter = RateLimiter(repositories.rate_limits, settings, SECRET, clock)

        assert all([await gets_through(limiter) for _ in range(20)])
        await limiter.give_back([(RULE, "a")])
        await limiter.forget([(RULE, "a")])
        await limiter.remember("familiar", "a", clock.now() + timedelta(days=1))
        assert not await limiter.remembers("familiar", "a")
        assert await database.collection("rate_limits").count_documents({}) == 0


class TestRemember:
    async def test_holds_until_its_time(self, limiter: RateLimiter, clock: FrozenClock) -> None:
        until = clock.now() + timedelta(days=90)
        assert not await limiter.remembers("familiar", "a")

        await limiter.remember("familiar", "a", until)

        assert await limiter.remembers("familiar", "a")
        assert not await limiter.remembers("familiar", "b")
        clock.set(until)
        assert not await limiter.remembers("familiar", "a")


class TestWithoutADatabase:
    @pytest.fixture(params=["nobody listens", "it says nothing"])
    def cut_off(
        self, request: pytest.FixtureRequest, unused_tcp_port: int, clock: FrozenClock
    ) -> Iterator[RateLimiter]:
        """A limiter whose counts are out of reach; every other call would wait for five seconds."""
        settings = make_settings(rate_limits="on")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            is_silent = request.param == "it says nothing"
            port = silent.getsockname()[1] if is_silent else unused_tcp_port
            uri = f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=5000&timeoutMS=5000"
            database = Database(uri, settings.database_name)
            windows = Repositories.over(database, clock).rate_limits
            yield RateLimiter(windows, settings, SECRET, clock)
            database.close()

    async def test_patients_are_let_in_after_a_moment(
        self, cut_off: RateLimiter, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with stopwatch() as watch:
            await cut_off.admit(RULE, "10.0.0.7")
            assert watch.seconds < 4  # of the five that the driver alone would wait

        assert "let in without being counted" in caplog.text
        assert "10.0.0.7" not in caplog.text

    async def test_a_guess_at_a_password_is_not(self, cut_off: RateLimiter) -> None:
        with pytest.raises(UNAVAILABLE_ERRORS):
            await cut_off.take(RULE, "robin@example.com")
