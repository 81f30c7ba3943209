"""Time-varying elastance over an exponential passive curve."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ...core.quantity import quantity
from ...core.registry import register
from ..interfaces import Chamber

__all__ = ["TimeVaryingElastance"]


@register("chamber", "time_varying_elastance")
class TimeVaryingElastance(Chamber):
    """Chamber whose active and passive curves are weighted by the activation e.

    P = e E (V - V0) + (1 - e) P0 (exp(lambda (V - V0)) - 1)

    E maximal elastance, V0 unloaded volume, P0 and lambda scale and exponent of the passive curve; the source
    resistance lowers the cavity pressure by its product with the outflow. Valid for V near or above V0.
    Source: Smith et al. 2004, doi 10.1016/j.medengphy.2003.10.001; source resistance in the linear form of Ursino
    1998, doi 10.1152/ajpheart.1998.275.5.H1733.
    """

    ports = {"source_resistance": "outlet"}  # noqa: RUF012

    maximal_elastance: float = quantity(
        default=2.75,
        unit="mmHg/mL",
        doc="end-systolic elastance at full activation",
        bounds=(0.01, 20.0),
        source="adult rest refit",
    )
    unloaded_volume: float = quantity(
        default=12.0,
        unit="mL",
        doc="volume at zero transmural pressure",
        bounds=(0.0, 250.0),
        source="adult rest refit",
    )
    passive_pressure: float = quantity(
        default=6.439,
        unit="mmHg",
        doc="pressure scale of the passive curve",
        bounds=(0.01, 40.0),
        source="adult rest refit",
    )
    passive_exponent: float = quantity(
        default=0.00937,
        unit="1/mL",
        doc="exponent of the passive curve",
        bounds=(0.0005, 0.2),
        source="adult rest refit",
    )
    source_resistance: float = quantity(
        default=0.0,
        unit="mmHg s/mL",
        doc="resistance inside the chamber to its outflow",
        bounds=(0.0, 0.5),
        source="Ursino 1998",
    )

    def pressure(self, volume: Any, activation: Any) -> Any:
        """Transmural pressure (mmHg)."""
        stretch = volume - self.unloaded_volume
        active = self.maximal_elastance * stretch
        passive = self.passive_pressure * jnp.exp(self.passive_exponent * stretch) - self.passive_pressure
        return passive + activation * (active - passive)
