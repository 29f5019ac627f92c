"""A whole practice over one database, its mail caught in a ledger that fails as it is told to.

What the ledger may hold is judged by `Wishes`, which remembers what happened in its own way and
asks neither the gate nor what the gate reads.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.core.config import Settings
from app.core.errors import AppError
from app.db.database import Database
from app.db.repositories import Repositories
from app.db.repositories.base import Repository
from app.models.appointment import Appointment
from app.models.base import PyObjectId
from app.models.decision import Intent
from app.models.interaction import Interaction, MessageClass
from app.models.patient import Patient, PatientStatus, PatientType
from app.models.records import SuppressionReason
from app.models.role import StaffMember
from app.models.schedule import Chair, Provider, Service, Weekday
from app.services.departments import Desk, Outreach, Scheduling, Waiting
from app.services.email_processor import RelayMessage
from app.services.foundation import Foundation
from app.services.mail.transport import (
    OutgoingMail,
    PermanentMailError,
    SentMail,
    TransientMailError,
    UnknownOutcomeError,
)
from app.services.mail.transports import Transports
from app.services.metrics import Metrics
from app.services.outreach.gate import SendGate
from app.services.outreach.pacing import Pacing
from app.services.outreach.postmark import Postmark
from app.services.outreach.sender import OutboxSender
from app.services.recovery import RecoveryRequest
from app.services.scheduling.booking import StaffBooking
from app.services.scheduling.waitlist import WaitlistWish
from tests.agent_fakes import CrashedError, Stage
from tests.factories import make_patient, make_staff
from tests.fakes import FrozenClock
from tests.services.scheduling.practice import STAFF

ZONE = ZoneInfo("America/New_York")
M = MessageClass
OUTREACH = frozenset({M.OUTREACH, M.WAITLIST_OFFER})
STOPPED_BY_OPT_OUT = OUTREACH | {M.WAITLIST_CLOSED, M.AGENT_ANSWER, M.HANDOFF_NOTICE, M.REMINDER}
STOPPED_BY_A_PERSON = frozenset({M.OUTREACH, M.AGENT_ANSWER})
HOURS = {
    M.OUTREACH: (9, 18),
    M.WAITLIST_OFFER: (9, 18),
    M.WAITLIST_CLOSED: (9, 18),
    M.REMINDER: (7, 21),
}
FAMILY = "family@example.com"
WORDS = {
    "yes": "Yes, I would like to come in.",
    "stop": "Please stop emailing me.",
    "odd": "Who is this?",
    "help": "My face is swollen and I have a fever.",
}


class Mood(StrEnum):
    """What the transport does with the next mail."""

    WELL = "well"
    TRANSIENT = "transient"
    REFUSED = "refused"
    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"


_FAILURES: dict[Mood, BaseException] = {
    Mood.TRANSIENT: TransientMailError("busy"),
    Mood.REFUSED: PermanentMailError("no such mailbox", recipient_refused=True),
    Mood.LOST_BEFORE: UnknownOutcomeError("lost"),
    Mood.LOST_AFTER: UnknownOutcomeError("lost"),
    Mood.CRASH_BEFORE: CrashedError(),
    Mood.CRASH_AFTER: CrashedError(),
}
_LEAVES = frozenset({Mood.WELL, Mood.LOST_AFTER, Mood.CRASH_AFTER})


@dataclass(frozen=True)
class Posted:
    """One mail that left for good."""

    key: str
    to: str
    at: datetime


class LedgerTransport:
    """Writes down what leaves. `can_tell`: whether it can say later what became of a mail."""

    deadline_seconds = 5.0

    def __init__(self, clock: FrozenClock) -> None:
        self._clock = clock
        self.posted: list[Posted] = []
        self.mood = Mood.WELL
        self.can_tell = True
        self.refused: list[str] = []

    async def send(self, mail: OutgoingMail) -> SentMail:
        """See `Transport`."""
        await asyncio.sleep(0)
        mood, self.mood = self.mood, Mood.WELL
        if mood in _LEAVES:
            self.posted.append(Posted(mail.key, mail.to, self._clock.now()))
        if mood is Mood.REFUSED:
            self.refused.append(mail.to)
        if mood in _FAILURES:
            raise _FAILURES[mood]
        return _sent(mail.key)

    async def look_up(self, key: str, since: datetime) -> SentMail | None:
        """See `Transport`."""
        if not self.can_tell:
            message = "cannot tell"
            raise UnknownOutcomeError(message)
        return _sent(key) if any(one.key == key for one in self.posted) else None


def _sent(key: str) -> SentMail:
    return SentMail(f"<{key}@example.com>", f"thread-{key}")


@dataclass
class Wishes:
    """Who wants, and may get, what: as it was said, not as it is stored."""

    opted_out: set[PyObjectId] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    gone: set[PyObjectId] = field(default_factory=set)
    visits: dict[PyObjectId, Appointment] = field(default_factory=dict)
    kept_by_person: set[PyObjectId] = field(default_factory=set)

    def objections(self, posted: Posted, message: Interaction) -> Iterable[str]:
        """Every rule that this mail broke by leaving when it did."""
        kind, patient = _kind(message), message.patient_id
        hour = posted.at.astimezone(ZONE).hour
        opens, closes = HOURS.get(kind, (0, 24))
        has_visit = any(
            visit.patient_id == patient and visit.appointment_date > posted.at
            for visit in self.visits.values()
        )
        is_opted_out = patient in self.opted_out or posted.to in self.stopped
        broken = {
            "to a dead address": posted.to in self.dead,
            "to somebody inactive or deceased": patient in self.gone,
            "to somebody who opted out": kind in STOPPED_BY_OPT_OUT and is_opted_out,
            "outside the hours": not opens <= hour < closes,
            "to somebody with a visit booked": kind is M.OUTREACH and has_visit,
            "over a person's head": (
                kind in STOPPED_BY_A_PERSON and message.campaign_id in self.kept_by_person
            ),
        }
        return (rule for rule, is_broken in broken.items() if is_broken)


def _kind(message: Interaction) -> MessageClass:
    assert message.delivery is not None
    return message.delivery.message_class


async def _furnish(repositories: Repositories) -> None:
    """One time a day: whoever has it keeps the others waiting."""
    hours = {day: [("10:00", "10:30")] for day in Weekday}
    provider = Provider(name="Dr. Rivera", service_ids=["cleaning"], working_hours=hours)
    await repositories.providers.insert(provider)
    await repositories.chairs.insert(Chair(name="Room 1"))
    cleaning = Service(service_id="cleaning", name="Cleaning", duration_minutes=30)
    await repositories.services.insert(cleaning)


class World:
    """A practice, five patients, two senders, and what may happen to them."""

    def __init__(self, settings: Settings, uri: str) -> None:
        self.clock = FrozenClock()
        self.settings = settings
        self.base = Foundation.build(settings, self.clock, Metrics(), uri)
        self.scheduling = Scheduling.build(self.base)
        self.outreach = Outreach.build(self.base)
        self.waiting = Waiting.build(self.base, self.scheduling)
        self.stage = Stage(self.base.repositories, settings, self.clock)
        self.desk = Desk.build(self.base, self.scheduling, self.outreach, self.stage.agent)
        self.stage.engine.intent_of = {WORDS["odd"]: Intent.IRRELEVANT_CONFUSED}
        self.transport = LedgerTransport(self.clock)
        self.wishes = Wishes()
        self.people: list[Patient] = []
        self.staff: StaffMember = make_staff()
        self.judged = 0
        self.number = 0
        self.seen: Counter[MessageClass] = Counter()

    async def open(self, database: Database) -> None:
        """Empty, then furnished, with people who are due."""
        repositories = self.base.repositories
        own = (getattr(repositories, item.name) for item in fields(repositories))
        for one in own:
            if isinstance(one, Repository):  # the others work on the collections of these
                await database.collection(one.collection_name).delete_many({})
        await _furnish(repositories)
        due = {"patient_type": PatientType.EXISTING, "next_follow_up_date": self.clock.now()}
        for given in (
            {"name": "Ann Lopez", "email": FAMILY, **due},
            {"name": "Ben Lopez", "email": FAMILY},
            {"name": "Carla Diaz", "email": "carla@example.com"},
            {"name": "Dev Patel", "email": "dev@example.com", **due},
            {"name": "Eve Phone", "email": None, "phone": "+12125550142", **due},
        ):
            self.people.append(await repositories.patients.insert(make_patient(**given)))

    def close(self) -> None:
        """Let go."""
        self.base.security.close()
        self.base.database.close()

    def sender(self) -> OutboxSender:
        """A new process: it knows what is stored, and nothing else."""
        base = self.base
        return OutboxSender(
            repositories=base.repositories,
            gate=SendGate(
                repositories=base.repositories, clinic=base.clinic, settings=base.settings
            ),
            postmark=Postmark(
                repositories=base.repositories,
                clinic=base.clinic,
                links=base.links,
                tags=base.reply_tags,
                settings=base.settings,
                clock=self.clock,
            ),
            transports=Transports(self.transport),
            pacing=Pacing(base.repositories, base.clinic, base.settings.attempt_interval_days),
            lifecycle=base.lifecycle,
            consent=base.consent,
            clinic=base.clinic,
            clock=self.clock,
            observe=lambda _kind, _outcome: None,
        )

    # What happens

    async def send(self, *, senders: int = 1) -> None:
        """Everything that is due, by one process or several at once; some of them may die of it."""
        for _ in range(6):
            done = await asyncio.gather(
                *(self.sender().work_off() for _ in range(senders)), return_exceptions=True
            )
            failed = [one for one in done if isinstance(one, BaseException)]
            assert all(isinstance(one, CrashedError) for one in failed), failed
            if not any(done):
                break
        await self.judge()
        self.wishes.dead.update(self.transport.refused)

    async def sweep(self) -> None:
        """The sweep, and staff's forgotten campaigns."""
        await self.outreach.sweeps.run_now(None)
        await self.outreach.proactive.reconcile_staff_campaigns()

    async def write(self, person: Patient, words: str) -> None:
        """A patient writes; the reply is worked off."""
        self.number += 1
        sender = person.email or "eve@example.com"
        message = RelayMessage(f"p-{person.id}", f"m-{self.number}", sender, WORDS[words])
        await self.stage.receive(message, event_id=f"pubsub:s:{self.number}")
        await self.stage.work_off()
        if words == "stop" and person.email:
            self.wishes.opted_out.add(person.id)
            self.wishes.stopped.add(person.email)

    async def unsubscribe(self, person: Patient) -> None:
        """The link in a letter; a reader without a mailbox has none."""
        if person.email is None:
            return
        link = self.base.links.unsubscribe_link(person.id)
        await self.base.consent.unsubscribe(link.rpartition("/")[2])
        self.wishes.opted_out.add(person.id)
        self.wishes.stopped.add(person.email)

    async def opt_out_at_the_desk(self, person: Patient) -> None:
        """For this one alone."""
        await self.base.consent.opt_out(
            await self._now(person),
            reason=SuppressionReason.OPT_OUT,
            source=STAFF,
            whole_mailbox=False,
        )
        self.wishes.opted_out.add(person.id)

    async def opt_in(self, person: Patient) -> None:
        """For this one, and for their mailbox."""
        await self.base.consent.opt_in(await self._now(person), source=STAFF, by=STAFF)
        self.wishes.opted_out.discard(person.id)
        self.wishes.stopped.discard(person.email or "")

    async def bounce(self, person: Patient) -> None:
        """The mailbox is gone."""
        if person.email:
            await self.base.consent.hard_bounce(person.email, source="dsn")
            self.wishes.dead.add(person.email)

    async def become(self, person: Patient, status: PatientStatus) -> None:
        """Staff change the file."""
        await self.base.repositories.patients.update_fields(person.id, {"status": status})
        self.wishes.gone.discard(person.id)
        if status is not PatientStatus.ACTIVE:
            self.wishes.gone.add(person.id)

    async def start_campaign(self, person: Patient) -> None:
        """Staff want somebody back."""
        request = RecoveryRequest(person.name, person.email or "new@example.com", "Asked again.")
        with contextlib.suppress(AppError):
            await self.desk.recovery.start(request, by=self.staff)

    async def staff_write(self, person: Patient) -> None:
        """From here on a person keeps the conversation."""
        campaign = await self.base.repositories.campaigns.latest_for(person.id)
        if campaign is None:
            return
        with contextlib.suppress(AppError):
            await self.desk.conversations.respond(campaign.id, "Hello, it is us.", by=self.staff)
            self.wishes.kept_by_person.add(campaign.id)

    async def claim(self, person: Patient) -> None:
        """Somebody takes what waits."""
        campaign = await self.base.repositories.campaigns.latest_for(person.id)
        if campaign is not None:
            with contextlib.suppress(AppError):
                await self.desk.conversations.claim(campaign.id, by=self.staff)

    async def release(self, person: Patient) -> None:
        """The conversation is the agent's again."""
        campaign = await self.base.repositories.campaigns.latest_for(person.id)
        if campaign is not None:
            await self.desk.conversations.release(campaign.id, by=self.staff)
            self.wishes.kept_by_person.discard(campaign.id)

    async def book(self, person: Patient, days: int) -> None:
        """A visit some days from now."""
        at = self._ten_o_clock(days)
        request = StaffBooking(appointment_date=at, service_id="cleaning", patient_id=person.id)
        with contextlib.suppress(AppError):
            visit = await self.scheduling.booking.staff_book(request, by=STAFF)
            self.wishes.visits[visit.id] = visit

    def _ten_o_clock(self, days: int) -> datetime:
        day = self.clock.now().astimezone(ZONE) + timedelta(days=days)
        return day.replace(hour=10, minute=0, second=0, microsecond=0)

    def sleep_until(self, hour: int) -> None:
        """Until the next time the clock in the practice shows this hour."""
        here = self.clock.now().astimezone(ZONE)
        at = here.replace(hour=hour, minute=0, second=0, microsecond=0)
        self.clock.set((at if at > here else at + timedelta(days=1)).astimezone(UTC))

    async def cancel(self) -> None:
        """The visit that was booked last, and the time is offered on."""
        visit_id = next(reversed(self.wishes.visits), None)
        if visit_id is not None:
            with contextlib.suppress(AppError):
                await self.scheduling.appointments.cancel(visit_id, by=STAFF)
            del self.wishes.visits[visit_id]
        await self.waiting.offers.offer_freed_time()

    async def wait_for_a_time(self, person: Patient, days: int) -> None:
        """Somebody joins the waitlist."""
        day = self._ten_o_clock(days).date()
        wish = WaitlistWish(
            service_id="cleaning",
            name=person.name,
            email=person.email,
            first_day=day,
            last_day=day,
        )
        with contextlib.suppress(AppError):
            await self.waiting.entries.join(wish)
        await self.waiting.offers.offer_freed_time()

    async def remind(self) -> None:
        """The reminders that are due."""
        await self.scheduling.reminders.queue_due()

    async def _now(self, person: Patient) -> Patient:
        stored = await self.base.repositories.patients.get(person.id)
        assert stored is not None
        return stored

    # What must never have happened

    async def judge(self) -> None:
        """Hold what left since the last time to what was wished at this moment."""
        fresh = self.transport.posted[self.judged :]
        self.judged = len(self.transport.posted)
        messages = await self._messages(self.transport.posted)
        for posted in fresh:
            self.seen[_kind(messages[posted.key])] += 1
            broken = list(self.wishes.objections(posted, messages[posted.key]))
            assert not broken, (broken, _kind(messages[posted.key]))
        _hold_to_once(self.transport.posted, messages)
        _hold_to_caps(self.transport.posted, messages)

    async def _messages(self, posted: Sequence[Posted]) -> dict[str, Interaction]:
        ids = [PyObjectId(one.key) for one in posted]
        found = await self.base.repositories.interactions.get_many(ids)
        return {str(message_id): message for message_id, message in found.items()}


def _hold_to_once(posted: Sequence[Posted], messages: dict[str, Interaction]) -> None:
    keys = Counter(one.key for one in posted)
    attempts = Counter(
        (message.campaign_id, message.attempt)
        for one in posted
        if (message := messages[one.key]).attempt is not None
    )
    assert not [key for key, times in keys.items() if times > 1]
    assert not [attempt for attempt, times in attempts.items() if times > 1]


def _hold_to_caps(posted: Sequence[Posted], messages: dict[str, Interaction]) -> None:
    days = Counter(
        (one.to, one.at.astimezone(ZONE).date())
        for one in posted
        if _kind(messages[one.key]) in OUTREACH
    )
    assert not [day for day, times in days.items() if times > 1]
    for address, day in days:
        week = [d for a, d in days if a == address and 0 <= (day - d).days < 7]
        assert len(week) <= 3, (week, "more than three days with outreach in seven")
