"""Weighted draws are the exact posterior where that is known, and mend Laplace's where it is wrong."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hemotwin.calibration.draws import IMPORTANCE, LAPLACE, Case, Solved, Weighted, weighted_draws
from hemotwin.calibration.misfit import Misfit
from hemotwin.calibration.noise_scale import NoiseScale
from hemotwin.calibration.posterior import modes_of
from hemotwin.calibration.summary import sampling_of
from hemotwin.calibration.surrogate import DEFENSIVE, Tangents

COUNT = 2000


def linear(z, seed=3):
    """Six readings that are linear in four parameters: (readings [6, S], slopes [6, 4, S])."""
    a = np.random.default_rng(seed).standard_normal((6, 4))
    return a @ z, np.repeat(a[:, :, None], z.shape[1], axis=2)


def banana(z):
    """One reading z1 + z0^2 - 2: its exact posterior is a crescent with a mode near each tip."""
    slope = np.stack([2.0 * z[0], np.ones_like(z[0])])[None]
    return (z[1] + z[0] ** 2 - 2.0)[None], slope


def flat_below(z):
    """One reading 2 exp(1.5 z0): where it is small it says nothing, and the posterior has a long shoulder there."""
    y = 2.0 * np.exp(1.5 * z[0])
    return y[None], np.stack([1.5 * y, np.zeros_like(y)])[None]


def drawn(model, value, sd, *starts, seed=0, unsound=None, count=COUNT, enough=0.0):
    """Weighted draws of a closed-form model from the modes that Gauss-Newton finds from each start."""
    value, z = np.atleast_1d(np.asarray(value, float)), np.array(starts, float).T
    sd, zero = np.full(len(value), float(sd)), np.zeros(len(value))
    noise = NoiseScale(sd[:, None], zero[:, None], zero[:, None])
    every = np.arange(len(value))
    misfit = Misfit(value, noise, zero, zero, every, np.full(len(value), -1), every, every, every)
    for _ in range(80):
        y, slope = model(z)
        j = slope / sd[:, None, None]
        hessian = np.einsum("cns,cms->nms", j, j) + np.eye(len(z))[..., None]
        force = np.einsum("cns,cs->ns", j, (y - value[:, None]) / sd[:, None]) + z
        z = z - 0.5 * np.einsum("snm,ms->ns", np.linalg.inv(np.moveaxis(hessian, -1, 0)), force)
    objective = misfit.cost(model(z)[0]) + 0.5 * np.sum(z**2, axis=0)
    laplace = modes_of(z, objective, hessian, np.ones(len(objective), bool))

    def tangents(points):
        return {i: Tangents(p, *model(p)) for i, p in points.items()}

    def solve(points, guess):
        bad = (lambda p: np.zeros(p.shape[1], bool)) if unsound is None else unsound
        return {i: Solved(model(p)[0], ~bad(p), np.zeros(p.shape[1], bool), None) for i, p in points.items()}

    case = Case(laplace, misfit, Tangents(laplace.z.T, *model(laplace.z.T)))
    return case, weighted_draws({0: case}, tangents, solve, count, {0: np.random.default_rng(seed)}, enough)[0]


def test_the_larger_of_two_is_proposed_by_both():
    """Rows 3 z0 and 3 z1, of which the larger reads 2 with an sd of 0.3: the posterior is a right angle, and quadratics
    of its arms give it at once (quadrature: the spread of z0; 4 standard errors of so many draws)."""

    def rows(z):
        return 3.0 * z, np.repeat(3.0 * np.eye(2)[:, :, None], z.shape[1], axis=2)

    one, zero = np.array([[0.3]]), np.zeros((1, 1))
    misfit = Misfit(np.array([2.0]), NoiseScale(one, zero, zero), zero[0], zero[0], np.array([0]), np.array([-1]),
                    np.arange(2), np.array([0]), np.array([1]))  # fmt: skip
    z = np.array([[0.6, -0.5], [-0.5, 0.6]])
    objective = misfit.cost(misfit.joined(rows(z)[0])) + 0.5 * np.sum(z**2, axis=0)
    hessian = np.stack([np.diag([101.0, 1.0]), np.diag([1.0, 101.0])], axis=-1)
    laplace = modes_of(z, objective, hessian, np.ones(2, bool))
    case = Case(laplace, misfit, Tangents(laplace.z.T, *rows(laplace.z.T)))

    def solve(points, guess):
        sound = {i: np.ones(p.shape[1], bool) for i, p in points.items()}
        return {i: Solved(misfit.joined(rows(p)[0]), sound[i], ~sound[i], None) for i, p in points.items()}

    tangents = lambda points: {i: Tangents(p, *rows(p)) for i, p in points.items()}  # noqa: E731
    found = weighted_draws({0: case}, tangents, solve, COUNT, {0: np.random.default_rng(5)})[0]
    larger = lambda z: (np.max(rows(z)[0], axis=0, keepdims=True), None)  # noqa: E731
    exact = spreads(grid_moments(larger, 2.0, 0.3)[1])
    assert found.rounds == 1 and found.effective > 0.7 * COUNT
    np.testing.assert_allclose(spreads(found.covariance), exact, rtol=4.0 / np.sqrt(2.0 * found.effective))


def test_the_pull_of_rows_is_the_slope_of_their_cost():
    """By central differences, where they tie and where they do not, for a number and for one of two."""
    sd, zero = np.array([[0.3], [2.0]]), np.zeros((2, 1))
    misfit = Misfit(np.array([2.0, 5.0]), NoiseScale(sd, zero, zero), zero[:, 0], zero[:, 0], np.arange(2),
                    np.array([-1, -1]), np.arange(3), np.array([0, 2]), np.array([1, 2]))  # fmt: skip
    rows = np.array([[1.9, 2.1, -4.0], [1.9, 2.0, 3.0], [4.0, 5.5, 6.0]])
    for q in range(3):
        step = 1e-6 * (np.arange(3) == q)[:, None]
        difference = (misfit.cost(misfit.joined(rows + step)) - misfit.cost(misfit.joined(rows - step))) / 2e-6
        np.testing.assert_allclose(misfit.pull(rows)[q], difference, rtol=1e-6, atol=1e-7)


def test_a_second_round_joins_the_first():
    """Too few effective: the draws of both rounds, by the mixture that they come from, are right."""
    _, found = drawn(flat_below, 10.0, 4.0, (0.5, 0.0), enough=COUNT)
    mean, covariance = grid_moments(flat_below, 10.0, 4.0)
    assert found.rounds == 2 and found.z.shape[1] == 2 * COUNT == found.solved.reading.shape[1] == len(found.weight)
    assert found.effective > 2600.0
    np.testing.assert_allclose(spreads(found.covariance), spreads(covariance), rtol=0.06)
    assert np.all(np.abs(found.mean - mean) < 0.06 * spreads(covariance))


def grid_moments(model, value, sd, low=-6.0, high=6.0, points=801):
    """Mean and covariance of a two-dimensional posterior by quadrature."""
    axis = np.linspace(low, high, points)
    z = np.stack(np.meshgrid(axis, axis, indexing="ij")).reshape(2, -1)
    log = -0.5 * np.sum(((model(z)[0] - value) / sd) ** 2, axis=0) - 0.5 * np.sum(z**2, axis=0)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = z @ weight
    return mean, ((z - mean[:, None]) * weight) @ (z - mean[:, None]).T


def spreads(covariance):
    """Standard deviations of a covariance."""
    return np.sqrt(np.diag(covariance))


def test_a_linear_normal_posterior_is_exact():
    """The quadratic is the model itself: one round, and only the draws that look for shoulders are lost."""
    rng = np.random.default_rng(3)
    a, y = rng.standard_normal((6, 4)), np.array([0.3, -1.0, 2.0, 0.1, -0.4, 1.2])
    case, found = drawn(linear, y, 1.0, np.zeros(4))
    covariance = np.linalg.inv(np.eye(4) + a.T @ a)
    np.testing.assert_allclose(case.laplace.z[0], covariance @ a.T @ y, atol=1e-9)
    assert found.reliable and found.rounds == 1 and found.effective > (1.0 - DEFENSIVE) * COUNT
    # standard errors from so many effective draws: 1 / sqrt(n) of a mean, sqrt(2 / n) of a variance; five of each
    n = found.effective
    assert np.all(np.abs(found.mean - covariance @ a.T @ y) < 5.0 * np.sqrt(np.diag(covariance) / n))
    assert np.all(np.abs(np.diag(found.covariance) / np.diag(covariance) - 1.0) < 5.0 * np.sqrt(2.0 / n))


@pytest.mark.parametrize(
    ("model", "value", "sd", "starts"),
    [(banana, 0.0, 0.3, [(1.0, 0.5), (-1.0, 0.5)]), (flat_below, 10.0, 4.0, [(0.5, 0.0)])],
)
def test_a_curved_posterior_is_mended(model, value, sd, starts):
    """Against quadrature: Laplace's mean or spread is off by a fifth of a spread and more, the weighted draws' by 8 %.

    The standard error of a spread is 1 / sqrt(2 n): 2 % of the 1300 draws that are effective at least.
    """
    case, found = drawn(model, value, sd, *starts)
    mean, covariance = grid_moments(model, value, sd)
    exact = spreads(covariance)
    away, apart = case.laplace.mean - mean, spreads(case.laplace.mixture_covariance) - exact
    assert np.max(np.abs([away / exact, apart / exact])) > 0.2
    assert found.reliable and found.effective > 1300.0
    np.testing.assert_allclose(spreads(found.covariance), exact, rtol=0.08)
    assert np.all(np.abs(found.mean - mean) < 0.08 * exact)


def test_a_quantity_that_the_data_do_not_inform_has_the_spread_of_its_prior():
    """To half a per cent, where 400 draws alone would tell it to 4 %: a verdict must not hang on that."""
    _, found = drawn(flat_below, 10.0, 4.0, (0.5, 0.0), count=400)
    exact = spreads(grid_moments(flat_below, 10.0, 4.0)[1])
    seen = found.spreads(np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]))
    assert seen[1] == pytest.approx(1.0, abs=5e-3)
    assert seen[0] == pytest.approx(exact[0], rel=0.2) and seen[0] < 0.8
    assert seen[2] == pytest.approx(np.hypot(0.6 * seen[0], 0.8), rel=0.05)


def test_spreads_of_a_linear_normal_posterior_are_exact():
    """The control variate is exact there: what is left is far below the 1.6 % of so many draws."""
    case, found = drawn(linear, [0.3, -1.0, 2.0, 0.1, -0.4, 1.2], 1.0, np.zeros(4))
    np.testing.assert_allclose(found.spreads(np.eye(4)), spreads(case.laplace.covariance[0]), rtol=0.04)


def test_the_weights_are_what_makes_the_draws_right():
    """Unweighted, the same draws are far from the posterior: whoever drops the weights fails here."""
    _, found = drawn(flat_below, 10.0, 4.0, (0.5, 0.0))
    mean, covariance = grid_moments(flat_below, 10.0, 4.0)
    exact = spreads(covariance)[0]
    kept = found.z[0, found.kept(COUNT, np.random.default_rng(1))]
    assert np.std(kept) == pytest.approx(exact, rel=0.08)
    assert abs(np.mean(kept) - mean[0]) < 0.12 * exact
    assert np.std(found.z[0]) > 1.4 * exact


def test_draws_that_are_not_solved_are_counted_and_weigh_nothing():
    _, found = drawn(banana, 0.0, 0.3, (1.0, 0.5), unsound=lambda z: z[0] > 1.0)
    lost = found.z[0] > 1.0
    assert found.failed == int(lost.sum()) > 0
    assert np.all(found.weight[lost] == 0.0) and found.method == IMPORTANCE
    assert not np.any(lost[found.kept(500, np.random.default_rng(0))])


def test_without_any_weight_the_bare_approximation_stands_named_as_such():
    """A model that can be solved nowhere but in one draw of a thousand: no weights, and no claim that there are any."""
    case, found = drawn(banana, 0.0, 0.3, (1.0, 0.5), unsound=lambda z: np.arange(z.shape[1]) % 1000 != 0)
    assert found.method == LAPLACE and not found.reliable and found.k == np.inf
    assert found.failed == COUNT - 2 and found.effective == 2.0
    sentence = sampling_of(found).sentence
    assert "left unweighted" in sentence and f"{COUNT - 2} had no steady beat" in sentence
    np.testing.assert_allclose(found.z.mean(axis=1), case.laplace.mean, atol=0.2)


def test_unreliable_weights_are_said_to_be():
    solved = Solved(np.zeros((1, 4)), np.ones(4, bool), np.zeros(4, bool), None)
    sure = Weighted(np.zeros((1, 4)), np.full(4, 0.25), solved, 0.31, 4.0, True, 1, np.zeros((1, 4)))
    assert "rough" not in sampling_of(sure).sentence and "Pareto k 0.31" in sampling_of(sure).sentence
    unsure = sampling_of(dataclasses.replace(sure, k=0.93, reliable=False, rounds=3))
    assert not unsure.reliable and "take the intervals as rough" in unsure.sentence


def test_draws_of_which_none_is_solved_have_no_spread_and_raise_nothing():
    _, found = drawn(linear, [0.3, -1.0, 2.0, 0.1, -0.4, 1.2], 1.0, np.zeros(4),
                     unsound=lambda p: np.ones(p.shape[1], bool), count=200)  # fmt: skip
    assert found.method == LAPLACE and found.failed == 200 and found.effective == 0.0 and not found.reliable
    assert not np.any(found.weight) and np.all(np.isnan(found.spreads(np.eye(4))))
