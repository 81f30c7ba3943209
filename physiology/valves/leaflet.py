"""Valve whose leaflets take time to open and to close."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.quantity import quantity
from ...core.registry import register
from ..interfaces import BLOOD_DENSITY, MMHG_IN_DYN_PER_CM2, ORIFICE_COEFFICIENT, Valve

__all__ = ["LeafletOrifice"]


@register("valve", "leaflet_orifice")
class LeafletOrifice(Valve):
    """Orifice whose area follows its leaflets: L dq/dt = D - R q - B q|q|, dz/dt = K_open (1 - z) D or K_close z D.

    D is the pressure difference across the valve, A = A_shut + z (A_open - A_shut), B = 1/(50.15 A)^2,
    L = rho l/(1333.22 A); the flow runs backwards until the leaflets meet. A_shut must be above 0: it leaks like a
    regurgitant orifice of that area, and keeps L and B finite. Source: Mynard et al. 2012, doi 10.1002/cnm.1466.
    """

    law: ClassVar[str] = "leaflet"

    open_area: float = quantity(
        default=4.0, unit="cm2", doc="effective area of the open valve", bounds=(0.05, 12.0), source="Mynard 2012"
    )
    shut_area: float = quantity(
        default=1e-3, unit="cm2", doc="area left when shut", bounds=(1e-5, 2.0), source="a leak of 0.5 mL/s"
    )
    length: float = quantity(
        default=1.0, unit="cm", doc="length of the accelerated blood column", bounds=(0.02, 4.0), source="Mynard 2012"
    )
    resistance: float = quantity(
        default=0.0, unit="mmHg s/mL", doc="viscous resistance", bounds=(0.0, 0.2), source="none in Mynard 2012"
    )
    opening_rate: float = quantity(
        default=26.7, unit="1/(mmHg s)", doc="rate of opening K_open per pressure difference", bounds=(0.1, 200.0),
        source="Mynard 2012, 0.02 cm2/(dyn s)",
    )  # fmt: skip
    closing_rate: float = quantity(
        default=26.7, unit="1/(mmHg s)", doc="rate of closing K_close per pressure difference", bounds=(0.1, 200.0),
        source="Mynard 2012, 0.02 cm2/(dyn s)",
    )  # fmt: skip

    def resistance_of(self) -> Any:
        """Linear resistance, mmHg s/mL."""
        return self.resistance

    def open_area_of(self) -> Any:
        """Effective area of the open valve, cm2."""
        return self.open_area

    def shut_area_of(self) -> Any:
        """Area left when the leaflets meet, cm2."""
        return self.shut_area

    def column_of(self) -> Any:
        """Inertance times area L A = rho l/1333.22, mmHg s2 cm2/mL."""
        return BLOOD_DENSITY * self.length / MMHG_IN_DYN_PER_CM2

    def head_of(self) -> Any:
        """Loss times squared area B A^2 = 1/50.15^2, mmHg s2 cm4/mL2."""
        return 1.0 / ORIFICE_COEFFICIENT**2

    def opening_of(self) -> Any:
        """Rate of opening, 1/(mmHg s)."""
        return self.opening_rate

    def closing_of(self) -> Any:
        """Rate of closing, 1/(mmHg s)."""
        return self.closing_rate
