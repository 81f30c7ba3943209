"""Is the GPU kernel as fast as the arithmetic allows, and does it answer as the CPU does?

Counts the kernel's operations and bytes first (`gpu_roofline.py`), then measures one beat of 400 steps with twelve
observables, for `adult` and the Regazzoni loop, 13 parameters per patient: kernel and host to host, float32 and
float64, tangents, launches, and XLA's loop on the same device; answers against the CPU.

The bar of a million patients is the time of one launch among eight that wait for each other on the device (`.million`):
what the host takes to launch one and to hear of its end then runs beside the others, as in a cohort. One launch alone,
waited for, stands beside it (`.million.alone`). Host to host begins with parameters and states in page-locked memory
that is already filled, and ends when the answers lie there; `.from_movable_memory` copies from and to ordinary arrays.

One call on a machine with one NVIDIA GPU takes under ten minutes whatever happens: compiling runs on all cores, the
essential programs first, nothing new is begun after 400 s, and after 560 s the benchmark ends with what it has. What
fails is named; a bar that is not measured is short. Without a GPU it prints the counts and claims no bar; --quick then
compares an interpreted kernel with XLA.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import jax.numpy as jnp
import numpy as np
from bars import Bars
from gpu_roofline import FREE, LARGE, STEPS, Case, case_of, count, device_rate, on_cpu, roofline

from hemotwin.engine.backends.page_locked import SHARES, host_program, page_locked
from hemotwin.engine.backends.pallas import Launch, on_backend
from hemotwin.engine.beat import compiled
from hemotwin.engine.precision import double

SMALL, COMPARED = 100_000, 1024  # patients timed beside a million; patients compared
QUEUED, BRIEF = 8, 0.03  # launches timed together, where one takes less (s)
LIMIT, END = 400.0, 560.0  # s after which nothing new is begun; s after which the benchmark ends
WITHIN = {"adult": 25.0, "regazzoni_2022_b": 10.0}  # ms for a million patients in float32, kernel and host to host
OVER_ROOFLINE, DIFFERENCE = 2.0, 1e-6  # times the roofline; of the largest entry of a row, float64 against the CPU
SWEEP = (Launch(rare="apart"), Launch(rare="always"))
EVEN = (1, 1, 1, 1)  # parts of one size, beside those of `page_locked`
# Warps that a multiprocessor shall hold at once, for which the compiler then saves registers: left alone it gives a
# thread 236 (Regazzoni) and 254 (`adult`), so that a multiprocessor holds eight.
RESIDENT, OPTION = (10, 12, 16), ("xla_gpu_ptx_compiler_extra_flags", "--minnctapersm={}")


@dataclass(frozen=True, eq=False)
class Measurement:
    """One program to time: how it runs, on how many patients, of which type.

    resident: of `RESIDENT`, 0 leaves it to the compiler; tangents: directions beside one beat; shares: of the parts in
    which it runs from host memory to host memory, None for what lies on the device.
    """

    name: str
    case: Case
    run: Any
    count: int
    dtype: str
    resident: int = 0
    tangents: int = 0
    shares: tuple[int, ...] | None = None

    @property
    def label(self) -> str:
        """Its name in the results."""
        return f"{self.case.name}.{self.dtype}.{self.count}.{self.name}"

    @property
    def options(self) -> dict[str, Any]:
        """Options of the compiler."""
        return {OPTION[0]: OPTION[1].format(self.resident)} if self.resident else {}

    @property
    def bars(self) -> dict[str, tuple[float, str]]:
        """What it must not exceed, and in which unit, by the name of the bar."""
        found: dict[str, tuple[float, str]] = {}
        whole = (self.count, self.dtype) == (LARGE, "float32")
        if self.name in ("kernel", "tangents1"):
            found[f"{self.label}.over_roofline"] = OVER_ROOFLINE, ""
        if self.name == "kernel" and whole:
            found[f"{self.case.name}.million"] = WITHIN[self.case.name], "ms"
        if self.shares == SHARES and whole:
            found[f"{self.case.name}.million.host_to_host"] = WITHIN[self.case.name], "ms"
        if self.name == "kernel" and (self.count, self.dtype) == (SMALL, "float64"):
            found[f"{self.case.name}.float64.difference"] = DIFFERENCE, ""
        return found

    def inputs(self) -> tuple[Any, ...]:
        """Parameters and states where the program takes them from: on the device, or in page-locked memory."""
        host = self.case.inputs(self.count, self.dtype)
        if self.shares is None:
            return tuple(jax.device_put(x) for x in host)
        return tuple(page_locked(x, self.shares) for x in host)

    def compiled(self) -> Any:
        """The program, ready for `inputs`."""
        rows = [len(x) for x in (self.case.rows, self.case.state)]
        if self.shares is None:
            shapes = [jax.ShapeDtypeStruct((number, self.count), self.dtype) for number in rows]
            return jax.jit(self.run).lower(*shapes).compile(self.options)
        like = page_locked(np.zeros((1, self.count), self.dtype), self.shares)
        parts = [[jax.ShapeDtypeStruct((number, x.shape[1]), self.dtype, sharding=x.sharding) for x in like]
                 for number in rows]  # fmt: skip
        return host_program(self.run).lower(*parts, STEPS).compile()


def measurements(case: Case) -> list[list[Measurement]]:
    """What is measured of a case, in groups that are compiled together, the most important first."""

    def plain(kernel: Any, name: str, count: int, dtype: str, **more: Any) -> Measurement:
        return Measurement(name, case, lambda p, s: kernel(p, s, STEPS), count, dtype, **more)

    def host(count: int, dtype: str, shares: tuple[int, ...] = SHARES) -> Measurement:
        name = "kernel.host_to_host" + ("" if shares == SHARES else ".even")
        return Measurement(name, case, case.kernel(), count, dtype, shares=shares)

    def tangents(number: int, count: int, dtype: str) -> Measurement:
        kernel = case.kernel(Launch(tangents=number))
        run = lambda p, s: kernel.linearised(p, s, STEPS, ())  # noqa: E731
        return Measurement(f"tangents{number}", case, run, count, dtype, tangents=number)

    single, wide = "float32", "float64"
    kernels = {(n, d): plain(case.kernel(), "kernel", n, d) for n in (LARGE, SMALL) for d in (single, wide)}
    first = [kernels[LARGE, single], host(LARGE, single), kernels[SMALL, single]]
    second = [kernels[SMALL, wide], kernels[LARGE, wide], tangents(1, SMALL, single), tangents(1, LARGE, single),
              tangents(1, SMALL, wide)]  # fmt: skip
    third = [plain(on_backend(case.beat, "xla"), "xla", LARGE, single), host(SMALL, single), host(LARGE, wide),
             host(SMALL, wide)]  # fmt: skip
    third += [plain(case.kernel(), f"resident{n}", LARGE, single, resident=n) for n in RESIDENT]
    third += [plain(case.kernel(how), f"width{how.width}.warps{how.warps}.{how.rare}", LARGE, single) for how in SWEEP]
    third += [tangents(2, SMALL, single), tangents(4, SMALL, single)]
    third += [host(n, d, EVEN) for n, d in ((LARGE, single), (SMALL, single), (LARGE, wide), (SMALL, wide))]
    return [first, second, third]


def elapsed(bars: Bars) -> float:
    """Seconds since the benchmark began."""
    return time.perf_counter() - bars.began


def failed(bars: Bars, m: Measurement, reason: str) -> None:
    """Name a measurement that there is not, and the bars that are short for it."""
    print(f"failed {m.label}: {reason}", flush=True)
    for name in m.bars:
        bars.lacking(name, reason)


def attempt(bars: Bars, m: Measurement, act: Callable[[], Any]) -> Any:
    """What `act` gives; None, and the reason told, where it raises: one program must not cost the others theirs."""
    try:
        return act()
    except Exception as error:
        failed(bars, m, f"{type(error).__name__}: {str(error)[:300]}")
        return None


def compile_all(bars: Bars, todo: list[Measurement]) -> list[Any]:
    """Every program compiled, on all cores, as long as time allows; None with a message where that failed."""

    def one(m: Measurement) -> Any:
        began = time.perf_counter()
        with double(m.dtype == "float64"):
            program = attempt(bars, m, m.compiled)
        if program is not None:
            bars.figure(f"{m.label}.compile", time.perf_counter() - began, "s")
        return program

    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    begun = [pool.submit(one, m) for m in todo]
    wait(begun, timeout=max(0.0, LIMIT - elapsed(bars)))
    pool.shutdown(wait=False, cancel_futures=True)
    found = []
    for m, future in zip(todo, begun, strict=True):
        there = future.done() and not future.cancelled()
        found.append(future.result() if there else None)
        if not there:
            failed(bars, m, f"not compiled when {LIMIT:g} s had passed")
    return found


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
    """Time one program, against its roofline and its bars."""
    inputs = m.inputs()
    alone = seconds(lambda: program(*inputs))
    if m.shares is not None:
        bars.figure(m.label, 1e3 * alone, "ms, page-locked memory that is filled already")
        hold(bars, m, f"{m.case.name}.million.host_to_host", 1e3 * alone)
        return
    took = seconds(lambda: program(*inputs), queued=QUEUED) if alone < BRIEF else alone
    bars.figure(f"{m.label}.alone", 1e3 * alone, "ms, launched and waited for")
    bars.figure(f"{m.label}.time", 1e3 * took, "ms")
    passes = -(-len(m.case.system.state) // m.tangents) if m.tangents else 1
    if m.tangents or m.name == "kernel":
        least = passes * roofline(m.case, m.dtype, m.count, m.tangents)
        if not hold(bars, m, f"{m.label}.over_roofline", took / least):
            bars.figure(f"{m.label}.over_roofline", took / least, "x")
    if m.tangents:
        bars.figure(f"{m.label}.per_direction", 1e3 * took / len(m.case.system.state), "ms")
    if m.name != "kernel":
        return
    if hold(bars, m, f"{m.case.name}.million", 1e3 * took):
        bars.figure(f"{m.case.name}.million.alone", 1e3 * alone, "ms, launched and waited for")
        bars.figure(f"{m.case.name}.per_state_step", 1e9 * took / (m.count * STEPS * len(m.case.system.state)), "ns")
    if m.count == SMALL:
        compare(bars, m, program(*inputs))
    host = m.case.inputs(m.count, m.dtype)
    movable = seconds(lambda: [np.asarray(x) for x in program(*(jax.device_put(x) for x in host))], 3)
    bars.figure(f"{m.label}.from_movable_memory", 1e3 * movable, "ms, ordinary arrays to ordinary arrays")


def hold(bars: Bars, m: Measurement, name: str, measured: float) -> bool:
    """Measure a bar of this name; False where the measurement has none."""
    if name in m.bars:
        threshold, unit = m.bars[name]
        bars.most(name, measured, threshold, unit)
    return name in m.bars


def compare(bars: Bars, m: Measurement, found: Any) -> None:
    """Against XLA on the CPU in float64: largest difference relative to the largest entry of a row, and per unit."""
    rows, state = m.case.inputs(COMPARED, m.dtype)
    expected = np.concatenate([np.asarray(x) for x in on_cpu(m.case.beat, rows, state, STEPS)])
    got = np.concatenate([np.asarray(x, float)[:, :COMPARED] for x in found])
    worst = np.max(np.abs(got - expected), axis=1)
    relative = float(np.max(worst / size_of(expected)))
    if hold(bars, m, f"{m.case.name}.float64.difference", relative):
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


def in_short(bars: Bars, cases: list[Case]) -> None:
    """A million patients in float32, side by side."""
    columns = {"kernel": "million", "alone": "million.alone", "host_to_host": "million.host_to_host"}
    print(f"a million patients, float32, ms: one of {QUEUED} launches in a row (the bar), one alone, host to host from "
          f"page-locked memory that is filled already (the bar), from ordinary arrays", flush=True)  # fmt: skip
    for case in cases:
        names = {c: f"{case.name}.{n}" for c, n in columns.items()}
        names["from_movable_memory"] = f"{case.name}.float32.{LARGE}.kernel.from_movable_memory"
        row = {c: bars.entries.get(n, {}).get("measured") for c, n in names.items()}
        bars.tables[f"{case.name}.million"] = {**row, "bar": WITHIN[case.name]}
        shown = ", ".join("none" if x is None else f"{x:.2f}" for x in row.values())
        print(f"  {case.name} (at most {WITHIN[case.name]:g}): {shown}", flush=True)


def on_card(bars: Bars, cases: list[Case]) -> None:
    """Compile and measure group by group, as long as time allows."""
    for group in zip(*map(measurements, cases), strict=True):
        todo = [m for together in zip(*group, strict=True) for m in together]
        if elapsed(bars) > LIMIT:
            for m in todo:
                failed(bars, m, f"{LIMIT:g} s had passed")
            continue
        for m, program in zip(todo, compile_all(bars, todo), strict=True):
            if program is not None and elapsed(bars) > LIMIT:
                failed(bars, m, f"{LIMIT:g} s had passed")
            elif program is not None:
                with double(m.dtype == "float64"):
                    attempt(bars, m, lambda m=m, program=program: measure(bars, m, program))
    in_short(bars, cases)


def main() -> int:
    """Count, compile, measure; 1 when a bar is missed, 0 without a GPU."""
    bars = Bars("gpu_kernel", __doc__ or "")
    on_gpu = jax.default_backend() == "gpu"
    bars.saved = on_gpu and not bars.quick
    if on_gpu:
        bars.end_after(END)
    cases = [case_of(name, LARGE if on_gpu else COMPARED) for name in FREE]
    if on_gpu:
        for name, (threshold, unit) in (b for c in cases for g in measurements(c) for m in g for b in m.bars.items()):
            bars.expect(name, f"<= {threshold:g}", unit)
    for case in cases:
        count(bars, case)
    print(f"roofline {device_rate()[1]}: {device_rate()[0] / 1e9:.0f} G warp instructions per second")
    if on_gpu:
        on_card(bars, cases)
        return bars.finish()
    print("no GPU that JAX can see: nothing is measured and no bar is claimed")
    if bars.quick:
        for case in cases:
            interpreted(bars, case)
    return int(bars.missed > 0)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a compiler that still runs is not waited for
