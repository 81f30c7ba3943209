"""Active elastance added to a passive exponential that always acts."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ...core.quantity import quantity
from ...core.registry import register
from ..interfaces import Chamber

__all__ = ["AdditiveElastance"]


@register("chamber", "additive_elastance")
class AdditiveElastance(Chamber):
    """Ventricle with P = Ees (V - V0) f + A (exp(B V) - 1).

    Ees end-systolic elastance, f activation, A and B scale and exponent of the passive curve, which acts through
    the whole cycle. Source: Bozkurt 2019, doi 10.1371/journal.pone.0224663.
    """

    end_systolic_elastance: float = quantity(
        default=2.5, unit="mmHg/mL", doc="end-systolic elastance", bounds=(0.05, 20.0), source="Bozkurt 2019"
    )
    unloaded_volume: float = quantity(
        default=15.0,
        unit="mL",
        doc="volume at which the active pressure vanishes",
        bounds=(0.0, 250.0),
        source="Bozkurt 2019",
    )
    passive_pressure: float = quantity(
        default=1.0, unit="mmHg", doc="pressure scale of the passive curve", bounds=(0.01, 40.0), source="Bozkurt 2019"
    )
    passive_exponent: float = quantity(
        default=0.02, unit="1/mL", doc="exponent of the passive curve", bounds=(0.0005, 0.2), source="Bozkurt 2019"
    )

    def pressure(self, volume: Any, activation: Any) -> Any:
        """Transmural pressure (mmHg)."""
        active = self.end_systolic_elastance * (volume - self.unloaded_volume) * activation
        return active + self.passive_pressure * (jnp.exp(self.passive_exponent * volume) - 1.0)
