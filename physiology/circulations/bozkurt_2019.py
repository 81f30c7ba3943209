"""Bozkurt 2019: an adult loop in health and in dilated cardiomyopathy, five values apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.quantity import quantity
from ...core.registry import register
from ..activations.cosine_pair import CosinePair
from ..chambers.additive_elastance import AdditiveElastance
from ..chambers.linear_elastance import LinearElastance
from ..circulation import Circulation
from ..conduits.resistor import Resistor
from ..valves.algebraic import DiodeValve
from ..valves.inertial_orifice import InertialResistorValve
from ..vessels.compliance import Compliance
from .adult import AREAS, WIRING

__all__ = ["BozkurtDilated", "BozkurtHealthy"]

OPEN = {"mitral_valve": 0.002, "aortic_valve": 0.002, "tricuspid_valve": 0.001, "pulmonary_valve": 0.001}  # mmHg s/mL
SITES = {
    "arterial_line": "aorta", "aortic_root": "aorta", "pulmonary_artery": "pulmonary_arteries",
    "lv": "lv", "rv": "rv", "la": "la", "ra": "ra", "systemic_veins": "systemic_veins", **{key: key for key in WIRING},
}  # fmt: skip


def _chambers(e_lv: float, v0_lv: float, a_lv: float) -> dict[str, Any]:
    return {
        "lv": AdditiveElastance(e_lv, v0_lv, a_lv, 0.02),
        "rv": AdditiveElastance(1.0, 40.0, 1.0, 0.02),
        "la": LinearElastance(0.1, 0.2, 5.0),
        "ra": LinearElastance(0.1, 0.2, 5.0),
        "aorta": Compliance(0.2),
        "arterioles": Compliance(1.7),
        "systemic_veins": Compliance(30.0),
        "pulmonary_arteries": Compliance(5.0),
        "pulmonary_arterioles": Compliance(0.2),
        "pulmonary_veins": Compliance(30.0),
    }


def _wiring(arteriolar: float) -> dict[str, Any]:
    return {
        **{key: (up, InertialResistorValve(OPEN[key], AREAS[key]), down) for key, (up, down) in WIRING.items()},
        "aortic_conduit": ("aorta", Resistor(0.05), "arterioles"),
        "systemic": ("arterioles", Resistor(arteriolar), "systemic_veins"),
        "venous_return": ("systemic_veins", Resistor(0.05), "ra"),
        "pulmonary_conduit": ("pulmonary_arteries", Resistor(0.01), "pulmonary_arterioles"),
        "pulmonary": ("pulmonary_arterioles", Resistor(0.15), "pulmonary_veins"),
        "pulmonary_venous": ("pulmonary_veins", Resistor(0.05), "la"),
    }


class _Bozkurt(Circulation):
    """Shared by both states. The published inertances (1e-5 mmHg s2/mL) are left out: they change nothing."""

    reference = "Bozkurt 2019, PLoS ONE 14:e0224663, doi 10.1371/journal.pone.0224663"
    activations = {  # noqa: RUF012
        "ventricles": CosinePair(0.0, 0.33, 0.12), "atria": CosinePair(0.85, 0.1, 0.1),
    }  # fmt: skip
    driven = {"lv": "ventricles", "rv": "ventricles", "la": "atria", "ra": "atria"}  # noqa: RUF012
    slack = "systemic_veins"
    readings = SITES
    steps = 800

    heart_rate: float = quantity(
        default=75.0, unit="1/min", doc="heart rate", bounds=(20.0, 250.0), source="Bozkurt 2019: 0.8 s"
    )
    stressed_volume: float = quantity(
        default=1469.0,
        unit="mL",
        doc="stressed volume of the loop",
        bounds=(50.0, 8000.0),
        source="back-calculated from the paper",
    )

    @classmethod
    def valve_sets(cls) -> tuple[str, ...]:
        """Inertial (default) or the published ideal diodes."""
        return ("inertial", "published")

    def conduits_with(self, valves: str) -> Mapping[str, tuple[str, Any, str]]:
        """The wiring with inertial or published valves."""
        if valves == "inertial":
            return self.conduits
        return {**self.conduits, **{k: (u, DiodeValve(OPEN[k]), d) for k, (u, d) in WIRING.items()}}


@register("circulation", "bozkurt_2019_healthy")
class BozkurtHealthy(_Bozkurt):
    """Healthy adult: EDV 125 mL, EF 53 %."""

    compartments = _chambers(2.5, 15.0, 1.0)
    conduits = _wiring(0.95)


@register("circulation", "bozkurt_2019_dcm")
class BozkurtDilated(_Bozkurt):
    """Dilated cardiomyopathy: five changed values and the same volume give EDV 173 mL, EF 24 %."""

    compartments = _chambers(0.9, 25.0, 0.65)
    conduits = _wiring(1.6)
