"""A stand-in twin of a woman with pulmonary hypertension, built from the real classes with plausible numbers.

The beat comes from a small closed loop stepped in plain Python, so that the tests of the page need no solver.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np
import xarray as xr

from hemotwin.calibration.twin import CalibratedTwin, Certificate, FitRow, Mode, ObservableRow, QuantityRow
from hemotwin.core.dataset import beat_dataset
from hemotwin.core.status import Status
from hemotwin.physiology.scenario import scenario
from hemotwin.prediction.predict import Prediction, PredictionRow
from hemotwin.records.rows import RowFate

PERIOD = 0.84  # s
SITES = ("lv", "rv", "la", "ra", "aorta", "systemic_arteries", "systemic_veins", "pulmonary_arteries", "pulmonary_veins")
CONDUITS = ("mitral_valve", "aortic_valve", "tricuspid_valve", "pulmonary_valve", "systemic", "pulmonary")

# observable, label, modality, measured, sd, fitted, half width, left out, half width of that, verdict
_FITS = "fits"
_ODD = "fitted, but the rest did not expect it"
_AGAINST = "not fitted: contradicts the rest"
READINGS = [
    ("sbp", "systolic blood pressure", "mmHg", "cuff", 112.0, 8.0, 113.4, 9.1, 124.2, 46.0, _FITS),
    ("dbp", "diastolic blood pressure", "mmHg", "cuff", 76.0, 8.0, 74.9, 6.2, 66.1, 31.0, _FITS),
    ("ra_pressure_max", "right atrial pressure maximum", "mmHg", "catheter", 24.0, 3.0, 23.6, 2.4, 18.8, 12.6, _FITS),
    ("ra_pressure_min", "right atrial pressure minimum", "mmHg", "catheter", 16.0, 3.0, 15.8, 2.1, 13.1, 9.4, _FITS),
    ("rv_pressure_max", "right ventricular systolic pressure", "mmHg", "catheter", 91.0, 5.0, 90.5, 4.4, 92.6, 12.4, _FITS),
    ("rv_pressure_min", "right ventricular minimum pressure", "mmHg", "catheter", 5.0, 5.0, 5.9, 3.8, 8.7, 14.2, _FITS),
    ("pa_pressure_systolic", "pulmonary artery systolic pressure", "mmHg", "catheter", 90.0, 4.0, 89.6, 3.4, 88.1, 10.8, _FITS),
    ("pa_pressure_diastolic", "pulmonary artery diastolic pressure", "mmHg", "catheter", 38.0, 4.0, 38.3, 3.0, 54.9, 15.2, _ODD),
    ("pa_pressure_mean", "mean pulmonary artery pressure", "mmHg", "catheter", 55.0, 3.0, 55.4, 2.6, 57.2, 9.9, _FITS),
    ("pcwp_mean", "pulmonary capillary wedge pressure", "mmHg", "catheter", 5.0, 3.0, 5.3, 2.5, 11.4, 14.0, _FITS),
    ("cardiac_output", "cardiac output", "L/min", "thermodilution", 4.3, 0.5, 4.27, 0.42, 5.36, 2.31, _FITS),
    ("cardiac_output", "cardiac output", "L/min", "fick", 5.92, 0.5, 4.27, 0.42, 4.29, 1.1, _AGAINST),
]  # fmt: skip

# name, symbol, label, unit, kind, prior median, prior sd (of the logarithm, or in the unit), value, contraction
QUANTITIES = [
    ("heart_rate", "HR", "heart rate", "1/min", "lognormal", 77.0, 0.22, 71.4, 0.97),
    ("systemic.resistance", "R_s", "systemic resistance", "mmHg s/mL", "lognormal", 0.90, 0.45, 1.07, 0.31),
    ("pulmonary.resistance", "R_pa", "pulmonary arterial resistance", "mmHg s/mL", "lognormal", 0.0875, 0.95, 0.612, 0.42),
    ("pulmonary_arteries.compliance", "C_pa", "pulmonary arterial compliance", "mL/mmHg", "lognormal", 2.85, 0.7, 0.93, 0.55),
    ("pulmonary_arteries.impedance", "Z_pa", "pulmonary characteristic impedance", "mmHg s/mL", "lognormal", 0.055, 0.7, 0.071, 0.68),
    ("rv.maximal_elastance", "E_rv", "right ventricular maximal elastance", "mmHg/mL", "lognormal", 0.62, 0.55, 1.06, 0.81),
    ("lv.maximal_elastance", "E_lv", "left ventricular maximal elastance", "mmHg/mL", "lognormal", 2.4, 0.45, 2.61, 0.95),
    ("aorta.compliance", "C_ao", "proximal aortic compliance", "mL/mmHg", "lognormal", 1.06, 0.45, 1.31, 0.74),
    ("stressed_volume", "V_str", "total stressed volume", "mL", "lognormal", 1854.0, 0.28, 1702.0, 0.38),
    ("rv.passive_exponent", "lam_rv", "right ventricular passive exponent", "1/mL", "lognormal", 0.0181, 0.3, 0.0178, 0.99),
    ("lv.passive_exponent", "lam_lv", "left ventricular passive exponent", "1/mL", "lognormal", 0.0105, 0.3, 0.0103, 0.98),
    ("ventricles.time_scale", "t_sv", "ventricular systole time scale", "1", "lognormal", 0.943, 0.08, 0.945, 0.99),
    ("thorax.pressure", "P_th", "intrathoracic pressure", "mmHg", "normal", -4.0, 1.5, -3.8, 0.97),
    ("offset.ra", "d_ra", "zero offset of the right atrial readings", "mmHg", "nuisance", 0.0, 4.0, 8.2, 0.62),
    ("offset.rv", "d_rv", "zero offset of the right ventricular readings", "mmHg", "nuisance", 0.0, 2.0, -1.4, 0.83),
]  # fmt: skip

UNMEASURED = [
    ("heart_rate", "heart rate", "1/min", 71.4, 48.0, 108.0), ("stroke_volume", "stroke volume", "mL", 59.8, 38.0, 91.0),
    ("lvef", "left ventricular ejection fraction", "%", 61.0, 47.0, 74.0),
    ("lv_edv", "left ventricular end-diastolic volume", "mL", 98.0, 62.0, 151.0),
    ("rv_edv", "right ventricular end-diastolic volume", "mL", 176.0, 108.0, 281.0),
    ("rvef", "right ventricular ejection fraction", "%", 35.0, 22.0, 52.0),
    ("pvr", "pulmonary vascular resistance", "[wood'U]", 11.7, 9.6, 14.2),
    ("svr", "systemic vascular resistance", "dyn.s/cm5", 1421.0, 1190.0, 1702.0),
    ("rv_stroke_work", "right ventricular stroke work", "J", 0.47, 0.29, 0.73),
    ("mv_e_a_ratio", "mitral E to A ratio", "1", 0.92, 0.41, 2.07), ("ejection_time", "left ventricular ejection time", "s", 0.287, 0.243, 0.341),
]  # fmt: skip


@functools.cache
def beat(pulmonary_resistance: float = 0.75, volume: float = 1200.0) -> xr.Dataset:
    """The steady beat of the small loop: the last of 25 beats, sampled at 241 nodes."""
    steps, kept = 1680, 7
    h = PERIOD / steps
    v, q = [100.0, 150.0, 60.0, 70.0, 110.0, 25.0, 0.0, 52.0, 60.0], [0.0] * 4
    v[6] = volume - sum(v)
    rows: list[tuple[list[float], list[float], list[float]]] = []
    for step in range(25 * steps + 1):
        p = _pressures(v, (step * h) % PERIOD)
        q = _valve_flows(q, p, h)
        around = [(p[4] - p[5]) / 0.03, (p[5] - p[6]) / 1.2, (p[6] - p[3]) / 0.06]
        through = [(p[7] - p[8]) / pulmonary_resistance, (p[8] - p[2]) / 0.02]
        if step >= 24 * steps and step % kept == 0:
            rows.append((p, list(v), [*q, around[1], through[0]]))
        mitral, aortic, tricuspid, pulmonary = q
        change = [mitral - aortic, tricuspid - pulmonary, through[1] - mitral, around[2] - tricuspid, aortic - around[0],
                  around[0] - around[1], around[1] - around[2], pulmonary - through[0], through[0] - through[1]]  # fmt: skip
        v = [a + h * b for a, b in zip(v, change, strict=True)]
    pressure, held, flow = (np.array(part).T for part in zip(*rows, strict=True))
    return beat_dataset(np.linspace(0.0, PERIOD, pressure.shape[1]), pressure, held, flow, SITES, CONDUITS)


def _bump(t: float, onset: float, rise: float, fall: float) -> float:
    t = (t - onset) % PERIOD
    if t < rise:
        return 0.5 - 0.5 * math.cos(math.pi * t / rise)
    return 0.5 + 0.5 * math.cos(math.pi * (t - rise) / fall) if t < rise + fall else 0.0


def _pressures(v: list[float], t: float) -> list[float]:
    """Chambers by time-varying elastance, vessels by compliance (mmHg)."""
    systole, atrial = _bump(t, 0.0, 0.30, 0.16), _bump(t, 0.70, 0.09, 0.09)
    chambers = [(3.6, 0.06, 12.0), (1.9, 0.05, 20.0), (0.30, 0.12, 10.0), (0.22, 0.10, 6.0)]
    drive = (systole, systole, atrial, atrial)
    found = [(low + (high - low) * e) * (v[i] - v0) for i, ((high, low, v0), e) in enumerate(zip(chambers, drive, strict=True))]
    return found + [v[k] / c for k, c in zip(range(4, 9), (1.3, 0.3, 75.0, 0.95, 9.0), strict=True)]


def _valve_flows(q: list[float], p: list[float], h: float) -> list[float]:
    """Inertial orifices that close at once: L dq/dt = dp - R q - B q^2."""
    ends = ((2, 0), (0, 4), (3, 1), (1, 7))
    laws = ((4e-4, 4e-3, 1e-5), (6e-4, 0.02, 1.5e-5), (4e-4, 4e-3, 1e-5), (6e-4, 0.02, 1.5e-5))
    return [max(0.0, now + h / mass * (p[up] - p[down] - r * now - b * now * abs(now)))
            for now, (up, down), (mass, r, b) in zip(q, ends, laws, strict=True)]  # fmt: skip


def fit() -> tuple[FitRow, ...]:
    """Eleven readings that count and a mean computed from two of them that does not."""
    rows = [
        FitRow(name, label, unit, modality, "exact", measured, sd, fitted, fitted - half, fitted + half,
               fitted - measured, out, out - wide, out + wide, True, verdict)
        for name, label, unit, modality, measured, sd, fitted, half, out, wide, verdict in READINGS
    ]  # fmt: skip
    mean = FitRow("map", "mean arterial pressure", "mmHg", "cuff", "derived", 88.0, None, 89.2, None, None, 1.2,
                  None, None, None, False, "derived, not counted")  # fmt: skip
    return (*rows, mean)


def quantities() -> tuple[QuantityRow, ...]:
    """Prior and posterior with 95 % intervals, verdicts by contraction."""
    rows = []
    for name, symbol, label, unit, kind, median, sd, value, contraction in QUANTITIES:
        there, back = (math.log, math.exp) if kind == "lognormal" else (float, float)
        ends = [back(there(median) + s * 1.96 * sd) for s in (-1, 1)] + [
            back(there(value) + s * 1.96 * sd * contraction) for s in (-1, 1)
        ]
        verdict = "informed" if contraction < 0.7 else "partly informed" if contraction < 0.9 else "prior"
        z = (there(value) - there(median)) / sd
        rows.append(QuantityRow(name, symbol, label, unit, kind, median, *ends[:2], value, *ends[2:], contraction, z, verdict))
    return tuple(rows)


def record_rows() -> tuple[RowFate, ...]:
    """The account of the record's rows, one of each fate."""
    used = [RowFate(f"example.csv row {n}", "P2", r[0], f"{r[4]:g}", "mm[Hg]", "used", "") for n, r in enumerate(READINGS, 2)]
    return (
        *used,
        RowFate("example.csv row 14", "P2", "map", "88", "mm[Hg]", "derived", "a function of systolic and diastolic"),
        RowFate("example.csv row 15", "P2", "sbp", "112", "mm[Hg]", "duplicate", "same reading as row 2"),
        RowFate("example.csv row 16", "P2", "heart <rate>", "fast", "", "quarantined", "no number: give beats per minute"),
    )


