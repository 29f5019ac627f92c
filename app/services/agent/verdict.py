"""What a reply is taken for: guards and engine put together, the more cautious of the two "
"winning."""

from dataclasses import dataclass
from typing import Protocol

from app.models.decision import Intent
from app.services.agent.guards.guard import GuardFindings, first_finding

EMERGENCY_BAR = 0.2
OPT_OUT_BAR = 0.35
"""From here on the engine's suspicion decides, even where another class is likelier: a needless
look by a person, or a message too few, costs less than the other mistake. The lowest steps of 0.05
at which, in cross-validation over the training replies, 85 % of what is suspected is one; not
fitted to the evaluation set."""

_RULED_BY_GUARDS = frozenset({Intent.BOUNCE, Intent.AUTO_REPLY, Intent.OPT_OUT})

_DOUBTED_ASSENT = frozenset({Intent.BOOKING_REQUEST, Intent.IRRELEVANT_CONFUSED})
"""What an engine takes a bare yes for, mostly without being sure."""


class Prediction(Protocol):
    """What an engine says about a reply."""

    @property
    def intent(self) -> Intent: ...
    @property
    def confidence(self) -> float: ...
    @property
    def probabilities(self) -> dict[Intent, float]: ...


@dataclass(frozen=True)
class Verdict:
    """The final intent, and whether a person has to look."""

    intent: Intent
    confidence: float
    """The engine's probability of `intent`; 1 where a guard decided."""
    needs_person: bool
    reasons: tuple[str, ...]
    """Names of guards, red flags and bars: evidence without the patient's words."""
    opt_out: bool = False
    """The message also (or only) asks that messages stop: honoured whatever `intent` is."""


def combine(findings: GuardFindings, prediction: Prediction | None, threshold: float) -> Verdict:
    """Decide what the reply is.

    A guard's finding wins in the order of `first_finding`. Else the engine's suspicion of an
    emergency or an opt-out wins from its own low bar. Else the engine's intent holds, and a person
    decides below `threshold` and on everything the loop has no business with. `prediction` may be
    left out where a guard decides.

    Raises:
        ValueError: no guard decides and there is no prediction.
    """
    leading = first_finding(findings)
    outranked = leading in {None, Intent.OPT_OUT, Intent.THIRD_PERSON}
    if prediction is not None and outranked and suspects_emergency(prediction):
        return _suspected(findings, prediction, Intent.EMERGENCY, threshold)
    if leading is not None:
        return _guarded(findings, leading)
    if prediction is None:
        message = "no guard decides and no engine was asked"
        raise ValueError(message)
    if prediction.probabilities.get(Intent.OPT_OUT, 0.0) >= OPT_OUT_BAR:
        return _suspected(findings, prediction, Intent.OPT_OUT, threshold)
    if findings.assent and prediction.intent in _DOUBTED_ASSENT:
        return _assented(prediction)
    return _predicted(prediction, threshold)


def suspects_emergency(prediction: Prediction | None) -> bool:
    """Whether the engine does. It outranks an opt-out and a third person, and makes what a stranger
    writes urgent.
    """
    if prediction is None:
        return False
    return prediction.probabilities.get(Intent.EMERGENCY, 0.0) >= EMERGENCY_BAR


def _guarded(findings: GuardFindings, leading: Intent) -> Verdict:
    reasons = [f"guard:{leading.value.lower()}"]
    reasons += [f"red_flag:{name}" for name in findings.emergency]
    if findings.opt_out and leading is not Intent.OPT_OUT:
        reasons.append("guard:opt_out")
    if findings.third_person is not None:
        reasons.append(f"third_person:{findings.third_person.value}")
    return Verdict(
        intent=leading,
        confidence=1.0,
        needs_person=leading not in _RULED_BY_GUARDS,
        reasons=tuple(reasons),
        opt_out=findings.opt_out and leading not in {Intent.BOUNCE, Intent.AUTO_REPLY},
    )


def _suspected(
    findings: GuardFindings, prediction: Prediction, intent: Intent, threshold: float
) -> Verdict:
    confidence = prediction.probabilities[intent]
    reasons = [f"engine:{intent.value.lower()}_above_bar"]
    if findings.opt_out:
        reasons.append("guard:opt_out")
    if findings.third_person is not None:
        reasons.append(f"third_person:{findings.third_person.value}")
    return Verdict(
        intent=intent,
        confidence=confidence,
        needs_person=intent is Intent.EMERGENCY or confidence < threshold,
        reasons=tuple(reasons),
        opt_out=findings.opt_out or intent is Intent.OPT_OUT,
    )


def _assented(prediction: Prediction) -> Verdict:
    return Verdict(
        intent=Intent.BOOKING_REQUEST,
        confidence=prediction.probabilities.get(Intent.BOOKING_REQUEST, 0.0),
        needs_person=False,
        reasons=("engine", "guard:bare_assent"),
    )


def _predicted(prediction: Prediction, threshold: float) -> Verdict:
    unsure = prediction.confidence < threshold
    always_a_person = prediction.intent in {Intent.IRRELEVANT_CONFUSED, Intent.EMERGENCY}
    return Verdict(
        intent=prediction.intent,
        confidence=prediction.confidence,
        needs_person=unsure or always_a_person,
        reasons=("engine:below_threshold",) if unsure else ("engine",),
        opt_out=prediction.intent is Intent.OPT_OUT,
    )
