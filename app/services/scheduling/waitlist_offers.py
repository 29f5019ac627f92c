"""Offering time that freed up, and telling those who came too late.

`offer_freed_time` looks at the book as it stands, through the engine that books, and not at events:
whatever made a time bookable (a visit cancelled, moved, deleted or missed before its start, time
off removed, hours widened, a day that came within the horizon), it is found within a minute, also
after a crash. A wake-up after a change of a visit only makes it sooner.

Every step may run twice and late. One replica works at a time, by lease; that is for fairness (how
many people one time is offered to), while races are decided by the entry's revision and by the
letters' dedupe keys. An offer is stored on its entry before its letter is queued; one without a
letter is a crash between the two, and gets it in the next run. Nothing is offered outside the
sending hours or while outreach is off: an offer would only age in the queue. The send gate has the
last word (`OfferStanding`).

A visit booked from an offer whose entry was not closed (a crash between the two) is recognised by
the id that the entry keeps for it.

The others are told once none of the times they were offered can be had any more; while one is
left, their offer stands, and its page shows which. An offer nobody answered lapses silently.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.core.clock import Clock
from app.core.config import Settings
from app.db.database import UNAVAILABLE_ERRORS
from app.db.repositories import Repositories
from app.models.base import PyObjectId
from app.models.interaction import DeliveryStatus
from app.models.schedule import Clinic, Service
from app.models.waitlist import (
    MAX_OFFERS_KEPT,
    MAX_REACH_DAYS,
    Offer,
    OfferOutcome,
    WaitlistEntry,
    WaitlistStatus,
)
from app.services.clinic import ClinicService
from app.services.leases import Leases
from app.services.scheduling.availability import AvailabilityService
from app.services.scheduling.claims import bucket_floor, buckets_between, patient_key
from app.services.scheduling.localtime import day_bounds, local_day
from app.services.scheduling.refusals import UnknownProviderError, UnknownServiceError
from app.services.scheduling.schedule_reader import Question, ScheduleReader
from app.services.scheduling.waitlist_letters import WaitlistLetters
from app.services.scheduling.waitlist_people import WaitingPeople
from app.services.scheduling.waitlist_ranking import (
    LocalStart,
    Promises,
    buckets_of,
    pick,
    ranked,
    still_known,
    stored_times,
    suits,
)
from app.services.scheduling.waitlist_standing import WORTH_SENDING, OfferStanding

logger = logging.getLogger(__name__)

LEASE_NAME = "waitlist-offers"
OFFER_STANDS = timedelta(hours=24)
LOOKED_AT = 200
"""Entries a run looks at; the next run goes on after the last of them, and then begins again."""
OPEN_OFFERS = 500
_NOT_SENT = frozenset({DeliveryStatus.SUPPRESSED, DeliveryStatus.FAILED})
_QUEUED = frozenset({DeliveryStatus.PENDING, DeliveryStatus.SENDING})

GroupKey = tuple[str, PyObjectId | None]


@dataclass(frozen=True, slots=True)
class _Group:
    """What is free for one service and provider."""

    service: Service
    free: Mapping[int, tuple[datetime, LocalStart]]
    """By bucket: the start as an instant and on the clinic's clock."""

    @property
    def lasting(self) -> timedelta:
        return timedelta(minutes=self.service.duration_minutes)

    def any_free(self, offer: Offer) -> bool:
        return any(bucket_floor(start) in self.free for start in offer.starts)


@dataclass(slots=True)
class _Run:
    """What one run knows. A group that is not offered any more is `None`."""

    now: datetime
    clinic: Clinic
    may_offer: bool
    promises: Promises = field(default_factory=Promises)
    groups: dict[GroupKey, _Group | None] = field(default_factory=dict)
    done: int = 0


_Step = Callable[[WaitlistEntry, _Run], Awaitable[None]]


