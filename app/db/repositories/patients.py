"""Patients."""

import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core.clock import Clock
from app.db.database import Database
from app.db.repositories.base import DocumentRepository, Filter, Page, Unreadable, portions
from app.models.base import PyObjectId
from app.models.patient import (
    ERASED_NAME,
    FEWEST_DIGITS,
    SEARCH_KEYS,
    Patient,
    PatientStatus,
    PatientType,
    Treatment,
    name_key,
    normalise_email,
    search_keys,
)

EXACT_UP_TO = 1000
"""A search is counted so far; beyond, its total is a lower bound (counting costs by the match)."""
_DIALLED = re.compile(r"\+?[\d\s()./-]+", re.ASCII)
_SEARCHED = frozenset({"name_key", "email", "phone", "other_contacts"})
_LAST = "\U0010ffff"
"""After every character a key can go on with."""
RACE_ATTEMPTS = 20
_NOT_GONE = {"erasure.done_at": {"$exists": False}}
MERGES_IN_A_ROW = 3
"""So many pointers are followed: a finished merge points at who stands, a running one not yet."""
_BY_NAME = [("name_key", 1), ("_id", 1)]
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
        """As the database is asked, but for `q`."""
        wanted = {"patient_type": self.patient_type, "status": self.status}
        return {name: value for name, value in wanted.items() if value is not None}

    def to_stages(self) -> list[dict[str, Any]]:
        """As the database is asked with `q`: a range of the keys' index, whatever is in `q`.

        The range alone would also find whose keys lie on both sides of it, so one of them must lie
        in it. In a stage of its own: beside it the embedded server reads the whole collection.
        """
        start = _start_of_key(self.q or "")
        span = {"$gte": start, "$lt": start + _LAST}
        exactly = {SEARCH_KEYS: {"$elemMatch": span}, **self.to_query()}
        return [{"$match": {SEARCH_KEYS: span}}, {"$match": exactly}]


def _start_of_key(q: str) -> str:
    """What is asked for in the form of the keys; numbers are asked for as people write them."""
    digits = re.sub(r"\D", "", q, flags=re.ASCII)
    if _DIALLED.fullmatch(q.strip()) and len(digits) >= FEWEST_DIGITS:
        return f"+{digits}" if q.strip().startswith("+") else digits
    return normalise_email(q) if "@" in q else name_key(q)


