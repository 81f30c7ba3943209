"""The published or recorded rest values of every circulation, within 1 % or 0.5 mmHg or 1 mL.

Published algebraic valves are approached by inertial ones with a blood column of 0.1 cm at 1,600 steps. Sources:
Regazzoni et al. 2022, doi 10.1016/j.jcp.2022.111083 (the published parameters, integrated with a Runge-Kutta step of
1e-5 to 1e-4 s); Bozkurt 2019, doi 10.1371/journal.pone.0224663 (the paper's own table, to its last digit); `adult` and
`r0` were integrated with 16,000 and 8,600 Runge-Kutta steps per beat, apart from this code.
"""

from __future__ import annotations

import math

import pytest

from tests.problems import Solved, solved

SHORT = {"length": 0.1, "steps": 1600}
ABSOLUTE = {"pressure": 0.5, "volume": 1.0}  # mmHg, mL

PRESSURES = {
    "sbp", "dbp", "map", "central_sbp", "central_dbp", "central_map", "ra_pressure_mean", "pcwp_mean", "lv_edp",
    "lv_pressure_max", "lv_pressure_min", "pa_pressure_systolic", "pa_pressure_diastolic", "pa_pressure_mean",
    "rv_pressure_max", "systemic_venous_mean",
}  # fmt: skip
VOLUMES = {
    "lv_edv", "lv_esv", "rv_edv", "rv_esv", "stroke_volume", "la_volume_max", "la_volume_min", "ra_volume_max",
    "ra_volume_min",
}  # fmt: skip
ADULT = {
    "sbp": 118.3, "dbp": 74.2, "map": 91.5, "central_sbp": 109.8, "central_dbp": 75.3, "central_map": 92.8,
    "cardiac_output": 5.41, "lv_edv": 131.9, "lv_esv": 54.6, "lv_pressure_max": 110.0, "lv_edp": 9.9, "pcwp_mean": 8.0,
    "ra_pressure_mean": 3.99, "pa_pressure_systolic": 22.0, "pa_pressure_diastolic": 9.0, "pa_pressure_mean": 14.0,
    "rv_edv": 150.2, "rv_esv": 72.9, "mv_e_a_ratio": 1.52, "e_wave": 458.0, "a_wave": 302.0, "lv_dpdt_max": 1531.0,
    "aortic_flow_max": 461.0,
}  # fmt: skip
R0 = {
    "sbp": 117.9, "dbp": 74.0, "map": 97.2, "central_sbp": 122.3, "central_dbp": 74.7, "central_map": 100.8,
    "cardiac_output": 5.40, "lv_edv": 132.1, "lv_esv": 55.0, "lvef": 58.4, "lv_edp": 9.2, "pcwp_mean": 7.9,
    "ra_pressure_mean": 4.0, "pa_pressure_systolic": 21.8, "pa_pressure_diastolic": 9.2, "pa_pressure_mean": 14.6,
    "rv_edv": 150.1, "rv_esv": 72.9, "rv_pressure_max": 23.2, "lv_dpdt_max": 1563.0, "la_volume_max": 67.8,
    "la_volume_min": 30.2, "ra_volume_max": 71.0, "ra_volume_min": 39.0,
}  # fmt: skip
REGAZZONI_A = {
    "lv_edv": 158.8, "lv_esv": 82.0, "stroke_volume": 76.8, "lvef": 48.0, "cardiac_output": 5.76, "sbp": 143.6,
    "dbp": 92.0, "map": 117.5, "pa_pressure_systolic": 31.2, "pa_pressure_diastolic": 25.3, "pa_pressure_mean": 27.7,
    "ra_pressure_mean": 6.2, "pcwp_mean": 21.3, "systemic_venous_mean": 36.9, "rv_edv": 144.7, "rv_esv": 67.9,
}  # fmt: skip
REGAZZONI_B = {
    "lv_edv": 124.2, "lv_esv": 48.8, "stroke_volume": 75.4, "lvef": 60.7, "cardiac_output": 5.43, "sbp": 125.5,
    "dbp": 78.2, "map": 102.0, "pa_pressure_systolic": 40.5, "pa_pressure_diastolic": 34.5, "pa_pressure_mean": 37.5,
    "ra_pressure_mean": 6.4, "pcwp_mean": 8.2, "rv_edv": 153.2, "rv_esv": 77.8,
}  # fmt: skip
HEALTHY = {"lv_edv": 125.0, "stroke_volume": 66.4, "lvef": 53.6, "rvef": 49.6, "map": 97.8, "pa_pressure_mean": 26.5}
DILATED = {"lv_edv": 173.0, "lvef": 23.7, "cardiac_output": 3.04, "map": 92.4}

PRINTED = {
    "adult": (ADULT, {}), "r0": (R0, SHORT), "regazzoni_2022_a": (REGAZZONI_A, SHORT),
    "regazzoni_2022_b": (REGAZZONI_B, SHORT), "bozkurt_2019_healthy": (HEALTHY, SHORT),
    "bozkurt_2019_dcm": (DILATED, SHORT),
}  # fmt: skip
ROWS = [(name, reading) for name, (printed, _) in PRINTED.items() for reading in printed]


def allowed(reading: str, printed: float) -> float:
    """1 % or, for a pressure or a volume, 0.5 mmHg or 1 mL: whichever is more."""
    least = ABSOLUTE["pressure"] if reading in PRESSURES else ABSOLUTE["volume"] if reading in VOLUMES else 0.0
    return max(0.01 * abs(printed), least)


def beat(name: str) -> Solved:
    return solved(name, **PRINTED[name][1])


@pytest.mark.parametrize("name", PRINTED)
def test_the_steady_beat_is_reached(name: str):
    assert beat(name).steady.status[0] == 0
    assert beat(name).steady.residual[0] <= 1e-9


@pytest.mark.parametrize(("name", "reading"), ROWS)
def test_the_printed_value_is_reproduced(name: str, reading: str):
    printed = PRINTED[name][0][reading]
    assert beat(name).readings[reading] == pytest.approx(printed, abs=allowed(reading, printed))


def lv_diameter(volume: float, sphericity: float, long_axis: float = 8.0) -> float:
    """Bozkurt's left ventricle: V = (2/3) pi K r^2 l; the diameter 2 r in cm."""
    return 2.0 * math.sqrt(volume / (2.0 / 3.0 * math.pi * sphericity * long_axis))


def rv_diameter(volume: float, sphericity: float, long_axis: float = 8.0) -> float:
    """Bozkurt's right ventricle: V = (1/3) pi K r^2 l; his diameter is r, in cm."""
    return math.sqrt(volume / (1.0 / 3.0 * math.pi * sphericity * long_axis))


def test_healthy_diameters_follow_from_the_volumes():
    read = beat("bozkurt_2019_healthy").readings
    assert lv_diameter(read["lv_edv"], 1.15) == pytest.approx(5.08, rel=0.01)
    assert lv_diameter(read["lv_esv"], 1.15) == pytest.approx(3.48, rel=0.01)
    assert rv_diameter(read["rv_edv"], 1.75) == pytest.approx(3.02, rel=0.01)


def test_dilated_diameters_follow_from_the_volumes():
    read = beat("bozkurt_2019_dcm").readings
    assert lv_diameter(read["lv_edv"], 0.95) == pytest.approx(6.60, rel=0.01)
    assert lv_diameter(read["lv_esv"], 0.95) == pytest.approx(5.77, rel=0.01)
