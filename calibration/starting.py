"""Starting values of the adult loop from a clinical report; what the report lacks is filled in, and the fit goes on.

A quantity is computed when a reading that bears on it was taken; else it starts at the prior's median.
Source: the nominal parameters of Colunga et al. 2020 (arXiv 1812.11857), worked out for the default loop; the factors
in it are those of the reference adult at rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..records.record import MeasurementSet
from .priors import PatientPrior

__all__ = ["StartingValues", "starting_values"]

# The reference adult at rest (118/74 mmHg, 5.4 L/min), which stands in for a reading that was not taken.
TYPICAL = {"sbp": 118.3, "map": 91.5, "index": 3.09, "ra": 4.0, "wedge": 8.0, "pa_systolic": 22.0, "pa_mean": 14.0}
FORM_FACTOR_ARM, FORM_FACTOR_PA = 0.395, 0.388  # (mean - diastolic) / pulse pressure
EDP_ABOVE_WEDGE, RA_ABOVE_RV_EDP = 1.5, 0.3  # mmHg
FULL_LV, FULL_RV = 5.4, 3.6  # mmHg from mean atrial to end-diastolic pressure across the chamber wall
ROOT_ABOVE_ARM = 1.3  # mmHg of mean pressure
LOWEST_PRESSURE, LEAST_EMPTY, LEAST_EJECTED = 0.5, 0.1, 0.05  # mmHg; shares of EDV that are left and are ejected


class StartingValues(dict[str, float]):
    """Natural starting values by quantity; `notes` says which were brought back into the prior's range."""

    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Report:
    """A report without gaps: mmHg, mL, mL/s; `taken` holds the groups of readings that were really there."""

    flow: float
    sv: float
    sbp: float
    mean: float
    pulse: float | None
    pa_systolic: float
    pa_mean: float
    pa_pulse: float | None
    wedge: float
    ra: float
    edv: float
    esv: float
    rv_edv: float
    rv_esv: float
    taken: frozenset[str]


def starting_values(one: MeasurementSet, prior: PatientPrior) -> StartingValues:
    """Natural values of the free quantities, from a patient's readings and prior, inside the prior's range.

    q = flow, P_sv = RAP + R_sv q: R_s = (MAP - P_sv)/q; C_ao = .973 SV/PP - C_sa; C_pa = .96 SV/PP_pa;
    Z_pa + R_pa = (mPAP - PCWP)/q - R_pv; E = end-systolic pressure/(ESV - V0);
    lambda = ln(1 + filling pressure/P0)/(EDV - V0); the stressed volume is what these pressures and volumes hold.
    """
    medians = prior.medians
    read = _readings(one)
    rate = read.get("heart_rate", medians["heart_rate"])
    report = _without_gaps(read, rate, prior.bsa)
    found = {"heart_rate": rate, **_vessels(report, medians), **_ventricles(report, medians)}
    if report.taken & {"ra", "wedge"}:
        found["stressed_volume"] = _stressed_volume(report, {**medians, **found}, prior.bsa)
    values, notes = StartingValues(), []
    for q in prior.quantities:
        value = found.get(q.name, medians[q.name])
        values[q.name] = min(max(value, q.low), q.high)
        if values[q.name] != value:
            notes.append(
                f"{q.label} starts at {values[q.name]:.3g} {q.unit}, the end of its range, not at {value:.3g}."
            )
    values.notes = tuple(notes)
    return values


