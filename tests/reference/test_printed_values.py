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
from tests.reference.printed import ADULT, DILATED, HEALTHY, R0, REGAZZONI_A, REGAZZONI_B, allowed

SHORT = {"length": 0.1, "steps": 1600}
PRINTED = {
    "adult": (ADULT, {}), "r0": (R0, SHORT), "regazzoni_2022_a": (REGAZZONI_A, SHORT),
    "regazzoni_2022_b": (REGAZZONI_B, SHORT), "bozkurt_2019_healthy": (HEALTHY, SHORT),
    "bozkurt_2019_dcm": (DILATED, SHORT),
}  # fmt: skip
ROWS = [(name, reading) for name, (printed, _) in PRINTED.items() for reading in printed]


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
