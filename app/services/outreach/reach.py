"""Whether the practice may and can write to a patient of its own accord."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.patient import Patient, PatientStatus
from app.models.records import UNDELIVERABLE, Suppression
from app.services.outreach.routes import BY_EMAIL, Route, Routes, addresses_of, best_of


class Obstacle(StrEnum):
    """Why a patient gets no outreach. Also the reason in a sweep's counts."""

    OPTED_OUT = "opted_out"
    BOUNCED = "bounced"
    NO_ADDRESS = "no_address"
    INACTIVE = "inactive"
    DECEASED = "deceased"


_STATUS_OBSTACLES = {
    PatientStatus.INACTIVE: Obstacle.INACTIVE,
    PatientStatus.DECEASED: Obstacle.DECEASED,
}


def stopped_for_good(
    patient: Patient, route: Route | None, suppression: Suppression | None
) -> Obstacle | None:
    """What stops every message, of whatever class; `suppression` is that of the `route`'s end."""
    if patient.status in _STATUS_OBSTACLES:
        return _STATUS_OBSTACLES[patient.status]
    if route is None:
        return Obstacle.NO_ADDRESS
    if suppression and suppression.reason in UNDELIVERABLE:
        return Obstacle.BOUNCED
    return None


def has_opted_out(patient: Patient, suppression: Suppression | None) -> bool:
    """Whether the patient, or anybody on their mailbox, asked for no more messages."""
    by_address = suppression and suppression.reason not in UNDELIVERABLE
    return patient.has_opted_out or bool(by_address)


def obstacle_to_outreach(
    patient: Patient, route: Route | None, suppression: Suppression | None
) -> Obstacle | None:
    """What stops outreach; an opt-out is named before a bounce, because it was a wish."""
    if has_opted_out(patient, suppression):
        return Obstacle.OPTED_OUT
    return stopped_for_good(patient, route, suppression)


@dataclass(frozen=True)
class Reach:
    """What is known of some patients, read together: one query for each kind of fact."""

    suppressions: dict[str, Suppression] = field(default_factory=dict)
    booked: set[PyObjectId] = field(default_factory=set)
    routes: Routes = BY_EMAIL

    @classmethod
    async def read(
        cls,
        repositories: Repositories,
        patients: Sequence[Patient],
        now: datetime,
        routes: Routes = BY_EMAIL,
        booked: set[PyObjectId] | None = None,
    ) -> "Reach":
        """The facts about `patients` as they stand; `booked`, where it was read for everybody."""
        addresses = [one for patient in patients for one in addresses_of(routes.of(patient))]
        if booked is None:
            ids = [patient.id for patient in patients]
            booked = await repositories.appointments.patients_with_live_visit(ids, now)
        suppressions = await repositories.suppressions.among(addresses)
        return cls(suppressions, booked, routes)

    def obstacle(self, patient: Patient) -> Obstacle | None:
        """See `obstacle_to_outreach`."""
        route = best_of(self.routes.of(patient), self.suppressions)
        suppression = self.suppressions.get(route.address) if route else None
        return obstacle_to_outreach(patient, route, suppression)

    def has_visit(self, patient: Patient) -> bool:
        """Whether a visit of theirs is still ahead."""
        return patient.id in self.booked
