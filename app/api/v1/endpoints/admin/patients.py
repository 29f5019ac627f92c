"""Patients."""

from typing import Annotated, Any

from fastapi import Query, status
from fastapi.responses import StreamingResponse

from app.api.deps import (
    CampaignViewsDep,
    ConsentDep,
    ContactExplainerDep,
    PageDep,
    PatientExportDep,
    PatientMergingDep,
    PatientRecordsDep,
    ReadAccess,
    WriteAccess,
)
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.db.repositories.patients import PatientFilter
from app.models.base import PyObjectId
from app.models.patient import PatientStatus, PatientType
from app.models.records import SuppressionReason
from app.schemas.explain import ContactCampaign, ContactExplanation, ContactMessage, FindingRead
from app.schemas.paging import Pagination
from app.schemas.patients import (
    OptIn,
    OptOut,
    PatientCreate,
    PatientList,
    PatientMergeRequest,
    PatientPage,
    PatientRead,
    PatientUpdate,
    PatientVisit,
)
from app.schemas.text import SearchText
from app.services.conversations import staff_actor

router = PrefixRouter(prefix="/patients", tags=["patients"])

CSV_FILE: dict[str, Any] = {
    "description": "The file, in parts as it is made.",
    "content": {
        "text/csv": {
            "schema": {"type": "string"},
            "example": "patient_id,name,email,phone,patient_type,status,language,"
            "next_follow_up_date,initial_inquiry,estimated_value,opted_out\r\n",
        }
    },
}


@router.get(
    "",
    summary="List patients",
    operation_id="list_patients",
    responses=problems(401, 403, 422),
)
async def list_patients(
    _user: ReadAccess,
    records: PatientRecordsDep,
    paging: PageDep,
    q: Annotated[SearchText | None, Query(examples=["lop"])] = None,
    patient_type: PatientType | None = None,
    patient_status: Annotated[PatientStatus | None, Query(alias="status")] = None,
) -> PatientList:
    """By name. `q` is the beginning of any word of the name, of the address, or a part of the
    phone number.
    """
    wanted = PatientFilter(q=q, patient_type=patient_type, status=patient_status)
    found = await records.page(wanted, page=paging.page, limit=paging.limit)
    return PatientList(
        pagination=Pagination.of(
            found.total_items, paging, is_lower_bound=found.total_is_lower_bound
        ),
        patients=[PatientRead.of(patient) for patient in found.items],
    )


@router.get(
    "/export",
    summary="All patients as a CSV file",
    operation_id="export_patients",
    response_class=StreamingResponse,
    responses=problems(401, 403) | {200: CSV_FILE},
)
async def export_patients(_user: ReadAccess, export: PatientExportDep) -> StreamingResponse:
    """In the columns that the import reads back; who took it is recorded.

    A cell that a spreadsheet would compute begins with an apostrophe, which the import takes off.
    """
    parts = await export.start()
    named = {"Content-Disposition": 'attachment; filename="patients.csv"'}
    return StreamingResponse(parts, media_type="text/csv; charset=utf-8", headers=named)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    summary="Add a patient",
    operation_id="create_patient",
    responses=problems(401, 403, 409, 422),
)
async def create_patient(
    body: PatientCreate, _user: WriteAccess, records: PatientRecordsDep
) -> PatientRead:
    """One patient per address and name: families share a mailbox, a second person of the same name
    on it needs `allow_duplicate`.
    """
    fields = body.model_dump(exclude={"allow_duplicate"}, exclude_none=True)
    return PatientRead.of(await records.create(fields, allow_duplicate=body.allow_duplicate))


@router.get(
    "/{patient_id}",
    summary="Everything about one patient",
    operation_id="get_patient",
    responses=problems(401, 403, 404, 422),
)
async def get_patient(
    patient_id: PyObjectId, _user: ReadAccess, records: PatientRecordsDep, views: CampaignViewsDep
) -> PatientPage:
    """The patient, their campaigns and their visits, newest first."""
    file = await records.file(patient_id)
    return PatientPage(
        patient=PatientRead.of(file.patient),
        campaigns=await views.rows(file.campaigns, known=file.patient),
        appointments=[PatientVisit.of(visit) for visit in file.appointments],
    )


