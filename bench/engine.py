"""The slot engine alone, against the naive way and against itself on larger practices."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from app.services.scheduling.engine import find_times
from bench.figures import Figure, Goal, ratios
from bench.naive import free_times
from bench.practice import Practice, practice

FIRST_DAY = date(2026, 6, 1)
_NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)
_LEAST_SECONDS = 0.05
"""An answer is repeated until it has taken so long, so that the clock's steps do not matter."""


def measure(rounds: int, days: int) -> Iterator[Figure]:
    """Every figure of the engine for a month of so many days; CPU time, one process.

    Raises ValueError where the two ways answer differently.
    """
    month = practice(5, 3, FIRST_DAY, days)
    if _answer(month, days) != free_times(month, FIRST_DAY, days):
        message = "The engine and the naive way disagree."
        raise ValueError(message)
    quarter = practice(50, 30, FIRST_DAY, 3 * days)
    cases: dict[str, Callable[[], object]] = {
        "naive": partial(free_times, month, FIRST_DAY, days),
        "5": partial(_answer, month, days),
        "10": partial(_answer, practice(10, 6, FIRST_DAY, days), days),
        "20": partial(_answer, practice(20, 12, FIRST_DAY, days), days),
        "50": partial(_answer, quarter, 3 * days),
    }
    took = _interleaved(cases, rounds)
    yield Figure(
        f"naive way / engine, 5 providers, 3 chairs, {days} days",
        ratios(took["naive"], took["5"]),
        goal=Goal("at least", 10),
    )
    for small, large in (("5", "10"), ("10", "20")):
        name = f"{large} providers / {small}, chairs and visits grown alike"
        yield Figure(name, ratios(took[large], took[small]), goal=Goal("at most", 2.2))
    name = f"50 providers, 30 chairs, {3 * days} days / 5, 3, {days}"
    yield Figure(name, ratios(took["50"], took["5"]))


def _answer(practice: Practice, days: int) -> dict[str, list[str]]:
    """From stored visits to the month as it is answered."""
    last = FIRST_DAY + timedelta(days=days - 1)
    return find_times(practice.timetable(), FIRST_DAY, last, _NOW)


def _interleaved(cases: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each case in each round, after one run to warm up."""
    for run in cases.values():
        run()
    took: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, run in cases.items():
            took[name].append(_cpu_seconds(run))
    return took


def _cpu_seconds(run: Callable[[], Any]) -> float:
    started, times = time.process_time(), 0
    while (spent := time.process_time() - started) < _LEAST_SECONDS or not times:
        run()
        times += 1
    return spent / times
