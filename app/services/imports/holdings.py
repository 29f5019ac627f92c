"""Who holds which time around the rows of a batch, as far as known. The index has the last word."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.models.appointment import Appointment
from app.models.base import PyObjectId
from app.models.imports import Collision
from app.services.scheduling.claims import chair_key, claims_for, patient_key, provider_key

LONGEST_BUFFER = timedelta(hours=4, minutes=5)
LONGEST_VISIT = timedelta(hours=8) + LONGEST_BUFFER
"""With the buffer after it, and the five minutes that claims round up to."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A place in the book: whose time, and the chairs that would do, best first."""

    appointment_id: PyObjectId
    patient_id: PyObjectId
    provider_id: PyObjectId
    chair_ids: tuple[PyObjectId, ...]
    starts_at: datetime
    duration_minutes: int

    def claims(self, chair_id: PyObjectId) -> list[str]:
        """What the visit claims in this chair."""
        return claims_for(
            self.provider_id,
            chair_id,
            self.patient_id,
            self.starts_at,
            duration_minutes=self.duration_minutes,
        )

    def reach(self) -> tuple[datetime, datetime]:
        """When a visit starts that can be in its way: from (inclusive) and until (exclusive)."""
        return self.starts_at - LONGEST_VISIT, self.starts_at + timedelta(
            minutes=self.duration_minutes
        ) + LONGEST_BUFFER

    def all_claims(self) -> list[str]:
        """What it could claim in any of its chairs."""
        return sorted({claim for chair in self.chair_ids for claim in self.claims(chair)})

    def lasting_claims(self) -> list[str]:
        """What it occupies whichever chair it gets: with a single one, that too."""
        chairs = {chair_key(chair) for chair in self.chair_ids}
        return [
            claim
            for claim in self.all_claims()
            if len(chairs) == 1 or _resource(claim) not in chairs
        ]


class Holdings:
    """Claims and who has them. `planned` are those that a dry run has given away."""

    def __init__(self, holders: Iterable[Appointment]) -> None:
        self._by_claim: dict[str, Appointment] = {}
        self._planned: set[str] = set()
        self.add(holders)

    def add(self, holders: Iterable[Appointment]) -> None:
        """Visits as they are stored."""
        self._by_claim |= {claim: one for one in holders for claim in one.claims or ()}

    def refresh(self, claims: Iterable[str], holders: Iterable[Appointment]) -> None:
        """Who has these claims now."""
        for claim in claims:
            self._by_claim.pop(claim, None)
        self.add(holders)

    def drop(self, visit: Appointment) -> None:
        """A visit that moved away, or holds nothing any more."""
        for claim in visit.claims or ():
            self._by_claim.pop(claim, None)

    def plan(self, claims: Iterable[str]) -> None:
        """Given away by a dry run."""
        self._planned.update(claims)

    def free_chair(self, wanted: Wanted) -> PyObjectId | None:
        """The first of its chairs in which nothing of the visit is taken."""
        return next(
            (chair for chair in wanted.chair_ids if not self._is_taken(wanted, chair)), None
        )

    def _is_taken(self, wanted: Wanted, chair_id: PyObjectId) -> bool:
        return any(
            claim in self._planned or self._other_holder(wanted, claim)
            for claim in wanted.claims(chair_id)
        )

    def _other_holder(self, wanted: Wanted, claim: str) -> Appointment | None:
        holder = self._by_claim.get(claim)
        return holder if holder and holder.id != wanted.appointment_id else None

    def collisions(self, wanted: Wanted) -> list[Collision]:
        """Who is in the way, and of whose time. Chairs count where nothing else is in the way."""
        names = {provider_key(wanted.provider_id): "provider"}
        names[patient_key(wanted.patient_id)] = "patient"
        found = self._collisions(wanted, names)
        if found and len(wanted.chair_ids) != 1:
            return found
        names |= {chair_key(chair): "chair" for chair in wanted.chair_ids}
        return self._collisions(wanted, names)

    def _collisions(self, wanted: Wanted, names: dict[str, str]) -> list[Collision]:
        resources: dict[PyObjectId, set[str]] = {}
        visits: dict[PyObjectId, Appointment] = {}
        for claim in wanted.all_claims():
            holder = self._other_holder(wanted, claim)
            if holder is not None and _resource(claim) in names:
                visits[holder.id] = holder
                resources.setdefault(holder.id, set()).add(names[_resource(claim)])
        ordered = sorted(visits.values(), key=lambda one: (one.appointment_date, one.id))
        return [_collision(one, sorted(resources[one.id])) for one in ordered]


def spans_of(places: Iterable[Wanted]) -> list[tuple[datetime, datetime]]:
    """The stretches of time that decide about these places, as few as there are.

    Asked by time and not by claim: a list of claims is what an index serves slowest.
    """
    spans: list[tuple[datetime, datetime]] = []
    for since, before in sorted(place.reach() for place in places):
        if spans and since <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(before, spans[-1][1]))
        else:
            spans.append((since, before))
    return spans


def _resource(claim: str) -> str:
    return claim.rpartition("@")[0]


def _collision(visit: Appointment, resources: Sequence[str]) -> Collision:
    return Collision(
        appointment_id=visit.id,
        starts_at=visit.appointment_date,
        duration_minutes=visit.duration_minutes,
        resources=list(resources),
    )
