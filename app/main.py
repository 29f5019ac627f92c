"""The application: `create_app()` puts HTTP around the services."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypedDict

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from app import SERVICE_NAME, __version__
from app.api.access import check_access
from app.api.audit import AuditMiddleware
from app.api.errors import ProblemRenderer, install_error_handlers
from app.api.middleware import (
    REQUEST_ID_HEADER,
    BodyLimitMiddleware,
    BodyLimits,
    FailureMiddleware,
    HeadMiddleware,
    RequestContextMiddleware,
    SecurityHeadersMiddleware,
)
from app.api.nesting import NestingLimitMiddleware
from app.api.openapi import Api
from app.api.pages import router as pages
from app.api.routes import RouteTable
from app.api.v1.endpoints import root
from app.api.v1.router import router
from app.core.clock import Clock, SystemClock
from app.core.config import Settings
from app.core.interpreter import take_short_turns
from app.scheduler import build_scheduler
from app.services.container import Services, running_services
from app.services.metrics import Metrics
from app.services.work import WorkerLoop

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""How long work stored by another process can wait; our own wakes the loops at once."""

WAITLIST_POLL_SECONDS = 60.0
"""How long time that frees up without a change of a visit (time off, hours) waits to be offered."""

DESCRIPTION = """
Wins back patients who asked and never came, and those who are due again: writes to them, answers
them, hands them to a person where it should, and books them.

Times are answered in UTC. Errors are `application/problem+json` (RFC 9457). Every response carries
`X-Request-ID`.
"""

TAGS = [
    {"name": "service", "description": "The service about itself."},
    {"name": "auth", "description": "Signing in."},
    {"name": "public", "description": "For patients and the booking page; no sign-in."},
    {"name": "manage", "description": "One visit, by the link in its confirmation; no sign-in."},
    {"name": "waitlist", "description": "Waiting for a time to free up, and who waits."},
    {"name": "webhooks", "description": "Incoming messages."},
    {"name": "dashboard", "description": "The practice's figures, each with its definition."},
    {"name": "campaigns", "description": "Whom the practice tries to win back, and how it goes."},
    {"name": "hand-offs", "description": "What waits for a person."},
    {"name": "messages", "description": "Conversations, and what became of each message."},
    {"name": "patients", "description": "Who they are and whether they want to hear from us."},
    {"name": "appointments", "description": "Visits, booked by patients and by staff."},
    {"name": "imports", "description": "Files of the practice's own system, and what they left."},
    {"name": "schedule settings", "description": "What free times are computed from."},
    {"name": "knowledge", "description": "What the agent may answer from."},
    {"name": "events", "description": "What happens, as it happens."},
    {"name": "staff", "description": "Who signs in, and what they may do."},
    {"name": "audit", "description": "Who saw or changed which patient's data."},
    {"name": "sweeps", "description": "Runs that find who is due, and start campaigns."},
]


SITE = APIRouter()
"""Every route. The applications of a process share them: FastAPI works out at first use what each
needs, and keeps that with the routes. (An application's `dependency_overrides` is empty for them.)
"""
SITE.include_router(root.router)
SITE.include_router(router)
SITE.include_router(pages.router)


class LifespanState(TypedDict):
    """What requests find on `request.state`."""

    services: Services


def _keep_quiet(_notice: str) -> None:
    """Nobody sits at a terminal."""


def _do_nothing() -> None:
    """Nothing depends on what has been loaded."""


