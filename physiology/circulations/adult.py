"""The default adult loop: four chambers, root impedances, pericardium and thorax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.quantity import quantity
from ...core.registry import register
from ..activations.double_hill import DoubleHill
from ..chambers.time_varying_elastance import TimeVaryingElastance
from ..circulation import Circulation
from ..conduits.resistor import InertialResistor, Resistor
from ..surroundings.pressure import Pericardium, Thorax
from ..valves.algebraic import ClosedFormOrifice
from ..valves.inertial_orifice import InertialOrifice
from ..vessels.compliance import Compliance, InletImpedance, SeriesImpedance

__all__ = ["Adult"]

AREAS = {"mitral_valve": 4.0, "aortic_valve": 3.5, "tricuspid_valve": 5.0, "pulmonary_valve": 3.8}  # cm2, R0
VISCOUS = {"mitral_valve": 0.002, "tricuspid_valve": 0.002, "aortic_valve": 0.0, "pulmonary_valve": 0.0}  # mmHg s/mL
WIRING = {
    "mitral_valve": ("la", "lv"), "aortic_valve": ("lv", "aorta"),
    "tricuspid_valve": ("ra", "rv"), "pulmonary_valve": ("rv", "pulmonary_arteries"),
}  # fmt: skip
CHAMBERS = ("lv", "rv", "la", "ra")
TYPICAL_THORAX = -4.0  # mmHg, end-expiratory; the aorta is half inside the thorax

READINGS = {
    "arterial_line": "systemic_arteries", "aortic_root": "aorta", "pulmonary_artery": "pulmonary_arteries",
    "lv": "lv", "rv": "rv", "la": "la", "ra": "ra", "systemic_veins": "systemic_veins",
    "mitral_valve": "mitral_valve", "aortic_valve": "aortic_valve",
    "tricuspid_valve": "tricuspid_valve", "pulmonary_valve": "pulmonary_valve",
}  # fmt: skip


def _chambers(e_rv: float, e_la: float, lam_lv: float, lam_rv: float) -> dict[str, TimeVaryingElastance]:
    part = TimeVaryingElastance
    return {
        "lv": part(2.75, 12.0, 6.439, lam_lv, 0.094),
        "rv": part(e_rv, 15.0, 0.748, lam_rv, 0.025),
        "la": part(e_la, 22.62, 6.438, 0.02624, 0.0),
        "ra": part(0.1667, 2.059, 4.953, 0.01707, 0.0),
    }


@register("circulation", "adult")
class Adult(Circulation):
    """Closed loop of a resting adult (unisex, 45 y, 1.75 m2), without reflex.

    la -> mitral -> lv -> aortic -> aorta (impedance in series with its compliance) -> inertance -> systemic arteries
    -> systemic resistance -> systemic veins -> ra -> tricuspid -> rv -> pulmonary valve -> pulmonary arteries
    (impedance before the compliance) -> pulmonary resistance -> pulmonary veins -> la.

    Inertial valves with a 1 cm blood column are the default; "closed_form" gives the same loop with algebraic valves
    (its own values: see `closed_form_values`). Rest: arterial line 118/74 mmHg, CO 5.4 L/min, LV 132/55 mL.
    """

    version = "1"
    reference = "composed here: elastance and pericardium after Smith 2004, valves after Mynard 2012, fitted at rest"
    compartments = {  # noqa: RUF012
        **_chambers(e_rv=0.477, e_la=2.35, lam_lv=0.00957, lam_rv=0.0181),
        "aorta": SeriesImpedance(1.385, 0.054),
        "systemic_arteries": Compliance(0.345),
        "systemic_veins": Compliance(75.0),
        "pulmonary_arteries": InletImpedance(5.7, 0.0275),
        "pulmonary_veins": Compliance(9.0),
    }
    conduits = {  # noqa: RUF012
        **{key: (up, InertialOrifice(AREAS[key], VISCOUS[key]), down) for key, (up, down) in WIRING.items()},
        "aortic_conduit": ("aorta", InertialResistor(0.015, 0.0054), "systemic_arteries"),
        "systemic": ("systemic_arteries", Resistor(0.872), "systemic_veins"),
        "venous_return": ("systemic_veins", Resistor(0.0987), "ra"),
        "pulmonary": ("pulmonary_arteries", Resistor(0.035), "pulmonary_veins"),
        "pulmonary_venous": ("pulmonary_veins", Resistor(0.00446), "la"),
    }
    activations = {  # noqa: RUF012
        "ventricles": DoubleHill(0.0, 0.943, 0.249, 0.4184, 1.32, 21.9),
        "atria": DoubleHill(0.83, 1.0, 0.1018, 0.1666, 1.32, 13.1),
    }
    driven = {"lv": "ventricles", "rv": "ventricles", "la": "atria", "ra": "atria"}  # noqa: RUF012
    pericardium = (Pericardium(0.5, 0.012, 520.0, 0.0), CHAMBERS)
    thorax = (
        Thorax(TYPICAL_THORAX),
        {**dict.fromkeys((*CHAMBERS, "pulmonary_arteries", "pulmonary_veins"), (1.0, 0.0)),
         "aorta": (0.5, TYPICAL_THORAX)},
    )  # fmt: skip
    slack = "systemic_veins"
    readings = READINGS

    heart_rate: float = quantity(
        default=70.0, unit="1/min", doc="heart rate", bounds=(20.0, 250.0), source="rest 68 +- 9 /min"
    )
    stressed_volume: float = quantity(
        default=1655.0, unit="mL", doc="blood above the unstressed volume of all vessels, plus all chamber volumes",
        bounds=(50.0, 8000.0), source="5400 mL less 3745 mL unstressed",
    )  # fmt: skip

    @classmethod
    def valve_sets(cls) -> tuple[str, ...]:
        """Inertial (default) or closed form."""
        return ("inertial", "closed_form")

    def conduits_with(self, valves: str) -> Mapping[str, tuple[str, Any, str]]:
        """The wiring with inertial or closed-form valves."""
        if valves == "inertial":
            return self.conduits
        swapped = {k: (u, ClosedFormOrifice(AREAS[k], VISCOUS[k]), d) for k, (u, d) in WIRING.items()}
        return {**self.conduits, **swapped}

    def values_with(self, valves: str) -> dict[str, float]:
        """Values that differ from the declared ones under another valve law (the same rest state refitted)."""
        if valves == "inertial":
            return {}
        return {"la.maximal_elastance": 1.83, "rv.maximal_elastance": 0.483, "lv.passive_exponent": 0.00937,
                "rv.passive_exponent": 0.0179, "aorta.compliance": 1.36}  # fmt: skip
