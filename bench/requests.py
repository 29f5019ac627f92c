"""Requests against reference routes that make the same database calls and answer the same bytes."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import httpx
from asgi_lifespan import LifespanManager

from app.core.clock import utc_now
from app.core.config import Settings
from app.main import create_app
from app.models.base import PyObjectId
from app.models.campaign import CampaignStatus
from bench.app import PREFIX
from bench.figures import Figure, Goal, shares
from bench.load import get, post
from bench.practice import SERVICE_ID, Place
from bench.recording import Command, CommandRecorder, fewest_trips, of_the_request
from bench.replay import Booking, Rebooking, packed, to_trips
from bench.site import SETTINGS, Site, tomorrow
from bench.sizes import BOOKINGS_RECORDED, WARM_UP, Sizes

BOOK = "/api/v1/appointments/book"
REFERENCE = f"{PREFIX}/references"
_READS_RECORDED = 10


class ReplayError(Exception):
    """A reference route did not do what the service did: the comparison would be none."""


def availability_path() -> str:
    """The first whole month that is half booked."""
    month = next_month(tomorrow())
    return f"/api/v1/availability?month={month.month}&year={month.year}&service_id={SERVICE_ID}"


def next_month(day: date) -> date:
    """The first of the month after the one that `day` is in; `day` itself where it is a first."""
    return day if day.day == 1 else (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def booking_body(booking: Booking) -> dict[str, Any]:
    """What the booking site sends."""
    patient = booking.guest.patient
    return {
        "name": patient.name,
        "email": patient.email,
        "phone": patient.phone,
        "appointment_date": booking.place.starts_at.isoformat(),
        "service_id": SERVICE_ID,
    }


@contextlib.asynccontextmanager
async def recorded_service(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """The same service on the same database in this process, where its commands can be seen."""
    given: dict[str, Any] = {name.lower(): value for name, value in SETTINGS.items()}
    given |= {"mongo_uri": site.uri, "database_name": site.name, "data_dir": site.folder / "seen"}
    settings = Settings(_env_file=None, **given)
    async with LifespanManager(create_app(settings, background=False)) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
            yield client


# Availability


async def availability(
    site: Site, recorder: CommandRecorder, sizes: Sizes
) -> AsyncIterator[Figure]:
    """A month's free times, against the same database calls, and our part of its CPU time."""
    path = availability_path()
    recordings = []
    async with recorded_service(site) as client:
        for _ in range(_READS_RECORDED):
            with recorder.recording() as commands:
                (await client.get(path)).raise_for_status()
            recordings.append(commands)
    trips = fewest_trips(recordings)
    answer = await site.load.one(get(path))
    await load_reference(site, "availability", packed([to_trips(trips)], answer, 200), repeats=True)
    reference = f"{REFERENCE}/availability"
    if await site.load.one(get(reference)) != answer:
        message = "The reference route answers something else."
        raise ReplayError(message)

    async def ours() -> float:
        return await site.load.rate([get(path)] * sizes.reads, 200)

    async def theirs() -> float:
        return await site.load.rate([get(reference)] * sizes.reads, 200)

    await site.load.rate([get(path), get(reference)] * WARM_UP, 200)
    yield share_of_rate("GET /availability, a month", await alternating(ours, theirs, sizes))
    for part in await _cpu_parts(site, path, sizes):
        yield part
    for figure in trip_figures(trips, 2):
        yield figure


