"""The certificate passes what is accurate and names what is not."""

from __future__ import annotations

import numpy as np
import pytest

from hemotwin.calibration.certificate import (
    JACOBIAN_LIMIT,
    PRESSURE_LIMIT,
    RELATIVE_LIMIT,
    SHARE,
    VOLUME_LIMIT,
    certify,
    errors,
    jacobian_difference,
    warnings_of,
)
from hemotwin.core.status import Status
from tests.calibrated import twins

UNITS = ("mmHg", "mL", "1/min")
FINE = np.array([80.0, 120.0, 70.0])


def judged(coarse=FINE, slopes=None, factor=None, residual=1e-10, balance=0.0):
    slopes = slopes or [np.ones((2, 2)), np.ones((2, 2))]
    factor = np.eye(2) if factor is None else factor
    slope = jacobian_difference(*slopes, factor)
    return certify(UNITS, FINE, second_order(np.asarray(coarse, dtype=float)), residual, balance, 400, slope)


def second_order(half):
    """Readings at half and a quarter of the steps that come nearer by a factor of four."""
    return half, FINE + 5.0 * (half - FINE)


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
        ({"coarse": [80.0, 120.0, 70.0 * (1.0 + 1.01 * RELATIVE_LIMIT / SHARE)]}, "other readings"),
        ({"coarse": [np.nan, 120.0, 70.0]}, "pressures"),
        ({"coarse": [80.0, 120.0, np.nan]}, "other readings"),
        ({"residual": np.nan}, "beat repeats"),
    ],
)
def test_each_error_beyond_its_limit_fails_and_is_named_alone(changes, named):
    found = judged(**changes)
    assert not found.ok
    assert found.sentence.startswith("Numerical errors exceed their limits") and named in found.sentence
    every = ("pressures", "volumes", "other readings", "sensitivities", "repeats", "conserved")
    assert sum(word in found.sentence for word in every) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"coarse": [80.312, 120.0, 70.0]}, "pressures within 0.104 mmHg (limit 0.1)."),
        ({"coarse": [80.30003, 120.0, 70.0]}, "pressures within 0.10001 mmHg (limit 0.1)."),
        ({"coarse": [80.0, 120.0, 71.092]}, "other readings within 1.04 times their limits."),
        ({"coarse": [80.0, 120.0, 71.0501]}, "other readings within 1.0001 times their limits."),
        ({"slopes": [np.ones((2, 2)), np.ones((2, 2)) + 0.141]},
         "sensitivities within 0.047 noise sd per prior sd (limit 0.017)."),
        ({"residual": 1.02e-6}, "beat repeats to 1.02e-06 mL (limit 1e-06)."),
        ({"balance": 1e-3}, "blood conserved to 0.001 mL (limit 1e-06)."),
    ],
)  # fmt: skip
def test_a_failed_check_gives_the_error_and_the_limit_that_it_exceeds(changes, said):
    assert judged(**changes).sentence == f"Numerical errors exceed their limits at 400 steps: {said}"


def test_sensitivities_name_the_steps_that_they_were_fitted_on_whether_they_pass_or_fail():
    answer = (UNITS, FINE, (FINE, FINE), None, 0.0, 400)
    good, bad = (certify(*answer, slope, 800).sentence for slope in (0.6 * JACOBIAN_LIMIT, 1.2 * JACOBIAN_LIMIT))
    assert "sensitivities within 0.01 noise sd per prior sd (fitted at 800 steps);" in good
    assert "sensitivities within 0.02 noise sd per prior sd (fitted at 800 steps, limit 0.017)." in bad
    assert "sensitivities by an amount that is not known." in certify(*answer, np.inf, 800).sentence


def test_the_largest_error_in_its_limit_is_of_any_reading_and_of_any_beat():
    coarse = [80.0, 120.0, 70.0 * (1.0 + 0.6 * RELATIVE_LIMIT / SHARE)]
    assert judged(coarse=coarse).step_error == pytest.approx(0.6)
    beats, off = np.stack([FINE, FINE], axis=1), np.array([[0.0, 0.24], [0.0, 0.0], [0.0, 0.0]])
    assert certify(UNITS, beats, (beats + off, beats + 5.0 * off), None, 0.0, 400).step_error == pytest.approx(0.8)


def test_a_reading_of_first_order_has_all_of_its_difference_left():
    """Of second order a third of the last difference is left; where differences only halve, all of it."""
    off = np.array([1.0, 0.0, 0.0])
    half, quarter = FINE + 0.06 * off, FINE + 0.18 * off
    assert errors(FINE, half, FINE + 0.30 * off)[0] == pytest.approx(0.02)
    assert errors(FINE, half, quarter)[0] == pytest.approx(0.06)
    assert errors(FINE, FINE, quarter)[0] == pytest.approx(0.18 / 12.0)  # a difference that is gone by luck
    assert errors(FINE, half, np.full(3, np.nan))[0] == pytest.approx(0.06)
    assert np.isnan(errors(FINE, np.full(3, np.nan), quarter)).all()


def test_an_error_that_is_not_known_is_called_so():
    """Half the steps gave no answer: no number stands for an error that nobody knows."""
    found = certify(UNITS, FINE, (np.full(3, np.nan), FINE), None, 0.0, 400)
    assert not found.ok and "pressures by an amount that is not known" in found.sentence
    assert "nan" not in found.sentence and "inf" not in found.sentence


def test_a_reading_near_zero_is_not_asked_for_half_a_per_cent_of_nothing():
    one = np.array([1e-9])
    assert certify(("mL/s",), one, (one + 1.0, one + 5.0), None, 0.0, 400).ok
    assert not certify(("mmHg/s",), one, (one + 1.0, one + 5.0), None, 0.0, 400).ok


def test_what_is_not_asked_for_is_not_judged():
    """A number of beats need not repeat, and without a fit there are no sensitivities."""
    found = certify(UNITS, FINE, (FINE, FINE), None, 0.0, 400)
    assert found.ok and found.jacobian_difference is None and found.periodicity is None
    assert "sensitivities" not in found.sentence and "repeats" not in found.sentence


def test_values_have_converged_or_not_whatever_else_failed():
    assert judged(residual=1e-3, slopes=[np.ones((2, 2)), np.zeros((2, 2))]).values_ok
    for coarse in ([80.4, 120.0, 70.0], [80.0, 120.4, 70.0], [80.0, 120.0, 72.0], [np.nan, 120.0, 70.0]):
        assert not judged(coarse=coarse).values_ok


def test_a_cohort_names_each_status_once_and_quotes_the_first_failed_certificates():
    good, bad = judged(), judged(coarse=[90.0, 120.0, 70.0])
    said = warnings_of([("P0", Status.OK, good), *((f"P{k}", Status.STEP_LIMIT, bad) for k in range(1, 6))])
    assert said.count(Status.STEP_LIMIT.advice) == 1 and "(P1, P2, P3 and 2 more)" in said and "P0" not in said
    assert said.count("pressures within 3.3 mmHg") == 3 and said.endswith("2 more certificates failed.")
    assert warnings_of([("P0", Status.OK, good)]) == ""


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
    assert 0.0 < found.step_error < 1.0 and "other readings within" in found.sentence
    assert found.periodicity < 1e-9 and found.volume_balance < 1e-9
