"""`hemotwin bench`: how fast is this machine, at which accuracy, as a table to paste."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

__all__ = ["add_arguments", "run"]

ROUNDS, SIZES, SOLVED, DRAWS, FITTED = 5, (1, 256, 4096, 16384), 256, 256, 4
QUICK_ROUNDS, QUICK_SIZES, QUICK_SOLVED, QUICK_DRAWS, QUICK_FITTED = 3, (1, 64, 2048), 64, 64, 2
FIT_ROUNDS = 2  # timed runs of the calibration, which is long (1 with --quick)
QUICK_LIMIT = 25.0  # s after which --quick begins nothing more, as a program may have to compile for half a minute
GPU_SIZES = (131072,)  # patients of one more batch where the device is a GPU, which smaller ones do not fill
BUSY = 0.5  # load per core at the start above which the figures are marked as those of a busy machine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--quick", action="store_true", help="smaller batches and fewer runs: less than a minute")
    parser.add_argument("--json", metavar="FILE", help="write every single run's seconds too, as JSON")


def run(options: argparse.Namespace) -> int:
    """Time everything, compile time apart, and print the table in Markdown."""
    import jax

    from ..engine.compile_clock import compile_clock
    from . import speed
    from .pace import tell_pace
    from .targets import writable_file
    from .terminal import Progress, say

    if options.json:
        writable_file("--json", options.json, "bench.json", in_place=True)  # told before minutes are spent
    progress, quick = Progress(), options.quick
    facts = _facts(quick)
    sizes = QUICK_SIZES if quick else SIZES
    if jax.default_backend() == "gpu":
        sizes += GPU_SIZES
    tell_pace(progress)
    progress("compiling what is not in the cache yet; the seconds of compiling stand apart in the table")
    with compile_clock() as clock:
        patients = speed.drawn(QUICK_DRAWS if quick else DRAWS)
        progress(f"{patients.rows.shape[1]} random patients at their steady beats")
        cases = speed.engine_cases(patients, sizes, QUICK_SOLVED if quick else SOLVED)
        until = time.perf_counter() + QUICK_LIMIT - progress.seconds if quick else float("inf")
        found, left_out = speed.timed(cases, QUICK_ROUNDS if quick else ROUNDS, clock, progress, until)
        certified = speed.accuracy(patients, sensitivities=not any(case.what == "Jacobian" for case in left_out))
        progress("accuracy: steps halved, float32 against float64")
        fit = [speed.calibration_case(QUICK_FITTED if quick else FITTED)]
        fitted, late = speed.timed(fit, 1 if quick else FIT_ROUNDS, clock, progress, until)
    found, left_out = found + fitted, left_out + late
    facts |= {"seconds": round(progress.seconds, 1)} | _device()
    say()
    for line in _markdown(facts, found, certified, patients, left_out):
        say(line)
    if options.json:
        content = {"provenance": facts, "rows": [_row(one) for one in found], "accuracy": certified._asdict(),
                   "left_out": [case.what for case in left_out]}  # fmt: skip
        Path(options.json).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        progress(f"JSON: {options.json}")
    return 0


def _facts(quick: bool) -> dict[str, Any]:
    """Where the figures come from, before anything runs: neither folder nor host."""
    from ..engine.machine import cores, processor

    found = cores()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"benchmark": "hemotwin bench", "quick": quick, "processor": processor(), "cores": found.usable,
            "cores_present": found.present, "load_before": load, "circulation": "adult",
            "prior": "adult_wide"}  # fmt: skip


def _device() -> dict[str, Any]:
    from ..core.provenance import provenance

    return provenance(precision="float64 and float32, as the rows say")


def _row(one: Any) -> dict[str, Any]:
    return {"what": one.case.what, "patients": one.case.patients, "precision": one.case.precision,
            "compile_seconds": one.compiling, "seconds": one.seconds}  # fmt: skip


def _markdown(facts: dict[str, Any], found: list[Any], certified: Any, patients: Any, left_out: list[Any]) -> list[str]:
    """Title, table, accuracy, cost in plain beats and what was left out."""
    from ..core.disclaimer import DISCLAIMER

    names = _names(patients)
    lines = [
        f"### hemotwin {facts['hemotwin']} on {facts['device']}, {facts['date'][:10]}",
        "",
        f"{facts['processor']}, {facts['cores']} of {facts['cores_present']} cores; Python {facts['python']}, jax "
        f"{facts['jax']}, jaxlib {facts['jaxlib']}, numpy {facts['numpy']}; circulation adult, {certified.steps} steps "
        f"per beat, random patients of the prior adult_wide; {facts['seconds']:.0f} s{_busy(facts)}.",
        "",
        "| what | patients | precision | per patient | patient-beats per s | range | compiling |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        ends = [seconds / one.case.patients for seconds in (min(one.seconds), max(one.seconds))]
        rate = f"{1.0 / one.per_patient:,.0f}" if one.case.beats else "–"
        lines.append(
            f"| {names[one.case.what]} | {one.case.patients:,} | {one.case.precision} | {_time(one.per_patient)} | "
            f"{rate} | {_time(ends[0])} to {_time(ends[1])} | {one.compiling:.1f} s |"
        )
    rounds = len(found[0].seconds)
    lines += ["", f"Medians of {rounds} alternated runs, host to host ({_runs(found, rounds)}); compiling includes "
                  "reading the cache, and a program serves all rows that share it."]  # fmt: skip
    lines += [_accuracy_sentence(certified), *_in_beats(found, patients)]
    lines += [f"Left out for want of time: {', '.join(case.what for case in left_out)}; run again, now that the "
              "programs are in the cache, or without --quick."] if left_out else []  # fmt: skip
    return [*lines, "", DISCLAIMER]


def _names(patients: Any) -> dict[str, str]:
    from ..engine.periodic import TOLERANCE
    from .speed import READINGS

    return {
        "beat": f"one beat, {len(READINGS)} readings",
        "Jacobian": f"Jacobian at the steady beat, {len(READINGS)} readings by {len(patients.free)} quantities",
        "steady beat": f"steady beat from rest, to {TOLERANCE:.0e} mL",
        "calibration": "calibration of ph9, whole: 8 starts, left-out, draws",
    }


def _runs(found: list[Any], rounds: int) -> str:
    other = {one.case.what: len(one.seconds) for one in found if len(one.seconds) != rounds}
    return "; ".join(f"{what}: {count} run{'s' * (count != 1)}" for what, count in other.items()) or "every row"


def _busy(facts: dict[str, Any]) -> str:
    load = facts["load_before"]
    if load is None or load <= BUSY * facts["cores"]:
        return ""
    return f"; **the machine was busy** (load {load:.1f} at the start): slower than it can be"


def _accuracy_sentence(a: Any) -> str:
    from .speed import PRESSURE_LIMIT, SENSITIVITY_MEDIAN, SENSITIVITY_MOST, VOLUME_LIMIT

    limits = f"limits {PRESSURE_LIMIT:g} mmHg, {VOLUME_LIMIT:g} mL, {SENSITIVITY_MEDIAN:g} and {SENSITIVITY_MOST:g}"
    whole = "certified" if a.sensitivity_most is not None else "certified for values alone"
    verdict = f"Accuracy ({whole})" if a.certified else "**Accuracy beyond its limits**"
    slopes = "not looked at"
    if a.sensitivity_most is not None:
        slopes = f"{a.sensitivity_median:.2g} (median) and {a.sensitivity_most:.2g} (95 %) noise sd per prior sd "
        slopes += f"({100 * a.finer:.0f} % of the patients would be fitted on more steps)"
    return (
        f"{verdict}, largest over the patients, by halving the steps: pressures {a.pressure:.2g} mmHg, volumes "
        f"{a.volume:.2g} mL; sensitivities {slopes}; {limits}; beats repeat to {a.residual:.0e} mL; float32 within "
        f"{a.float32_pressure:.1g} mmHg and {a.float32_volume:.1g} mL of float64; {100 * a.share:.1f} % of the draws "
        "reached a steady beat."
    )


def _in_beats(found: list[Any], patients: Any) -> list[str]:
    """What a steady beat and a tangent cost in plain beats of as many patients in the same precision."""
    plain = {one.case.patients: one.per_patient for one in found if one.case.beats and one.case.precision == "float64"}
    tangents, said = len(patients.model.system.state) + len(patients.free), []
    for one in found:
        beats = one.per_patient / plain.get(one.case.patients, float("nan"))
        if one.case.what == "steady beat":
            said.append(f"a steady beat from rest costs {beats:.1f} plain beats of as many patients")
        elif one.case.what == "Jacobian":
            said.append(f"a Jacobian {beats:.1f}, {beats / tangents:.2f} for each of its {tangents} tangents")
    return [f"In float64 {', '.join(said)}."] if said else []


def _time(seconds: float) -> str:
    """A time with three significant figures in the unit that suits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1.0:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
