"""The send gate: the one place that decides whether a message may leave now.

Product.md, Message classes, as a table. It is asked after a message was claimed and before it is
handed over, with what the database holds at that moment; nothing is sent that did not pass it in
the same step.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from app.core.config import Settings
from app.core.hours import SendingHours
from app.db.repositories import Repositories
from app.db.repositories.outbox import day_slot
from app.models.appointment import LIVE_STATUSES, Appointment
from app.models.campaign import FOLLOWED_UP_STATUSES, Campaign
from app.models.interaction import Interaction, MessageClass
from app.models.patient import Patient
from app.models.records import Suppression
from app.services.clinic import ClinicService
from app.services.outreach.planner import start_of
from app.services.outreach.reach import Obstacle, has_opted_out, stopped_for_good
from app.services.outreach.routes import BY_EMAIL, Route, Routes, addresses_of, best_of
from app.services.scheduling.localtime import local_day
from app.services.scheduling.waitlist_standing import OfferStanding

REMINDER_HOURS = SendingHours(start_minute=7 * 60, end_minute=21 * 60)
RECHECK_SWITCH = timedelta(minutes=10)
"""How often outreach that waits for `OUTREACH_ENABLED` looks again."""
RECHECK_OTHER = timedelta(seconds=30)
"""How often what a patient gets once a day looks whether the one before it has left."""

WEEK_DAYS = 7


class Verdict(StrEnum):
    """What may be done with a message."""

    SEND = "send"
    DEFER = "defer"
    DROP = "drop"


@dataclass(frozen=True)
class GateVerdict:
    """The decision, its reason, and for a deferral the time to ask again; `route`: where to."""

    verdict: Verdict
    reason: str = ""
    until: datetime | None = None
    route: Route | None = None


class Silence(StrEnum):
    """What a person's keeping the thread means to a class."""

    IGNORES = "ignores"
    STOPS = "stops"
    STOPS_ONCE_STAFF_ACTED = "stops_once_staff_acted"


class Hours(StrEnum):
    """In which hours a class may leave."""

    ANY = "any"
    SENDING = "sending"
    REMINDER = "reminder"


class DayLimit(StrEnum):
    """Of what there is one a day."""

    NONE = "none"
    ADDRESS = "address"
    PATIENT_AND_CLASS = "patient_and_class"


@dataclass(frozen=True)
class ClassRules:
    """One row of the table."""

    opt_out_stops: bool = False
    hours: Hours = Hours.ANY
    day_limit: DayLimit = DayLimit.NONE
    silence: Silence = Silence.IGNORES
    is_outreach: bool = False


_OUTREACH = ClassRules(
    opt_out_stops=True,
    hours=Hours.SENDING,
    day_limit=DayLimit.ADDRESS,
    silence=Silence.STOPS,
    is_outreach=True,
)

RULES: MappingProxyType[MessageClass, ClassRules] = MappingProxyType(
    {
        MessageClass.OUTREACH: _OUTREACH,
        MessageClass.WAITLIST_OFFER: _OUTREACH,
        MessageClass.WAITLIST_CLOSED: ClassRules(
            opt_out_stops=True, hours=Hours.SENDING, silence=Silence.STOPS
        ),
        MessageClass.AGENT_ANSWER: ClassRules(opt_out_stops=True, silence=Silence.STOPS),
        MessageClass.HANDOFF_NOTICE: ClassRules(
            opt_out_stops=True, silence=Silence.STOPS_ONCE_STAFF_ACTED
        ),
        MessageClass.EMERGENCY_TEXT: ClassRules(day_limit=DayLimit.PATIENT_AND_CLASS),
        MessageClass.OPT_OUT_RECEIPT: ClassRules(day_limit=DayLimit.PATIENT_AND_CLASS),
        MessageClass.VISIT_NOTICE: ClassRules(),
        MessageClass.REMINDER: ClassRules(opt_out_stops=True, hours=Hours.REMINDER),
        MessageClass.STAFF: ClassRules(),
    }
)


@dataclass(frozen=True)
class _Case:
    """Everything one decision looks at."""

    message: Interaction
    rules: ClassRules
    patient: Patient
    route: Route | None
    suppression: Suppression | None
    campaign: Campaign | None
    visit: Appointment | None
    """The visit that a reminder is about, as it stands."""
    now: datetime
    zone: ZoneInfo


