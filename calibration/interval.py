"""What a reading known only as a range costs a model: the exact likelihood of an interval or a limit.

A reading m + s e with e ~ N(0, 1), seen to lie between two ends, has the probability P = Phi(b) - Phi(a) with
a = (lower - m)/s and b = (upper - m)/s; a limit has one end at infinity. Its cost in nats is E = -log(P / P_max), P_max
being the probability at the middle of the range (1 for a limit), so that a range of no width costs what a normal error
does: E = u^2/2 with u = (m - middle)/s. -log P is convex in m, with a curvature between 0 and 1: the fit takes both
exactly, and Laplace's posterior has the curvature at the mode. Where a range is much wider than the noise that spread
is up to a tenth too wide, and at a limit that the rest contradicts up to a fifth too narrow.

Source: interval-censored normal (tobit) likelihood, Amemiya 1984, J Econometrics 24:3-61,
doi 10.1016/0304-4076(84)90074-5; moments of the truncated normal, Johnson, Kotz and Balakrishnan 1994, chapter 13.10.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.scipy.special import erf, log_ndtr

__all__ = ["RangeCost", "range_cost"]

HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)
NARROW = 1e-5  # sds of half width below which a range is a number: they differ by (NARROW u)^2/6 nats
FAR, FARTHER = 50.0, 1e3  # sds outside beyond which curvature, and slope, take their limits: their own terms cancel
SERIES = 10  # terms of the asymptotic log Phi below -20: exact to rounding there, where 3 leave 4e-9
LEAST = 1e-280  # curvature below which its root is taken as that: the push has vanished long before


class RangeCost(NamedTuple):
    """Cost of a range and its derivatives in u, the model's reading over the noise sd.

    energy [..] nats, 0 at the middle of an interval and far inside a limit; slope and curvature: dE/du and d2E/du2;
    residual: sign(slope) sqrt(2 E), so that half its square is the energy.
    """

    energy: Any
    slope: Any
    curvature: Any

    @property
    def residual(self) -> Any:
        """Signed root of twice the energy."""
        return jnp.sign(self.slope) * jnp.sqrt(2.0 * self.energy)

    @property
    def residual_slope(self) -> Any:
        """d residual / du = slope / residual, its limit sqrt(curvature) where both vanish."""
        root = jnp.sqrt(2.0 * self.energy)
        some = root > 1e-6
        return jnp.where(some, jnp.abs(self.slope) / jnp.where(some, root, 1.0), jnp.sqrt(self.curvature))

    @property
    def stiffness(self) -> Any:
        """Root of the curvature."""
        return jnp.sqrt(jnp.maximum(self.curvature, LEAST))

    @property
    def push(self) -> Any:
        """slope / stiffness: with it stiffness x push is the slope, and stiffness^2 the curvature."""
        return self.slope / self.stiffness


def range_cost(below: Any, above: Any) -> RangeCost:
    """Cost of readings whose range runs from `below` to `above`, both less the model's reading and over the noise sd.

    below <= above, elementwise; -inf and inf where there is no end (not both). Finite and accurate however far outside
    the model's reading lies, and exactly a normal error where the range has no width.
    """
    below, above = jnp.asarray(below), jnp.asarray(above)
    under = below + above > 0.0  # the model's reading lies under the middle: turned over, so that it lies above it
    a, b = jnp.where(under, -above, below), jnp.where(under, -below, above)
    one_sided = jnp.isinf(a)
    low = jnp.where(one_sided, b - 1.0, a)  # a finite stand-in; its terms are left out below
    half, u = 0.5 * (b - low), -0.5 * (low + b)
    narrow = ~one_sided & (half < NARROW)
    width = jnp.where(narrow, 1.0, half)  # safe where the general form is not taken
    low, b = jnp.where(narrow, -u - 1.0, low), jnp.where(narrow, 1.0 - u, b)
    tail = log_ndtr(b, SERIES)
    share = jnp.where(one_sided, 0.0, jnp.exp(log_ndtr(low, SERIES) - tail))
    log_p = tail + jnp.log1p(-share)
    log_most = jnp.where(one_sided, 0.0, jnp.log(erf(width * math.sqrt(0.5))))
    at_end = -0.5 * b**2 - HALF_LOG_TAU - log_p  # log of phi(b)/P
    difference = jnp.where(one_sided, 1.0, -jnp.expm1(-2.0 * width * u))  # 1 - phi(a)/phi(b)
    slope = jnp.where(b < -FARTHER, _far_slope(b, width, one_sided), jnp.exp(at_end) * difference)
    energy = jnp.maximum(log_most - log_p, 0.0)
    curvature = jnp.where(b < -FAR, _far(b, width, one_sided), _near(low, b, slope, at_end, difference, one_sided))
    sign = jnp.where(under, -1.0, 1.0)
    return RangeCost(
        jnp.where(narrow, 0.5 * u**2, energy),
        sign * jnp.where(narrow, u, slope),
        jnp.where(narrow, 1.0, jnp.clip(curvature, 0.0, 1.0)),
    )


def _near(low: Any, b: Any, slope: Any, at_end: Any, difference: Any, one_sided: Any) -> Any:
    """slope^2 + (b phi(b) - a phi(a))/P: one less the variance of a normal cut off at both ends."""
    other = jnp.where(one_sided, 0.0, low * (1.0 - difference))
    return slope**2 + jnp.exp(at_end) * (b - other)


def _far_slope(b: Any, width: Any, one_sided: Any) -> Any:
    """x + (1 - y/(exp(y) - 1))/x at x sds outside, y = 2 x half width; the next term is of order 1/x^3."""
    x = jnp.maximum(-b, FARTHER)
    y = 2.0 * width * x
    finite = jnp.where(one_sided | (y > 500.0), 1.0, y)
    lost = jnp.where(one_sided | (y > 500.0), 0.0, finite / jnp.expm1(finite))
    return x + (1.0 - lost) / x


def _far(b: Any, width: Any, one_sided: Any) -> Any:
    """The same where the end is so far that the density falls exponentially within the range."""
    x = jnp.maximum(-b, FAR)
    y = 2.0 * width * x
    finite = jnp.where(one_sided | (y > 500.0), 1.0, y)
    lost = jnp.where(one_sided | (y > 500.0), 0.0, (0.5 * finite / jnp.sinh(0.5 * finite)) ** 2)
    return 1.0 - (1.0 - lost) / x**2
