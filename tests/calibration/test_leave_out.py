"""A value that is left out is predicted by the rest, noise included, and its exact functions go with it."""

from __future__ import annotations

import numpy as np
import pytest

from hemotwin.calibration.leave_out import COVERED, hidden_channels, predicted
from tests.calibrated import twins


def test_volumes_and_ejection_fraction_are_hidden_together():
    channels = [("lv_edv", "echo"), ("lv_esv", "echo"), ("lvef", "echo"), ("sbp", "cuff")]
    hidden = dict(hidden_channels(channels, np.ones(4)))
    assert list(hidden) == [0, 1, 2, 3]
    assert hidden[3].tolist() == [False, False, False, True]
    assert hidden[2][2] and hidden[2][:2].any()


def test_a_missing_channel_is_neither_predicted_nor_hidden():
    channels = [("sbp", "cuff"), ("dbp", "cuff")]
    (only,) = hidden_channels(channels, np.array([1.0, 0.0]))
    assert only[0] == 0 and only[1].tolist() == [True, False]


def test_another_method_stays_when_one_is_hidden():
    channels = [("cardiac_output", "fick"), ("cardiac_output", "thermodilution")]
    hidden = dict(hidden_channels(channels, np.ones(2)))
    assert hidden[0].tolist() == [True, False] and hidden[1].tolist() == [False, True]


def test_the_interval_joins_noise_and_what_the_rest_leaves_open():
    """Reading = 3 z1 - z2 with covariance diag(0.25, 1), noise sd 2: sd = sqrt(9 / 4 + 1 + 4)."""
    found = predicted(40.0, np.array([3.0, -1.0]), np.diag([0.25, 1.0]), 2.0)
    assert found.value == 40.0
    assert found.high - found.value == pytest.approx(COVERED * np.sqrt(9.0 / 4.0 + 1.0 + 4.0))
    assert found.high - found.value == pytest.approx(found.value - found.low)


@pytest.mark.parametrize("patient", ["P1", "P2", "P3", "CUFF"])
def test_no_left_out_interval_is_narrower_than_the_noise(patient):
    counted = [r for r in twins()[patient].fit if r.counted]
    assert len(counted) >= 3
    for r in counted:
        assert r.left_out_high - r.left_out_low > 2.0 * COVERED * r.sd, r.observable
        assert r.left_out_high - r.left_out_low > r.high - r.low, r.observable


@pytest.mark.parametrize("patient", ["P1", "P2", "P3"])
def test_a_value_left_out_is_predicted_worse_than_it_is_fitted(patient):
    counted = [r for r in twins()[patient].fit if r.counted]
    apart = np.array([abs(r.left_out - r.measured) / r.sd for r in counted])
    fitted = np.array([abs(r.difference) / r.sd for r in counted])
    assert np.median(apart) > 1.5 * np.median(fitted)
    assert np.sum(apart > fitted) >= len(counted) - 3


def test_the_mean_pulmonary_pressure_of_p1_surprises_the_rest():
    """48 mmHg from 86/32 is a form factor of 0.30, where 0.39 is usual: left out, 53 to 57 is expected."""
    mean = next(r for r in twins()["P1"].fit if r.observable == "pa_pressure_mean")
    assert 5.0 < mean.left_out - mean.measured < 10.0
    assert mean.left_out_low < mean.measured < mean.left_out_high
