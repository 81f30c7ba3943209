"""Systemic arterial pressure, at the arm and at the root of the aorta."""

from __future__ import annotations

from typing import Any

from ..observable import BeatReadings, observable


@observable("sbp", unit="mmHg")
def sbp(beat: BeatReadings) -> Any:
    """Systolic arterial pressure (cuff or arterial line)."""
    return beat.maximum("pressure", "arterial_line")


@observable("dbp", unit="mmHg")
def dbp(beat: BeatReadings) -> Any:
    """Diastolic arterial pressure (cuff or arterial line)."""
    return beat.minimum("pressure", "arterial_line")


@observable("map", unit="mmHg")
def mean_arterial(beat: BeatReadings) -> Any:
    """Mean arterial pressure (cuff or arterial line)."""
    return beat.mean("pressure", "arterial_line")


@observable("central_sbp", unit="mmHg")
def central_sbp(beat: BeatReadings) -> Any:
    """Systolic pressure in the aortic root."""
    return beat.maximum("pressure", "aortic_root")


@observable("central_dbp", unit="mmHg")
def central_dbp(beat: BeatReadings) -> Any:
    """Diastolic pressure in the aortic root."""
    return beat.minimum("pressure", "aortic_root")


@observable("central_map", unit="mmHg")
def central_map(beat: BeatReadings) -> Any:
    """Mean pressure in the aortic root."""
    return beat.mean("pressure", "aortic_root")


@observable("heart_rate", unit="1/min")
def heart_rate(beat: BeatReadings) -> Any:
    """Heart rate."""
    return beat.heart_rate
