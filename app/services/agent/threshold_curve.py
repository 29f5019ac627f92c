"""What another threshold would cost: fewer errors by the machine for more work by people."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.models.decision import Intent
from app.services.agent.guards.guard import GuardFindings
from app.services.agent.verdict import Prediction, combine

STEPS = tuple(step / 100 for step in range(30, 95, 5))


@dataclass(frozen=True)
class LabelledReading:
    """What guards and engine said about one reply, and what it is."""

    label: Intent
    findings: GuardFindings
    prediction: Prediction


@dataclass(frozen=True)
class CurvePoint:
    """At one threshold: replies handed to a person, and errors among those that were not."""

    threshold: float
    replies: int
    handed_off: int
    wrong: int

    @property
    def automatic(self) -> int:
        """Replies the machine acts on by itself."""
        return self.replies - self.handed_off


def threshold_curve(
    readings: Sequence[LabelledReading], steps: Sequence[float] = STEPS
) -> tuple[CurvePoint, ...]:
    """One point for each threshold. The engine is not asked again."""
    return tuple(_point(readings, step) for step in steps)


def _point(readings: Sequence[LabelledReading], threshold: float) -> CurvePoint:
    verdicts = [(r.label, combine(r.findings, r.prediction, threshold)) for r in readings]
    alone = [(label, verdict) for label, verdict in verdicts if not verdict.needs_person]
    return CurvePoint(
        threshold=threshold,
        replies=len(readings),
        handed_off=len(verdicts) - len(alone),
        wrong=sum(verdict.intent is not label for label, verdict in alone),
    )
