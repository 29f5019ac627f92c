"""Two records of one person become one: everything of the record that goes belongs to the other.

The merge is stored before it is begun, and every step may run twice: after a crash the reconciler
takes it up where it was. What a process that was faster still wrote for the record that went is
looked for once more a minute later.
"""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from app.core.clock import Clock
from app.core.errors import AppError, ConflictError, UnprocessableError
from app.db.database import UNAVAILABLE_ERRORS
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.models.appointment import Appointment
from app.models.base import PyObjectId, new_id
from app.models.merge import PatientMerge
from app.models.patient import (
    OTHER_CONTACTS,
    Patient,
    PatientStatus,
    PatientType,
    Treatment,
    name_key,
)
from app.models.records import UNDELIVERABLE, AuditEntry
from app.services.imports.people import lasting_id
from app.services.merging_campaigns import CampaignHandover
from app.services.patient_records import NOBODY
from app.services.patients import PatientMergedError, PatientNotFoundError, refuse_erased
from app.services.scheduling.claims import claims_for, patient_key

logger = logging.getLogger(__name__)

TAKE_UP_AFTER = timedelta(seconds=30)
LOOK_AGAIN_AFTER = timedelta(seconds=60)
AT_ONCE = 20
RACE_ATTEMPTS = 5
_FROM_EITHER = ("email", "phone", "initial_inquiry", "estimated_value")


class SamePatientError(UnprocessableError):
    """A patient cannot be merged with themselves."""

    slug = "merge-with-itself"
    title = "These are not two patients"


class MergeRunningError(ConflictError):
    """One of the two is being merged already, or was."""

    slug = "merge-running"
    title = "One of these patients is being merged"


class MergeOverlapError(ConflictError):
    """Both have a visit at one time; `appointment_ids` names them."""

    slug = "merge-overlap"
    title = "Both patients have a visit at the same time"


