"""Elastance that varies between two straight lines."""

from __future__ import annotations

from typing import Any

from ...core.quantity import quantity
from ...core.registry import register
from ..interfaces import Chamber

__all__ = ["LinearElastance"]


@register("chamber", "linear_elastance")
class LinearElastance(Chamber):
    """Chamber with P = (EA e + EB) (V - V0).

    EA active and EB passive elastance, e activation, V0 unloaded volume.
    Source: Regazzoni et al. 2022, doi 10.1016/j.jcp.2022.111083.
    """

    active_elastance: float = quantity(
        default=2.75,
        unit="mmHg/mL",
        doc="elastance gained at full activation",
        bounds=(0.0, 20.0),
        source="Regazzoni 2022",
    )
    passive_elastance: float = quantity(
        default=0.08, unit="mmHg/mL", doc="elastance at rest", bounds=(0.001, 5.0), source="Regazzoni 2022"
    )
    unloaded_volume: float = quantity(
        default=5.0, unit="mL", doc="volume at zero transmural pressure", bounds=(0.0, 250.0), source="Regazzoni 2022"
    )

    def pressure(self, volume: Any, activation: Any) -> Any:
        """Transmural pressure (mmHg)."""
        return (self.active_elastance * activation + self.passive_elastance) * (volume - self.unloaded_volume)
