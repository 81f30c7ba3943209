"""Which time step gives the accuracy that is asked for at the least cost per beat?

`adult` over draws of `adult_wide` and the Regazzoni loop (set A, inertial valves) over lognormal draws. The default
step, the same on graded grids and extrapolated from N and N/2 steps, explicit Runge-Kutta, ROS2 (linearly implicit;
also with areas of valve events), diffrax. Errors of the steady beat (readings in mmHg, mL) and of its whitened Jacobian
(prior sd over noise sd, 13 readings by every free quantity) against the default step at 16 times its steps, which tight
diffrax checks on a few draws. Cost: one float64 beat of 1,024 patients with its readings, in XLA and in native code, by
alternated runs as ratios to the default's; a beat's time goes with its steps. diffrax is charged without readings and
for few patients at once: more would wait for the slowest.

--quick: 16 draws, four numbers of steps. Accuracies are computed in native code where it is at hand.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from bars import RESULTS, Bars
from other_steps import Explicit, GradedBeat, LinearlyImplicit, curvature_density, flow_density, graded

from hemotwin.core.registry import known
from hemotwin.engine.backends.diffrax import reference_beat
from hemotwin.engine.backends.native.program import native_program
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.forward import forward
from hemotwin.engine.periodic import newton_correction
from hemotwin.engine.precision import double
from hemotwin.engine.recording import record
from hemotwin.physiology.model import Model, circulation
from hemotwin.physiology.observable import Observer
from hemotwin.physiology.sampled import readings
from tests.engine.sensitivity import NOISE
from tests.problems import BODY_SURFACE_AREA, prior_draws

CIRCULATIONS = ("adult", "regazzoni_2022_a")
STEPS, QUICK_STEPS, FINER = (100, 140, 200, 280, 400, 560, 800, 1600, 3200), (100, 200, 400, 800), 16
DRAWS, QUICK_DRAWS, LEARNED, FEW = 128, 16, 32, 4  # draws; those that the grid is made of; those that diffrax solves
WIDE = 1024  # patients at once
DEMANDED = {"mmHg": 0.1, "mL": 0.1, "jacobian.median": 0.02, "jacobian.95%": 0.05}
CERTAIN = 0.02  # mmHg, mL: largest difference between the reference and tight diffrax
ADAPTIVE = (("tsit5", (1e-3, 1e-4), 16), ("kvaerno5", (1e-4,), 1))  # method, tolerances, patients at once
QUICK_ADAPTIVE = (("tsit5", (1e-3,), 16),)
TIGHT, DENSE, SAMPLES, BEATS = 1e-9, 25_600, 6400, 12
CELLS = 16  # of a grid
TIMINGS = ("onset", "contraction", "relaxation")
SPREADS = {"onset": 0.02, "contraction": 0.1, "relaxation": 0.1}  # sd of the logarithm; 0.25 for all other quantities
TRANSCENDENTAL = ("exp", "expm1", "log", "log1p", "pow", "sin", "cos", "tanh")
READ = tuple(n for n, o in known("observable").items() if o.unit in DEMANDED or n in NOISE)


@dataclass(frozen=True, eq=False)
class Case:
    """A circulation with draws: rows [P, B], free rows, d parameter / d prior sd [F, B], reference and grids."""

    model: Model
    rows: np.ndarray
    free: tuple[int, ...]
    chain: np.ndarray
    observer: Observer
    schemes: dict[str, BeatMap]


@dataclass(frozen=True, eq=False)
class Solution:
    """Steady beats at one number of steps: states [S, B], readings [O, B], whitened Jacobian [13, F, B], lanes."""

    state: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    found: np.ndarray


def adult_draws(model: Model, count: int, seed: int) -> tuple[np.ndarray, tuple[int, ...], np.ndarray]:
    """Rows [P, B], free rows and d parameter / d prior sd [F, B] of draws of `adult_wide`."""
    patient, rows = prior_draws("adult_wide", count, seed, model)
    kept = [n for n, q in enumerate(patient.quantities) if q.kind != "nuisance"]
    free = tuple(model.system.parameters.index(patient.names[n]) for n in kept)
    logarithmic = np.array(patient.logarithmic)[kept]
    return rows, free, np.where(logarithmic[:, None], rows[list(free)], 1.0) * patient.sd[kept][:, None]


def lognormal_draws(model: Model, count: int, seed: int) -> tuple[np.ndarray, tuple[int, ...], np.ndarray]:
    """The same with every quantity lognormal about its own value, but for the geometry of the valves."""
    layout, values = model.system.parameters, model.values
    names = [n for n in layout.names if not n.endswith((".length", ".area", ".regurgitant_area"))]
    free, sd = tuple(layout.index(n) for n in names), np.array([SPREADS.get(n.rpartition(".")[2], 0.25) for n in names])
    z = np.clip(np.random.default_rng(seed).standard_normal((len(names), count)), -3.0, 3.0)
    rows = np.repeat(layout.pack({n: values[n] for n in layout.names}, 1), count, axis=1)
    rows[list(free)] *= np.exp(sd[:, None] * z)
    return rows, free, rows[list(free)] * sd[:, None]


def case_of(name: str, count: int) -> Case:
    """A circulation, its draws and every scheme as a beat."""
    model = circulation(name)
    draw = adult_draws if name == "adult" else lognormal_draws
    rows, free, chain = draw(model, count, 0)
    observer = Observer(model.system, READ)
    beat = BeatMap(model.system, observer.reductions)
    others = draw(model, LEARNED, 1)[0]
    steady = forward(beat, others, None, model.steps)
    waves = record(beat, others, steady.state, model.steps)
    values = {n: model.values[n] for n in model.system.parameters.names}
    grids = {"activation": curvature_density(model.system, values, CELLS), "flows": flow_density(waves, CELLS)}
    made = lambda solver: BeatMap(model.system, observer.reductions, solver)  # noqa: E731
    schemes = {
        "default": beat,
        **{f"graded_by_{n}": GradedBeat(model.system, observer.reductions, lengths=graded(d, 0.5, 1.0))
           for n, d in grids.items()},
        "ros2_areas": made(LinearlyImplicit(areas=True)), "ros2": made(LinearlyImplicit()),
        "heun": made(Explicit(method="heun")), "rk4": made(Explicit(method="rk4")),
    }  # fmt: skip
    return Case(model, rows, free, chain, observer, schemes)


def solved(case: Case, beat: BeatMap, steps: int, guess: np.ndarray | None) -> Solution:
    """Steady beats of all draws with readings and whitened Jacobian, by the implicit function theorem."""
    steady = forward(beat, case.rows, guess, steps)
    rows, state, size = jnp.asarray(case.rows), jnp.asarray(steady.state), steady.state.shape[0]
    out = compiled(beat, case.free)(rows, state, steps)
    moved = jax.jit(newton_correction)(out.state_jacobian[:, :size], out.state_jacobian[:, size:])
    total = out.values_jacobian[:, size:] + jnp.einsum("rsb,sfb->rfb", out.values_jacobian[:, :size], moved)
    values, slopes = _read(case.observer, out.values, total, rows, case.free)
    chosen = [case.observer.names.index(n) for n in NOISE]
    noise = np.array(list(NOISE.values()))[:, None, None]
    found = (steady.status == 0) & np.all(np.isfinite(slopes), axis=(0, 1))
    return Solution(steady.state, values, slopes[chosen] * case.chain[None] / noise, found)


def _read(observer: Observer, values: Any, total: Any, rows: Any, free: tuple[int, ...]) -> tuple[Any, Any]:
    """Readings [O, B] and their derivatives [O, F, B] from reductions [R, B] and theirs [R, F, B]."""
    size = jnp.full(rows.shape[1:], BODY_SURFACE_AREA)

    @jax.jit
    def along(change: Any, row: Any) -> tuple[Any, Any]:
        direction = jnp.zeros_like(rows).at[row].set(1.0)
        return jax.jvp(lambda v, p: observer(v, p, size), (values, rows), (change, direction))

    pairs = [along(total[:, n], row) for n, row in enumerate(free)]
    return np.asarray(pairs[0][0]), np.stack([np.asarray(slope) for _, slope in pairs], axis=1)


def errors(case: Case, found: Solution, exact: Solution) -> dict[str, float]:
    """Errors in the units of DEMANDED, the 95 % of the values besides, and how many draws have no steady beat."""
    both = found.found & exact.found
    if not np.any(both):
        return dict.fromkeys(("lost", *DEMANDED, "mmHg.95%", "mL.95%", "jacobian.max"), float("inf"))
    apart = np.abs(found.values - exact.values)[:, both]
    worst = np.max(np.abs(found.slopes - exact.slopes)[..., both], axis=(0, 1))
    report = {"lost": float(np.sum(exact.found & ~found.found))}
    for unit in ("mmHg", "mL"):
        most = np.max(apart[[u == unit for u in case.observer.units]], axis=0)
        report |= {unit: float(np.max(most)), f"{unit}.95%": float(np.quantile(most, 0.95))}
    quantiles = {"jacobian.median": 0.5, "jacobian.95%": 0.95, "jacobian.max": 1.0}
    return report | {name: float(np.quantile(worst, q)) for name, q in quantiles.items()}


def extrapolated(fine: Solution, coarse: Solution) -> Solution:
    """Richardson's extrapolation of a step of order 2 from N and N/2 steps."""
    values, slopes = ((4.0 * a - b) / 3.0 for a, b in ((fine.values, coarse.values), (fine.slopes, coarse.slopes)))
    return Solution(fine.state, values, slopes, fine.found & coarse.found)


