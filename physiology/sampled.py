"""Readings of a recorded beat by their hard definition: what a report prints and a smooth reading is held against.

Extremes are those of the samples, means and volumes trapezoids, nothing is fitted through a peak, so the record must be
dense: with 6,400 samples per beat readings are true to 0.01 mmHg and 0.1 %; with 400 the lowest root pressure, at the
valve's opening, is up to 0.2 mmHg too high. All arrays have the patients last, all results are [patient].
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ..core.errors import UnknownNameError
from ..core.reduction import Reduction
from ..core.system import System
from .observable import BeatReadings, all_observables

__all__ = ["Recorded", "SampledBeat", "readings"]


class Recorded(Protocol):
    """One beat from onset to onset: time [N + 1, B] (s), pressure and volume [store, N + 1, B], flow [branch, ...]."""

    time: Any
    pressure: Any
    volume: Any
    flow: Any


class SampledBeat(BeatReadings):
    """Readings of a recorded steady beat; `parameters` [rows, B] give the period and the windows of the cycle."""

    def __init__(self, system: System, beat: Recorded, parameters: Any, body_surface_area: Any = None) -> None:
        self.system, self.beat = system, beat
        self.values = system.read(tuple(np.asarray(row) for row in parameters))
        self.time = np.asarray(beat.time)
        super().__init__(self.time[-1] - self.time[0], body_surface_area)

    def curve(self, quantity: str, site: str) -> np.ndarray:
        """Samples [N + 1, B] of "pressure" (mmHg), "volume" (mL) or "flow" (mL/s) at a reading's site."""
        if site not in self.system.readings:
            raise UnknownNameError("site", site, sorted(self.system.readings))
        name = self.system.readings[site]
        row = self.system.branch(name) if quantity == "flow" else self.system.store(name)
        return np.asarray(getattr(self.beat, quantity))[row]

    def take(self, reduction: Reduction) -> np.ndarray:
        """The number that a reduction asks for, [B]."""
        kind, site = reduction.kind, reduction.site
        if kind == "open_time":
            return self._open_time(site)
        y = self.curve(reduction.quantity, site)
        if kind in ("maximum", "minimum"):
            return self._extreme(y, np.max if kind == "maximum" else np.min, reduction.window)
        if kind == "onset":
            return y[0]
        if kind == "peak_rate":
            return self._steepest(y)
        if kind == "work":
            volume = self.curve("volume", site)
            return -np.sum(0.5 * (y[1:] + y[:-1]) * np.diff(volume, axis=0), axis=0)
        area = np.sum(0.5 * (y[1:] + y[:-1]) * np.diff(self.time, axis=0), axis=0)
        return area if kind == "volume" else area / self.period

    def _steepest(self, y: np.ndarray) -> np.ndarray:
        """Largest slope at a sample from it and the two before it (second order; later samples do not count, because
        the rise breaks off where a valve opens)."""
        step = self.period / (len(y) - 1)
        return np.max((3.0 * y[2:] - 4.0 * y[1:-1] + y[:-2]) / (2.0 * step), axis=0)

    def _extreme(self, y: np.ndarray, best: Any, window: tuple[Any, Any] | None) -> np.ndarray:
        """Extreme of the samples in a window and of the values at its edges (linear between samples)."""
        if window is None:
            return best(y, axis=0)
        start, stop = (self.system.windows[w](self.values) if isinstance(w, str) else w for w in window)
        phase = (self.time - self.time[0]) / self.period
        inside = ((phase >= start) & (phase < stop)) | (phase + 1.0 < stop)
        outcome = np.where(inside, y, -np.inf if best is np.max else np.inf)
        edges = [self._at(y, phase, edge) for edge in (start, stop)]
        return best(np.concatenate([outcome, np.stack(edges)]), axis=0)

    def _at(self, y: np.ndarray, phase: np.ndarray, moment: Any) -> np.ndarray:
        moments = np.broadcast_to(moment, y.shape[1:])
        moments = np.where(moments > 1.0, moments - 1.0, moments)
        return np.array([np.interp(m, phase[:, b], y[:, b]) for b, m in enumerate(moments)])

    def _open_time(self, site: str) -> np.ndarray:
        """Time of forward flow (s): it begins where the pressures at the valve's ports cross (linear between samples)
        and ends where the last two samples of flow, continued, reach zero."""
        q = np.maximum(self.curve("flow", site), 0.0)
        branch = self.system.branches[self.system.branch(self.system.readings[site])]
        pressure = np.asarray(self.beat.pressure)
        push = pressure[branch.up] - pressure[branch.down]
        before, after = q[:-1] > 0.0, q[1:] > 0.0
        crossing = (push[:-1] < 0.0) & (push[1:] > 0.0)
        rise = np.where(crossing, push[1:] / np.where(crossing, push[1:] - push[:-1], 1.0), 1.0)
        slope = np.concatenate([q[-2:-1] - q[-1:], q[:-1] - q[1:]])[:-1]
        left = np.where(slope > 0.0, q[:-1] / np.where(slope > 0.0, slope, 1.0), 1.0)
        share = np.where(before & after, 1.0, np.where(after, rise, np.where(before, np.minimum(left, 1.0), 0.0)))
        return np.sum(share * np.diff(self.time, axis=0), axis=0)


def readings(
    system: System, beat: Recorded, parameters: Any, body_surface_area: Any, names: tuple[str, ...] | None = None
) -> dict[str, np.ndarray]:
    """Every observable (or those named) of a recorded beat by its hard definition, each [B] in its own unit."""
    sampled = SampledBeat(system, beat, parameters, np.asarray(body_surface_area))
    like = np.zeros(np.asarray(beat.time).shape[-1])
    return {name: like + about.define(sampled) for name, about in all_observables(names).items()}
