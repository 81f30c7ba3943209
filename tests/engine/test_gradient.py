"""Gradients through the steady beat: exact for the map that is solved, converged in its step, true to the equations."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from hemotwin.engine.backends.diffrax import reference_beat
from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from hemotwin.physiology.sampled import readings
from tests.engine.sensitivity import NOISE, free_rows, jacobian, whitened
from tests.problems import BODY_SURFACE_AREA, Drawn, drawn, readings_of

FEW, PATIENTS = 8, 4


@functools.cache
def draws() -> Drawn:
    return drawn("adult_wide", FEW)


@functools.cache
def slopes(steps: int) -> np.ndarray:
    """Whitened Jacobian [O, F, B] at the steady beat of `steps` steps."""
    with double():
        state = forward(draws().beat, draws().parameters, draws().steady.state, steps).state
    return whitened(draws(), jacobian(draws(), steps, state))


def shifted(lane: int, relative: float) -> np.ndarray:
    """Rows [P, 2 F] of one patient: each free quantity down, then each up, by a share of its size."""
    free = free_rows(draws())
    base = draws().parameters[:, [lane]]
    down, up = (np.repeat(base, len(free), axis=1) for _ in range(2))
    for n, row in enumerate(free):
        down[row, n] -= relative * abs(base[row, 0])
        up[row, n] += relative * abs(base[row, 0])
    return np.concatenate([down, up], axis=1)


def differences(found: dict[str, np.ndarray], lane: int, relative: float) -> np.ndarray:
    """Central differences [O, F] from readings of the `shifted` rows."""
    free = free_rows(draws())
    size = relative * np.abs(draws().parameters[list(free), lane])
    values = np.stack([found[name] for name in NOISE])
    return (values[:, len(free) :] - values[:, : len(free)]) / (2.0 * size)


@pytest.mark.parametrize("lane", range(2))
def test_the_gradient_equals_central_differences_of_the_solved_beat(lane: int):
    """To 1e-6 of the largest slope of each reading (whitened), each difference from two newly solved beats."""
    relative = 1e-5
    rows = shifted(lane, relative)
    guess = np.repeat(draws().steady.state[:, [lane]], rows.shape[1], axis=1)
    with double():
        steady = forward(draws().beat, rows, guess, draws().model.steps)
        found = readings_of(draws().model, rows, steady.values)
    one = Drawn(draws().model, draws().beat, draws().patient, draws().parameters[:, [lane]], draws().steady, {})
    expected = whitened(one, differences(found, lane, relative)[..., None])[..., 0]
    scale = np.maximum(np.max(np.abs(expected), axis=1, keepdims=True), 1.0)
    error = np.abs(slopes(draws().model.steps)[..., lane] - expected) / scale
    assert np.quantile(error, 0.99) <= 1e-6
    assert np.max(error) <= 1e-4  # a difference that straddles a change of branch


def test_the_whitened_gradient_is_converged_in_the_step():
    """Against a step 16 times finer: 13 readings x all free quantities, timings and rate included."""
    worst = np.max(np.abs(slopes(400) - slopes(6400)), axis=(0, 1))
    assert np.median(worst) <= 0.02
    assert np.quantile(worst, 0.95) <= 0.05


ATRIUM_OPENS = pytest.mark.xfail(
    strict=True,
    reason="0.11 on 400 steps (0.02 on 1,600): a very low pulmonary pressure, whose valve the atrium's wave opens",
)


@pytest.mark.slow
@pytest.mark.parametrize("lane", [pytest.param(0, marks=ATRIUM_OPENS), *range(1, PATIENTS)])
def test_the_whitened_gradient_is_that_of_the_equations(lane: int):
    """Against central differences of the adaptive reference (relative tolerance 1e-10), each patient by itself."""
    relative = 2e-4
    rows = shifted(lane, relative)
    guess = np.repeat(draws().steady.state[:, [lane]], rows.shape[1], axis=1)
    found = reference_beat(draws().model.system, rows, guess, rtol=1e-10, tolerance=1e-7, samples=6400, beats=25)
    read = readings(draws().model.system, found.waves, rows, np.full(rows.shape[1], BODY_SURFACE_AREA), tuple(NOISE))
    one = Drawn(draws().model, draws().beat, draws().patient, draws().parameters[:, [lane]], draws().steady, {})
    expected = whitened(one, differences(read, lane, relative)[..., None])[..., 0]
    assert np.max(np.abs(slopes(400)[..., lane] - expected)) <= 0.05
