"""The admin API against routes that make the same database calls, what surrounds every request, and
what the audit log costs.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import httpx

from bench.app import BARE, PREFIX
from bench.figures import Figure, Goal, ratios, shares
from bench.load import get, patch, post
from bench.recording import Command, CommandRecorder, fewest_trips, of_the_request
from bench.replay import packed, to_trips
from bench.requests import (
    REFERENCE,
    ReplayError,
    alternating,
    load_reference,
    recorded_service,
    trip_figures,
)
from bench.site import SETTINGS, Site
from bench.sizes import WARM_UP, Sizes

PATIENTS = "/api/v1/admin/patients"
LIST = f"{PATIENTS}?limit=50"
HELLO = "/hello"
_RECORDED = 10
_LOGIN = {
    "username": SETTINGS["FIRST_ADMIN_EMAIL"],
    "password": SETTINGS["FIRST_ADMIN_PASSWORD"],
}


async def administration(
    site: Site, recorder: CommandRecorder, sizes: Sizes
) -> AsyncIterator[Figure]:
    """What surrounds a request, a list, one patient, and the audit log."""
    yield await _surroundings(site, sizes)
    token = token_in(await site.load.json(login()))
    one = f"{PATIENTS}/{await _some_patient(site, token)}"
    async for figure in _against(site, recorder, sizes, (LIST, "patient-list", 80, 4), token):
        yield figure
    async for figure in _against(site, recorder, sizes, (one, "patient", 75, 3), token):
        yield figure
    yield await _audit_cost(site, sizes, "GET one patient", get(one, token))
    yield await _audit_cost(site, sizes, "GET 50 patients", get(LIST, token))
    change = patch(one, {"language": "en"}, token)
    yield await _audit_cost(site, sizes, "PATCH one patient", change)


async def _surroundings(site: Site, sizes: Sizes) -> Figure:
    """The same function of a bare FastAPI application in the same process, and of ours."""

    async def rate(path: str) -> float:
        return await site.load.rate([get(path)] * (sizes.reads * 4), 200)

    async def ours() -> float:
        return await rate(f"{PREFIX}{HELLO}")

    async def theirs() -> float:
        return await rate(f"{BARE}{HELLO}")

    await site.load.rate([get(f"{PREFIX}{HELLO}"), get(f"{BARE}{HELLO}")] * WARM_UP, 200)
    found = await alternating(ours, theirs, sizes)
    title = "All middleware around a hello: requests a second / bare FastAPI"
    return Figure(title, shares(*found), " %", Goal("at least", 60))


def login() -> bytes:
    """An administrator's sign-in as it goes over the wire."""
    body = urlencode(_LOGIN).encode()
    head = (
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: bench\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def token_in(answer: Mapping[str, Any]) -> str:
    """The access token of an answer to it."""
    return str(answer["access_token"])


async def _some_patient(site: Site, token: str) -> str:
    page = await site.load.json(get(f"{PATIENTS}?limit=1", token))
    return str(page["patients"][0]["patient_id"])


async def _against(
    site: Site,
    recorder: CommandRecorder,
    sizes: Sizes,
    what: tuple[str, str, float, int],
    token: str,
) -> AsyncIterator[Figure]:
    """One operation against the same database calls; `what`: path, name, goals of share and of
    round trips.
    """
    path, name, share, most_trips = what
    is_typed = name == "patient-list"
    trips = await _trips(site, recorder, path)
    answer = await site.load.one(get(path, token))
    await load_reference(site, name, packed([to_trips(trips)], answer, 200), repeats=True)
    reference = f"{REFERENCE}/typed/{name}" if is_typed else f"{REFERENCE}/{name}"
    if await site.load.one(get(reference)) != answer:
        message = "The reference route answers something else."
        raise ReplayError(message)

    async def ours() -> float:
        return await site.load.rate([get(path, token)] * sizes.reads, 200)

    async def theirs() -> float:
        return await site.load.rate([get(reference)] * sizes.reads, 200)

    await site.load.rate([get(path, token), get(reference)] * WARM_UP, 200)
    found = await alternating(ours, theirs, sizes)
    title = f"GET {name}: requests a second / reference"
    yield Figure(title, shares(*found), " %", Goal("at least", share))
    for figure in trip_figures(trips, most_trips):
        yield figure


async def _trips(site: Site, recorder: CommandRecorder, path: str) -> Sequence[Sequence[Command]]:
    """What the operation asks the database; what the audit log writes later is not waited for."""
    recordings = []
    async with recorded_service(site) as client:
        headers = await _headers(client)
        for _ in range(_RECORDED):
            with recorder.recording() as commands:
                (await client.get(path, headers=headers)).raise_for_status()
            recordings.append(of_the_request(commands))
    return fewest_trips(recordings)


async def _headers(client: httpx.AsyncClient) -> dict[str, str]:
    answer = await client.post("/api/v1/auth/login", data=_LOGIN)
    return {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}


async def _audit_cost(site: Site, sizes: Sizes, name: str, request: bytes) -> Figure:
    """How many times longer a request takes because it is recorded."""

    async def rate(state: str) -> float:
        await site.load.one(post(f"{PREFIX}/audit/{state}", {}), 204)
        return await site.load.rate([request] * sizes.reads, 200)

    async def kept() -> float:
        return await rate("on")

    async def not_kept() -> float:
        return await rate("off")

    recorded, bare = await alternating(kept, not_kept, sizes)
    await site.load.one(post(f"{PREFIX}/audit/on", {}), 204)
    return Figure(f"{name}: time with the audit log / without", ratios(bare, recorded))
