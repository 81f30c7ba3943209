"""The 3-compartment problem of libcuflynx as a circulation of this project: its loop, its data, its cost.

Source: physiomelinks/circulatory_autogen (libcuflynx, Apache-2.0): the model `3compartment` (vessel array and
parameters), `resources/3compartment_obs_data.json` at commit 42136538 (the six observations with standard deviation and
weight), `resources/3compartment_params_for_id.csv` (the four parameters and their ranges), and of
`benchmarks/results/run_260823` the parameters that the observations were simulated at. The equations are those of the
published parts: chambers after Liang 2009 and Korakianitis 2006, valves after Mynard 2012, Windkessel vessels with a
viscous wall of 0.01 s.

What differs here:
- Inertances of 1e-6 to 0.1 Pa s2/m3, there to avoid algebraic loops, are 0; resistors that meet are solved together.
- A shut valve keeps the area at which libcuflynx's Bernoulli loss levels off (7.07e-8 m2); there its inertance goes on
  to grow, so that a shut valve leaks 0.06 to 0.4 mL/s, here a little less.
- A vessel with a pressure at rest P0 is one without whose volume is larger by C P0.
- The answer is the steady beat; there it is the 21st and 22nd second from a given start.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from hemotwin.core.layout import Layout
from hemotwin.core.quantity import quantity
from hemotwin.core.reduction import Reduction
from hemotwin.core.system import System
from hemotwin.engine.recording import Waves
from hemotwin.physiology.activations.cosine_pair import CosinePair
from hemotwin.physiology.assemble import assembled
from hemotwin.physiology.chambers.linear_elastance import LinearElastance
from hemotwin.physiology.circulation import Circulation
from hemotwin.physiology.conduits.resistor import InertialResistor, Resistor
from hemotwin.physiology.interfaces import BLOOD_DENSITY
from hemotwin.physiology.valves.leaflet import LeafletOrifice
from hemotwin.physiology.vessels.compliance import SeriesImpedance

__all__ = [
    "OBSERVED", "PARAMETERS", "READING", "REDUCTIONS", "SAMPLES", "ThreeCompartments", "cost", "sampled", "system",
    "truth",
]  # fmt: skip

PA = 133.322387415  # Pa in one mmHg (definition of the conventional millimetre of mercury)
ML = 1e6  # mL in one m3
CM2 = 1e4  # cm2 in one m2
RESISTANCE = 1.0 / (PA * ML)  # mmHg s/mL in one Pa s/m3; also mmHg/mL in Pa/m3 and mmHg s2/mL in Pa s2/m3
COMPLIANCE = PA * ML  # mL/mmHg in one m3/Pa
WALL = 0.01  # s, viscous resistance of every vessel's wall times its compliance
DENSITY = 1.05  # g/mL in libcuflynx
SHUT = 7.07e-8  # m2, where rho/(2 A^2 + 1e-14 m4) levels off
AT_REST = {"aorta": 13300.0, "pulmonary": 1463.0}  # Pa, pressure of a vessel at its reference volume
PULMONARY = 3.09077e-10  # m3/Pa, compliance of the pulmonary arteries
OTHER_VOLUMES = (
    1418.0  # mL at the start outside the left ventricle: veins 1300 and 100, right ventricle 10, atria 4 + 4
)


def _valve(area: float, opening: float, closing: float) -> LeafletOrifice:
    """Area in m2, rates in 1/(Pa s); areas and lengths so that loss and inertance are those of libcuflynx's density."""
    wider = (BLOOD_DENSITY / DENSITY) ** 0.5
    return LeafletOrifice(
        open_area=area * CM2 * wider, shut_area=SHUT * CM2 * wider, length=1.0 / wider, resistance=0.0,
        opening_rate=opening * PA, closing_rate=closing * PA,
    )  # fmt: skip


def _chamber(active: float, passive: float, unloaded: float) -> LinearElastance:
    """Elastances in Pa/m3, unloaded volume in mL."""
    return LinearElastance(active * RESISTANCE, passive * RESISTANCE, unloaded)


def _vessel(compliance: float) -> SeriesImpedance:
    """Compliance in m3/Pa; the viscous wall stands in series with it."""
    return SeriesImpedance(compliance * COMPLIANCE, WALL / (compliance * COMPLIANCE))


