"""The front of the guards: all of them over one message, and their order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from app.models.decision import Intent
from app.services.agent.guards.assent import is_bare_assent
from app.services.agent.guards.automatic import automatic, own_subject
from app.services.agent.guards.emergency import red_flags
from app.services.agent.guards.optout import is_opt_out
from app.services.agent.guards.return_date import return_date
from app.services.agent.guards.sender import is_same_address
from app.services.agent.guards.third_person import ThirdPerson, third_person


@dataclass(frozen=True)
class GuardInput:
    """One incoming message; `text` is the reply without quoted history."""

    text: str
    subject: str
    sender: str
    patient_email: str | None
    today: date
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class GuardFindings:
    """Everything the guards saw; several can hold at once, `first_finding` tells which one "
    "leads."""

    bounce: bool = False
    automatic: bool = False
    automatic_evidence: str | None = None
    """Name of the header or rule that gave the bounce or the automatic reply away."""
    returns_on: date | None = None
    """When the sender of an out-of-office says to be back."""
    sender_verified: bool = False
    opt_out: bool = False
    emergency: tuple[str, ...] = field(default=())
    """Names of the red flags."""
    third_person: ThirdPerson | None = None
    assent: bool = False
    """It says yes and nothing else: settles what an engine doubts, and leads nobody."""


def run_guards(message: GuardInput) -> GuardFindings:
    """Run every guard; pure, and no text makes it fail.

    A mail that begins a conversation may say everything in its subject, the body being empty or a
    signature.
    """
    said = f"{own_subject(message.subject)}\n{message.text}"
    machine = automatic(message.text, message.subject, message.sender, message.headers)
    return GuardFindings(
        bounce=machine.bounce,
        automatic=machine.automatic,
        automatic_evidence=machine.evidence,
        returns_on=return_date(message.text, message.today) if machine.automatic else None,
        sender_verified=is_same_address(message.sender, message.patient_email),
        opt_out=is_opt_out(said),
        emergency=red_flags(said),
        third_person=third_person(said),
        assent=is_bare_assent(message.text),
    )


def first_finding(findings: GuardFindings) -> Intent | None:
    """The finding that leads: bounce, automatic reply, foreign sender, emergency, opt-out, death or
    third person; `None` hands the message to the engine. Where nothing but its wording makes a
    message look automatic, an emergency or an opt-out in it comes first (see `automatic`).

    An emergency outranks an opt-out in the same message; the opt-out stays in the findings, and
    the caller honours both.
    """
    ranked = (
        (findings.bounce, Intent.BOUNCE),
        (findings.automatic, Intent.AUTO_REPLY),
        (not findings.sender_verified, Intent.UNVERIFIED_SENDER),
        (bool(findings.emergency), Intent.EMERGENCY),
        (findings.opt_out, Intent.OPT_OUT),
        (findings.third_person is not None, Intent.THIRD_PERSON),
    )
    return next((intent for found, intent in ranked if found), None)
