"""The measured services, each on a database with the practice in it, and who books there when."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.core.clock import utc_now
from app.db.database import Database, within
from app.db.embedded import EmbeddedDatabase
from app.db.indexes import ensure_indexes
from app.demo.process import running_service
from app.models.base import Document
from app.services.scheduling.localtime import local_day
from bench.load import Load, connected
from bench.practice import Guest, Practice, guest, practice
from bench.replay import Booking
from bench.sizes import Sizes

FIRST_BOOKED_DAY = 65
"""After any next month that is asked about: what is booked must not change what is read there."""
FILL_SECONDS = 600.0
"""Far longer than a request may take."""
_BATCH = 200
"""The embedded server takes longer a document for larger ones."""

SETTINGS = {
    "ENVIRONMENT": "development",
    "RATE_LIMITS": "off",
    "DEMO_DATA": "false",
    "FIRST_ADMIN_EMAIL": "admin@example.com",
    "FIRST_ADMIN_PASSWORD": "a-long-password-for-the-bench",
    "MAIL_TRANSPORT": "file",
    "STAFF_ALERT_EMAIL": "",
    "LOG_LEVEL": "INFO",
}


@dataclass(frozen=True)
class Site:
    """One running service, connected to, and its database past the service."""

    load: Load
    database: Database
    uri: str
    name: str
    folder: Path
    practice: Practice
    bookings: Iterator[Booking]
    """For the service: each other free time is somebody's."""
    replayed: Iterator[Booking]
    """The same for the reference route, on days of its own."""

    def take(self, number: int, source: Iterator[Booking]) -> list[Booking]:
        """The next ones. Raises ValueError where the book has no room for so many."""
        taken = list(itertools.islice(source, number))
        if len(taken) < number:
            message = "The book is full: fewer bookings or fewer rounds."
            raise ValueError(message)
        return taken


@contextlib.asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[str]:
    """An embedded database of the bench's own; its URI."""
    server = EmbeddedDatabase(folder)
    try:
        yield await server.start()
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def opened(uri: str, name: str) -> AsyncIterator[Database]:
    """A database, with what it holds."""
    database = Database(uri, name)
    try:
        yield database
    finally:
        database.close()


@contextlib.asynccontextmanager
async def site(uri: str, name: str, folder: Path, sizes: Sizes) -> AsyncIterator[Site]:
    """A service on the database `name`, filled with the practice and its known patients."""
    book = practice(sizes.providers, sizes.chairs, tomorrow(), sizes.days)
    everybody = [guest(number) for number in range(1, sizes.guests + 1)]
    settings = {**SETTINGS, "MONGO_URI": uri, "DATABASE_NAME": name}
    command = ("bench.app",)
    async with opened(uri, name) as database:
        await ensure_indexes(database)
        async with within(FILL_SECONDS):
            await _fill(database, book, everybody)
        async with (
            running_service(folder, settings, command=command) as (url, _),
            connected(urlsplit(url).port or 0) as load,
        ):
            half = len(everybody) // 2
            bookings = _bookings(book, everybody[:half], 0)
            replayed = _bookings(book, everybody[half:], 1)
            yield Site(load, database, uri, name, folder, book, bookings, replayed)


def tomorrow() -> date:
    """The first day with visits, on the practice's clock."""
    zone = practice(1, 1, date(2026, 1, 1), 0).clinic.zone
    return local_day(utc_now(), zone) + timedelta(days=1)


def _bookings(book: Practice, guests: Sequence[Guest], parity: int) -> Iterator[Booking]:
    """Every other day is the reference's. Neighbours in time lie days apart, so that of the
    bookings under way at once none is in another one's way.
    """
    days = list(book.free.values())[FIRST_BOOKED_DAY + parity : -2 : 2]
    by_turns = itertools.zip_longest(*days)
    places = (place for turn in by_turns for place in turn if place is not None)
    return (Booking(who, place) for who, place in zip(guests, places, strict=False))


async def _fill(database: Database, book: Practice, guests: Sequence[Guest]) -> None:
    await insert(database, "clinic", [book.clinic])
    await insert(database, "services", [book.service])
    await insert(database, "providers", book.providers)
    await insert(database, "chairs", book.chairs)
    await insert(database, "appointments", book.visits())
    await insert(database, "patients", [one.patient for one in guests])
    await insert(database, "campaigns", [one.campaign for one in guests])


async def insert(database: Database, collection: str, documents: Sequence[Document]) -> None:
    """Store models."""
    await insert_stored(database, collection, [one.to_stored() for one in documents])


async def insert_stored(
    database: Database, collection: str, documents: Sequence[dict[str, Any]]
) -> None:
    """Store documents, in batches."""
    for since in range(0, len(documents), _BATCH):
        await database.collection(collection).insert_many(documents[since : since + _BATCH])
        await asyncio.sleep(0)


class Cores:
    """Who computes where: the load on one core, service and database together on another."""

    def __init__(self) -> None:
        pinnable = hasattr(os, "sched_getaffinity")
        self._all = sorted(os.sched_getaffinity(0)) if pinnable else []

    @property
    def sentence(self) -> str:
        """For the output."""
        if len(self._all) > 1:
            return "service and database share one core, the load has another"
        return "service, database and load share what cores there are"

    def for_services(self) -> None:
        """Whatever is started from now on is started on their core."""
        if len(self._all) > 1:
            os.sched_setaffinity(0, {self._all[1]})

    def for_load(self) -> None:
        """This process moves to the load's core; what it has started stays."""
        if len(self._all) > 1:
            os.sched_setaffinity(0, {self._all[0]})
