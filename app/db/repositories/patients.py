"""Patients."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db.repositories.base import DocumentRepository, Page, Unreadable
from app.models.base import PyObjectId
from app.models.patient import (
    Patient,
    PatientStatus,
    PatientType,
    Treatment,
    name_key,
    normalise_email,
)


@dataclass(frozen=True)
class PatientFilter:
    """What a list of patients may be narrowed by. `q`: a prefix of name, address or phone."""

    q: str | None = None
    patient_type: PatientType | None = None
    status: PatientStatus | None = None

    def to_query(self) -> dict[str, Any]:
        """As the database is asked. `q` is escaped and anchored, so that it can use an index."""
        query: dict[str, Any] = {}
        if self.patient_type:
            query["patient_type"] = self.patient_type
        if self.status:
            query["status"] = self.status
        if self.q:
            query["$or"] = [
                {field: {"$regex": "^" + re.escape(prefix)}}
                for field, prefix in (
                    ("name_key", name_key(self.q)),
                    ("email", normalise_email(self.q)),
                    ("phone", self.q.strip()),
                )
                if prefix
            ]
        return query


class PatientRepository(DocumentRepository[Patient]):
    """Queries over `patients`."""

    collection_name = "patients"
    model = Patient

    async def with_email(self, email: str) -> list[Patient]:
        """Everybody on this (normalised) address: families share one."""
        return await self._find({"email": email}, sort=[("_id", 1)])

    async def with_phone(self, phone: str) -> list[Patient]:
        """Everybody with this E.164 number."""
        return await self._find({"phone": phone}, sort=[("_id", 1)])

    async def page(self, wanted: PatientFilter, *, page: int, limit: int) -> Page[Patient]:
        """By name, stable."""
        return await self._page(
            wanted.to_query(), sort=[("name_key", 1), ("_id", 1)], page=page, limit=limit
        )

    def stream_leads(self) -> AsyncIterator[Patient | Unreadable]:
        """Leads the practice still writes to, oldest first."""
        query = {"patient_type": PatientType.COLD_LEAD, "status": PatientStatus.ACTIVE}
        return self._stream_each(query, sort=[("_id", 1)])

    def stream_recalls_due(self, before: datetime) -> AsyncIterator[Patient | Unreadable]:
        """Existing patients due before `before`, longest overdue first."""
        query = {
            "next_follow_up_date": {"$lt": before},
            "patient_type": PatientType.EXISTING,
            "status": PatientStatus.ACTIVE,
        }
        return self._stream_each(query, sort=[("next_follow_up_date", 1)])

    async def record_opt_out(
        self, patient_id: PyObjectId, *, at: datetime, reason: str, source: str
    ) -> bool:
        """Note that they want no more messages; the first opt-out that stands keeps its date."""
        guard = {"_id": patient_id, "consent.opted_out_at": {"$exists": False}}
        noted = {
            "consent.opted_out_at": at,
            "consent.reason": reason,
            "consent.source": source,
        }
        return await self._update(guard, {"$set": noted})

    async def record_opt_in(self, patient_id: PyObjectId, *, at: datetime, source: str) -> bool:
        """Note that they want messages again."""
        fields = {"consent.opted_in_at": at, "consent.source": source}
        unset = ("consent.opted_out_at", "consent.reason")
        return await self.update_fields(patient_id, fields, unset=unset)

    async def record_visit(
        self,
        patient_id: PyObjectId,
        treatment: Treatment,
        next_follow_up_date: datetime | None,
    ) -> bool:
        """Note a completed visit: the patient is `EXISTING`, due again at the date given or never.

        The treatment is added once, however often this is called.
        """
        fields: dict[str, Any] = {"patient_type": PatientType.EXISTING}
        update: dict[str, Any] = {"$set": fields}
        if next_follow_up_date is None:
            update["$unset"] = {"next_follow_up_date": ""}
        else:
            fields["next_follow_up_date"] = next_follow_up_date
        visit = {
            "procedure_name": treatment.procedure_name,
            "procedure_date": treatment.procedure_date,
        }
        guard = {"_id": patient_id, "treatment_history": {"$not": {"$elemMatch": visit}}}
        pushed = {**update, "$push": {"treatment_history": treatment.to_stored()}}
        return await self._update(guard, pushed) or await self._update({"_id": patient_id}, update)

    async def is_empty(self) -> bool:
        """Whether there is no patient at all."""
        return await self._find_one({}) is None
