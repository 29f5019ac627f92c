"""Places and lines: order within a line, nobody held up by another, and an orderly end."""

import asyncio
from collections import defaultdict

import pytest

from app.services.lines import Lines

LINES = ("a", "b", "c")


class Bench:
    """Work that goes on until the test lets it."""

    def __init__(self, *, places: int = 2) -> None:
        self.begun: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.may_end: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.errors: dict[str, BaseException] = {}
        self.lines = Lines(self.work, places=places)

    async def work(self, item: str) -> int:
        """One item, for as long as the test wants."""
        self.begun.append(item)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.may_end[item].wait()
        finally:
            self.at_once -= 1
        if item in self.errors:
            raise self.errors[item]
        return 1

    async def end(self, *items: str) -> None:
        """Let these items end, and what follows begin."""
        for item in items:
            self.may_end[item].set()
        await turns()


async def turns() -> None:
    """Everything goes on that can."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def bench() -> Bench:
    """Two places."""
    return Bench()


class TestLines:
    async def test_items_of_a_line_follow_each_other_and_lines_take_turns(
        self, bench: Bench
    ) -> None:
        for line in LINES:
            bench.lines.add(line, [f"{line}1", f"{line}2"])
        await turns()
        assert bench.begun == ["a1", "b1"]

        await bench.end("b1")
        assert bench.begun == ["a1", "b1", "c1"]
        await bench.end("c1", "b2", "c2")

        assert bench.begun == ["a1", "b1", "c1", "b2", "c2"], "a1 holds up nobody but a2"
        assert set(bench.lines.in_hand) == {"a"}
        await bench.end("a1", "a2")
        assert await bench.lines.done() == 6
        assert (bench.most_at_once, set(bench.lines.in_hand)) == (2, set())

    async def test_what_comes_for_a_line_under_way_waits_its_turn(self, bench: Bench) -> None:
        bench.lines.add("a", ["a1"])
        await turns()
        bench.lines.add("a", ["a2"])
        await turns()
        assert bench.begun == ["a1"]

        await bench.end("a1", "a2")

        assert bench.begun == ["a1", "a2"]

    async def test_there_is_room_when_fewer_lines_wait_than_there_are_places(
        self, bench: Bench
    ) -> None:
        for line in (*LINES, "d"):
            bench.lines.add(line, [f"{line}1"])
        waiting = asyncio.create_task(bench.lines.room())
        await turns()
        assert not waiting.done()

        await bench.end("a1")

        assert waiting.done()
        await bench.end("b1", "c1", "d1")

    async def test_an_error_is_raised_once_and_what_waits_is_let_go(self, bench: Bench) -> None:
        bench.errors["a1"] = KeyError("gone")
        for line in LINES:
            bench.lines.add(line, [f"{line}1", f"{line}2"])
        await turns()

        await bench.end("a1")
        with pytest.raises(KeyError, match="gone"):
            await bench.lines.room()
        await bench.end("b1")

        assert bench.begun == ["a1", "b1"]
        assert await bench.lines.done() == 1
        assert set(bench.lines.in_hand) == set()
        bench.lines.add("a", ["a3"])
        await bench.end("a3")
        assert bench.begun[-1] == "a3"

    async def test_ends_what_is_under_way_and_begins_nothing_more(self, bench: Bench) -> None:
        for line in LINES:
            bench.lines.add(line, [f"{line}1", f"{line}2"])
        await turns()
        closing = asyncio.create_task(bench.lines.close(60))
        await turns()
        bench.lines.add("d", ["d1"])

        await bench.end("a1", "b1")
        await closing

        assert bench.begun == ["a1", "b1"]
        assert await bench.lines.done() == 2

    async def test_cuts_off_what_does_not_end(self, bench: Bench) -> None:
        bench.lines.add("a", ["a1"])
        await turns()

        await bench.lines.close(0.01)

        assert bench.at_once == 0
