"""Which readings can stand, and where the record contradicts itself.

A value outside its plausible range, or a pair in impossible order, is quarantined. A contradiction that a bedside
explains (catheters not zeroed together, two methods) keeps its readings and is reported in a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ..core.configs import config_path, load_yaml
from .codes import info
from .derived import computed_values
from .reading import Reading, show

__all__ = ["find_conflicts", "implausible", "impossible_order", "mosteller"]


_ORDER = (
    ("sbp", "dbp"), ("central_sbp", "central_dbp"), ("pa_pressure_systolic", "pa_pressure_diastolic"),
    ("ra_pressure_max", "ra_pressure_min"), ("rv_pressure_max", "rv_pressure_min"), ("lv_edv", "lv_esv"),
    ("rv_edv", "rv_esv"),
)  # fmt: skip
_BETWEEN = (
    ("map", "sbp", "dbp"), ("central_map", "central_sbp", "central_dbp"),
    ("pa_pressure_mean", "pa_pressure_systolic", "pa_pressure_diastolic"),
    ("ra_pressure_mean", "ra_pressure_max", "ra_pressure_min"),
)  # fmt: skip


def implausible(name: str, value: float) -> str | None:
    """Why a value cannot be a patient's, with the allowed range and the fix; None when it can."""
    about = info(name)
    if about.low is None or about.high is None or about.low <= value <= about.high:
        return None
    return (
        f"{about.label} {show(value)} {about.unit} is outside {show(about.low)} to {show(about.high)} {about.unit}: "
        "check the unit, the decimal point and the column"
    )


def impossible_order(readings: list[Reading]) -> dict[int, str]:
    """Rows of readings in impossible order (SBP not above DBP, EDV not above ESV, a mean outside its extremes)."""
    bad: dict[int, str] = {}
    for upper, lower in _ORDER:
        for high, low in _pairs(readings, upper, lower):
            if high.value <= low.value:
                reason = f"{high} is not above {low}: check whether the two are swapped"
                bad[high.row] = bad[low.row] = reason
    for mean, upper, lower in _BETWEEN:
        for middle, high in _pairs(readings, mean, upper):
            for low in (one for one in readings if one.name == lower and one.modality == high.modality):
                if {high.row, low.row, middle.row} & bad.keys() or low.value <= middle.value <= high.value:
                    continue
                bad[middle.row] = f"{middle} is not between {low} and {high}: check the three values"
    return bad


def find_conflicts(readings: list[Reading], covariates: dict[str, Any], recorded_bsa: float | None) -> list[str]:
    """Contradictions among the readings of one patient, one sentence each; the readings stay."""
    found = [*_between_modalities(readings), *_between_sites(readings), *_stroke_volumes(readings)]
    found += _against_formulas(readings, covariates)
    bsa = mosteller(covariates)
    if bsa and recorded_bsa and abs(recorded_bsa / bsa - 1) > 0.1:
        found.append(
            f"The recorded body surface area {recorded_bsa:.2f} m2 is not that of the recorded height and weight "
            f"({bsa:.2f} m2, Mosteller): height and weight are used."
        )
    return found


def mosteller(covariates: dict[str, Any]) -> float | None:
    """Body surface area in m2, sqrt(height[cm] weight[kg] / 3600) (Mosteller 1987, NEJM 317:1098); None if unknown."""
    if "height" not in covariates or "weight" not in covariates:
        return None
    return math.sqrt(covariates["height"] * covariates["weight"] / 3600)


@lru_cache(maxsize=1)
def _rules() -> dict[str, Any]:
    return load_yaml(config_path("codes", "quality.yaml"))


def _named(readings: Iterable[Reading], name: str) -> list[Reading]:
    return [one for one in readings if one.name == name]


def _pairs(readings: list[Reading], first: str, second: str) -> list[tuple[Reading, Reading]]:
    """Readings of two observables taken the same way."""
    return [(a, b) for a in _named(readings, first) for b in _named(readings, second) if a.modality == b.modality]


def _between_modalities(readings: list[Reading]) -> list[str]:
    rule, found = _rules()["modality_difference"], []
    for name in dict.fromkeys(one.name for one in readings):
        same = sorted(_named(readings, name), key=lambda one: one.value)
        if len(same) < 2:
            continue
        low, high, unit = same[0], same[-1], info(name).unit
        gap, floor = high.value - low.value, rule["absolute"].get(unit, 0.0)
        if gap > floor and gap > rule["relative"] * abs(low.value):
            relative = f", {100 * gap / abs(low.value):.0f} % apart" if low.value else ""
            found.append(
                f"{_capital(info(name).label)} is {show(low.value)} {unit} by {low.modality} and {show(high.value)} "
                f"{unit} by {high.modality}{relative}: both are used, each with its own error; none is averaged away."
            )
    return found


def _between_sites(readings: list[Reading]) -> list[str]:
    rules, found = _rules(), []
    checks = (
        ("ra_pressure_min", "rv_pressure_min", "ra_minimum_above_rv_minimum",
         "the traces were not zeroed or not recorded together, and a zero offset of each absorbs it"),
        ("pcwp_mean", "pa_pressure_diastolic", "wedge_above_pa_diastolic",
         "large v waves, an over-wedged balloon or a zero that moved; both are used"),
        ("pa_pressure_systolic", "rv_pressure_max", "pa_systolic_above_rv_systolic",
         "without a moved zero blood would not leave the ventricle; both are used"),
    )  # fmt: skip
    for upper, lower, rule, why in checks:
        for high in _named(readings, upper):
            for low in _named(readings, lower):
                gap = high.value - low.value
                if gap > rules[rule]:
                    found.append(f"{_capital(str(high))} lies {show(gap)} mmHg above {low}: {why}.")
    return found


def _stroke_volumes(readings: list[Reading]) -> list[str]:
    ways = [(one.value, f"recorded ({one.modality})") for one in _named(readings, "stroke_volume")]
    for output in _named(readings, "cardiac_output"):
        ways += [(1000 * output.value / rate.value, f"cardiac output ({output.modality}) / heart rate")
                 for rate in _named(readings, "heart_rate")]  # fmt: skip
    ways += [
        (edv.value - esv.value, f"LV volumes ({edv.modality})") for edv, esv in _pairs(readings, "lv_edv", "lv_esv")
    ]
    if len(ways) < 2:
        return []
    low, high = min(ways), max(ways)
    if high[0] <= (1 + _rules()["stroke_volume_against_output"]) * low[0]:
        return []
    listed = ", ".join(f"{value:.0f} mL from {words}" for value, words in sorted(ways))
    return [f"Stroke volume is {listed}: the sources contradict each other; valves that leak would explain it too."]


def _against_formulas(readings: list[Reading], covariates: dict[str, Any]) -> list[str]:
    rules, found = _rules(), []
    for reading in readings:
        computed = [(formula, value) for formula, value in computed_values(reading, readings, covariates)]
        if reading.name in ("lvef", "rvef"):
            far = [v for _, v in computed if abs(v - reading.value) > rules["ejection_fraction_against_volumes"]]
        elif reading.name in ("svr", "pvr"):
            far = [v for _, v in computed if abs(v - reading.value) > rules["resistance_against_recorded"] * abs(v)]
        else:
            continue
        if computed and len(far) == len(computed):
            found.append(
                f"{_capital(str(reading))} is not the {show(far[0])} that {computed[0][0].words} of the record gives."
            )
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
