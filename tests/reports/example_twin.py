"""A stand-in twin of a woman with pulmonary hypertension, built from the real classes with plausible numbers.

Its beat is that of a small closed loop (`small_loop.py`), so that the tests of the page need no solver.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import xarray as xr

from hemotwin.calibration.twin import (
    CalibratedTwin,
    Certificate,
    FitRow,
    Mode,
    ObservableRow,
    QuantityRow,
    Sampling,
)
from hemotwin.core.status import Status
from hemotwin.physiology.scenario import scenario
from hemotwin.prediction.predict import Prediction, PredictionRow
from hemotwin.records.rows import RowFate
from tests.reports.small_loop import beat

VERDICTS = {
    "fits": "fits",
    "surprise": "fitted, but the rest did not expect it",
    "conflict": "not fitted: contradicts the rest",
}

# observable, label, unit, modality; measured, sd, fitted, half width, left out, half width of that; verdict
_READINGS = """
sbp | systolic blood pressure | mmHg | cuff | 112 8 113.4 9.1 124.2 46 | fits
dbp | diastolic blood pressure | mmHg | cuff | 76 8 74.9 6.2 66.1 31 | fits
ra_pressure_max | right atrial pressure maximum | mmHg | catheter | 24 3 23.6 2.4 18.8 12.6 | fits
ra_pressure_min | right atrial pressure minimum | mmHg | catheter | 16 3 15.8 2.1 13.1 9.4 | fits
rv_pressure_max | right ventricular systolic pressure | mmHg | catheter | 91 5 90.5 4.4 92.6 12.4 | fits
rv_pressure_min | right ventricular minimum pressure | mmHg | catheter | 5 5 5.9 3.8 8.7 14.2 | fits
pa_pressure_systolic | pulmonary artery systolic pressure | mmHg | catheter | 90 4 89.6 3.4 88.1 10.8 | fits
pa_pressure_diastolic | pulmonary artery diastolic pressure | mmHg | catheter | 38 4 38.3 3 54.9 15.2 | surprise
pa_pressure_mean | mean pulmonary artery pressure | mmHg | catheter | 55 3 55.4 2.6 57.2 9.9 | fits
pcwp_mean | pulmonary capillary wedge pressure | mmHg | catheter | 5 3 5.3 2.5 11.4 14 | fits
cardiac_output | cardiac output | L/min | thermodilution | 4.3 0.5 4.27 0.42 5.36 2.31 | fits
cardiac_output | cardiac output | L/min | fick | 5.92 0.5 4.27 0.42 4.29 1.1 | conflict
"""

# name, symbol, label, unit, kind; prior median, prior sd (of the logarithm, or in the unit), value, contraction
_QUANTITIES = """
heart_rate | HR | heart rate | 1/min | lognormal | 77 0.22 71.4 0.97
systemic.resistance | R_s | systemic resistance | mmHg s/mL | lognormal | 0.9 0.45 1.07 0.31
pulmonary.resistance | R_pa | pulmonary arterial resistance | mmHg s/mL | lognormal | 0.0875 0.95 0.612 0.42
pulmonary_arteries.compliance | C_pa | pulmonary arterial compliance | mL/mmHg | lognormal | 2.85 0.7 0.93 0.55
pulmonary_arteries.impedance | Z_pa | pulmonary characteristic impedance | mmHg s/mL | lognormal | 0.055 0.7 0.071 0.68
rv.maximal_elastance | E_rv | right ventricular maximal elastance | mmHg/mL | lognormal | 0.62 0.55 1.06 0.81
lv.maximal_elastance | E_lv | left ventricular maximal elastance | mmHg/mL | lognormal | 2.4 0.45 2.61 0.95
aorta.compliance | C_ao | proximal aortic compliance | mL/mmHg | lognormal | 1.06 0.45 1.31 0.74
stressed_volume | V_str | total stressed volume | mL | lognormal | 1854 0.28 1702 0.38
rv.passive_exponent | lam_rv | right ventricular passive exponent | 1/mL | lognormal | 0.0181 0.3 0.0178 0.99
lv.passive_exponent | lam_lv | left ventricular passive exponent | 1/mL | lognormal | 0.0105 0.3 0.0103 0.98
ventricles.time_scale | t_sv | ventricular systole time scale | 1 | lognormal | 0.943 0.08 0.945 0.99
thorax.pressure | P_th | intrathoracic pressure | mmHg | normal | -4 1.5 -3.8 0.97
offset.ra | d_ra | zero offset of the right atrial readings | mmHg | nuisance | 0 4 8.2 0.62
offset.rv | d_rv | zero offset of the right ventricular readings | mmHg | nuisance | 0 2 -1.4 0.83
"""

# observable, label, unit; value, low, high
_UNMEASURED = """
heart_rate | heart rate | 1/min | 71.4 48 108
stroke_volume | stroke volume | mL | 59.8 38 91
lvef | left ventricular ejection fraction | % | 61 47 74
lv_edv | left ventricular end-diastolic volume | mL | 98 62 151
rv_edv | right ventricular end-diastolic volume | mL | 176 108 281
rvef | right ventricular ejection fraction | % | 35 22 52
pvr | pulmonary vascular resistance | [wood'U] | 11.7 9.6 14.2
svr | systemic vascular resistance | dyn.s/cm5 | 1421 1190 1702
rv_stroke_work | right ventricular stroke work | J | 0.47 0.29 0.73
mv_e_a_ratio | mitral E to A ratio | 1 | 0.92 0.41 2.07
ejection_time | left ventricular ejection time | s | 0.287 0.243 0.341
"""


def _rows(text: str) -> list[list[Any]]:
    """Lines of fields split by bars; a field of numbers alone becomes those numbers."""
    found = []
    for line in text.strip().splitlines():
        row: list[Any] = []
        for part in (part.strip() for part in line.split("|")):
            numbers = [word for word in part.split() if word.strip("-.0123456789") == ""]
            row += [float(word) for word in numbers] if len(numbers) == len(part.split()) > 1 else [part]
        found.append(row)
    return found


READINGS, QUANTITIES, UNMEASURED = _rows(_READINGS), _rows(_QUANTITIES), _rows(_UNMEASURED)


def fit() -> tuple[FitRow, ...]:
    """Twelve readings that count and a mean computed from two of them that does not."""
    rows = []
    for number, reading in enumerate(READINGS, 2):
        name, label, unit, modality, measured, sd, fitted, half, out, wide, verdict = reading
        twin = (fitted, fitted - half, fitted + half, fitted - measured, out, out - wide, out + wide)
        place = {"origin": f"example.csv row {number}", "time": "2024-03-01"}
        rows.append(FitRow(name, label, unit, modality, "exact", measured, sd, *twin, True, VERDICTS[verdict], **place))
    twin = (89.2, None, None, 1.2, None, None, None)
    label = "mean arterial pressure"
    mean = FitRow("map", label, "mmHg", "cuff", "derived", 88.0, None, *twin, False, "derived, not counted",
                  origin="example.csv row 14")  # fmt: skip
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
        prior, now = (median, *ends[:2]), (value, *ends[2:])
        rows.append(QuantityRow(name, symbol, label, unit, kind, *prior, *now, contraction, z, verdict))
    return tuple(rows)


def record_rows() -> tuple[RowFate, ...]:
    """The account of the record's rows, one of each fate."""
    used = [
        RowFate(f"example.csv row {n}", "P2", r[0], f"{r[4]:g}", r[2], "used", "") for n, r in enumerate(READINGS, 2)
    ]
    return (
        *used,
        RowFate("example.csv row 14", "P2", "map", "88", "mm[Hg]", "derived", "a function of systolic and diastolic"),
        RowFate("example.csv row 15", "P2", "sbp", "112", "mm[Hg]", "duplicate", "same reading as row 2"),
        RowFate(
            "example.csv row 16", "P2", "heart <rate>", "fast", "", "quarantined", "no number: give beats per minute"
        ),
    )


def modes() -> tuple[Mode, ...]:
    """Two explanations of the right atrial maximum."""
    best = {name: value for name, *_, value, _ in QUANTITIES}
    texts = (
        "right atrial maximum is the a wave (15.4 mmHg, the other wave 13.9)",
        "right atrial maximum is the v wave (15.6 mmHg, the other wave 14.2)",
    )
    return Mode(0.0, 0.71, 6, best, texts[0]), Mode(0.9, 0.29, 2, {**best, "rv.maximal_elastance": 0.92}, texts[1])


CERTIFICATE = Certificate(
    0.021, 0.034, 0.018, 3e-11, 2e-10, True,
    "Numerical errors at 512 steps: pressures within 0.021 mmHg; volumes within 0.034 mL.",
)  # fmt: skip


def example_twin(**changes: Any) -> CalibratedTwin:
    """The stand-in; `changes` replace fields."""
    twin = CalibratedTwin(
        patient="P2",
        covariates={"sex": "female", "age": 58.0, "height": 161.0, "weight": 70.0, "bsa": 1.77},
        circulation="adult",
        version="1",
        parameters=modes()[0].parameters,
        fit=fit(),
        quantities=quantities(),
        modes=modes(),
        unmeasured=tuple(ObservableRow(*row) for row in UNMEASURED),
        conflicts=(
            "Two methods gave different cardiac outputs: 4.3 L/min (thermodilution) and 5.92 L/min (Fick).",
            "The right atrial pressures need a zero offset of +8.2 mmHg (+3.3 to +13.1) to agree with the rest: check "
            "zero levels and timing of the traces.",
        ),
        assumptions=(
            "Heart rate was not recorded: it is a free quantity with a prior (50 to 118 /min); the data leave it at 47 "
            "to 108 /min.",
        ),
        rows=record_rows(),
        certificate=CERTIFICATE,
        status=Status.OK,
        provenance={
            "hemotwin": "0.1.0",
            "date": "2026-01-05T09:30:00+00:00",
            "prior": "adult_wide",
            "noise": "clinical",
            "record": "example.csv",
            "record_sha256": "0f" * 32,
            "seed": 0,
            "starts": 8,
            "device": "x86_64 CPU",
            "precision": "float64",
            "seconds": {"prepare": 0.2, "fit": 8.1, "leave_out": 3.3},
        },
        waves=beat(),
        posterior=xr.Dataset(),
        sampling=Sampling(
            "importance-resampled Laplace",
            800,
            3,
            412.0,
            0.41,
            1,
            True,
            "Intervals are those of draws weighted by the data and the prior after they were solved (importance-"
            "resampled Laplace): 412 of 800 are effective, Pareto k 0.41; 3 had no steady beat and weigh nothing.",
        ),
    )
    return dataclasses.replace(twin, **changes)


# observable, label, unit; baseline, change by nitric oxide, change by the bolus
_CHANGES = """
sbp | systolic blood pressure | mmHg | 113.4 1.8 9.6
cardiac_output | cardiac output | L/min | 4.27 0.31 0.66
pa_pressure_mean | mean pulmonary artery pressure | mmHg | 55.4 -9.8 6.3
pvr | pulmonary vascular resistance | [wood'U] | 11.7 -3.4 0
rv_pressure_max | right ventricular systolic pressure | mmHg | 90.5 -13.1 7.4
ra_pressure_mean | mean right atrial pressure | mmHg | 10.6 -0.7 3.9
ejection_time | left ventricular ejection time | s | 0.287 0.004 0.011
"""


def example_predictions() -> tuple[Prediction, Prediction]:
    """Inhaled nitric oxide and a fluid bolus, with the beats of the small loop."""
    found = []
    cases = (("inhaled_nitric_oxide", 4, beat(0.525)), ("fluid_bolus", 5, beat(0.75, 1500.0)))
    for name, column, after in cases:
        rows = []
        for row in _rows(_CHANGES):
            base, change = row[3], row[column]
            spread, wide = 0.35 * abs(change) + 0.01 * base, 0.09 * base
            spans = [(v, v - w, v + w) for v, w in ((base, wide), (base + change, wide), (change, spread))]
            rows.append(PredictionRow(*row[:3], *spans[0], *spans[1], *spans[2]))
        one = Prediction("P2", scenario(name), tuple(rows), 200, 3, Status.OK, CERTIFICATE, after, beat(), xr.Dataset())
        found.append(one)
    return found[0], found[1]
