"""How fast is a cohort calibrated, and do random starts end at the best mode?

256 synthetic patients (10,000 on a GPU; --quick: 16, or 1,000) of `adult`, drawn from `adult_wide` in 13 quantities; 12
readings each with clinical noise; 8 starts: the recipe, the prior's centre, a strong right atrium and five random ones.
The whole fit on all cores, or the GPU, ended in float64, linear algebra and host included; compiling apart; CPU seconds
beside the wall's, because the machine may be shared. Each figure is saved at once, a bar is short until it is measured,
and on a GPU the benchmark ends after 560 s, whatever runs.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import numpy as np
from bars import Bars
from recovery import Truth, record_of

from hemotwin.calibration.fit import HIGH_WAVE, OTHER_WAVE, SPREAD
from hemotwin.calibration.lanes import MANY, Cohort, prepare, run_lanes
from hemotwin.calibration.likelihood import load_noise
from hemotwin.calibration.priors import Prior, load_prior
from hemotwin.calibration.summary import observe
from hemotwin.core.registry import look_up
from hemotwin.engine.blocks import FILLING
from hemotwin.engine.precision import double
from hemotwin.physiology.model import Model, circulation

FREE = ("heart_rate", "ventricles.time_scale", "systemic.resistance", "aorta.compliance", "stressed_volume",
        "pulmonary_arteries.compliance", "pulmonary.resistance", "lv.maximal_elastance", "lv.passive_exponent",
        "rv.maximal_elastance", "rv.passive_exponent", "la.maximal_elastance", OTHER_WAVE)  # fmt: skip
READINGS = {
    "sbp": "cuff", "dbp": "cuff", "heart_rate": "monitor", "cardiac_output": "thermodilution",
    **dict.fromkeys(("pa_pressure_systolic", "pa_pressure_diastolic", "pcwp_mean", "ra_pressure_max",
                     "rv_pressure_max"), "catheter"),
    **dict.fromkeys(("lv_edv", "lv_esv", "rv_edv"), "cmr"),
}  # fmt: skip
SEED, STARTS, NAMED = 4, 8, 3  # random numbers; starts per patient, and how many of them are no random ones
SPARE = 8  # draws beyond the patients wanted: one without a steady beat is replaced
SAME = 0.1  # nats; an end as low as the best one, up to the fit's own tolerance and rounding
LIMIT, AT_BEST = 25.0, 95.0  # ms per patient; % of the random starts
COHORT, WITHIN, END = 10_000, 60.0, 560.0  # patients on a GPU, s for all of them, s after which the benchmark ends


def patients(model: Model, prior: Prior, count: int, rng: np.random.Generator) -> Truth:
    """Patients drawn from the prior in the quantities of `FREE`, with their readings."""
    covariates: list[dict[str, Any]] = [
        {
            "sex": "male" if k % 2 else "female",
            "age": float(rng.uniform(30.0, 80.0)),
            "bsa": float(rng.normal(1.83, 0.15)),
        }
        for k in range(count + SPARE)
    ]
    priors = [prior.for_patient(c, FREE) for c in covariates]
    theta = np.stack([p.centre + p.factor @ rng.standard_normal(len(p.names)) for p in priors], axis=1)
    columns = []
    for k, one in enumerate(priors):
        values = {**model.values, **one.fixed, **one.values(theta[:, k])}
        columns.append(model.system.parameters.pack({n: values[n] for n in model.values})[:, 0])
    found = observe(model, np.stack(columns, axis=1), None, np.array([c["bsa"] for c in covariates]), model.steps)
    kept = np.flatnonzero(found.sound)[:count]
    readings = {n: found.of(n)[kept] for n in found.names}
    return Truth([covariates[k] for k in kept], [priors[k] for k in kept], theta[:, kept], readings)


def starts(cohort: Cohort, rng: np.random.Generator) -> np.ndarray:
    """z [N, patients, starts]: those of `calibrate`."""
    count, names = len(cohort.sets), cohort.problem.names
    z = SPREAD * rng.standard_normal((len(names), count, STARTS))
    for k in range(count):
        z[:, k, 0] = np.clip(cohort.whitened(k, cohort.recipes[k]), -3.0, 3.0)
        z[:, k, 1], z[:, k, 2] = 0.0, z[:, k, 0]
        z[names.index(OTHER_WAVE), k, 2] = HIGH_WAVE
    return z


def main() -> int:
    """Fit the cohort and report; 1 when a bar is missed."""
    bars = Bars("calibration_speed", __doc__ or "")
    model, prior, on_gpu = circulation("adult"), load_prior("adult_wide"), jax.default_backend() == "gpu"
    count = (1000 if bars.quick else COHORT) if on_gpu else (16 if bars.quick else 256)
    rng = np.random.default_rng(SEED)
    _announce(bars, on_gpu)
    with double():
        truth = patients(model, prior, count, rng)
        sets = [record_of(truth, prior, k, READINGS, rng.standard_normal(len(READINGS))) for k in range(count)]
        cohort = prepare(model, sets, prior, load_noise("clinical"), FREE)
        z = starts(cohort, rng)
        lanes, flat = np.repeat(np.arange(count), STARTS), z.reshape(len(z), -1)
        method = look_up("method", "gauss_newton")

        def fit(some: slice) -> Any:
            data = cohort.data.take(lanes[some])
            return run_lanes(method, cohort, data, flat[:, some], model.steps)

        first = slice(0, FILLING if on_gpu else MANY)  # as many as fill a block: the same programs
        bars.compiling(lambda: fit(first))
        wall, cpu = time.perf_counter(), time.process_time()
        ends = fit(slice(None))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    _report(bars, cohort, ends, wall, cpu, count)
    if on_gpu and not bars.quick:
        bars.most("cohort", wall, WITHIN, "s")
    return bars.finish()


def _announce(bars: Bars, on_gpu: bool) -> None:
    """The bars, short until they are measured, and on a GPU the latest end."""
    bars.expect("fit", f"<= {LIMIT:g}", "ms per patient")
    bars.expect("random_starts_at_best_mode", f">= {AT_BEST:g}", "%")
    if on_gpu:
        bars.end_after(END)
    if on_gpu and not bars.quick:
        bars.expect("cohort", f"<= {WITHIN:g}", "s")


def _report(bars: Bars, cohort: Cohort, ends: Any, wall: float, cpu: float, count: int) -> None:
    objective = np.where(ends.status == 0, ends.objective, np.inf).reshape(count, STARTS)
    best = np.min(objective, axis=1)
    there = np.isfinite(best)[:, None] & (objective <= best[:, None] + SAME)
    beats = ends.beats.reshape(count, STARTS)
    bars.figure("values", float(cohort.data.mask[:, 0].sum()), f"per patient, {len(cohort.problem.free)} parameters")
    bars.figure("zero_errors", float(len(cohort.problem.nuisances)), "that the prior adds to the parameters")
    bars.most("fit", 1e3 * wall / count, LIMIT, "ms per patient")
    bars.figure("fit.cpu", 1e3 * cpu / count, "ms of CPU per patient")
    bars.least("random_starts_at_best_mode", 100.0 * float(np.mean(there[:, NAMED:])), AT_BEST, "%")
    for k, name in enumerate(("recipe", "centre", "strong_atrium")):
        bars.figure(f"{name}_at_best_mode", 100.0 * float(np.mean(there[:, k])), "%")
    bars.figure("starts_without_an_end", 100.0 * float(np.mean(~np.isfinite(objective))), "%")
    bars.figure("beats_per_start", float(np.mean(beats)), f"with tangents, median {np.median(beats):g}")


if __name__ == "__main__":
    sys.exit(main())
