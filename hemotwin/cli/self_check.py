"""A steady beat of `adult` in float64 and in float32: does this machine compute, how far apart are they, how long?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from .checkup import Finding, Problem

__all__ = ["Beats", "judged", "steady_beats"]

READINGS = ("sbp", "dbp", "pa_pressure_mean", "pcwp_mean", "ra_pressure_mean", "lv_edv", "lv_esv", "rv_edv",
            "cardiac_output")  # fmt: skip
PRESSURE_LIMIT, VOLUME_LIMIT = 0.05, 0.05  # mmHg and mL that float32 may differ from float64 at the steady beat
PLAIN_BEATS = 60  # in float32, from a heart at rest: plain beats come within 1e-6 mL of the steady one after about 40
REFERENCE_BSA = 1.75  # m2, of the reference adult


@dataclass(frozen=True)
class Beats:
    """Both steady beats: readings by name (mmHg, mL, L/min), largest differences, residual (mL), seconds."""

    float64: dict[str, float]
    float32: dict[str, float]
    dtypes: tuple[str, str]
    pressure: float
    volume: float
    residual: float
    status: int
    steps: int
    compile_seconds: float
    float64_seconds: float
    float32_seconds: float


def steady_beats(model: Any = None) -> Beats:
    """Solve the steady beat of a model (None: `adult`): by Newton in float64, by plain beats in float32.

    Each is run twice, so that the seconds of compiling stand apart from those of running (one patient).
    """
    import jax.numpy as jnp
    import numpy as np

    from ..calibration.summary import reader
    from ..engine.beat import BeatMap, compiled
    from ..engine.compile_clock import compile_clock
    from ..engine.forward import equal_start, forward
    from ..engine.precision import double
    from ..physiology.model import circulation
    from ..physiology.observable import Observer

    model = model or circulation("adult")
    system, steps = model.system, model.steps
    observer = Observer(system, READINGS)
    beat = BeatMap(system, observer.reductions)
    rows = system.parameters.pack(model.values, 1)

    read = reader(observer)

    def readings(values: Any, parameters: Any) -> tuple[dict[str, float], str]:
        area = jnp.full_like(parameters[0], REFERENCE_BSA)
        found = np.asarray(read(jnp.asarray(values), parameters, area))[:, 0]
        return dict(zip(READINGS, map(float, found), strict=True)), str(found.dtype)

    def reference() -> Any:
        return forward(beat, rows, None, steps)

    def plain() -> Any:
        parameters = jnp.asarray(rows)
        state = equal_start(system, parameters)
        for _ in range(PLAIN_BEATS):
            state, values = compiled(beat, None)(parameters, state, steps)
        return np.asarray(values)

    with compile_clock() as clock:
        began = time.perf_counter()
        with double():
            solved, wide_seconds = _twice(reference)
            wide, wide_type = readings(solved.values, jnp.asarray(rows))
        with double(False):
            values, narrow_seconds = _twice(plain)
            narrow, narrow_type = readings(values, jnp.asarray(rows))
        compiling = clock.between(began, time.perf_counter())
    apart = {name: abs(narrow[name] - wide[name]) for name in READINGS}
    largest = {unit: max(apart[n] for n, u in zip(READINGS, observer.units, strict=True) if u == unit)
               for unit in ("mmHg", "mL")}  # fmt: skip
    return Beats(wide, narrow, (wide_type, narrow_type), largest["mmHg"], largest["mL"], float(solved.residual[0]),
                 int(solved.status[0]), steps, compiling, wide_seconds, narrow_seconds / PLAIN_BEATS)  # fmt: skip


def _twice(run: Callable[[], Any]) -> tuple[Any, float]:
    """What `run` gives, and the seconds of its second call: the first compiles."""
    run()
    began = time.perf_counter()
    found = run()
    return found, time.perf_counter() - began


def judged(beats: Beats) -> list[Finding]:
    """Findings: what was solved, how far float32 is off, how long it took; wrong answers are blocking."""
    from ..core.status import Status

    facts, status, problems, narrow = asdict(beats), Status(beats.status), [], []
    if beats.dtypes != ("float64", "float32"):
        problems.append(Problem(f"this backend computes in {beats.dtypes[0]} where float64 is asked for",
                                "run on the CPU: JAX_PLATFORMS=cpu hemotwin ...", blocking=True))  # fmt: skip
    if status != Status.OK:
        what = f"the steady beat of `adult` ends as {status.name} (repeats to {beats.residual:.1g} mL)"
        problems.append(Problem(what, "install the supported versions of jax and jaxlib again", blocking=True))
    if not (beats.pressure <= PRESSURE_LIMIT and beats.volume <= VOLUME_LIMIT):
        what = (f"float32 differs from float64 by {beats.pressure:.2g} mmHg and {beats.volume:.2g} mL (allowed: "
                f"{PRESSURE_LIMIT:g} and {VOLUME_LIMIT:g})")  # fmt: skip
        narrow.append(Problem(what, "use float64, the default of every verb, and report it with this table"))
    solved = (f"steady beat of adult {beats.float64['sbp']:.1f}/{beats.float64['dbp']:.1f} mmHg, "
              f"{beats.float64['cardiac_output']:.2f} L/min; repeats to {beats.residual:.0e} mL")  # fmt: skip
    apart = f"within {beats.pressure:.0e} mmHg and {beats.volume:.0e} mL of float64 at its own steady beat"
    steady, plain = 1e3 * beats.float64_seconds, 1e3 * beats.float32_seconds
    took = f"compiling {beats.compile_seconds:.1f} (once, then the cache serves); one patient: steady beat in float64 "
    took += f"{steady:.0f} ms, plain beat in float32 {plain:.1f} ms"
    keys = ("float32", "pressure", "volume")
    seconds = [key for key in facts if key.endswith("_seconds")]
    return [
        Finding("self-check", solved, {k: v for k, v in facts.items() if k not in (*keys, *seconds)}, tuple(problems)),
        Finding("float32", apart, {key: facts[key] for key in keys}, tuple(narrow)),
        Finding("seconds", took, {key: facts[key] for key in seconds}),
    ]
