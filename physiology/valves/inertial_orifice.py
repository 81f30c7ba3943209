"""Valve with inertance: the default, because values and gradients of its steady beat converge."""

from __future__ import annotations

from typing import Any

from ...core.quantity import quantity
from ...core.registry import register
from ..interfaces import BLOOD_DENSITY, MMHG_IN_DYN_PER_CM2, ORIFICE_COEFFICIENT, Valve

__all__ = ["InertialOrifice", "inertance_of_area", "loss_of_area"]


def loss_of_area(area: Any) -> Any:
    """Bernoulli loss B = 1/(50.15 A)^2 of an orifice, mmHg s2/mL2, A in cm2."""
    return 1.0 / (ORIFICE_COEFFICIENT * area) ** 2


def inertance_of_area(area: Any, length: Any) -> Any:
    """Inertance L = rho l/(1333.22 A) of a blood column of length l (cm) and area A (cm2), mmHg s2/mL."""
    return BLOOD_DENSITY * length / (MMHG_IN_DYN_PER_CM2 * area)


@register("valve", "inertial_orifice")
class InertialOrifice(Valve):
    """One-way orifice: L dq/dt = dp - R q - B q^2 while open, q >= 0.

    B = 1/(50.15 A)^2, L = rho l/(1333.22 A). A `regurgitant_area` above 0 adds a second, backward valve of that area
    (structure: it must be above 0 when the circulation is assembled).
    Source: orifice law after Mynard et al. 2012, doi 10.1002/cnm.1466, without leaflet motion.
    """

    area: float = quantity(
        default=4.0, unit="cm2", doc="effective open area", bounds=(0.05, 12.0), source="set by the circulation"
    )
    resistance: float = quantity(
        default=0.0, unit="mmHg s/mL", doc="viscous resistance", bounds=(0.0, 0.2), source="bounds the stiffness"
    )
    length: float = quantity(
        default=1.0, unit="cm", doc="length of the accelerated blood column", bounds=(0.02, 4.0),
        source="porcine mitral fits 1.5-2 cm, inertial set after Revie 2012 .4-.7 cm",
    )  # fmt: skip
    regurgitant_area: float = quantity(
        default=0.0, unit="cm2", doc="effective regurgitant orifice area", bounds=(0.0, 2.0), source="echo grade"
    )

    def resistance_of(self) -> Any:
        """Linear resistance, mmHg s/mL."""
        return self.resistance

    def inertance_of(self) -> Any:
        """Inertance, mmHg s2/mL."""
        return inertance_of_area(self.area, self.length)

    def loss_of(self) -> Any:
        """Quadratic loss coefficient, mmHg s2/mL2."""
        return loss_of_area(self.area)

    def leak_inertance_of(self) -> Any:
        """Inertance of the backward path, mmHg s2/mL."""
        return inertance_of_area(self.regurgitant_area, self.length)

    def leak_loss_of(self) -> Any:
        """Quadratic loss coefficient of the backward path, mmHg s2/mL2."""
        return loss_of_area(self.regurgitant_area)


@register("valve", "inertial_resistor_valve")
class InertialResistorValve(Valve):
    """One-way linear resistor with inertance: L dq/dt = dp - R q while open, q >= 0.

    L = rho l/(1333.22 A); it carries published diode valves on the impulse step: as l goes to 0 the flow becomes
    max(dp, 0)/R.
    """

    resistance: float = quantity(
        default=0.0075,
        unit="mmHg s/mL",
        doc="resistance of the open valve",
        bounds=(1e-4, 0.2),
        source="Regazzoni 2022",
    )
    area: float = quantity(
        default=4.0, unit="cm2", doc="area of the blood column", bounds=(0.05, 12.0), source="R0 areas"
    )
    length: float = quantity(
        default=1.0,
        unit="cm",
        doc="length of the accelerated blood column",
        bounds=(0.02, 4.0),
        source="as the inertial orifice",
    )

    def resistance_of(self) -> Any:
        """Linear resistance, mmHg s/mL."""
        return self.resistance

    def inertance_of(self) -> Any:
        """Inertance, mmHg s2/mL."""
        return inertance_of_area(self.area, self.length)

    def loss_of(self) -> Any:
        """Quadratic loss coefficient, mmHg s2/mL2: none."""
        return 0.0