class SendGate:
    """Decides by message class."""

    def __init__(
        self,
        *,
        repositories: Repositories,
        clinic: ClinicService,
        settings: Settings,
        routes: Routes = BY_EMAIL,
    ) -> None:
        self._repositories = repositories
        self._clinic = clinic
        self._settings = settings
        self._offers = OfferStanding(repositories, clinic)
        self._routes = routes

    async def route(self, message: Interaction, patient: Patient | None) -> Route | None:
        """Which way `message` goes to `patient` as things stand, where there is one.

        It stays on a channel that it was tried on: there it is known should it have left.
        """
        if patient is None:
            return None
        was_tried = message.delivery is not None and message.delivery.was_tried
        first = message.channel if was_tried else message.answers_on
        ways = self._routes.of(patient, first)
        if len(ways) <= 1:
            return ways[0] if ways else None
        return best_of(ways, await self._repositories.suppressions.among(addresses_of(ways)))

    async def day_slot(
        self, message: Interaction, route: Route | None, now: datetime
    ) -> str | None:
        """The slot of the local day that a message of this class takes up, where it takes one.

        It is claimed together with the message, under a unique index: of two messages for one
        address on one day the database lets a single one through.
        """
        limit = rules_of(message).day_limit
        if limit is DayLimit.NONE or route is None:
            return None
        clinic = await self._clinic.recent()
        today = local_day(now, clinic.zone).isoformat()
        if limit is DayLimit.ADDRESS:
            return day_slot(route.address, today)
        return day_slot(f"{_class_of(message)}:{message.patient_id}", today)

    def is_one_an_address(self, message: Interaction) -> bool:
        """Whether it is of those of which an address gets one a day, whoever they are for."""
        return rules_of(message).day_limit is DayLimit.ADDRESS

    async def slot_taken(
        self, message: Interaction, slot: str | None, now: datetime
    ) -> GateVerdict:
        """What becomes of a message whose slot of the day is taken.

        What a patient gets once a day for their own sake waits until the other one has left: it
        may yet fail.
        """
        if rules_of(message).day_limit is DayLimit.PATIENT_AND_CLASS:
            if slot and await self._repositories.outbox.is_slot_of_unsent(slot):
                return GateVerdict(Verdict.DEFER, "the_other_leaves", now + RECHECK_OTHER)
            return GateVerdict(Verdict.DROP, "already_sent_today")
        zone = (await self._clinic.recent()).zone
        return GateVerdict(Verdict.DEFER, "one_a_day", self._tomorrow(now, zone))

    async def decide(
        self,
        message: Interaction,
        patient: Patient | None,
        campaign: Campaign | None,
        now: datetime,
    ) -> GateVerdict:
        """Whether `message` may leave at `now`. `patient` and `campaign` must be freshly read."""
        if patient is None:
            return GateVerdict(Verdict.DROP, "no_patient")
        route = await self.route(message, patient)
        case = _Case(
            message=message,
            rules=rules_of(message),
            patient=patient,
            route=route,
            suppression=await self._suppression(route),
            campaign=campaign,
            visit=await self._visit(message),
            now=now,
            zone=(await self._clinic.recent()).zone,
        )
        checks: tuple[Callable[[_Case], Awaitable[GateVerdict | None]], ...] = (
            self._reachable,
            self._silence,
            self._still_wanted,
            self._visit_stands,
            self._still_news,
            self._still_true,
            self._switched_on,
            self._hours,
            self._weekly_cap,
        )
        for check in checks:
            if verdict := await check(case):
                return verdict
        return GateVerdict(Verdict.SEND, route=route)

    async def _suppression(self, route: Route | None) -> Suppression | None:
        if route is None:
            return None
        return await self._repositories.suppressions.for_address(route.address)

    async def _reachable(self, case: _Case) -> GateVerdict | None:
        if obstacle := stopped_for_good(case.patient, case.route, case.suppression):
            return GateVerdict(Verdict.DROP, obstacle)
        if case.rules.opt_out_stops and has_opted_out(case.patient, case.suppression):
            return GateVerdict(Verdict.DROP, Obstacle.OPTED_OUT)
        return None

    async def _silence(self, case: _Case) -> GateVerdict | None:
        campaign = case.campaign
        if campaign is None or campaign.agent_silent_since is None:
            return None
        stopped = case.rules.silence is Silence.STOPS
        if case.rules.silence is Silence.STOPS_ONCE_STAFF_ACTED:
            stopped = await self._staff_acted(campaign, case.message)
        return GateVerdict(Verdict.DROP, "agent_silent") if stopped else None

    async def _staff_acted(self, campaign: Campaign, message: Interaction) -> bool:
        """Whether a person took the thread up after the notice was queued, or holds it."""
        if campaign.attention and campaign.attention.claimed_by:
            return True
        last = await self._repositories.interactions.last_staff_message(campaign.id)
        return last is not None and last.created_at >= message.created_at

    async def _still_wanted(self, case: _Case) -> GateVerdict | None:
        """Outreach is for somebody who has neither answered nor booked since it was queued."""
        if _class_of(case.message) is not MessageClass.OUTREACH:
            return None
        campaign = case.campaign
        if campaign is None or campaign.status not in FOLLOWED_UP_STATUSES:
            return GateVerdict(Verdict.DROP, "campaign_moved_on")
        if campaign.last_reply_at and campaign.last_reply_at > case.message.created_at:
            return GateVerdict(Verdict.DROP, "patient_replied")
        booked = await self._repositories.appointments.patients_with_live_visit(
            [case.patient.id], case.now
        )
        return GateVerdict(Verdict.DROP, "visit_booked") if booked else None

    async def _visit(self, message: Interaction) -> Appointment | None:
        is_about_visit = _class_of(message) is MessageClass.REMINDER
        if not is_about_visit or message.appointment_id is None:
            return None
        return await self._repositories.appointments.get(message.appointment_id)

    async def _visit_stands(self, case: _Case) -> GateVerdict | None:
        """A reminder is for a visit still ahead, at the time it was written for."""
        if _class_of(case.message) is not MessageClass.REMINDER:
            return None
        visit = case.visit
        stands = (
            visit is not None
            and visit.status in LIVE_STATUSES
            and visit.appointment_date == case.message.visit_starts_at
            and visit.appointment_date > case.now
            and visit.patient_id in {case.patient.id, case.message.patient_id}
            and visit.wants_reminders
        )
        return None if stands else GateVerdict(Verdict.DROP, "visit_changed")

    async def _still_news(self, case: _Case) -> GateVerdict | None:
        """A letter about a visit that was held up must not be read after the one that came later:
        "booked" would be the last word about a visit that is cancelled.
        """
        message = case.message
        is_notice = _class_of(message) is MessageClass.VISIT_NOTICE
        if not is_notice or message.appointment_id is None:
            return None
        if await self._repositories.interactions.has_later_notice(message):
            return GateVerdict(Verdict.DROP, "superseded")
        return None

    async def _still_true(self, case: _Case) -> GateVerdict | None:
        """A waitlist letter is for somebody who waits still, about a time that is free still."""
        if case.message.waitlist_id is None or await self._offers.is_true(case.message, case.now):
            return None
        return GateVerdict(Verdict.DROP, "time_gone")

    async def _switched_on(self, case: _Case) -> GateVerdict | None:
        if case.rules.is_outreach and not self._settings.outreach_is_on:
            until = case.now + RECHECK_SWITCH
            return GateVerdict(Verdict.DEFER, "outreach_disabled", until)
        return None

    async def _hours(self, case: _Case) -> GateVerdict | None:
        hours = {
            Hours.SENDING: self._settings.sending_hours,
            Hours.REMINDER: REMINDER_HOURS,
        }.get(case.rules.hours)
        if hours is None or hours.includes(case.now, case.zone):
            return None
        until = hours.next_opening(case.now, case.zone)
        if case.visit is not None and until >= case.visit.appointment_date:
            return GateVerdict(Verdict.DROP, "too_late")
        return GateVerdict(Verdict.DEFER, "outside_hours", until)

    async def _weekly_cap(self, case: _Case) -> GateVerdict | None:
        """At most so many days with outreach among any seven, today's claimed slot aside."""
        if case.rules.day_limit is not DayLimit.ADDRESS or case.route is None:
            return None
        today = local_day(case.now, case.zone)
        first, last = today - timedelta(days=WEEK_DAYS - 1), today - timedelta(days=1)
        sent = await self._repositories.outbox.count_outreach_days(
            case.route.address, first.isoformat(), last.isoformat()
        )
        if sent < self._settings.outreach_per_week:
            return None
        return GateVerdict(Verdict.DEFER, "weekly_cap", self._tomorrow(case.now, case.zone))

    def _tomorrow(self, now: datetime, zone: ZoneInfo) -> datetime:
        midnight = start_of(local_day(now, zone) + timedelta(days=1), zone)
        return self._settings.sending_hours.next_opening(midnight, zone)


def rules_of(message: Interaction) -> ClassRules:
    """The row of the table that applies to a message."""
    return RULES[_class_of(message)]


def _class_of(message: Interaction) -> MessageClass:
    assert message.delivery is not None  # noqa: S101 - only outgoing messages come here
    return message.delivery.message_class
