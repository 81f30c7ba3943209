"""The double-Hill activation against its published form, up to the ends of its bounds.

numpy in double precision, with a derivative written by hand, is the reference; times are those since the onset.
"""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hemotwin.core.quantity import declared
from hemotwin.engine.precision import double
from hemotwin.physiology.activations.double_hill import DoubleHill

TIMES = np.linspace(0.002, 1.99, 200)  # s
STEP = 1e-6  # s; of a central difference, which is then right to 1e-6 of the largest bend
SHAPE = ("rise_time", "fall_time", "rise_exponent", "fall_exponent")
BOUNDS = {q.name: q.bounds for q in declared(DoubleHill)}
CORNERS = [dict(zip(SHAPE, ends, strict=True)) for ends in itertools.product(*(BOUNDS[name] for name in SHAPE))]


def published(part: Any, time: np.ndarray, period: float) -> tuple[np.ndarray, np.ndarray]:
    """k g1 / (1 + g1) / (1 + g2) with its largest value 1, and its derivative in time."""
    tau = np.sqrt(period) * part.time_scale * np.array([part.rise_time, part.fall_time])
    fine = np.exp(np.linspace(np.log(tau.min()) - 8.0, np.log(tau.max()) + 8.0, 200_001))

    def hills(t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rise, fall = part.rise_exponent * np.log(t / tau[0]), part.fall_exponent * np.log(t / tau[1])
        risen, unfallen = np.exp(-np.logaddexp(0.0, -rise)), np.exp(-np.logaddexp(0.0, fall))
        return risen, unfallen, risen * unfallen

    peak = 1.0 / hills(fine)[2].max()
    risen, unfallen, product = hills(time)
    slope = (part.rise_exponent * (1.0 - risen) - part.fall_exponent * (1.0 - unfallen)) / time
    return peak * product, peak * product * slope


def found(part: Any, period: float, dtype: str) -> tuple[np.ndarray, ...]:
    with double(dtype == "float64"):
        curve = lambda t: part.activation(t, jnp.asarray(period, dtype))  # noqa: E731
        first = jax.vmap(lambda t: jax.jvp(curve, (t,), (jnp.ones_like(t),)))
        value, slope = first(jnp.asarray(TIMES, dtype))
        bend = jax.vmap(jax.grad(jax.grad(curve)))(jnp.asarray(TIMES, dtype))
        return np.asarray(value), np.asarray(slope), np.asarray(bend)


@pytest.mark.parametrize("period", [0.4, 2.0])
def test_it_is_the_published_product_of_hills_and_so_is_its_slope(period: float):
    part = DoubleHill()
    value, slope, bend = found(part, period, "float64")
    expected, steep = published(part, TIMES, period)
    np.testing.assert_allclose(value, expected, rtol=1e-8)  # the largest value is found on a grid of .0001 in log t
    np.testing.assert_allclose(slope, steep, rtol=1e-8, atol=1e-9)
    later, earlier = (published(part, TIMES + d, period)[1] for d in (STEP, -STEP))
    np.testing.assert_allclose(bend, (later - earlier) / (2.0 * STEP), atol=1e-5 * np.abs(bend).max())


@pytest.mark.parametrize("shape", CORNERS)
def test_it_is_finite_with_its_derivatives_at_every_corner_of_its_bounds(shape: dict[str, float]):
    """In float32, where t^m leaves the range of numbers (1e115 after two seconds with an exponent of 50)."""
    part = DoubleHill(**shape)
    for values in found(part, 2.0, "float32"):
        assert np.all(np.isfinite(values))
    value = found(part, 2.0, "float64")[0]
    assert np.all((value >= 0.0) & (value <= 1.0 + 1e-6))
    np.testing.assert_allclose(value, published(part, TIMES, 2.0)[0], rtol=1e-5, atol=1e-6)
