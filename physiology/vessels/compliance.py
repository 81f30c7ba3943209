"""Linear compliance, with or without an impedance at its root."""

from __future__ import annotations

from typing import Any

from ...core.quantity import quantity
from ...core.registry import register
from ..interfaces import Vessel

__all__ = ["Compliance", "InletImpedance", "SeriesImpedance"]


@register("vessel", "compliance")
class Compliance(Vessel):
    """Vessel with P = V / C, V the stressed volume.

    Source: the Windkessel; Westerhof et al. 2009, doi 10.1007/s11517-008-0359-2.
    """

    compliance: float = quantity(
        default=1.0,
        unit="mL/mmHg",
        doc="stressed volume per pressure",
        bounds=(0.01, 500.0),
        source="set by the circulation",
    )

    def pressure(self, volume: Any, activation: Any) -> Any:
        """Transmural pressure of the capacity (mmHg)."""
        return volume / self.compliance


@register("vessel", "series_impedance")
class SeriesImpedance(Vessel):
    """Compliance with the characteristic impedance Z in its own branch: P = V / C + Z (inflow - outflow).

    The mean pressure loses nothing in Z. Source: Westerhof et al. 2009, doi 10.1007/s11517-008-0359-2.
    """

    ports = {"impedance": "series"}  # noqa: RUF012

    compliance: float = quantity(
        default=1.36, unit="mL/mmHg", doc="stressed volume per pressure", bounds=(0.05, 20.0), source="adult rest refit"
    )
    impedance: float = quantity(
        default=0.054, unit="mmHg s/mL", doc="characteristic impedance", bounds=(0.0, 0.5), source="adult rest refit"
    )

    def pressure(self, volume: Any, activation: Any) -> Any:
        """Transmural pressure of the capacity (mmHg), without the impedance."""
        return volume / self.compliance


@register("vessel", "inlet_impedance")
class InletImpedance(Vessel):
    """Compliance behind its characteristic impedance: root pressure P = V / C + Z inflow.

    The mean pressure falls by Z times the mean flow. Source: Westerhof et al. 2009, doi 10.1007/s11517-008-0359-2.
    """

    ports = {"impedance": "inlet"}  # noqa: RUF012

    compliance: float = quantity(
        default=5.7, unit="mL/mmHg", doc="stressed volume per pressure", bounds=(0.05, 60.0), source="adult rest refit"
    )
    impedance: float = quantity(
        default=0.0275, unit="mmHg s/mL", doc="characteristic impedance", bounds=(0.0, 1.0), source="adult rest refit"
    )

    def pressure(self, volume: Any, activation: Any) -> Any:
        """Transmural pressure of the capacity (mmHg), without the impedance."""
        return volume / self.compliance
