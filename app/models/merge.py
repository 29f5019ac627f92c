"""Two records of one person becoming one."""

from pydantic import Field

from app.models.base import PyObjectId, StoredModel, UtcDatetime
from app.models.patient import Patient


class PatientMerge(StoredModel):
    """A merge, stored before it is begun; afterwards the tombstone that points on.

    Its `_id` is the record that goes: each can go once.
    """

    id: PyObjectId = Field(alias="_id")
    survivor_id: PyObjectId
    by: str
    parties: list[PyObjectId] | None = None
    """Both, while it runs: of merges that share a record one can run."""
    taken: Patient | None = None
    """The record that goes, from before it is removed until everything of it has moved."""
    ending: PyObjectId | None = None
    """Of two active campaigns the one that was chosen to end."""
    again_at: UtcDatetime | None = None
    """When the reconciler takes it up: after a crash, and once more for what came late."""
    finished_at: UtcDatetime | None = None
    created_at: UtcDatetime
    updated_at: UtcDatetime
