"""Which readings are functions of other readings: shown, never counted twice."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .reading import Reading, show

__all__ = ["Formula", "computed_values", "derived_reason", "fits"]

_IMAGING = ("echo", "cmr", "flow4d")


@dataclass(frozen=True)
class Formula:
    """`name` as a function of other readings; it is derived when it agrees within a digit and `relative`.

    `always`: no agreement is asked for. `stroke_volume_by_imaging` keeps CO = SV x HR and SV = CO / HR apart: an imaged
    stroke volume is the evidence and the output follows from it; of any other the output is the evidence.
    """

    name: str
    parts: tuple[str, ...]
    compute: Callable[..., float]
    words: str
    relative: float = 0.0
    always: bool = False
    stroke_volume_by_imaging: bool | None = None


def _mean_pressure(systolic: float, diastolic: float) -> float:
    return diastolic + (systolic - diastolic) / 3


def _resistance(upstream: float, downstream: float, output: float) -> float:
    return 0.06 * (upstream - downstream) / output  # mmHg/(L/min) to mmHg s/mL


def _systemic(systolic: float, diastolic: float, venous: float, output: float) -> float:
    return _resistance(_mean_pressure(systolic, diastolic), venous, output)


def _per_beat(output: float, rate: float) -> float:
    return 1000 * output / rate


def _per_minute(volume: float, rate: float) -> float:
    return volume * rate / 1000


def _ejection_fraction(end_diastolic: float, end_systolic: float) -> float:
    return 100 * (end_diastolic - end_systolic) / end_diastolic


_FORMULAS = (
    Formula("map", ("sbp", "dbp"), _mean_pressure, "DBP + (SBP - DBP)/3"),
    Formula("central_map", ("central_sbp", "central_dbp"), _mean_pressure, "diastolic + a third of the pulse pressure"),
    Formula("lvef", ("lv_edv", "lv_esv"), _ejection_fraction, "(EDV - ESV)/EDV"),
    Formula("rvef", ("rv_edv", "rv_esv"), _ejection_fraction, "(EDV - ESV)/EDV"),
    Formula("stroke_volume", ("lv_edv", "lv_esv"), operator.sub, "EDV - ESV"),
    Formula(
        "stroke_volume", ("cardiac_output", "heart_rate"), _per_beat, "CO/HR", 0.01, stroke_volume_by_imaging=False
    ),
    Formula(
        "cardiac_output", ("stroke_volume", "heart_rate"), _per_minute, "SV x HR", 0.01, stroke_volume_by_imaging=True
    ),
    Formula("cardiac_index", ("cardiac_output", "bsa"), operator.truediv, "CO/BSA", 0.03),
    Formula("stroke_volume_index", ("stroke_volume", "bsa"), operator.truediv, "SV/BSA", 0.03),
    Formula("mv_e_a_ratio", ("e_wave", "a_wave"), operator.truediv, "E/A", 0.01),
    Formula("svr", ("map", "ra_pressure_mean", "cardiac_output"), _resistance, "(MAP - RAP)/CO", always=True),
    Formula("svr", ("sbp", "dbp", "ra_pressure_mean", "cardiac_output"), _systemic, "(MAP - RAP)/CO", always=True),
    Formula("pvr", ("pa_pressure_mean", "pcwp_mean", "cardiac_output"), _resistance, "(mPAP - PCWP)/CO", always=True),
)


def derived_reason(reading: Reading, readings: list[Reading], covariates: dict[str, Any]) -> str | None:
    """The formula that makes this reading a function of other recorded ones; None when it is evidence of its own.

    A mean within its last written digit of DBP + (SBP - DBP)/3 was computed. A resistance is always computed: it is
    derived as soon as all its parts are recorded. A range or word that holds the computed value repeats it, but for a
    mean pressure: by that convention many means are nearly right that were measured. The mean of a recorded signal was
    measured, however near it lies. Parts must be of the reading's own modality where it has one.
    """
    for formula, computed in computed_values(reading, readings, covariates):
        if reading.signal and formula.compute is _mean_pressure:
            continue
        slack = formula.relative * abs(computed)
        if reading.exact:
            same = abs(computed - reading.value) < reading.resolution * (1 - 1e-9) + slack
        else:
            within = reading.least - slack <= computed <= reading.most + slack
            same = within and formula.compute is not _mean_pressure
        if formula.always or same:
            return f"a function of recorded values, {formula.words} = {show(computed)}: shown, not counted"
    return None


def computed_values(
    reading: Reading, readings: list[Reading], covariates: dict[str, Any]
) -> list[tuple[Formula, float]]:
    """Every formula for this reading whose parts are recorded, with each value that they give."""
    values: list[tuple[Formula, float]] = []
    for formula in (one for one in _FORMULAS if one.name == reading.name):
        combinations: list[tuple[float, ...]] = [()]
        for part in formula.parts:
            if part in covariates:
                options = [covariates[part]]
            else:
                options = [
                    one.value for one in readings if one.name == part and one.exact and fits(formula, reading, one)
                ]
            combinations = [(*done, option) for done in combinations for option in options]
        for parts in combinations:
            try:
                values.append((formula, formula.compute(*parts)))
            except ZeroDivisionError:
                continue
    return values


def fits(formula: Formula, reading: Reading, part: Reading) -> bool:
    """Whether this part of a formula can be what the reading was computed from."""
    if part.name not in formula.parts:
        return False
    if formula.always:
        return True
    volume = next((one for one in (reading, part) if one.name == "stroke_volume"), None)
    wanted = formula.stroke_volume_by_imaging
    if wanted is not None and volume is not None and (volume.modality in _IMAGING) is not wanted:
        return False
    # a heart rate belongs to any method; everything else must come from the same one
    return part.name == "heart_rate" or part.modality == reading.modality or reading.modality == "unspecified"
