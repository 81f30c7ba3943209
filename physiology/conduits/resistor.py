"""Conduits without a valve."""

from __future__ import annotations

from typing import Any

from ...core.quantity import quantity
from ...core.registry import register
from ..interfaces import Conduit

__all__ = ["InertialResistor", "Resistor"]


@register("conduit", "resistor")
class Resistor(Conduit):
    """Vascular bed with q = dp / R (Poiseuille)."""

    resistance: float = quantity(
        default=1.0, unit="mmHg s/mL", doc="resistance", bounds=(1e-4, 20.0), source="set by the circulation"
    )

    def resistance_of(self) -> Any:
        """Linear resistance, mmHg s/mL."""
        return self.resistance


@register("conduit", "inertial_resistor")
class InertialResistor(Conduit):
    """Arterial path with L dq/dt = dp - R q."""

    law = "inertial"

    resistance: float = quantity(
        default=0.015, unit="mmHg s/mL", doc="resistance", bounds=(1e-4, 20.0), source="set by the circulation"
    )
    inertance: float = quantity(
        default=0.0054,
        unit="mmHg s2/mL",
        doc="inertance of the blood column",
        bounds=(1e-6, 0.1),
        source="set by the circulation",
    )

    def resistance_of(self) -> Any:
        """Linear resistance, mmHg s/mL."""
        return self.resistance

    def inertance_of(self) -> Any:
        """Inertance, mmHg s2/mL."""
        return self.inertance
