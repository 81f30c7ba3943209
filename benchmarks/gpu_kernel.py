"""Is the GPU kernel as fast as the arithmetic allows, and does it answer as the CPU does?

Counts the kernel's operations and bytes first, then measures one beat of 400 steps with twelve observables, for `adult`
and the Regazzoni loop, 13 parameters per patient: kernel and host to host, float32 and float64, tangents, launches, and
XLA's loop on the same device; answers against the CPU. One call on a machine with one NVIDIA GPU takes under ten
minutes (compiling runs on all cores beforehand; what the time does not allow is named as skipped). Without a GPU it
prints the counts and claims no bar; --quick then compares an interpreted kernel with XLA.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from bars import Bars

from hemotwin.core.system import System
from hemotwin.engine.backends.arithmetic import Arithmetic
from hemotwin.engine.backends.page_locked import SHARES, host_program, page_locked
from hemotwin.engine.backends.pallas import Launch, PallasBeat, on_backend
from hemotwin.engine.backends.straight_line import ISSUED, Constant, Operation, StraightLine, Votes, run
from hemotwin.engine.beat import BeatMap, compiled
from hemotwin.engine.folded import folded
from hemotwin.engine.forward import equal_start
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from hemotwin.physiology.observable import Observer

STEPS, SMALL, LARGE, COMPARED = 400, 100_000, 1_000_000, 1024  # steps per beat; patients timed; patients compared
SPREAD = 0.1  # sd of the natural logarithm of every parameter, between patients
QUEUED, BRIEF = 8, 0.03  # launches timed together, where one takes less (s)
LIMIT, ESSENTIAL = 500.0, 5  # s after which nothing new is measured
OBSERVED = ("sbp", "dbp", "map", "pa_pressure_systolic", "pa_pressure_diastolic", "pa_pressure_mean", "pcwp_mean",
            "ra_pressure_mean", "lv_edv", "lv_esv", "rv_edv", "cardiac_output")  # fmt: skip
COMMON = ("heart_rate", "stressed_volume", "systemic.resistance", "pulmonary.resistance", "venous_return.resistance",
          "systemic_arteries.compliance", "pulmonary_arteries.compliance")  # fmt: skip
FREE = {
    "adult": (*COMMON, "aorta.compliance", "aorta.impedance", "ventricles.time_scale", "lv.maximal_elastance",
              "rv.maximal_elastance", "lv.passive_exponent"),
    "regazzoni_2022_b": (*COMMON, "ventricles.contraction", "lv.active_elastance", "rv.active_elastance",
                         "lv.passive_elastance", "rv.passive_elastance", "la.active_elastance"),
}  # fmt: skip
WITHIN = {"adult": 25.0, "regazzoni_2022_b": 10.0}  # ms for a million patients in float32, kernel and host to host
SWEEP = (Launch(rare="apart"), Launch(rare="always"))
EVEN = (1, 1, 1, 1)  # parts of one size, beside those of `page_locked`
# Warps that a multiprocessor shall hold at once, for which the compiler then saves registers: left alone it gives a
# thread 236 (Regazzoni) and 254 (`adult`), so that a multiprocessor holds eight.
RESIDENT, OPTION = (10, 12, 16), ("xla_gpu_ptx_compiler_extra_flags", "--minnctapersm={}")
TANGENTS = (("float32", 1), ("float32", 2), ("float32", 4), ("float64", 1))  # directions beside one beat
# Multiprocessors and highest clock (Hz) of an NVIDIA H100 SXM or H200 (architecture white paper), when none is seen;
# each multiprocessor issues four warp instructions per cycle, and half as many in float64.
HOPPER, ISSUES, WARP = (132, 1.98e9), 4, 32
WARPS = 16  # whose rare parts are counted


@dataclass(frozen=True, eq=False)
class Case:
    """A circulation with its fixed parameters folded, and random patients of it."""

    name: str
    system: System
    beat: BeatMap
    rows: np.ndarray
    state: np.ndarray

    def inputs(self, count: int, dtype: str) -> list[np.ndarray]:
        """Parameter and state rows of the first `count` patients."""
        return [np.ascontiguousarray(x[:, :count], dtype) for x in (self.rows, self.state)]

    def kernel(self, launch: Launch | None = None) -> PallasBeat:
        """The beat in one kernel."""
        return PallasBeat(self.beat.system, self.beat.reductions, self.beat.solver, launch=launch or Launch())


def case_of(name: str, count: int) -> Case:
    """Patients with random parameters at the onset of a beat of the typical one, after ten beats on the CPU."""
    model = circulation(name)
    system = folded(model.system, {n: v for n, v in model.values.items()
                                   if n in model.system.parameters.names and n not in FREE[name]})  # fmt: skip
    beat = BeatMap(system, Observer(system, OBSERVED).reductions)
    typical = system.parameters.pack({n: model.values[n] for n in system.parameters.names}, 1)
    with double(), jax.default_device(jax.devices("cpu")[0]):
        state = equal_start(system, jnp.asarray(typical))
        for _ in range(10):
            state = compiled(on_backend(beat, "xla"), None)(jnp.asarray(typical), state, STEPS).state
    spread = np.exp(SPREAD * np.random.default_rng(0).standard_normal((len(typical), count)))
    return Case(name, system, beat, typical * spread, np.repeat(np.asarray(state), count, axis=1))


def device_rate() -> tuple[float, str]:
    """Warp instructions per second that the device can issue, and whose figure that is."""
    cores, clock, source = *HOPPER, "predicted for an H100"
    if jax.default_backend() == "gpu":
        asked = ["nvidia-smi", "--query-gpu=clocks.max.sm", "--format=csv,noheader,nounits"]
        found = shutil.which(asked[0])
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split() if found else []
        device = jax.devices()[0]
        clock = float(said[0]) * 1e6 if said and said[0].isdigit() else clock
        cores, source = int(getattr(device, "core_count", cores)), device.device_kind
    return cores * clock * ISSUES, source


def instructions(counts: Any, dtype: str) -> int:
    """Instructions of some operations, by the weights of `ISSUED`."""
    return sum(ISSUED[dtype].get(name, 1) * count for name, count in counts.items())


def line_of(case: Case, dtype: str, tangents: int = 0) -> StraightLine:
    """The rewritten step that the default launch runs."""
    line = case.kernel().program(dtype, tangents).line
    assert line is not None, "the default launch is rewritten"
    return line


@functools.cache
def in_rare_parts(case: Case, dtype: str) -> float:
    """Instructions per step in rare parts that some patient of a warp needs, averaged over a beat of `WARPS` warps."""
    program, compute = case.kernel().program(dtype), Arithmetic(WARP, ptx=False)
    line, onset = line_of(case, dtype), program.onset
    assert onset is not None, "the default launch is rewritten"
    parts = [part for piece in line.body if not isinstance(piece, Operation)
             for part in (piece.parts if isinstance(piece, Votes) else (piece,))]  # fmt: skip
    costs = [float(instructions(Counter(o.name for o in part.operations), dtype)) for part in parts]

    def ends(outputs: Any, values: dict[int, Any]) -> tuple[jax.Array, ...]:
        wide = (o.value if isinstance(o, Constant) else values[o] for o in outputs)
        return tuple(jnp.broadcast_to(jnp.asarray(x, dtype), (WARP,)) for x in wide)

    def of_a_warp(rows: Any, state: Any) -> jax.Array:
        invariants = [*rows, jnp.int32(STEPS)]
        begun = dict(enumerate([*invariants, *state]))
        run(onset.prologue, compute, begun)
        before = dict(enumerate(invariants))
        run(line.prologue, compute, before)

        def step(k: Any, kept: tuple[Any, jax.Array]) -> tuple[Any, jax.Array]:
            values = before | dict(enumerate([*kept[0], k], start=line.invariants))
            compute.run(line.body, values)
            needed = (jnp.any(values[part.predicate]) * cost for part, cost in zip(parts, costs, strict=True))
            return ends(line.outputs, values), kept[1] + sum(needed)

        return jax.lax.fori_loop(0, STEPS, step, (ends(onset.outputs, begun), jnp.float32(0.0)))[1]

    with double(dtype == "float64"), jax.default_device(jax.devices("cpu")[0]):
        rows, state = (jnp.asarray(x.reshape(len(x), WARPS, WARP)) for x in case.inputs(WARPS * WARP, dtype))
        return float(jnp.mean(jax.jit(jax.vmap(of_a_warp, in_axes=1))(rows, state))) / STEPS


def roofline(case: Case, dtype: str, count: int, tangents: int = 0) -> float:
    """Least seconds for one pass of a beat: what every step issues and, in plain beats, what runs of rare parts."""
    line = line_of(case, dtype, tangents)
    issued = instructions(line.always, dtype) + (0.0 if tangents else in_rare_parts(case, dtype))
    return STEPS * -(-count // WARP) * (2 if dtype == "float64" else 1) * issued / device_rate()[0]


def count(bars: Bars, case: Case) -> None:
    """Operations and bytes of one beat, before anything is timed."""
    bars.figure(f"{case.name}.states", len(case.system.state))
    for dtype in ("float32", "float64"):
        line = line_of(case, dtype)
        moved = len(case.system.parameters) + 2 * len(case.system.state) + len(case.beat.reductions)
        for name, found in (("always", line.always), ("rare", line.rare)):
            bars.figure(f"{case.name}.{dtype}.{name}", instructions(found, dtype), "instructions per step")
        bars.figure(
            f"{case.name}.{dtype}.rare_that_runs", in_rare_parts(case, dtype), "instructions per step of a warp"
        )
        bars.figure(f"{case.name}.{dtype}.bytes", moved * np.dtype(dtype).itemsize, "per patient and beat")
        bars.figure(f"{case.name}.{dtype}.roofline", 1e3 * roofline(case, dtype, LARGE), "ms per million patients")
        bars.tables[f"{case.name}.{dtype}.operations"] = {"always": dict(line.always), "rare": dict(line.rare)}


@dataclass(frozen=True)
class Measurement:
    """One program to time: how it runs, on how many patients, of which type."""

    name: str
    case: Case
    run: Any
    count: int
    dtype: str
    resident: int = 0  # of `RESIDENT`; 0 leaves it to the compiler

    @property
    def options(self) -> dict[str, Any]:
        """Options of the compiler."""
        return {OPTION[0]: OPTION[1].format(self.resident)} if self.resident else {}


def measurements(case: Case) -> list[Measurement]:
    """What is measured of a case, the most important first."""
    plain = lambda kernel: lambda p, s: kernel(p, s, STEPS)  # noqa: E731
    found = [Measurement("kernel", case, plain(case.kernel()), LARGE, "float32"),
             Measurement("kernel", case, plain(case.kernel()), SMALL, "float32"),
             Measurement("kernel", case, plain(case.kernel()), LARGE, "float64"),
             Measurement("kernel", case, plain(case.kernel()), SMALL, "float64"),
             Measurement("xla", case, plain(on_backend(case.beat, "xla")), LARGE, "float32")]  # fmt: skip
    for number in RESIDENT:
        found.append(Measurement(f"resident{number}", case, plain(case.kernel()), LARGE, "float32", number))
    for launch in SWEEP:
        name = f"width{launch.width}.warps{launch.warps}.{launch.rare}"
        found.append(Measurement(name, case, plain(case.kernel(launch)), LARGE, "float32"))
    for dtype, tangents in TANGENTS:
        kernel = case.kernel(Launch(tangents=tangents))
        run = lambda p, s, kernel=kernel: kernel.linearised(p, s, STEPS, ())  # noqa: E731
        found.append(Measurement(f"tangents{tangents}", case, run, SMALL, dtype))
    return found


def compile_all(todo: list[Measurement]) -> list[Any]:
    """Every program compiled, on all cores; None with a message where that failed."""

    def one(m: Measurement) -> Any:
        with double(m.dtype == "float64"):
            shapes = [jax.ShapeDtypeStruct((x.shape[0], m.count), m.dtype) for x in (m.case.rows, m.case.state)]
            began = time.perf_counter()
            try:
                return jax.jit(m.run).lower(*shapes).compile(m.options), time.perf_counter() - began
            except Exception as error:  # one program that a compiler refuses must not cost the others their figures
                print(f"failed {label(m)}: {type(error).__name__}: {str(error)[:300]}", flush=True)
                return None, 0.0

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(one, todo))


def label(m: Measurement) -> str:
    """The name of a measurement in the results."""
    return f"{m.case.name}.{m.dtype}.{m.count}.{m.name}"


def seconds(run: Any, repeats: int = 5, queued: int = 1) -> float:
    """Median wall time of a call, after one that warms up; of `queued` calls that wait for each other on the device,
    so that what the host takes to launch one and to hear of its end (some .1 ms) runs beside the others."""
    jax.block_until_ready(run())
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready([run() for _ in range(queued)])
        times.append((time.perf_counter() - began) / queued)
    return float(np.median(times))


def measure(bars: Bars, m: Measurement, program: Any) -> None:
    """Time one program; the default kernel also host to host, against its roofline and its bars."""
    with double(m.dtype == "float64"):
        host = m.case.inputs(m.count, m.dtype)
        placed = [jax.device_put(x) for x in host]
        alone = seconds(lambda: program(*placed))
        took = seconds(lambda: program(*placed), queued=QUEUED) if alone < BRIEF else alone
        bars.figure(f"{label(m)}.alone", 1e3 * alone, "ms, launched and waited for")
        bars.figure(f"{label(m)}.time", 1e3 * took, "ms")
        if m.name.startswith("tangents"):
            per = took / len(m.case.system.state)
            bars.figure(f"{label(m)}.per_direction", 1e3 * per, "ms")
        if m.name != "kernel":
            return
        if m.dtype == "float32" or m.count == SMALL:
            bars.most(f"{label(m)}.over_roofline", took / roofline(m.case, m.dtype, m.count), 2.0)
        movable = seconds(lambda: [np.asarray(x) for x in program(*(jax.device_put(x) for x in host))], 3)
        bars.figure(f"{label(m)}.from_movable_memory", 1e3 * movable, "ms")
        moved, spent = host_program(m.case.kernel()), {}
        for name, shares in (("host_to_host", SHARES), ("host_to_host.even", EVEN)):
            parts = [page_locked(x, shares) for x in host]
            spent[name] = seconds(lambda parts=parts: moved(*parts, STEPS))
            bars.figure(f"{label(m)}.{name}", 1e3 * spent[name], "ms")
        whole = spent["host_to_host"]
        if (m.count, m.dtype) == (LARGE, "float32"):
            bars.most(f"{m.case.name}.million", 1e3 * took, WITHIN[m.case.name], "ms")
            bars.most(f"{m.case.name}.million.host_to_host", 1e3 * whole, WITHIN[m.case.name], "ms")
            bars.figure(f"{m.case.name}.per_state_step", 1e9 * took / (LARGE * STEPS * len(m.case.system.state)), "ns")
        if m.count == SMALL:
            compare(bars, m, program(*placed))


def compare(bars: Bars, m: Measurement, found: Any) -> None:
    """Against XLA on the CPU in float64: largest difference relative to the largest entry of a row, and per unit."""
    with double(), jax.default_device(jax.devices("cpu")[0]):
        rows, state = (jnp.asarray(x, "float64") for x in m.case.inputs(COMPARED, m.dtype))
        expected = np.concatenate(
            [np.asarray(x) for x in compiled(on_backend(m.case.beat, "xla"), None)(rows, state, STEPS)]
        )
    got = np.concatenate([np.asarray(x, float)[:, :COMPARED] for x in found])
    worst = np.max(np.abs(got - expected), axis=1)
    relative = float(np.max(worst / size_of(expected)))
    if m.dtype == "float64":
        bars.most(f"{m.case.name}.float64.difference", relative, 1e-6)
        return
    bars.figure(f"{m.case.name}.float32.difference", relative)
    kinds = [r.quantity for r in m.case.beat.reductions]
    for kind, unit in (("pressure", "mmHg"), ("volume", "mL")):
        chosen = [len(m.case.system.state) + i for i, k in enumerate(kinds) if k == kind]
        bars.figure(f"{m.case.name}.float32.difference.{kind}", float(np.max(worst[chosen])), unit)


def size_of(rows: np.ndarray) -> np.ndarray:
    """Largest entry of every row; 1 for the flow of a valve that is shut in all patients."""
    size = np.max(np.abs(rows), axis=1)
    return np.where(size > 0.0, size, 1.0)


def interpreted(bars: Bars, case: Case) -> None:
    """Without a GPU: the same kernel, interpreted, against XLA."""
    with double():
        rows, state = (jnp.asarray(x) for x in case.inputs(64, "float64"))
        expected = compiled(case.beat, None)(rows, state, STEPS)
        found = jax.jit(case.kernel(Launch(interpret=True)).__call__)(rows, state, STEPS)
    for what, got, want in zip(("state", "values"), found, expected, strict=True):
        worst = np.max(np.abs(np.asarray(got - want)), axis=1)
        bars.most(f"{case.name}.interpreted.{what}", float(np.max(worst / size_of(np.asarray(want)))), 1e-9)


def main() -> int:
    """Count, compile, measure; 1 when a bar is missed, 0 without a GPU."""
    bars = Bars("gpu_kernel", __doc__ or "")
    on_gpu = jax.default_backend() == "gpu"
    cases = [case_of(name, LARGE if on_gpu else COMPARED) for name in FREE]
    for case in cases:
        count(bars, case)
    print(f"roofline {device_rate()[1]}: {device_rate()[0] / 1e9:.0f} G warp instructions per second")
    if not on_gpu:
        print("no GPU that JAX can see: nothing is measured and no bar is claimed")
        if bars.quick:
            for case in cases:
                interpreted(bars, case)
        return int(bars.missed > 0)
    lists = [measurements(case) for case in cases]
    for some in (slice(0, ESSENTIAL), slice(ESSENTIAL, None)):
        if time.perf_counter() - bars.began > LIMIT:
            print(f"skipped {sum(len(found[some]) for found in lists)} variants: {LIMIT:g} s have passed", flush=True)
            continue
        todo = [m for together in zip(*(found[some] for found in lists), strict=True) for m in together]
        for m, (program, took) in zip(todo, compile_all(todo), strict=True):
            if program is not None:
                bars.figure(f"{label(m)}.compile", took, "s")
            if time.perf_counter() - bars.began > LIMIT:
                print(f"skipped {label(m)}: {LIMIT:g} s have passed", flush=True)
            elif program is not None:
                measure(bars, m, program)
    return bars.finish()


if __name__ == "__main__":
    sys.exit(main())
