"""Claims of lanes beside each other: one that blows up, or whose parameters make no sense, moves no other, to the last
bit."""

from __future__ import annotations

import functools
import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.reduction import Reduction
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.forward import BANK, MANY, Forward, forward
from hemotwin.engine.periodic import steady_beat
from hemotwin.engine.precision import double
from hemotwin.engine.quasi_newton import nearest, predicted, typical
from hemotwin.physiology.model import circulation
from tests.problems import prior_draws

LANES = 300
READ = (Reduction("maximum", "pressure", "lv"), Reduction("volume", "flow", "aortic_valve"))
SICK = {"nan": np.nan, "inf": np.inf, "huge": 1e8, "negative": -5.0}
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}


def sickened(parameters: np.ndarray, lane: int, how: str) -> np.ndarray:
    """The parameters with one lane that makes no sense: its first two rows, or its heart rate."""
    sick, names = parameters.copy(), circulation("adult").system.parameters.names
    if how == "fast":
        sick[names.index("heart_rate"), lane] = 1e6
    else:
        sick[:2, lane] = SICK[how]
    return sick


def solved(parameters: np.ndarray) -> Forward:
    model, precision = circulation("adult"), str(parameters.dtype)
    with double(precision == "float64"), warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return forward(BeatMap(model.system, READ), parameters, None, model.steps, tolerance=TOLERANCE[precision])


@functools.cache
def draws(precision: str) -> tuple[np.ndarray, Forward]:
    parameters = prior_draws("adult_wide", LANES, 1)[1].astype(precision)
    return parameters, solved(parameters)


def assert_equal_lanes(found: Forward, expected: Forward, lanes: np.ndarray) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one[..., lanes], other[..., lanes])


@pytest.mark.parametrize("how", [*SICK, "fast"])
@pytest.mark.parametrize("precision", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_a_lane_that_makes_no_sense_moves_no_other(precision: str, how: str):
    assert LANES > MANY * BANK  # so that regressions on the first lanes say where the others start
    parameters, sound = draws(precision)
    lane = BANK + 100
    assert_equal_lanes(solved(sickened(parameters, lane, how)), sound, np.arange(LANES) != lane)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_newton_and_one_beat_leave_each_lane_to_itself(precision: str):
    """Of all that they give: the loop that goes on for the lane that makes no sense changes nothing of the others."""
    model, lane = circulation("adult"), 3
    beat, others = BeatMap(model.system, READ), np.arange(LANES) != lane
    parameters, sound = draws(precision)
    found = []
    with double(precision == "float64"):
        for rows in (parameters, *(sickened(parameters, lane, how) for how in (*SICK, "fast"))):
            given = jnp.asarray(rows), jnp.asarray(sound.state)
            newton = steady_beat(beat, *given, model.steps, tolerance=TOLERANCE[precision])
            found.append(
                [np.asarray(part)[..., others] for part in (*newton, *compiled(beat, None)(*given, model.steps))]
            )
    for one in found[1:]:
        for part, expected in zip(one, found[0], strict=True):
            np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_others_start_from_nothing_of_a_bank_lane_that_makes_no_sense(precision: str):
    """Those of the bank are what they were; those behind it start from one lane fewer, whatever that lane has."""
    parameters, sound = draws(precision)
    first = solved(sickened(parameters, 3, "nan"))
    assert_equal_lanes(first, sound, np.delete(np.arange(BANK), 3))
    for how in (*SICK, "fast"):
        assert_equal_lanes(solved(sickened(parameters, 3, how)), first, np.delete(np.arange(LANES), 3))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -5.0, 0.0])
def test_regressions_take_mean_spread_and_logarithm_from_the_bank_alone(value: float):
    rng = np.random.default_rng(0)
    bank, lanes = rng.uniform(1.0, 2.0, (3, 40)), rng.uniform(1.0, 2.0, (3, 9))
    values = rng.normal(size=(2, 40))
    sick = lanes.copy()
    sick[1, 4] = value
    others = np.arange(9) != 4
    with warnings.catch_warnings(), double():
        warnings.simplefilter("error")
        found, expected = (predicted(rows, bank, values, 0.1) for rows in (sick, lanes))
        near, expected_near = (nearest(rows, bank) for rows in (sick, lanes))
    np.testing.assert_array_equal(found[:, others], expected[:, others])
    np.testing.assert_array_equal(near[others], expected_near[others])
    assert np.all(np.isfinite(found))


@pytest.mark.parametrize("value", [np.inf, 1e8, 0.0, -5.0])
def test_stray_lanes_are_told_from_wide_ones(value: float):
    rng = np.random.default_rng(0)
    bank = np.vstack([np.exp(rng.normal(size=(2, 64))), rng.normal(size=(1, 64)), np.full((1, 64), 5.0),
                      np.where(np.arange(64) % 9, 0.0, 3.0)[None]])  # fmt: skip
    assert np.all(typical(bank))
    for row in (0, 3):
        sick = bank.copy()
        sick[row, 7] = value
        np.testing.assert_array_equal(typical(sick), np.arange(64) != 7)
