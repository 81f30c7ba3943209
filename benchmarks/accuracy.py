"""Is every value, and every derivative, converged at the default step, and is it so with what the engine refines?

1,024 draws (--quick: 64) of `adult_wide` and `adult_healthy`, of the Regazzoni loop as in `throughput.py` (set B, 13
quantities) and as in `work_precision.py` (set A, every quantity), float64, against 16 times the default steps. Of every
draw: all readings in mmHg and in mL, and the twelve that the benchmarks of speed reduce; the whitened Jacobian (prior
sd over noise sd, 13 readings by every free quantity, timings and heart rate included), its largest entry in the median
draw and in 95 %; cardiac output times period against the volume that passed each conduit. `default` has the default
steps in every draw. `refined` has what users get: values of draws whose own certificate asks for it on twice the steps
and again, derivatives likewise by the rule of the fits.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax.numpy as jnp
import numpy as np
import throughput
from bars import Bars
from work_precision import DEMANDED, FINER, READ, Case, Solution, lognormal_draws, solved

from hemotwin.calibration.certificate import JACOBIAN_LIMIT
from hemotwin.calibration.certified import FINER as TIMES
from hemotwin.calibration.certified import certified
from hemotwin.core.reduction import Reduction
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.precision import double
from hemotwin.physiology.model import Model, circulation
from hemotwin.physiology.observable import ML_PER_LITRE, SECONDS_PER_MINUTE, Observer
from tests.problems import BODY_SURFACE_AREA, prior_draws

DRAWS, QUICK = 1024, 64
CONSERVED = 1e-10  # of the stroke volume
Draws = tuple[np.ndarray, tuple[int, ...], np.ndarray]  # rows [P, B], free rows, d parameter / d prior sd [F, B]


def of_prior(prior: str) -> Callable[[Model, int], Draws]:
    """Draws of a prior for `adult`."""

    def draws(model: Model, count: int) -> Draws:
        patient, rows = prior_draws(prior, count, 0, model)
        kept = [n for n, q in enumerate(patient.quantities) if q.kind != "nuisance"]
        free = tuple(model.system.parameters.index(patient.names[n]) for n in kept)
        logarithmic = np.array(patient.logarithmic)[kept]
        return rows, free, np.where(logarithmic[:, None], rows[list(free)], 1.0) * patient.sd[kept][:, None]

    return draws


def as_in_throughput(model: Model, count: int) -> Draws:
    """The 13 quantities that `throughput.py` varies, lognormal as there."""
    layout, names = model.system.parameters, throughput.FREE[model.name]
    free = tuple(layout.index(name) for name in names)
    rows = np.repeat(layout.pack({n: model.values[n] for n in layout.names}, 1), count, axis=1)
    z = np.random.default_rng(throughput.SEED).standard_normal((len(free), count))
    rows[list(free)] *= np.exp(throughput.SPREAD * z)
    return rows, free, throughput.SPREAD * rows[list(free)]


def as_in_work_precision(model: Model, count: int) -> Draws:
    """Every quantity lognormal, as in `work_precision.py`."""
    return lognormal_draws(model, count, 0)


POPULATIONS: dict[str, tuple[str, Callable[[Model, int], Draws]]] = {
    "adult_wide": ("adult", of_prior("adult_wide")),
    "adult_healthy": ("adult", of_prior("adult_healthy")),
    "regazzoni_2022_b": ("regazzoni_2022_b", as_in_throughput),
    "regazzoni_2022_a": ("regazzoni_2022_a", as_in_work_precision),
}


def announce(bars: Bars, name: str) -> None:
    """The bars of a population, short until they are measured."""
    for steps in ("default", "refined"):
        for what, limit in DEMANDED.items():
            bars.expect(f"{name}.{steps}.{what}", f"<= {limit:g}", what if what in ("mmHg", "mL") else "")
    bars.expect(f"{name}.passed", f"<= {CONSERVED:g}", "of the stroke volume")


def judged(bars: Bars, label: str, case: Case, values: np.ndarray, exact: Solution) -> None:
    """Bars of values [O, B] against the converged ones: of all readings, and of the twelve."""
    units, twelve = case.observer.units, [name in throughput.OBSERVED for name in case.observer.names]
    error = np.abs(values - exact.values)
    for unit in ("mmHg", "mL"):
        ours = np.array([u == unit for u in units])
        for suffix, chosen in (("", ours), (".of_twelve", ours & np.array(twelve))):
            worst = np.max(error[chosen], axis=0)[exact.found]
            worst = np.where(np.isfinite(worst), worst, np.inf)
            bars.most(f"{label}.{unit}{suffix}", float(np.max(worst)), DEMANDED[unit], unit)
            if np.any(worst > DEMANDED[unit]):
                beyond = int(np.sum(worst > DEMANDED[unit]))
                bars.figure(f"{label}.{unit}{suffix}.draws_beyond", beyond, f"of {len(worst)}")


def slopes_judged(bars: Bars, label: str, slopes: np.ndarray, exact: Solution) -> None:
    """Bars of the whitened Jacobian [13, F, B]: its largest error in the median draw and in 95 %."""
    worst = np.max(np.abs(slopes - exact.slopes), axis=(0, 1))[exact.found]
    worst = np.where(np.isfinite(worst), worst, np.inf)
    bars.most(f"{label}.jacobian.median", float(np.median(worst)), DEMANDED["jacobian.median"])
    bars.most(f"{label}.jacobian.95%", float(np.quantile(worst, 0.95)), DEMANDED["jacobian.95%"])
    bars.figure(f"{label}.jacobian.largest", float(np.max(worst)))


def refined_slopes(case: Case, beat: BeatMap, found: Solution) -> tuple[np.ndarray, np.ndarray]:
    """Whitened Jacobian [13, F, B], and steps [B]: doubled where half the steps change it by more than a fit allows."""
    steps = case.model.steps
    slopes, used = found.slopes.copy(), np.full(found.found.shape, steps)
    before = solved(case, beat, steps // 2, found.state).slopes
    lanes = np.flatnonzero(found.found & (np.max(np.abs(slopes - before), axis=(0, 1)) > JACOBIAN_LIMIT))
    while len(lanes) and (steps := 2 * steps) <= TIMES * case.model.steps:
        some = dataclasses.replace(case, rows=case.rows[:, lanes], chain=case.chain[:, lanes])
        finer = solved(some, beat, steps, found.state[:, lanes]).slopes
        change = np.max(np.abs(finer - slopes[..., lanes]), axis=(0, 1))
        slopes[..., lanes], used[lanes] = finer, steps
        lanes = lanes[change > JACOBIAN_LIMIT]
    return slopes, used


def passed(case: Case, found: Solution) -> float:
    """Largest difference between cardiac output times period and the volume through a conduit, of the stroke volume."""
    system = case.model.system
    system = dataclasses.replace(system, readings={b.name: b.name for b in system.branches})
    beat = BeatMap(system, tuple(Reduction("volume", "flow", b.name) for b in system.branches))
    volumes = np.asarray(
        compiled(beat, None)(jnp.asarray(case.rows), jnp.asarray(found.state), case.model.steps).values
    )
    period = np.asarray(system.period(system.read(tuple(case.rows))))
    output = found.values[case.observer.names.index("cardiac_output")]
    stroke = output * ML_PER_LITRE / SECONDS_PER_MINUTE * period
    return float(np.max((np.abs(volumes - stroke) / stroke)[:, found.found]))


def study(bars: Bars, name: str) -> None:
    """One population at the default steps, then as the engine refines it."""
    model = circulation(POPULATIONS[name][0])
    rows, free, chain = POPULATIONS[name][1](model, QUICK if bars.quick else DRAWS)
    observer = Observer(model.system, READ)
    beat = BeatMap(model.system, observer.reductions)
    case = Case(model, rows, free, chain, observer, {"default": beat})
    found = solved(case, beat, model.steps, None)
    exact = solved(case, beat, FINER * model.steps, found.state)
    count = rows.shape[1]
    bars.figure(f"{name}.steps", model.steps, f"per beat, against {FINER * model.steps}")
    bars.least(f"{name}.compared", 100.0 * float(np.mean(exact.found)), 99.9, f"% of {count} draws, with a steady beat")
    bars.most(f"{name}.default.lost", float(np.sum(exact.found & ~found.found)), 0.0, "draws without a steady beat")
    judged(bars, f"{name}.default", case, found.values, exact)
    slopes_judged(bars, f"{name}.default", found.slopes, exact)
    bars.most(f"{name}.passed", passed(case, found), CONSERVED, "of the stroke volume")
    own = certified(model, rows, found.state, np.full(count, BODY_SURFACE_AREA), model.steps)
    bars.figure(f"{name}.refined.values_on_more_steps", 100.0 * float(np.mean(own.steps > model.steps)), "% of draws")
    bars.figure(f"{name}.refined.certificate_fails", 100.0 * float(np.mean(own.error > 1.0)), "% of draws")
    judged(bars, f"{name}.refined", case, np.stack([own.readings.of(n) for n in observer.names]), exact)
    slopes, used = refined_slopes(case, beat, found)
    bars.figure(f"{name}.refined.slopes_on_more_steps", 100.0 * float(np.mean(used > model.steps)), "% of draws")
    slopes_judged(bars, f"{name}.refined", slopes, exact)


def main() -> int:
    """Every population; 1 when a bar is missed."""
    bars = Bars("accuracy", __doc__ or "")
    for name in POPULATIONS:
        announce(bars, name)
    with double():
        for name in POPULATIONS:
            study(bars, name)
    return bars.finish()


if __name__ == "__main__":
    sys.exit(main())
