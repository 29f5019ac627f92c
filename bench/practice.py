"""A practice whose book is half full: the same one for the engine and for the database."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property

from app.models.appointment import Appointment, CreatedFrom, HeldTime, ReminderPlan
from app.models.base import PyObjectId
from app.models.campaign import Campaign, CampaignOrigin, CampaignType, FollowUpDetails
from app.models.patient import Patient, PatientType, name_key
from app.models.schedule import Chair, Clinic, Provider, Service, Weekday
from app.services.scheduling.claims import busy_from_visits, claims_for
from app.services.scheduling.localtime import resolve_local
from app.services.scheduling.timetable import Timetable

OPENS, CLOSES = 9, 17
CELL_MINUTES = 30
CELLS = (CLOSES - OPENS) * 60 // CELL_MINUTES
SERVICE_ID = "check_up"
WEEK = {day: [(f"{OPENS:02d}:00", f"{CLOSES:02d}:00")] for day in Weekday}
"""Every day of the week, so that a month has as many days with visits as it has days."""


@dataclass(frozen=True, slots=True)
class Place:
    """Half an hour of a provider and a chair."""

    starts_at: datetime
    provider_id: PyObjectId
    chair_id: PyObjectId


@dataclass(frozen=True)
class Practice:
    """Its rules and people, which half hours are booked, and which are free on each day."""

    clinic: Clinic
    service: Service
    providers: Sequence[Provider]
    chairs: Sequence[Chair]
    booked: Sequence[Place]
    free: dict[date, list[Place]]

    @cached_property
    def held(self) -> list[HeldTime]:
        """The booked time as the database answers it."""
        nobody = numbered(_GUEST, 0)
        return [
            HeldTime(one.provider_id, one.chair_id, nobody, one.starts_at, CELL_MINUTES, 0, 0)
            for one in self.booked
        ]

    def timetable(self) -> Timetable:
        """What the engine is asked of."""
        return Timetable(
            clinic=self.clinic,
            service=self.service,
            providers=self.providers,
            chairs=self.chairs,
            time_off=(),
            busy=busy_from_visits(self.held),
        )

    def visits(self) -> list[Appointment]:
        """What is booked, as it is stored: reminded of as far as it can be."""
        return [self._visit(number, place) for number, place in enumerate(self.booked, 1)]

    def _visit(self, number: int, place: Place) -> Appointment:
        patient_id = numbered(_GUEST, number)
        rules = ",".join(map(str, self.clinic.reminder_minutes_before))
        return Appointment(
            id=numbered(_VISIT, number),
            patient_id=patient_id,
            provider_id=place.provider_id,
            chair_id=place.chair_id,
            service_id=self.service.service_id,
            service_name=self.service.name,
            appointment_date=place.starts_at,
            duration_minutes=CELL_MINUTES,
            created_from=CreatedFrom.MANUAL_ADMIN,
            claims=claims_for(
                place.provider_id,
                place.chair_id,
                patient_id,
                place.starts_at,
                duration_minutes=CELL_MINUTES,
            ),
            reminder_plan=ReminderPlan(rules=f"{self.clinic.timezone}:{rules}"),
        )


_PROVIDER, _CHAIR, _GUEST, _VISIT, _PATIENT, _CAMPAIGN = range(1, 7)


def numbered(kind: int, number: int) -> PyObjectId:
    """The same id in every run."""
    return PyObjectId(f"{kind:08x}{number:016x}")


def practice(providers: int, chairs: int, first_day: date, days: int) -> Practice:
    """Half of the chairs' time booked, drawn alike in every run; more providers than chairs."""
    team = [_provider(number) for number in range(providers)]
    rooms = [Chair(id=numbered(_CHAIR, one), name=f"Room {one:02d}") for one in range(chairs)]
    clinic = _clinic(days)
    booked: list[Place] = []
    free: dict[date, list[Place]] = {}
    draw = random.Random(f"{providers} {chairs} {days}")  # noqa: S311 - a schedule, no secret
    for offset in range(days):
        day = first_day + timedelta(days=offset)
        places = list(_places(day, clinic, team, rooms, draw))
        draw.shuffle(places)
        half = len(places) // 2
        booked += places[:half]
        free[day] = places[half:]
    service = Service(service_id=SERVICE_ID, name="Check-up", duration_minutes=CELL_MINUTES)
    return Practice(clinic, service, team, rooms, booked, free)


def _places(
    day: date,
    clinic: Clinic,
    team: Sequence[Provider],
    rooms: Sequence[Chair],
    draw: random.Random,
) -> Iterator[Place]:
    """Every half hour of every chair, each with somebody who has no other chair then."""
    opens = datetime.combine(day, time(OPENS))
    for cell in range(CELLS):
        start = resolve_local(opens + timedelta(minutes=cell * CELL_MINUTES), clinic.zone)
        for chair, one in zip(rooms, draw.sample(team, len(rooms)), strict=True):
            yield Place(start, one.id, chair.id)


def _provider(number: int) -> Provider:
    return Provider(
        id=numbered(_PROVIDER, number),
        name=f"Dr. Number {number:02d}",
        service_ids=[SERVICE_ID],
        working_hours=WEEK,
    )


def _clinic(days: int) -> Clinic:
    return Clinic(
        id=numbered(0, 1),
        name="Measured Practice",
        phone="+1 212-555-0100",
        address="1 Main Street, New York, NY 10001",
        timezone="America/New_York",
        country="US",
        currency="USD",
        booking_horizon_days=days + 1,
        booking_lead_minutes=120,
        slot_grid_minutes=15,
        allow_new_patient_booking=False,
    )


@dataclass(frozen=True)
class Guest:
    """A known patient whom the practice tries to win back."""

    patient: Patient
    campaign: Campaign


def guest(number: int) -> Guest:
    """All alike but for their number, which is as long as everybody's."""
    name = f"Guest {number:06d}"
    patient = Patient(
        id=numbered(_PATIENT, number),
        name=name,
        name_key=name_key(name),
        email=f"guest.{number:06d}@example.com",
        phone=f"+1212{2_000_000 + number:07d}",
        patient_type=PatientType.COLD_LEAD,
        initial_inquiry="Asked about teeth whitening.",
    )
    campaign = Campaign(
        id=numbered(_CAMPAIGN, number),
        patient_id=patient.id,
        campaign_type=CampaignType.RECOVERY,
        origin=CampaignOrigin.STAFF,
        follow_up_details=FollowUpDetails(max_attempts=4, attempts_made=4),
    )
    return Guest(patient, campaign)
