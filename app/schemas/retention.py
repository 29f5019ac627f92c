"""Everything about one patient, and its end, as they cross HTTP."""

from typing import Self

from pydantic import ConfigDict, Field, JsonValue

from app.models.base import PyObjectId, UtcDatetime
from app.models.patient import Patient
from app.schemas.base import EXAMPLE_ID, InputSchema, OutputSchema

Stored = dict[str, JsonValue]


class PatientDisclosureRead(OutputSchema):
    """All that is kept, as it is stored; what only keeps the service straight is left out."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "made_at": "2026-11-23T14:05:00Z",
                "patient": {"id": EXAMPLE_ID, "name": "Dana Smith", "email": "dana@example.com"},
                "campaigns": [],
                "interactions": [{"direction": "incoming", "content": "Yes, please book me in."}],
                "appointments": [],
                "waitlist": [],
                "suppressions": [],
                "schedule_conflicts": [],
                "audit": [{"actor": "agent", "action": "inbound", "is_write": True}],
            }
        },
    )

    made_at: UtcDatetime
    patient: Stored
    campaigns: list[Stored]
    interactions: list[Stored]
    appointments: list[Stored]
    waitlist: list[Stored]
    suppressions: list[Stored] = Field(description="Why an address or number is not written to.")
    schedule_conflicts: list[Stored] = Field(
        description="Visits of the practice's own system whose time somebody else has."
    )
    audit: list[Stored] = Field(description="Who saw or changed any of it, and when.")


class ErasureRequest(InputSchema):
    """A second look at whom it is about: it cannot be undone."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"confirm_patient_id": EXAMPLE_ID}}
    )

    confirm_patient_id: PyObjectId = Field(description="The id in the path, once more.")


class ErasureRead(OutputSchema):
    """What was done."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "patient_id": EXAMPLE_ID,
                "erased_at": "2026-11-23T14:05:00Z",
                "erased_by": f"staff:{EXAMPLE_ID}",
            }
        }
    )

    patient_id: PyObjectId
    erased_at: UtcDatetime | None = Field(description="`null` while the last steps are going on.")
    erased_by: str | None

    @classmethod
    def of(cls, patient: Patient) -> Self:
        """How far it is."""
        erasure = patient.erasure
        return cls(
            patient_id=patient.id,
            erased_at=erasure.done_at if erasure else None,
            erased_by=erasure.by if erasure else None,
        )