def modes() -> tuple[Mode, ...]:
    """Two explanations of the right atrial maximum."""
    best = {name: value for name, *_, value, _ in QUANTITIES}
    texts = ("right atrial maximum is the a wave (15.4 mmHg, the other wave 13.9)",
             "right atrial maximum is the v wave (15.6 mmHg, the other wave 14.2)")  # fmt: skip
    return Mode(0.0, 0.71, 6, best, texts[0]), Mode(0.9, 0.29, 2, {**best, "rv.maximal_elastance": 0.92}, texts[1])


def example_twin(**changes: Any) -> CalibratedTwin:
    """The stand-in; `changes` replace fields."""
    twin = CalibratedTwin(
        patient="P2", covariates={"sex": "female", "age": 58.0, "height": 161.0, "weight": 70.0, "bsa": 1.77},
        circulation="adult", version="1", parameters=modes()[0].parameters, fit=fit(), quantities=quantities(),
        modes=modes(), unmeasured=tuple(ObservableRow(*row) for row in UNMEASURED),
        conflicts=(
            "Two methods gave different cardiac outputs: 4.3 L/min (thermodilution) and 5.92 L/min (Fick).",
            "The right atrial pressures need a zero offset of +8.2 mmHg (+3.3 to +13.1) to agree with the rest: check "
            "zero levels and timing of the traces.",
        ),
        assumptions=(
            "Heart rate was not recorded: it is a free quantity with a prior (50 to 118 /min); the data leave it at 47 "
            "to 108 /min.",
            "Intervals are Laplace approximations around each mode, solved again for quantities not measured.",
        ),
        rows=record_rows(),
        certificate=Certificate(0.021, 0.034, 0.018, 3e-11, 2e-10, True,
                                "Numerical errors at 512 steps: pressures within 0.021 mmHg; volumes within 0.034 mL."),
        status=Status.OK,
        provenance={"hemotwin": "0.1.0", "date": "2026-01-05T09:30:00+00:00", "prior": "adult_wide", "noise": "clinical",
                    "record": "example.csv", "record_sha256": "0f" * 32, "seed": 0, "starts": 8, "device": "x86_64 CPU",
                    "precision": "float64", "seconds": {"prepare": 0.2, "fit": 8.1, "leave_out": 3.3}},
        waves=beat(), posterior=xr.Dataset(),
    )  # fmt: skip
    return dataclasses.replace(twin, **changes)


