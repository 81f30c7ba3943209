"""Smooth functions at their branches."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from hemotwin.core.smooth import hermite_peak, safe_divide, safe_sqrt, vertex_peak


def test_the_guarded_branches_have_finite_values_and_gradients():
    assert jax.grad(lambda x: safe_sqrt(x))(0.0) == 0.0
    assert jax.grad(lambda x: safe_divide(1.0, x, x > 0.0))(0.0) == 0.0


def test_a_cubic_peaks_where_its_slope_vanishes():
    """y = 3 x^2 - 2 x^3 + ... : y = x (1 - x) has its maximum 1/4 in the middle."""
    inside, value = hermite_peak(jnp.float32(0.0), jnp.float32(0.0), jnp.float32(1.0), jnp.float32(-1.0), 1.0, 1.0)
    assert bool(inside)
    assert value == pytest.approx(0.25)


def test_a_kink_cannot_throw_the_vertex_above_the_samples_by_more_than_an_eighth_of_the_rise():
    inside, value = vertex_peak(jnp.float32(0.0), jnp.float32(1.0), jnp.float32(-100.0))
    assert bool(inside)
    assert value == pytest.approx(1.0 + 1.0 / 8.0)
