"""Values that were never recorded and come back from one that was computed with them.

A charted resistance was computed from two pressures and an output. Where exactly one of these is not in the record, it
follows from the others: SVR 1280 dyn s/cm5 with a mean pressure of 89 mmHg and an output of 5.0 L/min gives back a
right atrial pressure of 89 - 1280 x 5.0 / 80 = 9 mmHg. It is offered (shown, with its rule) and not counted: the value
that it comes from is evidence already, and counting both would count one measurement twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from .codes import info
from .quality import implausible
from .reading import Reading, show

__all__ = ["Recovered", "recovered"]

_IMAGING = ("echo", "cmr", "flow4d")
_PER_RESISTANCE = 0.06  # mmHg/(L/min) in mmHg s/mL
_CHARTED = {"cardiac_output": 0.1}  # L/min: an output written as 5 was charted as 5.0


@dataclass(frozen=True)
class Recovered:
    """A value that follows from recorded ones: in the observable's unit, with the bounds that their rounding leaves.

    `rule` is the sentence that shows how; `problem` says why it cannot be offered, "" where it can.
    """

    observable: str
    value: float
    lower: float
    upper: float
    modality: str
    rule: str
    problem: str = ""


@dataclass(frozen=True)
class _Inverse:
    """`name` from the readings `parts`, the first of which was computed with it."""

    name: str
    parts: tuple[str, ...]
    compute: Callable[..., float]
    words: str
    one_examination: bool = False


def _mean(systolic: float, diastolic: float) -> float:
    return diastolic + (systolic - diastolic) / 3.0


def _downstream(resistance: float, upstream: float, output: float) -> float:
    return upstream - resistance * output / _PER_RESISTANCE


def _upstream(resistance: float, downstream: float, output: float) -> float:
    return downstream + resistance * output / _PER_RESISTANCE


def _output(resistance: float, upstream: float, downstream: float) -> float:
    return _PER_RESISTANCE * (upstream - downstream) / resistance


def _rate(output: float, volume: float) -> float:
    return 1000.0 * output / volume


def _left_over(fraction: float, volume: float) -> float:
    return volume * (1.0 - fraction / 100.0)


_INVERSES = (
    _Inverse("ra_pressure_mean", ("svr", "map", "cardiac_output"), _downstream, "MAP - SVR x CO"),
    _Inverse(
        "ra_pressure_mean", ("svr", "sbp", "dbp", "cardiac_output"),
        lambda resistance, systolic, diastolic, output: _downstream(resistance, _mean(systolic, diastolic), output),
        "(DBP + (SBP - DBP)/3) - SVR x CO",
    ),
    _Inverse("map", ("svr", "ra_pressure_mean", "cardiac_output"), _upstream, "RAP + SVR x CO"),
    _Inverse("cardiac_output", ("svr", "map", "ra_pressure_mean"), _output, "(MAP - RAP)/SVR"),
    _Inverse("pcwp_mean", ("pvr", "pa_pressure_mean", "cardiac_output"), _downstream, "mPAP - PVR x CO"),
    _Inverse("pa_pressure_mean", ("pvr", "pcwp_mean", "cardiac_output"), _upstream, "PCWP + PVR x CO"),
    _Inverse("cardiac_output", ("pvr", "pa_pressure_mean", "pcwp_mean"), _output, "(mPAP - PCWP)/PVR"),
    _Inverse("heart_rate", ("cardiac_output", "stroke_volume"), _rate, "CO/SV", True),
    _Inverse("lv_esv", ("lvef", "lv_edv"), _left_over, "EDV (1 - EF)", True),
    _Inverse("rv_esv", ("rvef", "rv_edv"), _left_over, "EDV (1 - EF)", True),
)  # fmt: skip


def recovered(readings: list[Reading]) -> list[Recovered]:
    """What the record gives back that was never recorded, one value for each observable.

    Nothing is offered for an observable that is recorded in any way, nor where two outputs or pressures would give
    values further apart than rounding explains, because the record does not say which was used.
    """
    present = {one.name for one in readings}
    found: dict[str, Recovered] = {}
    for inverse in _INVERSES:
        if inverse.name in present or inverse.name in found:
            continue
        # the mean by convention is a stand-in for a recorded one only
        if "sbp" in inverse.parts and "map" in present:
            continue
        ways = [way for way in _ways(inverse, readings) if way is not None]
        lowest = min(ways, key=lambda way: way.value, default=None)
        if lowest is not None and all(way.lower <= lowest.upper for way in ways):
            found[inverse.name] = lowest
    return list(found.values())


def _ways(inverse: _Inverse, readings: list[Reading]) -> list[Recovered | None]:
    exact = [[one for one in readings if one.name == part and one.exact] for part in inverse.parts]
    return [_solved(inverse, parts) for parts in itertools.product(*exact)]


def _solved(inverse: _Inverse, parts: tuple[Reading, ...]) -> Recovered | None:
    if inverse.one_examination and not _one_examination(inverse, parts):
        return None
    values = [one.value for one in parts]
    try:
        value = inverse.compute(*values)
        slack = sum(_slope(inverse, values, k) * _digit(one) / 2.0 for k, one in enumerate(parts))
    except ZeroDivisionError:
        return None
    about = info(inverse.name)
    listed = ", ".join(str(one) for one in parts)
    rule = f"{inverse.words} from {listed} gives back {about.label} {show(value)} {about.unit}, which was not recorded"
    problem = implausible(inverse.name, value) or ""
    return Recovered(inverse.name, value, value - slack, value + slack, about.modality, rule, problem)


def _digit(one: Reading) -> float:
    return min(one.resolution, _CHARTED.get(one.name, one.resolution))


def _slope(inverse: _Inverse, values: list[float], k: int) -> float:
    """|d value / d part k| by a central difference of a thousandth."""
    step = 1e-3 * (abs(values[k]) or 1.0)
    up, down = values.copy(), values.copy()
    up[k], down[k] = values[k] + step, values[k] - step
    return abs(inverse.compute(*up) - inverse.compute(*down)) / (2.0 * step)


def _one_examination(inverse: _Inverse, parts: tuple[Reading, ...]) -> bool:
    """Volumes must be of one method; an output over a stroke volume of another examination is no heart rate."""
    ways = {one.modality for one in parts} - {"unspecified"}
    return len(ways) <= 1 and not (inverse.name == "heart_rate" and ways & set(_IMAGING))
