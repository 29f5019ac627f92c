"""Everything that is kept about one patient, as they may ask for it (45 CFR 164.524)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.models.base import PyObjectId, StoredModel
from app.services.patient_records import ids_of, stored_patient

_MACHINERY = frozenset(
    {"claims", "pending_event", "reminder_plan", "dedupe_key", "quota_key", "known", "revision"}
    | {"hash", "prev", "details_hash", "collides_with"}
)
"""What keeps the service straight and tells nothing about anybody, or about others alone."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Disclosure:
    """All of it, as stored."""

    made_at: datetime
    patient: Json
    campaigns: list[Json]
    interactions: list[Json]
    appointments: list[Json]
    waitlist: list[Json]
    suppressions: list[Json]
    schedule_conflicts: list[Json]
    audit: list[Json]


class PatientDisclosure:
    """Puts it together."""

    def __init__(self, repositories: Repositories, clock: Clock) -> None:
        self._repositories = repositories
        self._clock = clock

    async def of(self, patient_id: PyObjectId) -> Disclosure:
        """Raises `PatientNotFoundError`, for one who was merged with a pointer on."""
        repositories = self._repositories
        patient = await stored_patient(repositories, patient_id)
        ids = await ids_of(repositories, patient_id)
        suppressed = await repositories.suppressions.among(patient.contacts)
        return Disclosure(
            made_at=self._clock.now(),
            patient=_plain(patient),
            campaigns=_all(await repositories.campaigns.all_for([patient_id])),
            interactions=_all(await repositories.interactions.all_of(patient_id)),
            appointments=_all(await repositories.appointments.all_for_patient(patient_id)),
            waitlist=_all(await repositories.waitlist.all_of(patient_id)),
            suppressions=_all(suppressed.values()),
            schedule_conflicts=_all(await repositories.schedule_conflicts.all_of(patient_id)),
            audit=_all(await repositories.audit.concerning(ids)),
        )


def _all(models: Iterable[StoredModel]) -> list[Json]:
    return [_plain(model) for model in models]


def _plain(model: StoredModel) -> Json:
    shown = model.model_dump(mode="json", exclude_none=True, exclude=set(_MACHINERY))
    return _without_others(shown)


def _without_others(shown: Mapping[str, Any]) -> Json:
    """An entry of the audit log can be about several: the others are not this patient's."""
    return {name: part for name, part in shown.items() if name != "patient_ids"}
