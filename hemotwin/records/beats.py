"""Beats of a pressure signal: where each begins, what it shows, which can be believed, and their average.

Feet are found from the slope sum (Zong 2003, doi 10.1109/CIC.2003.1291140); a beat is judged by the abnormality of its
pressures, its interval and its change from the beat before (Sun, Reisner, Mark 2006, Computers in Cardiology 33:13).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .signal import settings

__all__ = ["AveragedBeat", "Beats", "average", "find_beats"]


@dataclass(frozen=True)
class Beats:
    """Beats of one signal, one entry each: `start` and `length` in s, pressures in mmHg, `slope` in mmHg/s.

    `good` says which can be believed; `whole` which have no artefact inside. `dampened` is the largest slope over the
    pulse pressure in 1/s, the median of the good beats (NaN without one).
    """

    start: np.ndarray
    length: np.ndarray
    systolic: np.ndarray
    diastolic: np.ndarray
    mean: np.ndarray
    slope: np.ndarray
    whole: np.ndarray
    good: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    @property
    def count(self) -> int:
        """How many beats can be believed."""
        return int(self.good.sum())

    @property
    def dampened(self) -> float:
        """The largest slope over the pulse pressure in 1/s."""
        pulse = (self.systolic - self.diastolic)[self.good]
        return float(np.median(self.slope[self.good] / np.maximum(pulse, 1e-6))) if self.count else float("nan")

    @property
    def interval(self) -> float:
        """The mean length of a good beat in s: a median would keep the step between two samples."""
        return float(np.mean(self.length[self.good]))

    def median(self, name: str) -> float:
        """The median over the good beats of `systolic`, `diastolic` or `mean`."""
        return float(np.median(getattr(self, name)[self.good]))

    def spread(self, name: str) -> float:
        """A robust standard deviation over the good beats (1.4826 times the median distance from the median)."""
        values = getattr(self, name)[self.good]
        return float(1.4826 * np.median(np.abs(values - np.median(values))))


@dataclass(frozen=True)
class AveragedBeat:
    """The average of the good beats over the phase of the beat: `phase` in 0..1, pressure and its spread in mmHg."""

    phase: np.ndarray
    pressure: np.ndarray
    sd: np.ndarray
    length: float
    beats: int


def find_beats(pressure: np.ndarray, rate: float, rules: Mapping[str, Any], artefact: np.ndarray) -> Beats:
    """Every beat of a signal in mmHg at `rate` samples a second; `artefact` marks the samples that say nothing.

    `rules` are those of the pressure in configs/codes/waveforms.yaml.
    """
    filled = _filled(pressure)
    smooth = _low_pass(filled, rate)
    feet = _feet(smooth, rate, artefact)
    if len(feet) < 2:
        none, never = np.zeros(0), np.zeros(0, bool)
        return Beats(none, none, none, none, none, none, never, never)
    guarded = _widened(artefact, int(settings()["quality"]["guard_s"] * rate))
    start, stop = feet[:-1], feet[1:]
    pairs = list(zip(start, stop, strict=True))
    slopes = np.diff(smooth) * rate
    # extremes of the signal as recorded: the filter that finds the feet would round a steep peak by several mmHg
    systolic = np.array([filled[a:b].max() for a, b in pairs])
    diastolic = np.array([min(filled[a], filled[b]) for a, b in pairs])
    mean = np.array([filled[a:b].mean() for a, b in pairs])
    slope = np.array([slopes[a:b].max() for a, b in pairs])
    whole = np.array([not guarded[a:b].any() for a, b in pairs])
    length = (stop - start) / rate
    good = whole & _plausible(systolic, diastolic, mean, length, rules)
    good &= _steady(systolic, diastolic, length, good, rules["change"])
    good &= _alike(_curves(filled, rate, start / rate, length), good)
    return Beats(start / rate, length, systolic, diastolic, mean, slope, whole, good)


def average(pressure: np.ndarray, rate: float, beats: Beats, points: int = 100) -> AveragedBeat:
    """The good beats laid over each other from foot to foot; raises nothing, is NaN without a good beat."""
    phase = np.linspace(0.0, 1.0, points)
    if not beats.count:
        return AveragedBeat(phase, np.full(points, np.nan), np.full(points, np.nan), float("nan"), 0)
    curves = _curves(_filled(pressure), rate, beats.start[beats.good], beats.length[beats.good], points)
    return AveragedBeat(phase, curves.mean(0), curves.std(0), beats.interval, beats.count)


def _curves(signal: np.ndarray, rate: float, start: np.ndarray, length: np.ndarray, points: int = 50) -> np.ndarray:
    """Every beat over its phase from foot to foot, one row a beat."""
    at = start[:, None] + np.linspace(0.0, 1.0, points) * length[:, None]
    return np.interp(at, np.arange(len(signal)) / rate, signal)


def _alike(curves: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Beats whose shape correlates with that of the usual beat: noise has extremes too, but no shape."""
    if not good.any():
        return good
    usual = np.median(curves[good], axis=0)
    shape, beats = usual - usual.mean(), curves - curves.mean(axis=1, keepdims=True)
    size = np.sqrt((beats**2).sum(1) * (shape**2).sum())
    return beats @ shape >= settings()["quality"]["likeness"] * np.maximum(size, 1e-12)


