"""Ventricular and atrial volumes, pressures and work."""

from __future__ import annotations

from typing import Any

from ..observable import BeatReadings, observable

PERCENT = 100.0


@observable("lv_edv", unit="mL")
def lv_edv(beat: BeatReadings) -> Any:
    """Left ventricular end-diastolic (largest) volume."""
    return beat.maximum("volume", "lv")


@observable("lv_esv", unit="mL")
def lv_esv(beat: BeatReadings) -> Any:
    """Left ventricular end-systolic (smallest) volume."""
    return beat.minimum("volume", "lv")


@observable("lvef", unit="%")
def lvef(beat: BeatReadings) -> Any:
    """Left ventricular ejection fraction from volumes."""
    return PERCENT * (1.0 - beat.minimum("volume", "lv") / beat.maximum("volume", "lv"))


@observable("rv_edv", unit="mL")
def rv_edv(beat: BeatReadings) -> Any:
    """Right ventricular end-diastolic (largest) volume."""
    return beat.maximum("volume", "rv")


@observable("rv_esv", unit="mL")
def rv_esv(beat: BeatReadings) -> Any:
    """Right ventricular end-systolic (smallest) volume."""
    return beat.minimum("volume", "rv")


@observable("rvef", unit="%")
def rvef(beat: BeatReadings) -> Any:
    """Right ventricular ejection fraction from volumes."""
    return PERCENT * (1.0 - beat.minimum("volume", "rv") / beat.maximum("volume", "rv"))


@observable("la_volume_max", unit="mL")
def la_volume_max(beat: BeatReadings) -> Any:
    """Largest left atrial volume."""
    return beat.maximum("volume", "la")


@observable("ra_volume_max", unit="mL")
def ra_volume_max(beat: BeatReadings) -> Any:
    """Largest right atrial volume."""
    return beat.maximum("volume", "ra")


@observable("lv_pressure_max", unit="mmHg")
def lv_pressure_max(beat: BeatReadings) -> Any:
    """Left ventricular systolic pressure (cavity)."""
    return beat.maximum("pressure", "lv")


@observable("lv_edp", unit="mmHg")
def lv_edp(beat: BeatReadings) -> Any:
    """Left ventricular end-diastolic pressure (at ventricular onset)."""
    return beat.onset("pressure", "lv")


@observable("lv_dpdt_max", unit="mmHg/s")
def lv_dpdt_max(beat: BeatReadings) -> Any:
    """Steepest rise of left ventricular pressure."""
    return beat.steepest_rise("lv")


@observable("lv_stroke_work", unit="mmHg.mL")
def lv_stroke_work(beat: BeatReadings) -> Any:
    """Area of the left ventricular pressure-volume loop."""
    return beat.work("lv")


@observable("rv_stroke_work", unit="mmHg.mL")
def rv_stroke_work(beat: BeatReadings) -> Any:
    """Area of the right ventricular pressure-volume loop."""
    return beat.work("rv")
