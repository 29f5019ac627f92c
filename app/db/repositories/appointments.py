"""Appointments. The unique index on `claims` is what makes a double booking impossible."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from app.core.clock import Clock
from app.db.database import Database
from app.db.repositories.base import DocumentRepository, Page, portions
from app.models.appointment import (
    LIVE_STATUSES,
    Appointment,
    AppointmentEvent,
    AppointmentEventKind,
    AppointmentStatus,
    CreatedFrom,
    HeldTime,
    ReminderPlan,
)
from app.models.base import PyObjectId
from app.models.imports import ConflictState
from app.models.schedule import RASTER_MINUTES


@dataclass(frozen=True)
class AppointmentFilter:
    """What a list of visits may be narrowed by; the span is [starts_from, starts_before)."""

    starts_from: datetime | None = None
    starts_before: datetime | None = None
    provider_id: PyObjectId | None = None
    status: AppointmentStatus | None = None

    def to_query(self) -> dict[str, Any]:
        """As the database is asked."""
        span = {"$gte": self.starts_from, "$lt": self.starts_before}
        query: dict[str, Any] = {
            "provider_id": self.provider_id,
            "status": self.status,
            "appointment_date": {name: at for name, at in span.items() if at} or None,
        }
        return {name: value for name, value in query.items() if value is not None}


@dataclass(frozen=True)
class LiveFilter:
    """What a visit still to come may need; the span is [starts_from, starts_before)."""

    provider_id: PyObjectId | None = None
    chair_id: PyObjectId | None = None
    service_id: str | None = None
    starts_from: datetime | None = None
    starts_before: datetime | None = None

    def to_query(self, after: datetime) -> dict[str, Any]:
        """As the database is asked for those from `after` on."""
        starts: dict[str, Any] = {"$gte": max(after, self.starts_from or after)}
        if self.starts_before is not None:
            starts["$lt"] = self.starts_before
        needed = {
            "provider_id": self.provider_id,
            "chair_id": self.chair_id,
            "service_id": self.service_id,
        }
        named = {name: value for name, value in needed.items() if value is not None}
        return {**named, "appointment_date": starts}


EVER = datetime(1970, 1, 1, tzinfo=UTC)
BUCKET = timedelta(minutes=RASTER_MINUTES)
ONE_TRIP = 10_000
"""Documents of a batch: a practice's month fits, and the server cuts a batch at 16 MB anyway."""
LONGEST_HOLD = timedelta(days=1)
"""More than a visit of 8 hours with buffers of 4 on each side occupies."""
SETTLING_TIME = timedelta(days=7)
"""So long a visit that nobody marked as completed or missed still counts as booked: whoever was
seen yesterday must not be asked today why they did not come."""


STREAMED = 500
"""Visits that are held at once where all of them are gone through."""

_held_of = itemgetter(*HeldTime._fields)


