"""Valves without inertance: flow follows the pressure difference at once (general form only)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ...core.quantity import quantity
from ...core.registry import register
from ...core.smooth import safe_divide, safe_sqrt
from ..interfaces import ORIFICE_COEFFICIENT, Valve

__all__ = ["ClosedFormOrifice", "DiodeValve", "RegularisedOrifice", "SwitchedResistance"]


@register("valve", "closed_form_orifice")
class ClosedFormOrifice(Valve):
    """Orifice with resistance, solved for the flow: D = R q + q|q|/K^2.

    q = sgn(D) 2|D|K / (R K + sqrt(R^2 K^2 + 4|D|)), K = 50.15 A forwards and 50.15 EROA backwards; K = 0 gives 0.
    R holds the port resistances of both ends too. No regularisation constant.
    """

    law = "algebraic"

    area: float = quantity(
        default=4.0, unit="cm2", doc="effective open area", bounds=(0.05, 12.0), source="set by the circulation"
    )
    resistance: float = quantity(
        default=0.0, unit="mmHg s/mL", doc="viscous resistance", bounds=(0.0, 0.2), source="bounds the stiffness"
    )
    regurgitant_area: float = quantity(
        default=0.0, unit="cm2", doc="effective regurgitant orifice area", bounds=(0.0, 2.0), source="echo grade"
    )

    def resistance_of(self) -> Any:
        """Linear resistance, mmHg s/mL."""
        return self.resistance

    def flow(self, pressure_difference: Any, resistance: Any) -> Any:
        """Flow (mL/s) at a pressure difference (mmHg) with the total linear resistance (mmHg s/mL)."""
        size = jnp.abs(pressure_difference)
        area = jnp.where(pressure_difference > 0.0, self.area, self.regurgitant_area)
        k = ORIFICE_COEFFICIENT * area
        below = resistance * k + safe_sqrt((resistance * k) ** 2 + 4.0 * size)
        return jnp.sign(pressure_difference) * safe_divide(2.0 * size * k, below, (k > 0.0) & (size > 0.0))


@register("valve", "regularised_orifice")
class RegularisedOrifice(Valve):
    """Orifice with q = 50.15 A dp / (dp^2 + 1e-4 mmHg^2)^(1/4); stiff, kept as the published reference form."""

    law = "algebraic"

    area: float = quantity(
        default=4.0, unit="cm2", doc="effective open area", bounds=(0.05, 12.0), source="set by the circulation"
    )
    regularisation: float = quantity(
        default=1e-4,
        unit="mmHg2",
        doc="square of the pressure below which the root is flattened",
        bounds=(1e-8, 1.0),
        source="R0",
    )
    regurgitant_area: float = quantity(
        default=0.0, unit="cm2", doc="effective regurgitant orifice area", bounds=(0.0, 2.0), source="echo grade"
    )

    def resistance_of(self) -> Any:
        """Linear resistance: none."""
        return 0.0

    def flow(self, pressure_difference: Any, resistance: Any) -> Any:
        """Flow (mL/s) at a pressure difference (mmHg)."""
        area = jnp.where(pressure_difference > 0.0, self.area, self.regurgitant_area)
        root = (pressure_difference**2 + self.regularisation) ** 0.25
        return ORIFICE_COEFFICIENT * area * pressure_difference / root


@register("valve", "switched_resistance")
class SwitchedResistance(Valve):
    """Resistance that switches smoothly between open and closed over about 0.01 mmHg.

    R = 10^(log Rmin + (log Rmax - log Rmin) H(p_down - p_up)), H(x) = 1/2 + arctan(100 pi x)/pi.
    Source: Regazzoni et al. 2022, doi 10.1016/j.jcp.2022.111083.
    """

    law = "algebraic"

    open_resistance: float = quantity(
        default=0.0075, unit="mmHg s/mL", doc="resistance when open", bounds=(1e-4, 1.0), source="Regazzoni 2022"
    )
    closed_resistance: float = quantity(
        default=75006.2, unit="mmHg s/mL", doc="resistance when closed", bounds=(10.0, 1e6), source="Regazzoni 2022"
    )
    sharpness: float = quantity(
        default=100.0,
        unit="1/mmHg",
        doc="steepness of the switch",
        bounds=(1.0, 1e4),
        source="Regazzoni 2022",
        shape=True,
    )

    def resistance_of(self) -> Any:
        """Port resistances only: the valve's own lies in the flow law."""
        return 0.0

    def flow(self, pressure_difference: Any, resistance: Any) -> Any:
        """Flow (mL/s) at a pressure difference (mmHg)."""
        closed = 0.5 + jnp.arctan(-self.sharpness * jnp.pi * pressure_difference) / jnp.pi
        low, high = jnp.log(self.open_resistance), jnp.log(self.closed_resistance)
        return pressure_difference / jnp.exp(low + (high - low) * closed)


@register("valve", "diode")
class DiodeValve(Valve):
    """Ideal diode with resistance: q = max(dp, 0)/R. Source: Bozkurt 2019, doi 10.1371/journal.pone.0224663."""

    law = "algebraic"

    open_resistance: float = quantity(
        default=0.002, unit="mmHg s/mL", doc="resistance when open", bounds=(1e-4, 1.0), source="Bozkurt 2019"
    )

    def resistance_of(self) -> Any:
        """Port resistances only: the valve's own lies in the flow law."""
        return 0.0

    def flow(self, pressure_difference: Any, resistance: Any) -> Any:
        """Flow (mL/s) at a pressure difference (mmHg)."""
        return jnp.maximum(pressure_difference, 0.0) / (self.open_resistance + resistance)
