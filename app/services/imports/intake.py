"""Taking a file in: written to disk as it comes, checked, stored row by row, then acknowledged."""

import asyncio
import tempfile
from collections.abc import AsyncIterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from app.core.clock import Clock
from app.core.errors import AppError
from app.db.repositories import Repositories
from app.models.imports import Import, ImportBatch, ImportKind, ImportLine, ImportOptions
from app.services.imports.columns import COLUMNS
from app.services.imports.table import CsvTable
from app.services.work import Wakeable

MAX_BYTES = 20 * 1024 * 1024
BATCH_ROWS = 100


class ImportTooLargeError(AppError):
    """More bytes than an import takes."""

    status = 413
    slug = "import-too-large"
    title = "This file is too large"


@dataclass(frozen=True)
class ImportRequest:
    """What a file is, and how it is meant. `by` is `staff:<id>` or `command-line`."""

    kind: ImportKind
    by: str
    dry_run: bool = False
    options: ImportOptions = field(default_factory=ImportOptions)


class ImportIntake:
    """Stores files. Until all of one is stored, nothing of it counts."""

    def __init__(self, repositories: Repositories, worker: Wakeable, clock: Clock) -> None:
        self._imports = repositories.imports
        self._batches = repositories.import_batches
        self._worker = worker
        self._clock = clock

    async def submit(self, request: ImportRequest, chunks: AsyncIterable[bytes]) -> Import:
        """Take a file in; it is worked off by the worker.

        Raises `UnreadableFileError` and `ImportTooLargeError`, and whatever the upload raises where
        it breaks off: nothing is stored then.
        """
        with tempfile.TemporaryFile() as spool:
            await _spool(chunks, spool)
            table = await asyncio.to_thread(CsvTable, spool, COLUMNS[request.kind])
            rows = await asyncio.to_thread(table.check)
            stored = await self._store(request, table, rows)
        self._worker.wake()
        return stored

    async def _store(self, request: ImportRequest, table: CsvTable, rows: int) -> Import:
        """A crash in here leaves an upload that is never worked on, and is tidied away."""
        made = await self._imports.insert(
            Import(
                kind=request.kind,
                options=request.options,
                dry_run=request.dry_run,
                created_by=request.by,
                ignored_columns=table.header.ignored,
                encoding=table.encoding.removesuffix("-sig"),
                available_at=self._clock.now(),
            )
        )
        lines, batches = table.lines(), 0
        while taken := await asyncio.to_thread(_take, lines):
            batch = ImportBatch(import_id=made.id, number=batches, lines=taken)
            await self._batches.insert(batch)
            batches += 1
        await self._imports.queue(made.id, rows=rows, batches=batches, at=self._clock.now())
        return await self._imports.get(made.id) or made


def _take(lines: Iterator[ImportLine]) -> list[ImportLine]:
    return list(islice(lines, BATCH_ROWS))


async def _spool(chunks: AsyncIterable[bytes], spool: BinaryIO) -> None:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_BYTES:
            message = f"A file has at most {MAX_BYTES // 1024 // 1024} MB. Send it in parts."
            raise ImportTooLargeError(message)
        await asyncio.to_thread(spool.write, chunk)
