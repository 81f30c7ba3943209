"""How long a user waits before anything happens: `import hemotwin` and `hemotwin --help`, median of fresh processes.

Prints one line per question: `bar <name> <measured> <unit> limit <limit> ok|MISSED`; exits 1 when a bar is missed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

REPEATS = 7
QUESTIONS = {
    "startup.import": ([sys.executable, "-c", "import hemotwin"], 0.5),
    "startup.help": ([sys.executable, "-c", "from hemotwin.cli import main; main()", "--help"], 0.5),
}


def median_seconds(command: list[str]) -> float:
    """Median wall time of a command, after one run that fills the file cache; raises when the command fails."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> int:
    """Measure each question and say whether it holds."""
    missed = 0
    for name, (command, limit) in QUESTIONS.items():
        seconds = median_seconds(command)
        missed += seconds > limit
        print(f"bar {name} {seconds:.3f} s limit {limit:g} s {'MISSED' if seconds > limit else 'ok'}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