class ThreeCompartments(Circulation):
    """la -> mitral -> lv -> aortic -> aorta in two halves -> tissue -> veins -> ra -> tricuspid -> rv -> pulmonary
    valve -> pulmonary arteries -> pulmonary veins -> la; sixty beats per minute, four valves with moving leaflets.
    """

    reference = "physiomelinks/circulatory_autogen, model 3compartment"
    compartments = {  # noqa: RUF012
        "lv": _chamber(366575000.0, 10664000.0, 5.0),
        "rv": _chamber(73315000.0, 6665000.0, 10.0),
        "la": _chamber(9331000.0, 11997000.0, 4.0),
        "ra": _chamber(7998000.0, 9331000.0, 4.0),
        "aortic_root": _vessel(0.5 * 1.2028e-8),
        "aorta": _vessel(0.5 * 1.2028e-8),
        "tissue": _vessel(1e-7),
        "systemic_veins": _vessel(1e-6),
        "pulmonary_arteries": _vessel(PULMONARY),
        "pulmonary_veins": _vessel(6.0015e-9),
    }
    conduits = {  # noqa: RUF012
        "mitral_valve": ("la", _valve(6e-4, 0.3, 0.4), "lv"),
        "aortic_valve": ("lv", _valve(3.14e-4, 0.04, 0.04), "aortic_root"),
        "tricuspid_valve": ("ra", _valve(9e-4, 0.3, 0.4), "rv"),
        "pulmonary_valve": ("rv", _valve(4e-4, 0.2, 0.2), "pulmonary_arteries"),
        "aortic_conduit": ("aortic_root", InertialResistor(1e6 * RESISTANCE, 1e4 * RESISTANCE), "aorta"),
        "arteriolar": ("aorta", Resistor(0.5 * 1.1e8 * RESISTANCE), "tissue"),
        "venular": ("tissue", Resistor(0.5 * 1.1e8 * RESISTANCE), "systemic_veins"),
        "venous_return": ("systemic_veins", Resistor(1114600.0 * RESISTANCE), "ra"),
        "pulmonary": ("pulmonary_arteries", Resistor(10664000.0 * RESISTANCE), "pulmonary_veins"),
        "pulmonary_venous": ("pulmonary_veins", Resistor(1333000.0 * RESISTANCE), "la"),
    }
    activations = {  # noqa: RUF012
        "ventricles": CosinePair(0.0, 0.30, 0.15), "atria": CosinePair(0.8, 0.17, 0.17),
    }  # fmt: skip
    driven = {"lv": "ventricles", "rv": "ventricles", "la": "atria", "ra": "atria"}  # noqa: RUF012
    slack = "systemic_veins"
    readings = {  # noqa: RUF012
        "aortic_root": "aortic_root", "lv": "lv", "la": "la", "aortic_conduit": "aortic_conduit",
        "aortic_valve": "aortic_valve",
    }  # fmt: skip
    steps = 1000

    heart_rate: float = quantity(
        default=60.0, unit="1/min", doc="heart rate", bounds=(20.0, 250.0), source="period of 1 s"
    )
    stressed_volume: float = quantity(
        default=2378.0, unit="mL", doc="total volume of the loop", bounds=(50.0, 8000.0), source="initial state"
    )


class Parameter(NamedTuple):
    """One of the four: its range in SI units and the value that the observations were simulated at."""

    name: str
    low: float
    high: float
    truth: float


PARAMETERS = (
    Parameter("q_lv_init", 200e-6, 1500e-6, 8e-4),  # m3, volume of the left ventricle at the start: blood volume
    Parameter("C_ao", 1e-9, 5e-8, 1.2028e-8),  # m3/Pa, compliance of the aorta
    Parameter("E_lv_A", 1e8, 5e8, 366575000.0),  # Pa/m3, active elastance of the left ventricle
    Parameter("E_lv_B", 1e6, 5e7, 10664000.0),  # Pa/m3, passive elastance of the left ventricle
)
SAMPLES = 100  # per beat, at which libcuflynx records (every 0.01 s)
SAMPLED = 2 * SAMPLES + 1  # of the two seconds that it takes means over, both ends included


class Observed(NamedTuple):
    """An observation: value and standard deviation in mmHg, mL or mL/s, and its weight in the cost."""

    name: str
    value: float
    sd: float
    weight: float


def _observed(name: str, value: float, sd: float, weight: float, unit: float) -> Observed:
    return Observed(name, value * unit, sd * unit, weight)


