"""Kernel-safe elementwise functions whose values and gradients stay finite on both sides of a branch."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

__all__ = ["hermite_peak", "safe_divide", "safe_sqrt", "vertex_peak"]


def safe_divide(numerator: Any, denominator: Any, when: Any, otherwise: float = 0.0) -> Any:
    """`numerator / denominator` where `when` holds, else `otherwise`; the unused quotient is never evaluated at 0."""
    return jnp.where(when, numerator / jnp.where(when, denominator, 1.0), otherwise)


def safe_sqrt(x: Any) -> Any:
    """sqrt(x) for x > 0, else 0, with derivative 0 there (a plain sqrt has an infinite one at 0)."""
    positive = x > 0.0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def hermite_peak(y0: Any, y1: Any, r0: Any, r1: Any, h: Any, sign: float) -> tuple[Any, Any]:
    """Extreme of the cubic through two nodes with end slopes r (per s), h s apart: (is there one inside, its value).

    y(x) = y0 + x (f0 + x (a + x b)), f = h r, a = 3 (y1 - y0) - 2 f0 - f1, b = f0 + f1 - 2 (y1 - y0), 0 <= x <= 1;
    sign = +1 finds a maximum (r0 > 0 > r1), sign = -1 a minimum. The place x is held fixed for derivatives: at an
    extreme dy/dx = 0, so the value's derivative is the partial one (envelope theorem), exactly.
    """
    inside = (r0 > 0.0) & (r1 < 0.0) if sign > 0.0 else (r0 < 0.0) & (r1 > 0.0)
    rise, f0, f1 = y1 - y0, h * r0, h * r1
    a, b = 3.0 * rise - 2.0 * f0 - f1, f0 + f1 - 2.0 * rise
    root = safe_sqrt(a * a - 3.0 * b * f0)
    x = lax.stop_gradient(jnp.clip(safe_divide(f0, sign * root - a, inside), 0.0, 1.0))
    return inside, y0 + x * (f0 + x * (a + x * b))


def vertex_peak(before: Any, middle: Any, after: Any) -> tuple[Any, Any]:
    """Maximum of the parabola through three equidistant samples: (is the middle one the largest, vertex value).

    value = middle + (rise - fall)^2 / (8 (rise + fall)). Rise and fall are held within three times each other, so that
    a kink (a slope that breaks off at a valve's opening) cannot throw the vertex above the samples.
    """
    inside = (middle >= before) & (middle > after)
    rise, fall = middle - before, middle - after
    rise, fall = jnp.minimum(rise, 3.0 * fall), jnp.minimum(fall, 3.0 * rise)
    return inside, middle + safe_divide((rise - fall) ** 2, 8.0 * (rise + fall), inside & (rise + fall > 0.0))
