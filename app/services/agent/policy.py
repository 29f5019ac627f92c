"""What follows from a reply: one pure function over what was read and where the campaign stands.

The rules are product.md (life cycle; "Replies in any other status leave the status as it is") and
agent.md (Reactive path). Nothing here reads a database or a clock, so the whole table can be read,
and tested, in one sitting.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.models.campaign import FOLLOWED_UP_STATUSES, CampaignStatus
from app.models.decision import AiAnalysis, Intent
from app.services.agent.returned import Returned


class Action(StrEnum):
    """What the agent does about one reply (stored as `decision.action`)."""

    SEND_BOOKING_LINK = "send_booking_link"
    SEND_ANSWER = "send_answer"
    CLOSE = "close"
    HAND_OFF = "hand_off"
    HAND_OFF_SILENTLY = "hand_off_silently"
    RAISE_ATTENTION = "raise_attention"
    EMERGENCY = "emergency"
    OPT_OUT = "opt_out"
    OPT_OUT_AGAIN = "opt_out_again"
    BOUNCE = "bounce"
    SOFT_BOUNCE = "soft_bounce"
    RECORD_ONLY = "record_only"
    LEAVE_TO_STAFF = "leave_to_staff"


class Reason(StrEnum):
    """Why (stored as `decision.reason`, and as the reason of an attention)."""

    BOOKING_REQUEST = "booking_request"
    DECLINED = "declined"
    QUESTION = "question"
    QUESTION_WITHOUT_ANSWER = "question_without_answer"
    IRRELEVANT_OR_CONFUSED = "irrelevant_or_confused"
    LOW_CONFIDENCE = "low_confidence"
    SEVERAL_REQUESTS = "several_requests"
    TOO_MANY_TURNS = "too_many_turns"
    EMERGENCY = "emergency"
    OPTED_OUT = "opted_out"
    OPTED_OUT_AND_ASKED = "opted_out_and_asked"
    OPT_OUT_SUSPECTED = "opt_out_suspected"
    UNVERIFIED_SENDER = "unverified_sender"
    THIRD_PERSON = "third_person"
    BOUNCED = "bounced"
    SOFT_BOUNCE = "soft_bounce"
    BOUNCE_UNPROVEN = "bounce_unproven"
    DELAYED = "delayed"
    COMPLAINED = "complained"
    AUTO_REPLY = "auto_reply"
    NO_CAMPAIGN = "no_campaign"
    PROCESSING_FAILED = "processing_failed"
    ASSIGNED_BY_STAFF = "assigned_by_staff"


@dataclass(frozen=True)
class Reading:
    """What guards and engine made of a reply."""

    analysis: AiAnalysis
    is_certain: bool = True
    """Whether the engine was sure enough to act on (a guard always is)."""
    returns_on: date | None = None
    """The day an out-of-office names."""
    returned: Returned = Returned.NOTHING
    """What a bounce or a complaint comes to."""
    opts_out_too: bool = False
    """It also asks for no more messages, and something else leads (an emergency, a stranger)."""


@dataclass(frozen=True)
class Situation:
    """Where the reply falls. `status` is `None` where no campaign could be found."""

    status: CampaignStatus | None
    is_silent: bool = False
    turns_left: int = 1
    has_opted_out: bool = False

    @property
    def agent_may_answer(self) -> bool:
        """Whether this conversation is the agent's to lead."""
        return self.status in FOLLOWED_UP_STATUSES and not self.is_silent


@dataclass(frozen=True)
class Choice:
    """An action and why."""

    action: Action
    reason: Reason


_ATTENTION_REASONS = {
    Intent.BOOKING_REQUEST: Reason.BOOKING_REQUEST,
    Intent.SERVICE_DENIAL: Reason.DECLINED,
    Intent.QUESTION: Reason.QUESTION,
}


def choose(reading: Reading, situation: Situation) -> Choice:
    """What to do. `SEND_ANSWER` is provisional: `without_answer` says what holds instead."""
    found = _by_guard(reading, situation)
    if found:
        return found
    if situation.status is None:
        return Choice(Action.LEAVE_TO_STAFF, Reason.NO_CAMPAIGN)
    if not situation.agent_may_answer:
        reason = _ATTENTION_REASONS.get(reading.analysis.intent, Reason.IRRELEVANT_OR_CONFUSED)
        return Choice(Action.RAISE_ATTENTION, reason)
    return _by_intent(reading, situation)


def without_answer(reading: Reading, *, asks_for_times_alone: bool) -> Choice:
    """What to do where the knowledge base has no answer: a person's task, as a rule.

    A wish to come that only asks when or how is answered by the booking page.
    """
    if reading.analysis.intent == Intent.BOOKING_REQUEST and asks_for_times_alone:
        return Choice(Action.SEND_BOOKING_LINK, Reason.BOOKING_REQUEST)
    return Choice(Action.HAND_OFF, Reason.QUESTION_WITHOUT_ANSWER)


