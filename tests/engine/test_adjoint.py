"""Readings of the steady beat can stand in any loss: their derivative is that of the beat that was solved."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.errors import InputError
from hemotwin.engine.adjoint import steady_readings
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from hemotwin.physiology.observable import Observer

STEPS, LANES = 100, 3
STEP = 1e-5  # relative, of the central differences: rounding and the third derivative both stay below 1e-8 of a slope


@functools.cache
def beat() -> BeatMap:
    system = circulation("regazzoni_2022_a").system
    return BeatMap(system, Observer(system, ("sbp", "cardiac_output", "lv_edv")).reductions)


@functools.cache
def patients() -> np.ndarray:
    """Parameter rows [P, B] within a few per cent of the published ones."""
    model = circulation("regazzoni_2022_a")
    rows = np.repeat(model.system.parameters.pack(model.values), LANES, axis=1)
    return rows * np.exp(0.02 * np.random.default_rng(3).standard_normal(rows.shape))


def loss(read: Any, rows: Any) -> Any:
    return jnp.sum(read(rows) ** 2, axis=0)


@functools.cache
def gradient(reverse: bool) -> np.ndarray:
    """Of the loss by all parameters [P, B], in a program of its own."""
    read = steady_readings(beat(), STEPS, reverse=reverse)
    with double():
        return np.asarray(jax.jit(jax.grad(lambda rows: jnp.sum(loss(read, rows))))(jnp.asarray(patients())))


def test_the_gradient_equals_central_differences_of_the_steady_beat():
    """By every parameter, to 1e-6 of the largest relative slope: the same map on both sides."""
    read = steady_readings(beat(), STEPS)
    with double():
        at = jax.jit(lambda rows: loss(read, rows))
        rows, slopes = patients(), []
        for row in range(len(rows)):
            one = np.zeros_like(rows)
            one[row] = STEP * rows[row]
            slopes.append((at(jnp.asarray(rows + one)) - at(jnp.asarray(rows - one))) / (2.0 * STEP))
    slopes = np.array(slopes)
    largest = np.max(np.abs(slopes), axis=0)
    np.testing.assert_allclose(gradient(False) * rows / largest, slopes / largest, atol=1e-6)


def test_one_beat_backwards_gives_what_sensitivities_give():
    scale = np.max(np.abs(gradient(False) * patients()), axis=0)
    np.testing.assert_allclose(gradient(True) * patients() / scale, gradient(False) * patients() / scale, atol=1e-10)


def test_memory_does_not_depend_on_how_many_beats_lead_there():
    """Of the compiled gradient: 3 beats before Newton's method begins or 300."""
    sizes = []
    with double():
        for beats in (3, 300):
            read = steady_readings(beat(), STEPS, warm_up=beats, reverse=False)
            program = jax.jit(jax.grad(lambda rows, read=read: jnp.sum(loss(read, rows))))
            sizes.append(program.lower(jnp.asarray(patients())).compile().memory_analysis().temp_size_in_bytes)
    assert sizes[0] == sizes[1] > 0


def test_a_lane_without_a_steady_beat_says_so_and_leaves_its_neighbours_alone():
    rows = patients().copy()
    rows[beat().system.parameters.index("stressed_volume"), 1] = np.nan
    read = steady_readings(beat(), STEPS, reverse=False)
    with double():
        values, pull = jax.vjp(read, jnp.asarray(rows))
        whole, there = jax.vjp(read, jnp.asarray(patients()))
        (bent,), (straight,) = pull(jnp.ones_like(values)), there(jnp.ones_like(whole))
    assert np.all(np.isnan(values[:, 1])) and np.all(np.isnan(bent[:, 1]))
    for lane in (0, 2):
        np.testing.assert_array_equal(values[:, lane], whole[:, lane])
        np.testing.assert_array_equal(bent[:, lane], straight[:, lane])


def test_what_cannot_be_differentiated_is_refused():
    with pytest.raises(InputError, match="2 or more"):
        steady_readings(beat(), 1)
    with pytest.raises(InputError, match="must hold reductions"):
        steady_readings(beat().bare(), STEPS)
