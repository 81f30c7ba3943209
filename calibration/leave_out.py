"""What the twin would have said without a value: refits from the prior with it and its exact functions hidden."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .exact_functions import removed_with

__all__ = ["LeftOut", "hidden_channels", "predicted"]

COVERED = 1.959964  # half width of a 95 % normal interval in sds


@dataclass(frozen=True)
class LeftOut:
    """Prediction of a reading by everything else: centre and 95 % interval, measurement noise included."""

    value: float
    low: float
    high: float


def hidden_channels(channels: list[tuple[str, str]], mask: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """For every channel that one patient has (mask [C]): (channel, boolean [C] of what is hidden with it)."""
    present = [channels[c] for c in np.flatnonzero(mask)]
    found = []
    for c in np.flatnonzero(mask):
        gone = removed_with(channels[c], present)
        hidden = np.array([k == c or (bool(mask[k]) and channels[k] in gone) for k in range(len(channels))])
        found.append((int(c), hidden))
    return found


def predicted(reading: float, slope: np.ndarray, covariance: np.ndarray, sd: float) -> LeftOut:
    """Linearised prediction of one reading: slope [N] in z, posterior covariance without the reading, noise sd."""
    spread = float(np.sqrt(slope @ covariance @ slope + sd**2))
    return LeftOut(float(reading), float(reading - COVERED * spread), float(reading + COVERED * spread))
