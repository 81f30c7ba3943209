"""Surroundings: the pericardium and the thorax."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ...core.quantity import quantity
from ...core.registry import register
from ..interfaces import Surroundings

__all__ = ["Pericardium", "Thorax"]


@register("surroundings", "pericardium")
class Pericardium(Surroundings):
    """Pressure of the sac around all four chambers: P = P0 exp(lambda (V_heart + V_effusion - V0)), mmHg.

    Source: Smith et al. 2004, doi 10.1016/j.medengphy.2003.10.001 (form).
    """

    pressure: float = quantity(default=0.5, unit="mmHg", doc="pressure scale", bounds=(0.0, 10.0), source="R0 value")
    exponent: float = quantity(default=0.012, unit="1/mL", doc="exponent", bounds=(0.001, 0.1), source="R0 value")
    volume: float = quantity(
        default=520.0, unit="mL", doc="heart volume at the pressure scale", bounds=(50.0, 3000.0), source="R0"
    )
    effusion: float = quantity(
        default=0.0, unit="mL", doc="pericardial effusion", bounds=(0.0, 1500.0), source="R0 value"
    )

    def surrounding(self, heart_volume: Any) -> Any:
        """Pressure on every member (mmHg) at the total volume of the chambers (mL)."""
        return self.pressure * jnp.exp(self.exponent * (heart_volume + self.effusion - self.volume))


@register("surroundings", "thorax")
class Thorax(Surroundings):
    """Intrathoracic pressure, applied to each member by a weight: P_ext = weight (P - reference), mmHg."""

    pressure: float = quantity(
        default=0.0, unit="mmHg", doc="intrathoracic pressure", bounds=(-40.0, 80.0), source="end-expiratory, supine"
    )