class WaitlistOffers:
    """The recurring work of the waitlist."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        clinic: ClinicService,
        reader: ScheduleReader,
        availability: AvailabilityService,
        people: WaitingPeople,
        leases: Leases,
        letters: WaitlistLetters,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._entries = repositories.waitlist
        self._clinic = clinic
        self._reader = reader
        self._availability = availability
        self._people = people
        self._standing = OfferStanding(repositories, clinic)
        self._leases = leases
        self._letters = letters
        self._settings = settings
        self._clock = clock
        self._go_on_at: datetime | None = None

    async def offer_freed_time(self) -> int:
        """One look at the list and the book; how many letters were queued and entries closed."""
        if not await self._entries.waiting(None, 1):
            return 0
        async with self._leases.hold(LEASE_NAME) as held:
            return await self._look() if held else 0

    async def _look(self) -> int:
        clinic, now = await self._clinic.current(), self._clock.now()
        hours = self._settings.sending_hours
        may_offer = self._settings.outreach_is_on and hours.includes(now, clinic.zone)
        run = _Run(now=now, clinic=clinic, may_offer=may_offer)
        offered = await self._heal(await self._entries.with_open_offer(OPEN_OFFERS), run)
        for entry in offered:
            await self._one(self._settle, entry, run)
        for entry in ranked(await self._heal(await self._next_batch(), run)):
            await self._one(self._look_at, entry, run)
        return run.done + await self._entries.expire(now)

    async def _one(self, step: _Step, entry: WaitlistEntry, run: _Run) -> None:
        """One entry's fault must not keep the others waiting, nor a long list the requests."""
        await asyncio.sleep(0)
        try:
            await step(entry, run)
        except UNAVAILABLE_ERRORS:
            raise
        except Exception:
            logger.exception("waitlist entry passed over", extra={"waitlist_id": str(entry.id)})

    async def _next_batch(self) -> list[WaitlistEntry]:
        batch = await self._entries.waiting(self._go_on_at, LOOKED_AT)
        self._go_on_at = batch[-1].created_at if len(batch) == LOOKED_AT else None
        return batch

    async def _heal(self, entries: list[WaitlistEntry], run: _Run) -> list[WaitlistEntry]:
        """Close those whose visit is in the book; the others."""
        visits = await self._repositories.appointments.get_many(one.visit_id for one in entries)
        for entry in entries:
            if entry.visit_id in visits:
                run.done += await self._entries.close(entry.id, WaitlistStatus.BOOKED)
        return [one for one in entries if one.visit_id not in visits]

    async def _group(self, entry: WaitlistEntry, run: _Run) -> _Group | None:
        """One availability read for all entries of a service and provider."""
        key = (entry.service_id, entry.provider_id)
        if key not in run.groups:
            run.groups[key] = await self._read_group(*key, run)
        return run.groups[key]

    async def _read_group(
        self, service_id: str, provider_id: PyObjectId | None, run: _Run
    ) -> _Group | None:
        today = local_day(run.now, run.clinic.zone)
        last = today + timedelta(days=MAX_REACH_DAYS)
        try:
            service = await self._reader.service(service_id)
            question = Question(service=service, provider_id=provider_id)
            times = await self._availability.answering(question, today, last)
        except (UnknownServiceError, UnknownProviderError):
            return None
        free = {
            bucket_floor(one.starts_at): (one.starts_at, LocalStart.of(one.local_time))
            for one in times
        }
        return _Group(service, free)

    # What was offered before

    async def _settle(self, entry: WaitlistEntry, run: _Run) -> None:
        """Queue a letter that a crash kept back, and note how an offer ended."""
        offer, group = entry.open_offer, await self._group(entry, run)
        if offer is None:
            return
        if offer.message_id is not None:
            outcome = await self._outcome(entry, offer, offer.message_id, group, run)
        elif group is None:
            outcome = OfferOutcome.DROPPED
        else:
            await self._write(entry, offer, group, run)
            outcome = None
        if outcome is not None:
            await self._end(entry, offer, outcome)
        elif group is not None:
            run.promises.add(entry.id, offer.starts, group.lasting)

    async def _outcome(
        self,
        entry: WaitlistEntry,
        offer: Offer,
        message_id: PyObjectId,
        group: _Group | None,
        run: _Run,
    ) -> OfferOutcome | None:
        """How the offer has ended; `None` while it stands or waits in the queue.

        One of a service or provider that is not offered any more ends without a letter: nobody was
        faster, and its page says that it has ended.
        """
        message = await self._repositories.interactions.get(message_id)
        status = message.delivery.status if message and message.delivery else None
        if status is None or status in _NOT_SENT:
            return OfferOutcome.DROPPED
        if status not in _QUEUED and run.now >= offer.until:
            return OfferOutcome.LAPSED
        if status in _QUEUED or (group is not None and group.any_free(offer)):
            return None
        if group is None:
            return OfferOutcome.GONE
        if await self._took_it_elsewhere(entry, offer, group):
            run.done += await self._entries.close(entry.id, WaitlistStatus.BOOKED)
        else:
            # The letter has a key of its own: a crash before the note of it repeats nothing.
            await self._letters.closed(entry, offer, run.clinic)
            run.done += 1
        return OfferOutcome.GONE

    async def _took_it_elsewhere(self, entry: WaitlistEntry, offer: Offer, group: _Group) -> bool:
        """Whether the person has a visit at one of the times: booked by phone or on the site."""
        if entry.patient_id is None:
            return False
        resource = patient_key(entry.patient_id)
        claims = [
            f"{resource}@{bucket}"
            for start in offer.starts
            for bucket in range(*buckets_between(start, start + group.lasting))
        ]
        return bool(await self._repositories.appointments.holding_any(claims))

    async def _end(self, entry: WaitlistEntry, offer: Offer, outcome: OfferOutcome) -> None:
        """What was let pass is known from now on; what was never sent is news tomorrow."""
        ended = offer.model_copy(update={"outcome": outcome})
        fields = _with_newest(entry, ended)
        if outcome == OfferOutcome.LAPSED:
            passed = {bucket_floor(start) for start in offer.starts}
            fields["known"] = stored_times(buckets_of(entry.known) | passed)
        await self._entries.change(entry, fields, unset=["open_until"])

    # What is offered now

    async def _look_at(self, entry: WaitlistEntry, run: _Run) -> None:
        group = await self._group(entry, run)
        if group is None:
            return
        suiting = {
            bucket: start
            for bucket, (start, local) in group.free.items()
            if suits(entry, local, group.service.duration_minutes)
        }
        known = buckets_of(entry.known)
        kept = still_known(known, suiting, bucket_floor(run.now))
        if kept != known:
            entry = await self._forget(entry, kept)
        if not run.may_offer or entry.open_offer or run.now < entry.next_offer_at:
            return
        soonest = run.now + _lead(run) + WORTH_SENDING
        news = (at for bucket, at in suiting.items() if bucket not in kept and at >= soonest)
        starts = pick(news, group.lasting, run.promises)
        if starts:
            await self._offer(entry, starts, group, run)

    async def _forget(self, entry: WaitlistEntry, kept: set[int]) -> WaitlistEntry:
        """Times that were taken are known no longer: when they free up, they are news."""
        fields = {"known": stored_times(kept)} if kept else {}
        await self._entries.change(entry, fields, unset=[] if kept else ["known"])
        return await self._entries.get(entry.id) or entry

    async def _offer(
        self, entry: WaitlistEntry, starts: list[datetime], group: _Group, run: _Run
    ) -> None:
        today = local_day(run.now, run.clinic.zone)
        tomorrow = day_bounds(today, run.clinic.zone)[1]
        found = await self._people.reachable(entry)
        if found.patient is None:
            held = {"held_back": found.held_back, "next_offer_at": tomorrow}
            await self._entries.change(entry, held)
            return
        if await self._entries.was_offered_on(found.patient.id, today.isoformat()):
            return
        named = entry.model_copy(update={"patient_id": found.patient.id})
        starts = await self._standing.bookable(named, starts, run.now)
        if not starts:
            return
        offer = Offer(
            key=f"waitlist:{entry.id}:{today.isoformat()}",
            starts=starts,
            made_at=run.now,
            until=_until(starts, run),
        )
        fields = {
            "offers": [one.to_stored() for one in [*entry.offers, offer][-MAX_OFFERS_KEPT:]],
            "open_until": offer.until,
            "last_offered_on": today.isoformat(),
            "next_offer_at": tomorrow,
            "patient_id": found.patient.id,
        }
        if not await self._entries.change(entry, fields, unset=["held_back"]):
            return
        run.promises.add(entry.id, starts, group.lasting)
        stored = await self._entries.get(entry.id)
        if stored is not None:
            await self._write(stored, offer, group, run)

    async def _write(self, entry: WaitlistEntry, offer: Offer, group: _Group, run: _Run) -> None:
        """Queue the letter of an offer that is stored, and note that it is."""
        message_id = await self._letters.offer(entry, offer, run.clinic, group.service.name)
        if message_id is None:
            await self._end(entry, offer, OfferOutcome.DROPPED)
            return
        queued = offer.model_copy(update={"message_id": message_id})
        await self._entries.change(entry, _with_newest(entry, queued))
        run.done += 1


def _until(starts: list[datetime], run: _Run) -> datetime:
    """A day, or until the last of the times is too near to be booked."""
    return min(run.now + OFFER_STANDS, max(starts) - _lead(run))


def _lead(run: _Run) -> timedelta:
    return timedelta(minutes=run.clinic.booking_lead_minutes)


def _with_newest(entry: WaitlistEntry, newest: Offer) -> dict[str, Any]:
    """The change that puts another state of the newest offer in its place."""
    return {"offers": [one.to_stored() for one in [*entry.offers[:-1], newest]]}
