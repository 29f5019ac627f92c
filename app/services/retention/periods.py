"""What has been kept for its time goes: once a day, a few documents at a time.

One replica does it; a run that is cut short leaves the rest for the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from app.core.clock import Clock
from app.core.config import Settings
from app.db.repositories import Repositories
from app.db.repositories.base import VALUES_AT_ONCE
from app.db.repositories.retention import Expired
from app.models.base import PyObjectId
from app.services.leases import HeldLease, Leases

LEASE = "retention"
BATCH = VALUES_AT_ONCE


@dataclass(frozen=True)
class RetentionCounts:
    """How many documents were cleared or removed, or would be."""

    raw_mail: int = 0
    messages: int = 0
    campaigns: int = 0
    imports: int = 0
    audit_entries: int = 0

    def as_facts(self) -> dict[str, int]:
        """For a line of JSON."""
        return asdict(self)


class RetentionPeriods:
    """Keeps the periods of the settings."""

    def __init__(
        self, repositories: Repositories, leases: Leases, settings: Settings, clock: Clock
    ) -> None:
        self._repositories = repositories
        self._leases = leases
        self._settings = settings
        self._clock = clock

    async def due(self) -> RetentionCounts:
        """What a run would clear or remove now."""
        retention, audit = self._repositories.retention, self._repositories.audit
        settings = self._settings
        before = self._ago(settings.keep_campaigns_days)
        return RetentionCounts(
            raw_mail=await retention.raw_mail(self._ago(settings.keep_raw_mail_days)).count(),
            messages=await retention.messages(before).count(),
            campaigns=await retention.campaigns(before).count(),
            imports=await retention.imports(self._ago(settings.keep_imports_days)).count(),
            audit_entries=await audit.count_before(self._ago(settings.keep_audit_days)),
        )

    async def run(self) -> RetentionCounts | None:
        """Do it; `None` where another replica is at it. Raises `LeaseLostError`."""
        async with self._leases.hold(LEASE) as held:
            return None if held is None else await self._run(held)

    async def _run(self, held: HeldLease) -> RetentionCounts:
        retention, settings = self._repositories.retention, self._settings
        raw_mail = retention.raw_mail(self._ago(settings.keep_raw_mail_days))
        before = self._ago(settings.keep_campaigns_days)
        messages, campaigns = retention.messages(before), retention.campaigns(before)
        imports = retention.imports(self._ago(settings.keep_imports_days))
        return RetentionCounts(
            raw_mail=await _batches(held, raw_mail, retention.clear_raw_mail),
            messages=await _batches(held, messages, retention.clear_messages),
            campaigns=await _batches(held, campaigns, retention.clear_campaigns),
            imports=await _batches(held, imports, retention.remove_imports),
            audit_entries=await self._audit(held, self._ago(settings.keep_audit_days)),
        )

    async def _audit(self, held: HeldLease, before: datetime) -> int:
        """From the beginning of each chain, so that the rest still holds together."""
        audit = self._repositories.audit
        done = 0
        for writer in await audit.writers():
            while (last := await audit.removable(writer, before, BATCH)) is not None:
                held.check()
                done += await audit.remove_up_to(last)
        return done

    def _ago(self, days: int) -> datetime:
        return self._clock.now() - timedelta(days=days)


async def _batches(
    held: HeldLease,
    expired: Expired[PyObjectId],
    clear: Callable[[Sequence[PyObjectId]], Awaitable[None]],
) -> int:
    done = 0
    async for ids in expired.batches(BATCH):
        held.check()
        await clear(ids)
        done += len(ids)
        await asyncio.sleep(0)  # whoever waits for an answer comes first
    return done
