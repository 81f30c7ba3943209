"""The batched fit: exact on a linear problem, with true derivatives and a true minimum on a real patient."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hemotwin as ht
from hemotwin.calibration.lanes import Cohort, prepare, run_lanes
from hemotwin.calibration.likelihood import load_noise
from hemotwin.calibration.methods import first_order
from hemotwin.calibration.methods import gauss_newton as method
from hemotwin.calibration.point import Point
from hemotwin.calibration.priors import load_prior
from hemotwin.calibration.problem import LaneData
from hemotwin.calibration.rounds import fitted_in_rounds
from hemotwin.core.registry import known, look_up
from hemotwin.core.status import Status
from hemotwin.engine.precision import double
from tests.calibrated import RECORD, patients, twins

STEP = 1e-4  # prior sds, of the central differences


def linear_problem(seed, size=3):
    """A and y of y = A z + e with as many data as the cohort has channels."""
    rng, data = np.random.default_rng(seed), len(cohort().channels)
    return rng.standard_normal((data, size)), rng.standard_normal(data)


def solved(a, y, start, monkeypatch, module=method, too_low=0.0):
    """A method's fit of |a z - y|^2 / 2 + |z|^2 / 2 with the beat taken away: every state is steady.

    With `too_low` (nats per mL2) the first state row is steady at the sum of z alone, which no slope foretells; a
    beat leaves a tenth of the way, and the objective lies too low by the square of it.
    """
    size, lanes = start.shape
    states = len(cohort().problem.system.state)

    def evaluate(problem, data, z, state, steps):
        residual = jnp.einsum("cn,nb->cb", a, z) - y[:, None]
        hessian = jnp.broadcast_to((jnp.eye(size) + a.T @ a)[..., None], (size, size, lanes))
        objective = 0.5 * jnp.sum(residual**2, axis=0) + 0.5 * jnp.sum(z**2, axis=0)
        slope = jnp.broadcast_to(a[..., None], (*a.shape, lanes))
        gradient = jnp.einsum("cn,cb->nb", a, residual) + z
        flat = jnp.zeros((states, size, lanes))
        off = 10.0 + jnp.sum(z, axis=0) - state[0] if too_low else jnp.zeros(lanes)
        state = state.at[0].add(0.9 * off)
        objective = objective - too_low * off**2
        return (
            Point(z, objective, hessian, gradient, state, flat, residual, slope, jnp.zeros_like(hessian)),
            jnp.abs(off),
            jnp.ones(lanes, dtype=bool),
            state,
        )

    monkeypatch.setattr(module, "evaluate_at", evaluate)
    monkeypatch.setattr(module, "start_state", lambda problem, data, z, steps: jnp.ones((states, lanes)))
    with double():
        if module is first_order:
            with jax.numpy_dtype_promotion("standard"):  # optax's own schedules mix types
                return first_order._fit(cohort().problem, cohort().data, jnp.asarray(start), 1, False)
        begun = method._begun(cohort().problem, cohort().data, jnp.asarray(start), 1)
        end = method._advanced(cohort().problem, cohort().data, begun, 1, False, method.BEATS)
        again = jax.tree.map(jnp.asarray, method.refloated(jax.tree.map(np.asarray, end), method.stuck(end)))
        return method.ended(method._advanced(cohort().problem, cohort().data, again, 1, False, method.BEATS))


def test_a_linear_normal_problem_is_solved_exactly_from_any_start(monkeypatch):
    a, y = linear_problem(1)
    exact = np.linalg.solve(np.eye(3) + a.T @ a, a.T @ y)
    start = 2.0 * np.random.default_rng(2).standard_normal((3, 8))
    found = solved(a, y, start, monkeypatch)
    assert np.all(np.asarray(found.status) == int(Status.OK))
    lowest = 0.5 * np.sum((a @ exact - y) ** 2) + 0.5 * exact @ exact
    assert np.all(np.abs(np.asarray(found.objective) - lowest) < 2.0 * method.TOLERANCE)
    np.testing.assert_allclose(np.asarray(found.hessian)[:, :, 0], np.eye(3) + a.T @ a, rtol=1e-12)
    assert int(np.max(np.asarray(found.iterations))) <= 10


def test_a_beat_not_yet_steady_lets_no_lane_get_stuck(monkeypatch):
    """What is judged too low is never bettered: the less a step promises, the steadier its beat must be. With
    one limit for all steps, and points rejected that lack only a steadier beat, all but one of these lanes give up."""
    a, y = linear_problem(6)
    start = 2.0 * np.random.default_rng(7).standard_normal((3, 64))
    found = solved(a, y, start, monkeypatch, too_low=0.3)
    assert np.all(np.asarray(found.status) == int(Status.OK))
    exact = np.linalg.solve(np.eye(3) + a.T @ a, a.T @ y)
    lowest = 0.5 * np.sum((a @ exact - y) ** 2) + 0.5 * exact @ exact
    assert np.all(np.abs(np.asarray(found.objective) - lowest) < 2.0 * method.TOLERANCE)


def test_every_method_finds_the_minimum_of_a_linear_normal_problem(monkeypatch):
    """Adam as well as Gauss-Newton, each to its own tolerance: Adam's is on the gradient, so its end is nearly flat."""
    a, y = linear_problem(3)
    exact = np.linalg.solve(np.eye(3) + a.T @ a, a.T @ y)
    start = np.random.default_rng(4).standard_normal((3, 8))
    modules = {"gauss_newton": method, "first_order": first_order}
    assert set(modules) == set(known("method"))
    for name, module in modules.items():
        found = solved(a, y, start, monkeypatch, module)
        assert np.all(np.asarray(found.status) == int(Status.OK)), name
        np.testing.assert_allclose(np.asarray(found.z), np.repeat(exact[:, None], 8, axis=1), atol=0.05, err_msg=name)