OBSERVED = (
    _observed("mean aortic flow", 0.00010731181019893536, 1.0731181019893536e-05, 1.0, ML),
    _observed("maximal aortic flow", 0.0005763680492202098, 5.763680492202098e-05, 1.0, ML),
    _observed("stroke volume", 0.00011555802894448981, 5.555674468485088e-05, 2.0, ML),
    _observed("mean aortic pressure", 12992.117795909371, 1299.211779590937, 5.0, 1.0 / PA),
    _observed("aortic pulse pressure", 7399.7513168775895, 739.975131687759, 5.0, 1.0 / PA),
    _observed("mean left atrial pressure", 1491.470665656303, 149.1470665656303, 5.0, 1.0 / PA),
)
REDUCTIONS = tuple(
    Reduction(kind, quantity, site)
    for kind, quantity, site in (
        ("mean", "flow", "aortic_conduit"), ("onset", "flow", "aortic_conduit"), ("maximum", "flow", "aortic_conduit"),
        ("maximum", "volume", "lv"), ("minimum", "volume", "lv"),
        ("mean", "pressure", "aortic_root"), ("onset", "pressure", "aortic_root"),
        ("maximum", "pressure", "aortic_root"), ("minimum", "pressure", "aortic_root"),
        ("mean", "pressure", "la"), ("onset", "pressure", "la"),
    )
)  # fmt: skip
_MEAN = (1.0 - 1.0 / SAMPLED, 1.0 / SAMPLED)  # a mean over both beats' samples, in which the onset counts once more
READING = np.zeros((len(OBSERVED), len(REDUCTIONS)))  # what is observed, as sums of reductions
READING[0, 0:2] = READING[3, 5:7] = READING[5, 9:11] = _MEAN
READING[1, 2] = 1.0
READING[2, 3:5] = READING[4, 7:9] = 1.0, -1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Adjusted(System):
    """The loop as a function of the problem's four parameters: its rows are their logarithms, the rest is constant."""

    def read(self, rows: Any) -> dict[str, Any]:
        """All values of the loop at the logarithms of the four parameters in SI units."""
        volume, compliance, active, passive = (jnp.exp(row) for row in rows)
        stored = compliance * AT_REST["aorta"] + PULMONARY * AT_REST["pulmonary"]
        half = 0.5 * compliance * COMPLIANCE
        walls = {f"{site}.{name}": x for site in ("aortic_root", "aorta")
                 for name, x in (("compliance", half), ("impedance", WALL / half))}  # fmt: skip
        return {
            **self.constants, **walls, "stressed_volume": OTHER_VOLUMES + ML * (volume + stored),
            "lv.active_elastance": active * RESISTANCE, "lv.passive_elastance": passive * RESISTANCE,
        }  # fmt: skip


@functools.cache
def system() -> Adjusted:
    """The System of the problem."""
    declared = ThreeCompartments()
    loop = assembled(declared, "three_compartments", "inertial")
    fields = {f.name: getattr(loop, f.name) for f in dataclasses.fields(loop)}
    names = tuple(p.name for p in PARAMETERS)
    values = {q.name: q.value for q in declared.all_quantities().values() if not q.shape}
    return Adjusted(**{**fields, "parameters": Layout(names, ("1",) * len(names)), "constants": values})


def truth() -> np.ndarray:
    """The rows [4, 1] at which the observations were simulated."""
    return np.log([[p.truth] for p in PARAMETERS])


def sampled(loop: System, waves: Waves) -> np.ndarray:
    """The six observations [6, B] as libcuflynx takes them from a beat: extremes and means of its samples."""
    stride = (waves.time.shape[0] - 1) // SAMPLES
    at = lambda rows, index: rows[index, ::stride]  # noqa: E731
    flow = at(waves.flow, loop.branch("aortic_conduit"))
    volume = at(waves.volume, loop.store("lv"))
    root, atrium = at(waves.pressure, loop.store("aortic_root")), at(waves.pressure, loop.store("la"))
    mean = lambda y: (2.0 * np.sum(y[:-1], axis=0) + y[0]) / SAMPLED  # noqa: E731
    return np.stack([mean(flow), flow.max(axis=0), np.ptp(volume, axis=0), mean(root), np.ptp(root, axis=0),
                     mean(atrium)])  # fmt: skip


def cost(readings: np.ndarray) -> np.ndarray:
    """What libcuflynx minimises: the mean over the observations of weight ((reading - value) / sd)^2 / 2, [B]."""
    value, sd, weight = (np.array([getattr(o, name) for o in OBSERVED])[:, None] for name in ("value", "sd", "weight"))
    return np.mean(0.5 * weight * ((readings - value) / sd) ** 2, axis=0)
