"""What a patient may ask for: everything that is kept about them, and that it goes."""

from app.api.deps import AdminAccess, PatientDisclosureDep, PatientErasureDep
from app.api.openapi import problems
from app.api.routes import PrefixRouter
from app.core.errors import UnprocessableError
from app.models.base import PyObjectId
from app.schemas.retention import ErasureRead, ErasureRequest, PatientDisclosureRead
from app.services.conversations import staff_actor

router = PrefixRouter(prefix="/patients", tags=["patients"])


class NotConfirmedError(UnprocessableError):
    """The id was not repeated."""

    slug = "not-confirmed"
    title = "This is not confirmed"


@router.get(
    "/{patient_id}/export-all",
    summary="Everything that is kept about a patient",
    operation_id="export_patient",
    responses=problems(401, 403, 404, 422),
)
async def export_patient(
    patient_id: PyObjectId, _user: AdminAccess, disclosure: PatientDisclosureDep
) -> PatientDisclosureRead:
    """For the patient who asks: record, campaigns, every message, visits, waitlist, why addresses
    are not written to, and who saw or changed any of it, also of records that were merged into it.
    """
    return PatientDisclosureRead.model_validate(await disclosure.of(patient_id))


@router.post(
    "/{patient_id}/erase",
    summary="Erase a patient",
    operation_id="erase_patient",
    responses=problems(401, 403, 404, 409, 422),
)
async def erase_patient(
    patient_id: PyObjectId, body: ErasureRequest, user: AdminAccess, erasure: PatientErasureDep
) -> ErasureRead:
    """Name, contact, history and everything that was said are removed, a running campaign ends,
    and what waits to be sent is dropped. Visits, the course of campaigns and the audit log stay,
    without saying who it was; the addresses stay as keyed hashes, so that they are not written to
    again (not where somebody else shares them). It cannot be undone; doing it twice changes
    nothing. 409 while a visit is booked, or the record is being merged.
    """
    if body.confirm_patient_id != patient_id:
        message = "Repeat the patient's id in confirm_patient_id."
        raise NotConfirmedError(message)
    return ErasureRead.of(await erasure.erase(patient_id, by=staff_actor(user)))
