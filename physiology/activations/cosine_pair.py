"""Cosine contraction followed by cosine relaxation, as fractions of the period."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ...core.quantity import quantity
from ...core.registry import register
from ..interfaces import Activation

__all__ = ["CosinePair"]

# A compiler may compute the phase twice and round it twice: at the onset itself, -1e-17 wrapped to 1 in one place and 0
# in the other would be contraction out of nothing. So little before the onset (of the period; float32 rounds to 1e-7)
# the phase is not wrapped: the cosine is even.
AT_ONSET = 1e-6


@register("activation", "cosine_pair")
class CosinePair(Activation):
    """e = (1 - cos(pi t/TC))/2 while contracting, (1 + cos(pi (t - TC)/TR))/2 while relaxing, else 0.

    t counts from `onset` and wraps; onset, TC and TR are fractions of the period. Its second derivative jumps at
    three instants. Source: Regazzoni et al. 2022, doi 10.1016/j.jcp.2022.111083 (also Bozkurt 2019).
    """

    onset: float = quantity(
        default=0.0, unit="1", doc="onset as a fraction of the period", bounds=(0.0, 0.999), source="R2022"
    )
    contraction: float = quantity(
        default=0.34,
        unit="1",
        doc="contraction time as a fraction of the period",
        bounds=(0.02, 0.8),
        source="Regazzoni 2022",
    )
    relaxation: float = quantity(
        default=0.17,
        unit="1",
        doc="relaxation time as a fraction of the period",
        bounds=(0.02, 0.8),
        source="Regazzoni 2022",
    )

    def activation(self, time: Any, period: Any) -> Any:
        """Degree of contraction (0..1) at `time` s after the beat's onset."""
        phase = time / period - self.onset
        phase = jnp.where(phase < -AT_ONSET, phase + 1.0, phase)
        # half a turn while contracting, another while relaxing: one cosine serves both, and none the rest of the beat
        contracting, falling = phase < self.contraction, (phase - self.contraction) / self.relaxation
        turn = jnp.where(contracting, phase / self.contraction, 1.0 + falling)
        return jnp.where(contracting | (falling < 1.0), 0.5 - 0.5 * jnp.cos(jnp.pi * turn), 0.0)
