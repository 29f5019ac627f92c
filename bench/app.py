"""The measured process: the service as it is, with routes beside it to compare it with.

`python -m bench.app` with the service's settings in the environment. No loop runs in the
background.
"""

import contextlib
import itertools
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.access import PublicRoute
from app.api.deps import ServicesDep
from app.core.access import Access
from app.core.config import Settings
from app.core.interpreter import keep_for_good, take_short_turns
from app.core.logging import configure_logging
from app.db.database import UNAVAILABLE_ERRORS
from app.main import create_app
from app.schemas.patients import PatientList
from app.services.audit.trail import AuditTrail, Deed
from app.services.container import Services
from app.serving import run_server
from bench.replay import Trip, send, unpacked
from bench.stopwatch import Stopwatch

PREFIX = "/api/v1/bench"
BARE = "/bare"
"""Where a FastAPI application without any of ours answers, in the same process."""
_POLLED_SECONDS = 0.2


@dataclass
class Reference:
    """What a reference route sends to the database, request by request, and what it answers."""

    replays: Iterator[list[Trip]]
    answer: bytes
    status: int
    typed: PatientList | None = None


class ReferenceFile(BaseModel):
    """Where the commands of a reference route are."""

    path: Path
    repeats: bool


class CpuParts(BaseModel):
    """CPU seconds between two looks, of the whole process and of our parts of it."""

    process: float
    parts: dict[str, float]


class Hello(BaseModel):
    """The least there is to answer."""

    status: str = "ok"


class PollTime(BaseModel):
    """Seconds that a call took, the median of some."""

    seconds: float


class Measured:
    """What the routes beside the service keep."""

    def __init__(self) -> None:
        self.references: dict[str, Reference] = {}
        self.stopwatch = Stopwatch()

    def switch(self, trail: AuditTrail, *, is_on: bool) -> None:
        """Have the service record what is done, or not."""
        if is_on:
            vars(trail).pop("leave", None)
        else:
            vars(trail)["leave"] = _forget


def routes(measured: Measured) -> APIRouter:
    """The routes beside the service's."""
    router = APIRouter(prefix=PREFIX, route_class=PublicRoute)
    _add_comparisons(router, measured)

    @router.put("/references/{name}", status_code=204)
    async def load_reference(name: str, file: ReferenceFile) -> None:
        content = unpacked(file.path.read_bytes())
        replays = itertools.cycle(content["replays"]) if file.repeats else iter(content["replays"])
        answer = content["answer"]
        typed = PatientList.model_validate_json(answer) if name == "patient-list" else None
        measured.references[name] = Reference(replays, answer, content["status"], typed)

    @router.api_route("/references/{name}", methods=["GET", "POST"])
    async def reference(name: str, request: Request, services: ServicesDep) -> Response:
        await request.body()
        wanted = measured.references[name]
        await send(services.database, next(wanted.replays))
        return Response(wanted.answer, wanted.status, media_type="application/json")

    @router.get("/references/typed/{name}")
    async def typed_reference(name: str, services: ServicesDep) -> PatientList:
        wanted = measured.references[name]
        await send(services.database, next(wanted.replays))
        assert wanted.typed is not None  # noqa: S101 - loaded before it is asked for
        return wanted.typed

    @router.post("/stopwatch", status_code=204)
    async def start_stopwatch() -> None:
        measured.stopwatch.start()

    @router.get("/stopwatch")
    async def stop_stopwatch() -> CpuParts:
        measured.stopwatch.stop()
        return CpuParts(process=measured.stopwatch.process, parts=measured.stopwatch.parts)

    @router.get("/polls/{name}")
    async def poll(name: str, services: ServicesDep) -> PollTime:
        work, taken = polls(services)[name], list[float]()
        while sum(taken) < _POLLED_SECONDS:
            taken.append(await _seconds(work))
        return PollTime(seconds=median(taken))

    return router


def _add_comparisons(router: APIRouter, measured: Measured) -> None:
    """What a request costs by itself, and what the audit log adds."""

    @router.get("/hello")
    async def hello() -> Hello:
        return Hello()

    @router.post("/audit/{state}", status_code=204)
    async def switch_audit(state: Literal["on", "off"], services: ServicesDep) -> None:
        measured.switch(services.audit.trail, is_on=state == "on")


def polls(services: Services) -> dict[str, Callable[[], Awaitable[Any]]]:
    """What the background does again and again, whether there is work or not."""
    return {
        "reconciler": services.scheduling.effects.reconcile,
        "reminders": services.scheduling.reminders.queue_due,
        "outbox": services.outreach.sender.work_off,
    }


async def _forget(_access: Access, _deed: Deed) -> None:
    """In place of a record: what it would say is taken, and that is all."""
    _access.take()


async def _seconds(work: Callable[[], Awaitable[Any]]) -> float:
    """How long it took. One that the driver gave up counts as long as it was let run."""
    started = time.perf_counter()
    with contextlib.suppress(*UNAVAILABLE_ERRORS):
        await work()
    return time.perf_counter() - started


def measured_app(settings: Settings) -> FastAPI:
    """The service with the routes beside it, which are tried first: looking for a route costs
    time, and the references must not be the ones that pay for it.
    """
    app = create_app(settings, background=False, loaded=keep_for_good)
    table, ours = app.router.routes, len(app.router.routes)
    app.include_router(routes(Measured()))
    table[:] = [*table[ours:], *table[:ours]]
    return app


def bare_app() -> FastAPI:
    """What FastAPI costs by itself, a router that is included (as in any application of more than
    one file) among it.
    """
    app, router = FastAPI(openapi_url=None), APIRouter(prefix=BARE)

    @router.get("/hello")
    async def hello() -> Hello:
        return Hello()

    app.include_router(router)
    return app


class Beside:
    """Two applications in one process: requests for the bare one never see the other."""

    def __init__(self, app: ASGIApp, bare: ASGIApp) -> None:
        self._app = app
        self._bare = bare

    async def __call__(self, scope: Scope, receive: Receive, send_: Send) -> None:
        """See ASGI."""
        is_bare = scope["type"] == "http" and scope["path"].startswith(BARE)
        await (self._bare if is_bare else self._app)(scope, receive, send_)


def main() -> None:
    """Serve until a signal, as `python -m app serve` does."""
    settings = Settings()
    configure_logging(settings.log_level)
    take_short_turns()
    listener = socket.create_server((settings.host, settings.port))
    run_server(Beside(measured_app(settings), bare_app()), listener, ())


if __name__ == "__main__":
    main()
