"""On the scale of its noise a reading has the same sd everywhere, and nothing leans to the side of small readings."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.calibration.noise_scale import NoiseScale

PROPORTIONAL = NoiseScale(
    np.float64(9.0), np.float64(0.2), np.float64(8.0)
)  # an echo's end-systolic volume: knee 40 mL
CONSTANT = NoiseScale(np.float64(3.0), np.float64(0.0), np.float64(0.0))


@pytest.mark.parametrize("noise", [PROPORTIONAL, CONSTANT])
def test_its_slope_is_one_over_the_sd(noise):
    x = np.array([-5.0, 0.0, 20.0, 39.9, 40.1, 60.0, 400.0])
    slope = (noise(x + 1e-4) - noise(x - 1e-4)) / 2e-4
    np.testing.assert_allclose(slope, 1.0 / noise.sd_at(x), rtol=1e-7)  # third derivative times 1e-8


def test_noise_is_a_share_of_the_truth_above_the_knee_and_constant_below():
    assert PROPORTIONAL.sd_at(100.0) == pytest.approx(20.0)
    assert PROPORTIONAL.sd_at(10.0) == pytest.approx(8.0)
    assert CONSTANT.sd_at(100.0) == 3.0
    assert PROPORTIONAL(40.0 + 1e-9) == pytest.approx(float(PROPORTIONAL(40.0)), abs=1e-9)


def test_a_limit_has_no_end_on_either_scale():
    for noise in (PROPORTIONAL, CONSTANT):
        assert noise(np.inf) == np.inf and noise(-np.inf) == -np.inf


def test_both_kinds_of_arrays_agree():
    x = np.linspace(-10.0, 300.0, 60)
    for noise in (PROPORTIONAL, CONSTANT):
        np.testing.assert_allclose(np.asarray(noise(jnp.asarray(x))), noise(x), rtol=1e-5)
        np.testing.assert_allclose(np.asarray(noise.sd_at(jnp.asarray(x))), noise.sd_at(x), rtol=1e-5)


@pytest.mark.parametrize("noise", [PROPORTIONAL, CONSTANT])
@pytest.mark.parametrize("x", [10.0, 39.0, 41.0, 250.0])
def test_a_shifted_reading_lies_that_many_sds_away(noise, x):
    error = np.linspace(-1.5, 1.5, 7)
    np.testing.assert_allclose(noise(noise.shifted(np.float64(x), error)), noise(x) + error, atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_a_precise_reading_is_shifted_without_overflow():
    precise = NoiseScale(0.01, 0.0, 0.0)
    assert precise.shifted(np.float64(120.0), 2.0) == pytest.approx(120.02)


def test_intervals_of_proportional_readings_hold_the_truth_equally_often_on_both_sides():
    """A truth of 100 read 100,000 times with a noise of 20 %: 90 % intervals miss it 5 % on either side (to four
    standard errors, 0.3 %); the noise taken at the reading misses the same reading thrice as often above as below."""
    error = np.random.default_rng(1).standard_normal(100_000)
    read = PROPORTIONAL.shifted(np.float64(100.0), error)
    half = 1.644854
    place, truth = PROPORTIONAL(read), PROPORTIONAL(100.0)
    assert np.mean(place + half < truth) == pytest.approx(0.05, abs=0.003)
    assert np.mean(place - half > truth) == pytest.approx(0.05, abs=0.003)
    sd = PROPORTIONAL.sd_at(read)
    assert np.mean(read + half * sd < 100.0) > 3.0 * np.mean(read - half * sd > 100.0)
