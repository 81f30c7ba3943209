"""Regazzoni et al. 2022: the twelve-state closed loop, in its two published parameter sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.quantity import quantity
from ...core.registry import register
from ..activations.cosine_pair import CosinePair
from ..chambers.linear_elastance import LinearElastance
from ..circulation import Circulation
from ..conduits.resistor import InertialResistor
from ..valves.algebraic import SwitchedResistance
from ..valves.inertial_orifice import InertialResistorValve
from ..vessels.compliance import Compliance
from .adult import AREAS

__all__ = ["RegazzoniA", "RegazzoniB"]

VALVES = {
    "mitral_valve": ("la", "lv"), "aortic_valve": ("lv", "systemic_arteries"),
    "tricuspid_valve": ("ra", "rv"), "pulmonary_valve": ("rv", "pulmonary_arteries"),
}  # fmt: skip
SITES = {
    "arterial_line": "systemic_arteries", "aortic_root": "systemic_arteries",
    "pulmonary_artery": "pulmonary_arteries", "lv": "lv", "rv": "rv", "la": "la", "ra": "ra",
    "systemic_veins": "systemic_veins", **{key: key for key in VALVES},
}  # fmt: skip


def _wiring(systemic: tuple[float, ...], pulmonary: tuple[float, ...]) -> dict[str, Any]:
    """Valves, then arterial and venous conduits; tuples hold R_AR, R_VEN, L_AR, L_VEN (mmHg s/mL, mmHg s2/mL)."""
    valves = {key: (up, InertialResistorValve(0.0075, AREAS[key]), down) for key, (up, down) in VALVES.items()}
    return {
        **valves,
        "systemic": ("systemic_arteries", InertialResistor(systemic[0], systemic[2]), "systemic_veins"),
        "venous_return": ("systemic_veins", InertialResistor(systemic[1], systemic[3]), "ra"),
        "pulmonary": ("pulmonary_arteries", InertialResistor(pulmonary[0], pulmonary[2]), "pulmonary_veins"),
        "pulmonary_venous": ("pulmonary_veins", InertialResistor(pulmonary[1], pulmonary[3]), "la"),
    }


def _vessels() -> dict[str, Compliance]:
    return {"systemic_arteries": Compliance(1.2), "systemic_veins": Compliance(60.0),
            "pulmonary_arteries": Compliance(10.0), "pulmonary_veins": Compliance(16.0)}  # fmt: skip


class _Regazzoni(Circulation):
    """Shared by both sets: wiring, readings and the choice of valves."""

    reference = "Regazzoni et al. 2022, J Comput Phys 457:111083, doi 10.1016/j.jcp.2022.111083"
    slack = "systemic_veins"
    readings = SITES
    driven = {"lv": "ventricles", "rv": "ventricles", "la": "atria", "ra": "atria"}  # noqa: RUF012
    steps = 640  # 512 draws, each quantity with an sd of a quarter: within 0.04 mmHg and 0.03 mL of 6,400

    @classmethod
    def valve_sets(cls) -> tuple[str, ...]:
        """Inertial (default) or the published switched resistance."""
        return ("inertial", "published")

    def conduits_with(self, valves: str) -> Mapping[str, tuple[str, Any, str]]:
        """The wiring with inertial or published valves."""
        if valves == "inertial":
            return self.conduits
        return {**self.conduits, **{key: (up, SwitchedResistance(), down) for key, (up, down) in VALVES.items()}}


@register("circulation", "regazzoni_2022_a")
class RegazzoniA(_Regazzoni):
    """Set A (emulator baseline, 75 beats per minute). Neither set is a healthy human: LAP is 21 mmHg here.

    Timings are fractions of the cycle. The systemic venous node is a capillary and venule node, no central vein.
    """

    compartments = {  # noqa: RUF012
        "lv": LinearElastance(3.35, 0.20, 42.0), "rv": LinearElastance(0.55, 0.05, 16.0),
        "la": LinearElastance(0.07, 0.18, 4.0), "ra": LinearElastance(0.06, 0.07, 4.0),
        **_vessels(),
    }  # fmt: skip
    conduits = _wiring((0.84, 0.32, 5e-3, 5e-4), (0.032, 0.035, 5e-4, 5e-4))
    activations = {  # noqa: RUF012
        "ventricles": CosinePair(0.1, 0.25, 0.40), "atria": CosinePair(0.9, 0.17, 0.17),
    }  # fmt: skip

    heart_rate: float = quantity(
        default=75.0, unit="1/min", doc="heart rate", bounds=(20.0, 250.0), source="Regazzoni 2022"
    )
    stressed_volume: float = quantity(
        default=3434.0,
        unit="mL",
        doc="total volume of the loop",
        bounds=(50.0, 8000.0),
        source="published initial state",
    )


@register("circulation", "regazzoni_2022_b")
class RegazzoniB(_Regazzoni):
    """Set B (the form of the 2022 paper, 72 beats per minute). Neither set is a healthy human: mPAP is 37 mmHg here.

    Timings are fractions of the cycle. The systemic venous node is a capillary and venule node, no central vein.
    """

    compartments = {  # noqa: RUF012
        "lv": LinearElastance(2.75, 0.08, 5.0), "rv": LinearElastance(0.55, 0.05, 10.0),
        "la": LinearElastance(0.07, 0.09, 4.0), "ra": LinearElastance(0.06, 0.07, 4.0),
        **_vessels(),
    }  # fmt: skip
    conduits = _wiring((0.8, 0.26, 5e-3, 5e-4), (0.1625, 0.1625, 5e-4, 5e-4))
    activations = {  # noqa: RUF012
        "ventricles": CosinePair(0.0, 0.34, 0.17), "atria": CosinePair(0.8, 0.17, 0.17),
    }  # fmt: skip

    heart_rate: float = quantity(
        default=72.0, unit="1/min", doc="heart rate", bounds=(20.0, 250.0), source="Regazzoni 2022"
    )
    stressed_volume: float = quantity(
        default=3025.0,
        unit="mL",
        doc="total volume of the loop",
        bounds=(50.0, 8000.0),
        source="published initial state",
    )