def _plausible(
    systolic: np.ndarray, diastolic: np.ndarray, mean: np.ndarray, length: np.ndarray, rules: Mapping[str, Any]
) -> np.ndarray:  # fmt: skip
    slowest, fastest = settings()["quality"]["rate"]
    bounds = (
        (systolic, rules["systolic_range"]), (diastolic, rules["diastolic_range"]), (mean, rules["mean_range"]),
        (systolic - diastolic, rules["pulse"]), (length, (60 / fastest, 60 / slowest)),
    )  # fmt: skip
    return np.logical_and.reduce([(low <= values) & (values <= high) for values, (low, high) in bounds])


def _steady(
    systolic: np.ndarray, diastolic: np.ndarray, length: np.ndarray, good: np.ndarray, change: float
) -> np.ndarray:
    """Beats near the usual one of the signal: an extra beat and the one after it do not stand for the patient."""
    if not good.any():
        return good
    near = np.abs(length - np.median(length[good])) <= settings()["quality"]["interval_change_s"]
    for values in (systolic, diastolic):
        usual = np.median(values[good])
        allowed = max(change, 3 * 1.4826 * float(np.median(np.abs(values[good] - usual))))
        near &= np.abs(values - usual) <= allowed
    return near


def _feet(smooth: np.ndarray, rate: float, artefact: np.ndarray) -> np.ndarray:
    from scipy.signal import find_peaks

    rule = settings()["detection"]
    size = max(1, round(rule["slope_sum_s"] * rate))
    rises = np.maximum(np.diff(smooth, prepend=smooth[:1]), 0.0)
    slope_sum = np.convolve(rises, np.ones(size))[: len(rises)]
    slope_sum[artefact] = 0.0
    distance = max(1, round(rule["refractory_s"] * rate))
    peaks, _ = find_peaks(slope_sum, distance=distance)
    if not len(peaks):
        return peaks
    # the upper quarter are upstrokes, whatever notches and waves lie between them
    usual = float(np.percentile(slope_sum[peaks], 75))
    peaks = peaks[slope_sum[peaks] >= rule["threshold"] * usual]
    reach = max(1, round(rule["onset_search_s"] * rate))
    feet = []
    for peak in peaks:
        begin = max(0, peak - reach)
        feet.append(begin + _last_minimum(smooth[begin : peak + 1]))
    feet = np.unique(feet)
    return feet[np.concatenate(([True], np.diff(feet) >= distance))] if len(feet) else feet


def _last_minimum(piece: np.ndarray) -> int:
    """Where the lowest pressure before an upstroke lies, the last one where several are as low."""
    return len(piece) - 1 - int(np.argmin(piece[::-1]))


def _low_pass(signal: np.ndarray, rate: float) -> np.ndarray:
    from scipy.signal import butter, sosfiltfilt

    edge = settings()["detection"]["low_pass_hz"]
    if edge >= 0.45 * rate or len(signal) < 40:
        return signal
    return sosfiltfilt(butter(2, edge, fs=rate, output="sos"), signal)


def _filled(signal: np.ndarray) -> np.ndarray:
    """Gaps bridged by straight lines, so that a filter can pass; beats in them are left out by the artefact mask."""
    known = np.isfinite(signal)
    if known.all() or not known.any():
        return np.where(known, signal, 0.0)
    places = np.arange(len(signal))
    return np.interp(places, places[known], signal[known])


def _widened(mask: np.ndarray, by: int) -> np.ndarray:
    if by <= 0 or not mask.any():
        return mask
    return np.convolve(mask, np.ones(2 * by + 1))[by : by + len(mask)] > 0.5
