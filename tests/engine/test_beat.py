"""The default step and the steady beat: order, residual, conservation and precision."""

from __future__ import annotations

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np

from hemotwin.core.reduction import Reduction
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.forward import forward
from hemotwin.engine.precision import double
from tests.problems import drawn, readings_of, solved

READINGS = ("sbp", "dbp", "pa_pressure_systolic", "ra_pressure_mean", "lv_edv", "lv_esv", "rv_edv", "cardiac_output")


@functools.cache
def at_steps(steps: int) -> dict[str, np.ndarray]:
    """Readings of 16 draws of the healthy prior at another number of steps."""
    draws = drawn("adult_healthy", 16)
    with double():
        steady = forward(draws.beat, draws.parameters, draws.steady.state, steps)
        return readings_of(draws.model, draws.parameters, steady.values)


def test_the_step_is_of_second_order():
    """Halving the step divides the error against 6,400 steps by 3 to 5, between 200 and 800 steps."""
    errors = {
        n: np.array([np.median(np.abs(at_steps(n)[r] - at_steps(6400)[r])) for r in READINGS]) for n in (200, 400, 800)
    }
    for coarse, fine in ((200, 400), (400, 800)):
        ratio = np.exp(np.mean(np.log(errors[coarse] / errors[fine])))
        assert 3.0 <= ratio <= 5.0, (coarse, ratio)


def test_every_draw_of_the_wide_prior_reaches_its_steady_beat():
    draws = drawn("adult_wide", 128)
    assert np.all(draws.steady.status == 0)
    assert np.max(draws.steady.residual) <= 1e-9  # mL


def test_output_times_period_is_the_volume_that_passed_every_valve():
    """Each store takes in what it gives away, the eliminated one too, to 1e-10 of the stroke volume."""
    one = solved("adult")
    system = dataclasses.replace(one.model.system, readings={b.name: b.name for b in one.model.system.branches})
    beat = BeatMap(system, tuple(Reduction("volume", "flow", b.name) for b in system.branches))
    with double():
        passed = np.asarray(
            compiled(beat, None)(jnp.asarray(one.parameters), jnp.asarray(one.steady.state), one.steps).values
        )
    stroke = one.readings["cardiac_output"] * 1000.0 / one.model.values["heart_rate"]
    np.testing.assert_allclose(passed[:, 0], stroke, rtol=1e-10)


def test_the_beat_in_float32_stays_within_a_hundredth_of_the_one_in_float64():
    """One beat from the same state: pressures within 0.01 mmHg, volumes within 0.01 mL; a rate within 0.2 %."""
    one = solved("adult")
    with double(False):
        rows, state = (jnp.asarray(array, jnp.float32) for array in (one.parameters, one.steady.state))
        narrow = compiled(one.beat, None)(rows, state, one.steps)
        narrow = np.asarray(narrow.state, float), np.asarray(narrow.values, float)
    np.testing.assert_allclose(narrow[0], one.steady.state, atol=0.01)
    for reduction, found, expected in zip(one.beat.reductions, narrow[1][:, 0], one.steady.values[:, 0], strict=True):
        allowed = 0.01 if reduction.kind in ("maximum", "minimum", "mean", "onset") else 0.002 * abs(expected)
        allowed = 0.002 * abs(expected) if reduction.quantity == "flow" else allowed
        assert abs(found - expected) <= allowed, reduction
