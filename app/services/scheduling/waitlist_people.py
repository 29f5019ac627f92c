"""Who an entry of the waitlist is, looked up when there is something to offer."""

from dataclasses import dataclass

from app.db.repositories import Repositories
from app.models.patient import Patient, PatientType
from app.models.waitlist import HeldBack, WaitlistEntry
from app.services.clinic import ClinicService
from app.services.outreach.reach import obstacle_to_outreach
from app.services.outreach.routes import Routes, addresses_of, best_of
from app.services.patients import PatientDirectory


@dataclass(frozen=True, slots=True)
class Reachable:
    """The patient an offer can go to, or why there is none."""

    patient: Patient | None = None
    held_back: HeldBack | None = None


class WaitingPeople:
    """Finds the patient of an entry, by the rules of booking."""

    def __init__(
        self,
        repositories: Repositories,
        directory: PatientDirectory,
        clinic: ClinicService,
        routes: Routes,
    ) -> None:
        self._repositories = repositories
        self._directory = directory
        self._clinic = clinic
        self._routes = routes

    async def reachable(self, entry: WaitlistEntry) -> Reachable:
        """The patient, if they can be written to. A stranger becomes a lead where the clinic takes
        new patients online.
        """
        patient, held_back = await self._patient(entry)
        if patient is None:
            return Reachable(held_back=held_back)
        ways = self._routes.of(patient)
        suppressions = await self._repositories.suppressions.among(addresses_of(ways))
        route = best_of(ways, suppressions)
        if route is None:
            return Reachable(held_back=HeldBack.NO_ADDRESS)
        if obstacle_to_outreach(patient, route, suppressions.get(route.address)):
            return Reachable(held_back=HeldBack.NOT_WANTED)
        return Reachable(patient)

    async def _patient(self, entry: WaitlistEntry) -> tuple[Patient | None, HeldBack | None]:
        if entry.patient_id is not None:
            known = await self._repositories.patients.get(entry.patient_id)
            return known, None if known else HeldBack.STRANGER
        found, is_known = await self._directory.identify(
            email=entry.email, phone=entry.phone, name=entry.name
        )
        if found is not None:
            return found, None
        if is_known:
            return None, HeldBack.UNCLEAR
        if entry.email is None:
            return None, HeldBack.NO_ADDRESS
        return await self._newcomer(entry)

    async def _newcomer(self, entry: WaitlistEntry) -> tuple[Patient | None, HeldBack | None]:
        """Stored before the first offer, because a letter goes to a patient; never by joining."""
        if not (await self._clinic.current()).allow_new_patient_booking:
            return None, HeldBack.STRANGER
        lead = await self._directory.prepare(
            name=entry.name,
            email=entry.email,
            phone=entry.phone,
            patient_type=PatientType.COLD_LEAD,
            language=entry.language,
        )
        return await self._directory.store_or_find(lead), None
