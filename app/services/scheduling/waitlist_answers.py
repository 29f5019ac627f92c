"""An offer in the hands of whom it was made to: the link in its letter, instead of an account."""

from dataclasses import dataclass
from datetime import datetime

from app.core.clock import Clock
from app.core.errors import ConflictError, UnprocessableError
from app.db.repositories import Repositories
from app.models.appointment import Appointment, AppointmentStatus
from app.models.base import as_object_id
from app.models.patient import Patient
from app.models.schedule import Clinic
from app.models.waitlist import Offer, WaitlistEntry, WaitlistStatus
from app.services.clinic import ClinicService
from app.services.idempotency import Answer
from app.services.scheduling.booking import BookingService, PublicBooking
from app.services.scheduling.localtime import describe, to_instant
from app.services.scheduling.waitlist_standing import OfferStanding
from app.services.tokens import InvalidLinkError, LinkTokens, TokenPurpose
from app.services.work import Wakeable


class NotOfferedError(UnprocessableError):
    """A time that this offer does not name."""

    slug = "not-offered"
    title = "This time was not offered"


class OfferOverError(ConflictError):
    """The offer does not stand any more."""

    slug = "offer-over"
    title = "This offer has ended"


class NotWaitingError(ConflictError):
    """The entry has left the list, or got its visit."""

    slug = "not-waiting"
    title = "No longer on the waitlist"


@dataclass(frozen=True, slots=True)
class OfferView:
    """What the person sees of their offer."""

    entry: WaitlistEntry
    offer: Offer
    clinic: Clinic
    service_name: str
    free: list[datetime]
    """Those of the offered times that they can still take."""
    visit: Appointment | None = None
    """What they took and still have."""
    is_off: bool = False
    """Whether what they took was cancelled since, missed or removed."""


class WaitlistAnswers:
    """Shows and takes answers to the one offer that a token names. GET never changes anything."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        clinic: ClinicService,
        booking: BookingService,
        tokens: LinkTokens,
        offers: Wakeable,
        clock: Clock,
    ) -> None:
        """`offers` is woken where others may have to be told."""
        self._repositories = repositories
        self._entries = repositories.waitlist
        self._clinic = clinic
        self._standing = OfferStanding(repositories, clinic)
        self._booking = booking
        self._tokens = tokens
        self._offers = offers
        self._clock = clock

    async def view(self, token: str) -> OfferView:
        """The offer as it stands; changes nothing. Raises `InvalidLinkError`."""
        entry, offer = await self._read(token)
        visit = await self._repositories.appointments.get(entry.visit_id)
        free: list[datetime] = []
        now = self._clock.now()
        if visit is None and entry.status == WaitlistStatus.WAITING and now < offer.until:
            free = await self._standing.bookable(entry, offer.starts, now)
        service = await self._repositories.services.with_service_id(entry.service_id)
        is_off = entry.status == WaitlistStatus.BOOKED if visit is None else _is_off(visit)
        return OfferView(
            entry=entry,
            offer=offer,
            clinic=await self._clinic.current(),
            service_name=service.name if service else entry.service_id,
            free=free,
            visit=None if is_off else visit,
            is_off=is_off,
        )

    async def accept(self, token: str, wanted: datetime) -> Answer:
        """Book one of the times, by the rules of the booking site; who is first has it.

        The same again gets the same answer. Raises `InvalidLinkError`, `NotOfferedError`,
        `OfferOverError`, `NotWaitingError`, and what booking raises: a refused person keeps their
        place.
        """
        entry, offer = await self._read(token)
        clinic = await self._clinic.current()
        starts_at = to_instant(wanted, clinic.zone)
        if starts_at not in offer.starts:
            message = "This offer names other times. Please take one of those."
            raise NotOfferedError(message)
        visit = await self._repositories.appointments.get(entry.visit_id)
        if visit is None:
            self._require_standing(entry, offer)
        elif _is_off(visit):
            raise NotWaitingError(_CANCELLED_SINCE)
        request = PublicBooking(
            appointment_date=starts_at,
            service_id=entry.service_id,
            provider_id=entry.provider_id,
        )
        answer = await self._booking.book_for(await self._patient(entry), request, entry.visit_id)
        await self._entries.close(entry.id, WaitlistStatus.BOOKED)
        self._offers.wake()
        await self._require_same(entry, starts_at, clinic)
        return answer

    async def leave(self, token: str) -> OfferView:
        """Off the list; again changes nothing, and neither does it after a visit was booked.

        Raises `InvalidLinkError`.
        """
        entry, _ = await self._read(token)
        await self._entries.close(entry.id, WaitlistStatus.LEFT)
        self._offers.wake()
        return await self.view(token)

    def _require_standing(self, entry: WaitlistEntry, offer: Offer) -> None:
        if entry.status != WaitlistStatus.WAITING:
            message = "You are not on the waitlist any more. You can still book any free time."
            raise NotWaitingError(message)
        if self._clock.now() >= offer.until:
            message = "This offer has ended. You can still book any free time."
            raise OfferOverError(message)

    async def _require_same(
        self, entry: WaitlistEntry, starts_at: datetime, clinic: Clinic
    ) -> None:
        """Two windows, two times: the first one counts."""
        visit = await self._repositories.appointments.get(entry.visit_id)
        if visit is not None and visit.appointment_date != starts_at:
            when = describe(visit.appointment_date, clinic.zone)
            message = f"You have taken a time already: {when}."
            raise NotWaitingError(message)

    async def _read(self, token: str) -> tuple[WaitlistEntry, Offer]:
        ids = self._tokens.read(token, TokenPurpose.WAITLIST)
        entry_id = as_object_id(ids.get("waitlist_id", ""))
        entry = await self._entries.get(entry_id) if entry_id else None
        offer = entry.offer_of(ids.get("offer_key", "")) if entry else None
        if entry is None or offer is None:
            raise InvalidLinkError(_GONE)
        return entry, offer

    async def _patient(self, entry: WaitlistEntry) -> Patient:
        patient_id = entry.patient_id or entry.id
        patient = await self._repositories.patients.get(patient_id)
        if patient is None:
            raise InvalidLinkError(_GONE)
        return patient


def _is_off(visit: Appointment) -> bool:
    """Whether what was taken from the list was cancelled since, or missed."""
    return visit.status in (AppointmentStatus.CANCELLED, AppointmentStatus.NO_SHOW)


_CANCELLED_SINCE = "The visit that you took is cancelled. You can still book any free time."
_GONE = "This offer is not valid any more. Please call the practice."
