"""What a right-heart catheter reads on its way: right atrium, right ventricle, pulmonary artery, wedge."""

from __future__ import annotations

from typing import Any

from ..observable import BeatReadings, observable

V_WAVE_FROM = 0.12  # fraction of the cycle: the a wave has passed, the v wave has not begun


@observable("ra_pressure_mean", unit="mmHg")
def ra_pressure_mean(beat: BeatReadings) -> Any:
    """Mean right atrial pressure (central venous pressure)."""
    return beat.mean("pressure", "ra")


@observable("ra_pressure_min", unit="mmHg")
def ra_pressure_min(beat: BeatReadings) -> Any:
    """Smallest right atrial pressure."""
    return beat.minimum("pressure", "ra")


@observable("ra_a_wave", unit="mmHg")
def ra_a_wave(beat: BeatReadings) -> Any:
    """Right atrial a wave: the peak from atrial onset into the first eighth of the next beat."""
    return beat.maximum("pressure", "ra", ("atrial_onset", 1.0 + V_WAVE_FROM))


@observable("ra_v_wave", unit="mmHg")
def ra_v_wave(beat: BeatReadings) -> Any:
    """Right atrial v wave: the peak between the a wave and the next atrial onset."""
    return beat.maximum("pressure", "ra", (V_WAVE_FROM, "atrial_onset"))


@observable("ra_pressure_max", unit="mmHg", larger_of=("ra_a_wave", "ra_v_wave"))
def ra_pressure_max(beat: BeatReadings) -> Any:
    """Largest right atrial pressure: the a or the v wave, whichever is higher."""
    return beat.larger(ra_a_wave(beat), ra_v_wave(beat))


@observable("rv_pressure_max", unit="mmHg")
def rv_pressure_max(beat: BeatReadings) -> Any:
    """Right ventricular systolic pressure."""
    return beat.maximum("pressure", "rv")


@observable("rv_pressure_min", unit="mmHg")
def rv_pressure_min(beat: BeatReadings) -> Any:
    """Right ventricular minimum, reported as diastolic pressure by most catheter laboratories."""
    return beat.minimum("pressure", "rv")


@observable("rv_edp", unit="mmHg")
def rv_edp(beat: BeatReadings) -> Any:
    """Right ventricular end-diastolic pressure (at ventricular onset)."""
    return beat.onset("pressure", "rv")


@observable("pa_pressure_systolic", unit="mmHg")
def pa_pressure_systolic(beat: BeatReadings) -> Any:
    """Pulmonary arterial systolic pressure (root)."""
    return beat.maximum("pressure", "pulmonary_artery")


@observable("pa_pressure_diastolic", unit="mmHg")
def pa_pressure_diastolic(beat: BeatReadings) -> Any:
    """Pulmonary arterial diastolic pressure (root)."""
    return beat.minimum("pressure", "pulmonary_artery")


@observable("pa_pressure_mean", unit="mmHg")
def pa_pressure_mean(beat: BeatReadings) -> Any:
    """Mean pulmonary arterial pressure (root)."""
    return beat.mean("pressure", "pulmonary_artery")


@observable("pcwp_mean", unit="mmHg")
def pcwp_mean(beat: BeatReadings) -> Any:
    """Pulmonary capillary wedge pressure: mean left atrial pressure."""
    return beat.mean("pressure", "la")
