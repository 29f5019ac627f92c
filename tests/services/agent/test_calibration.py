import numpy as np
import pytest

from app.services.agent.calibration import (
    best_temperature,
    calibration_error,
    tempered,
    threshold_points,
)

CLASSES = np.array(["a", "b"])


class TestTemperature:
    def test_claims_that_are_too_bold_are_softened_and_too_shy_ones_sharpened(self) -> None:
        labels = np.array(["a"] * 8 + ["b"] * 2)
        bold = np.tile([0.9, 0.1], (10, 1))
        shy = np.tile([0.7, 0.3], (10, 1))

        for claimed in (bold, shy):
            temperature = best_temperature(claimed, labels, CLASSES)
            assert tempered(claimed, temperature)[0, 0] == pytest.approx(0.8, abs=0.02)
        assert best_temperature(bold, labels, CLASSES) > 1 > best_temperature(shy, labels, CLASSES)

    def test_the_order_of_the_classes_stays_and_rows_add_up_to_one(self) -> None:
        rows = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])

        for temperature in (0.5, 1.0, 2.0):
            changed = tempered(rows, temperature)
            assert changed.sum(axis=1) == pytest.approx([1, 1])
            assert (changed.argsort() == rows.argsort())[0].all()
            assert np.isfinite(changed).all()


class TestCalibrationError:
    def test_is_the_mean_distance_of_claim_and_truth(self) -> None:
        confidences = np.array([0.95] * 10 + [0.55] * 10)
        right = np.array([True] * 9 + [False] + [True] * 3 + [False] * 7)

        assert calibration_error(confidences, right) == pytest.approx((0.05 + 0.25) / 2)

    def test_a_claim_of_one_has_a_place(self) -> None:
        assert calibration_error(np.array([1.0]), np.array([True])) == pytest.approx(0.0)


class TestThresholdPoints:
    def test_more_hand_offs_for_fewer_errors(self) -> None:
        confidences = np.array([0.9, 0.8, 0.5, 0.3])
        right = np.array([True, True, False, False])

        low, high, beyond = threshold_points(confidences, right, (0.4, 0.6, 0.95))

        assert (low.handed_over, low.wrong) == pytest.approx((0.25, 1 / 3))
        assert (high.handed_over, high.wrong) == pytest.approx((0.5, 0.0))
        assert (beyond.handed_over, beyond.wrong) == pytest.approx((1.0, 0.0))
