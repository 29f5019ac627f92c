"""The service about itself: what it is, whether it works, what it counted."""

from fastapi import APIRouter, Response

from app import SERVICE_NAME, __version__
from app.api.access import PublicRoute
from app.api.deps import ServicesDep
from app.api.openapi import problems
from app.schemas.root import About, Health, Readiness
from app.services import health
from app.services.metrics import CONTENT_TYPE

router = APIRouter(tags=["service"], route_class=PublicRoute)


@router.get("/", operation_id="about", summary="What answers here")
async def about() -> About:
    """The service's name and version."""
    return About(name=SERVICE_NAME, version=__version__)


@router.get("/health/live", operation_id="health_live", summary="Is the process alive")
async def live() -> Health:
    """Answers as long as the process can answer at all; restart it where this does not."""
    return Health()


@router.get(
    "/health/ready",
    operation_id="health_ready",
    summary="Can it do its work",
    responses=problems(503),
)
async def ready(services: ServicesDep) -> Readiness:
    """503 names the failing `check`: send no traffic until it is gone. `degraded` is none."""
    await health.check_database(services.database)
    address, now = services.outreach.mail_health.address, services.clock.now()
    found = await health.degraded(services.repositories, address, now)
    broken = [health.MODEL_BROKEN] if services.agent.engine.is_broken else []
    return Readiness(degraded=[*broken, *found])


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format.",
            "content": {
                "text/plain": {
                    "schema": {"type": "string"},
                    "example": 'http_requests_total{method="GET",route="/",status="200"} 1.0\n',
                }
            },
        }
    },
)
async def metrics(services: ServicesDep) -> Response:
    """Requests, queues, sends, intents, hand-offs, fall-backs, sweeps. No patient data."""
    health.measure_audit(services.audit.trail, services.clock.now(), services.metrics)
    await health.measure_queues(services.repositories, services.clock.now(), services.metrics)
    return Response(services.metrics.render(), media_type=CONTENT_TYPE)
