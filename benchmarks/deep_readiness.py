"""Deep readiness held to calibrations: are quantities that it calls identified recovered, and is its advice sound?

Patients are drawn from a prior and records made of them with the noise of readings, as in recovery.py: a cuff with a
heart rate; the same with an echo; a right-heart catheter with a heart rate. From each record the expectation is worked
out without a fit; then the record is calibrated and the truth looked for in the 90 % intervals of the quantities that
were called identified. Beside that: expected against actual contraction, and for the cuff the best next reading taken
and fitted, its bits against those that were promised.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from typing import Any

import numpy as np
from bars import Bars
from recovery import BANDS, RECORDS, Truth, drawn_patients, fitted, of_draws, record_of, records_of

import hemotwin as ht
from hemotwin.calibration.expected_information import expected_information
from hemotwin.calibration.lanes import Cohort, prepare
from hemotwin.calibration.likelihood import load_noise
from hemotwin.calibration.posterior import LaplacePosterior
from hemotwin.calibration.priors import Prior, load_prior
from hemotwin.calibration.rows import INFORMED, span
from hemotwin.calibration.sampling import Sampled
from hemotwin.engine.precision import double
from hemotwin.physiology.model import Model
from hemotwin.records.needs import examinations
from hemotwin.records.readiness_expected import IDENTIFIED, Expectation
from hemotwin.records.record import MeasurementSet

SEED, BARE = 512, 4000  # bare Laplace draws of z per patient, for the intervals beside a twin's
RECOVERED = 0.90  # share of patients in whom an identified quantity lies in its interval of this probability
FIFTY, WITHIN = 50, 60.0  # patients, and seconds for them once compiled
Posteriors = tuple[dict[int, LaplacePosterior], dict[int, Sampled]]


def main() -> int:
    """Run the benchmark; 1 when a bar is missed."""
    bars = Bars("deep_readiness", __doc__ or "")
    count, model = 16 if bars.quick else 256, ht.circulation("adult")
    found: list[np.ndarray] = []  # of every identified quantity: whether it was recovered by the twin, and by Laplace
    for name in ("adult_wide",) if bars.quick else BANDS:
        rng, prior = np.random.default_rng([SEED, len(name)]), load_prior(name)
        with double():
            truth = drawn_patients(model, prior, name, count, rng)
        for kind, channels in RECORDS.items():
            sets = records_of(truth, prior, channels, rng)
            expected = expected_information(model, sets, prior=name)
            cohort, posteriors = _calibrated(model, sets, prior, rng)
            found.append(_recovered(bars, f"{name}.{kind}", truth, expected, cohort, posteriors, rng))
            if kind == "cuff":
                _advice(bars, f"{name}.{kind}", model, prior, truth, sets, expected, posteriors, rng)
            if kind == "catheter" and name == "adult_wide":
                _speed(bars, model, sets)
    recovered, bare = np.concatenate(found, axis=1).mean(axis=1)
    bars.least("identified_recovered", float(recovered), RECOVERED)
    bars.figure("identified_recovered_by_bare_laplace", float(bare), "nominal 0.9")
    return bars.finish()


def _calibrated(
    model: Model, sets: list[MeasurementSet], prior: Prior, rng: np.random.Generator
) -> tuple[Cohort, Posteriors]:
    """The posteriors that calibrations of these records end with."""
    with double():
        cohort = prepare(model, sets, prior, load_noise("clinical"), None)
        return cohort, fitted(cohort, model, rng)


def _recovered(
    bars: Bars, name: str, truth: Truth, expected: Expectation, cohort: Cohort, posteriors: Posteriors,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Whether the 90 % interval of each identified quantity holds its truth, with a twin's draws and with Laplace's
    [2, ..]; bars of one kind of record."""
    names, (modes, drawn) = cohort.problem.free, posteriors
    shape = (len(names), len(cohort.sets))
    called, inside, actual = np.zeros(shape, bool), np.zeros(shape, bool), np.full(shape, np.nan)
    bare, ratio = inside.copy(), np.array([[q.contraction for q in one.quantities] for one in expected.patients]).T
    for k, one in enumerate(expected.patients):
        called[:, k] = [q.verdict == IDENTIFIED for q in one.quantities]
        if k not in drawn:
            continue
        factor, centre = cohort.data.factor[:, :, k], cohort.data.centre[:, k]
        own = dict(zip(truth.priors[k].names, truth.theta[:, k], strict=True))
        true = np.array([own[n] for n in names])
        for held, z in ((inside, drawn[k].draws), (bare, modes[k].draws(BARE, rng)[0])):
            low, high = span(centre[:, None] + factor @ z, RECOVERED)
            held[:, k] = (low[: len(names)] <= true) & (true <= high[: len(names)])
        actual[:, k] = (drawn[k].weighted.spreads(factor) / np.linalg.norm(factor, axis=1))[: len(names)]
    bars.least(f"{name}.identified_recovered", float(inside[called].mean()), RECOVERED)
    bars.figure(f"{name}.identified_recovered_by_bare_laplace", float(bare[called].mean()), "nominal 0.9")
    bars.figure(f"{name}.identified_calls", float(called.sum()), f"of {called.size} quantities of {shape[1]} patients")
    bars.figure(f"{name}.others_recovered", float(inside[~called].mean()), "nominal 0.9")
    of_draws(bars, name, list(drawn.values()))
    off = np.abs(ratio - actual)
    bars.figure(f"{name}.contraction_off", float(np.nanmean(off)), "mean |expected - actual posterior over prior sd|")
    agreed = (ratio < INFORMED) == (actual < INFORMED)
    bars.figure(f"{name}.verdict_of_the_twin", float(agreed.mean()), "share of verdicts that the twin gives too")
    bars.tables[name] = {
        n: {"called_identified": int(called[k].sum()), "recovered": float(inside[k][called[k]].mean()),
            "expected": float(ratio[k].mean()), "actual": float(np.nanmean(actual[k]))}
        for k, n in enumerate(names) if called[k].any()
    }  # fmt: skip
    for n, row in bars.tables[name].items():
        print(f"  {n:32s} identified in {row['called_identified']:3d}, recovered {row['recovered']:.3f}, "
              f"expected {row['expected']:.2f}, actual {row['actual']:.2f}")  # fmt: skip
    return np.stack([inside[called], bare[called]])