def _readings(one: MeasurementSet) -> dict[str, float]:
    """Mean of the counted readings of each observable; an interval at its middle."""
    found: dict[str, list[float]] = {}
    for m in one.measurements:
        ends = [m.value] if m.value is not None else [end for end in (m.lower, m.upper) if end is not None]
        if ends and m.kind != "derived":
            found.setdefault(m.observable, []).append(sum(ends) / len(ends))
    return {name: sum(values) / len(values) for name, values in found.items()}


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _without_gaps(read: Mapping[str, float], rate: float, bsa: float) -> _Report:
    get = read.get
    sv = _stroke_volume(read, rate, bsa)
    mean, pulse = _mean_and_pulse(get("map"), get("sbp"), get("dbp"), FORM_FACTOR_ARM)
    pas = _first(get("pa_pressure_systolic"), get("rv_pressure_max"))
    pa_mean, pa_pulse = _mean_and_pulse(get("pa_pressure_mean"), pas, get("pa_pressure_diastolic"), FORM_FACTOR_PA)
    edp = None if get("lv_edp") is None else read["lv_edp"] - EDP_ABOVE_WEDGE
    wedge = _first(get("pcwp_mean"), edp)
    ra = _right_atrial(read)
    groups = {"output": sv, "arm": mean, "pa": pa_mean, "wedge": wedge, "ra": ra}
    groups |= {"lv": _first(get("lv_edv"), get("lv_esv"), get("lvef")), "pa_systolic": pas}
    groups |= {"rv": _first(get("rv_edv"), get("rv_esv"), get("rvef"))}
    sv = TYPICAL["index"] * bsa * 1000.0 / rate if sv is None else sv
    edv, esv = _volumes(get("lv_edv"), get("lv_esv"), get("lvef"), sv, max(93.0 * bsa - 16.0, sv / 0.65))
    rv_edv, rv_esv = _volumes(get("rv_edv"), get("rv_esv"), get("rvef"), sv, 1.136 * edv)
    mean = TYPICAL["map"] if mean is None else mean
    pa_mean = TYPICAL["pa_mean"] if pa_mean is None else pa_mean
    sbp = get("sbp", mean * TYPICAL["sbp"] / TYPICAL["map"])
    pas = pa_mean * TYPICAL["pa_systolic"] / TYPICAL["pa_mean"] if pas is None else pas
    return _Report(
        sv * rate / 60.0, sv, sbp, mean, pulse, pas, pa_mean, pa_pulse,
        TYPICAL["wedge"] if wedge is None else wedge, TYPICAL["ra"] if ra is None else ra,
        edv, esv, rv_edv, rv_esv, frozenset(name for name, value in groups.items() if value is not None),
    )  # fmt: skip


def _stroke_volume(read: Mapping[str, float], rate: float, bsa: float) -> float | None:
    """From output, stroke volume, their indices, or volumes of the left ventricle, whichever comes first."""
    if "cardiac_output" in read or "cardiac_index" in read:
        return read.get("cardiac_output", read.get("cardiac_index", 0.0) * bsa) * 1000.0 / rate
    if "stroke_volume" in read or "stroke_volume_index" in read:
        return read.get("stroke_volume", read.get("stroke_volume_index", 0.0) * bsa)
    if "lv_edv" in read and ("lv_esv" in read or "lvef" in read):
        return max(read["lv_edv"] - read.get("lv_esv", read["lv_edv"] * (1.0 - read.get("lvef", 0.0) / 100.0)), 1.0)
    return None


def _mean_and_pulse(
    mean: float | None, systolic: float | None, diastolic: float | None, form: float
) -> tuple[float | None, float | None]:
    """(mean, pulse pressure); a mean that was not measured is diastolic + form x pulse."""
    if systolic is None or diastolic is None:
        return mean, None
    pulse = max(systolic - diastolic, 1.0)
    return (diastolic + form * pulse if mean is None else mean), pulse


def _right_atrial(read: Mapping[str, float]) -> float | None:
    if "ra_pressure_mean" in read:
        return read["ra_pressure_mean"]
    if "ra_pressure_max" in read and "ra_pressure_min" in read:
        return (read["ra_pressure_max"] + 2.0 * read["ra_pressure_min"]) / 3.0
    return None if "rv_edp" not in read else read["rv_edp"] + RA_ABOVE_RV_EDP