async def _cpu_parts(site: Site, path: str, sizes: Sizes) -> list[Figure]:
    """Per cent of the request's CPU time in each of our parts, and together."""
    found: dict[str, list[float]] = {"engine": [], "serialising": []}
    for _ in range(sizes.rounds):
        await site.load.one(post(f"{PREFIX}/stopwatch", {}), 204)
        for _ in range(max(1, sizes.reads // 4)):
            await site.load.one(get(path))
        cpu = await site.load.json(get(f"{PREFIX}/stopwatch"))
        if not cpu["parts"]["engine"]:
            message = "The engine was not seen at work."
            raise ReplayError(message)
        for name, parts in found.items():
            parts.append(100 * cpu["parts"][name] / cpu["process"])
    together = [sum(parts) for parts in zip(*found.values(), strict=True)]
    return [
        *(
            Figure(f"  {name} / CPU time of the request", parts, " %")
            for name, parts in found.items()
        ),
        Figure("  both / CPU time of the request", together, " %", Goal("at most", 30)),
    ]


# Booking


async def booking(site: Site, recorder: CommandRecorder, sizes: Sizes) -> AsyncIterator[Figure]:
    """Booking by a known patient with an active campaign, against the same database calls."""
    trips, rebooking, answer = await _recorded_booking(site, recorder)

    async def ours() -> float:
        return await book(site, sizes.bookings)

    async def theirs() -> float:
        return await _rebook(site, rebooking, answer, sizes.bookings)

    before = await _written(site)
    await book(site, WARM_UP)
    between = await _written(site)
    await _rebook(site, rebooking, answer, WARM_UP)
    after = await _written(site)
    if _grown(before, between) != _grown(between, after):
        message = "The reference route writes something else."
        raise ReplayError(message)
    yield share_of_rate("POST /appointments/book", await alternating(ours, theirs, sizes))
    for figure in trip_figures(trips, 7):
        yield figure


async def book(site: Site, number: int) -> float:
    """Book so many visits; how many a second."""
    wanted = site.take(number, site.bookings)
    return await site.load.rate([post(BOOK, booking_body(one)) for one in wanted], 201)


async def _rebook(site: Site, rebooking: Rebooking, answer: bytes, number: int) -> float:
    """Replay so many bookings; how many a second."""
    wanted = site.take(number, site.replayed)
    replays = [rebooking.commands_of(one) for one in wanted]
    await load_reference(site, "booking", packed(replays, answer, 201), repeats=False)
    path = f"{REFERENCE}/booking"
    return await site.load.rate([post(path, booking_body(one)) for one in wanted], 201)


async def _recorded_booking(
    site: Site, recorder: CommandRecorder
) -> tuple[list[list[Command]], Rebooking, bytes]:
    """The trips of one booking, how to make another of them, and its answer."""
    found: list[tuple[list[Command], Booking, bytes]] = []
    async with recorded_service(site) as client:
        for booking in site.take(BOOKINGS_RECORDED, site.bookings):
            with recorder.recording() as commands:
                answer = await client.post(BOOK, json=booking_body(booking))
            found.append((of_the_request(commands), booking, answer.raise_for_status().content))
    trips = fewest_trips([commands for commands, _, _ in found])
    chosen = {id(command) for trip in trips for command in trip}
    commands, booking, content = next(one for one in found if id(one[0][0]) in chosen)
    taken = Booking(booking.guest, _place_taken(commands))
    return trips, Rebooking(to_trips(trips), taken, utc_now()), content


def _place_taken(commands: Sequence[Command]) -> Place:
    """Where the recorded booking went."""
    written = (
        command.body["documents"][0]
        for command in commands
        if (command.name, command.collection) == ("insert", "appointments")
    )
    visit = next(written)
    pair: Sequence[PyObjectId] = (visit["provider_id"], visit["chair_id"])
    return Place(visit["appointment_date"], *pair)


async def _written(site: Site) -> list[int]:
    """What bookings leave behind."""
    visits = site.database.collection("appointments")
    letters = site.database.collection("interactions")
    campaigns = site.database.collection("campaigns")
    return [
        await visits.count_documents({"created_from": "AI_AGENT_FORM"}),
        await visits.count_documents({"pending_event": {"$exists": True}}),
        await letters.count_documents({}),
        await campaigns.count_documents({"status": CampaignStatus.BOOKING_INITIATED}),
    ]


def _grown(before: Sequence[int], after: Sequence[int]) -> list[int]:
    return [now - then for then, now in zip(before, after, strict=True)]


# Both


async def load_reference(site: Site, name: str, content: bytes, *, repeats: bool) -> None:
    """Give the measured process the commands of a reference route."""
    file = site.folder / f"{name}.bson"
    file.write_bytes(content)
    wanted = {"path": str(file), "repeats": repeats}
    request = post(f"{REFERENCE}/{name}", wanted).replace(b"POST", b"PUT", 1)
    await site.load.one(request, 204)


async def alternating(
    ours: Callable[[], Any], theirs: Callable[[], Any], sizes: Sizes
) -> tuple[list[float], list[float]]:
    """What both measured in each round; who begins takes turns, so that neither runs warmer."""
    measured: tuple[list[float], list[float]] = ([], [])
    for number in range(sizes.rounds):
        order = [(measured[0], ours), (measured[1], theirs)]
        for values, measure in order if number % 2 else reversed(order):
            values.append(await measure())
    return measured


def share_of_rate(name: str, rates: tuple[list[float], list[float]]) -> Figure:
    """Requests a second as per cent of the reference's."""
    title = f"{name}: requests a second / reference"
    return Figure(title, shares(*rates), " %", Goal("at least", 70))


def trip_figures(trips: Sequence[Sequence[Command]], goal: int) -> Iterator[Figure]:
    """The commands, the round trips they take, and what belongs to each."""
    yield Figure("  database commands", [sum(map(len, trips))], "")
    yield Figure("  sequential round trips", [len(trips)], "", Goal("at most", goal))
    for number, trip in enumerate(trips, 1):
        named = ", ".join(sorted(f"{one.name} {one.collection}" for one in trip))
        yield Figure(f"    commands of trip {number}: {named}", [len(trip)], "")