@router.get(
    "/{patient_id}/explain",
    summary="Why a patient was, or was not, contacted",
    operation_id="explain_patient",
    responses=problems(401, 403, 404, 422),
)
async def explain_patient(
    patient_id: PyObjectId, _user: ReadAccess, explainer: ContactExplainerDep
) -> ContactExplanation:
    """The rules of the sweep as they stand for this patient now, each with the value and the time
    it goes by, and the campaigns and letters so far. Nothing is written and nothing is sent.
    """
    found = await explainer.explain(patient_id)
    return ContactExplanation(
        patient_id=found.patient.id,
        asked_at=found.asked_at,
        would_be_contacted=found.would_be_contacted,
        reason=found.reason,
        rules=[FindingRead.model_validate(finding) for finding in found.findings],
        campaigns=[ContactCampaign.of(campaign) for campaign in found.campaigns],
        messages=[ContactMessage.of(message) for message in found.messages],
    )


@router.patch(
    "/{patient_id}",
    summary="Change a patient",
    operation_id="update_patient",
    responses=problems(401, 403, 404, 409, 422),
)
async def update_patient(
    patient_id: PyObjectId, body: PatientUpdate, _user: WriteAccess, records: PatientRecordsDep
) -> PatientRead:
    """What is left out stays; `null` removes what may be absent."""
    fields = body.model_dump(exclude_unset=True)
    return PatientRead.of(await records.update(patient_id, fields))


@router.post(
    "/{patient_id}/opt-out",
    summary="Stop writing to a patient",
    operation_id="opt_patient_out",
    responses=problems(401, 403, 404, 422),
)
async def opt_out(
    patient_id: PyObjectId,
    body: OptOut,
    user: WriteAccess,
    records: PatientRecordsDep,
    consent: ConsentDep,
) -> PatientRead:
    """Recorded with who, when and why. Effective for everything not yet sent to this patient;
    others on the same mailbox are still written to.
    """
    patient = await records.get(patient_id)
    await consent.opt_out(
        patient,
        reason=SuppressionReason.OPT_OUT,
        source=f"{staff_actor(user)}: {body.reason}",
        by=staff_actor(user),
        whole_mailbox=False,
    )
    return PatientRead.of(await records.get(patient_id))


@router.post(
    "/{patient_id}/opt-in",
    summary="Write to a patient again",
    operation_id="opt_patient_in",
    responses=problems(401, 403, 404, 422),
)
async def opt_in(
    patient_id: PyObjectId,
    body: OptIn,
    user: WriteAccess,
    records: PatientRecordsDep,
    consent: ConsentDep,
) -> PatientRead:
    """Records who consented, when and how; the audit log keeps every change there was."""
    patient = await records.get(patient_id)
    await consent.opt_in(
        patient,
        source=f"{staff_actor(user)}: {body.reason}",
        by=staff_actor(user),
        consented_by=body.consented_by,
    )
    return PatientRead.of(await records.get(patient_id))


@router.post(
    "/{patient_id}/merge",
    summary="Merge a duplicate into a patient",
    operation_id="merge_patients",
    responses=problems(401, 403, 404, 409, 422),
)
async def merge_patients(
    patient_id: PyObjectId,
    body: PatientMergeRequest,
    user: WriteAccess,
    merging: PatientMergingDep,
) -> PatientRead:
    """The patient in the path stays. All campaigns, messages, visits and waitlist entries of the
    other become theirs, an opt-out of either counts, and what they lack (address, number, due date)
    comes from the other, whose id from then on answers 404 with the id of this one. An address or
    number that they have no room for is kept in `other_contacts`, ten at most: it tells who writes,
    and nothing is sent there. Of two active campaigns the one nearer to a visit remains. 409 where
    both have a visit at one time, or one of them is being merged already.
    """
    merged = await merging.merge(patient_id, body.patient_id, by=staff_actor(user))
    return PatientRead.of(merged)
