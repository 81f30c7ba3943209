"""Synthetic recovery: patients drawn from a prior, records made of them with the noise of readings, and calibrated.

Do the 95 % intervals hold the truth in 95 % of the draws? Both priors, three kinds of record: a cuff with a heart
rate; the same with an echo (volumes and filling waves); a right-heart catheter as in Colunga 2023 with a heart rate.
Zero errors of the traces are drawn as well. Sex, age and body surface are known and vary.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from bars import Bars

import hemotwin as ht
from hemotwin.calibration.lanes import Cohort, prepare, run_lanes
from hemotwin.calibration.likelihood import load_noise
from hemotwin.calibration.posterior import LaplacePosterior, modes_of
from hemotwin.calibration.priors import PatientPrior, Prior, load_prior
from hemotwin.calibration.rows import quantity_rows
from hemotwin.calibration.summary import observe
from hemotwin.core.registry import look_up
from hemotwin.engine.precision import double
from hemotwin.physiology.model import Model
from hemotwin.records.codes import observables
from hemotwin.records.record import Measurement, MeasurementSet

SEED, STARTS, DRAWS = 128, 3, 4000  # draws of z per patient, for the ends of its intervals
LOW, HIGH = 0.90, 0.98
CUFF = {"sbp": "cuff", "dbp": "cuff", "heart_rate": "monitor"}
ECHO = dict.fromkeys(("lv_edv", "lv_esv", "e_wave", "a_wave"), "echo")
CATHETER = dict.fromkeys(
    ("pa_pressure_systolic", "pa_pressure_diastolic", "pa_pressure_mean", "pcwp_mean", "rv_pressure_max",
     "rv_pressure_min", "ra_pressure_max", "ra_pressure_min"), "catheter",
)  # fmt: skip
RECORDS = {
    "cuff": CUFF,
    "cuff_and_echo": {**CUFF, **ECHO},
    "catheter": {**CUFF, **CATHETER, "cardiac_output": "thermodilution"},
}
BANDS = {"adult_healthy": (25.0, 65.0), "adult_wide": (30.0, 80.0)}  # years of age


@dataclass(frozen=True)
class Truth:
    """What the synthetic patients are: covariates, prior, values of theta [N, B] and readings by name [B]."""

    covariates: list[dict[str, Any]]
    priors: list[PatientPrior]
    theta: np.ndarray
    readings: dict[str, np.ndarray]


def main() -> int:
    """Run the benchmark; 1 when a bar is missed."""
    bars = Bars("recovery", __doc__ or "")
    count, model = 24 if bars.quick else 128, ht.circulation("adult")
    for name in BANDS:
        rng = np.random.default_rng([SEED, len(name)])
        with double():
            truth = drawn_patients(model, load_prior(name), name, count, rng)
        for kind, channels in RECORDS.items():
            began = time.perf_counter()
            with double():
                inside, unsolved, width = _recovered(model, truth, name, channels, rng)
            _report(bars, f"{name}.{kind}", truth.priors[0].names, inside, unsolved, width)
            bars.figure(f"{name}.{kind}.seconds", time.perf_counter() - began, "s, compiling included")
    return bars.finish()


def drawn_patients(model: Model, prior: Prior, name: str, count: int, rng: np.random.Generator) -> Truth:
    """Patients with a steady beat, drawn from the prior; a draw without one is replaced."""
    more = count + 8
    covariates = [
        {"sex": "male" if k % 2 else "female", "age": float(rng.uniform(*BANDS[name])),
         "bsa": float((1.95 if k % 2 else 1.72) * np.exp(0.1 * rng.standard_normal()))}
        for k in range(more)
    ]  # fmt: skip
    priors = [prior.for_patient(c) for c in covariates]
    theta = np.stack([p.centre + p.factor @ rng.standard_normal(len(p.names)) for p in priors], axis=1)
    columns = []
    for k, one in enumerate(priors):
        values = {**model.values, **one.fixed, **one.values(theta[:, k])}
        columns.append(model.system.parameters.pack({n: values[n] for n in model.values})[:, 0])
    areas = np.array([c["bsa"] for c in covariates])
    found = observe(model, np.stack(columns, axis=1), None, areas, model.steps)
    sound = np.flatnonzero(found.sound)[:count]
    return Truth([covariates[k] for k in sound], [priors[k] for k in sound], theta[:, sound],
                 {n: found.of(n)[sound] for n in found.names})  # fmt: skip


def record_of(truth: Truth, prior: Prior, k: int, channels: dict[str, str], rng: np.random.Generator) -> MeasurementSet:
    """Patient k's record: reading + zero error + noise."""
    noise, names = load_noise("clinical"), truth.priors[k].names
    rows = []
    for name, modality in channels.items():
        true = float(truth.readings[name][k])
        offset = prior.offset_of(name)
        true += float(truth.theta[names.index(offset), k]) if offset in names else 0.0
        exact = Measurement(f"S{k}", name, true, observables()[name].unit, modality=modality, origin="synthetic")
        value = true + noise.sd(exact) * float(rng.standard_normal())
        rows.append(Measurement(f"S{k}", name, value, exact.unit, modality=modality, origin="synthetic"))
    return MeasurementSet(f"S{k}", truth.covariates[k], tuple(rows))