CHANGES = {  # observable: (label, unit, baseline, change) of the two what-ifs
    "sbp": ("systolic blood pressure", "mmHg", 113.4, 1.8, 9.6), "cardiac_output": ("cardiac output", "L/min", 4.27, 0.31, 0.66),
    "pa_pressure_mean": ("mean pulmonary artery pressure", "mmHg", 55.4, -9.8, 6.3),
    "pvr": ("pulmonary vascular resistance", "[wood'U]", 11.7, -3.4, 0.0),
    "rv_pressure_max": ("right ventricular systolic pressure", "mmHg", 90.5, -13.1, 7.4),
    "ra_pressure_mean": ("mean right atrial pressure", "mmHg", 10.6, -0.7, 3.9),
    "ejection_time": ("left ventricular ejection time", "s", 0.287, 0.004, 0.011),
}  # fmt: skip


def example_predictions() -> tuple[Prediction, Prediction]:
    """Inhaled nitric oxide and a fluid bolus, with the beats of the small loop."""
    found = []
    cases = (("inhaled_nitric_oxide", 3, beat(0.525)), ("fluid_bolus", 4, beat(0.75, 1500.0)))
    for name, column, after in cases:
        rows = []
        for observable, entry in CHANGES.items():
            before, change = entry[2], entry[column]
            spread, wide = 0.35 * abs(change) + 0.01 * before, 0.09 * before
            rows.append(PredictionRow(observable, entry[0], entry[1], before, before - wide, before + wide, before + change,
                                      before + change - wide, before + change + wide, change, change - spread, change + spread))
        found.append(Prediction("P2", scenario(name), tuple(rows), 200, 3, Status.OK, 0.03, after, beat(), xr.Dataset()))
    return found[0], found[1]