@functools.cache
def cohort() -> Cohort:
    """The cohort of the shared twins, so that its program is shared too."""
    prior, noise = load_prior("adult_wide"), load_noise("clinical")
    return prepare(ht.circulation("adult"), patients(), prior, noise, None)


def held(z, patient):
    """Objective, readings and slopes at z [N, B] of one patient."""
    steps = ht.circulation("adult").steps
    data = cohort().data.take(np.full(z.shape[1], patient))
    with double():
        return run_lanes(look_up("method", "gauss_newton"), cohort(), data, z, steps, hold=True), data


def mode(name):
    return twins()[name].posterior["z"].values[:, 0]


def test_the_whitened_jacobian_is_that_of_central_differences():
    """P1 at its best mode, 15 directions: through the steady beat, the readings and the prior's factor."""
    centre = mode("P1")
    directions = np.eye(len(centre))[:, :15]
    ends = np.concatenate([centre[:, None] + STEP * directions, centre[:, None] - STEP * directions], axis=1)
    there, data = held(ends, 0)
    here, _ = held(centre[:, None], 0)
    measured = data.mask[:, 0] > 0
    sd = data.sd[:, 0]
    difference = (there.reading[:, :15] - there.reading[:, 15:]) / (2.0 * STEP) / sd[:, None]
    np.testing.assert_allclose(here.slope[measured, :15, 0], difference[measured], rtol=1e-3, atol=5e-4)


@pytest.mark.parametrize("name", ["P1", "T233", "CUFF"])
def test_the_reported_mode_is_a_minimum(name):
    """No undamped step promises more than 0.05 nats, and no random step of 0.1 prior sds goes lower."""
    patient = [s.patient for s in cohort().sets].index(name)
    centre = mode(name)
    steps = 0.1 * np.random.default_rng(5).standard_normal((len(centre), 20))
    here, data = held(centre[:, None], patient)
    reading = np.asarray(here.reading)
    residual = data.mask[:, 0] * (data.noise(reading) - data.noise(data.value))[:, 0]
    slope = here.slope[:, :, 0] * (data.mask * data.sd / data.noise.sd_at(reading))
    gradient = slope.T @ residual + centre
    assert 0.5 * gradient @ np.linalg.solve(here.hessian[:, :, 0], gradient) < 0.05
    there, _ = held(centre[:, None] + steps, patient)
    assert np.all(there.objective > here.objective[0] - 0.01)


def test_the_objective_is_half_the_squares_of_noise_and_prior():
    centre = mode("P1")
    here, data = held(centre[:, None], 0)
    one = twins()["P1"]
    scales = {r.observable: load_noise("clinical").rule(r.observable, r.modality).scale for r in one.fit}
    squares = sum(
        (scales[r.observable](r.fitted) - scales[r.observable](r.measured)) ** 2 for r in one.fit if r.counted
    )
    assert float(here.objective[0]) == pytest.approx(0.5 * squares + 0.5 * float(centre @ centre), rel=1e-6)


