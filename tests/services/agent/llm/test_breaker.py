"""The circuit breaker: closed, open, and one probe."""

from app.services.agent.llm.breaker import FAILURES, REST, CircuitBreaker
from tests.fakes import FrozenClock


def broken(clock: FrozenClock) -> CircuitBreaker:
    """Open as of now."""
    breaker = CircuitBreaker()
    for _ in range(FAILURES):
        breaker.failed(clock.now())
    return breaker


class TestCircuitBreaker:
    def test_a_few_failures_do_not_open_it(self) -> None:
        clock, breaker = FrozenClock(), CircuitBreaker()
        for _ in range(FAILURES - 1):
            breaker.failed(clock.now())

        assert breaker.allows(clock.now())

    def test_a_success_between_them_starts_the_count_again(self) -> None:
        clock, breaker = FrozenClock(), CircuitBreaker()
        for _ in range(FAILURES - 1):
            breaker.failed(clock.now())
        breaker.succeeded()
        breaker.failed(clock.now())

        assert breaker.allows(clock.now())

    def test_open_it_lets_nobody_ask(self) -> None:
        clock = FrozenClock()

        assert not broken(clock).allows(clock.now())

    def test_after_a_rest_one_may_try(self) -> None:
        clock = FrozenClock()
        breaker = broken(clock)
        now = clock.advance(seconds=REST.total_seconds())

        assert [breaker.allows(now), breaker.allows(now)] == [True, False]

    def test_a_probe_that_never_comes_back_does_not_keep_it_open(self) -> None:
        clock = FrozenClock()
        breaker = broken(clock)
        assert breaker.allows(clock.advance(seconds=REST.total_seconds()))

        assert breaker.allows(clock.advance(seconds=REST.total_seconds()))

    def test_a_probe_that_works_closes_it(self) -> None:
        clock = FrozenClock()
        breaker = broken(clock)
        assert breaker.allows(clock.advance(seconds=REST.total_seconds()))
        breaker.succeeded()

        assert [breaker.allows(clock.now()), breaker.allows(clock.now())] == [True, True]

    def test_a_probe_that_fails_keeps_it_open(self) -> None:
        clock = FrozenClock()
        breaker = broken(clock)
        assert breaker.allows(clock.advance(seconds=REST.total_seconds()))
        breaker.failed(clock.now())

        assert not breaker.allows(clock.advance(seconds=1))
