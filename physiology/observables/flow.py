"""Output, filling waves, ejection and resistances."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ..observable import ML_PER_LITRE, SECONDS_PER_MINUTE, BeatReadings, observable

NO_ATRIAL_WAVE = 100.0  # E/A of a ventricle that filled and shut its valve before the atrium contracts


@observable("stroke_volume", unit="mL")
def stroke_volume(beat: BeatReadings) -> Any:
    """Net volume through the aortic valve in one beat."""
    return beat.passed("aortic_valve")


@observable("cardiac_output", unit="L/min")
def cardiac_output(beat: BeatReadings) -> Any:
    """Net flow through the aortic valve."""
    return beat.mean_flow * SECONDS_PER_MINUTE / ML_PER_LITRE


@observable("cardiac_index", unit="L/(min.m2)", needs_body=True)
def cardiac_index(beat: BeatReadings) -> Any:
    """Cardiac output per body surface area."""
    return cardiac_output(beat) / beat.body_surface_area


@observable("stroke_volume_index", unit="mL/m2", needs_body=True)
def stroke_volume_index(beat: BeatReadings) -> Any:
    """Stroke volume per body surface area."""
    return stroke_volume(beat) / beat.body_surface_area


@observable("e_wave", unit="mL/s")
def e_wave(beat: BeatReadings) -> Any:
    """Peak early mitral flow: the largest before atrial onset."""
    return beat.maximum("flow", "mitral_valve", (0.0, "atrial_onset"))


@observable("a_wave", unit="mL/s")
def a_wave(beat: BeatReadings) -> Any:
    """Peak atrial mitral flow: the largest from atrial onset on (fused waves: the flow at atrial onset)."""
    return beat.maximum("flow", "mitral_valve", ("atrial_onset", 1.0))


@observable("mv_e_a_ratio", unit="1")
def mv_e_a_ratio(beat: BeatReadings) -> Any:
    """Ratio of early to atrial peak mitral flow; 100 where the atrium adds no wave (less than 1 % of the early one)."""
    early = e_wave(beat)
    return early / jnp.maximum(a_wave(beat), early / NO_ATRIAL_WAVE)


@observable("ejection_time", unit="s")
def ejection_time(beat: BeatReadings) -> Any:
    """Time the aortic valve is open."""
    return beat.open_time("aortic_valve")


@observable("svr", unit="mmHg.s/mL")
def svr(beat: BeatReadings) -> Any:
    """Systemic vascular resistance: (mean arterial - mean right atrial pressure) / flow."""
    return (beat.mean("pressure", "arterial_line") - beat.mean("pressure", "ra")) / beat.mean_flow


@observable("pvr", unit="mmHg.s/mL")
def pvr(beat: BeatReadings) -> Any:
    """Pulmonary vascular resistance: (mean pulmonary arterial - wedge pressure) / flow."""
    return (beat.mean("pressure", "pulmonary_artery") - beat.mean("pressure", "la")) / beat.mean_flow
