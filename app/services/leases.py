"""One replica at a time: a lease that is kept alive while a job runs."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories.records import LeaseRepository
from app.models.records import Lease

LEASE_TTL = timedelta(seconds=30)
HEARTBEAT_SECONDS = 10.0


class LeaseLostError(Exception):
    """Another replica took the job over; whatever is still running must stop writing."""


class HeldLease:
    """A lease that is being renewed in the background.

    It is lost when a renewal finds another holder, and also when none got through within the
    lease's time: while we cannot reach the database, another replica may have taken it over.
    """

    def __init__(self, lease: Lease, ttl: timedelta) -> None:
        self.lease = lease
        self._ttl_seconds = ttl.total_seconds()
        self._taken = False
        self._renewed_at = time.monotonic()

    @property
    def is_lost(self) -> bool:
        """Whether somebody else holds the lease by now, or may."""
        return self._taken or time.monotonic() - self._renewed_at > self._ttl_seconds

    def note_renewal(self, asked_at: float, *, is_ours: bool) -> None:
        """What the database answered to a renewal that was asked for at that monotonic time."""
        if is_ours:
            self._renewed_at = asked_at
        else:
            self._taken = True

    def check(self) -> None:
        """Raise `LeaseLostError` where somebody else holds the lease by now, or may."""
        if self.is_lost:
            message = f"The lease {self.lease.id} went to another replica."
            raise LeaseLostError(message)


class Leases:
    """Hands out leases by name."""

    def __init__(
        self,
        repository: LeaseRepository,
        *,
        ttl: timedelta = LEASE_TTL,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._repository = repository
        self._ttl = ttl
        self._heartbeat_seconds = heartbeat_seconds

    @contextlib.asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[HeldLease | None]:
        """Hold `name` for the block, or yield `None` where another replica does."""
        lease = await self._repository.acquire(name, uuid.uuid4().hex, self._ttl)
        if lease is None:
            yield None
            return
        held = HeldLease(lease, self._ttl)
        heartbeat = asyncio.create_task(self._keep(held))
        try:
            yield held
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)
            with contextlib.suppress(*UNAVAILABLE_ERRORS):  # it runs out by itself
                await self._repository.release(lease)

    async def _keep(self, held: HeldLease) -> None:
        while not held.is_lost:
            await asyncio.sleep(self._heartbeat_seconds)
            asked_at = time.monotonic()
            with contextlib.suppress(*UNAVAILABLE_ERRORS):  # tried again at the next beat
                is_ours = await self._repository.renew(held.lease, self._ttl)
                held.note_renewal(asked_at, is_ours=is_ours)