def curves(case: Case, exact: Solution, steps: tuple[int, ...]) -> dict[str, dict[int, dict[str, float]]]:
    """Errors by scheme and by steps per beat; an extrapolation's steps are those of both its beats."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for label, beat in case.schemes.items():
        kept = {n: solved(case, beat, n, exact.state) for n in steps}
        found[label] = {n: errors(case, one, exact) for n, one in kept.items()}
        if label in ("default", "ros2_areas"):
            pairs = {n: n // 2 for n in steps if n % 2 == 0 and n // 2 in kept}
            found[f"{label}_extrapolated"] = {
                n + half: errors(case, extrapolated(kept[n], kept[half]), exact) for n, half in pairs.items()
            }
    return found


def costs(case: Case, state: np.ndarray, backend: str, rounds: int) -> dict[str, float]:
    """Microseconds per step and patient of every scheme: the default's median, times median ratios to it by round."""
    which = np.arange(WIDE) % case.rows.shape[1]
    rows, start, steps = jnp.asarray(case.rows[:, which]), jnp.asarray(state[:, which]), case.model.steps
    runs = {}
    for label, beat in case.schemes.items():
        program = compiled(_on(beat, backend), None)
        runs[label] = functools.partial(program, rows, start, steps)
        jax.block_until_ready(runs[label]())
    spent: dict[str, list[float]] = {label: [] for label in runs}
    for _ in range(rounds):
        for label, run in runs.items():
            spent[label].append(_seconds(run))
    base = float(np.median(spent["default"])) / (WIDE * steps) * 1e6
    ratio = {n: float(np.median(np.divide(s, spent["default"]))) for n, s in spent.items()}
    found = {label: base * r for label, r in ratio.items()}
    return found | {f"{label}_extrapolated": found[label] for label in ("default", "ros2_areas")}