class PatientMerging:
    """Merges duplicates."""

    def __init__(
        self, repositories: Repositories, campaigns: CampaignHandover, clock: Clock
    ) -> None:
        self._repositories = repositories
        self._campaigns = campaigns
        self._clock = clock

    async def merge(self, survivor_id: PyObjectId, absorbed_id: PyObjectId, *, by: str) -> Patient:
        """The patient that stays, with everything of the other.

        Raises `SamePatientError`, `PatientNotFoundError`, `PatientMergedError`,
        `ErasedPatientError`, `MergeRunningError` and `MergeOverlapError`; nothing is changed then.
        """
        if survivor_id == absorbed_id:
            message = "Name two different patients."
            raise SamePatientError(message)
        merge = await self._begin(survivor_id, absorbed_id, by)
        try:
            await self._check(merge)
        except (ConflictError, PatientNotFoundError):
            await self._repositories.patient_merges.abandon(merge)
            raise
        await self._run(merge)
        return await self._patient(survivor_id)

    async def take_up(self) -> None:
        """Finish what a crash cut short, and look once more for what came late."""
        now = self._clock.now()
        merges = self._repositories.patient_merges
        for merge in await merges.to_take_up(now, AT_ONCE):
            try:
                await self._take_up(merge)
            except UNAVAILABLE_ERRORS:
                raise
            except AppError as error:
                logger.warning(
                    "merge put off", extra={"patient_id": str(merge.id), "problem": error.slug}
                )
                await merges.put_off(merge, now + TAKE_UP_AFTER)
            except Exception:  # one bad merge must not hold up the others
                logger.exception("merge failed", extra={"patient_id": str(merge.id)})
                await merges.put_off(merge, now + TAKE_UP_AFTER)

    async def _take_up(self, merge: PatientMerge) -> None:
        if merge.finished_at is not None:
            await self._move(merge)
            await self._repositories.patient_merges.settle(merge)
        elif merge.taken is None and await self._is_impossible(merge):
            await self._repositories.patient_merges.abandon(merge)
        else:
            await self._run(merge)

    async def _begin(
        self, survivor_id: PyObjectId, absorbed_id: PyObjectId, by: str
    ) -> PatientMerge:
        now = self._clock.now()
        merge = PatientMerge(
            id=absorbed_id,
            survivor_id=survivor_id,
            by=by,
            parties=[survivor_id, absorbed_id],
            again_at=now + TAKE_UP_AFTER,
            created_at=now,
            updated_at=now,
        )
        try:
            await self._store(merge)
        except DuplicateValueError as error:
            message = "One of these patients is being merged, or was merged, with another."
            raise MergeRunningError(message) from error
        return merge

    async def _store(self, merge: PatientMerge) -> None:
        """Also in the place of a finished one, where the record that went is there again."""
        merges = self._repositories.patient_merges
        try:
            await merges.begin(merge)
        except DuplicateValueError:
            is_back = await self._repositories.patients.get(merge.id) is not None
            if not (is_back and await merges.begin_again(merge)):
                raise

    async def _check(self, merge: PatientMerge) -> None:
        for one in (merge.survivor_id, merge.id):
            refuse_erased(await self._patient(one))
        appointments = self._repositories.appointments
        theirs = await appointments.all_for_patient(merge.id)
        wanted = [claim for one in theirs for claim in _own_claims(one, merge.survivor_id)]
        in_the_way = [
            one for one in await appointments.holding_any(wanted) if one.patient_id != merge.id
        ]
        if in_the_way:
            message = "Both have a visit at the same time. Cancel or move one of them first."
            extra = {"appointment_ids": [str(one.id) for one in in_the_way]}
            raise MergeOverlapError(message, extra=extra)

    async def _is_impossible(self, merge: PatientMerge) -> bool:
        try:
            await self._check(merge)
        except (ConflictError, PatientNotFoundError):
            return True
        return False

    async def _patient(self, patient_id: PyObjectId) -> Patient:
        patient = await self._repositories.patients.get(patient_id)
        if patient is not None:
            return patient
        gone = await self._repositories.patient_merges.get(patient_id)
        if gone is not None and gone.finished_at is not None:
            raise PatientMergedError.into(gone.survivor_id)
        raise PatientNotFoundError(NOBODY)

    async def _run(self, merge: PatientMerge) -> None:
        taken = await self._take(merge)
        await self._keep_wish(merge, taken)
        await self._complete(merge, taken)
        await self._move(merge)
        await self._repositories.patient_merges.point_on(merge.id, merge.survivor_id)
        await self._record(merge)
        again_at = self._clock.now() + LOOK_AGAIN_AFTER
        await self._repositories.patient_merges.finish(merge, again_at)

    async def _take(self, merge: PatientMerge) -> Patient:
        """Remove the record that goes, once all of it is kept in the merge."""
        for _ in range(RACE_ATTEMPTS):
            absorbed = await self._repositories.patients.get(merge.id)
            if absorbed is None:
                kept = await self._repositories.patient_merges.get(merge.id)
                merge.taken = kept.taken if kept else merge.taken
                break
            if absorbed.erasure is not None:  # since the merge began
                await self._repositories.patient_merges.drop(merge)
                refuse_erased(absorbed)
            await self._keep_wish(merge, absorbed)
            merge.taken = absorbed
            await self._repositories.patient_merges.note(
                merge, {"taken": absorbed.model_dump(by_alias=True, exclude_none=True)}
            )
            if await self._repositories.patients.remove_as_read(absorbed):
                break
        if merge.taken is None:
            raise PatientNotFoundError(NOBODY)
        return merge.taken

    async def _keep_wish(self, merge: PatientMerge, absorbed: Patient) -> None:
        """Whoever asked for no more messages on either record gets none. First of all steps."""
        contacts = [one for one in (absorbed.email, absorbed.phone) if one]
        found = await self._repositories.suppressions.among(contacts)
        wishes = [one for one in found.values() if one.reason not in UNDELIVERABLE]
        at = absorbed.consent.opted_out_at or min((one.at for one in wishes), default=None)
        if at is None:
            return
        reason = absorbed.consent.reason or next((one.reason for one in wishes), "opt_out")
        await self._repositories.patients.record_opt_out(
            merge.survivor_id, at=at, reason=reason, source=absorbed.consent.source or merge.by
        )

    async def _complete(self, merge: PatientMerge, taken: Patient) -> None:
        """Give the one that stays what it lacks; what it has stands. Whoever is erased gets
        nothing.
        """
        survivor = await self._patient(merge.survivor_id)
        fields = _missing(survivor, taken)
        if not fields:
            return
        patients = self._repositories.patients
        try:
            await patients.complete(survivor.id, fields)
        except DuplicateValueError:  # somebody else of this name has the address: told apart
            key = name_key(survivor.name, duplicate=str(new_id()))
            await patients.complete(survivor.id, fields | {"name_key": key})

    async def _move(self, merge: PatientMerge) -> None:
        """What comes to somebody erased goes with the next look of the erasure."""
        await self._campaigns.hand_over(merge)
        for visit in await self._repositories.appointments.all_for_patient(merge.id):
            await self._hand_visit(visit, merge.survivor_id)
        await self._repositories.patient_merges.hand_over(merge.id, merge.survivor_id)
        await self._repositories.patients.look_again(merge.survivor_id)

    async def _hand_visit(self, visit: Appointment, survivor_id: PyObjectId) -> None:
        for _ in range(RACE_ATTEMPTS):
            if await self._try_visit(visit, survivor_id):
                return
            now = await self._repositories.appointments.get(visit.id)
            if now is None or now.patient_id == survivor_id:
                return
            visit = now
        logger.warning("visit not handed over", extra={"appointment_id": str(visit.id)})

    async def _try_visit(self, visit: Appointment, survivor_id: PyObjectId) -> bool:
        """Where the one that stays was booked at that time meanwhile, both visits stand: the
        provider's and the chair's time stay claimed, the patient's is the other's already.
        """
        appointments = self._repositories.appointments
        claims = _claims_of(visit, survivor_id)
        try:
            return await appointments.hand_to(visit, survivor_id, claims, None)
        except DuplicateValueError:
            own = f"{patient_key(survivor_id)}@"
            others = [claim for claim in claims if not claim.startswith(own)]
            return await appointments.hand_to(visit, survivor_id, others, None)

    async def _record(self, merge: PatientMerge) -> None:
        """Once, however often a crash comes before the end."""
        entry = AuditEntry(
            id=lasting_id("merge", str(merge.id), merge.created_at.isoformat()),
            actor=merge.by,
            action="merge",
            subject="patient",
            subject_id=str(merge.survivor_id),
            at=self._clock.now(),
            details={"merged_patient_id": str(merge.id)},
        )
        with suppress(DuplicateValueError):
            await self._repositories.audit.insert(entry)


