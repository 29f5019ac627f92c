"""Patients."""

import re
from collections.abc import AsyncIterator, Collection, Mapping
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

EXACT_UP_TO = 1000
"""A search is counted so far; beyond, its total is a lower bound (counting costs by the match)."""
_DIALLED = re.compile(r"\+?[\d\s()./-]+", re.ASCII)
_FEWEST_DIGITS = 3
_WAYS_TO_REACH = frozenset({"email", "phone"})


@dataclass(frozen=True)
class PatientFilter:
    """What a list of patients may be narrowed by.

    `q`: the beginning of any word of the name, of the address, or a part of the phone number.
    """

    q: str | None = None
    patient_type: PatientType | None = None
    status: PatientStatus | None = None

    def to_query(self) -> dict[str, Any]:
        """As the database is asked. `q` is escaped: it never is a pattern of its own."""
        query: dict[str, Any] = {}
        if self.patient_type:
            query["patient_type"] = self.patient_type
        if self.status:
            query["status"] = self.status
        if self.q and (name := name_key(self.q)):
            query["$or"] = [
                {"name_key": {"$regex": "(^| )" + re.escape(name)}},
                {"email": {"$regex": "^" + re.escape(normalise_email(self.q))}},
                *_phone_terms(self.q),
            ]
        return query


def _phone_terms(q: str) -> list[dict[str, Any]]:
    """Numbers are stored in E.164 and asked for as people write them."""
    digits = re.sub(r"\D", "", q, flags=re.ASCII)
    if not _DIALLED.fullmatch(q.strip()) or len(digits) < _FEWEST_DIGITS:
        return []
    start = r"^\+" if q.strip().startswith("+") else ""
    return [{"phone": {"$regex": start + digits}}]


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

    async def with_any_contact(
        self, emails: Collection[str], phones: Collection[str]
    ) -> list[Patient]:
        """Everybody on any of these addresses or numbers, oldest first."""
        by_email = await self._find({"email": {"$in": list(emails)}}) if emails else []
        by_phone = await self._find({"phone": {"$in": list(phones)}}) if phones else []
        found = {patient.id: patient for patient in (*by_email, *by_phone)}
        return sorted(found.values(), key=lambda patient: patient.id)

    async def page(self, wanted: PatientFilter, *, page: int, limit: int) -> Page[Patient]:
        """By name, stable. A search is counted up to `EXACT_UP_TO`."""
        return await self._page(
            wanted.to_query(),
            sort=[("name_key", 1), ("_id", 1)],
            page=page,
            limit=limit,
            exact_up_to=EXACT_UP_TO if wanted.q else None,
        )

    async def change(
        self, patient_id: PyObjectId, fields: Mapping[str, Any], *, unset: Collection[str]
    ) -> bool:
        """`update_fields` that leaves every patient a way to be reached: of an address and a
        number, what is not replaced may only be removed while the other is there.
        """
        guard: dict[str, Any] = {"_id": patient_id}
        removed_ways = _WAYS_TO_REACH & set(unset)
        if removed_ways == _WAYS_TO_REACH:
            return False
        if removed_ways and not _WAYS_TO_REACH & set(fields):
            guard |= {way: {"$exists": True} for way in _WAYS_TO_REACH - removed_ways}
        update: dict[str, Any] = {"$set": dict(fields)}
        if removed := dict.fromkeys(unset, ""):
            update["$unset"] = removed
        return await self._update(guard, update)

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

    async def record_opt_in(
        self, patient_id: PyObjectId, *, at: datetime, by: str, source: str
    ) -> bool:
        """Note that they want messages again; `by`: who consented."""
        fields = {
            "consent.opted_in_at": at,
            "consent.opted_in_by": by,
            "consent.source": source,
        }
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