def _volumes(
    edv: float | None, esv: float | None, ejected: float | None, sv: float, otherwise: float
) -> tuple[float, float]:
    """(EDV, ESV) from what is known of them, the ejection fraction (%) and the stroke volume."""
    left = None if ejected is None else 1.0 - ejected / 100.0
    if edv is None and esv is not None:
        edv = esv + sv if left is None else esv / max(left, LEAST_EMPTY)
    elif edv is None:
        edv = otherwise if left is None else sv / max(1.0 - left, LEAST_EJECTED)
    if esv is None:
        esv = edv - sv if left is None else left * edv
    return edv, min(max(esv, LEAST_EMPTY * edv), (1.0 - LEAST_EJECTED) * edv)


def _vessels(r: _Report, p: Mapping[str, float]) -> dict[str, float]:
    found = {}
    if r.taken & {"arm", "output"}:
        venous = r.ra + p["venous_return.resistance"] * r.flow
        found["systemic.resistance"] = max(r.mean - venous, LOWEST_PRESSURE) / r.flow
    if r.pulse is not None:
        total = 0.973 * r.sv / r.pulse
        found["aorta.compliance"] = max(total - p["systemic_arteries.compliance"], 0.4 * total)
        share = p["aorta.compliance"] / found["aorta.compliance"]
        found["aorta.impedance"] = p["aorta.impedance"] * math.sqrt(share)
    impedance = p["pulmonary_arteries.impedance"]
    if r.pa_pulse is not None:
        found["pulmonary_arteries.compliance"] = 0.96 * r.sv / r.pa_pulse
        impedance *= math.sqrt(p["pulmonary_arteries.compliance"] / found["pulmonary_arteries.compliance"])
        found["pulmonary_arteries.impedance"] = impedance
    if "pa" in r.taken:
        whole = max(r.pa_mean - r.wedge, LOWEST_PRESSURE) / r.flow - p["pulmonary_venous.resistance"]
        whole = max(whole, LOWEST_PRESSURE / r.flow)
        found["pulmonary_arteries.impedance"] = min(impedance, 0.5 * whole)
        found["pulmonary.resistance"] = whole - found["pulmonary_arteries.impedance"]
    return found


def _ventricles(r: _Report, p: Mapping[str, float]) -> dict[str, float]:
    found = {}
    v0, rv_v0 = min(p["lv.unloaded_volume"], 0.5 * r.esv), min(p["rv.unloaded_volume"], 0.5 * r.rv_esv)
    if r.taken & {"output", "lv"}:
        found["lv.unloaded_volume"] = v0
        found["lv.maximal_elastance"] = r.sbp / (r.esv - v0)
    if r.taken & {"output", "rv"} and r.taken & {"pa", "pa_systolic"}:
        found["rv.unloaded_volume"] = rv_v0
        found["rv.maximal_elastance"] = 1.27 * r.pa_systolic / (r.rv_esv - rv_v0)
    if r.taken & {"wedge", "lv"}:
        full = max(r.wedge + FULL_LV, LOWEST_PRESSURE)
        found["lv.passive_exponent"] = math.log1p(full / p["lv.passive_pressure"]) / (r.edv - v0)
    if r.taken & {"ra", "rv"}:
        full = max(r.ra + FULL_RV, LOWEST_PRESSURE)
        found["rv.passive_exponent"] = math.log1p(full / p["rv.passive_pressure"]) / (r.rv_edv - rv_v0)
    return found


def _stressed_volume(r: _Report, p: Mapping[str, float], bsa: float) -> float:
    """Blood that the mean pressures hold in the vessels and that the heart holds on average."""
    venous, outside = r.ra + p["venous_return.resistance"] * r.flow, p["thorax.pressure"]
    pulmonary = r.pa_mean - p["pulmonary_arteries.impedance"] * r.flow - outside
    return (
        p["aorta.compliance"] * (r.mean + ROOT_ABOVE_ARM)
        + p["systemic_arteries.compliance"] * r.mean
        + p["systemic_veins.compliance"] * venous
        + p["pulmonary_arteries.compliance"] * pulmonary
        + p["pulmonary_veins.compliance"] * (r.wedge + p["pulmonary_venous.resistance"] * r.flow - outside)
        + 0.53 * (r.edv + r.esv + r.rv_edv + r.rv_esv)
        + 112.0 * bsa / 1.75
    )