def _missing(survivor: Patient, taken: Patient) -> dict[str, Any]:
    """What the merge changes in the record that stays, `None` for what goes; the same again after
    that: nothing.
    """
    fields: dict[str, Any] = {
        name: getattr(taken, name)
        for name in _FROM_EITHER
        if getattr(survivor, name) is None and getattr(taken, name) is not None
    }
    others = _other_contacts(survivor.model_copy(update=fields), taken)
    if others != survivor.other_contacts:
        fields["other_contacts"] = others
    if PatientType.EXISTING in {taken.patient_type} - {survivor.patient_type}:
        fields["patient_type"] = PatientType.EXISTING
    if PatientStatus.DECEASED in {taken.status} - {survivor.status}:
        fields["status"] = PatientStatus.DECEASED
    if (due := _due(survivor, taken)) != survivor.next_follow_up_date:
        fields["next_follow_up_date"] = due
    if added := [one for one in taken.treatment_history if one not in survivor.treatment_history]:
        history = sorted([*survivor.treatment_history, *added], key=_done_at)
        fields["treatment_history"] = [one.to_stored() for one in history]
    return fields


def _due(survivor: Patient, taken: Patient) -> datetime | None:
    """The later of the two recall dates, as in an import, but none that a visit noted in the other
    record came after: a visit sets or clears the date (product.md, Who becomes due).
    """
    ours, theirs = survivor.next_follow_up_date, taken.next_follow_up_date
    if ours == theirs:  # also in a second run: the record that went had a visit and this date
        return ours
    open_dates = [
        due
        for due, other in ((ours, taken), (theirs, survivor))
        if due is not None and not _has_come_since(due, other)
    ]
    return max(open_dates, default=None)


def _has_come_since(due: datetime, patient: Patient) -> bool:
    days = (treatment.procedure_date for treatment in patient.treatment_history)
    return any(day is not None and day >= due for day in days)


def _other_contacts(stays: Patient, taken: Patient) -> list[str]:
    """What was theirs on either record and is not on file now; of too many the first are kept."""
    ever = dict.fromkeys((*stays.other_contacts, *taken.contacts))
    others = [one for one in ever if one not in (stays.email, stays.phone)]
    return others[:OTHER_CONTACTS]


def _done_at(treatment: Treatment) -> float:
    return treatment.procedure_date.timestamp() if treatment.procedure_date else 0.0


def _claims_of(visit: Appointment, patient_id: PyObjectId) -> list[str]:
    """The claims as the other patient's; of a visit that has none, none."""
    if not visit.claims:
        return []
    return claims_for(
        visit.provider_id,
        visit.chair_id,
        patient_id,
        visit.appointment_date,
        duration_minutes=visit.duration_minutes,
        buffer_before=visit.buffer_before_minutes,
        buffer_after=visit.buffer_after_minutes,
    )


def _own_claims(visit: Appointment, patient_id: PyObjectId) -> list[str]:
    own = f"{patient_key(patient_id)}@"
    return [claim for claim in _claims_of(visit, patient_id) if claim.startswith(own)]
