"""Gradients through the steady beat: exact for the map that is solved, converged in its step, true to the equations."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from hemotwin.engine.backends.diffrax import reference_beat
from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from hemotwin.physiology.sampled import readings
from tests.engine.sensitivity import NOISE, differences, disagreement, jacobian, shifted, whitened
from tests.problems import BODY_SURFACE_AREA, Drawn, drawn

FEW, PATIENTS = 8, 4
SAMPLES = 102_400  # per beat of the reference


@functools.cache
def draws() -> Drawn:
    return drawn("adult_wide", FEW)


@functools.cache
def slopes(steps: int) -> np.ndarray:
    """Whitened Jacobian [O, F, B] at the steady beat of `steps` steps."""
    with double():
        state = forward(draws().beat, draws().parameters, draws().steady.state, steps).state
    return whitened(draws(), jacobian(draws(), steps, state))


def one_of(lane: int) -> Drawn:
    """A single draw."""
    steady = draws().steady
    alone = steady._replace(state=steady.state[:, [lane]])
    return Drawn(draws().model, draws().beat, draws().patient, draws().parameters[:, [lane]], alone, {})


def test_the_gradient_equals_central_differences_of_the_solved_beat():
    """To 1e-6 of the largest slope of each reading (whitened), wherever the differences agree among themselves."""
    held_to_differences(draws())


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["adult_wide", "adult_healthy"])
def test_the_gradient_equals_central_differences_over_the_prior(prior: str):
    held_to_differences(drawn(prior, 32))


def held_to_differences(these: Drawn) -> None:
    error, without = disagreement(these, these.model.steps)
    assert np.max(error) <= 1e-6
    assert np.mean(without) <= 0.01  # a shift of 3e-6 takes an event of some patient over a node: the map steps by 1e-6


def test_the_whitened_gradient_is_converged_in_the_step():
    """Against a step 16 times finer: 13 readings x all free quantities, timings and rate included."""
    worst = np.max(np.abs(slopes(400) - slopes(6400)), axis=(0, 1))
    assert np.median(worst) <= 0.02
    assert np.quantile(worst, 0.95) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("lane", range(PATIENTS))
def test_the_whitened_gradient_is_that_of_the_equations(lane: int):
    """Against central differences of the adaptive reference (relative tolerance 1e-10), each patient by itself.

    An extreme of samples keeps its sample where a parameter moves it, which is an error of first order in their
    distance: with 6,400 of them 0.11 for one patient, whose pulmonary pressure is lowest just as the valve opens.
    """
    relative = 2e-4
    one = one_of(lane)
    rows = shifted(one, relative)
    rows = rows.reshape(len(rows), -1)
    guess = np.repeat(one.steady.state, rows.shape[1], axis=1)
    found = reference_beat(one.model.system, rows, guess, rtol=1e-10, tolerance=1e-7, samples=SAMPLES, beats=25)
    read = readings(one.model.system, found.waves, rows, np.full(rows.shape[1], BODY_SURFACE_AREA), tuple(NOISE))
    expected = differences(one, read, relative)[..., 0]
    assert np.max(np.abs(slopes(400)[..., lane] - expected)) <= 0.05
