"""Printed rest values and how close a solver must come to them: 1 %, 0.5 mmHg or 1 mL, whichever is more."""

from __future__ import annotations

ABSOLUTE = {"pressure": 0.5, "volume": 1.0}  # mmHg, mL

PRESSURES = {
    "sbp", "dbp", "map", "central_sbp", "central_dbp", "central_map", "ra_pressure_mean", "pcwp_mean", "lv_edp",
    "lv_pressure_max", "lv_pressure_min", "pa_pressure_systolic", "pa_pressure_diastolic", "pa_pressure_mean",
    "rv_pressure_max", "rv_pressure_min", "rv_edp", "ra_pressure_max", "ra_pressure_min", "systemic_venous_mean",
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


def allowed(reading: str, printed: float) -> float:
    """1 % or, for a pressure or a volume, 0.5 mmHg or 1 mL: whichever is more."""
    least = ABSOLUTE["pressure"] if reading in PRESSURES else ABSOLUTE["volume"] if reading in VOLUMES else 0.0
    return max(0.01 * abs(printed), least)
