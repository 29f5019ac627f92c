"""Whether five years of past visits slow anything down that looks ahead."""

import random
import shutil
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from app.core.clock import utc_now
from app.db.database import Database, within
from app.db.indexes import ensure_indexes
from app.models.appointment import Appointment, AppointmentStatus, CreatedFrom, ReminderPlan
from app.models.base import new_id
from app.models.interaction import Delivery, DeliveryStatus, Direction, Interaction, MessageClass
from bench.app import PREFIX
from bench.figures import Figure, Goal, ratios
from bench.load import get
from bench.practice import CELL_MINUTES, SERVICE_ID, numbered, practice
from bench.requests import alternating, availability_path, book
from bench.site import FILL_SECONDS, Site, embedded, insert_stored, opened, tomorrow
from bench.sizes import Sizes

WITH_HISTORY = "with_history"
_FORMAT = 1
"""Raised where what is built changes, so that an older one is not taken for it."""
_YEARS = 5
LETTER_EVERY = 4
"""So many past visits have one letter that is kept."""
_BATCH = 5000
_GUESTS = 5000
_SLOWER = Goal("at most", 1.2)


async def built(cache: Path, visits: int) -> tuple[Path, float | None]:
    """A folder of an embedded database with the history, and the seconds it took to build; none
    where an earlier run has built it.
    """
    folder = cache / f"history-{visits}-{_FORMAT}"
    if folder.exists():
        return folder, None
    started = time.perf_counter()
    draft = cache / f"{folder.name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    async with embedded(draft) as uri, opened(uri, WITH_HISTORY) as database:
        async with within(FILL_SECONDS):
            await _write(database, visits)
        # At the end: an index that is kept while so much is written takes many times longer.
        await ensure_indexes(database)
    draft.rename(folder)
    return folder, time.perf_counter() - started


async def _write(database: Database, visits: int) -> None:
    draw = random.Random(visits)  # noqa: S311 - a history, no secret
    pattern = _Pattern(utc_now())
    for since in range(0, visits, _BATCH):
        seen = [pattern.visit(draw) for _ in range(min(_BATCH, visits - since))]
        await insert_stored(database, "appointments", seen)
        letters = [pattern.letter(one) for one in seen[::LETTER_EVERY]]
        await insert_stored(database, "interactions", letters)


class _Pattern:
    """Past visits and the letters about them, as they are stored."""

    def __init__(self, now: datetime) -> None:
        book = practice(5, 3, tomorrow(), 1)
        self._pairs = [(one.id, room.id) for one in book.providers for room in book.chairs]
        self._now = now
        self._visit = _past_visit(book.clinic.timezone, now).to_stored()
        self._letter = _sent_letter(now).to_stored()

    def visit(self, draw: random.Random) -> dict[str, Any]:
        """A completed one of the last five years, without claims."""
        days, cell = draw.randrange(2, 365 * _YEARS), draw.randrange(48)
        at = self._now.replace(minute=0, second=0, microsecond=0)
        at -= timedelta(days=days, minutes=30 * cell)
        booked = at - timedelta(days=draw.randrange(1, 60))
        provider_id, chair_id = draw.choice(self._pairs)
        return {
            **self._visit,
            "_id": new_id(),
            "patient_id": numbered(0, draw.randrange(_GUESTS)),
            "provider_id": provider_id,
            "chair_id": chair_id,
            "appointment_date": at,
            "created_at": booked,
            "updated_at": at,
            "completed_at": at + timedelta(hours=1),
        }

    def letter(self, visit: dict[str, Any]) -> dict[str, Any]:
        """The confirmation of that visit, sent."""
        key, at = new_id(), visit["created_at"]
        return {
            **self._letter,
            "_id": key,
            "patient_id": visit["patient_id"],
            "appointment_id": visit["_id"],
            "dedupe_key": f"appointment:{visit['_id']}:visit_booked:0",
            "timestamp": at,
            "created_at": at,
            "updated_at": at,
            "delivery": {
                **self._letter["delivery"],
                "not_before": at,
                "sent_at": at,
                "provider_message_id": f"<{key}@example.com>",
            },
        }


def _past_visit(zone: str, now: datetime) -> Appointment:
    return Appointment(
        patient_id=new_id(),
        provider_id=new_id(),
        chair_id=new_id(),
        service_id=SERVICE_ID,
        service_name="Check-up",
        appointment_date=now,
        duration_minutes=CELL_MINUTES,
        status=AppointmentStatus.COMPLETED,
        created_from=CreatedFrom.MANUAL_ADMIN,
        completed_at=now,
        reminder_plan=ReminderPlan(rules=f"{zone}:10080,2880,120"),
    )


def _sent_letter(now: datetime) -> Interaction:
    return Interaction(
        patient_id=new_id(),
        appointment_id=new_id(),
        direction=Direction.OUTGOING,
        subject="Your visit is booked",
        content="We look forward to seeing you.",
        timestamp=now,
        delivery=Delivery(
            status=DeliveryStatus.SENT,
            message_class=MessageClass.VISIT_NOTICE,
            attempts=1,
            term=1,
            not_before=now,
            sent_at=now,
        ),
    )


async def polls(past: Site, plain: Site, sizes: Sizes) -> AsyncIterator[Figure]:
    """How many times longer the background's polls take with the history, with nothing to do."""
    for name in ("reconciler", "reminders", "outbox"):
        for one in (past, plain):
            await _poll(one, name)
        long, short = await alternating(
            partial(_poll, past, name), partial(_poll, plain, name), sizes
        )
        yield Figure(f"{name}: a poll with history / without", ratios(long, short))


async def requests(past: Site, plain: Site, sizes: Sizes) -> AsyncIterator[Figure]:
    """How many times longer requests take with the history."""
    path = availability_path()
    await past.load.rate([get(path)] * 8, 200)
    many, more = await alternating(
        partial(_read, past, path, sizes), partial(_read, plain, path, sizes), sizes
    )
    yield Figure("GET /availability with history / without", ratios(more, many), goal=_SLOWER)
    await book(past, 8)
    many, more = await alternating(
        partial(book, past, sizes.bookings), partial(book, plain, sizes.bookings), sizes
    )
    yield Figure("POST /appointments/book with history / without", ratios(more, many), goal=_SLOWER)


async def _read(site: Site, path: str, sizes: Sizes) -> float:
    return await site.load.rate([get(path)] * sizes.reads, 200)


async def _poll(site: Site, name: str) -> float:
    """Seconds that a poll takes."""
    answer = await site.load.json(get(f"{PREFIX}/polls/{name}"))
    return float(answer["seconds"])
