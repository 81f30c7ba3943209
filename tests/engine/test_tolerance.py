"""Claims of the largest change of a volume that counts as steady: each precision has one that it can reach."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.errors import InputError
from hemotwin.core.reduction import Reduction
from hemotwin.core.status import Status
from hemotwin.engine.adjoint import steady_readings
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.forward import equal_start, forward
from hemotwin.engine.periodic import REACHED, steady_beat, tolerance_of
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation

READ = (Reduction("maximum", "pressure", "lv"),)
LANES, STEPS, CLOSE = 40, 120, 0.05  # mL: what float32 may differ from float64


def problem(dtype: str) -> tuple[BeatMap, np.ndarray]:
    model = circulation("regazzoni_2022_a")
    rows = model.system.parameters.pack(model.values, LANES)
    rows = rows * np.exp(0.1 * np.random.default_rng(0).standard_normal(rows.shape))
    return BeatMap(model.system, READ), rows.astype(dtype)


def test_every_lane_is_steady_by_default_in_both_precisions_and_they_agree():
    found = {}
    for dtype in ("float64", "float32"):
        beat, rows = problem(dtype)
        with double(dtype == "float64"):
            found[dtype] = forward(beat, rows, None, STEPS)
        assert np.all(found[dtype].status == int(Status.OK))
        assert np.max(found[dtype].residual) <= tolerance_of(dtype)
    stores = len(beat.system.free_stores)
    np.testing.assert_allclose(*(one.state[:stores] for one in found.values()), rtol=0.0, atol=CLOSE)


@pytest.mark.slow
def test_gradients_in_float32_have_every_lane_by_default():
    beat, rows = problem("float32")
    with double(False):
        values = steady_readings(beat, STEPS)(jnp.asarray(rows))
    assert np.all(np.isfinite(np.asarray(values)))


@pytest.mark.parametrize(("dtype", "asked"), [("float32", 1e-9), ("float64", 1e-14), ("float64", np.nan)])
def test_a_tolerance_that_rounding_puts_out_of_reach_is_refused(dtype: str, asked: float):
    beat, rows = problem(dtype)
    expected = f"`tolerance` must be {REACHED[dtype]:g} mL or more in {dtype}, .* but got {asked:g}"
    with double(dtype == "float64"):
        start = equal_start(beat.system, jnp.asarray(rows))
        with pytest.raises(InputError, match=expected):
            forward(beat, rows, None, STEPS, tolerance=asked)
        with pytest.raises(InputError, match=expected):
            steady_beat(beat, jnp.asarray(rows), start, STEPS, tolerance=asked)


def test_a_tolerance_within_reach_is_what_was_asked_for():
    assert tolerance_of("float32", 1e-3) == 1e-3 and tolerance_of("float64", 1e-6) == 1e-6
