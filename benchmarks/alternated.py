"""Runs side by side, taken in turns so that a machine's moods meet all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bars import Bars

from hemotwin.engine.precision import double

__all__ = ["show", "timed"]

ROUNDS = 5  # alternated runs of which the median counts (--quick: 3)


def timed(
    bars: Bars, runs: dict[str, tuple[Callable[[], Any], int, bool]], rounds: int | None = None
) -> dict[str, tuple[float, float, float]]:
    """(median wall s, median CPU s, s of the first call beyond the median) of every run, each in its own precision (is
    it float64?), taken in turns `rounds` times (None: a few, as peers need)."""

    def within(run: Callable[[], Any], wide: bool) -> Callable[[], Any]:
        def call() -> Any:
            with double(wide):
                return run()

        return call

    return _alternated({label: within(run, wide) for label, (run, _, wide) in runs.items()},
                      rounds or (3 if bars.quick else ROUNDS))  # fmt: skip


def _alternated(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, tuple[float, float, float]]:
    """(median wall s, median CPU s, s of the first call beyond the median) of every run, taken in turns."""
    first, wall, cpu = {}, {n: [] for n in runs}, {n: [] for n in runs}
    for name, run in runs.items():
        began = time.perf_counter()
        run()
        first[name] = time.perf_counter() - began
    for _ in range(rounds):
        for name, run in runs.items():
            began, spent = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - began)
            cpu[name].append(time.process_time() - spent)
    middle = {n: (float(np.median(wall[n])), float(np.median(cpu[n]))) for n in runs}
    return {n: (w, c, max(0.0, first[n] - w)) for n, (w, c) in middle.items()}


def show(bars: Bars, name: str, found: tuple[float, float, float], per: int, unit: str = "patient-beat") -> None:
    """Wall and CPU microseconds per patient-beat (or per `unit`), and the seconds of compiling."""
    bars.figure(f"{name}.wall", 1e6 * found[0] / per, f"us per {unit}")
    bars.figure(f"{name}.cpu", 1e6 * found[1] / per, f"us per {unit}")
    if found[2] > 0.5:
        bars.figure(f"{name}.compile", found[2], "s (less when the cache holds it)")
