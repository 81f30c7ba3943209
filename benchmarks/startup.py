"""How long does a user wait: `import hemotwin`, `hemotwin --help`, compiling, and the whole of `hemotwin twin`?

The first two are medians of fresh processes; the others run in a process of their own with an empty compilation cache:
compiling of a beat of `adult` with twelve readings (the first call less the second) and of a whole calibration of one
patient (by JAX's own events), and the twin, once more with what the first run left. Each of these once with native code
and once (`plain`) as a plain install has it: without llvmlite, which the extra `native` brings, beats run through XLA.
Both are held to the same seconds. --quick: import and help, and the beat.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bars import Bars

REPEATS = 7
COMMAND = [sys.executable, "-m", "hemotwin.cli"]
RUN = "import runpy, sys; runpy.run_module('hemotwin.cli', run_name='__main__', alter_sys=True)"
RECORD = Path(__file__).parents[1] / "configs" / "records" / "ph9" / "P1.json"
PROMPT, COLD, WARM = 0.5, 60.0, 15.0  # s
FORWARD, CALIBRATION = 5.0, 20.0  # s of compiling
LANES = 1024
PLAIN = "import sys; sys.modules['llvmlite'] = None; "  # what makes a process one of a plain install


def seconds_of(command: list[str], cache: str | None = None) -> float:
    """Wall time of a command; raises when it fails."""
    environment = os.environ if cache is None else {**os.environ, "XDG_CACHE_HOME": cache}
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def prompt(command: list[str]) -> float:
    """Median of fresh processes, after one run that fills the file cache."""
    return statistics.median([seconds_of(command) for _ in range(REPEATS + 1)][1:])


def forward_compile() -> float:
    """Seconds that the first beat of `adult` takes beyond the second, in float32."""
    import jax
    import numpy as np
    from throughput import OBSERVED

    from hemotwin.engine.beat import BeatMap, compiled
    from hemotwin.engine.forward import equal_start
    from hemotwin.physiology.model import circulation
    from hemotwin.physiology.observable import Observer

    model = circulation("adult")
    beat = BeatMap(model.system, Observer(model.system, OBSERVED).reductions)
    rows = np.repeat(np.asarray(model.system.parameters.pack(model.values, 1), np.float32), LANES, axis=1)
    start = np.asarray(equal_start(model.system, jax.numpy.asarray(rows)))
    spent = []
    for _ in range(2):
        began = time.perf_counter()
        jax.block_until_ready(compiled(beat, None)(rows, start, model.steps))
        spent.append(time.perf_counter() - began)
    return spent[0] - spent[1]


def calibration_compile() -> float:
    """Seconds of compiling, tracing included, in which one patient is calibrated."""
    import hemotwin as ht
    from hemotwin.engine.compile_clock import compile_clock

    with compile_clock() as clock:
        began = time.perf_counter()
        ht.calibrate(ht.circulation("adult"), ht.read(RECORD), prior="adult_wide", noise="clinical")
        return clock.between(began, time.perf_counter())


def in_fresh_process(function: Callable[[], float], first: str = "") -> float:
    """What a function of this file gives in a process of its own, with an empty cache, after running `first`."""
    command = [sys.executable, "-c", f"{first}import startup; print(startup.{function.__name__}())"]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment,
                              cwd=Path(__file__).parent)  # fmt: skip
    return float(said.stdout.split()[-1])


def main() -> int:
    """Measure each question and say whether it holds; 1 when a bar is missed."""
    bars = Bars("startup", __doc__ or "")
    bars.most("import", prompt([sys.executable, "-c", "import hemotwin"]), PROMPT, "s")
    bars.most("help", prompt([*COMMAND, "--help"]), PROMPT, "s")
    for label, first in (("", ""), ("plain.", PLAIN)):
        bars.most(f"{label}forward.compile", in_fresh_process(forward_compile, first), FORWARD, "s")
        if bars.quick:
            continue
        bars.most(f"{label}calibration.compile", in_fresh_process(calibration_compile, first), CALIBRATION, "s")
        with tempfile.TemporaryDirectory() as place:
            twin = [sys.executable, "-c", first + RUN, "twin", str(RECORD), "--out", place]
            bars.most(f"{label}twin.cold_cache", seconds_of(twin, place), COLD, "s")
            bars.most(f"{label}twin.again", seconds_of(twin, place), WARM, "s")
    return bars.finish()


if __name__ == "__main__":
    sys.exit(main())