def _by_guard(reading: Reading, situation: Situation) -> Choice | None:
    """What holds in every status, and with nobody's leave."""
    intent = reading.analysis.intent
    if intent == Intent.BOUNCE or (intent == Intent.AUTO_REPLY and reading.returned in _REPORTS):
        return _returned(reading, situation)
    if intent in _STRANGERS:
        has_campaign = situation.status is not None
        action = Action.HAND_OFF_SILENTLY if has_campaign else Action.LEAVE_TO_STAFF
        return Choice(action, _STRANGERS[intent])
    if intent == Intent.OPT_OUT:
        action = Action.OPT_OUT_AGAIN if situation.has_opted_out else Action.OPT_OUT
        return Choice(action, _why_opted_out(reading))
    return _EVERYWHERE.get(intent)


def _why_opted_out(reading: Reading) -> Reason:
    """A stop that stands beside a wish to come is a stop, and the wish is for a person."""
    if not reading.is_certain:
        return Reason.OPT_OUT_SUSPECTED
    wants_to_come = Intent.BOOKING_REQUEST in reading.analysis.secondary_intents
    return Reason.OPTED_OUT_AND_ASKED if wants_to_come else Reason.OPTED_OUT


_EVERYWHERE = {
    Intent.EMERGENCY: Choice(Action.EMERGENCY, Reason.EMERGENCY),
    Intent.AUTO_REPLY: Choice(Action.RECORD_ONLY, Reason.AUTO_REPLY),
}
_STRANGERS = {
    Intent.UNVERIFIED_SENDER: Reason.UNVERIFIED_SENDER,
    Intent.THIRD_PERSON: Reason.THIRD_PERSON,
}


def _returned(reading: Reading, situation: Situation) -> Choice:
    """A complaint is a stop without a receipt: they called our mail spam, and get none about it."""
    if reading.returned is Returned.UNPROVEN:
        has_campaign = situation.status is not None
        action = Action.HAND_OFF_SILENTLY if has_campaign else Action.LEAVE_TO_STAFF
        return Choice(action, Reason.BOUNCE_UNPROVEN)
    return _RETURNED[reading.returned]


_REPORTS = frozenset({Returned.COMPLAINT, Returned.UNPROVEN})
_RETURNED = {
    Returned.HARD: Choice(Action.BOUNCE, Reason.BOUNCED),
    Returned.SOFT: Choice(Action.SOFT_BOUNCE, Reason.SOFT_BOUNCE),
    Returned.COMPLAINT: Choice(Action.OPT_OUT_AGAIN, Reason.COMPLAINED),
    Returned.NOTHING: Choice(Action.RECORD_ONLY, Reason.DELAYED),
}


def _by_intent(reading: Reading, situation: Situation) -> Choice:
    """A reply by the patient, in a conversation that the agent leads."""
    also = set(reading.analysis.secondary_intents)
    intent = reading.analysis.intent
    for_a_person = _for_a_person(reading, situation)
    if for_a_person:
        return Choice(Action.HAND_OFF, for_a_person)
    if intent == Intent.SERVICE_DENIAL or (
        intent == Intent.QUESTION and Intent.SERVICE_DENIAL in also
    ):
        return _denial(intent, also)
    if Intent.QUESTION in {intent, *also}:
        return Choice(Action.SEND_ANSWER, Reason.QUESTION)
    return Choice(Action.SEND_BOOKING_LINK, Reason.BOOKING_REQUEST)


def _for_a_person(reading: Reading, situation: Situation) -> Reason | None:
    if reading.analysis.intent == Intent.IRRELEVANT_CONFUSED:
        return Reason.IRRELEVANT_OR_CONFUSED
    if not reading.is_certain:
        return Reason.LOW_CONFIDENCE
    if _holds_more_serious(reading.analysis):
        return Reason.SEVERAL_REQUESTS
    return Reason.TOO_MANY_TURNS if situation.turns_left <= 0 else None


def _holds_more_serious(analysis: AiAnalysis) -> bool:
    """Whether a part of it may be an emergency or a stop, though the whole is neither.

    A no that may be a stop is closed all the same: nothing more is sent either way.
    """
    also = set(analysis.secondary_intents)
    is_stop = Intent.OPT_OUT in also and analysis.intent != Intent.SERVICE_DENIAL
    return is_stop or Intent.EMERGENCY in also


def _denial(intent: Intent, also: set[Intent]) -> Choice:
    """A plain no is closed politely; a no with anything beside it is for a person.

    (A wish to come with a no beside it gets the link: "no whitening, but I'd have a cleaning".)
    """
    if intent == Intent.SERVICE_DENIAL and not also & _MORE_THAN_A_NO:
        return Choice(Action.CLOSE, Reason.DECLINED)
    return Choice(Action.HAND_OFF, Reason.SEVERAL_REQUESTS)


_MORE_THAN_A_NO = frozenset({Intent.BOOKING_REQUEST, Intent.QUESTION, Intent.IRRELEVANT_CONFUSED})
