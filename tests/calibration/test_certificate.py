"""The certificate passes what is accurate and names what is not."""

from __future__ import annotations

import numpy as np
import pytest

from hemotwin.calibration.certificate import (
    JACOBIAN_LIMIT,
    PRESSURE_LIMIT,
    SHARE,
    VOLUME_LIMIT,
    certify,
    jacobian_difference,
)
from tests.calibrated import twins

UNITS = ("mmHg", "mL", "1/min")
FINE = np.array([80.0, 120.0, 70.0])


def judged(coarse=FINE, slopes=None, factor=None, residual=1e-10, balance=0.0):
    slopes = slopes or [np.ones((2, 2)), np.ones((2, 2))]
    factor = np.eye(2) if factor is None else factor
    slope = jacobian_difference(*slopes, factor)
    return certify(UNITS, FINE, np.asarray(coarse, dtype=float), slope, residual, balance, 400)


def test_equal_answers_pass():
    found = judged()
    assert found.ok and found.step_error_pressure == 0.0 and found.sentence.startswith("Numerical errors at 400 steps")


def test_the_error_left_is_a_third_of_the_difference():
    assert judged(coarse=[80.06, 120.03, 70.0]).step_error_pressure == pytest.approx(0.02)
    assert judged(coarse=[80.06, 120.03, 70.0]).step_error_volume == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"coarse": [80.0 + 1.01 * PRESSURE_LIMIT / SHARE, 120.0, 70.0]}, "pressures"),
        ({"coarse": [80.0, 120.0 - 1.01 * VOLUME_LIMIT / SHARE, 70.0]}, "volumes"),
        ({"slopes": [np.ones((2, 2)), np.ones((2, 2)) + 1.01 * JACOBIAN_LIMIT]}, "sensitivities"),
        ({"residual": 1e-5}, "beat repeats"),
        ({"balance": 1e-3}, "blood conserved"),
        ({"coarse": [np.nan, 120.0, 70.0]}, "pressures"),
        ({"residual": np.nan}, "beat repeats"),
    ],
)
def test_each_error_beyond_its_limit_fails_and_is_named_alone(changes, named):
    found = judged(**changes)
    assert not found.ok
    assert found.sentence.startswith("Numerical errors exceed their limits") and named in found.sentence
    assert (
        sum(word in found.sentence for word in ("pressures", "volumes", "sensitivities", "repeats", "conserved")) == 1
    )


def test_sensitivities_are_judged_per_prior_sd_of_each_quantity():
    """z of correlated quantities mixes them: the slope per prior sd is the slope in z, unmixed."""
    factor = np.array([[0.5, 0.0], [0.4, 0.3]])
    per_sd = np.array([[0.04, -0.03]])
    in_z = (per_sd / np.sqrt(np.diag(factor @ factor.T))) @ factor
    found = judged(slopes=[in_z, np.zeros((1, 2))], factor=factor)
    assert found.jacobian_difference == pytest.approx(0.04)


@pytest.mark.parametrize("patient", ["P1", "P2", "P3", "T233", "CUFF"])
def test_pressures_volumes_and_blood_of_real_fits_hold_at_the_default_steps(patient):
    found = twins()[patient].certificate
    assert found.step_error_pressure < PRESSURE_LIMIT and found.step_error_volume < VOLUME_LIMIT
    assert found.periodicity < 1e-9 and found.volume_balance < 1e-9