def _advice(
    bars: Bars, name: str, model: Model, prior: Prior, truth: Truth, sets: list[MeasurementSet],
    expected: Expectation, before: Posteriors, rng: np.random.Generator,
) -> None:  # fmt: skip
    """The best next reading taken and fitted: bits gained against bits promised, means over the patients."""
    more = []
    for k, one in enumerate(sets):
        step = expected.patients[k].readings[0]
        by = {step.name: examinations()[step.examination].modality}
        (taken,) = record_of(truth, prior, k, by, rng.standard_normal(1)).measurements
        more.append(dataclasses.replace(one, measurements=(*one.measurements, taken)))
    cohort, after = _calibrated(model, more, prior, rng)
    free = len(cohort.problem.free)
    gained = [
        0.5 * (_log_det(before[1][k], free) - _log_det(after[1][k], free)) / np.log(2.0)
        for k in before[1] if k in after[1]
    ]  # fmt: skip
    promised = float(np.mean([one.readings[0].gain for one in expected.patients]))
    bars.figure(f"{name}.next_reading_promised", promised, "bits")
    bars.figure(f"{name}.next_reading_gained", float(np.mean(gained)), "bits")


def _log_det(drawn: Sampled, free: int) -> Any:
    return np.linalg.slogdet(drawn.weighted.covariance[:free, :free])[1]


def _speed(bars: Bars, model: Model, sets: list[MeasurementSet]) -> None:
    """Seconds for fifty catheter records once compiled."""
    fifty = [dataclasses.replace(sets[k % len(sets)], patient=f"T{k}") for k in range(FIFTY)]
    start = time.perf_counter()
    expected_information(model, fifty)
    bars.most("fifty_patients", time.perf_counter() - start, WITHIN, "s")


if __name__ == "__main__":
    sys.exit(main())
