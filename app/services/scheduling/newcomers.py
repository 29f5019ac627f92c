"""People who book before the practice knows them.

A refused booking must leave no patient behind, and a crash no visit without one. So the visit is
stored first, under the id the patient will have, with the patient inside its pending event; the
patient follows once the visit is certain. A crash between the two leaves the event, and the
reconciler stores the patient.
"""

from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.models.appointment import Appointment
from app.models.patient import Patient
from app.services.patients import PatientDirectory
from app.services.scheduling.claims import claims_for
from app.services.scheduling.placement import Placement


class Newcomers:
    """Stores the patient of a visit that was booked for somebody new."""

    def __init__(
        self, repositories: Repositories, directory: PatientDirectory, placement: Placement
    ) -> None:
        self._appointments = repositories.appointments
        self._campaigns = repositories.campaigns
        self._directory = directory
        self._placement = placement

    async def settle(self, appointment: Appointment) -> Appointment:
        """The visit as it is once its patient is stored; can be called again.

        Where somebody else stored the same person meanwhile, the visit becomes theirs. Raises
        `PatientHasVisitError`, and takes the visit out of the book, where they have one then.
        """
        newcomer = appointment.pending_event.new_patient if appointment.pending_event else None
        if newcomer is None or appointment.patient_id != newcomer.id:
            return appointment
        stored = await self._directory.store_or_find(newcomer)
        if stored.id == newcomer.id:
            return appointment
        return await self._hand_over(appointment, stored)

    async def _hand_over(self, appointment: Appointment, patient: Patient) -> Appointment:
        campaign = await self._campaigns.active_for(patient.id)
        claims = _claims_of(appointment, patient) if appointment.claims else None
        campaign_id = campaign.id if campaign else None
        try:
            await self._appointments.hand_to(appointment, patient.id, claims, campaign_id)
        except DuplicateValueError:
            await self._appointments.delete(appointment.id)
            await self._placement.refuse_second(appointment, patient.id)
        return await self._appointments.get(appointment.id) or appointment


def _claims_of(appointment: Appointment, patient: Patient) -> list[str]:
    return claims_for(
        appointment.provider_id,
        appointment.chair_id,
        patient.id,
        appointment.appointment_date,
        duration_minutes=appointment.duration_minutes,
        buffer_before=appointment.buffer_before_minutes,
        buffer_after=appointment.buffer_after_minutes,
    )
