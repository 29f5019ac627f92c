"""What is measured, and the goal it is held to."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Side = Literal["at least", "at most"]


@dataclass(frozen=True)
class Goal:
    """A bound on a figure, in the figure's own unit."""

    side: Side
    bound: float

    def missed_by(self, value: float) -> float:
        """How far the value lies on the wrong side; zero where the goal is met."""
        short = self.bound - value
        return max(0.0, short if self.side == "at least" else -short)


@dataclass(frozen=True)
class Figure:
    """The median of what each round measured. `unit` follows the number: "x", " %", ""."""

    name: str
    rounds: Sequence[float]
    unit: str = "x"
    goal: Goal | None = None

    @property
    def value(self) -> float:
        """The median."""
        return median(self.rounds)

    def __str__(self) -> str:
        spread = ""
        if len(self.rounds) > 1:
            spread = f" ({_number(min(self.rounds))} to {_number(max(self.rounds))})"
        return f"{self.name:<72} {_number(self.value)}{self.unit}{spread}{self._verdict()}"

    def _verdict(self) -> str:
        if self.goal is None:
            return ""
        missed = self.goal.missed_by(self.value)
        verdict = f"MISSED by {_number(missed)}{self.unit}" if missed else "met"
        return f"; goal: {self.goal.side} {self.goal.bound:g}{self.unit}: {verdict}"


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1000:  # noqa: PLR2004
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"  # noqa: PLR2004


def shares(part: Sequence[float], whole: Sequence[float]) -> list[float]:
    """Each round's part as per cent of the same round's whole."""
    return [100 * value for value in ratios(part, whole)]


def ratios(values: Sequence[float], references: Sequence[float]) -> list[float]:
    """Each round's value as a multiple of the same round's reference."""
    return [value / reference for value, reference in zip(values, references, strict=True)]
