"""R0: the compact reference loop, whose rest values are printed and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.quantity import quantity
from ...core.registry import register
from ..activations.double_hill import DoubleHill
from ..chambers.time_varying_elastance import TimeVaryingElastance
from ..circulation import Circulation
from ..conduits.resistor import InertialResistor, Resistor
from ..valves.algebraic import RegularisedOrifice
from ..valves.inertial_orifice import InertialOrifice
from ..vessels.compliance import Compliance
from .adult import AREAS, READINGS, WIRING, Adult

__all__ = ["R0"]


@register("circulation", "r0")
class R0(Circulation):
    """Adult loop without root impedances and without source resistance; pure orifice valves.

    Kept as a reference for the default loop. "inertial" valves (default) or the published "regularised" root.
    """

    reference = "reference loop of this project, 24 values fitted to 22 rest targets"
    compartments = {  # noqa: RUF012
        "lv": TimeVaryingElastance(2.57, 7.258, 6.439, 0.0089, 0.0),
        "rv": TimeVaryingElastance(0.4359, 15.0, 0.1817, 0.02892, 0.0),
        "la": TimeVaryingElastance(1.734, 22.62, 6.438, 0.02624, 0.0),
        "ra": TimeVaryingElastance(0.1667, 2.059, 4.953, 0.01707, 0.0),
        "aorta": Compliance(0.1568),
        "systemic_arteries": Compliance(1.058),
        "systemic_veins": Compliance(75.0),
        "pulmonary_arteries": Compliance(3.004),
        "pulmonary_veins": Compliance(9.0),
    }
    conduits = {  # noqa: RUF012
        **{key: (up, InertialOrifice(AREAS[key]), down) for key, (up, down) in WIRING.items()},
        "aortic_conduit": ("aorta", InertialResistor(0.04, 8e-4), "systemic_arteries"),
        "systemic": ("systemic_arteries", Resistor(0.9952), "systemic_veins"),
        "venous_return": ("systemic_veins", Resistor(0.03949), "ra"),
        "pulmonary": ("pulmonary_arteries", Resistor(0.07048), "pulmonary_veins"),
        "pulmonary_venous": ("pulmonary_veins", Resistor(0.00446), "la"),
    }
    activations = {  # noqa: RUF012
        "ventricles": DoubleHill(0.0, 0.9, 0.249, 0.4184, 1.32, 21.9),
        "atria": DoubleHill(0.83, 1.0, 0.1018, 0.1666, 1.32, 13.1),
    }
    driven, pericardium, thorax = Adult.driven, Adult.pericardium, Adult.thorax
    slack = "systemic_veins"
    readings = READINGS

    heart_rate: float = quantity(
        default=70.0, unit="1/min", doc="heart rate", bounds=(20.0, 250.0), source="rest 68 +- 9 /min"
    )
    stressed_volume: float = quantity(
        default=1179.0, unit="mL", doc="blood above the unstressed volume of all vessels, plus all chamber volumes",
        bounds=(50.0, 8000.0), source="4640 mL less 3461 mL unstressed systemic veins",
    )  # fmt: skip

    @classmethod
    def valve_sets(cls) -> tuple[str, ...]:
        """Inertial (default) or the regularised square root."""
        return ("inertial", "regularised")

    def conduits_with(self, valves: str) -> Mapping[str, tuple[str, Any, str]]:
        """The wiring with inertial or regularised valves."""
        if valves == "inertial":
            return self.conduits
        return {**self.conduits, **{k: (u, RegularisedOrifice(AREAS[k]), d) for k, (u, d) in WIRING.items()}}
