"""A practice in which one time can free up, and people who wait for it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from app.models.appointment import Appointment
from app.models.interaction import Interaction, MessageClass
from app.models.patient import Patient
from app.models.schedule import TimeOff
from app.models.waitlist import Offer, WaitlistEntry
from app.services.container import Services
from app.services.scheduling.booking import StaffBooking
from app.services.scheduling.waitlist import WaitlistWish
from tests.factories import make_patient
from tests.fakes import FrozenClock
from tests.services.scheduling.practice import STAFF, furnish

DAY = date(2026, 8, 20)
"""A Thursday, the day after the tests' now."""
NINE = datetime(2026, 8, 20, 13, 0, tzinfo=UTC)
"""Nine in New York."""


@dataclass
class Waiting:
    """Short ways to wait, to free time and to look."""

    services: Services
    clock: FrozenClock
    visit: Appointment
    """At nine on `DAY`; nothing else of that day can be booked."""
    closure: TimeOff

    @classmethod
    async def build(cls, services: Services, clock: FrozenClock) -> "Waiting":
        """Furnished, with all of `DAY` taken."""
        repositories = services.repositories
        await furnish(repositories)
        half_past = datetime(2026, 8, 20, 13, 30, tzinfo=UTC)
        evening = datetime(2026, 8, 20, 22, 0, tzinfo=UTC)
        closure = TimeOff(starts_at=half_past, ends_at=evening)
        await repositories.time_off.insert(closure)
        patient = await repositories.patients.insert(make_patient(name="Holder Of Nine"))
        visit = await book(services, patient, NINE)
        return cls(services, clock, visit, closure)

    async def joins(self, patient: Patient | None = None, **given: Any) -> WaitlistEntry:
        """Somebody waits for a time on `DAY`, a moment after whoever came before."""
        self.clock.advance(milliseconds=1)
        person = patient or await self.patient()
        fields: dict[str, Any] = {
            "service_id": "cleaning",
            "name": person.name,
            "email": person.email,
            "first_day": DAY,
            "last_day": DAY,
        }
        await self.services.waiting.entries.join(WaitlistWish(**(fields | given)))
        newest = await self.services.repositories.waitlist._find({}, sort=[("_id", -1)], limit=1)
        return newest[0]

    async def patient(self, **given: Any) -> Patient:
        """Somebody the practice knows."""
        return await self.services.repositories.patients.insert(make_patient(**given))

    async def frees(self) -> None:
        """The visit at nine is cancelled."""
        await self.services.scheduling.appointments.cancel(self.visit.id, by=STAFF)

    async def look(self) -> int:
        """One run."""
        return await self.services.waiting.offers.offer_freed_time()

    async def send(self) -> None:
        """Send what is due."""
        while await self.services.outreach.sender.work_off():
            pass

    async def entry(self, entry: WaitlistEntry) -> WaitlistEntry:
        """As it stands now."""
        stored = await self.services.repositories.waitlist.get(entry.id)
        assert stored is not None
        return stored

    async def offers(self, *entries: WaitlistEntry) -> list[int]:
        """How many offers each was made."""
        return [len((await self.entry(one)).offers) for one in entries]

    async def offer(self, entry: WaitlistEntry) -> Offer:
        """The newest offer of an entry."""
        return (await self.entry(entry)).offers[-1]

    async def letters(
        self, entry: WaitlistEntry, kind: MessageClass = MessageClass.WAITLIST_OFFER
    ) -> list[Interaction]:
        """What was queued for an entry."""
        query = {"waitlist_id": entry.id, "delivery.message_class": kind}
        return await self.services.repositories.interactions._find(query)

    async def token(self, entry: WaitlistEntry) -> str:
        """The token in the newest offer's letter."""
        offer = await self.offer(entry)
        return self.services.base.links.waitlist_page(entry.id, offer.key).rpartition("/")[2]

    async def every_visit(self) -> list[Appointment]:
        """The whole book."""
        return await self.services.repositories.appointments._find({})


async def book(services: Services, patient: Patient, at: datetime, **given: Any) -> Appointment:
    """As the front desk does."""
    fields: dict[str, Any] = {"service_id": "cleaning", "patient_id": patient.id}
    request = StaffBooking(appointment_date=at, **(fields | given))
    return await services.scheduling.booking.staff_book(request, by=STAFF)
