"""How long does a user wait: `import hemotwin`, `hemotwin --help`, and the whole of `hemotwin twin` on one patient?

The first two are medians of fresh processes; the twin runs with an empty compilation cache, then again with what the
first run left (--quick: import and help alone).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bars import Bars

REPEATS = 7
COMMAND = [sys.executable, "-m", "hemotwin.cli"]
RECORD = Path(__file__).parents[1] / "configs" / "records" / "ph9" / "P1.json"
PROMPT, COLD, WARM = 0.5, 60.0, 15.0  # s


def seconds_of(command: list[str], cache: str | None = None) -> float:
    """Wall time of a command; raises when it fails."""
    environment = os.environ if cache is None else {**os.environ, "XDG_CACHE_HOME": cache}
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def prompt(command: list[str]) -> float:
    """Median of fresh processes, after one run that fills the file cache."""
    return statistics.median([seconds_of(command) for _ in range(REPEATS + 1)][1:])


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
    return bars.finish()


if __name__ == "__main__":
    sys.exit(main())
