"""Claims of the steady beat without tangents: it is the one that Newton finds, and what it leaves goes to Newton."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.status import Status
from hemotwin.engine import forward as forward_room
from hemotwin.engine.beat import compiled
from hemotwin.engine.forward import Forward, forward
from hemotwin.engine.precision import double
from hemotwin.engine.quasi_newton import nearest, predicted
from tests.problems import beat_of, circulation, drawn, prior_draws

LANES, BANK = 24, 8
SAME = 1e-6  # mL and mL/s: both are within 1e-9 mL of repeating, and the slowest mode leaves some hundred times that


def test_the_nearest_lane_is_the_lane_itself_and_constant_rows_do_not_count():
    rows = np.random.default_rng(0).normal(size=(3, 20)) * np.array([[1.0], [1e3], [1e-3]])
    rows = np.vstack([rows, np.full((1, 20), 5.0)])
    np.testing.assert_array_equal(nearest(rows, rows[:, [3, 11, 7]])[[3, 11, 7]], [0, 1, 2])
    rows[3, 0] = 5.0  # still constant: a division by its spread of 0 would give nan
    assert np.all(np.isfinite(nearest(rows, rows)))


def test_a_regression_without_penalty_finds_powers_of_the_parameters_and_a_penalty_draws_to_the_mean():
    """Logarithms are linear in logarithms; rows that are not positive enter as they are, constant ones not at all."""
    rng = np.random.default_rng(1)
    rows = np.vstack([rng.uniform(1.0, 2.0, (2, 40)), rng.uniform(-1.0, 1.0, (1, 40)), np.full((1, 40), 5.0)])
    values = np.stack([np.log(rows[0] ** 2 / rows[1]), 3.0 - rows[2]])[:, None]
    found = predicted(rows[:, 20:], rows[:, :20], values[..., :20], 0.0)
    np.testing.assert_allclose(found, values[..., 20:], atol=1e-12)
    heavy = predicted(rows[:, 20:], rows[:, :20], values[..., :20], 1e9)
    np.testing.assert_allclose(heavy, np.broadcast_to(values[..., :20].mean(-1, keepdims=True), heavy.shape), atol=0.1)


@functools.cache
def solved(many: bool) -> tuple[Forward, list[int]]:
    """Draws of the wide prior in blocks of eight, all by Newton or all but the first block by Broyden's method."""
    model = circulation("adult")
    _, parameters = prior_draws("adult_wide", LANES)
    taken: list[int] = []
    newton = forward_room.steady_beat

    def counted(beat, p, *rest, **options):
        taken.append(p.shape[1])
        return newton(beat, p, *rest, **options)

    with pytest.MonkeyPatch.context() as patch, double():
        patch.setattr(forward_room, "steady_beat", counted)
        patch.setattr(forward_room, "MANY", 1 if many else LANES)
        patch.setattr(forward_room, "NEWTON", BANK)
        return forward(beat_of(model), parameters, None, model.steps, bank=BANK), taken


@pytest.mark.slow
def test_both_methods_find_the_same_steady_beat():
    newton, broyden = solved(False)[0], solved(True)[0]
    assert np.all(broyden.status == int(Status.OK)) and np.all(broyden.residual <= 1e-9)
    np.testing.assert_allclose(broyden.state, newton.state, rtol=0.0, atol=SAME)
    np.testing.assert_allclose(broyden.values, newton.values, rtol=1e-7, atol=1e-5)


@pytest.mark.slow
def test_a_valve_that_is_shut_at_onset_carries_no_flow():
    """To the last bit: the instant at which it opens is told by the sign of its flow."""
    newton, broyden = solved(False)[0], solved(True)[0]
    shut = newton.state == 0.0
    assert np.sum(np.any(shut, axis=1)) >= 3  # at least aortic, mitral and pulmonary valves, each in some patient
    np.testing.assert_array_equal(broyden.state[shut], 0.0)


@pytest.mark.slow
def test_newton_takes_only_the_first_block_and_what_is_left():
    assert len(solved(False)[1]) == LANES // BANK
    assert len(solved(True)[1]) <= 2


@pytest.mark.slow
def test_lanes_that_are_left_are_solved_by_newton(monkeypatch: pytest.MonkeyPatch):
    def hopeless(beat, parameters, guess, inverse, steps, warm_up, **options):
        rows, start = jnp.asarray(parameters), jnp.asarray(guess)
        found = forward_room.Steady(*map(np.asarray, forward_room.steady_beat(beat, rows, start, steps, warm_up=0)))
        return found._replace(status=found.status * 0 + int(Status.NOT_PERIODIC), state=found.state * 0.0)

    model = circulation("adult")
    _, parameters = prior_draws("adult_wide", LANES)
    monkeypatch.setattr(forward_room, "quasi_newton", hopeless)
    monkeypatch.setattr(forward_room, "MANY", 1)
    with double():
        found = forward(beat_of(model), parameters, None, model.steps, bank=BANK)
    np.testing.assert_allclose(found.state, solved(False)[0].state, rtol=0.0, atol=SAME)


@pytest.mark.parametrize("prior", ["adult_wide", "adult_healthy"])
def test_the_beat_after_a_steady_one_repeats_it(prior: str):
    """Not only the beat by which it was found: one that began with 1e-10 mL/s through a valve that should be shut was
    another, and 4 of these 1,024 healthy draws changed by 1e-5 mL after it."""
    draws = drawn(prior, 1024)
    state, bare = draws.steady.state, draws.beat.bare()
    with double():
        after = np.asarray(compiled(bare, None)(draws.parameters, state, draws.model.steps).state)
    change = np.abs(after - state)[: len(bare.system.free_stores)]
    assert np.max(change) <= 2e-9  # mL: the residual that is asked for, and its rounding
