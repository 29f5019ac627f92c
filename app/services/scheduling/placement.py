"""Finding a provider and a chair for a visit, where the database has the last word.

The engine proposes pairs from what was stored a moment ago; the unique index on claims refuses
whatever has been taken since. A refusal says whose time is in the way, so pairs that share it are
passed over.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NoReturn

from app.core.clock import Clock
from app.db.errors import DuplicateValueError
from app.db.indexes import APPOINTMENT_CLAIMS
from app.db.repositories import Repositories
from app.models.appointment import Appointment
from app.models.base import PyObjectId
from app.models.schedule import Clinic, Service
from app.services.scheduling.availability import AvailabilityService, FreeTime
from app.services.scheduling.booked import service_as_booked
from app.services.scheduling.claims import (
    chair_key,
    claims_for,
    patient_key,
    provider_key,
)
from app.services.scheduling.engine import Candidates, Pair, candidates_at
from app.services.scheduling.localtime import local_day
from app.services.scheduling.refusals import not_bookable, patient_has_visit, slot_taken
from app.services.scheduling.schedule_reader import Question, ScheduleReader
from app.services.scheduling.setup import Setup
from app.services.scheduling.timetable import Length

PRIMARY_KEY = "_id_"

Write = Callable[[Pair, list[str]], Awaitable[Appointment]]
"""Stores the visit with this pair and these claims; raises `DuplicateValueError`."""


@dataclass(frozen=True, slots=True)
class Placing:
    """A visit that needs a provider and a chair."""

    appointment_id: PyObjectId
    service: Service
    patient_id: PyObjectId
    starts_at: datetime
    provider_id: PyObjectId | None = None
    chair_id: PyObjectId | None = None
    staff: bool = False
    now_with: Pair | None = None
    """Where a visit that is moved stands: its provider and chair are tried first."""
    length: Length | None = None
    """How long it takes, where that is not its provider's time for the service."""

    @property
    def length_is_given(self) -> bool:
        """Whether somebody set the length by hand, whoever the provider is."""
        return self.length is not None and self.length.only_with is None

    def minutes(self, pair: Pair) -> int:
        """How long it lasts with this pair."""
        return pair.duration_minutes or self.service.duration_minutes

    def question(self) -> Question:
        """Which times suit it."""
        return Question(
            service=self.service,
            provider_id=self.provider_id,
            chair_id=self.chair_id,
            patient_id=self.patient_id,
            moving=self.appointment_id if self.now_with else None,
            length=self.length,
        )

    def claims(self, pair: Pair) -> list[str]:
        """What it occupies with this pair."""
        return claims_for(
            pair.provider_id,
            pair.chair_id,
            self.patient_id,
            self.starts_at,
            duration_minutes=self.minutes(pair),
            buffer_before=self.service.buffer_before_minutes,
            buffer_after=self.service.buffer_after_minutes,
        )


class Placement:
    """Puts visits into the book."""

    def __init__(
        self,
        repositories: Repositories,
        reader: ScheduleReader,
        availability: AvailabilityService,
        clock: Clock,
    ) -> None:
        self._appointments = repositories.appointments
        self._reader = reader
        self._availability = availability
        self._clock = clock

    async def place(
        self, placing: Placing, write: Write, setup: Setup | None = None
    ) -> Appointment:
        """Store the visit through `write` with the first pair that the database accepts.

        A visit that turns out to be stored already, under its own id, is the answer: an insert
        whose acknowledgement was lost, or another run of the same request. `setup`: where it was
        read a moment ago. Raises
        `NotBookableError`, `SlotTakenError` or `PatientHasVisitError`, and what `write` raises.
        """
        setup = setup or await self._reader.setup()
        clinic = setup.clinic
        found = await self._candidates(setup, placing)
        if found.refusal is not None:
            raise not_bookable(found.refusal, placing.starts_at, clinic, staff=placing.staff)
        taken: set[str] = set()
        for pair in _in_order(found.pairs, placing.now_with):
            if taken.isdisjoint((provider_key(pair.provider_id), chair_key(pair.chair_id))):
                stored = await self._attempt(pair, placing, write, taken)
                if stored is not None:
                    return stored
        busy = found.patient_busy or patient_key(placing.patient_id) in taken
        return await self._refuse(clinic, placing, patient_busy=busy)

    async def refuse_second(self, visit: Appointment, patient_id: PyObjectId) -> NoReturn:
        """Say to whom `visit` was to be handed that they have one then.

        Raises `PatientHasVisitError`, with the nearest times that are free for them.
        """
        placing = Placing(
            appointment_id=visit.id,
            service=service_as_booked(visit, None),
            patient_id=patient_id,
            starts_at=visit.appointment_date,
        )
        clinic = (await self._reader.setup()).clinic
        await self._refuse(clinic, placing, patient_busy=True)

    async def free_times(self, placing: Placing, first: date, last: date) -> list[FreeTime]:
        """Where else the visit could go on these local days; the time it has is not among them."""
        times = await self._availability.answering(placing.question(), first, last)
        return [one for one in times if one.starts_at != placing.starts_at]

    async def _candidates(self, setup: Setup, placing: Placing) -> Candidates:
        day = local_day(placing.starts_at, setup.clinic.zone)
        timetable = await self._reader.timetable(setup, placing.question(), day, day)
        return candidates_at(timetable, placing.starts_at, self._clock.now(), staff=placing.staff)

    async def _attempt(
        self, pair: Pair, placing: Placing, write: Write, taken: set[str]
    ) -> Appointment | None:
        """Store it, or add to `taken` whose time is in the way. No pair helps a busy patient."""
        if patient_key(placing.patient_id) in taken:
            return None
        claims = placing.claims(pair)
        try:
            return await write(pair, claims)
        except DuplicateValueError as error:
            if error.index == PRIMARY_KEY:
                return await self._appointments.get(placing.appointment_id)
            if error.index != APPOINTMENT_CLAIMS:
                raise
        holders = await self._appointments.holding_any(claims)
        taken.update(_shared_resources(holders, claims))
        return next((one for one in holders if one.id == placing.appointment_id), None)

    async def _refuse(self, clinic: Clinic, placing: Placing, *, patient_busy: bool) -> NoReturn:
        held = await self._appointments.get(placing.appointment_id)
        free = await self._availability.nearest(
            placing.question(),
            placing.starts_at,
            other_than=held.appointment_date if held else None,
        )
        refuse = patient_has_visit if patient_busy else slot_taken
        raise refuse(placing.starts_at, clinic, free)


def _in_order(pairs: Sequence[Pair], first: Pair | None) -> list[Pair]:
    """The engine's order, but for a moved visit: its provider comes first, then its chair."""
    if first is None:
        return list(pairs)
    return sorted(
        pairs,
        key=lambda one: (one.provider_id != first.provider_id, one.chair_id != first.chair_id),
    )


def _shared_resources(holders: Collection[Appointment], claims: Collection[str]) -> set[str]:
    wanted = set(claims)
    held = (claim for one in holders for claim in one.claims or () if claim in wanted)
    return {claim.rpartition("@")[0] for claim in held}
