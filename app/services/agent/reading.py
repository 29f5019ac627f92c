"""Reads a reply: guards first, then the engine, and what the two together say."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from app.models.decision import AiAnalysis, Evidence, Intent, Sentiment, Urgency
from app.models.interaction import Interaction, MailFacts
from app.models.patient import Channel
from app.models.proposal import ProposedTimes
from app.services.agent.context import MAX_NOTES, NO_CONTEXT, Provenance, ReplyContext
from app.services.agent.engine import Engine
from app.services.agent.guards.guard import GuardFindings, GuardInput, first_finding, run_guards
from app.services.agent.guards.third_person import ThirdPerson
from app.services.agent.guards.wording import sentences
from app.services.agent.intent import INTENT_THRESHOLD, IntentPrediction
from app.services.agent.policy import Reading
from app.services.agent.proposed.reading import proposed_times
from app.services.agent.questions import split_questions
from app.services.agent.returned import what_returned
from app.services.agent.verdict import Verdict, combine, suspects_emergency
from app.services.mail.reading.machine import MachineKind

T = TypeVar("T")

logger = logging.getLogger(__name__)

GUARD_ENGINE = "guard"
MAX_NOTE_CHARACTERS = 200

_SETTLED_BY_GUARDS = frozenset({Intent.BOUNCE, Intent.AUTO_REPLY, Intent.EMERGENCY})
"""Findings that no engine can add to: it is not asked. Of a stranger's message it can say that
somebody needs help today."""

_LEAVES_QUESTIONS = frozenset({Intent.BOOKING_REQUEST, Intent.SERVICE_DENIAL})
"""What a whole reply may be taken for although it asks something, too."""

_BOUNCES = frozenset({MachineKind.HARD_BOUNCE, MachineKind.SOFT_BOUNCE, MachineKind.DELAY})


class Aside(Protocol):
    """Does CPU work where the event loop does not wait for it."""

    async def __call__(self, work: Callable[[], T]) -> T: ...


async def in_a_thread(work: Callable[[], T]) -> T:
    """In any thread."""
    return await asyncio.to_thread(work)


class ReplyReader:
    """Turns an incoming message into a `Reading`."""

    def __init__(
        self, engine: Engine, parts: Engine | None = None, aside: Aside = in_a_thread
    ) -> None:
        """`parts` judges single sentences of a reply, where that is another than `engine`.

        `aside` does CPU work beside the event loop: guards and grammars read a long reply for
        tens of milliseconds.
        """
        self._engine = engine
        self._parts = parts or engine
        self._aside = aside

    async def read(
        self,
        interaction: Interaction,
        contact: str | None,
        today: date,
        context: ReplyContext = NO_CONTEXT,
    ) -> Reading:
        """What `interaction` says. Raises whatever the engine raises where only it can decide.

        `contact`: the address, or on other channels the number, that the patient writes from.
        """
        message = GuardInput(
            text=interaction.content,
            subject=interaction.subject or "",
            sender=interaction.sender or "",
            patient_email=contact,
            today=today,
        )
        findings = await self._aside(lambda: run_guards(message))
        findings = _with_headers(findings, interaction.mail)
        findings = _with_number(findings, interaction, contact)
        findings = _vouched_for(findings, interaction)
        prediction = await self._predict(findings, interaction, context)
        prediction = await self._with_question(prediction, interaction.content)
        verdict = combine(findings, prediction, INTENT_THRESHOLD)
        return self._reading(interaction, contact, findings, prediction, verdict)

    async def times_proposed(
        self, interaction: Interaction, zone: ZoneInfo, horizon_days: int
    ) -> ProposedTimes | None:
        """When the writer offers to come; see `proposed_times`."""
        text, at = interaction.content, interaction.timestamp
        return await self._aside(lambda: proposed_times(text, at, zone, horizon_days))

    async def asks_for_times_alone(self, text: str) -> bool:
        """Whether every question in a wish to come is itself about coming ("when?", "how?")."""
        return await self._asks_nothing_else(Intent.BOOKING_REQUEST, text)

    async def _asks_nothing_else(self, intent: Intent, text: str) -> bool:
        """Whether every question in it is taken for what the whole is."""
        for question in await self._aside(lambda: split_questions(text)):
            if (await self._parts.classify(question)).intent != intent:
                return False
        return True

    async def _with_question(
        self, prediction: IntentPrediction | None, text: str
    ) -> IntentPrediction | None:
        """A question beside a wish to come, or beside a no, is one, however short it is."""
        if prediction is None or prediction.intent not in _LEAVES_QUESTIONS:
            return prediction
        if Intent.QUESTION in prediction.secondary or await self._asks_nothing_else(
            prediction.intent, text
        ):
            return prediction
        return replace(prediction, secondary=(*prediction.secondary, Intent.QUESTION))

    async def _predict(
        self, findings: GuardFindings, interaction: Interaction, context: ReplyContext
    ) -> IntentPrediction | None:
        """The engine's word, unless a guard settles it. An opt-out does not wait for an engine, and
        what a stranger writes is read here alone.
        """
        leading = first_finding(findings)
        if leading in _SETTLED_BY_GUARDS:
            return None
        try:
            if leading is Intent.UNVERIFIED_SENDER:
                return await self._parts.classify(interaction.content)
            return await self._engine.classify(interaction.content, context)
        except Exception:  # what a guard found stands without the engine, whatever is wrong with it
            if leading is None:
                raise
            logger.exception("engine failed", extra={"interaction_id": str(interaction.id)})
            return None

    def _reading(
        self,
        interaction: Interaction,
        patient_email: str | None,
        findings: GuardFindings,
        prediction: IntentPrediction | None,
        verdict: Verdict,
    ) -> Reading:
        is_death = findings.third_person == ThirdPerson.DEATH and verdict.intent == Intent.OPT_OUT
        intent = Intent.THIRD_PERSON if is_death else verdict.intent
        return Reading(
            analysis=self._analysis(intent, findings, prediction, verdict, interaction.content),
            is_certain=not verdict.needs_person,
            returns_on=findings.returns_on,
            returned=what_returned(interaction, patient_email),
            opts_out_too=verdict.opt_out and intent != Intent.OPT_OUT,
        )

    def _analysis(
        self,
        intent: Intent,
        findings: GuardFindings,
        prediction: IntentPrediction | None,
        verdict: Verdict,
        text: str,
    ) -> AiAnalysis:
        by_guard = first_finding(findings) is not None
        beside = _beside(intent, prediction, text)
        is_urgent = Intent.EMERGENCY in {intent, *beside} or bool(findings.emergency)
        is_urgent = is_urgent or suspects_emergency(prediction)
        said_by = prediction.by if prediction and prediction.by else None
        by = said_by or Provenance(self._engine.name, self._engine.version)
        evidence = _evidence(intent, findings, prediction, verdict, by_guard=by_guard)
        by.note_in(evidence)
        return AiAnalysis(
            intent=intent,
            sentiment=prediction.sentiment if prediction else Sentiment.NEUTRAL,
            confidence=None if by_guard else verdict.confidence,
            urgency=Urgency.URGENT if is_urgent else Urgency.NORMAL,
            engine=GUARD_ENGINE if by_guard else by.engine,
            engine_version=None if by_guard else by.version,
            evidence=evidence,
            usage=by.usage,
            secondary_intents=beside,
        )


def _beside(intent: Intent, prediction: IntentPrediction | None, text: str) -> list[Intent]:
    """What else the engine saw. Where a guard leads, what the engine took the whole for is
    something else only if there is more than the one sentence.
    """
    if prediction is None:
        return []
    whole = (prediction.intent,) if len(sentences(text)) > 1 else ()
    return [one for one in dict.fromkeys((*whole, *prediction.secondary)) if one != intent]


def _evidence(
    intent: Intent,
    findings: GuardFindings,
    prediction: IntentPrediction | None,
    verdict: Verdict,
    *,
    by_guard: bool,
) -> Evidence:
    notes = [*verdict.reasons]
    if findings.automatic_evidence:
        notes.append(f"sign:{findings.automatic_evidence}")
    return Evidence(
        guard=intent.value.lower() if by_guard else None,
        notes=[note[:MAX_NOTE_CHARACTERS] for note in notes[:MAX_NOTES]],
        probabilities=prediction.probabilities if prediction else {},
    )


def _with_headers(findings: GuardFindings, mail: MailFacts | None) -> GuardFindings:
    """A whole mail's headers and structure say more than its words: they decide who wrote it."""
    if mail is None:
        return findings
    is_bounce = mail.machine in _BOUNCES
    return replace(
        findings,
        bounce=is_bounce,
        automatic=mail.machine is not None and not is_bounce,
        automatic_evidence=mail.evidence,
        returns_on=date.fromisoformat(mail.returns_on) if mail.returns_on else None,
        sender_verified=findings.sender_verified and not mail.is_forged,
    )


def _with_number(
    findings: GuardFindings, interaction: Interaction, contact: str | None
) -> GuardFindings:
    """Numbers are compared in E.164, the form that both sides are stored in."""
    if interaction.channel is Channel.EMAIL:
        return findings
    return replace(findings, sender_verified=bool(contact) and interaction.sender == contact)


def _vouched_for(findings: GuardFindings, interaction: Interaction) -> GuardFindings:
    """Staff know who wrote, whatever the address says."""
    settled = interaction.settlement
    is_vouched = settled is not None and settled.read_by_agent
    return replace(findings, sender_verified=True) if is_vouched else findings