def _on(beat: BeatMap, backend: str) -> BeatMap:
    fields = {"lengths": beat.lengths} if isinstance(beat, GradedBeat) else {}
    return type(beat)(beat.system, beat.reductions, beat.solver, backend, **fields)


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def operations(case: Case) -> dict[str, dict[str, int]]:
    """Operations per step and patient with readings, each counted once and what a beat does not repeat left out."""
    found = {}
    for label, beat in case.schemes.items():
        line = native_program(beat, "float64", 8, None).step.line
        count = line.always + line.rare
        divisions, special = count["div"] + count["reciprocal"], sum(count[name] for name in TRANSCENDENTAL)
        found[label] = {"operations": count.total(), "divisions": divisions, "transcendental": special}
    return found


def adaptive(case: Case, exact: Solution, solvers: Any) -> list[dict[str, Any]]:
    """Microseconds per patient-beat of diffrax's solvers at each tolerance, and the error of the values of Tsit5."""
    found = []
    for method, tolerances, wide in solvers:
        for rtol in tolerances:
            error = worst_apart(case, exact, rtol, SAMPLES) if method == "tsit5" else {}
            run = functools.partial(reference_beat, case.model.system, case.rows[:, :wide], exact.state[:, :wide],
                                    beats=1, rtol=rtol, samples=1, method=method)  # fmt: skip
            run()
            cost = 1e6 * float(np.median([_seconds(run) for _ in range(3)])) / wide
            found.append({"scheme": method, "tolerance": rtol, "us": cost, **error})
    return found


