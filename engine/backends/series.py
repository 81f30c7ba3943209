"""Series of elementary functions, and the constants that reduce their arguments, for processors and for GPUs.

e^r for |r| <= ln 2 / 2; artanh s / s for s of log m, m in [sqrt 1/2, sqrt 2); cos r and sin r / r for |r| <= pi / 2.
Each is Taylor's, shortened by Chebyshev polynomials (Lanczos 1938, doi 10.1002/sapm1938171123) and exact at 0.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from decimal import Decimal

from numpy.polynomial import Chebyshev, Polynomial

__all__ = ["LN2", "PI", "series"]

TERMS = {  # kept: what is left out is below a tenth of an ulp (see `_shortened`)
    "exp": {"float64": 12, "float32": 7}, "log": {"float64": 8, "float32": 4},
    "cos": {"float64": 9, "float32": 6}, "sin": {"float64": 9, "float32": 5},
}  # fmt: skip
TAYLOR = 30  # terms that stand for the whole series
HALF_LN2, SMALL_S, QUARTER_TURN = 0.5 * math.log(2.0), 3.0 - 2.0 * math.sqrt(2.0), 0.5 * math.pi


def _parts(value: float, tail: float, bits: int) -> tuple[float, float]:
    """value + tail as two numbers, the first of so few bits that a small whole number times it is exact."""
    scale = 2.0 ** (bits - math.frexp(value)[1])
    first = round(value * scale) / scale
    return first, value - first + tail


LN2_TAIL = float(Decimal(2).ln() - Decimal(math.log(2.0)))  # what the nearest double lacks
PI_TAIL = math.sin(math.pi)
FIRST_BITS = {"float64": 32, "float32": 12}
LN2 = {dtype: _parts(math.log(2.0), LN2_TAIL, bits) for dtype, bits in FIRST_BITS.items()}
PI = {dtype: _parts(math.pi, PI_TAIL, bits) for dtype, bits in FIRST_BITS.items()}


@functools.cache
def series(name: str, dtype: str) -> tuple[float, ...]:
    """Coefficients, lowest first, of e^r in r; of artanh s / s in s^2; of cos r and sin r / r in r^2."""
    terms = TERMS[name][dtype]
    if name == "exp":
        return _shortened(lambda k: 1.0 / math.factorial(k), -HALF_LN2, HALF_LN2, terms)
    if name == "log":
        return _shortened(lambda k: 1.0 / (2 * k + 1), 0.0, SMALL_S**2, terms)
    first = 0 if name == "cos" else 1
    return _shortened(lambda k: (-1.0) ** k / math.factorial(2 * k + first), 0.0, QUARTER_TURN**2, terms)


def _shortened(taylor: Callable[[int], float], low: float, high: float, terms: int) -> tuple[float, ...]:
    """Coefficients of 1 + x q(x), q being the best of `terms` - 1 on [low, high] but for some percent of its error."""
    whole = Polynomial([taylor(k) for k in range(1, TAYLOR)], domain=[low, high], window=[low, high])
    kept = whole.convert(kind=Chebyshev, domain=[low, high]).truncate(terms - 1)
    return (1.0, *(float(c) for c in kept.convert(kind=Polynomial, domain=[low, high], window=[low, high]).coef))
