"""Imports as staff look at them."""

from dataclasses import dataclass

from app.core.errors import NotFoundError
from app.db.repositories import Repositories
from app.db.repositories.base import Page
from app.models.base import PyObjectId
from app.models.imports import Import, ImportRow, RowOutcome

LISTED = 100


class ImportNotFoundError(NotFoundError):
    """No such import."""

    slug = "import-not-found"
    title = "No such import"


@dataclass(frozen=True)
class ImportReport:
    """An import and a page of what became of its rows."""

    wanted: Import
    rows: Page[ImportRow]


class ImportDesk:
    """Lists imports and what became of their rows."""

    def __init__(self, repositories: Repositories) -> None:
        self._imports = repositories.imports
        self._rows = repositories.import_rows

    async def page(self, *, page: int, limit: int) -> Page[Import]:
        """Newest first."""
        return await self._imports.page(page=page, limit=limit)

    async def get(self, import_id: PyObjectId) -> Import:
        """How far it is. Raises `ImportNotFoundError`."""
        found = await self._imports.get(import_id)
        if found is None:
            message = "There is no such import."
            raise ImportNotFoundError(message)
        return found

    async def not_done(self, import_id: PyObjectId) -> Page[ImportRow]:
        """The first rows that somebody has to look at."""
        return await self._rows.to_look_at(import_id, limit=LISTED)

    async def report(
        self, import_id: PyObjectId, outcome: RowOutcome | None, *, page: int, limit: int
    ) -> ImportReport:
        """With its rows, those of one outcome where it is named. Raises `ImportNotFoundError`."""
        found = await self.get(import_id)
        rows = await self._rows.page(import_id, outcome, page=page, limit=limit)
        return ImportReport(found, rows)