def worst_apart(case: Case, exact: Solution, rtol: float, samples: int) -> dict[str, float]:
    """Largest difference in mmHg and in mL between readings of a few draws and those of Tsit5's steady beat."""
    rows, state = case.rows[:, :FEW], exact.state[:, :FEW]
    beat: Any = reference_beat(case.model.system, rows, state, beats=BEATS, rtol=rtol, samples=samples,
                               tolerance=max(1e-7, rtol))  # fmt: skip
    read = readings(case.model.system, beat.waves, rows, np.full(FEW, BODY_SURFACE_AREA), READ)
    apart = np.abs(np.stack([read[n] for n in case.observer.names]) - exact.values[:, :FEW])
    units = np.array(case.observer.units)
    return {unit: float(np.max(apart[units == unit])) for unit in ("mmHg", "mL")}


def needed(curve: dict[int, dict[str, float]], allowed: dict[str, float]) -> float:
    """Steps per beat from which on every error is within what is allowed; inf when it never is.

    Between two numbers of steps the logarithm of an error is taken as linear in that of the steps. The smallest number
    tried counts as needed where it suffices: fewer are not claimed.
    """
    steps = sorted(curve)
    most = float(steps[0])
    for name, limit in allowed.items():
        sound = [curve[n]["lost"] == 0.0 and curve[n][name] <= limit for n in steps]
        first = next((k for k in range(len(steps)) if all(sound[k:])), None)
        if first is None:
            return float("inf")
        if first == 0:
            continue
        low, high = steps[first - 1], steps[first]
        y0, y1 = (np.log(max(curve[n][name], 1e-12)) for n in (low, high))
        part = (np.log(limit) - y0) / (y1 - y0) if curve[low]["lost"] == 0.0 and y0 > y1 else 1.0
        most = max(most, float(low * (high / low) ** part))
    return most


