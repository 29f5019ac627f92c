"""Where the parts are put together: one `Services` a process."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.core.clock import Clock
from app.core.config import Settings
from app.db.database import Database
from app.db.indexes import ensure_indexes
from app.db.repositories import Repositories
from app.services.metrics import Metrics
from app.services.security import SecurityService
from app.services.signing_key import load_signing_key
from app.services.tokens import LinkTokens


@dataclass(frozen=True)
class Services:
    """Everything a request, a job or a command can ask for."""

    settings: Settings
    clock: Clock
    database: Database
    repositories: Repositories
    security: SecurityService
    tokens: LinkTokens
    metrics: Metrics

    def close(self) -> None:
        """Let go of threads and connections."""
        self.security.close()
        self.database.close()


async def build_services(settings: Settings, clock: Clock, metrics: Metrics) -> Services:
    """Connect, bring the indexes up to date and put the parts together."""
    uri = settings.mongo_uri.get_secret_value() if settings.mongo_uri else ""
    database = Database(uri, settings.database_name)
    await ensure_indexes(database)
    repositories = Repositories.over(database, clock)
    key = load_signing_key(settings)
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        repositories=repositories,
        security=SecurityService(repositories.staff, settings, key, clock),
        tokens=LinkTokens(key, settings.jwt_algorithm, clock),
        metrics=metrics,
    )


@contextlib.asynccontextmanager
async def running_services(
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    *,
    background: bool,  # noqa: ARG001
) -> AsyncIterator[Services]:
    """Services from the first request to the last; with `background`, their loops too."""
    services = await build_services(settings, clock, metrics)
    try:
        yield services
    finally:
        services.close()