class AppointmentRepository(DocumentRepository[Appointment]):
    """Queries over `appointments`. `insert` raises `DuplicateValueError(APPOINTMENT_CLAIMS)`."""

    collection_name = "appointments"
    model = Appointment

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._conflicts = database.collection("schedule_conflicts")

    async def page(self, wanted: AppointmentFilter, *, page: int, limit: int) -> Page[Appointment]:
        """By start, stable."""
        return await self._page(
            wanted.to_query(),
            sort=[("appointment_date", 1), ("_id", 1)],
            page=page,
            limit=limit,
        )

    async def held_between(
        self, since: datetime, before: datetime, *, except_for: PyObjectId | None = None
    ) -> list[HeldTime]:
        """The time held by every visit that starts in [since, before), but for one that is moved.

        One query on the date's index. A visit holds time while it has claims; what they say is read
        from the few fields they were made of: a full practice's month has megabytes of claims.
        """
        query: dict[str, Any] = {
            "appointment_date": {"$gte": since, "$lt": before},
            "claims": {"$exists": True},
        }
        if except_for is not None:
            query["_id"] = {"$ne": except_for}
        shown = {"_id": 0, **dict.fromkeys(HeldTime._fields, 1)}
        found = await self._collection.find(query, shown, batch_size=ONE_TRIP).to_list(None)
        return [HeldTime(*_held_of(row)) for row in found]

    async def unplaced_claims_between(self, since: datetime, before: datetime) -> list[str]:
        """What open conflicts about visits that start in [since, before) claim.

        Their time counts as taken: somebody is coming then, though the book has no place for them.
        """
        span = {"$gte": since, "$lt": before}
        wanted = {"state": ConflictState.OPEN, "appointment_date": span}
        found = await self._conflicts.find(wanted, {"claims": 1, "_id": 0}).to_list(None)
        return [claim for row in found for claim in row["claims"]]

    async def starting_between(self, since: datetime, before: datetime) -> list[Appointment]:
        """Every visit that starts in [since, before), in any status, by start; without its claims.

        Those that are being deleted are left out.
        """
        query = {
            "appointment_date": {"$gte": since, "$lt": before},
            "pending_event.kind": {"$ne": AppointmentEventKind.DELETED},
        }
        sort = [("appointment_date", 1), ("_id", 1)]
        cursor = self._collection.find(query, {"claims": 0}, sort=sort)
        return [self.model.from_stored(one) for one in await cursor.to_list(None)]

    async def holding_any(self, claims: Sequence[str]) -> list[Appointment]:
        """The visits that hold any of these claims: who is in the way.

        Asked for by date as well, which every server has an index to answer from: no visit with
        its buffers reaches further than `LONGEST_HOLD` from where it starts.
        """
        if not claims:
            return []
        buckets = [int(claim.rpartition("@")[2]) for claim in claims]
        first, last = (EVER + number * BUCKET for number in (min(buckets), max(buckets)))
        query = {
            "appointment_date": {"$gte": first - LONGEST_HOLD, "$lt": last + LONGEST_HOLD},
            "claims": {"$in": list(claims)},
        }
        return await self._find(query)

    async def claiming_between(self, since: datetime, before: datetime) -> list[Appointment]:
        """The visits that start in [since, before) and hold time."""
        span = {"$gte": since, "$lt": before}
        return await self._find({"appointment_date": span, "claims": {"$exists": True}})

    async def patients_with_live_visit(
        self, patient_ids: Iterable[PyObjectId], after: datetime
    ) -> set[PyObjectId]:
        """Who of these has a visit ahead, or one of the last days that nobody has settled yet.

        One that the practice's own system has and our book has no place for (an open conflict)
        counts too.
        """
        asked = ({"patient_id": {"$in": ids}} for ids in portions(patient_ids))
        found = [await self._with_live_visit(whose, after) for whose in asked]
        return set().union(*found)

    async def everybody_with_live_visit(self, after: datetime) -> set[PyObjectId]:
        """The same of all patients: reads every visit that is still ahead."""
        return await self._with_live_visit({}, after)

    async def _with_live_visit(self, whose: Mapping[str, Any], after: datetime) -> set[PyObjectId]:
        query = {**whose, "appointment_date": {"$gte": after - SETTLING_TIME}}
        live, unplaced = await asyncio.gather(
            self._collection.find(
                {**query, "status": {"$in": sorted(LIVE_STATUSES)}}, {"patient_id": 1}
            ).to_list(None),
            self._conflicts.find({**query, "state": ConflictState.OPEN}, {"patient_id": 1}).to_list(
                None
            ),
        )
        return {row["patient_id"] for row in (*live, *unplaced)}

    async def named(self, external_ids: Iterable[str]) -> dict[str, Appointment]:
        """The visits that another system calls so."""
        found = await self._find({"external_id": {"$in": list(external_ids)}})
        return {one.external_id: one for one in found if one.external_id is not None}

    async def stream_imported_live(self, since: datetime) -> AsyncIterator[Appointment]:
        """Imported visits still to come from `since` on, by start; without their claims."""
        query = {
            "appointment_date": {"$gte": since},
            "created_from": CreatedFrom.IMPORT,
            "status": {"$in": sorted(LIVE_STATUSES)},
            "external_id": {"$exists": True},
        }
        sort = [("appointment_date", 1), ("_id", 1)]
        cursor = self._collection.find(query, {"claims": 0}, sort=sort, batch_size=STREAMED)
        async for document in cursor:
            yield self.model.from_stored(document)

    async def all_for_patient(self, patient_id: PyObjectId) -> list[Appointment]:
        """Every visit of a patient, newest first."""
        return await self._find({"patient_id": patient_id}, sort=[("appointment_date", -1)])

    async def live_for_campaign(
        self, campaign_id: PyObjectId, *, other_than: PyObjectId
    ) -> list[Appointment]:
        """The campaign's visits still to come, except one."""
        return await self._find(
            {
                "campaign_id": campaign_id,
                "status": {"$in": sorted(LIVE_STATUSES)},
                "_id": {"$ne": other_than},
            }
        )

    async def change(
        self,
        appointment: Appointment,
        fields: Mapping[str, Any],
        event: AppointmentEvent | None,
        *,
        frees_time: bool = False,
    ) -> bool:
        """One write: the change, its claims and the event whose effects are still to be done.

        Without an event nobody outside the book needs to know. A visit that starts at another time
        has its reminders planned anew, and can be asked about again. Guarded by the status and the
        sequence it was read in. Raises `DuplicateValueError(APPOINTMENT_CLAIMS)` where moved claims
        collide.
        """
        pending = {"pending_event": event.to_stored()} if event else {}
        update: dict[str, Any] = {"$set": {**fields, **pending}, "$inc": {"sequence": 1}}
        unset = {"claims": ""} if frees_time else {}
        start = appointment.appointment_date
        if fields.get("appointment_date", start) != start:
            unset["asked_about_at"] = ""
            update["$set"]["start_set_at"] = self._clock.now()
            update["$set"]["reminder_plan"] = ReminderPlan.to_be_made().to_stored()
        if unset:
            update["$unset"] = unset
        guard = {
            "_id": appointment.id,
            "status": appointment.status,
            "sequence": appointment.sequence,
        }
        return await self._update(guard, update)

    async def hand_to(
        self,
        appointment: Appointment,
        patient_id: PyObjectId,
        claims: Sequence[str] | None,
        campaign_id: PyObjectId | None,
    ) -> bool:
        """Give a visit to another patient record, while it still belongs to the one it was read
        with. Raises `DuplicateValueError(APPOINTMENT_CLAIMS)` where that patient has a visit then.
        """
        guard = {
            "_id": appointment.id,
            "patient_id": appointment.patient_id,
            "sequence": appointment.sequence,
        }
        fields: dict[str, Any] = {"patient_id": patient_id}
        if claims:
            fields["claims"] = list(claims)
        if campaign_id is not None:
            fields["campaign_id"] = campaign_id
        return await self._update(guard, {"$set": fields})

    async def relink(self, from_campaign: PyObjectId, to_campaign: PyObjectId) -> None:
        """The visits of one campaign go on in another of the same person."""
        change = {"$set": {"campaign_id": to_campaign, "updated_at": self._clock.now()}}
        await self._collection.update_many({"campaign_id": from_campaign}, change)

    async def live_ahead(self, after: datetime, wanted: LiveFilter) -> list[Appointment]:
        """Visits still to come that need what is named, by start; without their claims."""
        query = {
            **wanted.to_query(after),
            "status": {"$in": sorted(LIVE_STATUSES)},
        }
        sort = [("appointment_date", 1), ("_id", 1)]
        cursor = self._collection.find(query, {"claims": 0}, sort=sort)
        return [self.model.from_stored(one) for one in await cursor.to_list(None)]

    async def clear_event(self, appointment: Appointment) -> bool:
        """The event's effects are done. A newer event is left alone."""
        if appointment.pending_event is None:
            return False
        guard = {"_id": appointment.id, "sequence": appointment.sequence}
        return await self._update(guard, {"$unset": {"pending_event": ""}})

    async def with_pending_event(
        self, now: datetime, *, written_before: datetime, limit: int
    ) -> list[Appointment]:
        """Visits whose change has not reached everything it should, oldest first.

        Those that failed and are to be tried later than `now` are left out.
        """
        query = {
            "pending_event.at": {"$gt": EVER, "$lt": written_before},
            # Also true of one that was never put off. Not an `$or`, for which the embedded server
            # walks over every visit there ever was.
            "pending_event.not_before": {"$not": {"$gt": now}},
        }
        return await self._find_readable(query, sort=[("pending_event.at", 1)], limit=limit)

    async def put_off_event(self, appointment: Appointment, not_before: datetime) -> bool:
        """Count a failure of the pending event's effects; one of two that failed at once counts."""
        if appointment.pending_event is None:
            return False
        attempts = appointment.pending_event.attempts
        guard = {
            "_id": appointment.id,
            "sequence": appointment.sequence,
            "pending_event": {"$exists": True},
            # An event of before this was counted has no number.
            "pending_event.attempts": {"$in": [attempts, None]},
        }
        fields = {
            "pending_event.attempts": attempts + 1,
            "pending_event.not_before": not_before,
        }
        return await self._update(guard, {"$set": fields})

    async def to_remind(self, now: datetime, limit: int) -> list[Appointment]:
        """Live visits ahead with a reminder due or to be planned, the longest due first."""
        query = {
            "status": {"$in": sorted(LIVE_STATUSES)},
            "reminder_plan.next_at": {"$lte": now},
            "appointment_date": {"$gt": now},
        }
        return await self._find_readable(query, sort=[("reminder_plan.next_at", 1)], limit=limit)

    async def planned_otherwise(self, now: datetime, rules: str, limit: int) -> list[Appointment]:
        """Live visits ahead whose reminders were planned by other `rules`; the nearest first.

        It walks over the whole book ahead.
        """
        query = {
            "status": {"$in": sorted(LIVE_STATUSES)},
            "appointment_date": {"$gt": now},
            "reminder_plan.rules": {"$ne": rules},
        }
        return await self._find_readable(query, sort=[("appointment_date", 1)], limit=limit)

    async def set_reminder_plan(self, appointment: Appointment, plan: ReminderPlan) -> bool:
        """Note how far the reminders have come, unless the visit was moved meanwhile."""
        guard = {"_id": appointment.id, "appointment_date": appointment.appointment_date}
        return await self._update(guard, {"$set": {"reminder_plan": plan.to_stored()}})

    async def unsettled(self, before: datetime, limit: int) -> list[Appointment]:
        """Visits from before `before` that are still marked as ahead, and nobody asked about."""
        query = {
            "status": {"$in": sorted(LIVE_STATUSES)},
            "appointment_date": {"$lt": before},
            "asked_about_at": {"$exists": False},
        }
        return await self._find(query, sort=[("appointment_date", 1)], limit=limit)

    async def free_claims_between(self, since: datetime, before: datetime) -> int:
        """Drop the claims of visits that started in [since, before); how many held some."""
        result = await self._collection.update_many(
            {
                "appointment_date": {"$gte": since, "$lt": before},
                "claims": {"$exists": True},
            },
            {"$unset": {"claims": ""}},
        )
        return result.modified_count

    async def count_created_between(self, since: datetime, before: datetime) -> int:
        """Visits written into the book in [since, before) and not cancelled since.

        Imported ones were booked elsewhere, at a time nobody told us.
        """
        return await self._collection.count_documents(
            {
                "created_at": {"$gte": since, "$lt": before},
                "status": {"$ne": AppointmentStatus.CANCELLED},
                "created_from": {"$ne": CreatedFrom.IMPORT},
            }
        )

    async def count_completed_between(self, since: datetime, before: datetime) -> int:
        """Visits marked as completed in [since, before)."""
        return await self._collection.count_documents(
            {"completed_at": {"$gte": since, "$lt": before}}
        )
