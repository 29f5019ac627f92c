"""Erasure and disclosure of somebody whose record another one went into."""

import httpx
import pytest

from app.db.repositories import Repositories
from app.models.appointment import AppointmentStatus
from app.models.base import new_id
from app.models.imports import Collision, ScheduleConflict
from app.models.merge import PatientMerge
from app.models.patient import Consent, Patient
from app.models.records import AuditEntry, SuppressionReason
from app.services.container import Services
from app.services.merging import MergeRunningError
from app.services.patients import ErasedPatientError, PatientMergedError
from tests.api.test_public import problem
from tests.factories import make_patient
from tests.fakes import NOON, FrozenClock

pytestmark = pytest.mark.mongo

WORDS = "staff:x: Mary called, canary words"


@pytest.fixture
async def stays(repositories: Repositories) -> Patient:
    patient = make_patient(name="Maria Lopez", initial_inquiry=None, next_follow_up_date=NOON)
    return await repositories.patients.insert(patient)


@pytest.fixture
async def goes(repositories: Repositories) -> Patient:
    return await repositories.patients.insert(
        make_patient(name="Mary Lopez", phone="+12125550142", initial_inquiry="canary words")
    )


def cut_short(stays: Patient, goes: Patient, *, taken: bool = True) -> PatientMerge:
    """A merge as a crash left it: stored, the record that goes kept in it or not yet."""
    return PatientMerge(
        id=goes.id,
        survivor_id=stays.id,
        by="staff:x",
        parties=[stays.id, goes.id],
        taken=goes if taken else None,
        again_at=NOON,
        created_at=NOON,
        updated_at=NOON,
    )


async def asked_for_silence(services: Services, patient: Patient) -> None:
    """An entry of the audit log that quotes what was said."""
    await services.base.consent.opt_out(
        patient,
        reason=SuppressionReason.OPT_OUT,
        source=WORDS,
        by="staff:x",
        whole_mailbox=False,
    )


async def audit_of(services: Services, patient: Patient) -> list[AuditEntry]:
    await services.audit.trail.settle()
    return await services.repositories.audit.about(str(patient.id))


