"""Rows of a twin that people read: fit, quantities, modes, unmeasured readings, conflicts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.units import convert
from ..records.codes import observables
from ..records.reading import show
from ..records.record import Measurement
from .draws import Weighted
from .lanes import Cohort
from .leave_out import COVERED, LeftOut
from .noise_scale import NoiseScale
from .posterior import LaplacePosterior
from .sampling import Sampled
from .twin import FitRow, Mode, ObservableRow, QuantityRow

__all__ = [
    "at_the_edge",
    "conflict_sentences",
    "fit_rows",
    "mode_rows",
    "quantity_rows",
    "reading_labels",
    "span",
    "unmeasured_rows",
]

INFORMED, PARTLY = 0.7, 0.9  # posterior sd over prior sd below which a quantity is informed, or partly informed
CONTRADICTED = 2.0  # noise sds between a fitted and a measured value from which on they contradict each other
OFFSET_CONFLICT = 3.0  # mmHg of zero offset beyond which a contradiction is reported
SHOWN_AT_EDGE = {  # observable: (unit for the conversion, unit as people write it)
    "svr": ("dyn.s/cm5", "dyn s/cm5"), "pvr": ("[wood'U]", "Wood units"), "lv_stroke_work": ("J", "J"),
    "rv_stroke_work": ("J", "J"), "cardiac_index": ("L/(min.m2)", "L/min/m2"),
}  # fmt: skip


def reading_labels() -> dict[str, str]:
    """What people call each observable, in the order in which they expect them."""
    return {name: about.label for name, about in observables().items()}


def at_the_edge(name: str) -> tuple[str, float]:
    """(unit shown to people, factor from the unit inside) of an observable."""
    inside = observables()[name].unit
    shown = SHOWN_AT_EDGE.get(name)
    return (inside, 1.0) if shown is None else (shown[1], convert(1.0, inside, shown[0]))


def span(draws: np.ndarray, share: float = 0.95) -> np.ndarray:
    """Both ends [2, ..] of the central interval of draws (last axis) that holds at least this share of the posterior.

    "At least" as far as so many draws can tell: between the order statistics of rank r and n + 1 - r lies a share whose
    mean is c = (n + 1 - 2 r) / (n + 1) and whose variance is c (1 - c) / (n + 2); c is taken one sd above what is asked
    for (c - sd = share: Wilson's upper limit, with z = 1). 400 draws: .960 for .95.

    Wilks 1941, Ann Math Stat 12:91-96, doi 10.1214/aoms/1177731788; Wilson 1927, J Am Stat Assoc 22:209-212, doi
    10.1080/01621459.1927.10502953; the order statistic of rank p (n + 1): Hyndman and Fan 1996, Am Stat 50:361-365,
    definition 6.
    """
    weight = 1.0 / (draws.shape[-1] + 2)
    content = (share + 0.5 * weight + np.sqrt(weight * share * (1.0 - share) + 0.25 * weight**2)) / (1.0 + weight)
    return np.percentile(draws, [50.0 * (1.0 - content), 50.0 * (1.0 + content)], axis=-1, method="weibull")


def quantity_rows(
    cohort: Cohort, k: int, best: np.ndarray, z: np.ndarray, weighted: Weighted
) -> tuple[QuantityRow, ...]:
    """Prior against posterior of every free quantity of patient k, in whitened parameters.

    best [N]: the best mode; z [N, draws] that were kept, for the intervals; weighted: all draws, of which those are a
    resample, for the contraction.
    """
    data, problem, prior = cohort.data, cohort.problem, cohort.priors[k]
    factor, centre = data.factor[:, :, k], data.centre[:, k]
    theta = centre[:, None] + factor @ z
    mode = centre + factor @ best
    prior_sd = np.sqrt(np.diag(factor @ factor.T))
    sd = weighted.spreads(factor)
    about = {q.name: q for q in prior.quantities}
    rows = []
    for n, name in enumerate(problem.names):
        natural = np.exp if problem.logarithmic[n] else (lambda x: x)
        ratio = float(sd[n] / prior_sd[n])
        verdict = "informed" if ratio < INFORMED else "partly informed" if ratio < PARTLY else "prior"
        low, high = span(theta[n])
        q = about[name]
        rows.append(QuantityRow(
            name, q.symbol, q.label, q.unit, q.kind, float(natural(centre[n])),
            float(natural(centre[n] - COVERED * prior_sd[n])), float(natural(centre[n] + COVERED * prior_sd[n])),
            float(natural(mode[n])), float(natural(low)), float(natural(high)), ratio,
            float((mode[n] - centre[n]) / prior_sd[n]), verdict,
        ))  # fmt: skip
    return tuple(rows)


def fit_rows(
    cohort: Cohort, k: int, drawn: Sampled, fits: Any, lane: int, left: dict[int, LeftOut]
) -> tuple[FitRow, ...]:
    """One row per reading of patient k, derived ones included; intervals of fitted readings are those of the draws."""
    rows, readings = [], drawn.readings
    for c, m in cohort.used[k].items():
        unit, scale = at_the_edge(m.observable)
        noise, fitted = cohort.noise(c, k), float(fits.reading[c, lane])
        fitted_low, fitted_high = _fitted_span(cohort, k, c, drawn)
        out = left.get(c)
        lower, upper = _ends(m)
        verdict = _verdict(lower, upper, fitted, noise, out)
        measured, low, high = _measured(m, scale)
        away, away_low, away_high = (
            (None,) * 3 if out is None else (scale * out.value, scale * out.low, scale * out.high)
        )
        rows.append(FitRow(
            m.observable, observables()[m.observable].label, unit, m.modality, m.kind, measured, scale * noise.sd,
            scale * fitted, scale * fitted_low, scale * fitted_high,
            scale * _outside(lower, upper, fitted), away, away_low, away_high, True, verdict, origin=m.origin,
            time=m.time, lower=low, upper=high,
        ))  # fmt: skip
    for m in cohort.sets[k].measurements:
        known = m.value is not None or m.lower is not None or m.upper is not None
        if not m.counted and known and m.observable in readings.names:
            unit, scale = at_the_edge(m.observable)
            fitted = float(readings.of(m.observable)[0])
            measured, low, high = _measured(m, scale)
            rows.append(FitRow(
                m.observable, observables()[m.observable].label, unit, m.modality, m.kind, measured, None,
                scale * fitted, None, None, scale * _outside(*_ends(m), fitted), None, None, None, False,
                f"{m.kind}, not counted", origin=m.origin, time=m.time, lower=low, upper=high,
            ))  # fmt: skip
    order = list(observables())
    return tuple(sorted(rows, key=lambda r: (not r.counted, order.index(r.observable))))


def _fitted_span(cohort: Cohort, k: int, c: int, drawn: Sampled) -> tuple[float, float]:
    """95 % interval of one reading over the draws, as its instrument shows it: zero error included; NaN without any."""
    values, offset = drawn.readings.of(cohort.channels[c][0]), cohort.problem.offsets[c]
    if offset >= 0:
        n = len(cohort.problem.free) + offset
        values = values + cohort.data.centre[n, k] + cohort.data.factor[n, :, k] @ drawn.z
    sound = values[drawn.modes :][drawn.readings.sound[drawn.modes :]]
    low, high = span(sound) if len(sound) else (math.nan, math.nan)
    return float(low), float(high)


def _ends(m: Measurement) -> tuple[float, float]:
    """The smallest and the largest number that a reading allows; one number twice."""
    if m.value is not None:
        return m.value, m.value
    return -math.inf if m.lower is None else m.lower, math.inf if m.upper is None else m.upper


def _measured(m: Measurement, scale: float) -> tuple[float | None, float | None, float | None]:
    """(number, lower, upper) in the unit shown; of a number no bounds, of a range no number."""
    if m.value is not None:
        return scale * m.value, None, None
    return None, None if m.lower is None else scale * m.lower, None if m.upper is None else scale * m.upper


def _outside(lower: float, upper: float, fitted: float) -> float:
    """How far a fitted value lies above (or, negative, below) what was measured; 0 within a range."""
    return fitted - min(max(fitted, lower), upper)


def _verdict(lower: float, upper: float, fitted: float, noise: NoiseScale, out: LeftOut | None) -> str:
    if abs(noise(fitted) - noise(min(max(fitted, lower), upper))) > CONTRADICTED:
        return "not fitted: contradicts the rest"
    if out is not None and not (out.low <= upper and lower <= out.high):
        return "fitted, but the rest did not expect it"
    return "fits"


def mode_rows(cohort: Cohort, posterior: LaplacePosterior, drawn: Sampled) -> tuple[Mode, ...]:
    """The kept modes, each with what sets it apart and the weight of the draws that lie nearer to it than to others."""
    rows, parameters, readings = cohort.problem.rows, drawn.parameters, drawn.readings
    nearer = np.argmax(posterior.log_shares(drawn.weighted.z), axis=0)
    weight = [float(drawn.weighted.weight[nearer == m].sum()) for m in range(len(posterior.weight))]
    found = []
    for m in range(len(posterior.weight)):
        values = {n: float(parameters[r, m]) for n, r in zip(cohort.problem.free, rows, strict=True)}
        a, v = float(readings.of("ra_a_wave")[m]), float(readings.of("ra_v_wave")[m])
        wave = "a wave" if a > v else "v wave"
        text = f"right atrial maximum is the {wave} ({max(a, v):.1f} mmHg, the other wave {min(a, v):.1f})"
        nats = float(posterior.objective[m] - posterior.objective[0])
        found.append(Mode(nats, weight[m], int(posterior.starts[m]), values, text))
    return tuple(found)


def unmeasured_rows(cohort: Cohort, k: int, readings: Any, modes: int) -> tuple[ObservableRow, ...]:
    """Every observable that patient k's record lacks, with its interval over the sound posterior draws."""
    measured = {m.observable for m in cohort.sets[k].measurements}
    sound = np.flatnonzero(readings.sound[modes:]) + modes
    found = []
    for name, about in observables().items():
        if name in measured or name not in readings.names or not len(sound):
            continue
        if name in ("cardiac_index", "stroke_volume_index") and "bsa" not in cohort.sets[k].covariates:
            continue
        unit, scale = at_the_edge(name)
        values = scale * readings.of(name)
        low, high = span(values[sound])
        found.append(ObservableRow(name, about.label, unit, float(values[0]), float(low), float(high)))
    return tuple(found)


def conflict_sentences(quantities: tuple[QuantityRow, ...], fit: tuple[FitRow, ...]) -> tuple[str, ...]:
    """Contradictions that the fit had to absorb: zero offsets beyond 3 mmHg and values beyond two noise sds."""
    found = []
    chambers = {"offset.ra": "right atrial", "offset.rv": "right ventricular"}
    for q in quantities:
        if q.kind == "nuisance" and abs(q.value) > OFFSET_CONFLICT:
            found.append(
                f"The {chambers.get(q.name, q.name)} pressures need a zero offset of {q.value:+.1f} mmHg "
                f"({q.low:+.1f} to {q.high:+.1f}) to agree with the rest: check zero levels and timing of the traces."
            )
    for r in fit:
        if r.counted and r.verdict.startswith("not fitted"):
            found.append(
                f"{r.label} was recorded as {show(r.shown)} {r.unit}, but the rest leads to {r.fitted:.4g} {r.unit}."
            )
    return tuple(found)
