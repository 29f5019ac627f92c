"""Files that the practice's own system exports, on their way into ours.

An import is stored whole, row by row, before it is acknowledged; a worker then carries it out one
batch at a time. What became of each row is a small document of its own, without what the row held.
"""

from enum import StrEnum

from pydantic import Field

from app.models.appointment import AppointmentStatus
from app.models.base import Document, PyObjectId, StoredModel, UtcDatetime


class ImportKind(StrEnum):
    """What the rows of a file are."""

    APPOINTMENTS = "appointments"
    PATIENTS = "patients"


class ImportState(StrEnum):
    """Where an import stands. `receiving`: its rows are still being stored."""

    RECEIVING = "receiving"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


UNFINISHED_STATES = frozenset({ImportState.QUEUED, ImportState.RUNNING})


class RowOutcome(StrEnum):
    """What became of a row; in a dry run, what would."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    """Somebody else has the time. It stays an open conflict until a later import finds it free."""
    REFUSED = "refused"
    SKIPPED = "skipped"
    """Left alone on purpose: what was changed here since stands."""
    MISSING = "missing"
    """Not in the file: a visit of an earlier import that this one no longer names."""


class MissingVisits(StrEnum):
    """What happens to visits that a file no longer names."""

    KEEP = "keep"
    CANCEL = "cancel"


class ImportOptions(StoredModel):
    """How an import of appointments is meant."""

    missing: MissingVisits = MissingVisits.KEEP
    notify: bool = False
    """Whether patients get our letters about visits that came, moved or went with the file."""
    remind: bool = False
    """Whether patients get our reminders of imported visits."""
    create_missing: bool = False
    """Whether providers and chairs that are not known here are made, without hours or services."""


class FileSpan(StoredModel):
    """What the readable rows of a schedule are about: from which start to which, and whose."""

    first: UtcDatetime
    last: UtcDatetime
    provider_ids: list[PyObjectId]


class Import(Document):
    """One file. `cursor` counts the batches done; `term` fences workers that lost their claim."""

    kind: ImportKind
    options: ImportOptions = Field(default_factory=ImportOptions)
    dry_run: bool = False
    state: ImportState = ImportState.RECEIVING
    created_by: str
    rows: int = 0
    batches: int = 0
    cursor: int = 0
    counts: dict[str, int] = Field(default_factory=dict)
    ignored_columns: list[str] = Field(default_factory=list)
    encoding: str = "utf-8"
    span: FileSpan | None = None
    term: int = 0
    attempts: int = 0
    available_at: UtcDatetime
    started_at: UtcDatetime | None = None
    finished_at: UtcDatetime | None = None
    error: str | None = None

    @property
    def rows_done(self) -> int:
        """How many rows of the file were worked on."""
        others = self.counts.get(RowOutcome.MISSING, 0)
        return sum(self.counts.values()) - others


class ImportLine(StoredModel):
    """A row as it stands in the file: its number there (the header is 1) and its cells by name.

    `fault` says why it cannot be read at all.
    """

    number: int
    cells: dict[str, str] = Field(default_factory=dict)
    fault: str | None = None


class ImportBatch(Document):
    """Some rows of a file, until they are worked off."""

    import_id: PyObjectId
    number: int
    lines: list[ImportLine]


class Collision(StoredModel):
    """Another visit that has the time: which, when, and whose time it is."""

    appointment_id: PyObjectId
    starts_at: UtcDatetime
    duration_minutes: int
    resources: list[str]
    """Of `provider`, `chair` and `patient`."""


class ImportRow(StoredModel):
    """What became of a row. Holds no name and no address: the file has those."""

    id: str = Field(alias="_id")
    import_id: PyObjectId
    number: int
    external_id: str | None = None
    outcome: RowOutcome
    reason: str | None = None
    detail: str | None = None
    notes: list[str] = Field(default_factory=list)
    appointment_id: PyObjectId | None = None
    patient_id: PyObjectId | None = None
    collides_with: list[Collision] = Field(default_factory=list)
    claims: list[str] | None = None
    """What a dry run would have claimed: the rows after it must not get it too."""
    starts_at: UtcDatetime | None = None
    """When that begins."""
    created_at: UtcDatetime


class ConflictState(StrEnum):
    """Where a conflict of the schedule stands."""

    OPEN = "open"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"
    EXPIRED = "expired"


class ScheduleConflict(Document):
    """A visit of the practice's own system whose time somebody else has in our book.

    It is no appointment: two of them can never have one time. Until it is settled its `claims`
    are not offered to anybody, and its patient counts as having a visit.
    """

    external_id: str
    state: ConflictState = ConflictState.OPEN
    import_id: PyObjectId
    patient_id: PyObjectId
    provider_id: PyObjectId
    chair_id: PyObjectId | None = None
    service_name: str
    appointment_date: UtcDatetime
    duration_minutes: int
    status: AppointmentStatus
    claims: list[str]
    collides_with: list[Collision]
    alerted_at: UtcDatetime | None = None
    settled_at: UtcDatetime | None = None
    settled_by: str | None = None