class TestErase:
    async def test_waits_for_a_merge_that_runs(
        self, services: Services, clock: FrozenClock, stays: Patient, goes: Patient
    ) -> None:
        stored, erasure = services.repositories, services.retention.erasure
        await stored.patient_merges.begin(cut_short(stays, goes))
        for patient in (stays, goes):
            with pytest.raises(MergeRunningError):
                await erasure.erase(patient.id, by="staff:boss")
        assert await stored.patients.get(stays.id) == stays

        await stored.patients.begin_erasure(stays, "staff:boss")  # both began at one time
        begun = await erasure.erase(stays.id, by="staff:boss")
        assert begun.erasure is not None
        assert (begun.erasure.done_at, begun.name) == (None, stays.name)
        await services.jobs.reconcile()

        erased = await stored.patients.get(stays.id)
        assert erased is not None
        assert erased.erasure is not None
        assert (erased.erasure.done_at, erased.contacts) == (NOON, [])
        assert (erased.initial_inquiry, erased.next_follow_up_date) == (None, None)
        for address in (stays.email, goes.email, goes.phone):
            assert await stored.suppressions.for_address(str(address)) is not None
        assert await stored.patient_merges.begin_again(
            cut_short(stays, goes)
        )  # a crash near its end
        await services.jobs.reconcile()
        actions = [entry.action for entry in await audit_of(services, stays)]
        assert sorted(actions) == ["merge", "patient_erased"]

    async def test_nothing_is_written_into_what_is_left(
        self, services: Services, clock: FrozenClock, stays: Patient, goes: Patient
    ) -> None:
        """A merge from before the erasure that ends after it."""
        stored = services.repositories
        await services.retention.erasure.erase(stays.id, by="staff:boss")
        clock.advance(minutes=11)
        await services.jobs.reconcile()
        await asked_for_silence(services, goes)
        said = Consent(opted_out_at=NOON, reason="opt_out", source=WORDS)
        await stored.patients.delete(goes.id)
        taken = goes.model_copy(update={"consent": said})
        await stored.patient_merges.begin(cut_short(stays, taken))

        await services.jobs.reconcile()

        left = await stored.patients.get(stays.id)
        assert left is not None
        assert left.erasure is not None
        assert (left.contacts, left.initial_inquiry, left.consent.source) == ([], None, None)
        assert left.erasure.pending_since is None
        (entry,) = await audit_of(services, goes)
        assert entry.details == {}

    async def test_who_is_to_be_erased_does_not_go_into_another(
        self, services: Services, stays: Patient, goes: Patient
    ) -> None:
        stored = services.repositories
        await stored.patient_merges.begin(cut_short(stays, goes))
        await stored.patients.begin_erasure(goes, "staff:boss")

        await services.jobs.reconcile()

        kept = await stored.patients.get_many([stays.id, goes.id])
        assert kept[stays.id] == stays
        assert kept[goes.id].name == "Erased patient"
        with pytest.raises(ErasedPatientError):
            await services.desk.merging.merge(stays.id, goes.id, by="staff:x")

    async def test_reaches_what_was_recorded_of_the_records_that_went(
        self, services: Services, stays: Patient, goes: Patient
    ) -> None:
        stored = services.repositories
        first = await stored.patients.insert(make_patient(name="M. Lopez"))
        back = await stored.patients.insert(make_patient(name="Mario Lopez"))
        for one in (first, goes, back):
            await asked_for_silence(services, one)
        await services.desk.merging.merge(stays.id, goes.id, by="staff:x")
        await stored.patients.delete(first.id)
        over = {"finished_at": NOON, "parties": None, "taken": None}
        for merge in (cut_short(goes, first), cut_short(stays, back)):
            await stored.patient_merges.begin(merge.model_copy(update=over))
        conflict = ScheduleConflict(
            external_id="A-1",
            import_id=new_id(),
            patient_id=stays.id,
            provider_id=new_id(),
            service_name="Cleaning",
            appointment_date=NOON,
            duration_minutes=60,
            status=AppointmentStatus.BOOKED,
            claims=[],
            collides_with=[
                Collision(
                    appointment_id=new_id(), starts_at=NOON, duration_minutes=60, resources=[]
                )
            ],
        )
        await stored.schedule_conflicts.insert(conflict)

        told = await services.retention.disclosure.of(stays.id)
        (shown,) = told.schedule_conflicts
        assert (shown["service_name"], "collides_with" in shown) == ("Cleaning", False)
        said = [one["subject_id"] for one in told.audit if one["action"] == "opt_out"]
        assert sorted(said) == sorted([str(first.id), str(goes.id)])

        await services.retention.erasure.erase(stays.id, by="staff:boss")
        for one, details in ((first, []), (goes, []), (back, [WORDS])):
            entries = [e for e in await audit_of(services, one) if e.action == "opt_out"]
            assert [e.details["source"] for e in entries if e.details] == details


class TestAnAbsorbedRecord:
    async def test_points_at_the_one_that_stays(
        self,
        *,
        app_client: httpx.AsyncClient,
        admin_headers: dict[str, str],
        services: Services,
        stays: Patient,
        goes: Patient,
    ) -> None:
        await services.desk.merging.merge(stays.id, goes.id, by="staff:x")
        path = f"/api/v1/admin/patients/{goes.id}"
        confirmed = {"confirm_patient_id": str(goes.id)}

        answers = [
            await app_client.get(f"{path}/export-all", headers=admin_headers),
            await app_client.post(f"{path}/erase", json=confirmed, headers=admin_headers),
        ]

        assert [problem(one) for one in answers] == [(404, "patient-merged")] * 2
        assert {one.json()["patient_id"] for one in answers} == {str(stays.id)}
        with pytest.raises(PatientMergedError):
            await services.retention.erasure.erase(goes.id, by="staff:boss")
