"""The sweep: who is due gets a campaign, and every campaign that is due its next message.

One replica at a time holds the lease `sweep`. Every step is idempotent and guarded by the database,
so a run that was cut short, or whose lease was lost, is simply run again.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

from app.core.clock import Clock
from app.core.config import Settings
from app.core.errors import ConflictError, NotFoundError
from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories import Repositories
from app.db.repositories.base import Page, Unreadable
from app.models.base import new_id
from app.models.campaign import Campaign, CampaignType
from app.models.records import PlannedContact, Sweep, SweepCounts, SweepStatus
from app.services.clinic import ClinicService
from app.services.leases import HeldLease, LeaseLostError, Leases
from app.services.outreach.eligibility import Due
from app.services.outreach.proactive import (
    AttemptOutcome,
    AttemptResult,
    CampaignFacts,
    ProactivePath,
)
from app.services.outreach.recruiting import FAILED, Check, Recruiter
from app.services.scheduling.localtime import local_day

logger = logging.getLogger(__name__)

LEASE = "sweep"
BATCH = 100
OUTREACH_DISABLED = "outreach_disabled"
LOOKS_FOR_THE_OTHER = 20
LOOK_SECONDS = 0.05


class SweepRunningError(ConflictError):
    """A sweep runs already; `sweep_id` names it."""

    slug = "sweep-running"
    title = "A sweep is already running"


class SweepService:
    """Runs sweeps, by hand and daily, and tells what they did."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        recruiter: Recruiter,
        proactive: ProactivePath,
        clinic: ClinicService,
        leases: Leases,
        settings: Settings,
        clock: Clock,
        observe: Callable[[float], None],
    ) -> None:
        """`observe` is told how many seconds each run took."""
        self._repositories = repositories
        self._recruiter = recruiter
        self._proactive = proactive
        self._clinic = clinic
        self._leases = leases
        self._settings = settings
        self._clock = clock
        self._observe = observe
        self._running: set[asyncio.Task[Sweep]] = set()

    async def run_now(
        self, staff_id: str | None, dry_run: bool = False, *, patience_seconds: float | None = None
    ) -> Sweep:
        """Sweep at once, under an id of its own. Raises `SweepRunningError`.

        A dry run lists whom it would write to and writes nothing, not even a record of itself.
        After `patience_seconds` the run goes on by itself, and what is answered is `running`.
        """
        by = f"staff:{staff_id}" if staff_id else "command line"
        sweep = Sweep(
            id=str(new_id()),
            trigger="manual",
            dry_run=dry_run,
            started_at=self._clock.now(),
            started_by=by,
        )
        if dry_run:
            return await self._rehearse(sweep)
        task = asyncio.create_task(self._run_manual(sweep), name="manual-sweep")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait({task}, timeout=patience_seconds)
        if done:
            return task.result()
        task.add_done_callback(_tell_of_its_end)
        return sweep

    async def close(self) -> None:
        """Stop runs nobody waits for any more; they are taken up again at the next start."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run_daily(self, now: datetime) -> Sweep | None:
        """The sweep of today's date at the clinic: one completes, whoever calls and how often.

        `None` where it is done already, or another replica is at it.
        """
        sweep = Sweep(
            id=await self._daily_id(now), trigger="daily", started_at=now, started_by="scheduler"
        )
        async with self._leases.hold(LEASE) as held:
            if held is None or not await self._begin_or_resume(sweep):
                return None
            return await self._execute(sweep, held)

    async def catch_up(self, now: datetime) -> Sweep | None:
        """Make up what was missed: today's sweep after its hour, or a run that a crash cut short.

        A database that never swept has missed nothing.
        """
        if await self._missed_today(now):
            return await self.run_daily(now)
        interrupted = await self._repositories.sweeps.running()
        return await self._resume(interrupted) if interrupted else None

    async def get(self, sweep_id: str) -> Sweep:
        """One run. Raises `NotFoundError`."""
        sweep = await self._repositories.sweeps.get(sweep_id)
        if sweep is None:
            message = "There is no sweep with this id."
            raise NotFoundError(message)
        return sweep

    async def page(self, *, page: int, limit: int) -> Page[Sweep]:
        """Runs, newest first."""
        return await self._repositories.sweeps.page(page=page, limit=limit)

    async def _run_manual(self, sweep: Sweep) -> Sweep:
        async with self._leases.hold(LEASE) as held:
            if held is None:
                raise await self._running_error()
            await self._begin_or_resume(sweep)
            try:
                return await self._execute(sweep, held)
            except LeaseLostError as error:
                raise await self._running_error() from error

    async def _running_error(self) -> SweepRunningError:
        """The other one writes its record right after it got the lease: wait for that."""
        for _ in range(LOOKS_FOR_THE_OTHER):
            if other := await self._repositories.sweeps.running():
                extra = {"sweep_id": other.id}
                return SweepRunningError("A sweep is running. Wait for it to end.", extra=extra)
            await asyncio.sleep(LOOK_SECONDS)
        return SweepRunningError("A sweep was running a moment ago. Please try again.")

    async def _missed_today(self, now: datetime) -> bool:
        local = now.astimezone((await self._clinic.current()).zone)
        if local.time().replace(tzinfo=None) < self._settings.sweep_time:
            return False
        if await self._repositories.sweeps.latest() is None:
            return False
        todays = await self._repositories.sweeps.get(await self._daily_id(now))
        return todays is None or todays.status != SweepStatus.COMPLETED

    async def _daily_id(self, now: datetime) -> str:
        zone = (await self._clinic.current()).zone
        return f"auto:{local_day(now, zone).isoformat()}"

    async def _begin_or_resume(self, sweep: Sweep) -> bool:
        """Record the run under the lease; `False` where it was completed before.

        Whatever else stands as running lost its process: this run does its work too.
        """
        sweeps = self._repositories.sweeps
        if not await sweeps.start(sweep) and not await sweeps.restart(sweep.id, sweep.started_at):
            return False
        await sweeps.fail_interrupted(sweep.id, self._clock.now())
        return True

    async def _resume(self, interrupted: Sweep) -> Sweep | None:
        async with self._leases.hold(LEASE) as held:
            if held is None:
                return None
            now = self._clock.now()
            if not await self._repositories.sweeps.restart(interrupted.id, now):
                return None
            return await self._execute(interrupted.model_copy(update={"started_at": now}), held)

    async def _execute(self, sweep: Sweep, held: HeldLease) -> Sweep:
        """Do the work and record the outcome. A lost lease records nothing: the taker does."""
        started = time.monotonic()
        counts = SweepCounts()
        ended = {"status": SweepStatus.COMPLETED, "counts": counts}
        try:
            await self._work(counts, sweep.started_at, held.check)
            held.check()
        except (LeaseLostError, *UNAVAILABLE_ERRORS):
            raise
        except Exception as error:  # the run is recorded as failed, and made up by the next
            logger.exception("sweep failed", extra={"sweep_id": sweep.id})
            ended |= {"status": SweepStatus.FAILED, "error": type(error).__name__}
        done = sweep.model_copy(update={**ended, "finished_at": self._clock.now()})
        await self._repositories.sweeps.finish(done)
        self._observe(time.monotonic() - started)
        logger.info("sweep ended", extra={"sweep_id": sweep.id, **counts.model_dump()})
        return done

    async def _work(self, counts: SweepCounts, now: datetime, check: Check) -> None:
        if not self._settings.outreach_is_on:
            planned = await self._plan(SweepCounts(), now, check)
            if planned:
                counts.skipped[OUTREACH_DISABLED] = len(planned)
            return
        await self._recruit(counts, now, check)
        await self._advance_due(counts, now, check)

    async def _recruit(self, counts: SweepCounts, now: datetime, check: Check) -> None:
        quota = await self._recruiter.quota(now)
        for due in await self._recruiter.due(quota, now, counts, check):
            check()
            try:
                opened = await self._recruiter.open(due, quota, now)
            except UNAVAILABLE_ERRORS:
                raise
            except Exception:  # one bad record must not stop the sweep
                logger.exception("no campaign", extra={"patient_id": str(due.patient.id)})
                opened = FAILED
            if isinstance(opened, str):
                counts.skip(opened)
            else:
                _count_created(counts, due.campaign_type)

    async def _advance_due(self, counts: SweepCounts, now: datetime, check: Check) -> None:
        async for batch in self._due_batches(now, counts):
            check()
            facts = await self._facts(batch, now)
            for campaign in batch:
                _count_outcome(counts, await self._advance(campaign, facts, now))

    async def _advance(
        self, campaign: Campaign, facts: CampaignFacts | None, now: datetime
    ) -> AttemptOutcome:
        try:
            if facts is None:
                return await self._proactive.advance(campaign, now)
            return await self._proactive.advance_knowing(campaign, facts, now)
        except UNAVAILABLE_ERRORS:
            raise
        except Exception:  # one bad record must not stop the sweep
            logger.exception("campaign failed", extra={"campaign_id": str(campaign.id)})
            return AttemptOutcome(AttemptResult.SKIPPED, FAILED)

    async def _facts(self, batch: Sequence[Campaign], now: datetime) -> CampaignFacts | None:
        """For the whole batch, or `None` where something in it is broken."""
        try:
            return await self._proactive.facts(batch, now)
        except UNAVAILABLE_ERRORS:
            raise
        except Exception:
            logger.exception("batch of campaigns not read, trying one by one")
            return None

    async def _due_batches(
        self, now: datetime, counts: SweepCounts
    ) -> AsyncIterator[list[Campaign]]:
        batch: list[Campaign] = []
        async for campaign in self._repositories.campaigns.stream_due(now):
            if isinstance(campaign, Unreadable):
                logger.error("unreadable campaign", extra={"campaign_id": campaign.document_id})
                counts.skip(FAILED)
                continue
            batch.append(campaign)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _rehearse(self, sweep: Sweep) -> Sweep:
        counts = SweepCounts()
        planned = await self._plan(counts, sweep.started_at, _go_on)
        ended = {"status": SweepStatus.COMPLETED, "counts": counts, "planned": planned}
        return sweep.model_copy(update={**ended, "finished_at": self._clock.now()})

    async def _plan(self, counts: SweepCounts, now: datetime, check: Check) -> list[PlannedContact]:
        """What `_work` would do with outreach switched on: reads, and changes nothing."""
        quota = await self._recruiter.quota(now)
        planned = []
        for due in await self._recruiter.due(quota, now, counts, check):
            _count_created(counts, due.campaign_type)
            counts.messages_queued += 1
            planned.append(_planned_campaign(due))
        async for batch in self._due_batches(now, counts):
            check()
            planned += await self._plan_batch(batch, counts, now)
        return planned

    async def _plan_batch(
        self, batch: Sequence[Campaign], counts: SweepCounts, now: datetime
    ) -> list[PlannedContact]:
        planned = []
        together = await self._facts(batch, now)
        for campaign in batch:
            facts = together or await self._facts([campaign], now)
            outcome = (
                self._proactive.judge(campaign, facts)
                if facts
                else AttemptOutcome(AttemptResult.SKIPPED, FAILED)
            )
            _count_outcome(counts, outcome)
            if outcome.result is AttemptResult.QUEUED:
                planned.append(_planned_attempt(campaign, now))
        return planned


def _go_on() -> None:
    """A dry run holds no lease that it could lose."""


def _count_created(counts: SweepCounts, campaign_type: CampaignType) -> None:
    if campaign_type == CampaignType.RECALL:
        counts.recall_created += 1
    else:
        counts.recovery_created += 1


def _count_outcome(counts: SweepCounts, outcome: AttemptOutcome) -> None:
    match outcome.result:
        case AttemptResult.QUEUED:
            counts.messages_queued += 1
        case AttemptResult.FAILED:
            counts.recovery_failed += 1
        case AttemptResult.DECLINED | AttemptResult.SKIPPED:
            counts.skip(outcome.reason)


def _planned_campaign(due: Due) -> PlannedContact:
    return PlannedContact(
        patient_id=due.patient.id,
        campaign_type=due.campaign_type,
        due_since=due.due_since,
        reason=due.why,
    )


def _planned_attempt(campaign: Campaign, now: datetime) -> PlannedContact:
    follow_up = campaign.follow_up_details
    return PlannedContact(
        patient_id=campaign.patient_id,
        campaign_type=campaign.campaign_type,
        due_since=follow_up.next_attempt_at or now,
        reason=f"attempt {follow_up.attempts_made + 1} of {follow_up.max_attempts}",
    )


def _tell_of_its_end(task: asyncio.Task[Sweep]) -> None:
    """Nobody waits for this run any more: where it broke off, the log says so.

    Its record still says `running`, by which `SweepService.catch_up` takes it up.
    """
    if not task.cancelled() and (error := task.exception()):
        logger.warning("sweep broke off", extra={"error_type": type(error).__name__})