class PatientRepository(DocumentRepository[Patient]):
    """Queries over `patients`. Whatever changes a name or a contact changes the search keys in the
    same write.
    """

    collection_name = "patients"
    model = Patient

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._merges = database.collection("patient_merges")

    async def _update(self, query: Filter, update: Mapping[str, Any]) -> bool:
        written = update.get("$set", {})
        if not _SEARCHED & (written.keys() | update.get("$unset", {}).keys()):
            return await super()._update(query, update)
        for _ in range(RACE_ATTEMPTS):
            stored = await self._collection.find_one(query, dict.fromkeys(_SEARCHED, 1))
            if stored is None:
                return False
            keys = {SEARCH_KEYS: _keys_after(stored, update)}
            guard = {**query, **_as_it_stands(stored)}  # what it stands at has met the query
            if await super()._update(guard, {**update, "$set": {**written, **keys}}):
                return True
        message = "A patient's name and contact change all the time."
        raise RuntimeError(message)

    async def complete_search_keys(self, limit: int = 500) -> int:
        """Give the keys to patients who were stored before there were any; how many had none.

        Harmless twice and beside other writers: each write is guarded by what the keys are made of.
        """
        shown = dict.fromkeys(_SEARCHED, 1)
        done = 0
        while True:
            found = self._collection.find({SEARCH_KEYS: None}, shown, limit=limit)
            given = [await self._give_keys(stored) for stored in await found.to_list(None)]
            if not any(given):
                return done
            done += sum(given)

    async def _give_keys(self, stored: Mapping[str, Any]) -> bool:
        guard = {"_id": stored["_id"], **_as_it_stands(stored)}
        keys = {SEARCH_KEYS: _keys_after(stored, {})}
        return (await self._collection.update_one(guard, {"$set": keys})).modified_count == 1

    async def with_email(self, email: str) -> list[Patient]:
        """Everybody on this (normalised) address: families share one."""
        return await self._find({"email": email}, sort=[("_id", 1)])

    async def with_phone(self, phone: str) -> list[Patient]:
        """Everybody with this E.164 number."""
        return await self._find({"phone": phone}, sort=[("_id", 1)])

    async def with_other_contact(self, contact: str) -> list[Patient]:
        """Everybody who has this (normalised) address or E.164 number beside the one on file."""
        return await self._find({"other_contacts": contact}, sort=[("_id", 1)])

    async def with_any_contact(
        self, emails: Collection[str], phones: Collection[str]
    ) -> list[Patient]:
        """Everybody on any of these addresses or numbers, on file or beside it, oldest first."""
        either = [*emails, *phones]
        beside = await self._find({"other_contacts": {"$in": either}}) if either else []
        by_email = await self._find({"email": {"$in": list(emails)}}) if emails else []
        by_phone = await self._find({"phone": {"$in": list(phones)}}) if phones else []
        found = {patient.id: patient for patient in (*by_email, *by_phone, *beside)}
        return sorted(found.values(), key=lambda patient: patient.id)

    async def page(self, wanted: PatientFilter, *, page: int, limit: int) -> Page[Patient]:
        """By name, stable. A search is counted up to `EXACT_UP_TO`."""
        if wanted.q:
            return await self._search(wanted, page=page, limit=limit)
        return await self._page(wanted.to_query(), sort=_BY_NAME, page=page, limit=limit)

    async def _search(self, wanted: PatientFilter, *, page: int, limit: int) -> Page[Patient]:
        found = wanted.to_stages()
        span = [{"$skip": (page - 1) * limit}, {"$limit": limit}]
        rows = self._collection.aggregate([*found, {"$sort": dict(_BY_NAME)}, *span])
        counting = [*found, {"$limit": EXACT_UP_TO + 1}, {"$count": "matches"}]
        counts = self._collection.aggregate(counting)
        items = [self.model.from_stored(row) for row in await rows.to_list(None)]
        matches = sum(row["matches"] for row in await counts.to_list(None))
        return Page(items, min(matches, EXACT_UP_TO), matches > EXACT_UP_TO)

    async def change(
        self, patient_id: PyObjectId, fields: Mapping[str, Any], *, unset: Collection[str]
    ) -> bool:
        """`update_fields` that leaves every patient a way to be reached: of an address and a
        number, what is not replaced may only be removed while the other is there. Nothing is
        written into what is left of somebody erased.
        """
        guard: dict[str, Any] = {"_id": patient_id, "erasure": {"$exists": False}}
        removed_ways = _WAYS_TO_REACH & set(unset)
        if removed_ways == _WAYS_TO_REACH:
            return False
        if removed_ways and not _WAYS_TO_REACH & set(fields):
            guard |= {way: {"$exists": True} for way in _WAYS_TO_REACH - removed_ways}
        update: dict[str, Any] = {"$set": dict(fields)}
        if removed := dict.fromkeys(unset, ""):
            update["$unset"] = removed
        return await self._update(guard, update)

    async def complete(self, patient_id: PyObjectId, fields: Mapping[str, Any]) -> bool:
        """Add what another record of theirs had, remove what is `None`; `False` where all that
        tells who they are has gone for good.

        Raises `DuplicateValueError`. An erasure that has begun ends later, and removes it with the
        rest.
        """
        kept = {name: value for name, value in fields.items() if value is not None}
        update: dict[str, Any] = {"$set": kept}
        if removed := dict.fromkeys(fields.keys() - kept.keys(), ""):
            update["$unset"] = removed
        return await self._update({"_id": patient_id, **_NOT_GONE}, update)

    async def remove_as_read(self, patient: Patient) -> bool:
        """Remove a record nobody has changed since it was read; whether it was there so."""
        guard = {"_id": patient.id, "updated_at": patient.updated_at}
        return (await self._collection.delete_one(guard)).deleted_count == 1

    async def standing(self, patient_id: PyObjectId) -> Patient | None:
        """The patient an old link names: the one they were merged into, where they were."""
        return (await self.standing_each([patient_id])).get(patient_id)

    async def standing_each(self, ids: Iterable[PyObjectId]) -> dict[PyObjectId, Patient]:
        """`standing` of many, by the id that was asked for; ids of nobody are left out."""
        standing: dict[PyObjectId, Patient] = {}
        left = {one: one for one in ids}
        for _ in range(MERGES_IN_A_ROW):
            there = {one.id: one for one in await self._find_among("_id", left.values())}
            standing |= {asked: there[now] for asked, now in left.items() if now in there}
            gone = {asked: now for asked, now in left.items() if now not in there}
            into = await self._merged_into(gone.values())
            left = {asked: into[now] for asked, now in gone.items() if now in into}
            if not left:
                break
        return standing

    async def _merged_into(self, ids: Iterable[PyObjectId]) -> dict[PyObjectId, PyObjectId]:
        """Which record each went into, of those that went."""
        into: dict[PyObjectId, PyObjectId] = {}
        for portion in portions(ids):
            found = self._merges.find({"_id": {"$in": portion}}, {"survivor_id": 1})
            into |= {merge["_id"]: merge["survivor_id"] for merge in await found.to_list(None)}
        return into

    def stream_all(self) -> AsyncIterator[Patient | Unreadable]:
        """Everybody, in the order in which they came."""
        return self._stream_each({}, sort=[("_id", 1)], batch_size=200)

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
        """Note that they want no more messages; the first opt-out that stands keeps its date.

        Whoever was erased is not written to anyway.
        """
        guard = {"_id": patient_id, "consent.opted_out_at": {"$exists": False}, **_NOT_GONE}
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

    async def begin_erasure(self, patient: Patient, by: str) -> bool:
        """Store that they are to be erased; from here on nothing is sent to them. Whether it is
        new.
        """
        fields: dict[str, Any] = {
            "erasure": {"by": by, "pending_since": self._clock.now()},
            "status": max(patient.status, PatientStatus.INACTIVE, key=_FINALITY.index),
        }
        guard = {"_id": patient.id, "erasure": {"$exists": False}}
        return await self._update(guard, {"$set": fields, "$unset": {"next_follow_up_date": ""}})

    async def to_erase(self, limit: int) -> list[Patient]:
        """Those whose erasure a crash may have cut short, or who are to be looked at once more."""
        query = {"erasure.pending_since": {"$exists": True}}
        return await self._find_readable(query, sort=[("erasure.pending_since", 1)], limit=limit)

    async def finish_erasure(self, patient_id: PyObjectId) -> bool:
        """Remove who they are, last of all; whether it was not done before."""
        fields = {
            "name": ERASED_NAME,
            "name_key": f"erased {patient_id}",
            "language": "en",
            "treatment_history": [],
            "consent": {},
            "erasure.done_at": self._clock.now(),
        }
        gone = ("email", "phone", "other_contacts", *_ABOUT_THEM)
        is_open = {"erasure.pending_since": {"$exists": True}, "erasure.done_at": None}
        guard = {"_id": patient_id, **is_open}
        return await self._update(guard, {"$set": fields, "$unset": dict.fromkeys(gone, "")})

    async def look_again(self, patient_id: PyObjectId) -> None:
        """Something came to somebody erased: it is to go as well."""
        guard = {"_id": patient_id, "erasure.done_at": {"$exists": True}}
        await self._update(guard, {"$set": {"erasure.pending_since": self._clock.now()}})

    async def put_off_erasure(self, patient_id: PyObjectId) -> None:
        """Those that wait behind it come first."""
        guard = {"_id": patient_id, "erasure.pending_since": {"$exists": True}}
        await self._update(guard, {"$set": {"erasure.pending_since": self._clock.now()}})

    async def settle_erasure(self, patient_id: PyObjectId) -> None:
        """Nothing is left to look for."""
        await self._update({"_id": patient_id}, {"$unset": {"erasure.pending_since": ""}})

    async def is_empty(self) -> bool:
        """Whether there is no patient at all."""
        return await self._find_one({}) is None


_ABOUT_THEM = ("initial_inquiry", "estimated_value", "next_follow_up_date")
_FINALITY = (PatientStatus.ACTIVE, PatientStatus.INACTIVE, PatientStatus.DECEASED)


def _keys_after(stored: Mapping[str, Any], update: Mapping[str, Any]) -> list[str]:
    """The search keys of what will be stored after `update`."""
    left = {name: stored.get(name) for name in _SEARCHED - update.get("$unset", {}).keys()}
    after = left | {name: update.get("$set", {}).get(name, left.get(name)) for name in _SEARCHED}
    contacts = [after["email"], after["phone"], *(after["other_contacts"] or ())]
    return search_keys(after["name_key"] or "", filter(None, contacts))


def _as_it_stands(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Holds while nobody has changed what the keys are made of."""
    return {name: stored.get(name, {"$exists": False}) for name in sorted(_SEARCHED)}
