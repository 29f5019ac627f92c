"""Patients."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db.repositories.base import DocumentRepository, Page
from app.models.patient import Patient, PatientStatus, PatientType, name_key, normalise_email


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

    def stream_leads(self) -> AsyncIterator[Patient]:
        """Leads the practice still writes to, oldest first."""
        query = {"patient_type": PatientType.COLD_LEAD, "status": PatientStatus.ACTIVE}
        return self._stream(query, sort=[("_id", 1)])

    def stream_recalls_due(self, since: datetime, before: datetime) -> AsyncIterator[Patient]:
        """Existing patients due in [since, before), longest overdue first."""
        query = {
            "next_follow_up_date": {"$gte": since, "$lt": before},
            "patient_type": PatientType.EXISTING,
            "status": PatientStatus.ACTIVE,
        }
        return self._stream(query, sort=[("next_follow_up_date", 1)])

    async def is_empty(self) -> bool:
        """Whether there is no patient at all."""
        return await self._find_one({}) is None
