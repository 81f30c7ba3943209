"""What the benchmarks share: bars, the results file with device and date, and the option for a quick look.

A bar prints as `bar <name> <measured> <threshold> ok|short`, a number without threshold as `figure <name> <measured>`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hemotwin.core.provenance import provenance
from hemotwin.engine.compile_cache import enable

RESULTS = Path(__file__).parent / "results"


class Bars:
    """Bars and figures of one benchmark, printed as they come and saved together."""

    def __init__(self, name: str, description: str) -> None:
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--quick", action="store_true", help="fewer draws or starts; saves no results")
        self.name, self.quick = name, parser.parse_args().quick
        self.began, self.load = time.perf_counter(), os.getloadavg()[0]
        self.entries: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, Any] = {}
        self.missed = 0
        enable()

    def most(self, name: str, measured: float, threshold: float, unit: str = "") -> None:
        """A bar that `measured` must not exceed."""
        self._bar(name, measured, f"<= {threshold:g}", measured <= threshold, unit)

    def least(self, name: str, measured: float, threshold: float, unit: str = "") -> None:
        """A bar that `measured` must reach."""
        self._bar(name, measured, f">= {threshold:g}", measured >= threshold, unit)

    def between(self, name: str, measured: float, low: float, high: float, unit: str = "") -> None:
        """A bar with two ends."""
        self._bar(name, measured, f"{low:g} to {high:g}", low <= measured <= high, unit)

    def figure(self, name: str, measured: float, unit: str = "") -> None:
        """A number without a threshold."""
        self.entries[name] = {"measured": measured, "unit": unit}
        print(f"figure {name} {measured:.4g} {unit}".rstrip(), flush=True)

    def _bar(self, name: str, measured: float, threshold: str, holds: bool, unit: str) -> None:
        verdict = "ok" if holds else "short"
        self.missed += not holds
        self.entries[name] = {"measured": measured, "threshold": threshold, "unit": unit, "verdict": verdict}
        print(f"bar {name} {measured:.4g} {unit} {threshold} {verdict}".replace("  ", " "), flush=True)

    def compiling(self, first: Callable[[], Any]) -> None:
        """Seconds of compiling (or of reading the compile cache): the first call less the second."""
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            first()
            seconds.append(time.perf_counter() - start)
        self.figure("compile", seconds[0] - seconds[1], "s")

    def finish(self) -> int:
        """Print device, date and time taken, save results unless quick; 1 when a bar was missed."""
        facts = provenance(precision="float64", benchmark=self.name, commit=_commit(), cores=os.cpu_count(),
                           processor=_processor(), load_before=round(self.load, 2),
                           seconds=round(time.perf_counter() - self.began, 1), quick=self.quick)  # fmt: skip
        print(f"{facts['processor']}, {facts['cores']} cores, {facts['date']}, {facts['seconds']} s, "
              f"load of the machine at the start {facts['load_before']}")  # fmt: skip
        if not self.quick:
            RESULTS.mkdir(exist_ok=True)
            device = "".join(c if c.isalnum() else "-" for c in str(facts["device"]).lower())
            path = RESULTS / f"{self.name}-{facts['date'][:10]}-{device}.json"
            content = {"provenance": facts, "bars": self.entries, "tables": self.tables}
            path.write_text(json.dumps(content, indent=1, default=float) + "\n")
            print(f"saved {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}")
        return int(self.missed > 0)


def _commit() -> str:
    """The commit that was measured, marked when the working tree differs from it; "unknown" outside a clone."""

    def git(*words: str) -> str:
        found = subprocess.run(("git", *words), cwd=RESULTS.parent, capture_output=True, text=True, check=True)
        return found.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude,top)benchmarks/results")
        return git("rev-parse", "--short", "HEAD") + (" and changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
