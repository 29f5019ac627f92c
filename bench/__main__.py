"""`make bench`: every ratio, with the goal it is held to. It never fails because of a goal."""

import argparse
import asyncio
import contextlib
import logging
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields
from pathlib import Path

from pymongo import monitoring

from bench import administration, agent_lag, engine, history, mail, requests
from bench.figures import Figure
from bench.recording import CommandRecorder
from bench.site import Cores, Site, embedded, site
from bench.sizes import CACHE, Sizes

PLAIN = "plain"


def say(line: str) -> None:
    """At once, so that a long run can be watched."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def measure(sizes: Sizes, cache: Path, recorder: CommandRecorder) -> None:
    """Print every figure as it is known."""
    say("\nSlot engine (CPU time)")
    for figure in engine.measure(sizes.rounds, sizes.month):
        say(str(figure))
    say("\nAgent")
    for line in await agent_lag.lines(sizes.rounds):
        say(line)
    cores = Cores()
    say(f"\nFrom here on {cores.sentence}.")
    folder, seconds = await history.built(cache, sizes.history)
    how = "built by an earlier run" if seconds is None else f"built in {seconds:.0f} s"
    letters = sizes.history // history.LETTER_EVERY
    say(f"History: {sizes.history:,} past visits and {letters:,} letters, {how}.")
    async with _both_sites(folder, sizes, cores) as (past, plain):
        await _section("Background polls", history.polls(past, plain, sizes))
        # Next to the polls: the service closes connections that idle for minutes.
        await _section("Requests over the history", history.requests(past, plain, sizes))
        await _section("Reading free times", requests.availability(plain, recorder, sizes))
        await _section("Booking", requests.booking(plain, recorder, sizes))
        admin = administration.administration(plain, recorder, sizes)
        await _section("Administration", admin)
        await _section("Mail in", mail.webhook(plain, recorder, sizes))
        await _section("Mail out", mail.outbox(plain, recorder, sizes))


async def _section(title: str, figures: AsyncIterator[Figure]) -> None:
    say(f"\n{title}")
    async for figure in figures:
        say(str(figure))


@contextlib.asynccontextmanager
async def _both_sites(folder: Path, sizes: Sizes, cores: Cores) -> AsyncIterator[tuple[Site, Site]]:
    """One database server on a copy of the history, a service with it and one without."""
    with tempfile.TemporaryDirectory(prefix="run-", dir=folder.parent) as run:
        data = Path(run) / "database"
        shutil.copytree(folder / "db", data / "db")
        cores.for_services()
        async with (
            embedded(data) as uri,
            site(uri, history.WITH_HISTORY, Path(run) / "past", sizes) as past,
            site(uri, PLAIN, Path(run) / "plain", sizes) as plain,
        ):
            cores.for_load()
            yield past, plain


def _sizes(arguments: Sequence[str] | None) -> tuple[Sizes, Path]:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    for one in fields(Sizes):
        parser.add_argument(f"--{one.name}", type=int, default=one.default)
    parser.add_argument("--cache", type=Path, default=CACHE)
    given = vars(parser.parse_args(arguments))
    cache: Path = given.pop("cache")
    return Sizes(**given), cache.resolve()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    sizes, cache = _sizes(arguments)
    cache.mkdir(parents=True, exist_ok=True)
    recorder = CommandRecorder()
    monitoring.register(recorder)
    # What the service says of itself belongs to its log, not between the figures.
    logging.getLogger("app").addHandler(logging.NullHandler())
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    say(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {load}; "
        f"medians of {sizes.rounds} interleaved rounds (least to most)."
    )
    asyncio.run(measure(sizes, cache, recorder))


if __name__ == "__main__":
    main()
