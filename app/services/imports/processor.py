"""Works stored imports off, a batch at a time.

Each batch is claimed under a term. After a crash its lease runs out and another worker does it
again: what was kept of its rows stays, and every row can be done twice.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from app.core.clock import Clock
from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories import Repositories
from app.models.imports import Import, ImportKind, ImportLine, ImportRow, ImportState

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 10
BACKOFF = timedelta(seconds=10)
ABANDONED_AFTER = timedelta(hours=1)
TIDY_EVERY = timedelta(minutes=10)


class ClaimLostError(Exception):
    """Another worker has the import: this one took longer than its claim held."""


@dataclass
class BatchResult:
    """What became of some rows, and what they were about."""

    rows: list[ImportRow]
    span: dict[str, Any] = field(default_factory=dict)


class RowImporter(Protocol):
    """What is done with the rows of one kind of file. Everything may be done twice."""

    async def run(self, wanted: Import, lines: Sequence[ImportLine]) -> BatchResult:
        """Carry these rows out; one bad row is a row that is refused."""
        ...

    async def finish(self, wanted: Import, /) -> dict[str, int]:
        """What the file as a whole asks for, after its rows; further outcomes to count.

        Raises `ClaimLostError` where another worker took over meanwhile.
        """
        ...


class ImportProcessor:
    """Safe to run in many processes."""

    def __init__(
        self,
        repositories: Repositories,
        importers: Mapping[ImportKind, RowImporter],
        clock: Clock,
    ) -> None:
        self._imports = repositories.imports
        self._batches = repositories.import_batches
        self._rows = repositories.import_rows
        self._importers = importers
        self._clock = clock
        self._tidied_at = datetime.min.replace(tzinfo=UTC)

    async def work_off(self) -> int:
        """Do the next batch that is due: 1 where there was one.

        Raises one of `UNAVAILABLE_ERRORS` where the database went away.
        """
        now = self._clock.now()
        due = await self._imports.next_due(now)
        if due is None:
            await self._tidy(now)
            return 0
        if not await self._imports.claim(due, now=now, lease_until=now + LEASE):
            return 1
        if due.attempts >= MAX_ATTEMPTS:  # its worker died, or failed, every time
            await self._end(due, ImportState.FAILED, error="The import was given up.")
            return 1
        try:
            await self._step(due)
        except UNAVAILABLE_ERRORS:
            raise
        except ClaimLostError:
            logger.warning("import taken over", extra={"import_id": str(due.id)})
        except Exception as error:  # noqa: BLE001 - one bad import must not stop the others
            # The message of an error may quote what the file holds, so it is not logged.
            logger.error(  # noqa: TRY400
                "import batch failed",
                extra={"import_id": str(due.id), "error_type": type(error).__name__},
            )
            await self._imports.release(due, self._clock.now() + BACKOFF)
        return 1

    async def _step(self, claimed: Import) -> None:
        if claimed.cursor < claimed.batches:
            await self._work(claimed)
            return
        further = await self._importers[claimed.kind].finish(claimed)
        counts = {f"counts.{outcome}": count for outcome, count in further.items()}
        await self._end(claimed, ImportState.DONE, **counts)

    async def _work(self, claimed: Import) -> None:
        batch = await self._batches.numbered(claimed.id, claimed.cursor)
        lines = batch.lines if batch else []
        before = await self._rows.among(claimed.id, [line.number for line in lines])
        result = await self._importers[claimed.kind].run(claimed, lines)
        rows = [before.get(row.number, row) for row in result.rows]
        await self._rows.store([row for row in rows if row.number not in before])
        outcomes = Counter(row.outcome.value for row in rows)
        done = await self._imports.advance(claimed, outcomes, result.span, self._clock.now())
        if done and batch:
            await self._batches.delete(batch.id)

    async def _end(self, claimed: Import, state: ImportState, **fields: Any) -> None:  # noqa: ANN401 - fields of Import
        stored = {"state": state, "finished_at": self._clock.now(), **fields}
        await self._batches.drop(claimed.id)
        await self._imports.finish(claimed, stored)
        logger.info(
            "import ended",
            extra={"import_id": str(claimed.id), "kind": claimed.kind, "state": state},
        )

    async def _tidy(self, now: datetime) -> None:
        """Seldom: uploads that a crash cut short are forgotten."""
        if now < self._tidied_at + TIDY_EVERY:
            return
        for one in await self._imports.abandoned(now - ABANDONED_AFTER):
            await self._batches.drop(one.id)
            await self._imports.delete(one.id)
        self._tidied_at = now
