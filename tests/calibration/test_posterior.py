"""Laplace's posterior is exact where the problem is linear and normal, and keeps every mode within 3 nats."""

from __future__ import annotations

import numpy as np
import pytest

from hemotwin.calibration.posterior import KEPT_NATS, modes_of
from tests.calibrated import twins


def linear_problem(seed=3, size=4, data=6):
    """y = A z + e with e ~ N(0, I), z ~ N(0, I): (ends of 3 starts at the exact mode, mean, covariance)."""
    rng = np.random.default_rng(seed)
    a, y = rng.standard_normal((data, size)), rng.standard_normal(data)
    hessian = np.eye(size) + a.T @ a
    mean = np.linalg.solve(hessian, a.T @ y)
    objective = 0.5 * np.sum((a @ mean - y) ** 2) + 0.5 * mean @ mean
    ends = np.repeat(mean[:, None], 3, axis=1), np.full(3, objective), np.repeat(hessian[:, :, None], 3, axis=2)
    return ends, mean, np.linalg.inv(hessian)


def two_modes(apart, nats, precisions):
    """Ends of two starts in one dimension, with given distance, height and curvature."""
    z = np.array([[0.0, apart]])
    return modes_of(z, np.array([1.0, 1.0 + nats]), np.array(precisions).reshape(1, 1, 2), np.array([True, True]))


def test_a_linear_normal_problem_is_exact():
    (z, objective, hessian), mean, covariance = linear_problem()
    found = modes_of(z, objective, hessian, np.array([True, True, True]))
    assert found.weight.tolist() == [1.0] and found.starts.tolist() == [3]
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(found.covariance[0], covariance, rtol=1e-12)
    np.testing.assert_allclose(found.mixture_covariance, covariance, rtol=1e-9, atol=1e-12)


def test_draws_have_the_exact_mean_and_covariance():
    (z, objective, hessian), mean, covariance = linear_problem()
    count = 40_000
    draws, which = modes_of(z, objective, hessian, np.ones(3, dtype=bool)).draws(count, np.random.default_rng(0))
    assert draws.shape == (4, count) and set(which) == {0}
    standard = np.sqrt(np.diag(covariance) / count)
    assert np.all(np.abs(draws.mean(axis=1) - mean) < 5.0 * standard)
    np.testing.assert_allclose(np.cov(draws), covariance, atol=0.03 * np.sqrt(np.diag(covariance)).max() ** 2)


def test_two_modes_weigh_by_height_and_width():
    """Weights go with exp(-objective) / sqrt(curvature): the lower, wider one wins by e / 2 here."""
    found = two_modes(apart=5.0, nats=1.0, precisions=[1.0, 4.0])
    share = 1.0 / (1.0 + np.exp(-1.0) / 2.0)
    np.testing.assert_allclose(found.weight, [share, 1.0 - share])


def test_spread_between_modes_counts():
    found = two_modes(apart=4.0, nats=0.0, precisions=[1.0, 1.0])
    assert found.mean == pytest.approx(2.0)
    assert found.mixture_covariance[0, 0] == pytest.approx(1.0 + 4.0)


def test_the_best_mode_is_first_whatever_the_order_of_the_starts():
    z, hessian = np.array([[2.0, -2.0]]), np.ones((1, 1, 2))
    found = modes_of(z, np.array([3.0, 1.0]), hessian, np.ones(2, dtype=bool))
    assert found.z[:, 0].tolist() == [-2.0, 2.0] and found.lane.tolist() == [1, 0]


@pytest.mark.parametrize(("nats", "kept"), [(KEPT_NATS - 0.1, 2), (KEPT_NATS + 0.1, 1)])
def test_modes_beyond_three_nats_are_dropped(nats, kept):
    assert len(two_modes(apart=5.0, nats=nats, precisions=[1.0, 1.0]).weight) == kept


def test_ends_at_one_place_are_one_mode_and_unsound_ends_are_none():
    z = np.array([[0.0, 0.05, 0.02, 9.0]])
    found = modes_of(z, np.array([1.0, 1.01, np.inf, 0.0]), np.ones((1, 1, 4)), np.array([True, True, True, False]))
    assert found.starts.tolist() == [2] and found.ends == 2
    assert modes_of(z, np.full(4, np.inf), np.ones((1, 1, 4)), np.ones(4, dtype=bool)) is None


@pytest.mark.parametrize("patient", ["P1", "P3"])
def test_a_pulmonary_patient_has_two_explanations_of_its_atrial_maximum(patient):
    """The maximum may be the v wave (the better fit) or the a wave of a stronger atrium."""
    modes = twins()[patient].modes
    assert len(modes) == 2
    assert modes[0].nats == 0.0 and 0.0 < modes[1].nats < KEPT_NATS
    assert "is the v wave" in modes[0].description and "is the a wave" in modes[1].description
    assert modes[1].parameters["ra.maximal_elastance"] > modes[0].parameters["ra.maximal_elastance"]
    assert sum(m.weight for m in modes) == pytest.approx(1.0)
