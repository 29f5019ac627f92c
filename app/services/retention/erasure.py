"""Erasing one patient: what tells who they are goes, the facts that the law wants kept stay.

Kept are visits (what was done when, by whom), the course of campaigns, that there were messages,
and the audit log; none of it says who it was about. The erasure is stored before it is begun, and
every step may run twice: after a crash the reconciler takes it up. What somebody was still writing
while it ran (the agent about their last message, say) is looked for once more a while later.
"""

import logging
from contextlib import suppress
from datetime import timedelta

from app.core.clock import Clock
from app.core.errors import ConflictError
from app.db.database import UNAVAILABLE_ERRORS
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.models.appointment import LIVE_STATUSES
from app.models.base import PyObjectId
from app.models.campaign import BOOKED_STATUSES, Campaign, CampaignStatus
from app.models.patient import Patient, name_key
from app.models.records import AuditEntry
from app.services.agent.replies import sender_address
from app.services.campaigns import CampaignLifecycle
from app.services.imports.people import lasting_id
from app.services.merging import MergeRunningError
from app.services.patient_records import ids_of, stored_patient

logger = logging.getLogger(__name__)

AT_ONCE = 20
LOOK_AGAIN_AFTER = timedelta(minutes=10)
"""Whoever read the patient before the erasure has written by then, or has given up."""
ERASED = "patient_erased"


class LiveVisitError(ConflictError):
    """A visit is booked: whoever is erased cannot be expected. `appointment_ids` names them."""

    slug = "patient-has-visit"
    title = "This patient has a visit"


class PatientErasure:
    """Erases patients."""

    def __init__(
        self, repositories: Repositories, lifecycle: CampaignLifecycle, clock: Clock
    ) -> None:
        self._repositories = repositories
        self._lifecycle = lifecycle
        self._clock = clock

    async def erase(self, patient_id: PyObjectId, *, by: str) -> Patient:
        """What is left of the patient. Erasing again changes nothing.

        Raises `PatientNotFoundError` (for one who was merged with a pointer on), and where nothing
        is changed either `MergeRunningError` and `LiveVisitError`.
        """
        patient = await self._get(patient_id)
        if patient.erasure is None:
            await self._refuse_merge(patient_id)
            await self._refuse_live_visits(patient_id)
            await self._repositories.patients.begin_erasure(patient, by)
            patient = await self._get(patient_id)
        if patient.erasure is not None and patient.erasure.done_at is None:
            await self._run(patient, patient.erasure.by)
        return await self._get(patient_id)

    async def take_up(self) -> None:
        """Finish what a crash cut short, and look once more for what came late."""
        patients = self._repositories.patients
        for patient in await patients.to_erase(AT_ONCE):
            try:
                await self._take_up(patient)
            except UNAVAILABLE_ERRORS:
                raise
            except Exception:  # one that fails must not hold up the others
                logger.exception("erasure failed", extra={"patient_id": str(patient.id)})
                await patients.put_off_erasure(patient.id)

    async def _take_up(self, patient: Patient) -> None:
        if patient.erasure is None:
            return
        if patient.erasure.done_at is None:
            await self._run(patient, patient.erasure.by)
        elif patient.erasure.done_at <= self._clock.now() - LOOK_AGAIN_AFTER:
            await self._clear(patient, patient.erasure.by)
            await self._repositories.patients.settle_erasure(patient.id)

    async def _get(self, patient_id: PyObjectId) -> Patient:
        return await stored_patient(self._repositories, patient_id)

    async def _refuse_merge(self, patient_id: PyObjectId) -> None:
        if await self._repositories.patient_merges.running_with(patient_id) is not None:
            message = "This patient is being merged with another. Try again in a minute."
            raise MergeRunningError(message)

    async def _refuse_live_visits(self, patient_id: PyObjectId) -> None:
        visits = await self._repositories.appointments.all_for_patient(patient_id)
        live = [str(visit.id) for visit in visits if visit.status in LIVE_STATUSES]
        if live:
            message = "Cancel the patient's visits, or say what became of them, first."
            raise LiveVisitError(message, extra={"appointment_ids": live})

    async def _run(self, patient: Patient, by: str) -> None:
        """Later, where a merge brings something yet: of a merge and an erasure that begin at one
        time, the merge sees that somebody is to be erased, or the erasure sees the merge.
        """
        if await self._repositories.patient_merges.running_with(patient.id) is not None:
            return
        completed = await self._repositories.patients.get(patient.id)
        await self._clear(completed or patient, by)
        await self._record(patient.id, by)
        await self._repositories.patients.finish_erasure(patient.id)

    async def _clear(self, patient: Patient, by: str) -> None:
        retention = self._repositories.retention
        await self._seal(patient)
        await retention.drop_waiting(patient.id, "erased")
        campaign = await self._repositories.campaigns.active_for(patient.id)
        if campaign is not None:
            await self._end(campaign, by)
        ids = await ids_of(self._repositories, patient.id)
        for one in ids:
            await retention.clear_patient(one)
        await self._repositories.audit.clear_details(ids)

    async def _seal(self, patient: Patient) -> None:
        """Not where somebody else is on the same mailbox or number: they may go on hearing.

        On the waitlist nobody may have seen whose an entry was: of a shared contact the namesakes'
        go.
        """
        patients, retention = self._repositories.patients, self._repositories.retention
        theirs_alone = set()
        for address in patient.contacts:
            look_up = patients.with_email if "@" in address else patients.with_phone
            if all(other.id == patient.id for other in await look_up(address)):
                theirs_alone.add(address)
                await self._repositories.suppressions.seal(address, self._clock.now())
                await retention.forget_bounces(address)
                await retention.forget_waitlist(address)
            else:
                await retention.forget_waitlist(address, name_key(patient.name))
        await self._forget_unclaimed(theirs_alone)

    async def _forget_unclaimed(self, contacts: set[str]) -> None:
        """What came from there and was found to be nobody's, before they were on file say."""
        if not contacts:
            return
        retention = self._repositories.retention
        found = [
            message_id
            async for message_id, sender in retention.unclaimed()
            if contacts & {sender, sender_address(sender)}
        ]
        await retention.clear_messages(found)

    async def _end(self, campaign: Campaign, by: str) -> None:
        """One that still stands booked has no live visit any more, and is led out of there."""
        if campaign.status in BOOKED_STATUSES:
            moved = await self._lifecycle.move(campaign, CampaignStatus.RE_ENGAGED, by=by)
            campaign = moved.campaign
        await self._lifecycle.move(campaign, CampaignStatus.RECOVERY_DECLINED, by=by)

    async def _record(self, patient_id: PyObjectId, by: str) -> None:
        """Once, however often a crash comes before the end."""
        entry = AuditEntry(
            id=lasting_id(ERASED, str(patient_id)),
            actor=by,
            action=ERASED,
            subject="patient",
            subject_id=str(patient_id),
            at=self._clock.now(),
        )
        with suppress(DuplicateValueError):
            await self._repositories.audit.insert(entry)
