"""What the benchmarks share: bars, the results file with device and date, and the option for a quick look.

A bar prints as `bar <name> <measured> <threshold> ok|short`, a number without threshold as `figure <name> <measured>`.
The results file is written anew with each of them, as `....unfinished.json` until the benchmark is done: whatever ends
it early, what was measured is kept. A bar that was announced and not measured is short, and says why. The files lie in
`benchmarks/results`, or in the folder that the environment variable `HEMOTWIN_BENCHMARK_RESULTS` names.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hemotwin.core.provenance import provenance
from hemotwin.engine.compile_cache import enable

HERE = Path(__file__).parent
RESULTS = Path(os.environ.get("HEMOTWIN_BENCHMARK_RESULTS") or HERE / "results")
UNMEASURED = "not measured"


class Bars:
    """Bars and figures of one benchmark, printed as they come and saved together."""

    def __init__(self, name: str, description: str) -> None:
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--quick", action="store_true", help="fewer draws or starts; saves no results")
        self.name, self.quick = name, parser.parse_args().quick
        self.saved = not self.quick  # whether a results file is written
        self.began, self.load = time.perf_counter(), os.getloadavg()[0]
        self.entries: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, Any] = {}
        self._facts: dict[str, Any] = {}
        self._writing, self._done = threading.RLock(), False
        enable()

    @property
    def missed(self) -> int:
        """How many bars are short, those that were announced and not measured among them."""
        return sum(entry.get("verdict") == "short" for entry in self.entries.values())

    def expect(self, name: str, threshold: str, unit: str = "") -> None:
        """Announce a bar: short until it is measured."""
        entry = {"measured": None, "threshold": threshold, "unit": unit, "verdict": "short", "reason": UNMEASURED}
        with self._writing:
            self.entries.setdefault(name, entry)

    def lacking(self, name: str, reason: str) -> None:
        """Say why an announced bar is not measured."""
        if self.entries.get(name, {}).get("reason"):
            self._enter(name, {**self.entries[name], "reason": reason})

    def end_after(self, seconds: float) -> None:
        """End the process so many seconds after the benchmark began, with what is measured by then, whatever runs or
        fails."""

        def end() -> None:
            with self._writing:
                if not self._done:
                    try:
                        print(f"ended: {seconds:g} s have passed", flush=True)
                        self.finish(ended=True)
                    finally:  # also where nothing more can be written: what hangs must not go on
                        os._exit(1)

        timer = threading.Timer(max(0.0, self.began + seconds - time.perf_counter()), end)
        timer.daemon = True
        timer.start()

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
        print(f"figure {name} {measured:.4g} {unit}".rstrip(), flush=True)
        self._enter(name, {"measured": measured, "unit": unit})

    def _bar(self, name: str, measured: float, threshold: str, holds: bool, unit: str) -> None:
        verdict = "ok" if holds else "short"
        print(f"bar {name} {measured:.4g} {unit} {threshold} {verdict}".replace("  ", " "), flush=True)
        self._enter(name, {"measured": measured, "threshold": threshold, "unit": unit, "verdict": verdict})

    def _enter(self, name: str, entry: dict[str, Any]) -> None:
        with self._writing:
            self.entries[name] = entry
            self._save()

    def compiling(self, first: Callable[[], Any]) -> None:
        """Seconds of compiling (or of reading the compile cache): the first call less the second."""
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            first()
            seconds.append(time.perf_counter() - start)
        self.figure("compile", seconds[0] - seconds[1], "s")

    def finish(self, *, ended: bool = False) -> int:
        """Print device, date and time taken, save results; 1 when a bar was missed.

        ended: the benchmark was ended early, and its file stays marked as unfinished.
        """
        with self._writing:
            for name, entry in self.entries.items():
                if entry.get("reason"):
                    print(f"bar {name} none {entry['threshold']} short ({entry['reason']})", flush=True)
            facts = self._provenance()
            print(f"{facts['processor']}, {facts['cores']} cores, {facts['date']}, {facts['seconds']} s, "
                  f"load of the machine at the start {facts['load_before']}", flush=True)  # fmt: skip
            path, self._done = self._save(finished=not ended), True
            if path is not None:
                shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name
                print(f"saved {shown}", flush=True)
        return int(self.missed > 0)

    def _provenance(self) -> dict[str, Any]:
        """Where the results come from: asked once, with the seconds so far."""
        if not self._facts:
            about = {"benchmark": self.name, "commit": _commit(), "cores": os.cpu_count(), "processor": _processor()}
            load = round(self.load, 2)
            self._facts = provenance(precision="float64", **about, load_before=load, quick=self.quick)
        return {**self._facts, "seconds": round(time.perf_counter() - self.began, 1)}

    def _save(self, *, finished: bool = False) -> Path | None:
        """Write everything measured so far in one move, so that a file is never half written; None where none is."""
        if not self.saved:
            return None
        with self._writing:
            facts = self._provenance()
            RESULTS.mkdir(parents=True, exist_ok=True)
            device = "".join(c if c.isalnum() else "-" for c in str(facts["device"]).lower())
            stem = f"{self.name}-{facts['date'][:10]}-{device}"
            unfinished = RESULTS / f"{stem}.unfinished.json"
            path = RESULTS / f"{stem}.json" if finished else unfinished
            content = {"finished": finished, "provenance": facts, "bars": self.entries, "tables": self.tables}
            written = RESULTS / f"{stem}.{os.getpid()}.part"
            written.write_text(json.dumps(content, indent=1, default=float) + "\n")
            written.replace(path)
            if finished:
                unfinished.unlink(missing_ok=True)
            return path


def _commit() -> str:
    """The commit that was measured, marked when the working tree differs from it; "unknown" outside a clone."""

    def git(*words: str) -> str:
        found = subprocess.run(("git", *words), cwd=HERE, capture_output=True, text=True, check=True)
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