def report(
    bars: Bars, name: str, case: Case, found: dict[str, Any], cost: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """Bars of the default, cost ratios at equal accuracy; returns those at the accuracy demanded, by backend."""
    steps, default = case.model.steps, found["default"]
    for what, limit in DEMANDED.items():
        bars.most(f"{name}.default.{what}", default[steps][what], limit, what if what in ("mmHg", "mL") else "")
    equal = {what: default[steps][what] for what in DEMANDED}
    ratios: dict[str, dict[str, float]] = {backend: {} for backend in cost}
    for label, curve in found.items():
        if not np.isfinite(needed(curve, DEMANDED)):
            print(f"{name}.{label} does not reach the accuracy demanded with up to {max(curve)} steps")
            continue
        bars.figure(f"{name}.{label}.steps_needed", needed(curve, DEMANDED), "per beat, at the accuracy demanded")
        for aim, allowed in (("demanded", DEMANDED), ("default", equal)):
            share = needed(curve, allowed) / needed(default, allowed)
            for backend, each in cost.items():
                ratio = share * each[label] / each["default"]
                if np.isfinite(ratio):
                    bars.figure(f"{name}.{label}.cost_at_{aim}_accuracy.{backend}", ratio, "x default")
                if aim == "demanded":
                    ratios[backend][label] = ratio
    for backend, each in ratios.items():
        best = min(each, key=lambda label: each[label])
        bars.figure(f"{name}.cheapest.{backend}.{best}", each[best], "x default, at the accuracy demanded")
    return ratios


def table(name: str, found: dict[str, Any], cost: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """Rows of the work-precision table, printed too."""
    rows = []
    print(f"{name}: errors max (95 %); mmHg, mL, whitened Jacobian median (95 %), us per patient-beat in XLA (native)")
    for label, curve in found.items():
        for steps, one in curve.items():
            us = {f"us.{backend}": steps * each[label] for backend, each in cost.items()}
            rows.append({"scheme": label, "steps": steps, **one, **us})
            print(f"  {label:24s} {steps:5d} {one['mmHg']:8.4f} ({one['mmHg.95%']:.4f}) {one['mL']:8.4f} "
                  f"({one['mL.95%']:.4f}) {one['jacobian.median']:8.5f} ({one['jacobian.95%']:.5f}) "
                  f"{us['us.xla']:8.1f} ({us.get('us.native', float('nan')):.1f})"
                  + (f"  {one['lost']:.0f} lost" if one["lost"] else ""))  # fmt: skip
    return rows


def picture(tables: dict[str, list[dict[str, Any]]]) -> None:
    """Error against time: the largest of mmHg and mL, and the Jacobian's 95 %, of both circulations.

    Left out: diffrax, far to the right, and step counts at which some draw has no steady beat.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(tables), 2, figsize=(11, 4.2 * len(tables)), squeeze=False)
    largest, jacobian = lambda r: max(r["mmHg"], r["mL"]), lambda r: r["jacobian.95%"]
    panels = ((largest, DEMANDED["mmHg"], "largest error of a value, mmHg or mL"),
              (jacobian, DEMANDED["jacobian.95%"], "whitened Jacobian, error at 95 %"))  # fmt: skip
    time_of = lambda r: r.get("us.native", r.get("us.xla"))  # noqa: E731
    for row, (name, lines) in zip(axes, tables.items(), strict=True):
        for axis, (of, limit, label) in zip(row, panels, strict=True):
            for number, scheme in enumerate(dict.fromkeys(line["scheme"] for line in lines)):
                mine = [line for line in lines if line["scheme"] == scheme and line.get("lost") == 0.0]
                style = {"linewidth": 2.2, "color": "black"} if scheme == "default" else {"color": f"C{number - 1}"}
                if mine:
                    x, y = [time_of(line) for line in mine], [of(line) for line in mine]
                    axis.loglog(
                        x, y, marker="osD^v<>Pp*X"[number], markersize=4, label=scheme.replace("_", " "), **style
                    )
            axis.axhline(limit, color="0.6", linestyle="--", linewidth=1, zorder=0)
            axis.set(xlabel="us per patient-beat (native code if at hand)", ylabel=label, title=name, ylim=(1e-4, 30.0))
            axis.grid(alpha=0.3)
    figure.tight_layout(rect=(0.0, 0.06, 1.0, 1.0))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="lower center", ncol=5, fontsize=9)
    figure.savefig(RESULTS / "work_precision.png", dpi=130)


def study(bars: Bars, name: str) -> dict[str, dict[str, float]]:
    """One circulation: reference and its check, curves, costs, report; cost ratios at the accuracy demanded."""
    case = case_of(name, QUICK_DRAWS if bars.quick else DRAWS)
    exact = solved(case, case.schemes["default"], FINER * case.model.steps, None)
    bars.figure(f"{name}.draws", float(np.sum(exact.found)), f"of {exact.found.size}")
    for unit, apart in worst_apart(case, exact, TIGHT, DENSE).items():
        bars.most(f"{name}.reference_against_diffrax.{unit}", apart, CERTAIN, unit)
    found = curves(case, exact, QUICK_STEPS if bars.quick else STEPS)
    backends = ("xla", "native") if case.schemes["default"].native else ("xla",)
    cost = {backend: costs(case, exact.state, backend, 3 if bars.quick else 7) for backend in backends}
    rows = table(name, found, cost)
    ratios = report(bars, name, case, found, cost)
    for label, count in operations(case).items():
        about = f"per step, {count['divisions']} divisions, {count['transcendental']} transcendental among them"
        bars.figure(f"{name}.{label}.operations", count["operations"], about)
        for backend, each in cost.items():
            bars.figure(f"{name}.{label}.ns_per_step.{backend}", 1e3 * each[label], "ns per patient")
    for one in adaptive(case, exact, QUICK_ADAPTIVE if bars.quick else ADAPTIVE):
        rows.append(one)
        label = f"{name}.{one['scheme']}.{one['tolerance']:g}"
        if "mmHg" in one:
            bars.figure(f"{label}.error", max(one["mmHg"], one["mL"]), "mmHg or mL, values alone")
        bars.figure(f"{label}.cost", one["us"] / (cost["xla"]["default"] * case.model.steps), "x default at its steps")
    bars.tables[name] = rows
    return ratios


def main() -> int:
    """Both circulations, the cheapest scheme over both, and the picture; 1 when a bar is missed."""
    bars = Bars("work_precision", __doc__ or "")
    with double():
        ratios = {name: study(bars, name) for name in CIRCULATIONS}
    for backend in ratios[CIRCULATIONS[0]]:
        each = [ratios[name][backend] for name in CIRCULATIONS]
        worst = {label: max(one[label] for one in each) for label in each[0] if all(label in one for one in each)}
        best = min(worst, key=lambda label: worst[label])
        bars.figure(f"cheapest_that_meets_both.{backend}.{best}", worst[best], "x default, the dearer circulation")
    if not bars.quick:
        picture(bars.tables)
    finite = lambda x: None if isinstance(x, float) and not np.isfinite(x) else x  # noqa: E731
    bars.tables = {name: [{k: finite(x) for k, x in row.items()} for row in rows] for name, rows in bars.tables.items()}
    return bars.finish()


if __name__ == "__main__":
    sys.exit(main())