def _recovered(
    model: Model, truth: Truth, name: str, channels: dict[str, str], rng: np.random.Generator
) -> tuple[np.ndarray, int, np.ndarray]:
    """Whether each quantity's interval holds its truth [N, B], fits that failed, and posterior over prior sd [N, B]."""
    prior = load_prior(name)
    sets = [record_of(truth, prior, k, channels, rng) for k in range(len(truth.priors))]
    cohort = prepare(model, sets, prior, load_noise("clinical"), None)
    posteriors = fitted(cohort, model, rng)
    inside = np.zeros((len(cohort.problem.names), len(sets)), dtype=bool)
    width = np.full(inside.shape, np.nan)
    for k, posterior in enumerate(posteriors):
        if posterior is None:
            continue
        rows = quantity_rows(cohort, k, posterior, posterior.draws(DRAWS, rng)[0])
        values = dict(zip(truth.priors[k].names, truth.theta[:, k], strict=True))
        logarithmic = dict(zip(cohort.problem.names, cohort.problem.logarithmic, strict=True))
        for n, q in enumerate(rows):
            true = np.exp(values[q.name]) if logarithmic[q.name] else values[q.name]
            inside[n, k], width[n, k] = q.low <= true <= q.high, q.contraction
    order = [cohort.problem.names.index(n) for n in truth.priors[0].names]
    return inside[order], sum(p is None for p in posteriors), width[order]


def fitted(cohort: Cohort, model: Model, rng: np.random.Generator) -> list[LaplacePosterior | None]:
    """Posteriors from the recipe's start, the prior's centre and random ones: the first starts of `calibrate`."""
    count, names = len(cohort.sets), len(cohort.problem.names)
    z = rng.standard_normal((names, count, STARTS))
    for k in range(count):
        z[:, k, 0] = np.clip(cohort.whitened(k, cohort.recipes[k]), -3.0, 3.0)
        z[:, k, 1] = 0.0
    lanes = np.repeat(np.arange(count), STARTS)
    method = look_up("method", "gauss_newton")
    ends = run_lanes(method, cohort, cohort.data.take(lanes), z.reshape(names, -1), model.steps)
    mine = [slice(k * STARTS, (k + 1) * STARTS) for k in range(count)]
    return [modes_of(ends.z[:, s], ends.objective[s], ends.hessian[:, :, s], ends.status[s] == 0) for s in mine]


def _report(
    bars: Bars, name: str, names: tuple[str, ...], inside: np.ndarray, unsolved: int, width: np.ndarray
) -> None:
    """Coverage over all quantities (the bar) and by quantity, as far as so many draws can tell."""
    bars.between(f"{name}.coverage", float(inside.mean()), LOW, HIGH)
    by_name = {n: float(inside[k].mean()) for k, n in enumerate(names)}
    worst, best = min(by_name, key=by_name.get), max(by_name, key=by_name.get)  # type: ignore[arg-type]
    print(f"  least covered {worst} {by_name[worst]:.3f}, most {best} {by_name[best]:.3f}")
    bars.figure(f"{name}.least_covered_quantity", by_name[worst], worst)
    bars.figure(f"{name}.quantities_within_bar", float(np.sum([LOW <= v <= HIGH for v in by_name.values()])),
                f"of {len(by_name)}")  # fmt: skip
    bars.most(f"{name}.fits_failed", float(unsolved), 0.0)
    ratio = np.nanmedian(width, axis=1)
    bars.tables[name] = {
        n: {"coverage": by_name[n], "posterior_over_prior_sd": float(ratio[k])} for k, n in enumerate(names)
    }


if __name__ == "__main__":
    sys.exit(main())
