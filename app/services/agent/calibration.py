"""Whether probabilities are as good as they claim, measured on replies held out of training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TEMPERATURES = np.geomspace(0.5, 2.0, 57)
_BINS = 10
STEPS = tuple(step / 100 for step in range(30, 95, 5))
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class ThresholdPoint:
    """What a threshold would cost: work for people against errors of the machine."""

    threshold: float
    handed_over: float
    """Share of all replies below it."""
    wrong: float
    """Share of the replies at or above it whose intent is not the labelled one."""


def tempered(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Surer below a temperature of 1, less sure above; the order of the classes stays."""
    raised = np.maximum(probabilities, _TINY) ** (1 / temperature)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)


def best_temperature(
    probabilities: NDArray[np.float64], labels: NDArray[Any], classes: NDArray[Any]
) -> float:
    """The temperature whose probabilities fit the labels best (least log loss).

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    true = np.searchsorted(classes, labels)
    rows = np.arange(len(labels))
    losses = [-np.log(tempered(probabilities, t)[rows, true]).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def calibration_error(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean distance between claimed and true share of right answers, over bins of equal width."""
    bins = np.minimum((confidences * _BINS).astype(int), _BINS - 1)
    gaps = [abs(confidences[bins == b].sum() - right[bins == b].sum()) for b in range(_BINS)]
    return float(sum(gaps) / len(confidences))


def threshold_points(
    confidences: NDArray[np.float64], right: NDArray[np.bool_], steps: Sequence[float] = STEPS
) -> tuple[ThresholdPoint, ...]:
    """One point for each threshold."""
    return tuple(_point(confidences, right, step) for step in steps)


def _point(
    confidences: NDArray[np.float64], right: NDArray[np.bool_], threshold: float
) -> ThresholdPoint:
    kept = confidences >= threshold
    wrong = float(1 - right[kept].mean()) if kept.any() else 0.0
    return ThresholdPoint(threshold, float(1 - kept.mean()), wrong)
