"""Synthetic recovery: patients drawn from a prior, records made of them with the noise of readings, and calibrated.

Do the 95 % intervals that a twin gives hold the truth in 95 % of the draws? Both priors, three kinds of record: a cuff
with a heart rate; the same with an echo (volumes and filling waves); a right-heart catheter as in Colunga 2023 with a
heart rate. Zero errors of the traces are drawn as well. Sex, age and body surface are known and vary. Truths and noise
fill their distributions evenly (Latin hypercube), so that so few patients tell coverage from luck.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from bars import Bars
from scipy.stats import norm, qmc

import hemotwin as ht
from hemotwin.calibration.fit import DRAWS
from hemotwin.calibration.lanes import Cohort, prepare, run_lanes
from hemotwin.calibration.likelihood import load_noise
from hemotwin.calibration.posterior import LaplacePosterior, modes_of
from hemotwin.calibration.priors import PatientPrior, Prior, load_prior
from hemotwin.calibration.readings import observe
from hemotwin.calibration.rows import quantity_rows, span
from hemotwin.calibration.sampling import Sampled, sampled
from hemotwin.core.registry import look_up
from hemotwin.engine.precision import double
from hemotwin.physiology.model import Model
from hemotwin.records.codes import observables
from hemotwin.records.record import Measurement, MeasurementSet

SEED, STARTS, BARE = 128, 3, 4000  # bare Laplace draws of z per patient, for the intervals beside a twin's
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
BANDS = {"adult_wide": (30.0, 80.0), "adult_healthy": (25.0, 65.0)}  # years of age


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
                found = _recovered(model, truth, name, channels, rng)
            _report(bars, f"{name}.{kind}", truth.priors[0].names, found)
            of_draws(bars, f"{name}.{kind}", found.drawn)
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
    size = len(priors[0].names)
    z = np.concatenate([evenly(size, count, rng), rng.standard_normal((size, more - count))], axis=1)
    theta = np.stack([p.centre + p.factor @ z[:, k] for k, p in enumerate(priors)], axis=1)
    columns = []
    for k, one in enumerate(priors):
        values = {**model.values, **one.fixed, **one.values(theta[:, k])}
        columns.append(model.system.parameters.pack({n: values[n] for n in model.values})[:, 0])
    areas = np.array([c["bsa"] for c in covariates])
    found = observe(model, np.stack(columns, axis=1), None, areas, model.steps)
    sound = np.flatnonzero(found.sound)[:count]
    return Truth([covariates[k] for k in sound], [priors[k] for k in sound], theta[:, sound],
                 {n: found.of(n)[sound] for n in found.names})  # fmt: skip


def evenly(size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Normal draws [size, count] whose every row has one of the `count` equally likely values of each.

    Latin hypercube: McKay, Beckman and Conover 1979, Technometrics 21:239-245, doi 10.1080/00401706.1979.10489755.
    """
    return norm.ppf(qmc.LatinHypercube(size, rng=rng).random(count)).T


def records_of(truth: Truth, prior: Prior, channels: dict[str, str], rng: np.random.Generator) -> list[MeasurementSet]:
    """Every patient's record."""
    errors = evenly(len(channels), len(truth.priors), rng)
    return [record_of(truth, prior, k, channels, error) for k, error in enumerate(errors.T)]


def record_of(truth: Truth, prior: Prior, k: int, channels: dict[str, str], errors: np.ndarray) -> MeasurementSet:
    """Patient k's record: readings, zero errors and noise of so many sds, as the calibration takes it to be."""
    noise, names = load_noise("clinical"), truth.priors[k].names
    rows = []
    for (name, modality), error in zip(channels.items(), errors, strict=True):
        true = float(truth.readings[name][k])
        offset = prior.offset_of(name)
        true += float(truth.theta[names.index(offset), k]) if offset in names else 0.0
        value = float(noise.rule(name, modality).scale.shifted(true, float(error)))
        unit = observables()[name].unit
        rows.append(Measurement(f"S{k}", name, value, unit, modality=modality, origin="synthetic"))
    return MeasurementSet(f"S{k}", truth.covariates[k], tuple(rows))


@dataclass(frozen=True)
class Recovered:
    """Whether the 95 % interval of each quantity holds its truth [N, B], with the draws of a twin and with Laplace's;
    fits that failed; posterior over prior sd [N, B]; the draws themselves."""

    inside: np.ndarray
    laplace: np.ndarray
    unsolved: int
    width: np.ndarray
    drawn: list[Sampled]


