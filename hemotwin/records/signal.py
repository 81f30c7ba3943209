"""A channel of a waveform record, and which of its samples can be believed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.configs import config_path, load_yaml

__all__ = ["Artefact", "Channel", "artefacts", "believed", "channel_kind", "settings"]


@dataclass(frozen=True)
class Channel:
    """One signal: `rate` samples a second in `unit`, read piece by piece; NaN where the record has no sample.

    `read(start, stop)` gives the samples of that range, at most `samples` of them; `begins` is the time of the first.
    """

    name: str
    unit: str
    rate: float
    samples: int
    begins: datetime | None
    read: Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class Artefact:
    """Seconds of a signal that say nothing of the patient, and why."""

    kind: str
    seconds: float
    reason: str


_REASONS = {
    "missing": "no sample was recorded",
    "zero": "the signal is exactly zero: a missing value or the zeroing of the line, no pressure",
    "flush": "a plateau above what a patient has: the line was flushed or the transducer driven to its end",
    "flat": "the signal stands still: the line is closed, clotted or not connected",
}


@lru_cache(maxsize=1)
def settings() -> dict[str, Any]:
    """The data file on channels and signal quality, configs/codes/waveforms.yaml."""
    return load_yaml(config_path("codes", "waveforms.yaml"))


@lru_cache(maxsize=1024)
def channel_kind(name: str) -> str | None:
    """Which pressure a channel carries, by its name; None for anything else."""
    word = plain(name)
    return next((kind for kind, names in settings()["channels"].items() if word in names), None)


def plain(name: str) -> str:
    """A channel's name in lower case without blanks, hyphens and other marks."""
    return re.sub(r"[\W_]+", "", name.lower())


def believed(pressure: np.ndarray, rate: float, flush: float) -> dict[str, np.ndarray]:
    """Samples by artefact: missing, zero, flush, flat; each sample has at most one of them.

    `pressure` in mmHg at `rate` samples a second, `flush` the pressure in mmHg above which a plateau is an artefact.
    """
    rule = settings()["quality"]
    masks = {"missing": ~np.isfinite(pressure)}
    taken = masks["missing"].copy()
    for kind, found in (
        ("zero", _lasting(pressure == 0, rule["zero_s"] * rate)),
        ("flush", _lasting(pressure > flush, rule["flush_s"] * rate)),
        ("flat", _still(pressure, rule["flat_s"] * rate, rule["flat_mmHg"])),
    ):
        masks[kind] = found & ~taken
        taken |= found
    return masks


def artefacts(masks: dict[str, np.ndarray], rate: float) -> list[Artefact]:
    """What was found, in seconds; kinds that did not occur are left out."""
    return [Artefact(kind, float(mask.sum()) / rate, _REASONS[kind]) for kind, mask in masks.items() if mask.any()]


def _lasting(mask: np.ndarray, least: float) -> np.ndarray:
    """Runs of True of at least so many samples."""
    kept = np.zeros(len(mask), dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start >= least:
            kept[start:stop] = True
    return kept


def _still(pressure: np.ndarray, least: float, within: float) -> np.ndarray:
    """Stretches of at least so many samples whose range stays within a bound."""
    size = max(2, int(least))
    kept = np.zeros(len(pressure), dtype=bool)
    if len(pressure) < size:
        return kept
    windows = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(pressure, nan=1e9), size)
    starts = np.unique(np.append(np.arange(0, len(windows), max(1, size // 4)), len(windows) - 1))
    for start in starts[np.ptp(windows[starts], axis=1) <= within]:
        kept[start : start + size] = True
    return kept & np.isfinite(pressure)