@contextlib.asynccontextmanager
async def background_work(
    services: Services, *, loaded: Callable[[], None] = _do_nothing
) -> AsyncIterator[None]:
    """The workers and the schedule of this process. Ends in order: no new work, then the rest.

    `loaded` is called once the agent's models are.
    """
    trail = services.audit.trail
    loops = [
        WorkerLoop(
            "inbound",
            services.agent.inbound.work_off,
            services.base.inbound_signal,
            poll_seconds=POLL_SECONDS,
            finish=services.agent.inbound.finish,
            has_more=lambda: services.agent.inbound.is_behind,
        ),
        WorkerLoop(
            "outbox",
            partial(trail.watched, "outbox", services.outreach.sender.work_off),
            services.base.outbox_signal,
            poll_seconds=POLL_SECONDS,
        ),
        WorkerLoop(
            "waitlist",
            partial(trail.watched, "waitlist", services.waiting.offers.offer_freed_time),
            services.base.waitlist_signal,
            poll_seconds=WAITLIST_POLL_SECONDS,
        ),
        WorkerLoop(
            "imports",
            partial(trail.watched, "imports", services.imports.processor.work_off),
            services.imports.signal,
            poll_seconds=POLL_SECONDS,
        ),
    ]
    scheduler = build_scheduler(services, services.jobs, await services.base.clinic.current())
    take_short_turns()
    warm_up = asyncio.create_task(_warm_up(services, loaded), name="engine-warm-up")
    warm_up.add_done_callback(_note_failed_warm_up)
    for loop in loops:
        loop.start()
    services.base.event_hub.open()
    scheduler.start()
    try:
        yield
    finally:
        services.base.event_hub.close()
        scheduler.shutdown(wait=False)
        warm_up.cancel()
        await asyncio.gather(*(loop.stop() for loop in loops))
        await services.outreach.sweeps.close()


async def _warm_up(services: Services, loaded: Callable[[], None]) -> None:
    await asyncio.to_thread(services.base.composer.warm_up)
    await services.agent.engine.warm_up()
    loaded()


def _note_failed_warm_up(task: asyncio.Task[None]) -> None:
    """The first reply tries again; until then somebody should know."""
    if not task.cancelled() and (error := task.exception()):
        logger.error("engine not loaded", exc_info=error)


def create_app(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    background: bool = True,
    announce: Callable[[str], None] = _keep_quiet,
    loaded: Callable[[], None] = _do_nothing,
) -> FastAPI:
    """The application. `settings` come from the environment where none are given.

    Without `background` no loop and no schedule runs: a test works the queues off itself.
    `announce` is given what only the person at the terminal may see (a generated password).
    `loaded` is called whenever much that stays has been loaded: once the service is ready to
    answer, and once the agent's models are there.
    """
    chosen = settings or Settings()
    metrics = Metrics()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[LifespanState]:
        check_access(app)
        async with contextlib.AsyncExitStack() as stack:
            running = running_services(chosen, clock or SystemClock(), metrics)
            services = await stack.enter_async_context(running)
            for notice in await services.bootstrap.run():
                announce(notice)
            if background:
                await stack.enter_async_context(background_work(services, loaded=loaded))
            loaded()
            yield {"services": services}

    app = Api(
        routes=SITE.routes,
        title=SERVICE_NAME,
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        redirect_slashes=False,
        # What it would report of a request holds its address, and so ids and tokens.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        # The documentation is for whoever builds on the service, not for whoever finds it.
        openapi_url="/openapi.json" if chosen.shows_api_docs else None,
    )
    routes = RouteTable(app.routes)
    renderer = ProblemRenderer(chosen.base_url, routes)
    install_error_handlers(app, renderer)
    _add_middleware(app, chosen, renderer, routes, metrics)
    return app


def _add_middleware(
    app: FastAPI,
    settings: Settings,
    renderer: ProblemRenderer,
    routes: RouteTable,
    metrics: Metrics,
) -> None:
    """From the inside out: what is added last sees a request first and an answer last."""
    app.add_middleware(AuditMiddleware, routes=routes, renderer=renderer)
    app.add_middleware(NestingLimitMiddleware)
    app.add_middleware(BodyLimitMiddleware, renderer=renderer, limits=BodyLimits())
    app.add_middleware(FailureMiddleware, renderer=renderer)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Last-Event-ID",
                REQUEST_ID_HEADER,
            ],
            expose_headers=[REQUEST_ID_HEADER, "Retry-After"],
        )
    app.add_middleware(SecurityHeadersMiddleware, https_only=settings.is_production)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(RequestContextMiddleware, routes=routes, metrics=metrics)
