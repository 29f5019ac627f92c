"""Where the parts are put together: one `Services` a process."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

from app.core.clock import Clock
from app.core.config import Settings
from app.db.database import Database
from app.db.embedded import EmbeddedDatabase
from app.db.indexes import ensure_indexes
from app.db.repositories import Repositories
from app.services.audit.office import AuditOffice
from app.services.bootstrap import Bootstrap
from app.services.demo.loader import DemoLoader
from app.services.departments import Agent, Desk, Outreach, Scheduling, Waiting
from app.services.foundation import Foundation
from app.services.imports.department import Imports
from app.services.jobs import Jobs
from app.services.metrics import Metrics
from app.services.office import StaffOffice
from app.services.post import Post
from app.services.retention.office import RetentionOffice
from app.services.security import SecurityService
from app.services.sessions import Sessions
from app.services.tokens import LinkTokens


@dataclass(frozen=True)
class Services:
    """Everything a request, a job or a command can ask for."""

    base: Foundation
    scheduling: Scheduling
    waiting: Waiting
    outreach: Outreach
    agent: Agent
    post: Post | None
    desk: Desk
    imports: Imports
    staff: StaffOffice
    audit: AuditOffice
    retention: RetentionOffice
    jobs: Jobs
    bootstrap: Bootstrap

    @classmethod
    def build(cls, settings: Settings, clock: Clock, metrics: Metrics, uri: str) -> Self:
        """Put the parts together. Raises `MailConfigurationError`."""
        base = Foundation.build(settings, clock, metrics, uri)
        scheduling = Scheduling.build(base)
        outreach = Outreach.build(base)
        post = Post.build(base)
        retention = RetentionOffice.build(base)
        demo = DemoLoader(
            repositories=base.repositories,
            clinic=base.clinic,
            directory=scheduling.directory,
            availability=scheduling.availability,
            booking=scheduling.booking,
            clock=clock,
        )
        audit = AuditOffice.build(base)
        agent = Agent.build(base, outreach, post, scheduling.availability, audit.trail)
        desk = Desk.build(base, scheduling, outreach, agent.agent)
        return cls(
            base=base,
            scheduling=scheduling,
            waiting=Waiting.build(base, scheduling),
            outreach=outreach,
            agent=agent,
            post=post,
            desk=desk,
            imports=Imports.build(base, scheduling.directory, scheduling.effects, outreach.alerts),
            staff=StaffOffice.build(base, outreach.alerts),
            audit=audit,
            retention=retention,
            jobs=Jobs(
                sweeps=outreach.sweeps,
                proactive=outreach.proactive,
                effects=scheduling.effects,
                unsettled=scheduling.unsettled,
                alerts=outreach.alerts,
                mailbox=post.sync if post else None,
                watch=post.watch if post else None,
                mail_health=outreach.mail_health,
                reminders=scheduling.reminders,
                merging=desk.merging,
                events=base.event_log,
                retention=retention,
                clock=clock,
            ),
            bootstrap=Bootstrap(
                settings=settings,
                repositories=base.repositories,
                security=base.security,
                demo=demo,
                leases=base.leases,
            ),
        )

    @property
    def settings(self) -> Settings:
        """What the operator set."""
        return self.base.settings

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.base.clock

    @property
    def repositories(self) -> Repositories:
        """Every query."""
        return self.base.repositories

    @property
    def database(self) -> Database:
        """The connection."""
        return self.base.database

    @property
    def metrics(self) -> Metrics:
        """What is counted."""
        return self.base.metrics

    @property
    def security(self) -> SecurityService:
        """Signing in."""
        return self.base.security

    @property
    def sessions(self) -> Sessions:
        """Staying signed in."""
        return self.base.sessions

    @property
    def tokens(self) -> LinkTokens:
        """The tokens of links."""
        return self.base.tokens

    def close(self) -> None:
        """Let go of threads and connections."""
        self.agent.engine.close()
        self.base.security.close()
        self.base.database.close()


@contextlib.asynccontextmanager
async def database_uri(settings: Settings) -> AsyncIterator[str]:
    """Where the database is. An embedded one is started first and stopped last."""
    if settings.mongo_uri is not None:
        yield settings.mongo_uri.get_secret_value()
        return
    embedded = EmbeddedDatabase(settings.data_dir)
    try:
        yield await embedded.start()
    finally:
        await embedded.stop()


@contextlib.asynccontextmanager
async def running_services(
    settings: Settings, clock: Clock, metrics: Metrics
) -> AsyncIterator[Services]:
    """Services over a database whose indexes are in place, from first to last use.

    Raises `MailConfigurationError`, and what starting the embedded database raises.
    """
    async with database_uri(settings) as uri:
        services = Services.build(settings, clock, metrics, uri)
        try:
            await ensure_indexes(services.database)
            services.audit.trail.start()
            yield services
        finally:
            await services.audit.trail.close()
            if services.base.gmail is not None:
                await services.base.gmail.client.close()
            if services.base.relay is not None:
                await services.base.relay.close()
            if services.agent.model is not None:
                await services.agent.model.close()
            services.close()