def test_hidden_values_do_not_count():
    centre = mode("P1")[:, None]
    data = cohort().data.take(np.array([0]))
    with double():
        found = run_lanes(
            look_up("method", "gauss_newton"), cohort(), data.hiding(np.ones(data.mask.shape)), centre, 400, hold=True
        )
    assert float(found.objective[0]) == pytest.approx(0.5 * float(np.sum(centre**2)), rel=1e-12)
    np.testing.assert_allclose(found.hessian[:, :, 0], np.eye(len(centre)), atol=1e-12)


def test_wide_starts_meet_where_the_atrial_waves_tie():
    """P8: its atrial maximum must fall, and a and v wave tie at the best fit. Of 32 starts (2 prior sds) at least 30
    end within 0.1 nats of the lowest; without the curvature across the tie 24 do."""
    sets = (*ht.read(RECORD).select(["P8"]), *(s for s in patients() if s.patient != "NONE"))
    with_tie = prepare(ht.circulation("adult"), sets, load_prior("adult_wide"), load_noise("clinical"), None)
    assert with_tie.problem == cohort().problem  # the same compiled program
    start = 2.0 * np.random.default_rng(8).standard_normal((len(with_tie.problem.names), 32))
    with double():
        found = run_lanes(
            look_up("method", "gauss_newton"), with_tie, with_tie.data.take(np.zeros(32, dtype=int)), start, 400
        )
    assert np.sum(found.objective < np.min(found.objective) + 0.1) >= 30


def test_many_fits_in_rounds_end_where_each_ends_alone():
    """Regrouped between rounds and begun in float32, a lane ends at the same mode to the fit's own tolerance."""
    rng, owner = np.random.default_rng(5), np.zeros(24, dtype=int)
    start = 0.5 * rng.standard_normal((len(cohort().problem.names), len(owner)))
    with double():
        data = cohort().data.take(owner)
        together = fitted_in_rounds(look_up("method", "gauss_newton"), cohort().problem, data, start, 400)
        alone = run_lanes(look_up("method", "gauss_newton"), cohort(), data, start, 400)
    assert np.all(together.status == int(Status.OK)) and np.all(alone.status == int(Status.OK))
    same = np.abs(together.objective - alone.objective) < 2.0 * method.TOLERANCE
    assert np.mean(same) >= 0.9  # a start between two modes may take either
    assert np.max(np.abs(together.z - alone.z)[:, same]) < 0.1  # prior sds; flat directions are known no better


def begun(count: int) -> tuple[LaneData, method.Lanes]:
    """Lanes of one patient at the prior's centre, in float64."""
    z = np.zeros((len(cohort().problem.names), count))
    data = LaneData(*map(jnp.asarray, cohort().data.take(np.zeros(count, dtype=int))))
    return data, method.gauss_newton.begin(cohort().problem, data, jnp.asarray(z), 400)


def test_a_lane_taken_up_again_is_judged_anew():
    """What float32 found is no result until a beat of float64 has confirmed it; the others stay as they are."""
    with double():
        lanes = method.Lanes(*(jax.tree.map(np.array, leaf) for leaf in begun(8)[1]))
        lanes = lanes._replace(done=np.ones(8, bool), best=lanes.best._replace(objective=np.zeros(8)))
        again = method.refloated(lanes, np.arange(8) < 3)
    np.testing.assert_array_equal(np.isinf(again.best.objective), np.arange(8) < 3)
    np.testing.assert_array_equal(again.done, np.arange(8) >= 3)
    assert not np.any(again.failed) and again.done is not again.failed  # written to separately


def test_a_lane_whose_best_point_was_judged_too_low_is_taken_up_again():
    """1 nat too low: no step betters it, damping grows beyond its limit and the lane gives up; judged anew it ends."""
    step = method.gauss_newton
    with double():
        data, lanes = begun(8)
        fair = step.advance(cohort().problem, data, lanes, 400, False, method.BEATS)
        low = fair._replace(
            best=fair.best._replace(objective=fair.best.objective - 1.0), done=jnp.zeros(8, bool),
            damping=jnp.full(8, 0.5 * method.MOST_DAMPING), predicted=jnp.ones(8),
        )  # fmt: skip
        lost = step.advance(cohort().problem, data, low, 400, False, method.BEATS)
        assert np.all(method.stuck(lost)) and not np.any(method.stuck(fair))
        found = step.advance(
            cohort().problem, data, method.refloated(lost, method.stuck(lost)), 400, False, method.BEATS
        )
    assert np.all(found.done) and not np.any(found.failed)
    np.testing.assert_allclose(found.best.objective, fair.best.objective, atol=method.TOLERANCE)
