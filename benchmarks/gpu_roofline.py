"""What the GPU kernel computes and moves in one beat, counted before anything is timed, and its arithmetic roofline.

The roofline is the least time in which one GPU can issue the kernel's own instructions: those of every step, and of the
rare parts what some patient of a warp needs, averaged over a beat; with tangents everything runs.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from bars import Bars

from hemotwin.core.system import System
from hemotwin.engine.backends.arithmetic import Arithmetic
from hemotwin.engine.backends.pallas import Launch, PallasBeat, on_backend
from hemotwin.engine.backends.straight_line import ISSUED, Constant, Operation, StraightLine, Votes, run
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.folded import folded
from hemotwin.engine.forward import equal_start
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from hemotwin.physiology.observable import Observer

__all__ = ["FREE", "LARGE", "STEPS", "Case", "case_of", "count", "device_rate", "on_cpu", "roofline"]

STEPS, LARGE = 400, 1_000_000  # steps per beat; patients
SPREAD = 0.1  # sd of the natural logarithm of every parameter, between patients
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
        start = equal_start(system, jnp.asarray(typical))
    state = on_cpu(beat, typical, np.asarray(start), STEPS, beats=10).state
    spread = np.exp(SPREAD * np.random.default_rng(0).standard_normal((len(typical), count)))
    return Case(name, system, beat, typical * spread, np.repeat(np.asarray(state), count, axis=1))


def on_cpu(beat: BeatMap, rows: np.ndarray, state: np.ndarray, steps: int, beats: int = 1) -> Any:
    """State and reductions after some beats by XLA on one CPU device, in float64, wherever else beats would run."""
    with double(), jax.default_device(jax.devices("cpu")[0]):
        run = jax.jit(on_backend(beat, "xla").__call__)
        p, x, found = jnp.asarray(rows, "float64"), jnp.asarray(state, "float64"), None
        for _ in range(beats):
            found = run(p, x, steps)
            x = found.state
    return found


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
    """Least seconds for one pass of a beat, with `tangents` directions beside it, on one GPU."""
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
        pushed, least = line_of(case, dtype, 1), 1e3 * roofline(case, dtype, LARGE, 1)
        bars.figure(f"{case.name}.{dtype}.tangents1", instructions(pushed.always, dtype), "instructions per step")
        bars.figure(f"{case.name}.{dtype}.tangents1.roofline", least, "ms per million patients and direction")
        bars.tables[f"{case.name}.{dtype}.operations"] = {"always": dict(line.always), "rare": dict(line.rare)}
