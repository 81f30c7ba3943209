"""Pareto-smoothed weights: what is known of them in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from hemotwin.calibration.importance import MOST_K, pareto_smoothed, resampled


def tail(k, count=4000, seed=0):
    """Log ratios whose tail is Pareto of shape k: (1 - u)^-k."""
    return -k * np.log(np.random.default_rng(seed).random(count))


@pytest.mark.parametrize("k", [0.2, 0.5, 0.8, 1.1])
def test_the_shape_of_a_pareto_tail_is_found(k):
    """From a tail of 190 k has a standard error of (1 + k) / sqrt(190), 0.09 to 0.15; five are averaged."""
    found = np.mean([pareto_smoothed(tail(k, seed=s)).k for s in range(5)])
    assert found == pytest.approx(k, abs=0.15)
    assert pareto_smoothed(tail(k)).reliable == (k < MOST_K)


def test_equal_ratios_weigh_alike():
    found = pareto_smoothed(np.full(400, -3.0))
    assert found.k == -np.inf and found.reliable
    np.testing.assert_allclose(found.weight, 1.0 / 400, rtol=1e-12)
    assert found.effective == pytest.approx(400.0)


def test_a_constant_on_the_log_ratios_changes_nothing():
    ratio = tail(0.4)
    one, other = pareto_smoothed(ratio), pareto_smoothed(ratio - 731.0)
    np.testing.assert_allclose(one.weight, other.weight, rtol=1e-9)
    assert one.k == pytest.approx(other.k, rel=1e-9)


def test_smoothing_keeps_the_order_and_no_weight_exceeds_the_largest_raw_one():
    ratio = tail(0.9, seed=4)
    raw, found = np.exp(ratio - ratio.max()), pareto_smoothed(ratio)
    order = np.argsort(ratio)
    assert np.all(np.diff(found.weight[order]) >= 0.0)
    small = order[: len(order) // 2]
    scale = found.weight[small] / raw[small]
    np.testing.assert_allclose(scale, scale[0], rtol=1e-9)  # the body is only normalised
    assert np.all(found.weight <= scale[0] * (1.0 + 1e-12))


def test_a_draw_that_was_not_solved_weighs_nothing():
    ratio = np.where(np.arange(1000) % 4 == 0, -np.inf, tail(0.2, 1000))
    found = pareto_smoothed(ratio)
    assert np.all(found.weight[::4] == 0.0) and found.weight.sum() == pytest.approx(1.0)


def test_too_few_solved_draws_are_no_sample():
    found = pareto_smoothed(np.r_[0.0, 0.1, np.full(98, -np.inf)])
    assert found.k == np.inf and not found.reliable and found.effective <= 2.0
    assert pareto_smoothed(np.full(9, -np.inf)).effective == 0.0


def test_a_number_that_is_none_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        pareto_smoothed(np.array([0.0, np.nan, 1.0]))


def test_each_draw_is_kept_as_often_as_it_weighs_to_the_next_whole_number():
    weight = np.random.default_rng(1).dirichlet(np.full(50, 0.3))
    kept = resampled(weight, 200, np.random.default_rng(2))
    times = np.bincount(kept, minlength=50)
    assert np.all(np.abs(times - 200 * weight) < 1.0)
    assert not np.all(np.diff(kept) >= 0)  # in random order, so that the first few stand for all


def test_where_nothing_weighs_anything_all_are_kept_alike():
    kept = resampled(np.zeros(50), 200, np.random.default_rng(3))
    np.testing.assert_array_equal(np.bincount(kept, minlength=50), 4)
