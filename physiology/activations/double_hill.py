"""Double-Hill activation in absolute time, with the square-root law of the systolic interval."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy.optimize import brentq
from scipy.special import expit

from ...core.quantity import quantity
from ...core.registry import register
from ..interfaces import Activation

__all__ = ["DoubleHill"]

BEYOND = 20.0  # of a time constant's logarithm: there one Hill function is 0 or 1 for every exponent
EARLIEST = 1e-9  # of the period; keeps the logarithm and its derivative finite at the onset


@functools.lru_cache(maxsize=64)
def _normaliser(ratio: float, rise: float, fall: float) -> float:
    """1 / max over x of g1/(1+g1)/(1+g2) with g1 = x^rise, g2 = (x/ratio)^fall, so that the activation peaks at 1.

    In log x each factor's logarithm is concave, so that the slope of their sum has one root.
    """
    between = math.log(ratio)

    def slope(log_x: float) -> float:
        return float(rise * expit(-rise * log_x) - fall * expit(fall * (log_x - between)))

    best = brentq(slope, min(0.0, between) - BEYOND, max(0.0, between) + BEYOND, xtol=1e-13)
    return float(np.exp(np.logaddexp(0.0, -rise * best) + np.logaddexp(0.0, fall * (best - between))))


@register("activation", "double_hill")
class DoubleHill(Activation):
    """Product of a rising and a falling Hill function of the time since onset.

    e = k g1/(1+g1)/(1+g2), gi = (t/tau_i)^m_i, tau_i = a_i sqrt(T / 1 s) s times the time scale; t counts from
    `onset` (a fraction of the period T) and wraps. k makes the peak 1 and is computed, never typed: it depends on
    a_2/a_1 and the exponents alone. Source: Mynard et al. 2012, doi 10.1002/cnm.1466; the square-root law of the
    systolic interval after Heldt et al. 2002, doi 10.1152/japplphysiol.00241.2001.
    """

    onset: float = quantity(
        default=0.0, unit="1", doc="onset as a fraction of the period", bounds=(0.0, 0.999), source="R0 value"
    )
    time_scale: float = quantity(
        default=1.0,
        unit="1",
        doc="stretch of the whole activation in time",
        bounds=(0.5, 2.0),
        source="adult rest refit",
    )
    rise_time: float = quantity(
        default=0.249,
        unit="s",
        doc="rise time constant at T = 1 s",
        bounds=(0.01, 1.0),
        source="Mynard 2012, refit",
        shape=True,
    )
    fall_time: float = quantity(
        default=0.4184,
        unit="s",
        doc="fall time constant at T = 1 s",
        bounds=(0.01, 1.0),
        source="Mynard 2012, refit",
        shape=True,
    )
    rise_exponent: float = quantity(
        default=1.32, unit="1", doc="steepness of the rise", bounds=(1.0, 10.0), source="Mynard 2012", shape=True
    )
    fall_exponent: float = quantity(
        default=21.9, unit="1", doc="steepness of the fall", bounds=(2.0, 50.0), source="Mynard 2012", shape=True
    )

    def activation(self, time: Any, period: Any) -> Any:
        """Degree of contraction (0..1) at `time` s after the beat's onset."""
        phase = time / period - self.onset
        phase = jnp.where(phase < 0.0, phase + 1.0, phase)
        log_phase = jnp.log(jnp.where(phase > EARLIEST, phase, EARLIEST))
        peak = _normaliser(self.fall_time / self.rise_time, self.rise_exponent, self.fall_exponent)
        # numbers of Python's take the type of the rows; numpy's would make float32 beats float64
        stretch = jnp.log(self.time_scale) - 0.5 * jnp.log(period)  # of tau sqrt(T) in periods
        before = self.rise_exponent * (stretch + math.log(self.rise_time)) - self.rise_exponent * log_phase
        after = self.fall_exponent * log_phase - self.fall_exponent * (stretch + math.log(self.fall_time))
        return _hills(peak, before, after)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _hills(peak: float, before: Any, after: Any) -> Any:
    """peak / ((1 + exp before) (1 + exp after)): before = -log g1, after = log g2."""
    return peak * (lax.logistic(-before) * lax.logistic(-after))


@_hills.defjvp
def _(peak: float, at: tuple[Any, Any], along: tuple[Any, Any]) -> tuple[Any, Any]:
    """By the logarithmic derivative, which is finite where a power is too large for float32."""
    risen, unfallen = (lax.logistic(-x) for x in at)
    value = peak * (risen * unfallen)
    return value, -value * ((1.0 - risen) * along[0] + (1.0 - unfallen) * along[1])