def _recovered(model: Model, truth: Truth, name: str, channels: dict[str, str], rng: np.random.Generator) -> Recovered:
    prior = load_prior(name)
    sets = records_of(truth, prior, channels, rng)
    cohort = prepare(model, sets, prior, load_noise("clinical"), None)
    posteriors, drawn = fitted(cohort, model, rng)
    names = cohort.problem.names
    inside = np.zeros((len(names), len(sets)), dtype=bool)
    laplace, width = inside.copy(), np.full(inside.shape, np.nan)
    for k, one in drawn.items():
        rows = quantity_rows(cohort, k, posteriors[k].z[0], one.draws, one.weighted)
        values = dict(zip(truth.priors[k].names, truth.theta[:, k], strict=True))
        factor, centre = cohort.data.factor[:, :, k], cohort.data.centre[:, k]
        bare = span(centre[:, None] + factor @ posteriors[k].draws(BARE, rng)[0])
        for n, q in enumerate(rows):
            true = np.exp(values[q.name]) if cohort.problem.logarithmic[n] else values[q.name]
            inside[n, k], width[n, k] = q.low <= true <= q.high, q.contraction
            laplace[n, k] = bare[0, n] <= values[q.name] <= bare[1, n]
    order = [names.index(n) for n in truth.priors[0].names]
    return Recovered(inside[order], laplace[order], len(sets) - len(drawn), width[order], list(drawn.values()))


def fitted(
    cohort: Cohort, model: Model, rng: np.random.Generator
) -> tuple[dict[int, LaplacePosterior], dict[int, Sampled]]:
    """Posteriors from the recipe's start, the prior's centre and random ones (the first starts of `calibrate`), and as
    many draws as a twin keeps, by patient; those whose fits all failed are in neither."""
    count, names = len(cohort.sets), len(cohort.problem.names)
    z = rng.standard_normal((names, count, STARTS))
    for k in range(count):
        z[:, k, 0] = np.clip(cohort.whitened(k, cohort.recipes[k]), -3.0, 3.0)
        z[:, k, 1] = 0.0
    lanes = np.repeat(np.arange(count), STARTS)
    method = look_up("method", "gauss_newton")
    ends = run_lanes(method, cohort, cohort.data.take(lanes), z.reshape(names, -1), model.steps)
    mine = [slice(k * STARTS, (k + 1) * STARTS) for k in range(count)]
    found = [modes_of(ends.z[:, s], ends.objective[s], ends.hessian[:, :, s], ends.status[s] == 0) for s in mine]
    posteriors = {k: one for k, one in enumerate(found) if one is not None}
    return posteriors, sampled(cohort, model, posteriors, ends, DRAWS, rng.spawn(count), model.steps)


def of_draws(bars: Bars, name: str, drawn: list[Sampled]) -> None:
    """What the draws of one kind of record are worth."""
    k = np.array([one.weighted.k for one in drawn])
    share = np.array([one.weighted.effective / len(one.weighted.weight) for one in drawn])
    bars.figure(f"{name}.pareto_k", float(np.median(k)), f"median; largest {k.max():.2f}")
    bars.figure(f"{name}.effective", float(np.median(share)), f"median share of the draws; least {share.min():.2f}")
    bad = sum(not one.weighted.reliable for one in drawn)
    more = sum(one.weighted.rounds > 1 for one in drawn)
    bars.figure(f"{name}.unreliable", float(bad), f"of {len(drawn)} patients; {more} took a proposal after the first")
    bars.figure(f"{name}.failed_draws", float(sum(one.weighted.failed for one in drawn)), "draws without a steady beat")


def _report(bars: Bars, name: str, names: tuple[str, ...], found: Recovered) -> None:
    """Coverage over all quantities (the bar) and by quantity, as far as so many draws can tell."""
    inside = found.inside
    bars.between(f"{name}.coverage", float(inside.mean()), LOW, HIGH)
    bars.figure(f"{name}.coverage_of_bare_laplace", float(found.laplace.mean()), "nominal 0.95")
    by_name = {n: float(inside[k].mean()) for k, n in enumerate(names)}
    worst, best = min(by_name, key=by_name.get), max(by_name, key=by_name.get)  # type: ignore[arg-type]
    print(f"  least covered {worst} {by_name[worst]:.3f}, most {best} {by_name[best]:.3f}")
    bars.figure(f"{name}.least_covered_quantity", by_name[worst], worst)
    bars.figure(f"{name}.quantities_within_bar", float(np.sum([LOW <= v <= HIGH for v in by_name.values()])),
                f"of {len(by_name)}")  # fmt: skip
    bars.most(f"{name}.fits_failed", float(found.unsolved), 0.0)
    ratio = np.nanmedian(found.width, axis=1)
    bars.tables[name] = {
        n: {"coverage": by_name[n], "posterior_over_prior_sd": float(ratio[k])} for k, n in enumerate(names)
    }


if __name__ == "__main__":
    sys.exit(main())
