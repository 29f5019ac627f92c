"""A small practice, its book, and independent eyes on what is in it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.appointment import Appointment, AppointmentStatus
from app.models.base import as_object_id
from app.models.campaign import Campaign
from app.models.patient import Patient
from app.models.schedule import Chair, Clinic, Provider, Service, Weekday
from app.services.campaigns import CampaignLifecycle
from app.services.clinic import ClinicService
from app.services.idempotency import OnceOnly
from app.services.outreach.composer import Composer
from app.services.outreach.links import Links
from app.services.outreach.outbox import Outbox
from app.services.outreach.routes import BY_EMAIL, Routes
from app.services.patients import PatientDirectory
from app.services.rate_limits import RateLimiter
from app.services.scheduling.appointments import AppointmentService
from app.services.scheduling.availability import AvailabilityService
from app.services.scheduling.booking import BookingService, PublicBooking, StaffBooking
from app.services.scheduling.effects import AppointmentEffects
from app.services.scheduling.lookups import LookupLimit
from app.services.scheduling.newcomers import Newcomers
from app.services.scheduling.placement import Placement
from app.services.scheduling.schedule_reader import ScheduleReader
from app.services.scheduling.self_service import VisitSelfService
from app.services.scheduling.visit_calendar import VisitCalendar
from app.services.tokens import LinkTokens
from app.services.work import WakeSignal
from tests.factories import KEYS, SECRET, make_campaign, make_patient
from tests.fakes import FrozenClock

STAFF = "staff:66f2a1b4c3d2e1f0a9b8c7d6"
OPEN_DAY = [("09:00", "12:00"), ("13:00", "17:00")]


@dataclass
class Practice:
    """The services of scheduling over one database, and short ways to use them."""

    repositories: Repositories
    clock: FrozenClock
    clinic: ClinicService
    tokens: LinkTokens
    links: Links
    directory: PatientDirectory
    lifecycle: CampaignLifecycle
    reader: ScheduleReader
    availability: AvailabilityService
    placement: Placement
    newcomers: Newcomers
    effects: AppointmentEffects
    appointments: AppointmentService
    booking: BookingService
    self_service: VisitSelfService

    async def add_patient(self, **given: Any) -> Patient:
        """Store a patient."""
        return await self.repositories.patients.insert(make_patient(**given))

    async def add_campaign(self, patient: Patient, **given: Any) -> Campaign:
        """Store an active campaign of theirs."""
        campaign = make_campaign(patient_id=patient.id, **given)
        return await self.repositories.campaigns.insert(campaign)

    async def campaign(self, campaign: Campaign) -> Campaign:
        """As it stands now."""
        stored = await self.repositories.campaigns.get(campaign.id)
        assert stored is not None
        return stored

    async def visit(self, appointment: Appointment) -> Appointment:
        """As it stands now."""
        stored = await self.repositories.appointments.get(appointment.id)
        assert stored is not None
        return stored

    async def book(self, patient: Patient, when: datetime | str, **given: Any) -> Appointment:
        """Book as the patient would, on the booking site."""
        answer = await self.booking.book(form(patient, when, **given), body={})
        appointment_id = as_object_id(answer["appointment_id"])
        assert appointment_id is not None
        stored = await self.repositories.appointments.get(appointment_id)
        assert stored is not None
        return stored

    async def staff_book(self, patient: Patient, when: datetime | str, **given: Any) -> Appointment:
        """Book as the front desk would."""
        fields: dict[str, Any] = {"patient_id": patient.id, "service_id": "cleaning"}
        request = StaffBooking(appointment_date=moment(when), **(fields | given))
        return await self.booking.staff_book(request, by=STAFF)

    async def change_clinic(self, **fields: Any) -> Clinic:
        """Change a rule."""
        return await self.clinic.update(fields)

    async def letters(self) -> list[str]:
        """The dedupe keys of everything queued."""
        page = await self.repositories.outbox.deliveries_page(None, page=1, limit=100)
        return [one.dedupe_key or "" for one in page.items]

    async def every_visit(self) -> list[Appointment]:
        """The whole book."""
        return await self.repositories.appointments._find({})


async def become(practice: Practice, visit: Appointment, status: AppointmentStatus) -> Appointment:
    """The operation that leads to a status."""
    operation = {
        AppointmentStatus.CONFIRMED: practice.appointments.confirm,
        AppointmentStatus.COMPLETED: practice.appointments.complete,
        AppointmentStatus.CANCELLED: practice.appointments.cancel,
        AppointmentStatus.NO_SHOW: practice.appointments.no_show,
    }[status]
    return await operation(visit.id, by=STAFF)


def moment(when: datetime | str) -> datetime:
    """An instant, or a local time without an offset."""
    return datetime.fromisoformat(when) if isinstance(when, str) else when


def form(patient: Patient, when: datetime | str, **given: Any) -> PublicBooking:
    """What the patient would send."""
    fields: dict[str, Any] = {
        "name": patient.name,
        "email": patient.email,
        "phone": patient.phone or "+1 212-555-0199",
        "appointment_date": moment(when),
        "service_id": "cleaning",
    }
    return PublicBooking(**(fields | given))


def overlaps(visits: list[Appointment]) -> list[tuple[Appointment, Appointment]]:
    """Pairs of visits that share a provider, chair or patient in time: from their stored spans
    and buffers alone, not from their claims.
    """
    held = {AppointmentStatus.BOOKED, AppointmentStatus.CONFIRMED, AppointmentStatus.COMPLETED}
    live = [one for one in visits if one.status in held]
    return [(a, b) for a, b in combinations(live, 2) if _collide(a, b)]


def _collide(a: Appointment, b: Appointment) -> bool:
    shares_room = a.provider_id == b.provider_id or a.chair_id == b.chair_id
    if shares_room and _meet(_span(a, buffers=True), _span(b, buffers=True)):
        return True
    return a.patient_id == b.patient_id and _meet(_span(a), _span(b))


def _span(visit: Appointment, *, buffers: bool = False) -> tuple[datetime, datetime]:
    before = visit.buffer_before_minutes if buffers else 0
    after = visit.buffer_after_minutes if buffers else 0
    start = visit.appointment_date - timedelta(minutes=before)
    lasting = timedelta(minutes=before + visit.duration_minutes + after)
    return start, start + lasting


def _meet(a: tuple[datetime, datetime], b: tuple[datetime, datetime]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def build_practice(
    repositories: Repositories,
    settings: Settings,
    clock: FrozenClock,
    routes: Routes = BY_EMAIL,
) -> Practice:
    """Put the parts together."""
    tokens = LinkTokens(KEYS, clock)
    links = Links(settings, tokens)
    clinic = ClinicService(repositories, settings)
    lifecycle = CampaignLifecycle(repositories.campaigns, clock)
    directory = PatientDirectory(repositories, clinic, lifecycle, clock)
    reader = ScheduleReader(repositories, clinic)
    availability = AvailabilityService(reader, clock)
    placement = Placement(repositories, reader, availability, clock)
    newcomers = Newcomers(repositories, directory, placement)
    calendar = VisitCalendar(repositories, reader, links, settings.mail_from)
    effects = AppointmentEffects(
        repositories=repositories,
        lifecycle=lifecycle,
        clinic=clinic,
        reader=reader,
        newcomers=newcomers,
        composer=Composer(links),
        links=links,
        calendar=calendar,
        outbox=Outbox(repositories.outbox, clock, WakeSignal()),
        routes=routes,
        waitlist=WakeSignal(),
        clock=clock,
    )
    appointments = AppointmentService(
        repositories=repositories, clinic=clinic, placement=placement, effects=effects, clock=clock
    )
    booking = BookingService(
        repositories=repositories,
        reader=reader,
        placement=placement,
        directory=directory,
        newcomers=newcomers,
        effects=effects,
        lookups=LookupLimit(RateLimiter(repositories.rate_limits, settings, SECRET, clock)),
        once=OnceOnly(repositories.idempotency, clock),
        tokens=tokens,
        links=links,
        clock=clock,
    )
    return Practice(
        repositories=repositories,
        clock=clock,
        clinic=clinic,
        tokens=tokens,
        links=links,
        directory=directory,
        lifecycle=lifecycle,
        reader=reader,
        availability=availability,
        placement=placement,
        newcomers=newcomers,
        effects=effects,
        appointments=appointments,
        booking=booking,
        self_service=VisitSelfService(
            repositories=repositories,
            clinic=clinic,
            appointments=appointments,
            calendar=calendar,
            tokens=tokens,
            clock=clock,
        ),
    )


async def furnish(repositories: Repositories) -> None:
    """Open on weekdays 9-12 and 13-17, one provider, one chair, two services."""
    await repositories.providers.insert(
        Provider(
            name="Dr. Rivera",
            service_ids=["cleaning", "whitening"],
            working_hours=dict.fromkeys(list(Weekday)[:5], OPEN_DAY),
        )
    )
    await repositories.chairs.insert(Chair(name="Room 1"))
    await repositories.services.insert(
        Service(
            service_id="cleaning",
            name="Check-up and Cleaning",
            duration_minutes=30,
            recall_interval_months=6,
        )
    )
    await repositories.services.insert(
        Service(
            service_id="whitening",
            name="Teeth Whitening",
            duration_minutes=60,
            buffer_before_minutes=5,
            buffer_after_minutes=10,
        )
    )
