"""Imports and the conflicts they leave, as they cross HTTP."""

from typing import Self

from pydantic import ConfigDict, Field, JsonValue

from app.models.appointment import AppointmentStatus
from app.models.base import PyObjectId, UtcDatetime
from app.models.imports import (
    Collision,
    ConflictState,
    Import,
    ImportKind,
    ImportRow,
    ImportState,
    MissingVisits,
    RowOutcome,
    ScheduleConflict,
)
from app.schemas.base import EXAMPLE_ID, EXAMPLE_OTHER_ID, OutputSchema
from app.schemas.paging import Pagination

_IMPORT_EXAMPLE: dict[str, JsonValue] = {
    "import_id": EXAMPLE_ID,
    "kind": "appointments",
    "state": "done",
    "dry_run": False,
    "options": {
        "missing": "keep",
        "notify": False,
        "remind": False,
        "create_missing": False,
    },
    "rows": 412,
    "rows_done": 412,
    "counts": {"created": 14, "updated": 3, "unchanged": 393, "conflict": 1, "refused": 1},
    "ignored_columns": ["Insurance"],
    "encoding": "utf-8",
    "created_at": "2026-11-23T07:00:00Z",
    "finished_at": "2026-11-23T07:00:09Z",
    "error": None,
}
_COLLISION_EXAMPLE: dict[str, JsonValue] = {
    "appointment_id": EXAMPLE_OTHER_ID,
    "appointment_date": "2026-11-24T14:00:00Z",
    "duration_minutes": 30,
    "resources": ["provider"],
}
_ROW_EXAMPLE: dict[str, JsonValue] = {
    "row": 17,
    "external_id": "A-10017",
    "outcome": "conflict",
    "reason": "time_taken",
    "detail": "Somebody else has this time here. It stays an open conflict until it is settled.",
    "notes": [],
    "appointment_id": None,
    "patient_id": EXAMPLE_ID,
    "collides_with": [_COLLISION_EXAMPLE],
}


class ImportOptionsRead(OutputSchema):
    """How an import of appointments was meant."""

    missing: MissingVisits
    notify: bool
    remind: bool
    create_missing: bool


class ImportRead(OutputSchema):
    """An import and how far it is."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": _IMPORT_EXAMPLE})

    import_id: PyObjectId
    kind: ImportKind
    state: ImportState
    dry_run: bool
    options: ImportOptionsRead
    rows: int = Field(description="Rows of the file, without its headings and empty ones.")
    rows_done: int
    counts: dict[str, int] = Field(description="How many rows ended how; `missing` are not rows.")
    ignored_columns: list[str] = Field(description="Headings that mean nothing here.")
    encoding: str = Field(description="How the file was read: `utf-8`, or Windows' `cp1252`.")
    created_at: UtcDatetime
    finished_at: UtcDatetime | None
    error: str | None

    @classmethod
    def of(cls, found: Import) -> Self:
        """From the stored form."""
        return cls(
            import_id=found.id,
            kind=found.kind,
            state=found.state,
            dry_run=found.dry_run,
            options=ImportOptionsRead.model_validate(found.options),
            rows=found.rows,
            rows_done=found.rows_done,
            counts=found.counts,
            ignored_columns=found.ignored_columns,
            encoding=found.encoding,
            created_at=found.created_at,
            finished_at=found.finished_at,
            error=found.error,
        )


class ImportList(OutputSchema):
    """A page of imports."""

    pagination: Pagination
    imports: list[ImportRead]


class CollisionRead(OutputSchema):
    """Another visit that has the time, and of whose."""

    appointment_id: PyObjectId
    appointment_date: UtcDatetime
    duration_minutes: int
    resources: list[str] = Field(description="Of `provider`, `chair` and `patient`.")

    @classmethod
    def of(cls, found: Collision) -> Self:
        """From the stored form."""
        return cls(
            appointment_id=found.appointment_id,
            appointment_date=found.starts_at,
            duration_minutes=found.duration_minutes,
            resources=found.resources,
        )


class ImportRowRead(OutputSchema):
    """What became of a row; in a dry run, what would."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": _ROW_EXAMPLE})

    row: int | None = Field(
        description="Its number in the file; the headings are 1. None: it is not in the file."
    )
    external_id: str | None
    outcome: RowOutcome
    reason: str | None
    detail: str | None
    notes: list[str] = Field(description="What was left out: `email_left_out`, `phone_left_out`.")
    appointment_id: PyObjectId | None
    patient_id: PyObjectId | None
    collides_with: list[CollisionRead]

    @classmethod
    def of(cls, found: ImportRow) -> Self:
        """From the stored form."""
        return cls(
            row=None if found.outcome == RowOutcome.MISSING else found.number,
            external_id=found.external_id,
            outcome=found.outcome,
            reason=found.reason,
            detail=found.detail,
            notes=found.notes,
            appointment_id=found.appointment_id,
            patient_id=found.patient_id,
            collides_with=[CollisionRead.of(one) for one in found.collides_with],
        )


class ImportReportRead(ImportRead):
    """An import with a page of its rows."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                **_IMPORT_EXAMPLE,
                "pagination": {"total_items": 1, "total_pages": 1, "current_page": 1},
                "results": [_ROW_EXAMPLE],
            }
        },
    )

    pagination: Pagination
    results: list[ImportRowRead]


class ConflictRead(OutputSchema):
    """A visit of the practice's own system for which the book has no place."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "conflict_id": EXAMPLE_ID,
                "external_id": "A-10017",
                "state": "open",
                "patient_id": EXAMPLE_ID,
                "provider_id": EXAMPLE_ID,
                "chair_id": None,
                "service_name": "Check-up and Cleaning",
                "appointment_date": "2026-11-24T14:00:00Z",
                "duration_minutes": 30,
                "status": "booked",
                "import_id": EXAMPLE_ID,
                "collides_with": [_COLLISION_EXAMPLE],
                "since": "2026-11-23T07:00:04Z",
                "settled_at": None,
            }
        },
    )

    conflict_id: PyObjectId
    external_id: str
    state: ConflictState
    patient_id: PyObjectId
    provider_id: PyObjectId
    chair_id: PyObjectId | None
    service_name: str
    appointment_date: UtcDatetime
    duration_minutes: int
    status: AppointmentStatus
    import_id: PyObjectId
    collides_with: list[CollisionRead]
    since: UtcDatetime
    settled_at: UtcDatetime | None

    @classmethod
    def of(cls, found: ScheduleConflict) -> Self:
        """From the stored form."""
        return cls(
            conflict_id=found.id,
            external_id=found.external_id,
            state=found.state,
            patient_id=found.patient_id,
            provider_id=found.provider_id,
            chair_id=found.chair_id,
            service_name=found.service_name,
            appointment_date=found.appointment_date,
            duration_minutes=found.duration_minutes,
            status=found.status,
            import_id=found.import_id,
            collides_with=[CollisionRead.of(one) for one in found.collides_with],
            since=found.created_at,
            settled_at=found.settled_at,
        )


class ConflictList(OutputSchema):
    """A page of conflicts."""

    pagination: Pagination
    conflicts: list[ConflictRead]
