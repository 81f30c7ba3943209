"""How long does a user wait: `import hemotwin`, `hemotwin --help`, compiling, and the whole of `hemotwin twin`?

The first two are medians of fresh processes; the others run in a process of their own with an empty compilation cache:
compiling of a beat of `adult` with twelve readings (the first call less the second) and of a whole calibration of one
patient (by JAX's own events), and the twin, once more with what the first run left. --quick: import and help.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bars import Bars

REPEATS = 7
COMMAND = [sys.executable, "-m", "hemotwin.cli"]
RECORD = Path(__file__).parents[1] / "configs" / "records" / "ph9" / "P1.json"
PROMPT, COLD, WARM = 0.5, 60.0, 15.0  # s
FORWARD, CALIBRATION = 5.0, 20.0  # s of compiling
LANES, APART_OPTION = 1024, "--apart"
OBSERVED = ("sbp", "dbp", "map", "pa_pressure_systolic", "pa_pressure_diastolic", "pa_pressure_mean", "pcwp_mean",
            "ra_pressure_mean", "lv_edv", "lv_esv", "rv_edv", "cardiac_output")  # fmt: skip


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


APART = {"forward": (forward_compile, FORWARD), "calibration": (calibration_compile, CALIBRATION)}


def in_fresh_process(name: str, cache: str) -> float:
    """What a function of `APART` gives in a process of its own, with this folder for the compilation cache."""
    command = [sys.executable, __file__, APART_OPTION, name]
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return float(said.split()[-1])


def main() -> int:
    """Measure each question and say whether it holds; 1 when a bar is missed."""
    bars = Bars("startup", __doc__ or "")
    bars.most("import", prompt([sys.executable, "-c", "import hemotwin"]), PROMPT, "s")
    bars.most("help", prompt([*COMMAND, "--help"]), PROMPT, "s")
    if not bars.quick:
        with tempfile.TemporaryDirectory() as place:
            twin = [*COMMAND, "twin", str(RECORD), "--out", place]
            bars.most("twin.cold_cache", seconds_of(twin, place), COLD, "s")
            bars.most("twin.again", seconds_of(twin, place), WARM, "s")
        for name, (_, limit) in APART.items():
            with tempfile.TemporaryDirectory() as place:
                bars.most(f"{name}.compile", in_fresh_process(name, place), limit, "s")
    return bars.finish()


if __name__ == "__main__":
    if APART_OPTION in sys.argv:
        print(APART[sys.argv[-1]][0]())
        sys.exit()
    sys.exit(main())
