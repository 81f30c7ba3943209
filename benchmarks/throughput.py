"""What does a beat cost, at certified accuracy, beside what others would take?

The 12-state Regazzoni loop and `adult`, 12 observables reduced, 13 parameters per patient (20 % spread), in one
process: forward against vmap(diffrax), scipy in a loop and svZeroDSolver; one patient; batch size with memory; model
size; the steady beat against plain beats; the Jacobian against a plain beat and against central differences. Medians of
alternated runs; compiling apart; CPU seconds beside the wall's, because the machine may be shared. --quick takes
smaller batches.

A beat has the circulation's default steps, on which its certificate rests and whose values and derivatives
`accuracy.py` judges; they are doubled where these patients' observables do not hold. A peer has the step or tolerance
that takes it least among those at which it holds the same accuracy, diffrax in each precision for itself. Times per
step stand beside those per beat. scipy is given a compiled right-hand side, about ten times as fast as one in numpy.
The Regazzoni loop is set B, which svZeroDSolver runs too. Not measured here: generated C, GPUs.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import peers
from alternated import show, timed
from bars import Bars
from ring import ring

from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.blocks import in_blocks
from hemotwin.engine.folded import folded
from hemotwin.engine.forward import WIDTH, beat_width, equal_start, forward
from hemotwin.engine.periodic import newton_correction
from hemotwin.engine.precision import double
from hemotwin.physiology.model import Model, circulation
from hemotwin.physiology.observable import Observer

SPREAD, SEED = 0.2, 0  # sd of the natural logarithm of every parameter between patients
FINEST, DOUBLED = 6400, (1, 2, 4)  # steps that stand for converged; times the default steps
CERTIFIED, PEER_PATIENTS = 64, 8  # patients on whom the accuracy of the engine, and of its peers, is certified
CHOOSING = 16  # patients on whom the time of a peer's tolerance is measured
SHORT_ROUNDS = 9  # of runs of a few ms, whose times scatter more
RESIDUAL, PLAIN_LIMIT = 1e-6, 120  # mL; plain beats after which a lane counts as never steady
OBSERVED = ("sbp", "dbp", "map", "pa_pressure_systolic", "pa_pressure_diastolic", "pa_pressure_mean", "pcwp_mean",
            "ra_pressure_mean", "lv_edv", "lv_esv", "rv_edv", "cardiac_output")  # fmt: skip
COMMON = ("heart_rate", "stressed_volume", "systemic.resistance", "pulmonary.resistance", "venous_return.resistance",
          "systemic_arteries.compliance", "pulmonary_arteries.compliance")  # fmt: skip
FREE = {
    "regazzoni_2022_b": (*COMMON, "ventricles.contraction", "lv.active_elastance", "rv.active_elastance",
                         "lv.passive_elastance", "rv.passive_elastance", "la.active_elastance"),
    "adult": (*COMMON, "aorta.compliance", "aorta.impedance", "ventricles.time_scale", "lv.maximal_elastance",
              "rv.maximal_elastance", "lv.passive_exponent"),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A circulation with what its patients share folded in: parameter rows [P, B], steady states [S, B], steps."""

    name: str
    model: Model
    beat: BeatMap
    rows: np.ndarray
    state: np.ndarray
    steps: int
    exact: np.ndarray

    def tiled(self, count: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows and states of any number of patients: the certified ones again and again."""
        which = np.arange(count) % self.rows.shape[1]
        return self.rows[:, which].astype(dtype), self.state[:, which].astype(dtype)


def case_of(bars: Bars, name: str) -> Case:
    """Patients at their steady beats, and the default steps, or more where their observables ask for them."""
    model = circulation(name)
    system = folded(model.system, {n: v for n, v in model.values.items() if n not in FREE[name]})
    observer = Observer(system, OBSERVED)
    beat = BeatMap(system, observer.reductions)
    typical = system.parameters.pack({n: model.values[n] for n in system.parameters.names}, 1)
    rows = typical * np.exp(SPREAD * np.random.default_rng(SEED).standard_normal((len(typical), CERTIFIED)))
    with double():
        fine = forward(beat, rows, None, FINEST)
        good = fine.status == 0
        rows, state, exact = rows[:, good], fine.state[:, good], read(observer, fine.values[:, good], rows[:, good])
        bars.figure(f"{name}.certified_patients", int(good.sum()), f"of {CERTIFIED}")
        for steps in (times * model.steps for times in DOUBLED):
            found = forward(beat, rows, state, steps)
            error = peers.worst(read(observer, found.values, rows), exact, observer.units)
            bars.figure(f"{name}.error.{steps}_steps", error, "mmHg or mL, worst")
            if error <= peers.ALLOWED:
                break
    case = Case(name, model, beat, rows, found.state, steps, exact)
    bars.figure(f"{name}.states", len(system.state))
    bars.figure(f"{name}.steps", steps, "per beat")
    with double(False):
        p, x = case.tiled(rows.shape[1], "float32")
        single = read(observer, beat_in_blocks(case.beat, p, x, steps)[1], p)
    bars.most(f"{name}.error.float32", peers.worst(single, exact, observer.units), peers.ALLOWED, "mmHg or mL")
    return case


def read(observer: Observer, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Observables [O, B] from reductions."""
    return np.asarray(observer(jnp.asarray(values), jnp.asarray(rows), jnp.full(rows.shape[1:], 1.75)))


def beat_in_blocks(beat: BeatMap, rows: np.ndarray, state: np.ndarray, steps: int) -> Any:
    """One beat of any number of patients as the engine runs cohorts: end state and reductions (numpy)."""
    run = compiled(beat, None)
    block = lambda lanes: run(rows[:, lanes], state[:, lanes], steps)  # noqa: E731
    return in_blocks(block, rows.shape[1], beat_width(beat, rows.shape[1]), ("beat", beat))


def beat_at_once(beat: BeatMap, rows: np.ndarray, state: np.ndarray, steps: int) -> Any:
    """The same in one call."""
    return jax.block_until_ready(compiled(beat, None)(rows, state, steps))


def forward_and_peers(bars: Bars, case: Case) -> None:
    """Forward in float32 and float64 beside vmap(diffrax) of the same precision, scipy and svZeroDSolver."""
    count, name = (2048 if bars.quick else 16384), case.name
    runs: dict[str, tuple[Callable[[], Any], int, bool]] = {}
    for dtype in ("float64", "float32"):
        p, x = case.tiled(count, dtype)
        wide = dtype == "float64"
        runs[f"forward.{dtype}"] = (lambda p=p, x=x: beat_in_blocks(case.beat, p, x, case.steps)), count, wide
        runs[f"at_once.{dtype}"] = (lambda p=p, x=x: beat_at_once(case.beat, p, x, case.steps)), count, wide
    own = tuple(runs)
    runs |= adaptive(bars, case, 64 if bars.quick else 256) | in_a_loop(bars, case)
    if name == "regazzoni_2022_b" and peers.SVZERO:
        chosen, run = svzero(bars, case)
        runs["svzerod"] = run, chosen, True
    found = timed(bars, runs)
    per_beat = {label: found[label][0] / per for label, (_, per, _) in runs.items()}
    for label, (_, per, _) in runs.items():
        show(bars, f"{name}.{label}", found[label], per)
        if label in own:
            bars.figure(f"{name}.{label}.per_step", 1e9 * per_beat[label] / case.steps, "ns per patient and step")
    ours = min(per_beat["forward.float32"], per_beat["at_once.float32"])
    spent = min(found[f"{way}.float32"][1] for way in ("forward", "at_once")) / count
    for peer in (label for label in runs if label not in own):
        bars.figure(f"{name}.cpu_against.{peer}", found[peer][1] / runs[peer][1] / spent, "x, seconds of CPU")
    bars.least(f"{name}.against_diffrax_float32", per_beat["diffrax.float32"] / ours, 40.0, "x")
    bars.least(f"{name}.against_scipy", per_beat["scipy.float64"] / ours, 3000.0, "x")
    if "svzerod" in per_beat:
        bars.least(f"{name}.against_svzerod", per_beat["svzerod"] / ours, 500.0, "x")
    elif name == "regazzoni_2022_b":
        print("svzerod is not installed: its bar was left out (pip install svzerod)")


def adaptive(bars: Bars, case: Case, lanes: int) -> dict[str, tuple[Callable[[], Any], int, bool]]:
    """vmap(diffrax) in both precisions, each at its own quickest tolerance that holds the accuracy in it."""
    system, units, runs = case.beat.system, Observer(case.beat.system, OBSERVED).units, {}
    rows, state = case.rows[:, :PEER_PATIENTS], case.state[:, :PEER_PATIENTS]
    with double():
        exact = peers.diffrax_readings(system, rows, state, peers.TIGHT, OBSERVED)
    for dtype in ("float64", "float32"):

        def run(inputs: Any, rtol: float) -> Any:
            return jax.block_until_ready(peers.beat_of(system)(*inputs, rtol))

        def solve(rtol: float, dtype: str = dtype) -> np.ndarray:
            return peers.diffrax_readings(system, rows.astype(dtype), state.astype(dtype), rtol, OBSERVED)

        with double(dtype == "float64"):
            few = functools.partial(run, case.tiled(CHOOSING, dtype))
            rtol, error = peers.quickest(solve, few, exact, units)
        bars.figure(f"{case.name}.diffrax.{dtype}.tolerance", rtol)
        bars.figure(f"{case.name}.diffrax.{dtype}.error", error, "mmHg or mL, worst")
        many = case.tiled(lanes, dtype)
        runs[f"diffrax.{dtype}"] = functools.partial(run, many, rtol), lanes, dtype == "float64"
    return runs


def in_a_loop(bars: Bars, case: Case) -> dict[str, tuple[Callable[[], Any], int, bool]]:
    """scipy, patient by patient, at its quickest tolerance that holds the accuracy."""
    system, few = case.beat.system, 2 if bars.quick else PEER_PATIENTS
    some = case.rows[:, :few], case.state[:, :few]
    with double():
        exact = peers.diffrax_readings(system, *some, peers.TIGHT, OBSERVED)
        solve = lambda r: peers.scipy_readings(system, *some, r, OBSERVED)  # noqa: E731
        loop = lambda r: [peers.scipy_beat(system, some[0][:, k], some[1][:, k], r) for k in range(few)]  # noqa: E731
        chosen, error = peers.quickest(solve, loop, exact, Observer(system, OBSERVED).units)
    bars.figure(f"{case.name}.scipy.tolerance", chosen)
    bars.figure(f"{case.name}.scipy.error", error, "mmHg or mL, worst")
    return {"scipy.float64": (functools.partial(loop, chosen), few, True)}


def svzero(bars: Bars, case: Case) -> tuple[int, Callable[[], Any]]:
    """The coarsest step of svZeroDSolver that holds, as (beats per run, run)."""
    exact = peers.svzero_extremes(case.model.values, peers.SVZERO_FINEST)
    steps = peers.SVZERO_STEPS[-1]
    for steps in peers.SVZERO_STEPS:
        error = float(np.max(np.abs(peers.svzero_extremes(case.model.values, steps) - exact)))
        bars.figure(f"{case.name}.svzerod.error.{steps}_steps", error, "mmHg or mL, worst")
        if error <= peers.ALLOWED:
            break
    return peers.CYCLES, lambda: peers.svzero_extremes(case.model.values, steps)


def batches(bars: Bars, case: Case) -> None:
    """One patient, cost against batch size and the memory of the largest batch, float32."""
    sizes = (1, 16, 1024, 16384) if bars.quick else (1, 16, 1024, 16384, 262144)
    runs = {}
    for count in sizes:
        p, x = case.tiled(count, "float32")
        often = again(count)
        run = lambda p=p, x=x, often=often: [beat_in_blocks(case.beat, p, x, case.steps) for _ in range(often)]  # noqa: E731
        runs[f"batch{count}"] = run, often * count, False
    p, x = case.tiled(1, "float64")
    runs["one.float64"] = (lambda: [beat_at_once(case.beat, p, x, case.steps) for _ in range(again(1))]), again(1), True
    largest = runs[f"batch{sizes[-1]}"][0]
    found = timed(bars, runs, SHORT_ROUNDS)
    for label, (_, per, _) in runs.items():
        show(bars, f"{case.name}.{label}", found[label], per)
    cost = {n: found[f"batch{n}"][0] / runs[f"batch{n}"][1] for n in sizes}
    bars.most(f"{case.name}.one_patient.float32", 1e3 * cost[1], 0.5, "ms per beat")
    bars.most(f"{case.name}.one_patient.float64", 1e3 * found["one.float64"][0] / again(1), 0.5, "ms per beat")
    bars.most(f"{case.name}.batch16_over_batch1", cost[16] / cost[1], 0.125)
    wide = [cost[n] for n in sizes if n >= 1024]
    bars.most(f"{case.name}.flat_from_1024_to_{sizes[-1]}", max(wide) / min(wide), 1.15)
    with double(False):
        peak = peak_memory(largest)
    bars.most(f"{case.name}.memory_at_{sizes[-1]}", peak / 2**30, 4.0, "GiB, whole process")


def again(count: int) -> int:
    """How often a small batch is run in a row: caches and threads are then those of a loop, not of the run before."""
    return max(1, min(64, 16384 // count))


def peak_memory(run: Callable[[], Any]) -> float:
    """Largest resident size (bytes) of this process while `run` runs (Linux: the kernel's mark is set back first)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    run()
    line = next(text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith("VmHWM"))
    return 1024.0 * float(line.split()[1])


def model_sizes(bars: Bars) -> None:
    """Time per state and step from 6 to 40 states, float32: with one heart in all sizes, and with one per some 6."""
    per_state(bars, "ring", {6: 1, 12: 1, 24: 1, 40: 1})
    per_state(bars, "hearts", {6: 1, 12: 2, 24: 4, 40: 6})


def per_state(bars: Bars, label: str, pumps: dict[int, int]) -> None:
    """The same for rings of so many states with so many pumps."""
    count, runs, steps = 1024 if bars.quick else 4096, {}, 400
    for states, number in pumps.items():
        system = ring(states, number)
        assert len(system.state) == states, f"a ring of {states} states has {len(system.state)}"
        p = np.repeat(np.array([[2.5], [300.0 * number]], "float32"), count, axis=1)
        with double(False):
            x = np.asarray(equal_start(system, jnp.asarray(p)))
            x = np.asarray(beat_in_blocks(BeatMap(system), p, x, steps)[0])
        assert np.all(np.isfinite(x)), f"the ring of {states} states blew up"
        run = lambda s=system, p=p, x=x: [beat_in_blocks(BeatMap(s), p, x, steps) for _ in range(again(count))]  # noqa: E731
        runs[f"states{states}"] = run, again(count) * count, False
    found = timed(bars, runs, SHORT_ROUNDS)
    cost = {n: found[f"states{n}"][0] / (again(count) * count * steps * n) for n in pumps}
    for n, one in cost.items():
        bars.figure(f"{label}.states{n}", 1e9 * one, "ns per state, step and patient")
    bars.figure(
        f"{label}.state_of_40_over_state_of_6", cost[40] / cost[6], "x: below 1 where a larger model is cheaper"
    )
    bars.most(f"{label}.per_state_6_to_40", max(cost.values()) / min(cost.values()), 2.0, "x")


def steady(bars: Bars, case: Case) -> None:
    """The steady beat to 1e-6 mL from equal pressures (float64) against plain beats to the same residual."""
    count, steps = (256 if bars.quick else 4096), case.steps
    rng = np.random.default_rng(SEED + 1)
    typical = case.beat.system.parameters.pack(
        {n: case.model.values[n] for n in case.beat.system.parameters.names}, 1)  # fmt: skip
    rows = typical * np.exp(SPREAD * rng.standard_normal((len(typical), count)))
    bare = BeatMap(case.beat.system, (), case.beat.solver)
    with double():
        start = in_blocks(lambda lanes: equal_start(bare.system, jnp.asarray(rows[:, lanes])), count, WIDTH)

        def found_by_hemotwin() -> Any:
            return forward(bare, rows, None, steps, tolerance=RESIDUAL)

        solved = found_by_hemotwin()
        volumes = len(bare.system.free_stores)
        x, needed = start, np.full(count, PLAIN_LIMIT)
        for beat in range(1, PLAIN_LIMIT + 1):
            after = beat_in_blocks(bare, rows, x, steps)[0]
            still = np.max(np.abs(after - x)[:volumes], axis=0) > RESIDUAL
            needed = np.where(~still & (needed == PLAIN_LIMIT), beat, needed)
            x = after
            if not still.any():
                break
    beats = float(np.median(needed))
    found = timed(
        bars,
        {
            "steady": (found_by_hemotwin, count, True),
            "plain": ((lambda: beat_in_blocks(bare, rows, x, steps)), count, True),
        },
    )
    for label, unit in (("steady", "patient"), ("plain", "patient-beat")):
        show(bars, f"{case.name}.steady.{label}", found[label], count, unit)
    bars.figure(f"{case.name}.steady.plain_beats", beats, "of the median patient")
    bars.figure(f"{case.name}.steady.plain_beats.99.9%", float(np.quantile(needed, 0.999)))
    bars.least(
        f"{case.name}.steady.found", 100.0 * float(np.mean(solved.residual <= RESIDUAL)), 99.9, "% of the patients"
    )
    bars.most(f"{case.name}.steady.over_plain_beats", found["steady"][0] / (beats * found["plain"][0]), 0.25)


def jacobian(bars: Bars, case: Case) -> None:
    """12 observables by 13 parameters at the steady beat: cost per tangent, and against central differences."""
    count = 256 if bars.quick else 4096
    free = tuple(range(len(case.beat.system.parameters)))
    tangents, runs = len(case.beat.system.state) + len(free), {}
    for dtype in ("float64", "float32"):
        p, x = case.tiled(count, dtype)
        block = lambda k, p=p, x=x: compiled(case.beat, free)(p[:, k], x[:, k], case.steps)  # noqa: E731
        runs[f"jacobian.{dtype}"] = (
            (lambda b=block, d=dtype: in_blocks(b, count, WIDTH, ("jacobian", case.beat, d))),
            count,
            dtype == "float64",
        )
        runs[f"plain.{dtype}"] = (
            (lambda p=p, x=x: beat_in_blocks(case.beat, p, x, case.steps)),
            count,
            dtype == "float64",
        )
    found = timed(bars, runs)
    for label in runs:
        show(bars, f"{case.name}.{label}", found[label], count)
    for dtype in ("float64", "float32"):
        ratio = found[f"jacobian.{dtype}"][0] / found[f"plain.{dtype}"][0] / tangents
        bars.most(f"{case.name}.jacobian_per_tangent.{dtype}", ratio, 1.5, "plain beats")
    differences(bars, case, free)


def differences(bars: Bars, case: Case, free: tuple[int, ...], relative: float = 1e-5, patients: int = 4) -> None:
    """The Jacobian by the implicit function theorem against central differences of newly solved steady beats."""
    size, steps, count = len(case.beat.system.state), case.steps, len(free)
    rows = np.repeat(case.rows[:, :patients], 2 * count, axis=1).reshape(count, patients, 2, count)
    for n in range(count):
        rows[n, :, 0, n] *= 1.0 - relative
        rows[n, :, 1, n] *= 1.0 + relative
    guess = np.repeat(case.state[:, :patients], 2 * count, axis=1)
    with double():
        moved = forward(case.beat, rows.reshape(count, -1), guess, steps).values.reshape(-1, patients, 2, count)
        slopes = {}
        for dtype in ("float64", "float32"):
            slopes[dtype] = total_slopes(case, free, size, patients, dtype)
    expected = (moved[:, :, 1] - moved[:, :, 0]) / (2.0 * relative)
    scale = np.max(np.abs(expected), axis=-1, keepdims=True)
    error = {d: np.abs(s - expected) / np.where(scale > 0.0, scale, 1.0) for d, s in slopes.items()}
    bars.most(
        f"{case.name}.jacobian_error.99%", float(np.quantile(error["float64"], 0.99)), 1e-6, "of each row's largest"
    )
    bars.figure(f"{case.name}.jacobian_error.worst", float(np.max(error["float64"])), "of each row's largest")
    bars.figure(f"{case.name}.jacobian_error.float32", float(np.max(error["float32"])), "of each row's largest")


def total_slopes(case: Case, free: tuple[int, ...], size: int, patients: int, dtype: str) -> np.ndarray:
    """p d reduction / d p [R, patients, F] at the steady beat."""
    with double(dtype == "float64"):
        p, x = (jnp.asarray(a) for a in case.tiled(patients, dtype))
        out = compiled(case.beat, free)(p, x, case.steps)
        shift = newton_correction(out.state_jacobian[:, :size], out.state_jacobian[:, size:])
        total = out.values_jacobian[:, size:] + jnp.einsum("rsb,sfb->rfb", out.values_jacobian[:, :size], shift)
        return np.moveaxis(np.asarray(total * p[None], float), 1, 2)


def main() -> int:
    """Every row of both circulations; 1 when a bar is missed."""
    bars = Bars("throughput", __doc__ or "")
    for name in FREE:
        case = case_of(bars, name)
        for part in (forward_and_peers, batches, steady, jacobian):
            part(bars, case)
    model_sizes(bars)
    return bars.finish()


if __name__ == "__main__":
    sys.exit(main())
