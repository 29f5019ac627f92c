"""The audit log as it crosses HTTP: who, what and when, never what was read or written."""

from typing import Self

from pydantic import ConfigDict, Field, JsonValue

from app.models.base import PyObjectId, UtcDatetime
from app.models.records import AuditEntry
from app.schemas.base import EXAMPLE_ID, EXAMPLE_OTHER_ID, OutputSchema
from app.schemas.paging import Pagination

_EXAMPLE: dict[str, JsonValue] = {
    "audit_id": EXAMPLE_ID,
    "at": "2026-11-23T14:05:00Z",
    "actor": f"staff:{EXAMPLE_OTHER_ID}",
    "action": "get_patient",
    "is_write": False,
    "patient_ids": [EXAMPLE_ID],
    "subject": "patient_data",
    "subject_id": None,
    "status": 200,
    "request_id": "9b2f6c0e4d4b4a0f9a53c3a1f0f1d2e3",
    "writer": "0d7c1f3a5b9e4c2f8a6d1e0b3c5f7a9d",
    "seq": 4711,
}


class AuditRead(OutputSchema):
    """One thing that was done."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": _EXAMPLE})

    audit_id: PyObjectId
    at: UtcDatetime
    actor: str = Field(
        description="`staff:<id>`; `public` without a sign-in; `agent` for the service itself."
    )
    action: str = Field(description="The `operationId`, or what a job or a person did.")
    is_write: bool
    patient_ids: list[PyObjectId] = Field(description="Whose data was read or written.")
    subject: str
    subject_id: str | None
    status: int | None = Field(description="What the request was answered.")
    request_id: str | None = Field(description="As in `X-Request-ID`.")
    writer: str | None = Field(description="The process whose chain the entry stands in.")
    seq: int | None = Field(description="Its place there.")

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Without the details."""
        return cls.model_validate(
            {name: getattr(entry, name) for name in cls.model_fields if name != "audit_id"}
            | {"audit_id": entry.id}
        )


class AuditList(OutputSchema):
    """One page, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "pagination": {"total_items": 1, "total_pages": 1, "current_page": 1},
                "audit": [_EXAMPLE],
            }
        }
    )

    pagination: Pagination
    audit: list[AuditRead]
