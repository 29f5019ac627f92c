"""Joining the waitlist, and the list as staff see it.

Decisions:

- Everybody may join, and everybody gets the same answer: who is a patient is not even looked up
  before a time is offered, so the answer cannot tell it.
- Somebody the practice does not know is offered times only where it takes new patients online, as
  they could only book there; elsewhere staff see in the list that nobody was told (`held_back`).
- Joining is no consent: whoever opted out stays opted out, and is held back in the same way.
- Times that suit the wish and are free already are answered at once (`available_now`), and are no
  news later.
- Sending the form again changes nothing: the first wish stands until the entry is left.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from app.core.clock import Clock
from app.core.errors import ConflictError, NotFoundError, UnprocessableError
from app.db.errors import DuplicateValueError
from app.db.indexes import WAITLIST_ONE_WAITING
from app.db.repositories import Repositories
from app.db.repositories.base import Page
from app.models.base import PyObjectId
from app.models.patient import Patient, name_key, normalise_email
from app.models.records import AuditEntry
from app.models.schedule import Clinic, Service, Weekday
from app.models.waitlist import (
    MAX_REACH_DAYS,
    MAX_WAIT_DAYS,
    PartOfDay,
    WaitlistEntry,
    WaitlistStatus,
)
from app.services.clinic import ClinicService
from app.services.patients import PatientDirectory, PatientNotFoundError, clean_name
from app.services.scheduling.availability import AvailabilityService, FreeTime
from app.services.scheduling.claims import bucket_floor
from app.services.scheduling.localtime import day_bounds, local_day
from app.services.scheduling.schedule_reader import Question, ScheduleReader
from app.services.scheduling.waitlist_ranking import LocalStart, seen_times, suits

SHOWN_NOW = 12
"""How many of the times that are free already are answered."""
MAX_ON_CONTACT = 20
"""Entries that wait on one contact; a flood of them would only be in the way of others."""
BY_FORM = "form"

_NO_CONTACT = "Give an e-mail address or a phone number."


class WaitlistWishError(UnprocessableError):
    """A wish that no time can fulfil, or somebody who cannot be told."""

    slug = "waitlist-wish"
    title = "This cannot be waited for"


class AlreadyWaitingError(ConflictError):
    """This person waits for this service already; `waitlist_id` names the entry."""

    slug = "already-waiting"
    title = "On the waitlist already"


class WaitlistFullError(ConflictError):
    """So many entries wait on one contact that one more would help nobody."""

    slug = "waitlist-full"
    title = "Too many entries of one contact"


class WaitlistEntryNotFoundError(NotFoundError):
    """No such entry."""

    slug = "waitlist-entry-not-found"
    title = "No such waitlist entry"


@dataclass(frozen=True, slots=True)
class WaitlistWish:
    """What somebody waits for, and who they are: by contact, or (staff) by `patient_id`."""

    service_id: str
    name: str = ""
    email: str | None = None
    phone: str | None = None
    patient_id: PyObjectId | None = None
    provider_id: PyObjectId | None = None
    first_day: date | None = None
    last_day: date | None = None
    times: Sequence[PartOfDay | tuple[str, str]] = ()
    weekdays: Sequence[Weekday] = field(default=())
    language: str = "en"


class Waitlist:
    """Takes people in, and shows and removes entries."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        clinic: ClinicService,
        reader: ScheduleReader,
        availability: AvailabilityService,
        directory: PatientDirectory,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._entries = repositories.waitlist
        self._clinic = clinic
        self._reader = reader
        self._availability = availability
        self._directory = directory
        self._clock = clock

    async def join(self, wish: WaitlistWish) -> list[FreeTime]:
        """Wait for a time; those that suit and are free already, the earliest first.

        Raises `WaitlistWishError`, `WaitlistFullError`, `UnknownServiceError`,
        `UnknownProviderError` and the errors of names and phones.
        """
        clinic, service = await self._clinic.current(), await self._reader.service(wish.service_id)
        entry = await self._entry(wish, clinic, service, by=BY_FORM)
        free = await self._take_in(entry, clinic, service)
        await self._store(entry)
        return free[:SHOWN_NOW]

    async def add(self, wish: WaitlistWish, *, by: str) -> WaitlistEntry:
        """Take somebody in by hand; `by` is `staff:<id>`.

        Raises what `join` raises, `AlreadyWaitingError` and `PatientNotFoundError`.
        """
        clinic, service = await self._clinic.current(), await self._reader.service(wish.service_id)
        entry = await self._entry(wish, clinic, service, by=by)
        await self._take_in(entry, clinic, service)
        if await self._store(entry):
            return entry
        stored = await self._entries.waiting_like(entry.contact, entry.name_key, entry.service_id)
        extra = {"waitlist_id": str(stored.id)} if stored else {}
        message = "This person waits for this service already."
        raise AlreadyWaitingError(message, extra=extra)

    async def page(
        self, status: WaitlistStatus | None, *, page: int, limit: int
    ) -> Page[WaitlistEntry]:
        """Longest waiting first: the order in which times are offered."""
        return await self._entries.page(status, page=page, limit=limit)

    async def remove(self, entry_id: PyObjectId, *, by: str) -> None:
        """Take an entry off the list for good; the audit log keeps that it was there.

        Raises `WaitlistEntryNotFoundError`.
        """
        entry = await self._entries.get(entry_id)
        if entry is None:
            message = "There is no such entry on the waitlist."
            raise WaitlistEntryNotFoundError(message)
        record = AuditEntry(
            id=entry.id,
            actor=by,
            action="delete",
            subject="waitlist_entry",
            subject_id=str(entry.id),
            at=self._clock.now(),
            details={
                "service_id": entry.service_id,
                "status": entry.status,
                "patient_id": str(entry.patient_id) if entry.patient_id else None,
                "created_at": entry.created_at,
            },
        )
        # The record has the entry's id: one of a run that a crash cut short is there already.
        with contextlib.suppress(DuplicateValueError):
            await self._repositories.audit.insert(record)
        await self._entries.delete(entry.id)

    async def _store(self, entry: WaitlistEntry) -> bool:
        """Whether the entry is new. Raises `WaitlistFullError`."""
        waiting = await self._entries.count_waiting_on(entry.contact, MAX_ON_CONTACT)
        if waiting >= MAX_ON_CONTACT:
            message = "Too many requests wait on this address or number. Please call the practice."
            raise WaitlistFullError(message)
        try:
            await self._entries.insert(entry)
        except DuplicateValueError as error:
            if error.index != WAITLIST_ONE_WAITING:
                raise
            return False
        return True

    async def _take_in(
        self, entry: WaitlistEntry, clinic: Clinic, service: Service
    ) -> list[FreeTime]:
        """What suits and is free already: no news to this person."""
        first = date.fromisoformat(entry.first_day)
        last = date.fromisoformat(entry.last_day)
        question = Question(service=service, provider_id=entry.provider_id)
        today = local_day(self._clock.now(), clinic.zone)
        free = await self._availability.answering(question, max(first, today), last)
        minutes = service.duration_minutes
        suiting = [one for one in free if suits(entry, LocalStart.of(one.local_time), minutes)]
        entry.known = seen_times(bucket_floor(one.starts_at) for one in suiting)
        return suiting

    async def _entry(
        self, wish: WaitlistWish, clinic: Clinic, service: Service, *, by: str
    ) -> WaitlistEntry:
        if wish.provider_id is not None:
            await self._reader.provider(wish.provider_id)
        now = self._clock.now()
        first, last = _span(wish, clinic, local_day(now, clinic.zone))
        name, email, phone, language = await self._person(wish)
        contact = email or phone
        if contact is None:
            raise WaitlistWishError(_NO_CONTACT)
        return WaitlistEntry(
            service_id=service.service_id,
            provider_id=wish.provider_id,
            patient_id=wish.patient_id,
            name=name,
            name_key=name_key(name),
            contact=contact,
            email=email,
            phone=phone,
            language=language,
            first_day=first.isoformat(),
            last_day=last.isoformat(),
            times=list(wish.times),
            weekdays=list(wish.weekdays),
            expires_at=day_bounds(last, clinic.zone)[1],
            next_offer_at=now,
            added_by=by,
        )

    async def _person(self, wish: WaitlistWish) -> tuple[str, str | None, str | None, str]:
        """Name, address, number (E.164) and language."""
        if wish.patient_id is not None:
            patient = await self._patient(wish.patient_id)
            return patient.name, patient.email, patient.phone, patient.language
        email = normalise_email(wish.email) if wish.email else None
        phone = await self._directory.read_phone(wish.phone)
        return clean_name(wish.name), email, phone, wish.language

    async def _patient(self, patient_id: PyObjectId) -> Patient:
        patient = await self._repositories.patients.get(patient_id)
        if patient is None:
            message = "There is no such patient."
            raise PatientNotFoundError(message)
        return patient


def _span(wish: WaitlistWish, clinic: Clinic, today: date) -> tuple[date, date]:
    """First and last local day of the wish. Raises `WaitlistWishError`."""
    reach = min(clinic.booking_horizon_days, MAX_REACH_DAYS)
    furthest = today + timedelta(days=reach)
    first = max(wish.first_day or today, today)
    last = wish.last_day or max(today + timedelta(days=MAX_WAIT_DAYS), min(first, furthest))
    if wish.last_day is not None and wish.last_day > furthest:
        message = f"Visits can be waited for up to {reach} days ahead."
        raise WaitlistWishError(message)
    if last < today:
        message = "The last day has passed."
        raise WaitlistWishError(message)
    if last < first:
        message = f"The first day lies after the last one, or more than {reach} days ahead."
        raise WaitlistWishError(message)
    return first, last
